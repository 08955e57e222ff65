"""How good an answer is: hard signs, and its likeness to the series' own reference answers."""
