"""All attacks, by what they hit. Importing this package registers them."""

from faults.attack import ATTACKS
from faults.attacks import stream, views

__all__ = ["ATTACKS", "stream", "views"]
