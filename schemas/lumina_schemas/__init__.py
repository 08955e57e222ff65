"""What crosses a boundary in Lumina. No I/O, but the CA file of `kafka` and one question in `topic_facts`."""
