"""All attacks, by what they hit. Importing this package registers them."""

from faults.attack import ATTACKS
from faults.attacks import dead_letters, gateway, log, points, restore, rules, stream, views

__all__ = ["ATTACKS", "dead_letters", "gateway", "log", "points", "restore", "rules", "stream", "views"]
