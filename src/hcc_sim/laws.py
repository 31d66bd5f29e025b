"""Time-to-event laws: cumulative hazard H(t), its inverse, and what follows from them.  Time is in months throughout.

A law is a frozen dataclass without random state.  To be evaluated it becomes a row of a `LawTable`, and two compiled
scalar functions read that row: `cumulative_hazard` and `inverse_cumulative_hazard`.  Python methods, engine and tests
all go through these two; the array functions beside them only choose the family once instead of for each element.

H(0) = 0 and H(inf) is the total hazard, finite for a defective law.  The inverse is inf{t : H(t) >= h}: 0 at h = 0,
and infinite where h exceeds the total.  nan gives nan, and so does a time or a hazard below 0 in compiled code.

To add a family: a code, its two formulas, one branch in `_family_hazard`, `_family_inverse`, a dataclass.
"""

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self, TypeVar, cast

import numpy as np
import numpy.typing as npt

from hcc_sim.compiled import compiled
from hcc_sim.elementary import (
    LN2,
    exp,
    expm1,
    log,
    log1p,
    log_normal_survival,
    normal_quantile,
    normal_upper_quantile_from_hazard,
)

EXPONENTIAL, WEIBULL, GOMPERTZ, LOG_NORMAL, PIECEWISE_EXPONENTIAL = range(5)

FloatArray = npt.NDArray[np.float64]
Numbers = TypeVar("Numbers", float, FloatArray)


class LawTable(NamedTuple):
    """Laws as arrays, row i for law i; what compiled code reads."""

    family: npt.NDArray[np.int64]
    """(n,) code of the family, a constant of this module."""
    numbers: FloatArray
    """(n, 4) up to three numbers of the family, then the cured share; unused ones are 0."""
    first: npt.NDArray[np.int64]
    """(n,) first row of the law's pieces in breaks, rates and hazards."""
    last: npt.NDArray[np.int64]
    """(n,) one past its last row there; equal to first for a law without pieces."""
    breaks: FloatArray
    """(m,) start of each piece, months."""
    rates: FloatArray
    """(m,) hazard on each piece, per month."""
    hazards: FloatArray
    """(m,) cumulative hazard at the start of each piece."""


# --- the formulas, compiled -------------------------------------------------------------------------------------------


@compiled
def _rate_times(rate: float, t: float) -> float:
    """rate * t, where rate 0 means never, even at t = inf."""
    return rate if rate == 0.0 else rate * t


@compiled
def _over_rate(h: float, rate: float) -> float:
    """h / rate, where rate 0 means never."""
    return np.inf if rate == 0.0 else h / rate


@compiled
def _weibull_hazard(shape: float, scale: float, t: float) -> float:
    return exp(shape * log(t / scale))


@compiled
def _weibull_inverse(shape: float, scale: float, h: float) -> float:
    return scale * exp(log(h) / shape)


@compiled
def _gompertz_hazard(shape: float, rate: float, t: float) -> float:
    grown = expm1(shape * t) / shape
    return _rate_times(rate, t if shape == 0.0 else grown)


@compiled
def _gompertz_inverse(shape: float, rate: float, h: float) -> float:
    steady = _over_rate(h, rate)
    t = log1p(shape * steady) / shape
    t = np.inf if shape * steady <= -1.0 or rate == 0.0 else t
    return steady if shape == 0.0 else t


@compiled
def _log_normal_hazard(log_mean: float, log_sd: float, t: float) -> float:
    return 0.0 - log_normal_survival((log(t) - log_mean) / log_sd)


@compiled
def _log_normal_inverse(log_mean: float, log_sd: float, h: float) -> float:
    return exp(log_mean + log_sd * normal_upper_quantile_from_hazard(h))


@compiled
def _piece(starts: FloatArray, first: int, last: int, x: float) -> int:
    """The last piece that starts strictly below x > 0; the first piece starts at 0."""
    low, high = first, last
    while high - low > 1:
        middle = (low + high) >> 1
        if starts[middle] < x:
            low = middle
        else:
            high = middle
    return low


@compiled
def _piecewise_hazard(laws: LawTable, first: int, last: int, t: float) -> float:
    k = _piece(laws.breaks, first, last, t)
    return laws.hazards[k] + _rate_times(laws.rates[k], t - laws.breaks[k])


