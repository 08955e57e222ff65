"""Thresholds from a budget: how many alerts without cause a project bears in a week.

The evidence of every test is an e-process (see `sequential`): on calls like those of the baseline it reaches
h nats after exp(h) calls on average, or later. So a test that sees N calls a week fires without cause at most
N exp(-h) times, and all tests of all series of a project together stay within the budget where
h = ln(series x N x tests / budget). (Average run length: Shin, Ramdas, Rinaldo, "E-detectors", 2022.)
"""

from math import log
from typing import NamedTuple

from lumina_streams.core.series.rules import Rules

WEEK_MIN = 7 * 24 * 60
TESTS = 12  # of a series that can warn: signals times the alternatives that each looks for
LEAST_H = 9.0  # nats: a project of one quiet series is no reason to believe everything
MOST_H = 30.0
LEAST_JOINT_H = 9.0  # nats: given that one half is real, chance must not bring the other one
LEARNING_H = 6.0  # nats on top while learning: only overwhelming evidence ...
LEARNING_LEAST_H = 18.0
LEARNING_MOST_H = 19.0  # ... which five calls at ten times the cost are
LEAST_SERIES = 50  # that a project is taken to have at least: its thresholds should not move as it begins
LEAST_WEEKLY = 1000.0  # calls a week that a series is taken to have at least


class Thresholds(NamedTuple):
    """Nats of evidence."""

    alone: float  # for one signal: a warning
    joint: float  # for each half of a dual signal: critical


def thresholds(ready: bool, rate_per_min: float, rules: Rules) -> Thresholds:
    """What follows from the budget, the active series of the project and the series' own rate of calls.

    Joint: two tests that reach h independently N exp(-h) times a week do so within `correlation_s` of each
    other 2 correlation_s / week x (N exp(-h))^2 times.
    """
    weekly = max(rate_per_min * WEEK_MIN, LEAST_WEEKLY)
    series = max(rules.active_series, LEAST_SERIES)
    alone = log(series * weekly * TESTS / rules.false_warnings_per_week)
    near = 2 * rules.correlation_s / (WEEK_MIN * 60)
    joint = log(weekly) + 0.5 * log(series * near / rules.false_critical_per_week)
    alone = min(max(alone, LEAST_H), MOST_H)
    joint = min(max(joint, LEAST_JOINT_H), alone)
    if not ready:
        alone = min(max(alone + LEARNING_H, LEARNING_LEAST_H), LEARNING_MOST_H)
        joint = min(alone, joint + LEARNING_H)
    return Thresholds(alone, joint)
