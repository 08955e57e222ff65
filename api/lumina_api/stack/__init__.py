"""The local stack: a real Apache Kafka and Lumina's processes on one machine, run by `lumina up`."""
