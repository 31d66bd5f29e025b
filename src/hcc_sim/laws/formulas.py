"""The compiled half of the laws: a table of laws, and the functions that read it.  Time is in months throughout.

A law is a row of a `LawTable`, and two scalar functions read that row: `cumulative_hazard` and
`inverse_cumulative_hazard`.  Python methods, engine and tests all go through these two; the functions for blocks beside
them choose the family once instead of for each element, and give the same bits.

H(0) = 0 and H(inf) is the total hazard, finite for a defective law.  The inverse is inf{t : H(t) >= h}: 0 at h = 0,
and infinite where h exceeds the total.  nan gives nan, and so does a time or a hazard below 0.

To add a family: a code, its two formulas, one branch in `_family_hazard`, `_family_inverse` and the functions for
blocks, a dataclass in `distributions`.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hcc_sim.compiled import compiled
from hcc_sim.elementary import (
    LARGEST_USUAL_HAZARD,
    LN2,
    exp,
    expm1,
    log,
    log1p,
    log_normal_survival,
    normal_upper_quantile_from_hazard,
    usual_normal_quantile_from_hazard,
)
from hcc_sim.laws.curves import evaluated

EXPONENTIAL, WEIBULL, GOMPERTZ, LOG_LOGISTIC, LOG_NORMAL, PIECEWISE_EXPONENTIAL, CURVE = range(7)

FloatArray = npt.NDArray[np.float64]

CELLS = 1024
"""Equal cells into which a guide divides the range of a law's nodes, so that the piece of a number is found at once."""


class LawTable(NamedTuple):
    """Laws as arrays, row i for law i; what compiled code reads."""

    family: npt.NDArray[np.int64]
    """(n,) code of the family, a constant of this module."""
    numbers: FloatArray
    """(n, 4) up to three numbers of the family, then the cured share; unused ones are 0."""
    first: npt.NDArray[np.int64]
    """(n,) first row of the law's pieces in the five arrays that follow."""
    last: npt.NDArray[np.int64]
    """(n,) one past its last row there; equal to first for a law without pieces."""
    breaks: FloatArray
    """(m,) start of each piece: months, or for a curve ln t, whose last row is the end."""
    rates: FloatArray
    """(m,) hazard on each piece, per month; for a curve, d ln H / d ln t before its first row and after its last."""
    hazards: FloatArray
    """(m,) cumulative hazard at the start of each piece; for a curve ln H."""
    forward: FloatArray
    """(m, ROW) a curve's pieces, ln H from ln t."""
    backward: FloatArray
    """(m, ROW) a curve's pieces, ln t from ln H."""
    scales: FloatArray
    """(n, 4) where the guide of breaks starts and its cells per unit, then the same for the guide of hazards."""
    guides: npt.NDArray[np.int32]
    """(n, 2, CELLS + 1) last row, from the law's first, that lies in a cell before this one; breaks, then hazards."""

    def never(self) -> list[bool]:
        """(n,) whether nobody ever has the event."""
        return ((self.family == EXPONENTIAL) & (self.numbers[:, 0] == 0.0)).tolist()


# --- the formulas, compiled -------------------------------------------------------------------------------------------


@compiled
def _rate_times(rate: float, t: float) -> float:
    """rate * t, where rate 0 means never, even at t = inf."""
    return rate if rate == 0.0 else rate * t


@compiled
def _over_rate(h: float, rate: float) -> float:
    """h / rate, where rate 0 means never."""
    return np.inf if rate == 0.0 else h / rate


@compiled
def _weibull_hazard(shape: float, scale: float, t: float) -> float:
    return exp(shape * log(t / scale))


@compiled
def _weibull_inverse(shape: float, scale: float, h: float) -> float:
    return scale * exp(log(h) / shape)


@compiled
def _gompertz_hazard(shape: float, rate: float, t: float) -> float:
    grown = expm1(shape * t) / shape
    return _rate_times(rate, t if shape == 0.0 else grown)


@compiled
def _gompertz_inverse(shape: float, rate: float, h: float) -> float:
    steady = _over_rate(h, rate)
    t = log1p(shape * steady) / shape
    t = np.inf if shape * steady <= -1.0 or rate == 0.0 else t
    return steady if shape == 0.0 else t


@compiled
def _log_logistic_hazard(shape: float, scale: float, t: float) -> float:
    # log1p((t / scale)^shape), which would overflow long before its logarithm.
    log_odds = shape * log(t / scale)
    return log1p(exp(-abs(log_odds))) + max(log_odds, 0.0)


@compiled
def _log_logistic_inverse(shape: float, scale: float, h: float) -> float:
    return scale * exp((h + log(-expm1(-h))) / shape)  # log(expm1(h)), without overflow


