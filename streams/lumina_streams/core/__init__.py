"""What decides: pure functions and small classes without I/O, clock or Faust."""
