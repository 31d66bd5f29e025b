"""The Gaussian model of the network meta-analysis and its posterior on a grid of heterogeneity: linear algebra only.

    y = X b + e,   e ~ N(0, S + H(tau)),   b ~ N(0, P)

y are the log hazard ratios of both endpoints less the mean bias of their designs, b the effects of regimens against
their island's reference and what the bias of all studies of one design departs from its mean.  Given tau all is
Gaussian and exact; tau is summed over on a grid.

Contrasts and consistency: Lu and Ades 2004 (doi:10.1002/sim.1875); trials of several arms and their covariance tau^2/2:
Lu and Ades 2006 (doi:10.1198/016214505000001302), Higgins and others 2012 (doi:10.1002/jrsm.1044); several endpoints
with within-study correlation: Riley 2009 (doi:10.1111/j.1467-985X.2008.00593.x), White and others 2012
(doi:10.1002/jrsm.1045).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcc_sim.calibration.network_data import LogRatio

Array = NDArray[np.float64]

HALF_NORMAL_MEDIAN = 0.6744897501960817
"""Median of |Z|, Z standard normal."""


@dataclass(frozen=True)
class Bias:
    """Bias of a design, on the log hazard ratio, in favour of the first-named arm where `mean` is below 0.

    The bias of a study is N(mean, common^2 + own^2): a part that all studies of the design share, and its own.
    """

    mean: float
    common: float
    own: float

    @classmethod
    def halved(cls, mean: float, sd: float) -> Bias:
        """Half of the variance is common, half of each study."""
        return cls(mean, sd * math.sqrt(0.5), sd * math.sqrt(0.5))


COHORT_BIAS = Bias.halved(-0.15, 0.15)
INDIRECT_BIAS = Bias.halved(-0.15, 0.30)


@dataclass(frozen=True)
class Assumptions:
    """What the model takes for granted; every number is of kind `assumed`.

    Attributes:
        within_correlation: of a study's estimates for both endpoints.  The same patients, and many deaths follow
            progression, so well above 0; no study prints it.  Riley 2009 shows why 0 would be no neutral choice.
        heterogeneity_correlation: of a study's true deviations for both endpoints, and of its biases.
        prior_sd: of the log hazard ratio of a regimen v the next on its way to its island's reference: 95% within a
            factor of 7, which the strongest effect reported here does not reach.
        tau_median: median of the half-normal prior of the heterogeneity's standard deviation, one per endpoint.  Too
            few pairs are compared twice to learn it.  Half-normal since it lets tau be 0 and has no long tail (Rover
            and others 2021, doi:10.1002/jrsm.1475); at 0.15 the true ratios of 95% of studies of one pair lie within a
            factor of 1.3 of their middle, at the prior's 95% point of 0.44 within 2.4.
        fixed_tau: known heterogeneity for all endpoints, instead of the prior.
        cohort: bias of cohorts.  Unrandomised comparisons favour the newer treatment, which stands first: selection of
            fitter patients, immortal time.  N(-0.15, 0.15^2): 0.86 with 95% from 0.64 to 1.15.
        indirect: bias of indirect comparisons and of all other designs without randomisation: same mean, twice the
            error, since patients are of different studies as well.
    """

    within_correlation: float = 0.5
    heterogeneity_correlation: float = 0.5
    prior_sd: float = 1.0
    tau_median: float = 0.15
    fixed_tau: float | None = None
    cohort: Bias = COHORT_BIAS
    indirect: Bias = INDIRECT_BIAS

    def bias(self, design: str) -> tuple[str, Bias] | None:
        """The class of a design's bias and its size; None of randomised studies and of bridges."""
        if design in ("randomised", "bridge"):
            return None
        kind = "cohort" if design == "cohort" else "indirect comparison"
        return kind, self.biases[kind]

    @property
    def biases(self) -> dict[str, Bias]:
        """Both biases by the class of designs."""
        return {"cohort": self.cohort, "indirect comparison": self.indirect}


@dataclass(frozen=True)
class Parameter:
    """A column of the model: the log hazard ratio of a regimen v its island's reference, or a departure of bias.

    Of a bias (what that of all studies of a design departs from its assumed mean) `reference` is empty and `name` is
    the class of designs.
    """

    endpoint: str
    name: str
    reference: str


