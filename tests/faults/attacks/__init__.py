"""All attacks, by what they hit. Importing this package registers them."""

from faults.attack import ATTACKS
from faults.attacks import log, points, restore, rules, stream

__all__ = ["ATTACKS", "log", "points", "restore", "rules", "stream"]
