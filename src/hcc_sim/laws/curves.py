"""A cumulative hazard as a curve: log H against log t in polynomial pieces, and log t against log H in the same pieces.

Pieces are halved until the curve is as close as asked to the law at points between those it was made from, and its
inverse as close to the curve.  Every piece rises.  Where H does not change by more than rounding, or a piece has become
shorter than 1e-13 of its place, it is a straight line: so kinks and jumps cost some forty short pieces each.

All arithmetic is that of `elementary`: a curve made from a law of this package has the same bits on every processor.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hcc_sim.compiled import compiled
from hcc_sim.elementary import exp

FloatArray = npt.NDArray[np.float64]

MOST_PIECES = 4096
TERMS = 8
"""Coefficients of a piece."""
ROW = TERMS + 2
"""A row: the middle of its piece, 2 / its length, and the coefficients, highest power first."""

# Nodes of the Gauss-Lobatto rule with eight points, and seven points between them to test the piece at.
_NODES = (
    *(-1.0, -0.8717401485096066, -0.5917001814331423, -0.20929921790247888),
    *(0.20929921790247888, 0.5917001814331423, 0.8717401485096066, 1.0),
)
_BETWEEN = (-0.955, -0.74, -0.4, 0.0, 0.4, 0.74, 0.955)
POSITIONS = np.array(sorted((*_NODES, *_BETWEEN)))
"""(15,) where a law is read on each piece, from -1 to 1: even places are nodes, odd places are tests."""

_ROUNDING = 8e-15


class Curve(NamedTuple):
    """n pieces between n + 1 nodes."""

    log_times: FloatArray
    """(n + 1,) rising."""
    log_hazards: FloatArray
    """(n + 1,) never falling."""
    forward: FloatArray
    """(n, ROW) log H from log t."""
    backward: FloatArray
    """(n, ROW) log t from log H."""
    slope_before: float
    """d log H / d log t before the first node."""
    slope_after: float
    """The same after the last."""


class DoesNotFollow(Exception):
    """What the law does that a curve cannot: the reason, with log t where it happens."""

    def __init__(self, reason: str, log_time: float, before: float = 0.0, after: float = 0.0) -> None:
        self.reason, self.log_time, self.before, self.after = reason, log_time, before, after


@compiled(allocates=True)
def _coefficients(values: FloatArray, row: FloatArray) -> None:
    """Fill row[2:] with the polynomial through (8,) values at the nodes, by divided differences."""
    divided = values.copy()
    for order in range(1, TERMS):
        for j in range(TERMS - 1, order - 1, -1):
            divided[j] = (divided[j] - divided[j - 1]) / (_NODES[j] - _NODES[j - order])
    power = np.zeros(TERMS)  # lowest power first
    for j in range(TERMS - 1, -1, -1):
        for i in range(TERMS - 1, 0, -1):
            power[i] = power[i - 1] - _NODES[j] * power[i]
        power[0] = divided[j] - _NODES[j] * power[0]
    for i in range(TERMS):
        row[2 + i] = power[TERMS - 1 - i]


@compiled
def evaluated(row: FloatArray, x: float) -> float:
    """The piece at x."""
    u = (x - row[0]) * row[1]
    value = row[2]
    for i in range(3, ROW):
        value = value * u + row[i]
    return value


@compiled
def _slope(row: FloatArray, u: float) -> float:
    """Derivative of the piece by u, its position from -1 to 1."""
    value = (TERMS - 1) * row[2]
    for i in range(1, TERMS - 1):
        value = value * u + (TERMS - 1 - i) * row[2 + i]
    return value


@compiled
def _rises(row: FloatArray) -> bool:
    falling = 0
    for u in POSITIONS:
        falling += 0 if _slope(row, u) > 0.0 else 1
    return falling == 0


@compiled
def _position(row: FloatArray, y: float) -> float:
    """The u in [-1, 1] at which a piece that rises is y: Newton's method kept inside a shrinking bracket."""
    low, high, u = -1.0, 1.0, 0.0
    for _ in range(60):
        value = row[2]
        for i in range(3, ROW):
            value = value * u + row[i]
        low, high = (u, high) if value < y else (low, u)
        step = (y - value) / _slope(row, u)
        following = u + step
        if not low < following < high:
            following = 0.5 * (low + high)
        if abs(following - u) < 1e-16:
            break
        u = following
    return u


@compiled
def _of_log(noise: float, log_hazard: float) -> float:
    """What an error of H is of log H."""
    return 0.0 if noise == 0.0 else noise * exp(-log_hazard)


@compiled
def _line(low: float, high: float, value_low: float, value_high: float, row: FloatArray) -> None:
    """A straight piece."""
    row[:] = 0.0
    row[0] = 0.5 * (low + high)
    row[1] = 2.0 / (high - low) if high > low else 0.0
    row[ROW - 2] = 0.5 * (value_high - value_low)
    row[ROW - 1] = 0.5 * (value_low + value_high)