@dataclass(frozen=True)
class Model:
    """The linear model of n log hazard ratios with P parameters.

    `observed` (n) is y less the mean bias of its design; `design` (n, P); `prior_covariance` (P, P); `sampling` (n, n)
    is the covariance of y given b without heterogeneity; `heterogeneity` (n, n) what tau of 1 adds to it; `endpoint`
    (n) the number of the endpoint in `endpoints`.
    """

    ratios: tuple[LogRatio, ...]
    endpoints: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    observed: Array
    design: Array
    prior_covariance: Array
    sampling: Array
    heterogeneity: Array
    endpoint: NDArray[np.int64]

    def covariance(self, tau: Array) -> Array:
        """Covariance of y given b, (..., n, n), for tau (..., endpoints)."""
        of_row = tau[..., self.endpoint]
        return self.sampling + self.heterogeneity * of_row[..., :, None] * of_row[..., None, :]


@dataclass(frozen=True)
class Posterior:
    """A mixture of G Gaussians: `tau` (G, endpoints), `weights` (G), `means` (G, P), `covariances` (G, P, P).

    `leverage` (G, n) is how much each log hazard ratio determines its own fitted value, 0 to 1.
    """

    tau: Array
    weights: Array
    means: Array
    covariances: Array
    leverage: Array

    @property
    def mean(self) -> Array:
        """Posterior means of the parameters (P)."""
        return self.weights @ self.means

    def combination(self, coefficients: Array) -> tuple[float, float]:
        """Posterior mean and standard deviation of a linear combination (P) of the parameters."""
        means = self.means @ coefficients
        variances = np.einsum("p,gpq,q->g", coefficients, self.covariances, coefficients)
        mean = float(self.weights @ means)
        return mean, math.sqrt(max(0.0, float(self.weights @ (variances + (means - mean) ** 2))))


def build(
    ratios: Sequence[LogRatio],
    endpoints: Sequence[str],
    ways: Mapping[tuple[str, str], tuple[str, ...]],
    assumptions: Assumptions,
) -> Model:
    """The model of these log hazard ratios.

    Args:
        ratios: what studies report, and bridges.
        endpoints: all endpoints that occur.
        ways: for each (endpoint, regimen) the regimens from its island's reference to it, both included.
        assumptions: see there.
    """
    relative = [Parameter(e, regimen, way[0]) for (e, regimen), way in sorted(ways.items()) if regimen != way[0]]
    shared = [name for name, bias in assumptions.biases.items() if bias.common > 0.0]
    parameters = (*relative, *(Parameter(endpoint, kind, "") for kind in shared for endpoint in endpoints))
    column = {(p.endpoint, p.name): number for number, p in enumerate(parameters)}
    design = np.zeros((len(ratios), len(parameters)))
    observed = np.array([ratio.mean for ratio in ratios])
    for row, ratio in enumerate(ratios):
        for regimen, sign in ((ratio.regimen, 1.0), (ratio.comparator, -1.0)):
            if (place := column.get((ratio.endpoint, regimen))) is not None:
                design[row, place] += sign
        if kind := assumptions.bias(ratio.design):
            observed[row] -= kind[1].mean
            if kind[0] in shared:
                design[row, column[ratio.endpoint, kind[0]]] = 1.0
    sampling, heterogeneity = _covariances(ratios, assumptions)
    endpoint = np.array([list(endpoints).index(ratio.endpoint) for ratio in ratios], dtype=np.int64)
    prior = _prior(parameters, ways, assumptions)
    return Model(
        tuple(ratios), tuple(endpoints), parameters, observed, design, prior, sampling, heterogeneity, endpoint
    )  # fmt: skip


def _prior(
    parameters: Sequence[Parameter], ways: Mapping[tuple[str, str], tuple[str, ...]], assumptions: Assumptions
) -> Array:
    """Covariance of the parameters: of regimens by endpoint, of a design's bias correlated over the endpoints.

    The basic parameters that have independent priors are the steps of the ways from the reference (Lu and Ades 2006:
    any spanning tree will do), so two regimens covary by the steps that they have in common.  Independent priors v the
    reference would be far from weak: each of the many regimens compared with one hub would draw the hub towards the
    reference, against the trials that compare the two.
    """
    steps = [set(ways[p.endpoint, p.name][1:]) if p.reference else set() for p in parameters]
    covariance = np.zeros((len(parameters), len(parameters)))
    for row, one in enumerate(parameters):
        for place, other in enumerate(parameters):
            if one.endpoint == other.endpoint:
                covariance[row, place] = assumptions.prior_sd**2 * len(steps[row] & steps[place])
            if not one.reference and not other.reference and one.name == other.name:
                correlation = 1.0 if one.endpoint == other.endpoint else assumptions.heterogeneity_correlation
                covariance[row, place] = correlation * assumptions.biases[one.name].common ** 2
    return covariance


