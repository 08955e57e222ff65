"""All attacks, by what they hit. Importing this package registers them."""

from faults.attack import ATTACKS
from faults.attacks import gateway, stream, views

__all__ = ["ATTACKS", "gateway", "stream", "views"]
