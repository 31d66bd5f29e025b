"""How much of itself a fit spent on each arm, and whether data drawn from it would look like those reported."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.stats import chi2

from hcc_sim.calibration.posterior import Posterior
from hcc_sim.calibration.solve import Search

Floats = NDArray[np.float64]

ALL = "all figures"


class OfArm(NamedTuple):
    """How many figures an arm has, and how many parameters they spend."""

    arm: str
    figures: int
    effective_parameters: float


class Check(NamedTuple):
    """A posterior predictive check of figures of one kind.

    `distance` is the mean over draws of (y - mu)' V^-1 (y - mu), its expectation under the model `figures`; `p` is the
    share of replicates that lie farther from the draw that made them than the report does (A. Gelman, X.-L. Meng and
    H. Stern, Statistica Sinica 6 (1996) 733-760).  Near 0 the figures contradict the model or one another, near 1 their
    errors are taken too large.
    """

    kind: str
    figures: int
    distance: float
    p: float


def effective_by_arm(search: Search, posterior: Posterior) -> list[OfArm]:
    """Leverages of the figures summed by arm; all together they are the fit's effective parameters."""
    slope = posterior.slope[search.fitted]
    leverages = np.diag(np.linalg.solve(search.covariance, slope @ posterior.covariance @ slope.T))
    found: defaultdict[str, list[float]] = defaultdict(list)
    informing = [target for target in search.model.targets if target.fitted]
    for target, leverage in zip(informing, leverages, strict=True):
        found[target.arm].append(float(leverage))
    return [OfArm(arm, len(some), sum(some)) for arm, some in found.items()]


def predictive_checks(search: Search, posterior: Posterior) -> list[Check]:
    """Of all figures, then of those of each measure."""
    measures = np.array([target.figure.measure for target in search.model.targets if target.fitted])
    off = np.nan_to_num(search.observed - posterior.predicted)[:, search.fitted]
    kinds = {ALL: np.ones(len(measures), dtype=bool)} | {kind: measures == kind for kind in dict.fromkeys(measures)}
    return [_check(str(kind), off[:, some], search.covariance[np.ix_(some, some)]) for kind, some in kinds.items()]


def _check(kind: str, off: Floats, covariance: Floats) -> Check:
    """Replicates need not be drawn: their distances have the chi-square distribution."""
    white = linalg.solve_triangular(linalg.cholesky(covariance, lower=True), off.T, lower=True)
    distances = np.sum(white**2, axis=0)
    return Check(kind, len(covariance), float(distances.mean()), float(chi2.sf(distances, len(covariance)).mean()))