def _covariances(ratios: Sequence[LogRatio], assumptions: Assumptions) -> tuple[Array, Array]:
    """Sampling and own bias of studies, and heterogeneity for tau of 1; both blocks of studies, (n, n) each.

    Arms of a study are independent, so contrasts covary by the arms they have in common: by the part of the variance
    that is the arm's, and by half of tau^2.  Endpoints of one arm are correlated.  Being Gram matrices of arms, both
    are positive semi-definite whatever the shares.
    """
    count = len(ratios)
    sampling, heterogeneity = np.zeros((count, count)), np.zeros((count, count))
    for i, one in enumerate(ratios):
        for j, other in enumerate(ratios):
            if one.study != other.study:
                continue
            same = one.endpoint == other.endpoint
            within = 1.0 if same else assumptions.within_correlation
            between = 1.0 if same else assumptions.heterogeneity_correlation
            arms = list(_arms_in_common(one, other))
            overlap = sum(sign * math.sqrt(share * share_of_other) for sign, share, share_of_other in arms)
            sampling[i, j] = within * one.error * other.error * overlap
            if (kind := assumptions.bias(one.design)) is not None:
                sampling[i, j] += between * kind[1].own ** 2
            if one.design != "bridge":
                heterogeneity[i, j] = between * 0.5 * sum(sign for sign, _, _ in arms)
    return sampling, heterogeneity


def _arms_in_common(one: LogRatio, other: LogRatio) -> list[tuple[float, float, float]]:
    """Sign (+ where the arm stands on the same side) and its share of both variances."""
    ends = [(ratio.regimen, ratio.comparator) for ratio in (one, other)]
    return [
        (1.0 if side == side_of_other else -1.0, one.shares[side], other.shares[side_of_other])
        for side in (0, 1)
        for side_of_other in (0, 1)
        if ends[0][side] == ends[1][side_of_other]
    ]


def tau_grid(endpoints: int, assumptions: Assumptions, points: int = 30) -> tuple[Array, Array]:
    """Grid of tau (G, endpoints) and its prior weights (G), which add to 1.

    Gauss-Legendre points for each endpoint from 0 to 6 scales of the half-normal prior.  (Trapezoids would be slower to
    converge: the covariance of two endpoints has the product of both tau, so the edges at 0 are not flat.)
    """
    if assumptions.fixed_tau is not None:
        return np.full((1, endpoints), assumptions.fixed_tau), np.ones(1)
    scale = assumptions.tau_median / HALF_NORMAL_MEDIAN
    nodes, weight = np.polynomial.legendre.leggauss(points)
    axis = 3.0 * scale * (nodes + 1.0)
    weight = weight * np.exp(-0.5 * (axis / scale) ** 2)
    tau = np.stack(np.meshgrid(*[axis] * endpoints, indexing="ij"), axis=-1).reshape(-1, endpoints)
    weights = np.prod(np.stack(np.meshgrid(*[weight] * endpoints, indexing="ij"), axis=-1), axis=-1).ravel()
    return tau, weights / weights.sum()


def solve(model: Model, tau: Array, prior_weights: Array) -> Posterior:
    """The exact Gaussian posterior at each tau (G, endpoints), and the posterior weight of each tau.

    With R = S + H(tau) and A = P^-1 + X' R^-1 X: covariance A^-1, mean b = A^-1 X' R^-1 y, and
    2 ln p(y | tau) = -ln|R| - ln|A| - y' R^-1 (y - X b) + constant.
    """
    noise = model.covariance(tau)
    precision = np.linalg.inv(model.prior_covariance)
    solved = np.linalg.solve(noise, np.column_stack([model.design, model.observed])[None])
    design_solved, observed_solved = solved[..., :-1], solved[..., -1]
    inner = precision + model.design.T @ design_solved
    covariances = np.linalg.inv(inner)
    score = observed_solved @ model.design
    means = np.einsum("gpq,gq->gp", covariances, score)
    misfit = observed_solved @ model.observed - np.einsum("gp,gp->g", means, score)
    log_likelihood = -0.5 * (np.linalg.slogdet(noise)[1] + np.linalg.slogdet(inner)[1] + misfit)
    weights = prior_weights * np.exp(log_likelihood - log_likelihood.max())
    leverage = np.einsum("np,gpq,gnq->gn", model.design, covariances, design_solved)
    return Posterior(tau, weights / weights.sum(), means, covariances, leverage)
