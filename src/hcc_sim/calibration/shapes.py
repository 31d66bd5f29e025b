"""The Weibull shape of survival by endpoint, from medians and the hazard ratios printed beside them.

In Weibull arms with proportional hazards HR = (m_c / m_t)^k.  A study's shape k is not a quotient of logs, which has no
mean and no sign where the medians are alike: it is a parameter of the joint likelihood of (ln m_t, ln m_c, ln HR), and
the shapes of the studies of an endpoint are alike, ln k_i ~ N(mu, tau).  It is a marginal shape, a target for a
simulated arm and not a parameter of a transition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from hcc_sim.calibration.sampling import (
    DOWN_WEIGHT,
    FloatArray,
    Reading,
    covariance_of_trial,
    events_of_ratio,
    of_hazard_ratio,
    of_median,
)
from hcc_sim.figures import Evidence, Figure, Study
from hcc_sim.figures.medians import medians_of

ENDPOINTS = ("overall survival", "progression-free survival")
DISCREPANCY = 0.1
"""Standard deviation, on ln HR, between an adjusted ratio and the one that belongs to unadjusted medians; assumed."""

LOG_SHAPES = np.linspace(-2.5, 2.5, 501)
"""Grid of ln k of a study: shapes from 0.08 to 12."""
LOG_TYPICAL = np.linspace(-1.5, 1.5, 151)
"""Grid of mu."""
SPREADS = np.linspace(0.0125, 0.9875, 40)
"""Grid of tau; its step and least value are not below the step of ln k, so that sums over the grid are integrals."""


@dataclass(frozen=True)
class Prior:
    """mu ~ N(log_shape, log_shape_sd), tau ~ half-normal(spread): assumed.

    Shape 1, a constant hazard, give or take a factor of 2.7 (95%); tau is below 0.49 (95%), where shapes of studies
    differ by a factor of 2.6.  Half-normal after A. Gelman, Bayesian Analysis 1 (2006) 515-534, doi:10.1214/06-BA117A.
    """

    log_shape: float = 0.0
    log_shape_sd: float = 0.5
    spread: float = 0.25


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation of a posterior, and its central 95%."""

    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class MedianFigure:
    """A median with what tells its error; the variance of its logarithm is multiplied by `inflation`."""

    value: float
    interval: Sequence[float | None] | None = None
    level: float | None = None
    patients: float | None = None
    inflation: float = 1.0


@dataclass(frozen=True)
class RatioFigure:
    """A hazard ratio on the log scale; `discrepancy` is a standard deviation added to its error."""

    reading: Reading
    inflation: float = 1.0
    discrepancy: float = 0.0


@dataclass(frozen=True)
class Trial:
    """J treated arms against one control, which counts once: `treated[j]` has its median and `ratios[j]` its ratio."""

    name: str
    treated: tuple[MedianFigure, ...]
    control: MedianFigure
    ratios: tuple[RatioFigure, ...]
    figures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shapes:
    """Posterior of the shapes of an endpoint; of shapes themselves, not of their logarithms."""

    endpoint: str
    typical: Summary
    """exp(mu)."""
    spread: Summary
    """tau."""
    log_typical: Summary
    """mu."""
    new_study: Summary
    """The shape in a study not yet seen."""
    studies: Mapping[str, Summary]
    left_out: Mapping[str, str]
    """Hazard ratios that could not be used, with the reason."""
    prior: Prior
    discrepancy: float


def shapes_of(
    evidence: Evidence, endpoint: str, *, prior: Prior | None = None, discrepancy: float = DISCREPANCY
) -> Shapes:
    """The shapes of an endpoint from all its hazard ratios with medians beside them, as printed.

    An adjusted ratio beside unadjusted medians gets `discrepancy` added, a standard deviation on ln HR.

    ValueError: an endpoint not in ENDPOINTS, or no such hazard ratio.
    """
    if endpoint not in ENDPOINTS:
        raise ValueError(f"a shape is of {' or '.join(ENDPOINTS)}, not of '{endpoint}'")
    trials, left_out = trials_of(evidence, endpoint, discrepancy)
    if not trials:
        raise ValueError(f"{endpoint}: no hazard ratio has the medians of both arms beside it")
    return pooled(trials, endpoint, prior=prior, left_out=left_out, discrepancy=discrepancy)


