"""The standard generalised gamma law, log H at w for shape Q, from elementary functions alone.

In the parametrisation of R. L. Prentice, Biometrika 61 (1974) 539-544, doi:10.2307/2334737 (flexsurv's `gengamma`),
w = (ln t - mu) / sigma has the density

    f(w) = exp(-g(w) - delta(k)) / sqrt(2 pi),   g(w) = (exp(Q w) - 1 - Q w) / Q^2,   k = 1 / Q^2

where delta is the remainder of Stirling's formula for log Gamma.  Written so, nothing cancels and nothing is special
about Q = 0, where g = w^2 / 2 and delta = 0.  The tail is f times an integral that lies within a few powers of ten of
1; a mirror turns the lower tail at (w, Q) into the upper tail at (-w, -Q).
"""

import math

import numpy as np
import numpy.typing as npt

from hcc_sim.compiled import compiled
from hcc_sim.elementary import exp, expm1, log, log1p, polynomial

FloatArray = npt.NDArray[np.float64]

LARGEST_SHAPE = 10.0
"""The integral keeps 14 digits up to here; gamma laws of shape 0.01 and more are within it."""

_HALF_LOG_TWO_PI = 0.9189385332046727
_STEP = 1.0 / 16.0
_FIRST, _LAST = -72, 89
# 1 / n!, from n = 17 down to 2.
_EXCESS = tuple(1.0 / math.factorial(n) for n in range(17, 1, -1))
# Stirling's series in 1 / k^2, highest power first.
_STIRLING = (-691.0 / 360360.0, 1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0)


@compiled
def _growth(s: float) -> float:
    """(exp(s) - 1) / s."""
    return 1.0 if s == 0.0 else expm1(s) / s


@compiled
def _excess_growth(s: float) -> float:
    """(exp(s) - 1 - s) / s^2, by its series where the difference would cancel."""
    series = polynomial(_EXCESS, s)
    plain = (expm1(s) - s) / s / s
    return series if abs(s) < 0.7 else plain


@compiled
def stirling_remainder(k: float) -> float:
    """log Gamma(k) - (k - 1/2) log k + k - log(2 pi) / 2 for k > 0, within 1e-14 times max(1, result)."""
    shifted = 0.0
    while k < 12.0:
        shifted += (k + 0.5) * log1p(1.0 / k) - 1.0
        k += 1.0
    return shifted + polynomial(_STIRLING, 1.0 / (k * k)) / k


@compiled
def _tail_over_density(w: float, shape: float, rule: FloatArray, terms: FloatArray) -> float:
    """Integral of f(w + v) / f(w) over v > 0, for w >= 0, by the double exponential rule v = c exp(u - exp(-u)).

    H. Takahasi and M. Mori, Publ. RIMS Kyoto 9 (1974) 721-741, doi:10.2977/prims/1195192451.  Where f falls like
    exp(-exp(v)), r = exp(Q v) - 1 is the better variable: f(w + v) / f(w) = (1 + r)^k exp(-x r) with x = k exp(Q w).
    The terms are kept before they are added, so that the compiler may compute several at once, in any order.
    """
    points, weights = rule
    if shape > 0.5:
        k = 1.0 / (shape * shape)
        x = k * exp(shape * w)
        scale = _STEP / (x * shape)
        for i in range(points.size):
            r = points[i] / x
            terms[i] = exp((k - 1.0) * log1p(r) - x * r)
    else:
        steepness = w * _growth(shape * w)
        curvature = exp(shape * w)
        c = 1.0 / (steepness + np.sqrt(0.5 * curvature))
        scale = _STEP * c
        for i in range(points.size):
            v = c * points[i]
            terms[i] = exp(-v * (steepness + curvature * v * _excess_growth(shape * v)))
    total = 0.0
    for i in range(points.size):
        total += terms[i] * weights[i]
    return total * scale


@compiled(allocates=True)
def log_cumulative_hazards(w: FloatArray, shape: float) -> FloatArray:
    """log H at each w = (ln t - mu) / sigma, (k,), for Q = shape, |Q| <= 10; within 1e-14 times max(1, |log H|)."""
    rule = np.empty((2, _LAST - _FIRST))
    for i in range(_LAST - _FIRST):
        u = (i + _FIRST) * _STEP
        rule[0, i] = exp(u - exp(-u))
        rule[1, i] = rule[0, i] * (1.0 + exp(-u))
    terms = np.empty(_LAST - _FIRST)
    remainder = _HALF_LOG_TWO_PI + (0.0 if shape == 0.0 else stirling_remainder(1.0 / (shape * shape)))
    out = np.empty_like(w)
    for i in range(w.size):
        minus_log_density = w[i] * w[i] * _excess_growth(shape * w[i]) + remainder
        if w[i] >= 0.0:
            out[i] = log(minus_log_density - log(_tail_over_density(w[i], shape, rule, terms)))
        else:
            log_lower = log(_tail_over_density(-w[i], -shape, rule, terms)) - minus_log_density
            lower = exp(log_lower)
            out[i] = log_lower if lower < 1e-17 else log(-log1p(-lower))
    return out
