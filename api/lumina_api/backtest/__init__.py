"""Backtests: recorded calls through the very core that detects, and nobody is notified."""
