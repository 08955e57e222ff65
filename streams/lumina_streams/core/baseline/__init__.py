"""What a series is used to, and the running tests that tell when it leaves that."""
