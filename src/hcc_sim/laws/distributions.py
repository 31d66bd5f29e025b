"""Laws as people write them: frozen dataclasses without random state, times in months."""

import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import InitVar, dataclass, field
from functools import lru_cache
from typing import Self

import numpy as np

from hcc_sim.elementary import LN2, exp, expm1, log, log1p, normal_quantile
from hcc_sim.laws.curves import ROW, Curve, DoesNotFollow, curve_of
from hcc_sim.laws.formulas import (
    CURVE,
    EXPONENTIAL,
    GOMPERTZ,
    LOG_LOGISTIC,
    LOG_NORMAL,
    PIECEWISE_EXPONENTIAL,
    WEIBULL,
    FloatArray,
)
from hcc_sim.laws.law import Entry, Law, Pieces
from hcc_sim.laws.prentice import LARGEST_SHAPE, log_cumulative_hazards, stirling_remainder

SD_OF_LOG_WEIBULL = 1.2825498301618641
"""Standard deviation of ln t of a Weibull law of shape 1, pi / sqrt(6); of any other, divided by its shape."""


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

    @classmethod
    def from_flexsurv(cls, rate: float) -> Self:
        """flexsurv's `exp`, per month."""
        return cls(rate)

    def _entry(self) -> Entry:
        return Entry(EXPONENTIAL, (self.rate_per_month,))


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
    def like_log_normal(cls, median_months: float, log_sd: float) -> Self:
        """The law with the median and the standard deviation of ln t of a log-normal one."""
        return cls.from_median(median_months, SD_OF_LOG_WEIBULL / _check(cls, "log_sd", log_sd))

    @classmethod
    def from_median_and_landmark(cls, median_months: float, landmark_months: float, landmark_survival: float) -> Self:
        """The law through S(median) = 1/2 and S(landmark) = landmark_survival."""
        ratio = _log_hazard_ratio_at_landmark(cls, median_months, landmark_months, landmark_survival)
        return cls.from_median(median_months, ratio / log(landmark_months / median_months))

    @classmethod
    def from_flexsurv(cls, shape: float, scale: float) -> Self:
        """flexsurv's `weibull`, months."""
        return cls(shape, scale)

    @classmethod
    def from_flexsurv_ph(cls, shape: float, scale: float) -> Self:
        """flexsurv's `weibullPH`, H(t) = scale t^shape, months."""
        _check(cls, "shape", shape)
        _check(cls, "scale", scale)
        return cls(shape, exp(-log(scale) / shape))

    def _entry(self) -> Entry:
        return Entry(WEIBULL, (self.shape, self.scale_months))


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

    @classmethod
    def from_flexsurv(cls, shape: float, rate: float) -> Self:
        """flexsurv's `gompertz`, per month."""
        return cls(shape, rate)

    def _entry(self) -> Entry:
        return Entry(GOMPERTZ, (self.shape_per_month, self.rate_per_month))


@dataclass(frozen=True)
class LogLogistic(Law):
    """H(t) = log(1 + (t / scale)^shape); the scale is the median.  Shape up to 1: the mean is infinite."""

    shape: float
    scale_months: float

    def __post_init__(self) -> None:
        _check(self, "shape", self.shape)
        _check(self, "scale_months", self.scale_months)

    @classmethod
    def from_median(cls, median_months: float, shape: float) -> Self:
        """The law with this median and shape."""
        return cls(shape, _check(cls, "median_months", median_months))

    @classmethod
    def from_median_and_landmark(cls, median_months: float, landmark_months: float, landmark_survival: float) -> Self:
        """The law through S(median) = 1/2 and S(landmark) = landmark_survival."""
        _log_hazard_ratio_at_landmark(cls, median_months, landmark_months, landmark_survival)
        log_odds = log1p(-landmark_survival) - log(landmark_survival)
        return cls(log_odds / log(landmark_months / median_months), median_months)

    @classmethod
    def from_flexsurv(cls, shape: float, scale: float) -> Self:
        """flexsurv's `llogis`, months."""
        return cls(shape, scale)

    def mean(self) -> float:
        """Mean months to the event, scale (pi / shape) / sin(pi / shape); inf for shape up to 1."""
        angle = math.pi / self.shape
        return self.scale_months * angle / math.sin(angle) if self.shape > 1.0 else math.inf

    def _entry(self) -> Entry:
        return Entry(LOG_LOGISTIC, (self.shape, self.scale_months))


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
    def like_weibull(cls, median_months: float, shape: float) -> Self:
        """The law with the median and the standard deviation of ln t of a Weibull one."""
        return cls.from_median(median_months, SD_OF_LOG_WEIBULL / _check(cls, "shape", shape))

    @classmethod
    def from_median_and_landmark(cls, median_months: float, landmark_months: float, landmark_survival: float) -> Self:
        """The law through S(median) = 1/2 and S(landmark) = landmark_survival."""
        _log_hazard_ratio_at_landmark(cls, median_months, landmark_months, landmark_survival)
        return cls(log(median_months), log(landmark_months / median_months) / -normal_quantile(landmark_survival))

    @classmethod
    def from_flexsurv(cls, meanlog: float, sdlog: float) -> Self:
        """flexsurv's `lnorm`, t in months."""
        return cls(meanlog, sdlog)

    def _entry(self) -> Entry:
        return Entry(LOG_NORMAL, (self.log_mean, self.log_sd))


