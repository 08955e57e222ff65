"""The stack of the end-to-end tests, for tests here that are no attacks."""

from e2e.conftest import stack

__all__ = ["stack"]
