"""Discounting: what happens t months after a patient's start counts (1 + r)^(-t/12), r being the annual rate.

Costs and effects that go on over a stay are integrated exactly: over a to b months they come to
12 / ln(1 + r) ((1 + r)^(-a/12) - (1 + r)^(-b/12)) discounted months, and to b - a where r is 0.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MONTHS_A_YEAR = 12.0


def check_rate(rate_per_year: float) -> float:
    """The rate.

    Raises:
        ValueError: it is below 0 or not finite.
    """
    if not 0.0 <= rate_per_year < math.inf:
        raise ValueError(f"the discount rate is {rate_per_year} a year; it must be at least 0 and finite")
    return float(rate_per_year)


def factors(months: Floats, rate_per_year: float) -> Floats:
    """What a unit at these times (n,) counts at time 0."""
    if rate_per_year == 0.0:
        return np.ones_like(months)
    return np.asarray(np.exp(months * (-math.log1p(rate_per_year) / MONTHS_A_YEAR)))


def discounted_months(from_months: Floats, to_months: Floats, rate_per_year: float) -> Floats:
    """The discounted length (n,) of each span of time."""
    if rate_per_year == 0.0:
        return np.asarray(to_months - from_months)
    force = math.log1p(rate_per_year) / MONTHS_A_YEAR
    # Of the difference of two factors all digits would go where a span is short: so as the first times 1 - exp(-x).
    return np.asarray(np.exp(-force * from_months) * -np.expm1(-force * (to_months - from_months)) / force)


def discounted_cycles(from_months: Floats, interval_months: float, count: Floats, rate_per_year: float) -> Floats:
    """The discounted number (n,) of the first `count` (n,) cycles of spans that begin at `from_months` (n,).

    One is given as the span begins and one every interval: a geometric series.
    """
    if rate_per_year == 0.0:
        return np.asarray(count, dtype=np.float64)
    step = math.log1p(rate_per_year) / MONTHS_A_YEAR * interval_months
    return np.asarray(factors(from_months, rate_per_year) * np.expm1(-step * count) / np.expm1(-step))


def discounted_aged_months(from_months: Floats, to_months: Floats, rate_per_year: float) -> Floats:
    """Each span's (n,) integral of years since the start, discounted, over months: what ageing takes of it."""
    length = to_months - from_months
    if rate_per_year == 0.0:
        return np.asarray(length * (from_months + to_months) / (2.0 * MONTHS_A_YEAR))
    force = math.log1p(rate_per_year) / MONTHS_A_YEAR
    x = force * length
    within = (-np.expm1(-x) - x * np.exp(-x)) / force**2  # the integral of s exp(-force s) from 0 to length
    before = from_months * discounted_months(from_months, to_months, rate_per_year)
    return np.asarray((before + np.exp(-force * from_months) * within) / MONTHS_A_YEAR)
