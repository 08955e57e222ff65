"""An installation's log as files that people can read: taken from one Kafka, given to another."""
