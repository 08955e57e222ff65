"""Traces of the day by project: counted by every gateway, shared through `lumina.usage`, limited."""
