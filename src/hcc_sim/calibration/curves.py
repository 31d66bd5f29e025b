"""Curves of one arm from what is reported of it: each family of laws fitted to a median, landmarks and ranges.

Every figure states a ln H(t) with an error: "observed survival at the reported median is 0.5", and so at other times.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from hcc_sim.calibration.sampling import FloatArray, of_median, of_survival_at
from hcc_sim.laws import Exponential, GeneralisedGamma, Gompertz, Law, LogLogistic, LogNormal, Weibull

_LN2 = math.log(2.0)
SAME_PATIENTS = 0.95
"""Of the correlation that figures of the same patients have, what is kept, so that no combination is without error."""
_FAR = 40.0  # residuals of ln H end here
_SHARPEST = 3.0  # |Q| of a generalised gamma law stays below


@dataclass(frozen=True)
class Median:
    """A median in months: half have had the event by then.  Without an interval, patients or events tell its error.

    Here and below, the variance that follows is multiplied by `inflation`.
    """

    name: str
    months: float
    interval: tuple[float | None, float | None] | None = None
    level: float | None = None
    patients: float | None = None
    events: float | None = None
    inflation: float = 1.0


@dataclass(frozen=True)
class Landmark:
    """Survival in percent at a time in months, with its interval or the patients of the arm."""

    name: str
    months: float
    percent: float
    interval: tuple[float | None, float | None] | None = None
    level: float | None = None
    patients: float | None = None
    inflation: float = 1.0


@dataclass(frozen=True)
class Range:
    """Survival of low to high percent at a time in months; without a time, a median of low to high months.

    No interval of one estimate: the truth is anywhere in it, standard deviation width / sqrt(12) on the working scale.
    """

    name: str
    low: float
    high: float
    months: float | None = None
    inflation: float = 1.0


Point = Median | Landmark | Range


@dataclass(frozen=True)
class FamilyFit:
    """A fitted law; `fitted` are, figure by figure, months of a median (inf if never) or percent surviving.

    The deviance is the sum of squared residuals in standard errors, correlations accounted for.
    """

    family: str
    law: Law
    fitted: tuple[float, ...]
    deviance: float
    parameters: int
    weight: float


@dataclass(frozen=True)
class CurveFits:
    """The families whose parameters the figures can tell, weights adding up to 1; others left out, with the reason."""

    points: tuple[Point, ...]
    fits: tuple[FamilyFit, ...]
    left_out: Mapping[str, str]

    @property
    def times(self) -> int:
        """At how many different times the figures stand; below three, they do not tell families apart."""
        return _times(self.points)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each family."""
        return {fit.family: fit.weight for fit in self.fits}


@dataclass(frozen=True)
class _Statements:
    """ln H(months) = value, (m,) each; `root` (m, m) is the Cholesky factor of their covariance."""

    months: FloatArray
    values: FloatArray
    root: FloatArray


@dataclass(frozen=True)
class _Family:
    """A family on unbounded parameters: how many, their law, those of a law, and a law through a median and a landmark.

    The last in closed form; where there are not two parameters, only as a law to start from.
    """

    parameters: int
    law: Callable[[FloatArray], Law]
    parameters_of: Callable[[Any], Sequence[float]]
    through: Callable[[float, float, float], Law]


FAMILIES: Mapping[str, _Family] = {
    "exponential": _Family(
        1, lambda x: Exponential(math.exp(x[0])),
        lambda law: [math.log(law.rate_per_month)], lambda median, _, __: Exponential.from_median(median)),
    "weibull": _Family(
        2, lambda x: Weibull(math.exp(x[0]), math.exp(x[1])),
        lambda law: [math.log(law.shape), math.log(law.scale_months)], Weibull.from_median_and_landmark),
    "gompertz": _Family(
        2, lambda x: Gompertz(x[0], math.exp(x[1])),
        lambda law: [law.shape_per_month, math.log(law.rate_per_month)], Gompertz.from_median_and_landmark),
    "log-logistic": _Family(
        2, lambda x: LogLogistic(math.exp(x[0]), math.exp(x[1])),
        lambda law: [math.log(law.shape), math.log(law.scale_months)], LogLogistic.from_median_and_landmark),
    "log-normal": _Family(
        2, lambda x: LogNormal(x[0], math.exp(x[1])),
        lambda law: [law.log_mean, math.log(law.log_sd)], LogNormal.from_median_and_landmark),
    "generalised gamma": _Family(
        3, lambda x: GeneralisedGamma(x[0], math.exp(x[1]), _SHARPEST * math.tanh(x[2])),
        lambda weibull: [math.log(weibull.scale_months), -math.log(weibull.shape), math.atanh(1.0 / _SHARPEST)],
        Weibull.from_median_and_landmark),
}  # fmt: skip
"""Families by name."""