@compiled(allocates=True)
def _fit(
    ends: FloatArray, values: FloatArray, error: float, noise: float, forward: FloatArray, backward: FloatArray
) -> bool:
    """Fill the two rows of one piece from (15,) log H at POSITIONS; False if the piece is too long for the error.

    The error is of log t and, where log H rises more slowly than log t, by as much smaller of log H.  What rounding can
    do, and a noise of H, are allowed on top.
    """
    low, high = ends[0], ends[1]
    bottom, top = values[0], values[2 * TERMS - 2]
    steepness = (top - bottom) / (high - low)
    rounding = _ROUNDING * max(1.0, abs(bottom), abs(top)) + 2e-15 * max(1.0, abs(low), abs(high)) * steepness
    _line(low, high, bottom, top, forward)
    _line(bottom, top, low, high, backward)
    if top - bottom <= rounding + _of_log(noise, bottom) or high - low <= 1e-13 * max(1.0, abs(low)):
        return True
    _coefficients(values[::2], forward)
    if not _rises(forward):
        return False
    half = 0.5 * (high - low)
    allowed = max(rounding, error * min(1.0, steepness))
    for j in range(1, 2 * TERMS - 2, 2):
        off = abs(evaluated(forward, forward[0] + half * POSITIONS[j]) - values[j])
        if not off <= allowed + _of_log(noise, values[j]):
            return False
    log_times = np.empty(TERMS)
    for j in range(TERMS):
        y = backward[0] + 0.5 * (top - bottom) * _NODES[j]
        log_times[j] = forward[0] + half * _position(forward, y)
    log_times[0], log_times[TERMS - 1] = low, high
    _coefficients(log_times, backward)
    if not _rises(backward):
        return False
    for j in range(1, 2 * TERMS - 2, 2):
        x = forward[0] + half * POSITIONS[j]
        off = abs(evaluated(backward, evaluated(forward, x)) - x)
        if not (off <= error or off * _slope(forward, POSITIONS[j]) <= (rounding + _of_log(noise, values[j])) * half):
            return False
    return True


@compiled(allocates=True)
def _fit_all(
    ends: FloatArray, values: FloatArray, error: float, noise: float, forward: FloatArray, backward: FloatArray
) -> FloatArray:
    """`_fit` for each of n pieces: 1 where it succeeded, else 0."""
    fine = np.zeros(len(ends))
    for i in range(len(ends)):
        fine[i] = 1.0 if _fit(ends[i], values[i], error, noise, forward[i], backward[i]) else 0.0
    return fine


def curve_of(
    log_hazard: Callable[[FloatArray], FloatArray], nodes: FloatArray, error: float, noise: float = 0.0
) -> Curve:
    """The curve of a law between the first node and the last, with at least these nodes.

    Args:
        log_hazard: log H at (k,) values of log t.
        nodes: (k,) rising values of log t; before and after them, log H goes on as a straight line.
        error: of log t at a given log H, and of log H.
        noise: error of H, allowed on top, so that what rounding leaves of a tiny H is not followed.

    Raises:
        DoesNotFollow: log H is nan or falls, or more than 4,096 pieces do not reach the error.
    """
    ends = np.column_stack([nodes[:-1], nodes[1:]])
    done: list[tuple[FloatArray, FloatArray, FloatArray, FloatArray]] = []
    pieces = 0
    while len(ends):
        middle, half = 0.5 * (ends[:, :1] + ends[:, 1:]), 0.5 * (ends[:, 1:] - ends[:, :1])
        places = middle + half * POSITIONS
        places[:, 0], places[:, -1] = ends[:, 0], ends[:, 1]
        values = log_hazard(places.ravel()).reshape(places.shape)
        _refuse_nan_or_fall(places, values, noise)
        forward, backward = np.empty((len(ends), ROW)), np.empty((len(ends), ROW))
        fine = _fit_all(ends, values, error, noise, forward, backward) > 0.0
        pieces += len(ends)
        if pieces > 2 * MOST_PIECES:
            worst = ends[~fine][0, 0]
            raise DoesNotFollow(f"{MOST_PIECES} pieces do not come within {error} of it", worst)
        done.append((ends[fine], values[fine], forward[fine], backward[fine]))
        rest, cut = ends[~fine], middle[~fine, 0]
        ends = np.stack([np.column_stack([rest[:, 0], cut]), np.column_stack([cut, rest[:, 1]])], 1).reshape(-1, 2)
    ends, values, forward, backward = (np.concatenate(parts) for parts in zip(*done, strict=True))
    order = np.argsort(ends[:, 0])
    ends, values, forward, backward = ends[order], values[order], forward[order], backward[order]
    log_hazards = np.maximum.accumulate(np.append(values[:, 0], values[-1, -1]))
    before = _slope(forward[0], -1.0) * forward[0, 1]
    after = _slope(forward[-1], 1.0) * forward[-1, 1]
    return Curve(
        np.append(ends[:, 0], ends[-1, 1]),
        log_hazards,
        forward,
        backward,
        before if before > 0.0 else 1.0,
        max(after, 0.0),
    )


def _refuse_nan_or_fall(places: FloatArray, values: FloatArray, noise: float) -> None:
    if np.isnan(values).any():
        raise DoesNotFollow("is nan", places[np.isnan(values)].min())
    if np.isinf(values).any():
        raise DoesNotFollow("is infinite", places[np.isinf(values)].min())
    # Noise counts only where H is that small: an exponential of NumPy's is good enough to judge it.
    allowed = _ROUNDING * np.maximum(1.0, np.abs(values[:, 1:])) + noise * np.exp(-np.maximum(values[:, 1:], -700.0))
    falls = np.diff(values, axis=1) < -allowed
    if falls.any():
        i, j = np.argwhere(falls)[0]
        raise DoesNotFollow("falls", places[i, j + 1], values[i, j], values[i, j + 1])