@compiled
def _piecewise_inverse(laws: LawTable, first: int, last: int, h: float) -> float:
    # Strictly below h: where H is flat at h, the infimum is where the flat part begins.
    k = _piece(laws.hazards, first, last, h)
    rate = laws.rates[k]
    t = np.inf if rate == 0.0 else laws.breaks[k] + (h - laws.hazards[k]) / rate
    return min(t, laws.breaks[k + 1]) if k + 1 < last else t


@compiled(forceinline=True)
def _hazard_with_cured(cured: float, h: float) -> float:
    """-log(c + (1 - c) exp(-h)): through log1p and expm1 while h is small, else directly, so that no digits cancel."""
    near = -log1p((1.0 - cured) * expm1(-h))
    far = -log(cured + (1.0 - cured) * exp(-h))
    return (near if h < LN2 else far) + 0.0  # + 0 makes a zero positive


@compiled(forceinline=True)
def _hazard_of_uncured(cured: float, h: float) -> float:
    """Inverse of `_hazard_with_cured`; inf where h reaches the plateau -log(c)."""
    lost = expm1(-h) / (1.0 - cured)
    left = (exp(-h) - cured) / (1.0 - cured)
    near = np.inf if lost <= -1.0 else -log1p(lost)
    far = np.inf if left <= 0.0 else -log(left)
    return (near if h < LN2 else far) + 0.0


# Inlined by force, so that where the family is a constant only its own formula is left, in a loop that vectorises.
@compiled(forceinline=True)
def _family_hazard(laws: LawTable, index: int, family: int, a: float, b: float, t: float) -> float:
    """H of the law without its cured share; a and b are its first two numbers."""
    if family == EXPONENTIAL:
        h = _rate_times(a, t)
    elif family == WEIBULL:
        h = _weibull_hazard(a, b, t)
    elif family == GOMPERTZ:
        h = _gompertz_hazard(a, b, t)
    elif family == LOG_NORMAL:
        h = _log_normal_hazard(a, b, t)
    elif family == PIECEWISE_EXPONENTIAL:
        h = _piecewise_hazard(laws, laws.first[index], laws.last[index], t)
    else:
        h = np.nan
    h = 0.0 if t == 0.0 else h
    return h if t >= 0.0 else np.nan


@compiled(forceinline=True)
def _family_inverse(laws: LawTable, index: int, family: int, a: float, b: float, h: float) -> float:
    """Inverse of H of the law without its cured share."""
    if family == EXPONENTIAL:
        t = _over_rate(h, a)
    elif family == WEIBULL:
        t = _weibull_inverse(a, b, h)
    elif family == GOMPERTZ:
        t = _gompertz_inverse(a, b, h)
    elif family == LOG_NORMAL:
        t = _log_normal_inverse(a, b, h)
    elif family == PIECEWISE_EXPONENTIAL:
        t = _piecewise_inverse(laws, laws.first[index], laws.last[index], h)
    else:
        t = np.nan
    t = 0.0 if h == 0.0 else t
    return t if h >= 0.0 else np.nan


@compiled
def cumulative_hazard(laws: LawTable, index: int, t: float) -> float:
    """H(t) of law ``index`` of the table, t in months; nan for t < 0 and for nan."""
    a, b, cured = laws.numbers[index, 0], laws.numbers[index, 1], laws.numbers[index, 3]
    h = _family_hazard(laws, index, laws.family[index], a, b, t)
    return _hazard_with_cured(cured, h) if cured > 0.0 else h


@compiled
def inverse_cumulative_hazard(laws: LawTable, index: int, h: float) -> float:
    """inf{t : H(t) >= h} of law ``index``, months; inf where h exceeds the total hazard; nan for h < 0 and for nan."""
    a, b, cured = laws.numbers[index, 0], laws.numbers[index, 1], laws.numbers[index, 3]
    uncured = _hazard_of_uncured(cured, h) if cured > 0.0 else h
    return _family_inverse(laws, index, laws.family[index], a, b, uncured)


