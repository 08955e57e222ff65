"""All attacks, by what they hit. Importing this package registers them."""

from faults.attack import ATTACKS
from faults.attacks import dead_letters, log, points, restore, stream

__all__ = ["ATTACKS", "dead_letters", "log", "points", "restore", "stream"]
