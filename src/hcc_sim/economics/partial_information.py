"""What it is worth to know some inputs of a probabilistic analysis, and whose uncertainty makes an outcome vary.

The expected value of partial perfect information by regression on the draws: M. Strong, J. E. Oakley and A. Brennan,
Medical Decision Making 34 (2014) 311-326, doi:10.1177/0272989X13505910.

Its estimate is averaged over the regression's coefficients given the data (`regression.Coefficients`): a shrunk fit
varies too little and gives too low a value, least squares too high a one.  The standard error is that of the mean over
so few draws of the increment of the strategy which the fit chooses, or, where it is more, that of the mean of fitted
increments together with the spread of the value over coefficients, drawn where the variances of their blocks are higher
by a standard error, and the error of mean increments.

What to know when reading it:

- Where draws carry noise of few patients, the regression averages over it.  The value of perfect information takes such
  noise for knowledge and is too high.
- No value can be below 0, so that of inputs which do not matter is above it on average, by up to about a standard
  error; the highest of hundreds of them lies at one or two.  A ranking is to be read with its errors.
- Where the best two strategies are nearly equal in expectation, all values of information, that of perfect information
  too, come out low, by up to 0.4 standard errors of their mean increment: the draws that choose also value the choice.
- A curve that does not stand out from chance is taken for a straight line (`smooth_functions.columns_for`), and jumps
  are smoothed: a jump in one input comes out some 10% low at a thousand draws.
- Same input, same value, on one kind of processor; on another the last digits may differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hcc_sim.economics.costs_and_effects import CostsAndEffects
from hcc_sim.economics.discounting import check_rate
from hcc_sim.economics.net_benefit import net_monetary_benefit, value_of_perfect_information
from hcc_sim.economics.regression import Coefficients, Regression, regression, threads

Floats = NDArray[np.float64]

FEWEST_DRAWS = 20
# Errors of fits are simulated at so many draws at most: more change nothing that shows.
MOST_DRAWS_LOOKED_AT = 4096

DEFINITIONS = {
    "expected value of partial perfect information": (
        "the mean over draws of the best net benefit to be expected given the inputs, minus the best of the mean net "
        "benefits; per patient"
    ),
    "share of variance": (
        "the variance over draws of the outcome to be expected given the inputs, divided by the variance of the outcome"
    ),
}


class Partial(NamedTuple):
    """The expected value of partial perfect information, per patient in currency.

    Attributes:
        value: the estimate.
        standard_error: of the regression and of so few draws.
        correction: what of the value is added to that of the fit alone, which is shrunk and so varies too little.
        degrees_of_freedom: effective, of the regression, the most of all strategies.
    """

    value: float
    standard_error: float
    correction: float
    degrees_of_freedom: float


class Share(NamedTuple):
    """The share of an outcome's variance that a source explains by itself."""

    source: str
    share: float
    standard_error: float
    degrees_of_freedom: float


class Shares(NamedTuple):
    """Whose uncertainty makes an outcome vary over draws.

    Attributes:
        variance: of the outcome.
        sources: in the order given.
        noise: the share that is noise of few patients; NaN if it was not told.
        rest: what is left: of sources that were not given and, where sources are independent, of what they do only
            together.  Below 0 where sources are correlated and count twice.
        rest_standard_error: of it.
    """

    variance: float
    sources: tuple[Share, ...]
    noise: float
    rest: float
    rest_standard_error: float


class ForAll(NamedTuple):
    """The value for all whom a decision concerns, its standard error, and how many they are, discounted."""

    value: float
    standard_error: float
    patients: float


def value_of_partial_information(table: CostsAndEffects, inputs: ArrayLike, threshold: float) -> Partial:
    """What it would be worth to know these inputs (D, P) before choosing.

    The increment of net benefit of each strategy over that of the highest expected net benefit is regressed on the
    inputs; the value is the mean over draws of the highest expected increment, 0 for that strategy itself, so that
    equal strategies give exactly 0.  It is at least 0 and never above the value of perfect information.

    Args:
        table: costs and effects of the draws.
        inputs: (D, P) their draws, or (D,) of one; those that are the same in all draws count for nothing.
        threshold: willingness to pay for a unit of effect.

    Raises:
        ValueError: a threshold that is negative or not finite, too few draws, inputs that do not fit or are not finite.
    """
    benefit = net_monetary_benefit(table, threshold)
    given = _checked(inputs, table.draws, "inputs")
    best = int(np.argmax(benefit.mean(axis=0)))
    increments = np.delete(benefit - benefit[:, [best]], best, axis=1)
    vary = np.ptp(increments, axis=0) > 0.0
    increments = increments[:, vary]
    if not increments.shape[1] or not given.shape[1]:
        return Partial(0.0, 0.0, 0.0, 0.0)
    (perfect,) = value_of_perfect_information(table, threshold)
    with threads().limit(limits=1, user_api="blas"):
        return _partial(increments, given, perfect.value)


