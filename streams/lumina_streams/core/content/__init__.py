"""Prompts and answers: where a sender put them, and the one shape that they get."""
