"""A series' state and its one transition: a call in, alerts out."""