@compiled(forceinline=True)
def _log_normal_hazard(log_mean: float, log_sd: float, t: float) -> float:
    return 0.0 - log_normal_survival((log(t) - log_mean) / log_sd)


@compiled
def _log_normal_inverse(log_mean: float, log_sd: float, h: float) -> float:
    return exp(log_mean + log_sd * normal_upper_quantile_from_hazard(h))


@compiled(forceinline=True)
def _log_normal_usual_inverse(log_mean: float, log_sd: float, h: float) -> float:
    t = exp(log_mean + log_sd * usual_normal_quantile_from_hazard(h))
    t = 0.0 if h == 0.0 else t
    return t if h >= 0.0 else np.nan


@compiled
def cell(x: float, start: float, per_unit: float) -> int:
    """The guide's cell of x; never falls with x, so that a row in an earlier cell lies strictly below x."""
    place = (x - start) * per_unit
    place = place if place > 0.0 else 0.0  # nan also goes here
    return int(place if place < CELLS - 1.0 else CELLS - 1.0)


@compiled
def _piece(laws: LawTable, index: int, side: int, starts: FloatArray, x: float) -> int:
    """The last piece that starts strictly below x, or the first; side 0 looks among breaks, 1 among hazards."""
    place = cell(x, laws.scales[index, 2 * side], laws.scales[index, 2 * side + 1])
    first = laws.first[index]
    low = first + laws.guides[index, side, place]
    high = first + laws.guides[index, side, place + 1] + 1
    while high - low > 1:
        middle = (low + high) >> 1
        if starts[middle] < x:
            low = middle
        else:
            high = middle
    return low


@compiled
def _piecewise_hazard(laws: LawTable, index: int, t: float) -> float:
    k = _piece(laws, index, 0, laws.breaks, t)
    return laws.hazards[k] + _rate_times(laws.rates[k], t - laws.breaks[k])


@compiled
def _piecewise_inverse(laws: LawTable, index: int, h: float) -> float:
    # Strictly below h: where H is flat at h, the infimum is where the flat part begins.
    k = _piece(laws, index, 1, laws.hazards, h)
    rate = laws.rates[k]
    t = np.inf if rate == 0.0 else laws.breaks[k] + (h - laws.hazards[k]) / rate
    return min(t, laws.breaks[k + 1]) if k + 1 < laws.last[index] else t


@compiled
def _curve_log_hazard(laws: LawTable, index: int, x: float) -> float:
    """ln H at x, the standardised ln t; nan for nan."""
    first, last = laws.first[index], laws.last[index] - 1
    if laws.breaks[first] < x < laws.breaks[last]:
        k = _piece(laws, index, 0, laws.breaks, x)
        # Whatever rounding does, the curve does not fall from one piece to the next.
        return min(max(evaluated(laws.forward[k], x), laws.hazards[k]), laws.hazards[k + 1])
    if x != x:
        return x
    end = first if x <= laws.breaks[first] else last
    return laws.hazards[end] + _rate_times(laws.rates[end], x - laws.breaks[end])


@compiled
def _curve_log_time(laws: LawTable, index: int, y: float) -> float:
    """inf{x : ln H(x) >= y}; nan for nan."""
    first, last = laws.first[index], laws.last[index] - 1
    if laws.hazards[first] < y <= laws.hazards[last]:
        k = _piece(laws, index, 1, laws.hazards, y)
        return min(max(evaluated(laws.backward[k], y), laws.breaks[k]), laws.breaks[k + 1])
    if y != y:
        return y
    end = first if y <= laws.hazards[first] else last
    return laws.breaks[end] + _over_rate(y - laws.hazards[end], laws.rates[end])


@compiled(forceinline=True)
def _hazard_with_cured(cured: float, h: float) -> float:
    """-log(c + (1 - c) exp(-h)): through log1p and expm1 while h is small, else directly, so that no digits cancel."""
    near = -log1p((1.0 - cured) * expm1(-h))
    far = -log(cured + (1.0 - cured) * exp(-h))
    return (near if h < LN2 else far) + 0.0  # + 0 makes a zero positive


@compiled(forceinline=True)
def _hazard_of_uncured(cured: float, h: float) -> float:
    """Inverse of `_hazard_with_cured`; inf where h reaches the plateau -log(c)."""
    lost = expm1(-h) / (1.0 - cured)
    left = (exp(-h) - cured) / (1.0 - cured)
    near = np.inf if lost <= -1.0 else -log1p(lost)
    far = np.inf if left <= 0.0 else -log(left)
    return (near if h < LN2 else far) + 0.0


