"""From an OTLP span to one normalised, priced record."""
