"""Reported against simulated: what fitted draws predict for every figure, with its distance in sampling errors."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.calibration.model import Model
from hcc_sim.calibration.network_data import as_ratio
from hcc_sim.calibration.parallel import in_parallel
from hcc_sim.calibration.targets import MONTHS_IN, Target

Floats = NDArray[np.float64]

WITHIN = 1.96
DRAWS = 40
"""Draws that are simulated again, each twice with luck of its own."""

SURE, MORE = 0.1, 8
"""Of a figure's sampling error, what the Monte-Carlo error of its prediction may be; times as many patients, if not."""

FAR = 3.0
"""Sampling errors beyond which a figure must be flagged."""


class Row(NamedTuple):
    """A figure beside its simulation; the fields are the columns of `hcc-sim reproduce`."""

    study: str
    endpoint: str
    measure: str
    arm: str
    reported: float | None
    interval_low: float | None
    interval_high: float | None
    interval_level: int | None
    simulated: float
    mc_se: float
    z: float
    inside: bool | None
    role: str
    status: str
    flag: str


@dataclass(frozen=True)
class Predictions:
    """Posterior predictive means (T,) on the working scale, and their Monte-Carlo errors."""

    means: Floats
    errors: Floats


def predict_draws(model: Model, z: Floats, count: int = DRAWS, *, study: str | None = None) -> Predictions:
    """Simulate draws again, the first ones in their pairs, each with two kinds of luck that no other draw has.

    The Monte-Carlo error is that of the mean given these draws, from the differences between the two.  Where it is more
    than `SURE` of a figure's sampling error (a group is small in some draw), its arms get more patients.  Where a study
    is named, only arms that its targets see are simulated; all other targets are NaN.
    """
    arms = [arm for target in model.targets if study in (None, target.study) for arm in target.arms]
    clusters = [cluster for cluster in model.clusters if set(cluster) & set(arms)]
    found = _predicted(model, z[:count], clusters)
    unsure = [
        target.arms
        for target, error in zip(model.targets, found.errors, strict=True)
        if error > SURE * target.reading.error
    ]
    again = [cluster for cluster in clusters if any(set(cluster) & set(arms) for arms in unsure)]
    if not again:
        return found
    more = _predicted(model.with_patients(MORE * model.patients), z[:count], again)
    told = np.isfinite(more.means)
    return Predictions(np.where(told, more.means, found.means), np.where(told, more.errors, found.errors))


def _predicted(model: Model, draws: Floats, clusters: Sequence[tuple[str, ...]]) -> Predictions:
    def with_luck(number: int) -> Floats:
        draw, half = divmod(number, 2)
        other = model.with_luck(1 + 2 * draw + half)
        found = np.full(len(model.targets), np.nan)
        for cluster in clusters:
            for place, predicted in other.predict_arms(draws[draw], cluster).items():
                found[place] = predicted.working
        return found

    rows = np.array(list(in_parallel(with_luck, range(2 * len(draws)), long=True)))
    first, second = rows[0::2], rows[1::2]
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # means over nothing
        spread = np.sqrt(np.nanmean((first - second) ** 2, axis=0)) / 2.0
        return Predictions(np.nanmean((first + second) / 2.0, axis=0), spread / math.sqrt(len(draws)))


def table(targets: Sequence[Target], predictions: Predictions, study: str | None = None) -> list[Row]:
    """A row for each target, of one study if it is named, in order; what the fit did not see has the role excluded."""
    return [
        _row(target, float(mean), float(error))
        for target, mean, error in zip(targets, predictions.means, predictions.errors, strict=True)
        if study in (None, target.study)
    ]


def unflagged(targets: Sequence[Target], rows: Sequence[Row]) -> list[str]:
    """Figures that inform the fit, lie beyond `FAR` sampling errors, and have no flag of the audit's readers."""
    return [
        target.figure.id
        for target, row in zip(targets, rows, strict=True)
        if target.fitted and abs(row.z) > FAR and not target.figure.flags
    ]


def _row(target: Target, mean: float, error: float) -> Row:
    figure, reading = target.figure, target.reading
    low, high = figure.interval or (None, None)
    simulated = printed(target, mean)
    z = (mean - reading.value) / reading.error
    return Row(
        study=target.study,
        endpoint=figure.endpoint + (f", {figure.subset}" if figure.subset else ""),
        measure=figure.measure,
        arm=" v ".join(arm.partition("/")[2] for arm in target.arms) + (", operated" if target.of_operated else ""),
        reported=figure.value,
        interval_low=low,
        interval_high=high,
        interval_level=figure.level,
        simulated=simulated,
        mc_se=abs(printed(target, mean + error) - simulated),
        z=z,
        inside=_inside(target, simulated, z),
        role="fitted" if target.fitted else "excluded",
        status=figure.status,
        flag="; ".join(filter(None, (target.note, *figure.flags))),
    )


def printed(target: Target, mean: float) -> float:
    """A number on the working scale in the unit of the print."""
    figure = target.figure
    if target.reading.scale == "logit" or (figure.measure == "range" and figure.unit == "%" and not figure.time_months):
        share = 1.0 / (1.0 + math.exp(-mean))
        return share * (target.counted_of or 100.0)
    if figure.unit == "%":
        return 100.0 * math.exp(-math.exp(mean))
    return math.exp(mean) / MONTHS_IN.get(str(figure.unit), 1.0)


def _inside(target: Target, simulated: float, z: float) -> bool | None:
    """Within the printed interval; where none is printed, within 1.96 sampling errors of the report."""
    figure = target.figure
    low, high = as_ratio(figure)[1:3] if figure.measure == "hazard_ratio" else figure.interval or (None, None)
    if low is not None and high is not None:
        return low <= simulated <= high
    return abs(z) <= WITHIN
