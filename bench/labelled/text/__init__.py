"""Prompts and answers of a labelled series, and what may be wrong with the answers."""
