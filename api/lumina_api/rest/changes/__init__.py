"""What people change through REST: first on the audit log, then on Kafka, then seen in the views."""