@dataclass(frozen=True)
class GeneralisedGamma(Law):
    """ln t = mu + sigma w, where for Q > 0 exp(Q w) / Q^2 has a gamma law of shape 1 / Q^2, and -w is mirrored by -Q.

    flexsurv's parametrisation (Prentice 1974, doi:10.2307/2334737), t in months: H(t) = -log of the upper incomplete
    gamma ratio at (1 / Q^2, exp(Q w) / Q^2), of the lower one where Q < 0.  Q = 0 is log-normal, Q = 1 Weibull of shape
    1 / sigma, Q = sigma gamma.  The law is the curve of its Q, within 1e-12 of the formula; |Q| is at most 10.
    """

    mu: float
    sigma: float
    Q: float

    def __post_init__(self) -> None:
        _check(self, "sigma", self.sigma)
        if not math.isfinite(self.mu):
            raise ValueError(f"GeneralisedGamma: mu must be finite, not {self.mu}")
        if not abs(self.Q) <= LARGEST_SHAPE:
            raise ValueError(f"GeneralisedGamma: Q must lie between {-LARGEST_SHAPE} and {LARGEST_SHAPE}, not {self.Q}")

    @classmethod
    def from_median(cls, median_months: float, sigma: float, Q: float) -> Self:
        """The law with this median, sigma and Q."""
        standard = cls(0.0, sigma, Q)
        return cls(log(_check(cls, "median_months", median_months)) - log(standard.median()), sigma, Q)

    @classmethod
    def from_flexsurv(cls, mu: float, sigma: float, Q: float) -> Self:
        """flexsurv's `gengamma`, t in months."""
        return cls(mu, sigma, Q)

    @classmethod
    def from_flexsurv_gamma(cls, shape: float, rate: float) -> Self:
        """flexsurv's `gamma`, per month: Q = sigma = 1 / sqrt(shape), mu = log(shape / rate)."""
        _check(cls, "shape", shape)
        _check(cls, "rate", rate)
        sigma = 1.0 / math.sqrt(shape)
        return cls(log(shape / rate), sigma, sigma)

    def mean(self) -> float:
        """Mean months to the event; inf where Q sigma <= -1.  Within 1e-11, relative."""
        product = self.Q * self.sigma
        if product <= -1.0:
            return math.inf
        if product > -0.5:
            return super().mean()
        # The tail is a power of t: by Gamma functions, in Stirling's form.
        k = 1.0 / (self.Q * self.Q)
        moved = k * (1.0 + product)
        remainders = stirling_remainder(moved) - stirling_remainder(k)
        return exp(self.mu + (moved - 0.5) * log1p(product) - self.sigma / self.Q + remainders)

    def _entry(self) -> Entry:
        if self.Q == 0.0:
            return LogNormal(self.mu, self.sigma)._entry()
        if self.Q == 1.0 and 0.0 < exp(self.mu) < math.inf:
            return Weibull(1.0 / self.sigma, exp(self.mu))._entry()
        return Entry(CURVE, (self.mu, self.sigma), _pieces_of(_standard_generalised_gamma(self.Q)))


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

    @classmethod
    def from_cumulative_hazard(cls, months: Sequence[float], hazards: Sequence[float]) -> Self:
        """The law through a table of H, whose rows start at (0, 0); between rows, and after the last, H is straight."""
        rows = [(float(t), float(h)) for t, h in zip(months, hazards, strict=True)]
        if len(rows) < 2 or rows[0] != (0.0, 0.0):
            given = f"starts with {rows[0][0]} months, {rows[0][1]}" if rows else "has no rows"
            raise ValueError(f"table of H: must start at 0 months with 0 and have two rows or more, but {given}")
        for i, ((t0, h0), (t1, h1)) in enumerate(itertools.pairwise(rows), start=2):
            if not (math.isfinite(t1) and math.isfinite(h1)):
                raise ValueError(f"table of H: row {i} is not finite: {t1} months, {h1}")
            if t1 <= t0:
                raise ValueError(f"table of H: row {i}: {t1} months do not come after {t0} months")
            if h1 < h0:
                raise ValueError(f"table of H: row {i}: falls from {h0} at {t0} months to {h1} at {t1} months")
        rates = [(h1 - h0) / (t1 - t0) for (t0, h0), (t1, h1) in itertools.pairwise(rows)]
        return cls(tuple(t for t, _ in rows[:-1]), tuple(rates))

    def mean(self) -> float:
        """Mean months to the event, exact piece by piece; inf if the last rate is 0."""
        total = 0.0
        ends = (*self.breaks_months[1:], math.inf)
        for start, end, rate in zip(self.breaks_months, ends, self.rates_per_month, strict=True):
            spent = end - start if rate == 0.0 else -expm1(-rate * (end - start)) / rate
            total += self.survival(start) * spent
        return total

    def _entry(self) -> Entry:
        # Canonical: neighbours of equal rate are one piece, one piece is exponential.
        runs = [
            next(run)
            for _, run in itertools.groupby(zip(self.breaks_months, self.rates_per_month, strict=True), lambda p: p[1])
        ]
        breaks, rates = (np.array(column) + 0.0 for column in zip(*runs, strict=True))
        if len(rates) == 1:
            return Entry(EXPONENTIAL, (float(rates[0]),))
        hazards = np.array([0.0, *itertools.accumulate((rates[:-1] * np.diff(breaks)).tolist())])
        unused = np.zeros((len(rates), ROW))
        return Entry(PIECEWISE_EXPONENTIAL, (), Pieces(breaks, rates, hazards, unused, unused))


