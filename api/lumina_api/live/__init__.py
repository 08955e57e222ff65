"""What happens now, for those who watch: events of the views' batches, once their rows can be read."""