def trials_of(evidence: Evidence, endpoint: str, discrepancy: float) -> tuple[list[Trial], dict[str, str]]:
    """Trials by study, and hazard ratios left out with the reason; ratios over one control median are one trial.

    Figures of status exclude or context are not looked at.  Values are as printed: a contrast that points the other way
    than its medians stays in.
    """
    found: dict[tuple[str, str], list[tuple[Figure, Figure, Figure]]] = {}
    left_out: dict[str, str] = {}
    for study, ratio in evidence.figures():
        if ratio.measure != "hazard_ratio" or ratio.endpoint != endpoint or ratio.status in ("exclude", "context"):
            continue
        medians = medians_of(study, ratio)
        if ratio.value is None or ratio.unit != "ratio":
            left_out[ratio.id] = "no ratio is printed"
        elif medians is None or any(median.status in ("exclude", "context") for median in medians):
            left_out[ratio.id] = "the medians of both arms do not stand beside it"
        elif ratio.interval is None and ratio.events is None and ratio.p is None:
            left_out[ratio.id] = "nothing tells its error"
        else:
            found.setdefault((study.study, medians[1].id), []).append((ratio, *medians))
    several = [study for study, _ in found]
    names = {key: key[0] if several.count(key[0]) == 1 else ".".join(key) for key in found}
    trials = [_trial(names[key], evidence.studies[key[0]], figures, discrepancy) for key, figures in found.items()]
    return trials, left_out


def _trial(name: str, study: Study, figures: Sequence[tuple[Figure, Figure, Figure]], discrepancy: float) -> Trial:
    ratios = tuple(_ratio(study, *three, discrepancy) for three in figures)
    used = dict.fromkeys(figure.id for three in figures for figure in three)
    return Trial(
        name, tuple(_median(study, one) for _, one, _ in figures), _median(study, figures[0][2]), ratios, tuple(used)
    )


def _inflation(figure: Figure) -> float:
    return DOWN_WEIGHT if figure.status == "down-weight" else 1.0


def _patients(study: Study, figure: Figure) -> int | None:
    sizes = {arm.regimen: arm.patients for arm in study.arms}
    return figure.patients or sizes.get(figure.regimen or "")


def _median(study: Study, figure: Figure) -> MedianFigure:
    value = float(figure.value or math.nan)
    return MedianFigure(value, figure.interval, figure.level, _patients(study, figure), _inflation(figure))


def _ratio(study: Study, ratio: Figure, treated: Figure, control: Figure, discrepancy: float) -> RatioFigure:
    sizes = _patients(study, treated), _patients(study, control)
    allocation = None if sizes[0] is None or sizes[1] is None else (float(sizes[0]), float(sizes[1]))
    value = float(ratio.value or math.nan)
    reading = of_hazard_ratio(value, ratio.interval, ratio.level, events=ratio.events, allocation=allocation, p=ratio.p)
    unlike = ratio.adjusted and not (treated.adjusted and control.adjusted)
    return RatioFigure(reading, _inflation(ratio), discrepancy if unlike else 0.0)


def covariance(trial: Trial, shape: float) -> FloatArray:
    """Covariance (2 J + 1, 2 J + 1) of treated medians, control median and ratios, logs all, if the shape is this."""
    medians = (*trial.treated, trial.control)
    control = trial.control.patients or 1.0
    pairs = [
        events_of_ratio(ratio.reading.error, treated.patients or control, control)
        for treated, ratio in zip(trial.treated, trial.ratios, strict=True)
    ]
    treated_events = [pair[0] for pair in pairs]
    control_events = sum(pair[1] for pair in pairs) / len(pairs)
    readings = [
        of_median(m.value, interval=m.interval, level=m.level, patients=m.patients, events=events, shape=shape)
        for m, events in zip(medians, (*treated_events, control_events), strict=True)
    ]
    ratios = [ratio.reading for ratio in trial.ratios]
    matrix = covariance_of_trial(readings[:-1], readings[-1], ratios, treated_events, control_events, shape)
    inflation = np.sqrt([m.inflation for m in medians] + [r.inflation for r in trial.ratios])
    added = [0.0] * len(readings) + [ratio.discrepancy**2 for ratio in trial.ratios]
    return matrix * np.outer(inflation, inflation) + np.diag(added)


def log_likelihood(trial: Trial, log_shapes: FloatArray) -> FloatArray:
    """Log likelihood (n,) of ln k, (n,) within the grid, with the true medians integrated out; a spline within 1e-4.

    The level of the true log medians is flat.  So is each true contrast, in units of its own standard error given k,
    from `contrast_information`: with r = ln m_c - ln m_t and z = ln HR - k r, L(k) = sqrt(information) N(z; 0, var z).
    Where nothing but events makes the errors, this is flat in ln HR.  Flat in the contrast of ln m itself omits the
    root, and the shape of many studies becomes too small, one nuisance parameter for each (J. Neyman and E. L. Scott,
    Econometrica 16 (1948) 1-32, doi:10.2307/1914288); with it the expected score is zero at the true shape.  Reference
    prior of J. O. Berger and J. M. Bernardo, Journal of the American Statistical Association 84 (1989) 200-207,
    doi:10.1080/01621459.1989.10478756.
    """
    knots = np.linspace(LOG_SHAPES[0], LOG_SHAPES[-1], 126)
    return CubicSpline(knots, [_log_likelihood(trial, math.exp(x)) for x in knots])(log_shapes)


