"""Survival of people who may be censored: Kaplan-Meier curves, incidence by cause, restricted means, with errors.

For trials, registries and weighted samples, where the tallies of a simulation (`tally`) do not serve.  Weights are
frequencies: a weight of 2 is two people.

E. L. Kaplan and P. Meier, Journal of the American Statistical Association 53 (1958) 457-481,
doi:10.1080/01621459.1958.10501452; errors after M. Greenwood, intervals on the scale of log(-log S) (J. D. Kalbfleisch
and R. L. Prentice); O. O. Aalen and S. Johansen, Scandinavian Journal of Statistics 5 (1978) 141-150.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcc_sim.outcomes.hazard_ratio import HazardRatio, hazard_ratio

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

WITHIN = 1.959963984540054
"""Standard errors from a normal estimate to either end of its 95% interval."""

ROUNDING = 1e-9
"""Of a share: what may be lost in sums and products."""

CENSORED = 0
"""In place of a cause."""


class Told(NamedTuple):
    """An estimate with its standard error and 95% interval."""

    value: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Survival:
    """A Kaplan-Meier curve: a step at each of `months`, the distinct times of events, in rising order.

    `survival` and `error` (Greenwood) hold from each step to the next; `at_risk` are those in view just before it,
    `events` those who have theirs at it.  `last_months` is when the last person leaves view: nothing is told of later.
    """

    months: Floats
    survival: Floats
    error: Floats
    at_risk: Floats
    events: Floats
    last_months: float

    def at(self, months: float) -> Told:
        """Survival at a time; NaN beyond everybody's follow-up, where somebody is alive."""
        place = int(np.searchsorted(self.months, months, side="right")) - 1
        s, error = (1.0, 0.0) if place < 0 else (float(self.survival[place]), float(self.error[place]))
        if months > self.last_months and s > 0.0:
            return Told(math.nan, math.nan, math.nan, math.nan)
        return Told(s, error, *_interval(s, error))

    def median(self) -> tuple[float, float, float]:
        """The first time at which survival is one half or less, and its 95% interval; inf where it stays above.

        The interval holds the times at which one half lies within that of survival: R. Brookmeyer and J. Crowley,
        Biometrics 38 (1982) 29-41, doi:10.2307/2530286.
        """
        low, high = np.transpose(
            [_interval(s, e) for s, e in zip(self.survival, self.error, strict=True)] or [(1.0, 1.0)]
        )
        return self._first(self.survival), self._first(low), self._first(high)

    def restricted_mean(self, months: float) -> tuple[float, float]:
        """Mean time without the event up to a time, and its standard error.

        The area under the curve; its variance is the sum over steps of (area from the step on)^2 d / (n (n - d)).

        Raises:
            ValueError: a time below 0, or beyond everybody's follow-up, where somebody is alive.
        """
        if not months >= 0.0:
            raise ValueError(f"the mean is restricted to {months} months; that must be at least 0")
        if months > self.last_months and (not len(self.survival) or self.survival[-1] > 0.0):
            raise ValueError(f"nobody is followed for {months:g} months; the longest is {self.last_months:g}")
        inside = self.months < months
        steps = np.concatenate(([0.0], self.months[inside], [months]))
        levels = np.concatenate(([1.0], self.survival[inside]))
        areas = levels * np.diff(steps)
        d, n = self.events[inside], self.at_risk[inside]
        later = np.cumsum(areas[::-1])[::-1][1:]  # under the curve from each step on
        return float(areas.sum()), float(np.sqrt(np.sum(later**2 * _greenwood(d, n))))

    def _first(self, level: Floats) -> float:
        """The first time at which a level that falls is one half or less."""
        below = np.flatnonzero(level <= 0.5 + ROUNDING)
        return float(self.months[below[0]]) if len(below) else math.inf


@dataclass(frozen=True)
class Incidence:
    """The Aalen-Johansen estimate: the share to whom each cause has happened, with its standard error.

    `months` (K,) are the distinct times of events; `share` and `error` (causes, K) hold from each to the next; causes
    are numbered from 1, so that row c - 1 is that of cause c.  `last_months` is when the last person leaves view.
    """

    months: Floats
    share: Floats
    error: Floats
    last_months: float

    def at(self, cause: int, months: float) -> tuple[float, float]:
        """Share and standard error at a time; NaN beyond everybody's follow-up, where somebody has had no event.

        Raises:
            ValueError: a cause that there is not.
        """
        if not 1 <= cause <= len(self.share):
            raise ValueError(f"there is no cause {cause}; causes are 1 to {len(self.share)}")
        place = int(np.searchsorted(self.months, months, side="right")) - 1
        had = 0.0 if place < 0 else float(self.share[:, place].sum())
        if months > self.last_months and had < 1.0 - ROUNDING:
            return math.nan, math.nan
        return (0.0, 0.0) if place < 0 else (float(self.share[cause - 1, place]), float(self.error[cause - 1, place]))


