"""Distributions given by an interval, on one scale: a value is F^-1(Phi(z)), z a standard normal number.

Whatever the family, z is unbounded and 0 at the median.  `low` and `high` are the central 95% interval, of a uniform or
log-uniform distribution its bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from statistics import NormalDist

CENTRAL = 1.959963984540054
"""z of either end of a central 95% interval."""

FARTHEST = 8.0
"""z beyond which no value is sent: a double holds no probability nearer to 1."""

NORMAL = NormalDist()

Function = Callable[[float], float]


@lru_cache(maxsize=4096)
def value_of(family: str, low: float, high: float) -> Function:
    """z -> value; z beyond `FARTHEST` is held there.

    Raises:
        ValueError: a family that is not known, or ends that it cannot have.
    """
    inner = _functions(family, low, high)[0]
    return lambda z: inner(min(max(z, -FARTHEST), FARTHEST))


def score_of(family: str, low: float, high: float) -> Function:
    """value -> z, the inverse of `value_of`; plus or minus `FARTHEST` at and beyond the ends of the family.

    Raises:
        ValueError: as `value_of`.
    """
    inner, (least, most) = _functions(family, low, high)[1:]

    def score(value: float) -> float:
        if value <= least:
            return -FARTHEST
        return FARTHEST if value >= most else min(max(inner(value), -FARTHEST), FARTHEST)

    return score


@lru_cache(maxsize=4096)
def _functions(family: str, low: float, high: float) -> tuple[Function, Function, tuple[float, float]]:
    """z -> value, value -> z, and the ends between which values lie."""
    match family:
        case "normal":
            return (*_line(family, low, high), (-math.inf, math.inf))
        case "log-normal":
            return (*_line(family, low, high), (0.0, math.inf))
        case "logit-normal":
            return (*_line(family, low, high), (0.0, 1.0))
        case "uniform":
            width = high - low
            return lambda z: low + width * NORMAL.cdf(z), lambda x: _score((x - low) / width), (low, high)
        case "log-uniform":
            width = math.log(high / low)
            return (
                lambda z: low * math.exp(width * NORMAL.cdf(z)),
                lambda x: _score(math.log(x / low) / width),
                (low, high),
            )
        case "beta":
            return (*_beta(*beta_of_interval(low, high)), (0.0, 1.0))
    raise ValueError(f"no quantiles for the family '{family}'")


def scale_of(family: str) -> tuple[Function, Function]:
    """The scale on which a family is broad, and the way back: logarithm, logit, or the value itself."""
    if family.startswith("log-"):
        return math.log, math.exp
    return (_logit, _expit) if family in ("logit-normal", "beta") else (_same, _same)


def _same(value: float) -> float:
    return value


def _line(family: str, low: float, high: float) -> tuple[Function, Function]:
    """Normal between `low` and `high` (95%) on the scale of the family, and the ways to and from it."""
    to, back = scale_of(family)
    middle, spread = 0.5 * (to(low) + to(high)), (to(high) - to(low)) / (2.0 * CENTRAL)
    return lambda z: back(middle + spread * z), lambda x: (to(x) - middle) / spread


def _score(share: float) -> float:
    """The standard normal quantile; a share that was rounded to 0 or 1 is the nearest one that is neither."""
    return NORMAL.inv_cdf(min(max(share, 1e-300), 1.0 - 2.0**-53))


def _logit(share: float) -> float:
    return math.log(share / (1.0 - share))


def _expit(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def _beta(a: float, b: float) -> tuple[Function, Function]:
    """From the nearer end, or the quantile above 1 - 1e-16 would be 1."""
    from scipy import special

    def value(z: float) -> float:
        if z <= 0:
            return float(special.betaincinv(a, b, special.ndtr(z)))
        return 1.0 - float(special.betaincinv(b, a, special.ndtr(-z)))

    def score(x: float) -> float:
        below = float(special.betainc(a, b, x))
        return float(special.ndtri(below) if below <= 0.5 else -special.ndtri(special.betainc(b, a, 1.0 - x)))

    return value, score


@lru_cache(maxsize=1024)
def beta_of_interval(low: float, high: float) -> tuple[float, float]:
    """The two shapes of the beta distribution with this central 95% interval.

    Raises:
        ValueError: no beta distribution has it.
    """
    import numpy as np
    from scipy import optimize, special

    def off(log_shapes: np.ndarray) -> np.ndarray:
        a, b = np.exp(log_shapes)
        return special.betainc(a, b, [low, high]) - np.array([0.025, 0.975])

    if not 0.0 < low < high < 1.0:
        raise ValueError(f"no beta distribution has the central 95% interval {low} to {high}")
    mean, spread = 0.5 * (low + high), (high - low) / (2.0 * CENTRAL)
    size = max(mean * (1.0 - mean) / spread**2 - 1.0, 0.5)
    found = optimize.root(off, np.log([mean * size, (1.0 - mean) * size]), tol=1e-12)
    if not np.abs(off(found.x)).max() <= 1e-8:  # scipy doubts roots that it has met exactly
        raise ValueError(f"no beta distribution has the central 95% interval {low} to {high}")
    a, b = np.exp(found.x)
    return float(a), float(b)