@compiled
def cumulative_hazards(laws: LawTable, index: int, t: FloatArray, out: FloatArray) -> None:
    """Fill out[i] with the bits of `cumulative_hazard` at t[i]; both (k,) and contiguous; out may be t."""
    family = laws.family[index]
    a, b, cured = laws.numbers[index, 0], laws.numbers[index, 1], laws.numbers[index, 3]
    if family == EXPONENTIAL:
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, EXPONENTIAL, a, b, t[i])
    elif family == WEIBULL:
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, WEIBULL, a, b, t[i])
    elif family == GOMPERTZ:
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, GOMPERTZ, a, b, t[i])
    else:  # their branches and searches keep them scalar anyway
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, family, a, b, t[i])
    if cured > 0.0:
        for i in range(t.size):
            out[i] = _hazard_with_cured(cured, out[i])


@compiled
def inverse_cumulative_hazards(laws: LawTable, index: int, h: FloatArray, out: FloatArray) -> None:
    """Fill out[i] with the bits of `inverse_cumulative_hazard` at h[i]; both (k,) and contiguous; out may be h."""
    family = laws.family[index]
    a, b, cured = laws.numbers[index, 0], laws.numbers[index, 1], laws.numbers[index, 3]
    for i in range(h.size):
        out[i] = _hazard_of_uncured(cured, h[i]) if cured > 0.0 else h[i]
    if family == EXPONENTIAL:
        for i in range(h.size):
            out[i] = _family_inverse(laws, index, EXPONENTIAL, a, b, out[i])
    elif family == WEIBULL:
        for i in range(h.size):
            out[i] = _family_inverse(laws, index, WEIBULL, a, b, out[i])
    elif family == GOMPERTZ:
        for i in range(h.size):
            out[i] = _family_inverse(laws, index, GOMPERTZ, a, b, out[i])
    else:
        for i in range(h.size):
            out[i] = _family_inverse(laws, index, family, a, b, out[i])


@compiled
def _survivals(laws: LawTable, index: int, t: FloatArray, out: FloatArray) -> None:
    cumulative_hazards(laws, index, t, out)
    for i in range(t.size):
        out[i] = exp(-out[i])


@compiled
def _quantiles(laws: LawTable, index: int, p: FloatArray, out: FloatArray) -> None:
    for i in range(p.size):
        out[i] = 0.0 - log1p(-p[i])
    inverse_cumulative_hazards(laws, index, out, out)


@compiled
def _mean(laws: LawTable, index: int) -> float:
    """Integral of Hinv(h) exp(-h) by the double exponential rule, h = exp(u - exp(-u)).

    H. Takahasi and M. Mori, Publ. RIMS Kyoto 9 (1974) 721-741, doi:10.2977/prims/1195192451.
    """
    step = 1.0 / 64.0
    total = 0.0
    for i in range(-320, 416):
        u = i * step
        h = exp(u - exp(-u))
        total += inverse_cumulative_hazard(laws, index, h) * exp(-h) * h * (1.0 + exp(-u))
    return total * step


# --- laws as people write them ----------------------------------------------------------------------------------------


class _Entry(NamedTuple):
    """A law on its way into a table."""

    family: int
    numbers: tuple[float, ...] = ()
    breaks: tuple[float, ...] = ()
    rates: tuple[float, ...] = ()
    cured: float = 0.0


class Law(ABC):
    """What every law can do.  Methods take a number or an array of any shape and return the same.

    ValueError for a time or hazard below 0 or a share outside [0, 1]; nan stays nan.
    """

    @abstractmethod
    def _entry(self) -> _Entry: ...

    @cached_property
    def _table(self) -> LawTable:
        return tabulate([self])

    def cumulative_hazard(self, t: Numbers) -> Numbers:
        """H(t) = -log S(t), t in months; with relative accuracy also where it is tiny."""
        return self._fill(cumulative_hazards, t, math.inf, "a time in months is at least 0")

    def inverse_cumulative_hazard(self, h: Numbers) -> Numbers:
        """inf{t : H(t) >= h}, months; inf where h exceeds the total hazard."""
        return self._fill(inverse_cumulative_hazards, h, math.inf, "a cumulative hazard is at least 0")

    def survival(self, t: Numbers) -> Numbers:
        """S(t), the share without the event at t months."""
        return self._fill(_survivals, t, math.inf, "a time in months is at least 0")

    def quantile(self, p: Numbers) -> Numbers:
        """Months by which a share p has had the event; inf if so many never have it."""
        return self._fill(_quantiles, p, 1.0, "a share lies between 0 and 1")

    def median(self) -> float:
        """Months by which half have had the event; inf if fewer ever have it."""
        return self.inverse_cumulative_hazard(LN2)

    def mean(self) -> float:
        """Mean months to the event; inf for a defective law.  Within 1e-12, relative."""
        if self.cumulative_hazard(math.inf) < math.inf:
            return math.inf
        return float(_mean(self._table, 0))

    def _fill(
        self, function: Callable[[LawTable, int, FloatArray, FloatArray], None], x: Numbers, highest: float, rule: str
    ) -> Numbers:
        given = np.asarray(x, dtype=np.float64)
        wrong = (given < 0.0) | (given > highest)
        if wrong.any():
            raise ValueError(f"{type(self).__name__}: {rule}, not {given[wrong][0]}")
        flat = np.ascontiguousarray(given).ravel()
        out = np.empty_like(flat)
        function(self._table, 0, flat, out)
        return cast(Numbers, float(out[0]) if given.ndim == 0 else out.reshape(given.shape))


