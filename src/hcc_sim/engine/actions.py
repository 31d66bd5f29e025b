"""Actions: what exits, arms and arrivals do to attributes and epochs, for many patients at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import compiled
from hcc_sim.elementary import normal_cdf, normal_quantile
from hcc_sim.engine import tables as t
from hcc_sim.engine.block import CLOCK_NOT_STARTED, NO_VALUE, Block, stop
from hcc_sim.engine.tables import Lives, Reals, Words, holds, linear
from hcc_sim.luck import uniform

INSIDE = 1.0 - 0.5**53
"""Times a uniform number of (0, 1] is one of (0, 1), whose normal quantile is finite."""


@compiled
def truncated_normal(u: float, mean: float, sd: float, low: float, high: float) -> float:
    """The quantile u of a normal distribution truncated to low..high."""
    if sd == 0.0:
        return mean
    if low == -np.inf and high == np.inf:
        return mean + sd * normal_quantile(u)
    below = 0.0 if low == -np.inf else normal_cdf((low - mean) / sd)
    up_to = 1.0 if high == np.inf else normal_cdf((high - mean) / sd)
    return min(max(mean + sd * normal_quantile(below + u * (up_to - below)), low), high)


@compiled
def those_who_do(
    words: Words, reals: Reals, lives: Lives, action: int, who: NDArray[np.int32], doers: NDArray[np.int32]
) -> int:
    """Find those for whom an action's condition holds."""
    first, last = words[action + t.C_WHEN], words[action + t.C_WHEN_END]
    n = 0
    for p in who:
        if first == t.NONE or holds(words, reals, first, last, lives, p):
            doers[n] = p
            n += 1
    return n


@compiled
def drawn_values(
    words: Words, reals: Reals, block: Block, action: int, doers: NDArray[np.int32], seed: np.uint64
) -> None:
    """The next draws of an attribute."""
    n = len(doers)
    draws = block.lives[words[action + t.C_DRAWS]]
    patient, values, key, times = block.patient, block.values[:n], block.key[:n], block.times[:n]
    for j in range(n):
        key[j], times[j] = patient[doers[j]], np.uint64(draws[doers[j]])
        draws[doers[j]] += 1.0
    name_key = np.uint64(words[action + t.C_KEY])
    for j in range(n):
        values[j] = uniform(seed, key[j], name_key, times[j])
    kind, a, b = words[action + t.C_VALUE], reals[action + t.C_A], reals[action + t.C_B]
    if kind == t.BERNOULLI:
        for j in range(n):
            values[j] = 1.0 if values[j] <= a else 0.0
    elif kind == t.UNIFORM:
        for j in range(n):
            values[j] = a + values[j] * INSIDE * (b - a)
    else:
        low, high = reals[action + t.C_LOW], reals[action + t.C_HIGH]
        for j in range(n):
            values[j] = truncated_normal(values[j] * INSIDE, a, b, low, high)


@compiled
def values_of(
    words: Words, reals: Reals, block: Block, action: int, doers: NDArray[np.int32], seed: np.uint64, name: int
) -> None:
    """The values that an action gives to those who do it."""
    lives, values = block.lives, block.values
    kind, reference, a = words[action + t.C_VALUE], words[action + t.C_REFERENCE], reals[action + t.C_A]
    if kind == t.PLAIN:
        values[: len(doers)] = a
    elif kind == t.COUNT:
        for j in range(len(doers)):
            values[j] = lives[reference, doers[j]]
    elif kind == t.LINEAR:
        first, last = words[action + t.C_TERMS], words[action + t.C_TERMS_END]
        for j in range(len(doers)):
            values[j] = linear(words, reals, first, last, a, lives, doers[j])
    elif kind in (t.TIME_SINCE, t.TIME_EXCEEDS):
        for j in range(len(doers)):
            elapsed = lives[t.NOW, doers[j]] - lives[reference, doers[j]]
            if np.isnan(elapsed):
                stop(block, CLOCK_NOT_STARTED, doers[j], name)
            values[j] = elapsed if kind == t.TIME_SINCE else 1.0 if elapsed > a else 0.0
    else:
        drawn_values(words, reals, block, action, doers, seed)


@compiled
def act(
    words: Words, reals: Reals, block: Block, first: int, last: int, who: NDArray[np.int32], seed: np.uint64, name: int
) -> None:
    """Carry out actions in order, for each patient if the action's condition holds by then."""
    for action in range(first, last, t.ACTION):
        doers = block.doers[: those_who_do(words, reals, block.lives, action, who, block.doers)]
        values_of(words, reals, block, action, doers, seed, name)
        values, target, now = block.values, block.lives[words[action + t.C_TARGET]], block.lives[t.NOW]
        kind = words[action + t.C_KIND]
        for j in range(len(doers)):
            p = doers[j]
            given = target[p] + values[j] if kind == t.ADD else values[j]
            if np.isnan(given):
                stop(block, NO_VALUE, p, name)
            if kind in (t.SET, t.ADD):
                target[p] = given
            elif kind == t.MARK or np.isnan(target[p]):
                target[p] = now[p] + given
