"""Every hazard ratio as the calibration predicts it without its study, against two predictors that know no medicine.

Without a study, and without those that share its patients, the posterior is taken to first order around the most
probable point of all; the study's arms are then simulated at draws from it, so that what they have left is what other
studies of their regimens and the priors say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hcc_sim.calibration.model import Model
from hcc_sim.calibration.parallel import in_parallel
from hcc_sim.calibration.posterior import FARTHEST_Z, Posterior
from hcc_sim.calibration.solve import Found, Search, working
from hcc_sim.calibration.targets import Target
from hcc_sim.calibration.whitening import Whitening, error_of
from hcc_sim.quantiles import CENTRAL

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

DRAWS = 40
FEWEST = 3
"""Ratios from which a spread around their own mean is taken."""


class LeftOutRatio(NamedTuple):
    """A hazard ratio on the log scale: as reported, and as predicted without its study.

    `sd` holds the sampling error of the study itself.  Scores are log densities of the reported value: of this
    prediction, of no effect, and of the mean of all other studies, each with the spread of the others.
    """

    figure: str
    endpoint: str
    observed: float
    error: float
    mean: float
    sd: float
    score: float
    score_of_no_effect: float
    score_of_mean: float

    @property
    def inside(self) -> bool:
        """Whether the report lies within the central 95% of the prediction."""
        return abs(self.observed - self.mean) <= CENTRAL * self.sd


def predict_left_out(
    search: Search, best: Found, posterior: Posterior, overlaps: Mapping[str, frozenset[str]], seed: int
) -> list[LeftOutRatio]:
    """Predict the hazard ratios of each study without it; overlaps: study -> others with some of its patients."""
    found = []
    model = search.model
    contrasts = [i for i, target in enumerate(model.targets) if target.versus is not None and target.fitted]
    normals = np.random.Generator(np.random.PCG64(seed)).standard_normal((DRAWS, len(best.z)))
    for study in dict.fromkeys(model.targets[i].study for i in contrasts):
        without = {study} | overlaps.get(study, frozenset())
        kept = search.fitted & np.array([target.study not in without for target in model.targets])
        draws = _posterior_of(kept, search, best, posterior, normals)
        own = [i for i in contrasts if model.targets[i].study == study]
        arms = [arm for cluster in model.clusters if model.targets[own[0]].arm in cluster for arm in cluster]
        told = np.array(list(in_parallel(partial(_ratios, model, arms, own), draws)))
        for place, i in enumerate(own):
            mean, sd = float(np.nanmean(told[:, place])), float(np.nanstd(told[:, place], ddof=1))
            found.append(_scored(model.targets, i, without, mean, sd))
    return found


def _ratios(model: Model, arms: Sequence[str], own: Sequence[int], z: Floats) -> list[float]:
    predicted = model.predict_arms(z, arms)
    return [predicted[number].working for number in own]


def _posterior_of(kept: Flags, search: Search, best: Found, posterior: Posterior, normals: Floats) -> Floats:
    """Draws (D, U) from the posterior of some targets: one Gauss-Newton step from the most probable point of all."""
    among = kept[search.fitted]
    whiten = Whitening.of(search.covariance[np.ix_(among, among)])
    slope = whiten(posterior.slope[kept])
    residual = whiten(np.nan_to_num(search.observed - working(best.predicted))[kept])
    upper = linalg.cholesky(np.eye(len(best.z)) + slope.T @ slope)
    centre = best.z - linalg.cho_solve((upper, False), best.z - slope.T @ residual)
    return np.clip(centre + linalg.solve_triangular(upper, normals.T).T, -FARTHEST_Z, FARTHEST_Z)


def _scored(targets: Sequence[Target], number: int, without: set[str], mean: float, sd: float) -> LeftOutRatio:
    target = targets[number]
    observed, error = target.reading.value, error_of(target)
    others = [
        other.reading.value
        for other in targets
        if other.versus is not None
        and other.fitted
        and other.figure.endpoint == target.figure.endpoint
        and other.study not in without
    ]
    sd = math.hypot(sd, error)
    around_none, middle, around_mean = _naive(np.array(others))
    return LeftOutRatio(
        target.figure.id,
        target.figure.endpoint,
        observed,
        error,
        mean,
        sd,
        log_score(observed, mean, sd),
        log_score(observed, 0.0, around_none),
        log_score(observed, middle, around_mean),
    )


def _naive(values: Floats) -> tuple[float, float, float]:
    """Spread of log ratios around no effect; their mean, and the predictive spread around it; 1 where too few tell."""
    n = len(values)
    around_none = math.sqrt(float(np.mean(values**2))) if n else 1.0
    if n < FEWEST:
        return around_none, float(values.mean()) if n else 0.0, 1.0
    return around_none, float(values.mean()), float(values.std(ddof=1)) * math.sqrt(1.0 + 1.0 / n)


def log_score(observed: float, mean: float, sd: float) -> float:
    """Log density of a normal prediction at what came; the higher the better."""
    return -0.5 * ((observed - mean) / sd) ** 2 - math.log(sd * math.sqrt(2.0 * math.pi))