@dataclass(frozen=True)
class Exponential(Law):
    """H(t) = rate t.  Rate 0: never."""

    rate_per_month: float

    def __post_init__(self) -> None:
        _check(self, "rate_per_month", self.rate_per_month, zero_allowed=True)

    @classmethod
    def from_median(cls, median_months: float) -> Self:
        """The law with this median."""
        return cls(LN2 / _check(cls, "median_months", median_months))

    def _entry(self) -> _Entry:
        return _Entry(EXPONENTIAL, (self.rate_per_month,))


@dataclass(frozen=True)
class Weibull(Law):
    """H(t) = (t / scale)^shape.  Shape above 1: the hazard rises."""

    shape: float
    scale_months: float

    def __post_init__(self) -> None:
        _check(self, "shape", self.shape)
        _check(self, "scale_months", self.scale_months)

    @classmethod
    def from_median(cls, median_months: float, shape: float) -> Self:
        """The law with this median and shape."""
        _check(cls, "median_months", median_months)
        _check(cls, "shape", shape)
        return cls(shape, median_months * exp(-log(LN2) / shape))

    @classmethod
    def from_median_and_landmark(cls, median_months: float, landmark_months: float, landmark_survival: float) -> Self:
        """The law through S(median) = 1/2 and S(landmark) = landmark_survival."""
        ratio = _log_hazard_ratio_at_landmark(cls, median_months, landmark_months, landmark_survival)
        return cls.from_median(median_months, ratio / log(landmark_months / median_months))

    def _entry(self) -> _Entry:
        return _Entry(WEIBULL, (self.shape, self.scale_months))


@dataclass(frozen=True)
class Gompertz(Law):
    """H(t) = rate (exp(shape t) - 1) / shape, the hazard being rate exp(shape t).

    Shape 0 is exponential; shape below 0 is defective, with total hazard -rate / shape.  Rate 0: never.
    """

    shape_per_month: float
    rate_per_month: float

    def __post_init__(self) -> None:
        _check(self, "rate_per_month", self.rate_per_month, zero_allowed=True)
        if not math.isfinite(self.shape_per_month):
            raise ValueError(f"Gompertz: shape_per_month must be finite, not {self.shape_per_month}")

    @classmethod
    def from_median(cls, median_months: float, shape_per_month: float) -> Self:
        """The law with this median and shape."""
        _check(cls, "median_months", median_months)
        grown = expm1(shape_per_month * median_months)
        return cls(shape_per_month, LN2 / median_months if shape_per_month == 0.0 else LN2 * shape_per_month / grown)

    @classmethod
    def from_median_and_landmark(cls, median_months: float, landmark_months: float, landmark_survival: float) -> Self:
        """The law through S(median) = 1/2 and S(landmark) = landmark_survival; the shape by bisection.

        ValueError if the shape would have to be so extreme that exp(shape t) leaves the range of a double.
        """
        target = _log_hazard_ratio_at_landmark(cls, median_months, landmark_months, landmark_survival)

        def excess(shape: float) -> float:
            """log H(landmark) / H(median) - target; rises with the shape if the landmark is the later one."""
            ratio = log(landmark_months / median_months)
            ratio += _log_mean_growth(shape * landmark_months) - _log_mean_growth(shape * median_months)
            return ratio - target if landmark_months > median_months else target - ratio

        low, high = -700.0 / min(median_months, landmark_months), 700.0 / max(median_months, landmark_months)
        if not excess(low) < 0.0 < excess(high):
            raise ValueError(
                f"Gompertz: no usable law has its median at {median_months} months and survival {landmark_survival} at "
                f"{landmark_months}: the hazard would have to change by more than a factor exp(700) between them"
            )
        while low < (middle := 0.5 * (low + high)) < high:
            low, high = (middle, high) if excess(middle) < 0.0 else (low, middle)
        return cls.from_median(median_months, low)

    def _entry(self) -> _Entry:
        return _Entry(GOMPERTZ, (self.shape_per_month, self.rate_per_month))


