"""How many calls a test needs to tell a change from chance."""

from math import inf, log

Z_SUM = 6.0  # z_alpha + z_beta: one false alarm in 10^6, and as good as no miss
RARE = 0.002  # a share that never occurred is taken for so large


def shift_need(spread: float, factor: float) -> float:
    """Calls, for a shift of a log-normal value by a factor: ((z_alpha + z_beta) * spread / ln factor)^2."""
    return max(1.0, (Z_SUM * spread / log(factor)) ** 2) if factor > 1.0 else inf


def coin_need(share: float, usual: float) -> float:
    """Calls, for a share of bad calls: the same with the distance that coins have (Kullback and Leibler)."""
    usual = max(usual, RARE)
    share = min(share, 0.999)
    distance = share * log(share / usual) + (1 - share) * log((1 - share) / (1 - usual))
    return max(1.0, Z_SUM**2 / (2 * distance))
