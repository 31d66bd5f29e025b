"""Curves of study arms from what is printed of each, and how far extrapolation alone moves what they say.

A study arm has a curve for each survival time of which a median or a share surviving is printed; other arms are listed
with what is missing.  Survival is that of the family: no other causes of death are added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.integrate import quad
from scipy.optimize import brentq

from hcc_sim.calibration.curves import FamilyFit, Landmark, Median, Point, Range, fit_curves
from hcc_sim.calibration.sampling import DOWN_WEIGHT
from hcc_sim.calibration.shapes import Shapes
from hcc_sim.calibration.targets import MONTHS_IN, size_for_error, tells_more, tells_the_same
from hcc_sim.figures import Evidence, Figure, Study
from hcc_sim.laws import Law

ENDPOINTS = (
    "overall survival", "progression-free survival", "recurrence-free survival", "disease-free survival",
    "disease-specific survival", "survival after progression", "time to untreatable progression",
    "duration of response",
)  # fmt: skip
"""Survival times.  Not the time to recurrence, of which peaks of a hazard are printed, and no median."""

COUNTED = 0.01
"""The least weight with which a family counts among the lowest and the highest."""

BEYOND = 1.5
"""A slope at the median holds until this many medians, about as far as the medians lie apart that it comes from."""

_APART = ("time_zero", "criterion", "variant")


# --- what curves say --------------------------------------------------------------------------------------------------


def restricted_mean(law: Law, months: float) -> float:
    """Mean months to the event or to `months`, whichever is first: the integral of S, within 1e-9, relative."""
    return float(quad(law.survival, 0.0, months, points=_halves(law, months), epsabs=0.0, epsrel=1e-9, limit=200)[0])


def _halves(law: Law, months: float) -> list[float] | None:
    """The median, if it lies within: where a steep curve falls."""
    median = law.median()
    return [median] if median < months else None


def _percent(law: Law, months: float) -> float:
    return 100.0 * law.survival(months)


QUANTITIES: Mapping[str, Callable[[Law], float]] = {
    "median_months": Law.median,
    "mean_months": lambda law: law.mean(),
    **{f"rmst_{years}y_months": partial(restricted_mean, months=12.0 * years) for years in (5, 10)},
    **{f"survival_{years}y_percent": partial(_percent, months=12.0 * years) for years in (1, 3, 5, 10)},
}
"""What is told of a curve; inf where fewer than half ever have the event, or the mean is not finite."""


@dataclass(frozen=True)
class FamilyCurve:
    """A family fitted to an arm: its weight, and QUANTITIES by name."""

    family: str
    weight: float
    told: Mapping[str, float]


@dataclass(frozen=True)
class Spread:
    """QUANTITIES over families: of their mixture by weight, the standard deviation between them, lowest and highest.

    Lowest and highest are of families that weigh COUNTED or more.  The deviation is nan where a value is not finite.
    """

    mixture: Mapping[str, float]
    deviation: Mapping[str, float]
    lowest: Mapping[str, float]
    highest: Mapping[str, float]


def spread_of(fits: Sequence[FamilyFit], families: Sequence[FamilyCurve]) -> Spread:
    """How far families part.  The median is that of the mixture of curves; all else is linear in survival."""
    weights = np.array([family.weight for family in families])
    weighing, counted = weights > 0.0, weights >= COUNTED
    values = {name: np.array([family.told[name] for family in families]) for name in QUANTITIES}
    mixture = {name: float(weights[weighing] @ of[weighing]) for name, of in values.items()}
    deviation = {}
    for name, of in values.items():
        finite = bool(np.isfinite(of[weighing]).all())
        squares = (of[weighing] - mixture[name]) ** 2 if finite else np.full(int(weighing.sum()), math.nan)
        deviation[name] = math.sqrt(float(weights[weighing] @ squares))
    mixture["median_months"] = _median_of_mixture([fit.law for fit in fits], weights)
    return Spread(
        mixture,
        deviation,
        {name: float(of[counted].min()) for name, of in values.items()},
        {name: float(of[counted].max()) for name, of in values.items()},
    )


def _median_of_mixture(laws: Sequence[Law], weights: np.ndarray) -> float:
    weighing = [(law, float(weight)) for law, weight in zip(laws, weights, strict=True) if weight > 0.0]

    def excess(months: float) -> float:
        return math.fsum(weight * law.survival(months) for law, weight in weighing) - 0.5

    if excess(math.inf) >= 0.0:
        return math.inf
    low = high = min(law.median() for law, _ in weighing)
    while excess(high) > 0.0:
        high *= 2.0
    return float(brentq(excess, low, high, xtol=1e-9)) if high > low else low


# --- figures of an arm ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ArmFigures:
    """What is printed of one survival time in one arm of a study.

    `detail` tells apart what is of a part of the arm, or from another time zero or criterion.  `points` are what the
    `figures` say of the curve; `missing`, if there are none, why.
    """

    study: str
    regimen: str | None
    endpoint: str
    detail: str
    figures: tuple[Figure, ...]
    points: tuple[Point, ...]
    notes: tuple[str, ...]
    missing: str


@dataclass(frozen=True)
class ArmCurves:
    """The curves of an arm; `spread` where more than one family weighs, `missing` where there is no curve.

    `times` is how many different times the figures inform; `left_out` names the families that need more.
    """

    of: ArmFigures
    times: int
    families: tuple[FamilyCurve, ...]
    spread: Spread | None
    left_out: tuple[str, ...]
    missing: str


def arms_of(evidence: Evidence) -> list[ArmFigures]:
    """Every arm of which a number is printed for one of ENDPOINTS, study by study."""
    return [arm for study in evidence.studies.values() for arm in _arms(study)]


def curves_of(arm: ArmFigures) -> ArmCurves:
    """All families that the figures of an arm suffice for."""
    if not arm.points:
        return ArmCurves(arm, 0, (), None, (), arm.missing)
    try:
        found = fit_curves(arm.points)
    except ValueError as error:
        return ArmCurves(arm, 0, (), None, (), f"figures that make a curve ({error})")
    families = tuple(
        FamilyCurve(fit.family, fit.weight, {name: of(fit.law) for name, of in QUANTITIES.items()})
        for fit in found.fits
    )
    several = sum(family.weight >= COUNTED for family in families) > 1
    spread = spread_of(found.fits, families) if several else None
    return ArmCurves(arm, found.times, families, spread, tuple(found.left_out), "")


def _arms(study: Study) -> Iterator[ArmFigures]:
    groups: dict[tuple[str, str | None, str | None], list[Figure]] = {}
    for figure in study.figures:
        if figure.endpoint in ENDPOINTS and figure.has_number:
            regimens = [figure.regimen] if figure.comparator is None else [figure.regimen, figure.comparator]
            for regimen in regimens:
                groups.setdefault((figure.endpoint, regimen, figure.subset), []).append(figure)
    for (endpoint, regimen, subset), figures in groups.items():
        for detail, some in _apart(figures).items():
            of_part = "; ".join(filter(None, (subset, detail)))
            yield _arm(study, ArmFigures(study.study, regimen, endpoint, of_part, (), (), (), ""), some)


def _apart(figures: Sequence[Figure]) -> dict[str, list[Figure]]:
    """Figures by time zero, criterion and variant, as far as an arm has more than one of these that is stated."""
    own = [figure for figure in figures if figure.comparator is None]
    stated = {name: {getattr(figure, name) for figure in own} - {None, "not stated"} for name in _APART}
    several = [name for name, values in stated.items() if len(values) > 1]
    found: dict[str, list[Figure]] = {}
    for figure in own if several else figures:
        words = [f"{name.replace('_', ' ')} {getattr(figure, name) or 'not stated'}" for name in several]
        found.setdefault("; ".join(words), []).append(figure)
    return found


def _arm(study: Study, arm: ArmFigures, figures: Sequence[Figure]) -> ArmFigures:
    own = [figure for figure in figures if figure.comparator is None]
    in_use = [figure for figure in own if figure.status in ("use", "down-weight")]
    read = [(figure, *_read(study, figure)) for figure in _once(in_use)]
    points = [(figure, point, note) for figure, point, note in read if not isinstance(point, str)]
    if not points:
        reasons = [f"{figure.id}: {point}" for figure, point, _ in read if isinstance(point, str)]
        if len(in_use) < len(own):
            reasons.append(f"{len(own) - len(in_use)} printed, but excluded or context")
        if len(own) < len(figures):
            reasons.append("a contrast with another arm is printed")
        return replace(arm, missing=f"a median or survival at a time ({'; '.join(reasons)})")
    notes = tuple(dict.fromkeys(note for _, _, note in points if note))
    if any(figure.status == "down-weight" for figure, _, _ in points):
        notes = (*notes, "down-weighted")
    return replace(arm, figures=tuple(one for one, _, _ in points), points=tuple(p for _, p, _ in points), notes=notes)


def _once(figures: Sequence[Figure]) -> list[Figure]:
    """Each number once, where it tells most."""
    kept: list[Figure] = []
    for figure in figures:
        same = next((i for i, other in enumerate(kept) if tells_the_same(figure, other)), None)
        if same is None:
            kept.append(figure)
        elif tells_more(figure, kept[same]):
            kept[same] = figure
    return kept


def _read(study: Study, figure: Figure) -> tuple[Point | str, str]:
    """What a figure says of the curve, or why it says nothing; and a note on its error."""
    factor = MONTHS_IN.get(str(figure.unit))
    at = figure.time_months if figure.unit == "%" else None
    of_time = figure.measure in ("median", "range") and factor is not None
    if not of_time and (figure.measure not in ("survival_at", "range") or at is None):
        return f"a {figure.measure.replace('_', ' ')} is no point of a curve", ""
    low, high = (None if end is None else (factor or 1.0) * end for end in figure.interval or (None, None))
    inflation = DOWN_WEIGHT if figure.status == "down-weight" else 1.0
    if figure.value is None:
        if low is None or high is None:
            return "one end of a range only", ""
        return Range(figure.id, low, high, at, inflation), "a span over series"
    patients, note = size_for_error(study, figure)
    interval = None if figure.interval is None else (low, high)
    if at is not None:
        return Landmark(figure.id, at, figure.value, interval, figure.level, patients, inflation), note
    months = (factor or 1.0) * figure.value
    return Median(figure.id, months, interval, figure.level, patients, inflation=inflation), note


def with_shape(arm: ArmFigures, shapes: Mapping[str, Shapes]) -> ArmFigures:
    """The arm with a second point, if a median is all it has: the slope there that medians and hazard ratios tell.

    With shape k, H(BEYOND m) = BEYOND^k H(m), whatever the family.  The shape is the study's own where two medians with
    a hazard ratio tell one, else that of a new study.
    """
    if len(arm.points) != 1 or not isinstance(arm.points[0], Median) or arm.endpoint not in shapes or arm.detail:
        return arm
    of = shapes[arm.endpoint]
    own = of.studies.get(arm.study)
    shape = own or of.new_study
    mean, steep, flat = (100.0 * 0.5 ** (BEYOND**k) for k in (shape.mean, shape.high, shape.low))
    name = f"shape {shape.mean:.2f} {'of this study' if own else 'of a new study'}"
    second = Landmark(name, BEYOND * arm.points[0].months, mean, (steep, flat), 95)
    return replace(arm, points=(*arm.points, second), notes=(*arm.notes, name))