# Inlined by force, so that where the family is a constant only its own formula is left, in a loop that vectorises.
@compiled(forceinline=True)
def _family_hazard(laws: LawTable, index: int, family: int, a: float, b: float, t: float) -> float:
    """H of the law without its cured share; a and b are its first two numbers."""
    if family == EXPONENTIAL:
        h = _rate_times(a, t)
    elif family == WEIBULL:
        h = _weibull_hazard(a, b, t)
    elif family == GOMPERTZ:
        h = _gompertz_hazard(a, b, t)
    elif family == LOG_LOGISTIC:
        h = _log_logistic_hazard(a, b, t)
    elif family == LOG_NORMAL:
        h = _log_normal_hazard(a, b, t)
    elif family == PIECEWISE_EXPONENTIAL:
        h = _piecewise_hazard(laws, index, t)
    elif family == CURVE:
        h = exp(_curve_log_hazard(laws, index, (log(t) - a) / b))
    else:
        h = np.nan
    h = 0.0 if t == 0.0 else h
    return h if t >= 0.0 else np.nan


@compiled(forceinline=True)
def _family_inverse(laws: LawTable, index: int, family: int, a: float, b: float, h: float) -> float:
    """Inverse of H of the law without its cured share."""
    if family == EXPONENTIAL:
        t = _over_rate(h, a)
    elif family == WEIBULL:
        t = _weibull_inverse(a, b, h)
    elif family == GOMPERTZ:
        t = _gompertz_inverse(a, b, h)
    elif family == LOG_LOGISTIC:
        t = _log_logistic_inverse(a, b, h)
    elif family == LOG_NORMAL:
        t = _log_normal_inverse(a, b, h)
    elif family == PIECEWISE_EXPONENTIAL:
        t = _piecewise_inverse(laws, index, h)
    elif family == CURVE:
        t = exp(a + b * _curve_log_time(laws, index, log(h)))
    else:
        t = np.nan
    t = 0.0 if h == 0.0 else t
    return t if h >= 0.0 else np.nan


@compiled
def cumulative_hazard(laws: LawTable, index: int, t: float) -> float:
    """H(t) of law ``index`` of the table, t in months; nan for t < 0 and for nan."""
    a, b, cured = laws.numbers[index, 0], laws.numbers[index, 1], laws.numbers[index, 3]
    h = _family_hazard(laws, index, laws.family[index], a, b, t)
    return _hazard_with_cured(cured, h) if cured > 0.0 else h


@compiled
def inverse_cumulative_hazard(laws: LawTable, index: int, h: float) -> float:
    """inf{t : H(t) >= h} of law ``index``, months; inf where h exceeds the total hazard; nan for h < 0 and for nan."""
    a, b, cured = laws.numbers[index, 0], laws.numbers[index, 1], laws.numbers[index, 3]
    uncured = _hazard_of_uncured(cured, h) if cured > 0.0 else h
    return _family_inverse(laws, index, laws.family[index], a, b, uncured)


@compiled
def fill_guide(rows: FloatArray, start: float, per_unit: float, guide: npt.NDArray[np.int32]) -> None:
    """Fill the (CELLS + 1,) guide of (k,) rising rows: the last row in a cell before each, else the first row."""
    row = 0
    for place in range(CELLS + 1):
        while row + 1 < rows.size and cell(rows[row + 1], start, per_unit) < place:
            row += 1
        guide[place] = row


@compiled
def _curve_hazards(laws: LawTable, index: int, a: float, b: float, t: FloatArray, out: FloatArray) -> None:
    """H of a curve; logarithms and exponentials in loops of their own, which vectorise where the search does not."""
    for i in range(t.size):
        out[i] = (log(t[i]) - a) / b
    for i in range(t.size):
        out[i] = _curve_log_hazard(laws, index, out[i])
    for i in range(t.size):
        out[i] = exp(out[i])


@compiled
def _curve_inverses(laws: LawTable, index: int, a: float, b: float, out: FloatArray) -> None:
    """Replace hazards by times."""
    for i in range(out.size):
        out[i] = log(out[i])
    for i in range(out.size):
        out[i] = _curve_log_time(laws, index, out[i])
    for i in range(out.size):
        out[i] = exp(a + b * out[i])


@compiled
def _weibull_inverses(shape: float, scale: float, out: FloatArray) -> None:
    """Replace hazards by times: `_weibull_inverse` in two loops, each short enough for all to stay in registers."""
    for i in range(out.size):
        h = out[i]
        log_h = log(h) / shape
        log_h = -np.inf if h == 0.0 else log_h
        out[i] = log_h if h >= 0.0 else np.nan
    for i in range(out.size):
        out[i] = scale * exp(out[i])