def _log_likelihood(trial: Trial, shape: float) -> float:
    matrix = covariance(trial, shape)
    contrasts = _contrasts(len(trial.treated), shape)
    observed = [math.log(m.value) for m in (*trial.treated, trial.control)] + [r.reading.value for r in trial.ratios]
    z = contrasts @ np.array(observed)
    variance = contrasts @ matrix @ contrasts.T
    misfit = z @ np.linalg.solve(variance, z) + np.linalg.slogdet(variance)[1]
    return float(-0.5 * misfit + 0.5 * np.linalg.slogdet(contrast_information(matrix, shape))[1])


def _contrasts(arms: int, shape: float) -> FloatArray:
    """(J, 2 J + 1): z = ln HR + k (ln m_t - ln m_c), which is 0 but for sampling."""
    return np.column_stack([shape * np.eye(arms), np.full(arms, -shape), np.eye(arms)])


def contrast_information(matrix: FloatArray, shape: float) -> FloatArray:
    """Information (J, J) of a trial on its true contrasts ln m_c - ln m_t, given the shape, for any level."""
    arms = len(matrix) // 2
    level = np.concatenate([np.ones(arms + 1), np.zeros(arms)])
    moved = np.vstack([-np.eye(arms), np.zeros((1, arms)), shape * np.eye(arms)])
    design = np.column_stack([level, moved])
    information = design.T @ np.linalg.solve(matrix, design)
    return information[1:, 1:] - np.outer(information[1:, 0], information[0, 1:]) / information[0, 0]


def pooled(
    trials: Sequence[Trial],
    endpoint: str,
    *,
    prior: Prior | None = None,
    left_out: Mapping[str, str] | None = None,
    discrepancy: float = DISCREPANCY,
) -> Shapes:
    """The posterior by sums over the grids of ln k, mu and tau; no draws.  ValueError: no trials."""
    if not trials:
        raise ValueError(f"{endpoint}: no trials to learn a shape from")
    prior = prior or Prior()
    own = np.array([log_likelihood(trial, LOG_SHAPES) for trial in trials])
    own = np.exp(own - own.max(axis=1, keepdims=True))
    mu, tau = (grid.ravel() for grid in np.meshgrid(LOG_TYPICAL, SPREADS, indexing="ij"))
    kernel = np.exp(-0.5 * ((LOG_SHAPES - mu[:, None]) / tau[:, None]) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    marginal = np.maximum(kernel @ own.T, np.finfo(float).tiny)  # not 0 where mu is far off and tau small
    log_prior = -0.5 * ((mu - prior.log_shape) / prior.log_shape_sd) ** 2 - 0.5 * (tau / prior.spread) ** 2
    log_posterior = log_prior + np.log(marginal).sum(axis=1)
    posterior = np.exp(log_posterior - log_posterior.max())
    posterior /= posterior.sum()
    studies = own * ((posterior[:, None] / marginal).T @ kernel)
    of_mu = posterior.reshape(len(LOG_TYPICAL), len(SPREADS))
    return Shapes(
        endpoint=endpoint,
        typical=_summary(np.exp(LOG_TYPICAL), of_mu.sum(axis=1)),
        spread=_summary(SPREADS, of_mu.sum(axis=0)),
        log_typical=_summary(LOG_TYPICAL, of_mu.sum(axis=1)),
        new_study=_summary(np.exp(LOG_SHAPES), posterior @ kernel),
        studies={t.name: _summary(np.exp(LOG_SHAPES), w) for t, w in zip(trials, studies, strict=True)},
        left_out=dict(left_out or {}),
        prior=prior,
        discrepancy=discrepancy,
    )


def _summary(values: FloatArray, weights: FloatArray) -> Summary:
    """Of weights on rising values; limits by linear interpolation of the cumulative weights at the middle of cells."""
    weights = weights / weights.sum()
    mean = float(weights @ values)
    cumulative = np.cumsum(weights) - 0.5 * weights
    low, high = np.interp([0.025, 0.975], cumulative, values)
    return Summary(mean, math.sqrt(float(weights @ (values - mean) ** 2)), float(low), float(high))