@dataclass(frozen=True)
class LogNormal(Law):
    """H(t) = -log(1 - Phi((ln t - log_mean) / log_sd)), t in months."""

    log_mean: float
    log_sd: float

    def __post_init__(self) -> None:
        _check(self, "log_sd", self.log_sd)
        if not math.isfinite(self.log_mean):
            raise ValueError(f"LogNormal: log_mean must be finite, not {self.log_mean}")

    @classmethod
    def from_median(cls, median_months: float, log_sd: float) -> Self:
        """The law with this median and standard deviation of ln t."""
        return cls(log(_check(cls, "median_months", median_months)), log_sd)

    @classmethod
    def from_median_and_landmark(cls, median_months: float, landmark_months: float, landmark_survival: float) -> Self:
        """The law through S(median) = 1/2 and S(landmark) = landmark_survival."""
        _log_hazard_ratio_at_landmark(cls, median_months, landmark_months, landmark_survival)
        return cls(log(median_months), log(landmark_months / median_months) / -normal_quantile(landmark_survival))

    def _entry(self) -> _Entry:
        return _Entry(LOG_NORMAL, (self.log_mean, self.log_sd))


@dataclass(frozen=True)
class PiecewiseExponential(Law):
    """Hazard rates[k] from breaks[k] to breaks[k + 1]; the last rate goes on for ever.  Breaks start at 0 and rise."""

    breaks_months: tuple[float, ...]
    rates_per_month: tuple[float, ...]

    def __post_init__(self) -> None:
        # Lists are welcome, but a frozen law must be hashable.
        object.__setattr__(self, "breaks_months", tuple(float(start) for start in self.breaks_months))
        object.__setattr__(self, "rates_per_month", tuple(float(rate) for rate in self.rates_per_month))
        breaks, rates = self.breaks_months, self.rates_per_month
        if not breaks or len(breaks) != len(rates):
            raise ValueError(
                f"PiecewiseExponential: one rate per break, and at least one: {len(breaks)} breaks, {len(rates)} rates"
            )
        if breaks[0] != 0.0 or not all(a < b < math.inf for a, b in itertools.pairwise(breaks)):
            raise ValueError(f"PiecewiseExponential: breaks_months must start at 0, rise and be finite, not {breaks}")
        for rate in rates:
            _check(self, "each of rates_per_month", rate, zero_allowed=True)

    @classmethod
    def from_life_table(cls, ages_years: Sequence[float], rates_per_year: Sequence[float]) -> Self:
        """A life table as a law of age in months (its clock starts at birth).

        Ages are the lower ends of the groups; below the first age the first rate holds, from the last age on the last.
        """
        if not len(ages_years) or not ages_years[0] >= 0.0:
            raise ValueError(f"life table: ages must be at least 0, not {list(ages_years)}")
        starts = (0.0, *(12.0 * age for age in ages_years[1:]))
        return cls(starts, tuple(rate / 12.0 for rate in rates_per_year))

    def mean(self) -> float:
        """Mean months to the event, exact piece by piece; inf if the last rate is 0."""
        total = 0.0
        ends = (*self.breaks_months[1:], math.inf)
        for start, end, rate in zip(self.breaks_months, ends, self.rates_per_month, strict=True):
            spent = end - start if rate == 0.0 else -expm1(-rate * (end - start)) / rate
            total += self.survival(start) * spent
        return total

    def _entry(self) -> _Entry:
        # Canonical: neighbours of equal rate are one piece, one piece is exponential.
        runs = [
            next(run)
            for _, run in itertools.groupby(zip(self.breaks_months, self.rates_per_month, strict=True), lambda p: p[1])
        ]
        breaks, rates = zip(*runs, strict=True)
        return _Entry(EXPONENTIAL, rates) if len(rates) == 1 else _Entry(PIECEWISE_EXPONENTIAL, (), breaks, rates)


