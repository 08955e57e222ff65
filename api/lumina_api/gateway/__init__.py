"""OTLP in, Kafka out: what is answered with success is on Kafka, acknowledged by all in-sync replicas."""
