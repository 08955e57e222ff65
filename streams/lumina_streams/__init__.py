"""Lumina's stream processing. `core` decides and is pure; `agents` and `transport` are shells over Faust."""