def fit_curves(
    points: Sequence[Point], *, follow_up_months: float | None = None, families: Sequence[str] | None = None
) -> CurveFits:
    """Fit families to the figures of one arm.

    One figure gives the exponential law in closed form, a median with a landmark every law of two parameters; else
    generalised least squares.  Landmarks and medians of one arm are of the same patients: cov(H(s), H(t)) = var H(s)
    for s < t, as increments of the Nelson-Aalen estimate are uncorrelated (O. O. Aalen, Annals of Statistics 6 (1978)
    701-726, doi:10.1214/aos/1176344247).

    The figures have one time zero and lie within the follow-up; families are all that they suffice for if None, and
    weighted as `_weighted` says.  ValueError names the figures: none, too few for a family asked for, one beyond
    follow-up or out of its range, or survival that rises or stands still where two figures make a curve.
    """
    if not points:
        raise ValueError("no figures to fit a curve to")
    _refuse_contradictions(points, follow_up_months)
    times = _times(points)
    wanted = list(FAMILIES if families is None else families)
    if unknown := set(wanted) - set(FAMILIES):
        raise ValueError(f"unknown family '{min(unknown)}'; there are {', '.join(FAMILIES)}")
    left_out = {name: f"{FAMILIES[name].parameters} parameters" for name in wanted if FAMILIES[name].parameters > times}
    if families is not None and left_out:
        name, reason = next(iter(left_out.items()))
        raise ValueError(f"{name}: {reason}, but figures at {times} times only: {', '.join(p.name for p in points)}")
    pilot = _pilot(points)
    statements = _statements(points, pilot.shape)
    fits = [_fitted(name, points, statements, pilot) for name in wanted if name not in left_out]
    return CurveFits(tuple(points), tuple(_weighted(fits, times)), left_out)


def _times(points: Sequence[Point]) -> int:
    return len({_months(point) for point in points})


def _months(point: Point) -> float:
    """When the figure says something; of a range of the median, the geometric middle."""
    return point.months if point.months is not None else math.sqrt(point.low * point.high)


def _bounds(point: Point) -> list[tuple[float, float, float]]:
    """What a figure says of survival: (months, at least, at most)."""
    match point:
        case Median():
            return [(point.months, 0.5, 0.5)]
        case Landmark():
            return [(point.months, point.percent / 100.0, point.percent / 100.0)]
        case Range(months=None):
            return [(point.low, 0.5, 1.0), (point.high, 0.0, 0.5)]
    return [(_months(point), point.low / 100.0, point.high / 100.0)]


def _refuse_contradictions(points: Sequence[Point], follow_up_months: float | None) -> None:
    bounds = [(*bound, point.name) for point in points for bound in _bounds(point)]
    for point in points:
        if isinstance(point, Range) and not 0.0 < point.low < point.high < (math.inf if point.months is None else 100):
            raise ValueError(f"{point.name}: {point.low:g} to {point.high:g} is no range of a median or of percent")
    for months, _, _, name in bounds:
        if not 0.0 < months < math.inf:
            raise ValueError(f"{name}: a time in months must be finite and above 0, not {months:g}")
        if follow_up_months is not None and months > follow_up_months:
            raise ValueError(f"{name}: {months:g} months lie beyond the follow-up of {follow_up_months:g} months")
    for before, after in combinations(sorted(bounds), 2):
        if before[0] < after[0] and before[2] < after[1] - 1e-9:
            steps = f"{100 * before[2]:g}% at {before[0]:g} months, then {100 * after[1]:g}% at {after[0]:g}"
            raise ValueError(f"{before[3]}, {after[3]}: survival rises, {steps}")


def _stated(point: Point, shape: float) -> tuple[float, float]:
    """The ln H that a figure states, and its error; an error of ln t becomes one by the slope of ln H, the shape."""
    value, error = _as_printed(point, shape)
    return value, error * math.sqrt(point.inflation)


def _as_printed(point: Point, shape: float) -> tuple[float, float]:
    try:
        match point:
            case Median(_, months, interval, level, patients, events):
                reading = of_median(
                    months, interval=interval, level=level, patients=patients, events=events, shape=shape
                )
                return math.log(_LN2), shape * reading.error
            case Landmark():
                reading = of_survival_at(point.percent, point.patients, interval=point.interval, level=point.level)
                return reading.value, reading.error
            case Range(_, low, high, None):
                return math.log(_LN2), shape * math.log(high / low) / math.sqrt(12.0)
            case Range(_, low, high):
                ends = math.log(-math.log(low / 100.0)), math.log(-math.log(high / 100.0))
                return 0.5 * (ends[0] + ends[1]), (ends[0] - ends[1]) / math.sqrt(12.0)
    except ValueError as error:
        raise ValueError(f"{point.name}: {error}") from None