@dataclass(frozen=True)
class Tabulated(Law):
    """Any law as a curve: H is given as a law or as a function of months, and from then on the law is the curve.

    From H = 1e-13 up to ``until_months`` the curve is within ``error`` of the source, of ln H at a given t and of ln t
    at a given H; or within rounding, where H hardly rises, and within 1e-14 of H.  Before, H differs by less than
    1e-13.  After the end H goes on as a power of t.  The source is not kept: equal curves are equal laws.

    ValueError, with place and numbers, for a source that is not 0 at 0, falls, is nan, infinite or below 0, or that
    4,096 pieces do not follow (a function with noise).
    """

    source: InitVar[Law | Callable[[float], float]]
    until_months: float = 1200.0
    kinks_months: tuple[float, ...] = ()
    """Where the hazard leaps, if known: makes the curve shorter, not better."""
    error: float = 1e-10
    curve: Curve | None = field(init=False, repr=False, compare=False)
    """None if nothing happens before the end."""
    fingerprint: str = field(init=False)

    def __post_init__(self, source: Law | Callable[[float], float]) -> None:
        _check(self, "until_months", self.until_months)
        _check(self, "error", self.error)
        object.__setattr__(self, "kinks_months", tuple(sorted(float(kink) for kink in self.kinks_months)))
        curve = _curve_of_source(source, self.until_months, self.kinks_months, self.error)
        bits = b"" if curve is None else _pieces_of(curve).key()
        object.__setattr__(self, "curve", curve)
        object.__setattr__(self, "fingerprint", hashlib.blake2b(bits, digest_size=8).hexdigest())

    def _entry(self) -> Entry:
        if self.curve is None:
            return Entry(EXPONENTIAL, (0.0,))
        return Entry(CURVE, (0.0, 1.0), _pieces_of(self.curve))


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

    def _entry(self) -> Entry:
        inner = self.law._entry()
        cured = inner.cured + (1.0 - inner.cured) * self.cured_share
        return inner._replace(cured=cured) if cured < 1.0 else Entry(EXPONENTIAL, (0.0,))


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


# --- curves -----------------------------------------------------------------------------------------------------------