@dataclass(frozen=True)
class CuredShare(Law):
    """S(t) = c + (1 - c) S0(t): a share c never has the event, the others follow ``law``."""

    law: Law
    cured_share: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.cured_share <= 1.0:
            raise ValueError(f"CuredShare: cured_share must lie between 0 and 1, not {self.cured_share}")

    def mean(self) -> float:
        """Mean months to the event: inf if anybody is cured."""
        return math.inf if self.cured_share > 0.0 else self.law.mean()

    def _entry(self) -> _Entry:
        inner = self.law._entry()
        cured = inner.cured + (1.0 - inner.cured) * self.cured_share
        return inner._replace(cured=cured) if cured < 1.0 else _Entry(EXPONENTIAL, (0.0,))


def tabulate(laws: Iterable[Law]) -> LawTable:
    """The laws as a table, row i for the i-th; equal pieces are stored once."""
    entries = [law._entry() for law in laws]
    breaks: list[float] = []
    rates: list[float] = []
    hazards: list[float] = []
    spans: dict[tuple[tuple[float, ...], tuple[float, ...]], tuple[int, int]] = {((), ()): (0, 0)}
    for entry in entries:
        if (entry.breaks, entry.rates) not in spans:
            spans[entry.breaks, entry.rates] = (len(breaks), len(breaks) + len(entry.breaks))
            widths = [end - start for start, end in itertools.pairwise(entry.breaks)]
            steps = (rate * width for rate, width in zip(entry.rates, widths, strict=False))
            hazards += itertools.accumulate(steps, initial=0.0)
            breaks += entry.breaks
            rates += entry.rates
    numbers = np.zeros((len(entries), 4))
    for row, entry in zip(numbers, entries, strict=True):
        # Pieces count as a number too: where they begin, so that laws of different pieces differ in their numbers.
        own = entry.numbers or (spans[entry.breaks, entry.rates][0],)
        row[: len(own)] = own
        row[3] = entry.cured
    span = np.array([spans[entry.breaks, entry.rates] for entry in entries], dtype=np.int64).reshape(-1, 2)
    return LawTable(
        family=np.array([entry.family for entry in entries], dtype=np.int64),
        numbers=numbers + 0.0,  # + 0 makes every zero positive, so that equal values have equal bits
        first=span[:, 0].copy(),
        last=span[:, 1].copy(),
        breaks=np.array(breaks, dtype=np.float64),
        rates=np.array(rates, dtype=np.float64),
        hazards=np.array(hazards, dtype=np.float64),
    )


def _check(owner: object, name: str, value: float, zero_allowed: bool = False) -> float:
    """The value, if it is finite and positive (or 0 where allowed); else ValueError."""
    if 0.0 < value < math.inf or (zero_allowed and value == 0.0):
        return value
    law = owner.__name__ if isinstance(owner, type) else type(owner).__name__
    raise ValueError(f"{law}: {name} must be finite and {'at least' if zero_allowed else 'above'} 0, not {value}")


def _log_hazard_ratio_at_landmark(law: type, median: float, landmark: float, survival: float) -> float:
    """log(H(landmark) / H(median)) as two reported points require; ValueError if no survival curve has both."""
    _check(law, "median_months", median)
    _check(law, "landmark_months", landmark)
    if not 0.0 < survival < 1.0:
        raise ValueError(f"{law.__name__}: landmark_survival must lie between 0 and 1, both excluded, not {survival}")
    if landmark == median or survival == 0.5 or (landmark > median) != (survival < 0.5):
        side = "below" if landmark > median else "above"
        reason = f"survival at {landmark} months must be {side} 0.5" if landmark != median else "they must differ"
        raise ValueError(
            f"{law.__name__}: median {median} months and survival {survival} at {landmark} months do not fit: {reason}"
        )
    return log(-log(survival) / LN2)


def _log_mean_growth(x: float) -> float:
    """log((exp(x) - 1) / x), without overflow."""
    if x == 0.0:
        return 0.0
    return x + log(-expm1(-x) / x) if x > 0.0 else log(expm1(x) / x)