def _pilot(points: Sequence[Point]) -> Weibull:
    """A Weibull curve by a line through ln H against ln t; shape 1 if there is but one time."""
    x = np.log([_months(point) for point in points])
    y = np.array([_stated(point, 1.0)[0] for point in points])
    slope = float(np.polyfit(x, y, 1)[0]) if np.ptp(x) > 0.0 else 1.0
    if not slope > 1e-9:
        raise ValueError(f"{', '.join(point.name for point in points)}: survival stands still")
    shape = min(5.0, max(0.2, slope))
    return Weibull(shape, math.exp(x.mean() - y.mean() / shape))


def _statements(points: Sequence[Point], shape: float) -> _Statements:
    values, errors = np.array([_stated(point, shape) for point in points]).T
    hazards = np.exp(values)
    own = (errors * hazards) ** 2  # variances of H
    sampled = np.array([not isinstance(point, Range) for point in points])
    covariance = np.where(np.outer(sampled, sampled), np.minimum.outer(own, own) * SAME_PATIENTS, 0.0)
    np.fill_diagonal(covariance, own)
    root = np.asarray(np.linalg.cholesky(covariance / np.outer(hazards, hazards)), dtype=np.float64)
    return _Statements(np.array([_months(point) for point in points]), values, root)


def _residuals(law: Law, statements: _Statements) -> FloatArray:
    with np.errstate(divide="ignore"):
        off = np.nan_to_num(np.log(law.cumulative_hazard(statements.months)) - statements.values, nan=_FAR)
    return np.asarray(np.linalg.solve(statements.root, np.clip(off, -_FAR, _FAR)), dtype=np.float64)


def _off(family: _Family, statements: _Statements, x: FloatArray) -> FloatArray:
    return _residuals(family.law(x), statements)


def _fitted(name: str, points: Sequence[Point], statements: _Statements, pilot: Weibull) -> FamilyFit:
    family = FAMILIES[name]
    law = _closed(name, points, statements)
    if law is None:
        median = pilot.median()
        try:
            start = family.parameters_of(family.through(median, 1.5 * median, pilot.survival(1.5 * median)))
            off = partial(_off, family, statements)
            law = family.law(least_squares(off, start, x_scale="jac", xtol=1e-12, ftol=1e-12, gtol=1e-12).x)
        except (OverflowError, ValueError) as error:
            raise ValueError(f"{', '.join(p.name for p in points)}: no {name} law comes near ({error})") from None
    deviance = float((_residuals(law, statements) ** 2).sum())
    medians = [isinstance(point, Median) or point.months is None for point in points]
    fitted = np.where(medians, law.median(), 100.0 * law.survival(statements.months)).tolist()
    return FamilyFit(name, law, tuple(fitted), deviance, family.parameters, 0.0)


def _closed(name: str, points: Sequence[Point], statements: _Statements) -> Law | None:
    """The law in closed form, where there is one."""
    family, hazards, months = FAMILIES[name], np.exp(statements.values), statements.months
    if name == "exponential" and len(points) == 1:
        return Exponential(float(hazards[0] / months[0]))
    if family.parameters == 2 and {type(point) for point in points} == {Median, Landmark} and len(points) == 2:
        median = 0 if isinstance(points[0], Median) else 1
        try:
            return family.through(float(months[median]), float(months[1 - median]), math.exp(-hazards[1 - median]))
        except ValueError as error:
            raise ValueError(f"{points[0].name}, {points[1].name}: {error}") from None
    return None


def _weighted(fits: Sequence[FamilyFit], times: int) -> list[FamilyFit]:
    """The fits with their weights, by figures at how many different times there are.

    At fewer than three, families of the same number of parameters fit alike: those with most parameters share the
    weight, and the others, special cases of them, have none.  Else it goes as exp(-BIC / 2), BIC = deviance +
    parameters ln(times), a Laplace marginal likelihood under priors worth one figure each (R. E. Kass and L. Wasserman,
    Journal of the American Statistical Association 90 (1995) 928-934, doi:10.1080/01621459.1995.10476592).  An exact
    marginal would hang on how wide the priors are of parameters that mean another thing in each family.
    """
    most = max(fit.parameters for fit in fits)
    if times < 3:
        log_weights = np.array([0.0 if fit.parameters == most else -math.inf for fit in fits])
    else:
        log_weights = np.array([-0.5 * (fit.deviance + fit.parameters * math.log(times)) for fit in fits])
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    return [replace(fit, weight=float(weight)) for fit, weight in zip(fits, weights, strict=True)]