@compiled
def _log_normal_inverses(a: float, b: float, out: FloatArray) -> None:
    """Replace hazards by times; without branches, and so vectorised, unless one of them is enormous."""
    enormous = 0
    for i in range(out.size):
        enormous += 1 if LARGEST_USUAL_HAZARD < out[i] < np.inf else 0
    if enormous == 0:
        for i in range(out.size):
            out[i] = _log_normal_usual_inverse(a, b, out[i])
    else:
        for i in range(out.size):
            t = _log_normal_inverse(a, b, out[i])
            t = 0.0 if out[i] == 0.0 else t
            out[i] = t if out[i] >= 0.0 else np.nan


# Loops in functions of their own: in the large functions below the compiler would not inline all that they need.
@compiled
def _with_cured(cured: float, out: FloatArray) -> None:
    """Replace hazards of the uncured by those of all."""
    for i in range(out.size):
        out[i] = _hazard_with_cured(cured, out[i])


@compiled
def _of_uncured(cured: float, out: FloatArray) -> None:
    """Replace hazards of all by those of the uncured."""
    for i in range(out.size):
        out[i] = _hazard_of_uncured(cured, out[i])


@compiled
def cumulative_hazards(laws: LawTable, index: int, t: FloatArray, out: FloatArray) -> None:
    """Fill out[i] with the bits of `cumulative_hazard` at t[i]; both (k,) and contiguous; out may be t."""
    family = laws.family[index]
    a, b, cured = laws.numbers[index, 0], laws.numbers[index, 1], laws.numbers[index, 3]
    if family == EXPONENTIAL:
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, EXPONENTIAL, a, b, t[i])
    elif family == WEIBULL:
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, WEIBULL, a, b, t[i])
    elif family == GOMPERTZ:
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, GOMPERTZ, a, b, t[i])
    elif family == LOG_LOGISTIC:
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, LOG_LOGISTIC, a, b, t[i])
    elif family == LOG_NORMAL:
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, LOG_NORMAL, a, b, t[i])
    elif family == PIECEWISE_EXPONENTIAL:
        for i in range(t.size):
            out[i] = _family_hazard(laws, index, PIECEWISE_EXPONENTIAL, a, b, t[i])
    else:
        _curve_hazards(laws, index, a, b, t, out)
    if cured > 0.0:
        _with_cured(cured, out)


@compiled
def inverse_cumulative_hazards(laws: LawTable, index: int, h: FloatArray, out: FloatArray) -> None:
    """Fill out[i] with the bits of `inverse_cumulative_hazard` at h[i]; both (k,) and contiguous; out may be h."""
    family = laws.family[index]
    a, b, cured = laws.numbers[index, 0], laws.numbers[index, 1], laws.numbers[index, 3]
    for i in range(h.size):
        out[i] = h[i]
    if cured > 0.0:
        _of_uncured(cured, out)
    if family == EXPONENTIAL:
        for i in range(h.size):
            out[i] = _family_inverse(laws, index, EXPONENTIAL, a, b, out[i])
    elif family == WEIBULL:
        _weibull_inverses(a, b, out)
    elif family == GOMPERTZ:
        for i in range(h.size):
            out[i] = _family_inverse(laws, index, GOMPERTZ, a, b, out[i])
    elif family == LOG_LOGISTIC:
        for i in range(h.size):
            out[i] = _family_inverse(laws, index, LOG_LOGISTIC, a, b, out[i])
    elif family == LOG_NORMAL:
        _log_normal_inverses(a, b, out)
    elif family == PIECEWISE_EXPONENTIAL:
        for i in range(h.size):
            out[i] = _family_inverse(laws, index, PIECEWISE_EXPONENTIAL, a, b, out[i])
    else:
        _curve_inverses(laws, index, a, b, out)


@compiled
def survivals(laws: LawTable, index: int, t: FloatArray, out: FloatArray) -> None:
    """Fill out[i] with S(t[i]); as `cumulative_hazards`."""
    cumulative_hazards(laws, index, t, out)
    for i in range(t.size):
        out[i] = exp(-out[i])


@compiled
def quantiles(laws: LawTable, index: int, p: FloatArray, out: FloatArray) -> None:
    """Fill out[i] with the time at which 1 - S is p[i]; both (k,) and contiguous."""
    for i in range(p.size):
        out[i] = 0.0 - log1p(-p[i])
    inverse_cumulative_hazards(laws, index, out, out)


@compiled
def mean(laws: LawTable, index: int) -> float:
    """Integral of Hinv(h) exp(-h) by the double exponential rule, h = exp(u - exp(-u)).

    H. Takahasi and M. Mori, Publ. RIMS Kyoto 9 (1974) 721-741, doi:10.2977/prims/1195192451.
    """
    step = 1.0 / 64.0
    total = 0.0
    for i in range(-320, 416):
        u = i * step
        h = exp(u - exp(-u))
        total += inverse_cumulative_hazard(laws, index, h) * exp(-h) * h * (1.0 + exp(-u))
    return total * step