def shares_of_variance(
    outcome: ArrayLike, sources: Mapping[str, ArrayLike], noise_variance: float | None = None
) -> Shares:
    """Which share of the variance over draws of an outcome (D,), or of an increment, each source explains.

    The same regressions as for the value of information; the variance of E(outcome | source) is averaged over the
    coefficients given the data, which accounts for degrees of freedom.

    Args:
        outcome: (D,) one number a draw.
        sources: name -> (D,) draws of a single input or (D, P) of several together.
        noise_variance: of the outcome in a draw, by few patients: the mean over draws of its squared Monte-Carlo error.

    Raises:
        ValueError: too few draws, an outcome that does not vary, sources that do not fit, numbers that are not finite,
            a noise variance below 0.
    """
    values = np.asarray(outcome, dtype=np.float64)
    if values.ndim != 1 or len(values) < FEWEST_DRAWS or not np.isfinite(values).all():
        raise ValueError(f"the outcome has the shape {values.shape}; it needs at least {FEWEST_DRAWS} finite draws")
    if noise_variance is not None and not 0.0 <= noise_variance < math.inf:
        raise ValueError(f"the noise variance is {noise_variance}; it must be at least 0 and finite")
    centred = values - values.mean()
    if np.ptp(values) == 0.0:
        raise ValueError("the outcome is the same in all draws: there is no variance to share")
    variance = float(np.var(values, ddof=1))
    given = {name: _checked(inputs, len(values), f"draws of {name!r}") for name, inputs in sources.items()}
    found, influence, hidden = [], np.zeros(len(values)), 0.0
    for name, inputs in given.items():
        share, own, more = _share(name, centred, inputs)
        found.append(share)
        influence += own
        hidden += more
    noise = (noise_variance or 0.0) / variance
    rest = 1.0 - math.fsum(one.share for one in found) - noise
    error = math.sqrt(float(np.var(influence, ddof=1)) / len(values) + hidden)
    return Shares(variance, tuple(found), math.nan if noise_variance is None else noise, rest, error)


def population_value(
    per_patient: float, standard_error: float, patients_per_year: float, years: int, discount_rate: float
) -> ForAll:
    """The value for all whom the decision concerns while it stands.

    The sum over years t = 1, 2, ... of per_patient x patients_per_year / (1 + r)^t: a year's patients count as at its
    end (A. Briggs, K. Claxton and M. Sculpher, Decision Modelling for Health Economic Evaluation, Oxford 2006,
    chapter 6; Z. Philips, K. Claxton and S. Palmer, Medical Decision Making 28 (2008) 287-299,
    doi:10.1177/0272989X07312724, on how many years).  Counted as at its beginning it is 1 + r times as much.

    Args:
        per_patient: the value, in currency.
        standard_error: of it; NaN if unknown.
        patients_per_year: who face the decision.
        years: how many it stands, a whole number.
        discount_rate: a year, as 0.05.

    Raises:
        ValueError: a number below 0 or not finite, years that are not whole or none.
    """
    numbers = {"value per patient": per_patient, "number of patients a year": patients_per_year}
    if not math.isnan(standard_error):
        numbers["standard error"] = standard_error
    for what, number in numbers.items():
        if not 0.0 <= number < math.inf:
            raise ValueError(f"the {what} is {number}; it must be at least 0 and finite")
    if not (1 <= years < math.inf and years == int(years)):
        raise ValueError(f"the decision is to stand {years} years; a whole number of at least 1 is needed")
    rate = check_rate(discount_rate)
    patients = patients_per_year * math.fsum((1.0 + rate) ** -t for t in range(1, int(years) + 1))
    return ForAll(per_patient * patients, standard_error * patients, patients)


def _partial(increments: Floats, inputs: Floats, most: float) -> Partial:
    means = increments.mean(axis=0)
    fit = regression(inputs, increments - means)
    gains = _gains(means + fit.fitted)
    likely, wide = (_simulated(fit, means, some) for some in (fit.likely, fit.wide))
    correction = float(likely.mean() - gains[_looked_at(fit)].mean())
    value = min(max(float(gains.mean()) + correction, 0.0), most)
    chosen, shares = _chosen(means + fit.fitted)
    of_means = float(np.var(fit.residuals @ shares, ddof=1)) / len(increments)
    variance, _ = _variance(gains, (fit.residuals * chosen).sum(axis=1), _spread(likely, wide) + of_means)
    return Partial(value, math.sqrt(variance), correction, float(fit.degrees_of_freedom.max()))


