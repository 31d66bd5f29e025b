"""Hazard ratios three ways: from medians with one shape, with each study's own, without the study; and by follow-up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.calibration.left_out import LeftOutRatio
from hcc_sim.calibration.model import Model
from hcc_sim.calibration.network_data import as_ratio
from hcc_sim.calibration.shapes import ENDPOINTS, Shapes, shapes_of
from hcc_sim.figures import Evidence
from hcc_sim.figures.medians import medians_of
from hcc_sim.quantiles import CENTRAL

Floats = NDArray[np.float64]

FOLLOW_UP = "trial.follow_up"


class ThreeWays(NamedTuple):
    """A hazard ratio as reported, and three predictions of it; None where there is none.

    `one_shape` = (m_c / m_t)^k with the typical k of its endpoint, `own_shape` with its study's k, `without_study` from
    the calibration that has not seen the study, with its central 95% (sampling error of the study included).  `inside`
    is whether the prediction lies in the reported interval; for the third, whether the report lies in the prediction's.
    `short_follow_up` and `long_follow_up` are fitted ratios at either end of the assumed range of follow-up.
    """

    figure: str
    endpoint: str
    reported: float
    interval_low: float | None
    interval_high: float | None
    one_shape: float | None
    one_shape_inside: bool | None
    own_shape: float | None
    own_shape_inside: bool | None
    without_study: float | None
    without_study_low: float | None
    without_study_high: float | None
    without_study_inside: bool | None
    short_follow_up: float | None
    short_follow_up_inside: bool | None
    long_follow_up: float | None
    long_follow_up_inside: bool | None


def three_ways(
    evidence: Evidence, without: Iterable[LeftOutRatio], by_follow_up: Mapping[str, tuple[float, float]]
) -> list[ThreeWays]:
    """Every hazard ratio of overall and progression-free survival that is neither excluded nor context.

    Args:
        evidence: all figures.
        without: as predicted without their studies.
        by_follow_up: figure -> as simulated with the shortest and the longest follow-up (`at_ends_of_follow_up`).
    """
    shapes = {endpoint: shapes_of(evidence, endpoint) for endpoint in ENDPOINTS}
    by_figure = {one.figure: one for one in without}
    rows = []
    for study, figure in evidence.figures():
        fits = figure.measure == "hazard_ratio" and figure.unit == "ratio" and figure.endpoint in ENDPOINTS
        if not fits or figure.value is None or figure.status in ("exclude", "context"):
            continue
        medians = medians_of(study, figure)
        ratio = None if medians is None else (medians[1].value or math.nan) / (medians[0].value or math.nan)
        value, low, high, _ = as_ratio(figure)
        predicted = [_power(ratio, shape) for shape in _shapes(shapes, figure.endpoint, study.study)]
        left = by_figure.get(figure.id)
        short, long = by_follow_up.get(figure.id, (None, None))
        rows.append(
            ThreeWays(
                figure.id, figure.endpoint, value or figure.value, low, high,
                predicted[0], _within(predicted[0], low, high), predicted[1], _within(predicted[1], low, high),
                *_ends(left), short, _within(short, low, high), long, _within(long, low, high),
            )
        )  # fmt: skip
    return rows


def at_ends_of_follow_up(model: Model, z: Floats) -> dict[str, tuple[float, float]]:
    """Figure -> hazard ratio as simulated at a point (U,) with either end (95%) of the prior of follow-up."""
    found: list[list[float]] = []
    for end in (-CENTRAL, CENTRAL):
        moved = z.copy()
        moved[next(i for i, unknown in enumerate(model.unknowns) if unknown.name == FOLLOW_UP)] = end
        found.append([one.printed for one in model.predict(moved)])
    ratios = (i for i, target in enumerate(model.targets) if target.versus is not None)
    return {model.targets[i].figure.id: (found[0][i], found[1][i]) for i in ratios}


def _shapes(shapes: Mapping[str, Shapes], endpoint: str, study: str) -> tuple[float, float | None]:
    of_endpoint = shapes[endpoint]
    own = of_endpoint.studies.get(study)
    return of_endpoint.typical.mean, None if own is None else own.mean


def _power(ratio: float | None, shape: float | None) -> float | None:
    return None if ratio is None or shape is None else ratio**shape


def _within(predicted: float | None, low: float | None, high: float | None) -> bool | None:
    if predicted is None or low is None or high is None:
        return None
    return low <= predicted <= high


def _ends(left: LeftOutRatio | None) -> tuple[float | None, float | None, float | None, bool | None]:
    if left is None:
        return None, None, None, None
    ends = [math.exp(left.mean + sign * CENTRAL * left.sd) for sign in (-1.0, 1.0)]
    return math.exp(left.mean), ends[0], ends[1], left.inside
