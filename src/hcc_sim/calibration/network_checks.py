"""What can be checked of the network: loops in which studies can contradict each other, and studies left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hcc_sim.calibration.network_data import LogRatio
from hcc_sim.calibration.network_model import Array, Model, Posterior
from hcc_sim.figures.network import Loop, loops

NOT_ASSESSABLE = "not assessable"
UNCONNECTED = "unconnected without it"


@dataclass(frozen=True)
class LoopTest:
    """Log hazard ratios added up round a loop: 0 where studies are consistent.

    `difference` and `sd` on the log scale, `z` their ratio, `p` two-sided.
    """

    loop: Loop
    difference: float
    sd: float

    @property
    def z(self) -> float:
        """The difference in standard deviations."""
        return self.difference / self.sd

    @property
    def p(self) -> float:
        """Two-sided p value."""
        return math.erfc(abs(self.z) / math.sqrt(2.0))


@dataclass(frozen=True)
class Residual:
    """A log hazard ratio against its fitted value.

    `fitted` includes the bias of its design; `z` is the difference over the standard deviation of the observation
    (sampling, own bias and heterogeneity, at the posterior of tau); `weight` is its leverage, how much it determines
    its own fitted value: near 1 nothing else speaks of the same contrast, and z is near 0 by necessity.
    """

    ratio: LogRatio
    fitted: float
    z: float
    weight: float


@dataclass(frozen=True)
class Prediction:
    """A log hazard ratio as the network without the study predicts it, with the error that the study itself has.

    `mean` and `sd` are None where the regimens do not hang together without the study.
    """

    ratio: LogRatio
    without: tuple[str, ...]
    mean: float | None = None
    sd: float | None = None
    bridges: tuple[str, ...] = field(default=())

    @property
    def z(self) -> float | None:
        """Observed less predicted, in standard deviations."""
        return None if self.mean is None or self.sd is None else (self.ratio.mean - self.mean) / self.sd

    @property
    def verdict(self) -> str:
        """`predicted` or `unconnected without it`."""
        return UNCONNECTED if self.mean is None else "predicted"


def residuals(model: Model, posterior: Posterior) -> tuple[Residual, ...]:
    """Every log hazard ratio, bridges included, in the order of the model."""
    fitted = model.design @ posterior.mean
    variances = posterior.weights @ np.diagonal(model.covariance(posterior.tau), axis1=-2, axis2=-1)
    weights = posterior.weights @ posterior.leverage
    found = []
    for row, ratio in enumerate(model.ratios):
        off = float(model.observed[row] - fitted[row])
        found.append(Residual(ratio, ratio.mean - off, off / math.sqrt(variances[row]), float(weights[row])))
    return tuple(found)


def loop_tests(model: Model, posterior: Posterior, endpoint: str) -> tuple[LoopTest, ...]:
    """A test of each independent loop of an endpoint; none where there is no loop.

    Bucher and others 1997 (doi:10.1016/S0895-4356(97)00049-8): sum of the log hazard ratios round the loop over its
    standard error, with tau^2 (at the posterior mean of tau) and bias in the error.  Studies of one design are pooled
    by inverse variance.  Bridges make no loops.
    """
    rows = [row for row, ratio in enumerate(model.ratios) if ratio.endpoint == endpoint and ratio.design != "bridge"]
    covariance = model.covariance(posterior.weights @ posterior.tau)
    biases = np.array([not parameter.reference for parameter in model.parameters])
    common = model.design[:, biases]
    covariance = covariance + common @ model.prior_covariance[np.ix_(biases, biases)] @ common.T
    tests = []
    for loop in loops(model.ratios[row].contrast for row in rows):
        total = np.zeros(len(model.ratios))
        for number, regimen in enumerate(loop.regimens):
            following = loop.regimens[(number + 1) % len(loop.regimens)]
            total += _pooled(model, covariance, rows, loop.studies[number], (regimen, following))
        sd = math.sqrt(float(total @ covariance @ total))
        tests.append(LoopTest(loop, float(total @ model.observed), sd))
    return tuple(tests)


def _pooled(
    model: Model, covariance: Array, rows: Sequence[int], studies: Sequence[str], pair: tuple[str, str]
) -> Array:
    """Coefficients (n) on the observations whose sum estimates the log hazard ratio of a pair from these studies."""
    single = []
    for study in studies:
        own = [row for row in rows if model.ratios[row].study == study]
        regimens = sorted({name for row in own for name in _ends(model.ratios[row])})
        incidence = np.array(
            [[float(name == _ends(model.ratios[row])[0]) - float(name == _ends(model.ratios[row])[1]) for row in own]
             for name in regimens]
        )  # fmt: skip
        wanted = np.array([float(name == pair[0]) - float(name == pair[1]) for name in regimens])
        coefficients = np.zeros(len(model.ratios))
        coefficients[own] = np.linalg.lstsq(incidence, wanted, rcond=None)[0]
        single.append((coefficients, float(coefficients @ covariance @ coefficients)))
    precision = sum(1.0 / variance for _, variance in single)
    return np.sum([coefficients / variance / precision for coefficients, variance in single], axis=0)


def _ends(ratio: LogRatio) -> tuple[str, str]:
    return ratio.regimen, ratio.comparator


def predicted(posterior: Posterior, target: Model, row: int) -> tuple[float, float]:
    """Mean and standard deviation of row `row` of `target`, a model with the posterior's parameters, as observed.

    The variance is that of the fitted value over the mixture, plus that of the observation itself at each tau.
    """
    mean, sd = posterior.combination(target.design[row])
    own = float(posterior.weights @ target.covariance(posterior.tau)[:, row, row])
    mean_bias = target.ratios[row].mean - float(target.observed[row])
    return mean + mean_bias, math.sqrt(sd**2 + own)
