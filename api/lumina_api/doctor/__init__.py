"""`lumina doctor`: what of an installation is not as it should be, what that means, and what to do.

`cluster` and `machine` gather facts; `checks` are pure functions from facts to findings.
"""
