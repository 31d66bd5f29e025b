"""Discounting: what happens t months after a patient's start counts (1 + r)^(-t/12), r being the annual rate.

Costs and effects that go on over a stay are integrated exactly: over a to b months they come to
12 / ln(1 + r) ((1 + r)^(-a/12) - (1 + r)^(-b/12)) discounted months, and to b - a where r is 0.
"""

from __future__ import annotations

import math
from functools import cached_property

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


class Spans:
    """Spans of time (n,), discounted; what their months and those of ageing share is worked out once."""

    def __init__(self, from_months: Floats, to_months: Floats, rate_per_year: float) -> None:
        self.begin, self.end = from_months, to_months
        self.rate_per_year = rate_per_year
        self._force = math.log1p(rate_per_year) / MONTHS_A_YEAR

    @cached_property
    def months(self) -> Floats:
        """The discounted length of each."""
        if self.rate_per_year == 0.0:
            return np.asarray(self.end - self.begin)
        # Of the difference of two factors all digits would go where a span is short: so as the first times 1 - exp(-x).
        return np.asarray(self.factors * self._lost / self._force)

    @cached_property
    def aged_months(self) -> Floats:
        """Of each the integral of years since the start, discounted, over months: what ageing takes of it."""
        length = self.end - self.begin
        if self.rate_per_year == 0.0:
            return np.asarray(length * (self.begin + self.end) / (2.0 * MONTHS_A_YEAR))
        x = self._force * length
        within = (self._lost - x * np.exp(-x)) / self._force**2  # the integral of s exp(-force s) from 0 to length
        return np.asarray((self.begin * self.months + self.factors * within) / MONTHS_A_YEAR)

    @cached_property
    def factors(self) -> Floats:
        """What a unit counts as each begins."""
        return factors(self.begin, self.rate_per_year)

    @cached_property
    def _lost(self) -> Floats:
        """By which share a unit counts less as each ends."""
        return np.asarray(-np.expm1(-self._force * (self.end - self.begin)))

    def across(self, months: float) -> Spans:
        """Those that a time lies within, in order, cut off there."""
        within = self.within(months)
        return Spans(self.begin[within], np.full(np.count_nonzero(within), months), self.rate_per_year)

    def within(self, months: float) -> NDArray[np.bool_]:
        """In which a time lies, between beginning and end."""
        return np.asarray((self.begin < months) & (self.end > months))


def discounted_months(from_months: Floats, to_months: Floats, rate_per_year: float) -> Floats:
    """The discounted length (n,) of each span of time."""
    return Spans(from_months, to_months, rate_per_year).months


def discounted_aged_months(from_months: Floats, to_months: Floats, rate_per_year: float) -> Floats:
    """Each span's (n,) integral of years since the start, discounted, over months: what ageing takes of it."""
    return Spans(from_months, to_months, rate_per_year).aged_months


def discounted_cycles(from_months: Floats, interval_months: float, count: Floats, rate_per_year: float) -> Floats:
    """The discounted number (n,) of the first `count` (n,) whole cycles of spans that begin at `from_months` (n,)."""
    return cycles_from(factors(from_months, rate_per_year), interval_months, count, rate_per_year)


def cycles_from(at_begin: Floats, interval_months: float, count: Floats, rate_per_year: float) -> Floats:
    """The same of spans at whose beginning a unit counts `at_begin` (n,).

    One is given as the span begins and one every interval: a geometric series.
    """
    if rate_per_year == 0.0 or not len(count):
        return np.asarray(count, dtype=np.float64)
    step = math.log1p(rate_per_year) / MONTHS_A_YEAR * interval_months
    if (most := count.max()) < len(count):  # many spans have as many cycles: worked out once for each number
        series = np.expm1(-step * np.arange(most + 1.0))[count.astype(np.int64)]
    else:
        series = np.expm1(-step * count)
    return np.asarray(at_begin * series / np.expm1(-step))