def _spread(likely: Floats, wide: Floats) -> float:
    """The variance that the data leave to a value that hangs on coefficients, drawn in two ways."""
    return float(np.var(wide, ddof=1) + (wide.mean() - likely.mean()) ** 2)


def _variance(of_draws: Floats, of_residuals: Floats, of_coefficients: float) -> tuple[float, float]:
    """The variance of a mean over draws, and what of it the draws do not show.

    What each draw adds (D,) to it by its fit and, to the first order, by its residual is independent of the others'
    and has whatever variance it has, as where residuals vary with the input; shrinkage hides some of it, which the
    spread over coefficients has.
    """
    hidden = max(of_coefficients - float(np.var(of_residuals, ddof=1)) / len(of_draws), 0.0)
    return float(np.var(of_draws + of_residuals, ddof=1)) / len(of_draws) + hidden, hidden


def _checked(given: ArrayLike, draws: int, what: str) -> Floats:
    """(D, P) without inputs that are the same in all draws: nothing is to be learnt of them."""
    values = np.asarray(given, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != draws or not values.shape[1]:
        raise ValueError(f"{what} have the shape {np.shape(given)}; they need ({draws}, number of inputs)")
    if draws < FEWEST_DRAWS:
        raise ValueError(f"there are {draws} draws; a regression needs at least {FEWEST_DRAWS}")
    if (wrong := np.argwhere(~np.isfinite(values))).size:
        draw, place = wrong[0]
        raise ValueError(f"{what}: input {place} in draw {draw} is {values[draw, place]}")
    return values[:, np.ptp(values, axis=0) > 0.0]


def _gains(increments: Floats) -> Floats:
    """(D,) what the best strategy of each draw has above the best in expectation."""
    return np.asarray(np.maximum(increments.max(axis=1), 0.0))


def _looked_at(fit: Regression) -> slice:
    return slice(None, None, math.ceil(len(fit.fitted) / MOST_DRAWS_LOOKED_AT))


def _simulated(fit: Regression, means: Floats, given: Coefficients) -> Floats:
    """(B,) the value by coefficients drawn given the data, the means being what they are."""
    matrix = fit.columns.matrix(_looked_at(fit)) - fit.means
    drawn = fit.drawn(given)
    best = np.zeros((len(matrix), len(drawn)))
    for s, mean in enumerate(means):
        np.maximum(best, matrix @ drawn[:, s].T + mean, out=best)
    return np.asarray(best.mean(axis=0))


def _chosen(increments: Floats) -> tuple[Floats, Floats]:
    """(D, S) 1 where a strategy is the best of a draw and better than the best in expectation; how often (S,)."""
    best = increments.argmax(axis=1)[:, None] == np.arange(increments.shape[1])
    chosen = (best & (increments > 0.0)).astype(np.float64)
    return chosen, chosen.mean(axis=0)


def _share(name: str, outcome: Floats, inputs: Floats) -> tuple[Share, Floats, float]:
    """A source's share, the influence (D,) of each draw on it, and the variance that this does not show.

    The influence is of the first order: ((1 - share) (fit^2 + 2 fit residual) - share residual^2) / variance.
    """
    if not inputs.shape[1]:
        return Share(name, 0.0, 0.0, 0.0), np.zeros(len(outcome)), 0.0
    total = float(outcome @ outcome)
    with threads().limit(limits=1, user_api="blas"):
        fit = regression(inputs, outcome[:, None])
        likely, wide = (_explained(fit, some) / total for some in (fit.likely, fit.wide))
    share = float(likely.mean())
    fitted, left = fit.fitted[:, 0], fit.residuals[:, 0]
    scale = len(outcome) / total
    of_draws = ((1.0 - share) * fitted**2 - share * left**2) * scale
    of_residuals = (1.0 - share) * 2.0 * fitted * left * scale
    variance, hidden = _variance(of_draws, of_residuals, (1.0 - share) ** 2 * _spread(likely, wide))
    return Share(name, share, math.sqrt(variance), float(fit.degrees_of_freedom[0])), of_draws + of_residuals, hidden


def _explained(fit: Regression, given: Coefficients) -> Floats:
    """(B,) the sum of squares of fits by coefficients drawn given the data."""
    drawn = fit.drawn(given)[:, 0]
    return np.einsum("bk,kl,bl->b", drawn, fit.gram, drawn, optimize=True)
