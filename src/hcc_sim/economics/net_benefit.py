"""Net benefit at a threshold, and what uncertainty about it means for the choice.

A. A. Stinnett and J. Mullahy, Medical Decision Making 18 (1998) S68-S80, doi:10.1177/0272989X98018002S09 for net
benefit; E. Fenwick, K. Claxton and M. Sculpher, Health Economics 10 (2001) 779-787, doi:10.1002/hec.635 for curves and
frontier of acceptability; F. Alarid-Escudero and others, Value in Health 22 (2019) 611-618,
doi:10.1016/j.jval.2019.02.008 for expected loss.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcc_sim.economics.costs_and_effects import CostsAndEffects

Floats = NDArray[np.float64]

DEFINITIONS = {
    "net monetary benefit": "threshold x effect - cost",
    "net health benefit": "effect - cost / threshold",
    "acceptability": "the share of draws in which a strategy has the highest net benefit; equal ones share a draw",
    "acceptability frontier": "the acceptability of the strategy with the highest expected net benefit",
    "expected loss": "the mean over draws of the best net benefit in a draw minus that of the strategy",
    "expected value of perfect information": (
        "the mean over draws of the best net benefit in a draw minus the best of the mean net benefits; per patient"
    ),
}


class Optimum(NamedTuple):
    """The strategy of the highest expected net benefit at a threshold, and in what share of draws it is best."""

    threshold: float
    strategy: str
    acceptability: float


class Value(NamedTuple):
    """An expected value per patient at a threshold, with the standard error that so few draws leave (NaN for one)."""

    threshold: float
    value: float
    standard_error: float


def net_monetary_benefit(table: CostsAndEffects, threshold: float) -> Floats:
    """(D, S) threshold x effect - cost.

    Raises:
        ValueError: a threshold that is negative or not finite.
    """
    (value,) = _thresholds(threshold)
    return value * table.effects - table.costs


def net_health_benefit(table: CostsAndEffects, threshold: float) -> Floats:
    """(D, S) effect - cost / threshold.

    Raises:
        ValueError: a threshold that is not above 0 and finite.
    """
    (value,) = _thresholds(threshold)
    if value == 0.0:
        raise ValueError("the threshold is 0: net health benefit needs one above 0")
    return table.effects - table.costs / value


def acceptability(table: CostsAndEffects, thresholds: ArrayLike) -> Floats:
    """(T, S) the share of draws in which each strategy has the highest net benefit; equal ones share a draw.

    Raises:
        ValueError: a threshold that is negative or not finite.
    """
    found = []
    for threshold in _thresholds(thresholds):
        found.append(_parts(net_monetary_benefit(table, threshold)).mean(axis=0))
    return np.array(found)


def gain_where_best(table: CostsAndEffects, thresholds: ArrayLike) -> Floats:
    """(T, S) what each strategy adds to the net benefit of the first in the draws where it is best, mean over all.

    Equal ones share a draw.  The sum over strategies is the expected loss of the first.

    Raises:
        ValueError: a threshold that is negative or not finite.
    """
    benefits = (net_monetary_benefit(table, threshold) for threshold in _thresholds(thresholds))
    return np.array([(_parts(benefit) * (benefit - benefit[:, :1])).mean(axis=0) for benefit in benefits])


def acceptability_frontier(table: CostsAndEffects, thresholds: ArrayLike) -> list[Optimum]:
    """At each threshold the strategy of the highest expected net benefit; of equal ones the first.

    Raises:
        ValueError: a threshold that is negative or not finite.
    """
    values = _thresholds(thresholds)
    found = []
    for threshold, shares in zip(values, acceptability(table, values), strict=True):
        best = _optimal(table, threshold)
        found.append(Optimum(threshold, table.strategies[best], float(shares[best])))
    return found


def expected_loss(table: CostsAndEffects, thresholds: ArrayLike) -> Floats:
    """(T, S) the mean over draws of the best net benefit in a draw minus that of each strategy.

    Raises:
        ValueError: a threshold that is negative or not finite.
    """
    benefits = (net_monetary_benefit(table, threshold) for threshold in _thresholds(thresholds))
    return np.array([(benefit.max(axis=1, keepdims=True) - benefit).mean(axis=0) for benefit in benefits])


def value_of_perfect_information(table: CostsAndEffects, thresholds: ArrayLike) -> list[Value]:
    """At each threshold the expected value of perfect information per patient, in currency.

    It is the expected loss of the strategy of the highest expected net benefit.

    Raises:
        ValueError: a threshold that is negative or not finite.
    """
    found = []
    for threshold in _thresholds(thresholds):
        benefit = net_monetary_benefit(table, threshold)
        lost = benefit.max(axis=1) - benefit[:, _optimal(table, threshold)]
        error = float(np.std(lost, ddof=1) / math.sqrt(len(lost))) if len(lost) > 1 else math.nan
        found.append(Value(threshold, float(lost.mean()), error))
    return found


def _parts(benefit: Floats) -> Floats:
    """(D, S) of each draw the part that goes to a strategy: all where it alone is best."""
    best = benefit == benefit.max(axis=1, keepdims=True)
    return np.asarray(best / best.sum(axis=1, keepdims=True))


def _optimal(table: CostsAndEffects, threshold: float) -> int:
    return int(np.argmax(threshold * table.mean_effects - table.mean_costs))


def _thresholds(given: ArrayLike) -> list[float]:
    values = np.atleast_1d(np.asarray(given, dtype=np.float64))
    if (wrong := values[~((values >= 0.0) & (values < np.inf))]).size:
        raise ValueError(f"the threshold is {wrong[0]}; it must be at least 0 and finite")
    return [float(value) for value in values]