class Period(NamedTuple):
    """A hazard ratio within a period: of those who reach its beginning, up to its end."""

    from_months: float
    to_months: float
    ratio: HazardRatio


def kaplan_meier(
    months: ArrayLike, events: ArrayLike, weights: ArrayLike | None = None, entered: ArrayLike | None = None
) -> Survival:
    """The curve of people who have an event or leave view.

    Args:
        months: (n,) when each has the event or is censored.
        events: (n,) whether it was the event.
        weights: (n,) how many people each stands for; one by default.
        entered: (n,) when each comes into view (left truncation); at 0 by default.

    Raises:
        ValueError: lengths that differ, nobody, times or weights below 0 or not finite, who leaves before he comes.
    """
    left, weight, came = _checked(months, weights, entered)
    had = _same_length(events, left, "events")
    if not np.isfinite(had).all():
        raise ValueError("events must be told of everybody: true or false, 1 or 0")
    times, counts = _steps(left, had.astype(np.bool_), weight)
    at_risk = _at_risk(times, counts, came, left, weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.asarray(np.cumprod(1.0 - counts / at_risk), dtype=np.float64)
        error = np.where(survival > 0.0, survival * np.sqrt(np.cumsum(_greenwood(counts, at_risk))), 0.0)
    return Survival(times, survival, np.asarray(error, np.float64), at_risk, counts, _last(left, weight))


def numbers_at_risk(
    at_months: ArrayLike, months: ArrayLike, weights: ArrayLike | None = None, entered: ArrayLike | None = None
) -> Floats:
    """(T,) how many are in view just before each time: the table below a curve.  Arguments as for `kaplan_meier`.

    Raises:
        ValueError: as `kaplan_meier`.
    """
    left, weight, came = _checked(months, weights, entered)
    return _in_view(np.atleast_1d(np.asarray(at_months, dtype=np.float64)), came, left, weight)


def aalen_johansen(
    months: ArrayLike, causes: ArrayLike, weights: ArrayLike | None = None, entered: ArrayLike | None = None
) -> Incidence:
    """The cumulative incidence of each of several causes that end each other.

    Standard errors by the delta method: E. Marubini and M. G. Valsecchi, Analysing Survival Data from Clinical Trials
    and Observational Studies (1995), chapter 10.

    Args:
        months: (n,) when each has an event or is censored.
        causes: (n,) which event: 1, 2 ..., or `CENSORED`.
        weights, entered: as for `kaplan_meier`.

    Raises:
        ValueError: as `kaplan_meier`; a cause that is no whole number of 0 or more.
    """
    left, weight, came = _checked(months, weights, entered)
    cause = _same_length(causes, left, "causes")
    if ((cause < 0) | (cause != np.floor(cause))).any():
        raise ValueError("a cause is 0 (censored), 1, 2 ...")
    times, dead = _steps(left, cause > CENSORED, weight)
    n = _at_risk(times, dead, came, left, weight)
    before = np.concatenate(([1.0], np.cumprod(1.0 - dead / n)))[:-1]
    shares, errors = [], []
    for one in range(1, int(cause.max(initial=1)) + 1):
        mine = (cause == one) & (weight > 0.0)
        d = np.bincount(np.searchsorted(times, left[mine]), weight[mine], len(times)).astype(np.float64)
        share = np.cumsum(before * d / n)
        shares.append(share)
        errors.append(np.sqrt(np.maximum(_variances(share, before, d, dead, n), 0.0)))
    return Incidence(times, np.array(shares), np.array(errors), _last(left, weight))


def ratios_by_period(
    months: Floats, events: NDArray[np.bool_], versus_months: Floats, versus_events: NDArray[np.bool_], cuts: ArrayLike
) -> list[Period]:
    """How a hazard ratio changes: in each period between cuts (and after the last), of those still in view after its
    beginning.  Who has an event, or is censored, at time 0 belongs to none.

    Raises:
        ValueError: cuts that do not rise from above 0.
    """
    edges = [0.0, *np.atleast_1d(np.asarray(cuts, dtype=np.float64)).tolist(), math.inf]
    if any(not a < b for a, b in pairwise(edges)):
        raise ValueError(f"cuts must rise from above 0; they are {edges[1:-1]}")

    def within(times: Floats, had: NDArray[np.bool_], low: float, high: float) -> tuple[Floats, NDArray[np.bool_]]:
        here = times > low
        return np.minimum(times[here], high) - low, had[here] & (times[here] <= high)

    return [
        Period(
            low,
            high,
            hazard_ratio(*within(months, events, low, high), *within(versus_months, versus_events, low, high)),
        )
        for low, high in pairwise(edges)
    ]


def _variances(share: Floats, before: Floats, d: Floats, dead: Floats, n: Floats) -> Floats:
    """Of the incidence at each time: sums over all times up to it, quadratic in the incidence there."""
    of_survival = _greenwood(dead, n)
    of_cause = before**2 * (n - d) / n * d / n**2
    with_each_other = before * d / n**2
    sums = [np.cumsum(x) for x in (of_survival, share * of_survival, share**2 * of_survival)]
    cross, crossed = np.cumsum(with_each_other), np.cumsum(share * with_each_other)
    squares = share**2 * sums[0] - 2.0 * share * sums[1] + sums[2]
    return np.asarray(squares + np.cumsum(of_cause) - 2.0 * (share * cross - crossed))


def _greenwood(events: Floats, at_risk: Floats) -> Floats:
    """d / (n (n - d)); where all who are left have their event at once nothing is added: survival is 0 from there."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(at_risk > events, events / (at_risk * (at_risk - events)), 0.0)


def _interval(s: float, error: float) -> tuple[float, float]:
    """On the scale of log(-log S)."""
    if not 0.0 < s < 1.0:
        return s, s
    spread = WITHIN * error / (s * abs(math.log(s)))
    return s ** math.exp(spread), s ** math.exp(-spread)


def _steps(left: Floats, happened: NDArray[np.bool_], weight: Floats) -> tuple[Floats, Floats]:
    """Distinct times of events, and how many people have theirs at each."""
    happened = happened & (weight > 0.0)
    times, place = np.unique(left[happened], return_inverse=True)
    return times, np.bincount(place, weight[happened], len(times)).astype(np.float64)


def _at_risk(times: Floats, counts: Floats, came: Floats, left: Floats, weight: Floats) -> Floats:
    """How many are in view just before each time: exactly those who have the event, where these are all."""
    in_view = _in_view(times, came, left, weight)
    return np.where(np.abs(in_view - counts) <= ROUNDING * np.sum(weight), counts, in_view)


def _last(left: Floats, weight: Floats) -> float:
    return float(left[weight > 0.0].max())


def _in_view(times: Floats, came: Floats, left: Floats, weight: Floats) -> Floats:
    """How many people have come before each time and not left before it."""

    def before(moments: Floats, side: str) -> Floats:
        order = np.argsort(moments, kind="stable")
        summed = np.concatenate(([0.0], np.cumsum(weight[order])))
        return np.asarray(summed[np.searchsorted(moments[order], times, side=side)])  # type: ignore[call-overload]

    here = before(came, "left") + np.sum(weight[came == 0.0]) * (times == 0.0)
    gone = before(left, "left")
    in_view = here - gone
    return np.where(in_view < ROUNDING * here, 0.0, in_view)


def _checked(months: ArrayLike, weights: ArrayLike | None, entered: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    left = np.asarray(months, dtype=np.float64)
    if left.ndim != 1 or not len(left):
        raise ValueError("there is nobody: months need a row of one or more times")
    weight = np.ones(len(left)) if weights is None else _same_length(weights, left, "weights")
    came = np.zeros(len(left)) if entered is None else _same_length(entered, left, "entered")
    for what, values in (("months", left), ("weights", weight), ("entered", came)):
        if not (np.isfinite(values) & (values >= 0.0)).all():
            raise ValueError(f"{what} must be at least 0 and finite")
    if not (weight > 0.0).any():
        raise ValueError("there is nobody: all weights are 0")
    if entered is not None and (wrong := (came >= left) & (came > 0.0)).any():
        person = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"person {person} leaves at {left[person]:g} and comes at {came[person]:g} months")
    return left, weight, came


def _same_length(given: ArrayLike, like: Floats, what: str) -> Floats:
    values = np.asarray(given, dtype=np.float64)
    if values.shape != like.shape:
        raise ValueError(f"{what} have the shape {values.shape}, months {like.shape}")
    return values
