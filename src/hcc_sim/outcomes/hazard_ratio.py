"""The hazard ratio of two groups: the estimate of Cox's proportional hazards model with one indicator."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_STEPS = 50
PRECISION = 1e-10


class HazardRatio(NamedTuple):
    """Log hazard ratio of the first group against the second, its standard error, and the events of both."""

    log_ratio: float
    error: float
    events: tuple[int, int]


def hazard_ratio(months: Floats, events: Flags, versus_months: Floats, versus_events: Flags) -> HazardRatio:
    """Maximise the partial likelihood of Cox (1972), doi:10.1111/j.2517-6161.1972.tb00899.x, ties after Breslow.

    Args:
        months: time of event or censoring, first group.
        events: whether it was an event.
        versus_months, versus_events: the same of the second group.

    Returns:
        Log ratio and error are infinite where the likelihood rises for ever (nobody of the other group is at risk when
        a group has its events, or it has none), NaN where that holds both ways.

    Raises:
        ArithmeticError: the search did not end, which no data should bring about.
    """
    counts = int(np.count_nonzero(events)), int(np.count_nonzero(versus_events))
    if not sum(counts):
        return HazardRatio(math.nan, math.nan, counts)
    up = _never_against(versus_months[versus_events], months)
    down = _never_against(months[events], versus_months)
    if up or down:
        return HazardRatio(math.nan if up and down else math.inf if up else -math.inf, math.inf, counts)
    at, first, second = _at_risk(months, versus_months, np.concatenate((months[events], versus_months[versus_events])))
    beta = math.log((counts[0] / first.sum()) / (counts[1] / second.sum()))
    for _ in range(MOST_STEPS):
        weighted = first * math.exp(beta)
        share = weighted / (weighted + second)
        score, information = counts[0] - float(share @ at), float((share * (1.0 - share)) @ at)
        step = score / information
        beta += min(max(step, -1.0), 1.0)
        if abs(step) < PRECISION:
            return HazardRatio(beta, 1.0 / math.sqrt(information), counts)
    raise ArithmeticError(f"no hazard ratio found after {MOST_STEPS} steps")


def _never_against(events: Floats, others: Floats) -> bool:
    """No event of a group happens while anybody of the others is at risk: nothing speaks for its hazard."""
    return not len(events) or not len(others) or float(events.min()) > float(others.max())


def _at_risk(months: Floats, versus_months: Floats, deaths: Floats) -> tuple[Floats, Floats, Floats]:
    """Events at each distinct time of one, and how many of either group are at risk then."""
    times, at = np.unique(deaths, return_counts=True)
    first = len(months) - np.searchsorted(np.sort(months), times)
    second = len(versus_months) - np.searchsorted(np.sort(versus_months), times)
    return at.astype(np.float64), first.astype(np.float64), second.astype(np.float64)
