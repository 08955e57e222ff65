"""Lumina's client library. Applications need none of it: any OpenTelemetry SDK will do."""

__version__ = "0.1.0"