_LEAST_HAZARD = 1e-13
"""Where a tabulated law begins."""
_NOISE = 1e-14
"""Rounding that a function of the user's may have left in H."""
_READ_AT_LEAST = 64
"""Pieces to begin with, each read at 15 times; what lies between two readings goes unseen."""


def _pieces_of(curve: Curve) -> Pieces:
    """The curve as rows of a table, one for each node."""
    rates = np.zeros(len(curve.log_times))
    rates[0], rates[-1] = curve.slope_before, curve.slope_after
    last = np.zeros((1, ROW))
    return Pieces(
        curve.log_times,
        rates,
        curve.log_hazards,
        np.concatenate([curve.forward, last]),
        np.concatenate([curve.backward, last]),
    )


@lru_cache(maxsize=256)
def _standard_generalised_gamma(shape: float) -> Curve:
    """ln H of w = (ln t - mu) / sigma, from H = 1e-323 to where it is as good as a power of t, or nobody is left."""
    highest = 40.0 if shape > 0.0 else 16.0

    def log_hazard(w: float) -> float:
        return float(log_cumulative_hazards(np.array([w]), shape)[0])

    first, last = -1.0, 1.0
    while log_hazard(first) > -745.0:
        first *= 2.0
    while log_hazard(last) < highest:
        last *= 2.0
    first = _crossing(log_hazard, -745.0, first, 0.5 * first if first < -1.0 else 0.0)
    last = _crossing(log_hazard, highest, 0.5 * last if last > 1.0 else 0.0, last)
    return curve_of(lambda w: log_cumulative_hazards(w, shape), np.array([first, 0.0, last]), 2e-13)


def _crossing(function: Callable[[float], float], value: float, low: float, high: float) -> float:
    """Roughly where a function that rises is the value, from below."""
    for _ in range(20):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if function(middle) > value else (middle, high)
    return low


def _curve_of_source(
    source: Law | Callable[[float], float], until_months: float, kinks_months: tuple[float, ...], error: float
) -> Curve | None:
    """The curve of a law or function; None if its H hardly leaves 0."""
    hazard_at = source.cumulative_hazard if isinstance(source, Law) else source

    def hazard(t: float) -> float:
        h = float(hazard_at(t))
        if not 0.0 <= h < math.inf:
            raise ValueError(
                f"Tabulated: the cumulative hazard must be finite and at least 0, but is {h} at {t} months"
            )
        return h

    def log_hazards(log_times: FloatArray) -> FloatArray:
        return np.array([log(max(hazard(exp(x)), 0.1 * _LEAST_HAZARD)) for x in log_times])

    if hazard(0.0) != 0.0:
        raise ValueError(f"Tabulated: the cumulative hazard must start at 0, but is {hazard(0.0)} at 0 months")
    last = log(until_months)
    if hazard(until_months) <= _LEAST_HAZARD:
        return None
    first = -690.0
    if hazard(exp(first)) > _LEAST_HAZARD:
        raise ValueError(f"Tabulated: the cumulative hazard leaps from 0 to {hazard(exp(first))} at 0 months")
    first = _crossing(lambda x: hazard(exp(x)), _LEAST_HAZARD, first, last)
    kinks = [log(kink) for kink in kinks_months if exp(first) < kink < until_months]
    nodes = np.array(
        sorted({*(first + (last - first) * i / _READ_AT_LEAST for i in range(_READ_AT_LEAST)), *kinks, last})
    )
    try:
        return curve_of(log_hazards, nodes, error, _NOISE)
    except DoesNotFollow as stop:
        place = f"at {exp(stop.log_time)} months"
        numbers = f" from {exp(stop.before)} to {exp(stop.after)}" if stop.after != stop.before else ""
        raise ValueError(f"Tabulated: the cumulative hazard {stop.reason}{numbers} {place}") from None


# --- names of R -------------------------------------------------------------------------------------------------------

FLEXSURV: dict[str, Callable[..., Law]] = {
    "exp": Exponential.from_flexsurv,
    "weibull": Weibull.from_flexsurv,
    "weibullPH": Weibull.from_flexsurv_ph,
    "gompertz": Gompertz.from_flexsurv,
    "llogis": LogLogistic.from_flexsurv,
    "lnorm": LogNormal.from_flexsurv,
    "gengamma": GeneralisedGamma.from_flexsurv,
    "gamma": GeneralisedGamma.from_flexsurv_gamma,
}
"""Constructors by the name of the distribution in the R package flexsurv, whose parameter names they take."""
