"""Actions: what exits, arms and arrivals do to attributes and epochs, for many patients at a time."""

from __future__ import annotations

import numpy as np

from hcc_sim.compiled import inner
from hcc_sim.elementary import exp, normal_cdf, normal_quantiles
from hcc_sim.engine import tables as t
from hcc_sim.engine.block import (
    ALL_PASS,
    CLOCK_NOT_STARTED,
    DOING,
    HAZARD,
    HOLDS,
    LUCK,
    NO_VALUE,
    PATIENT,
    SOME,
    TIMES,
    VALUE,
    Block,
    Step,
    stop,
)
from hcc_sim.engine.conditions import add_terms_of, gather, judge
from hcc_sim.engine.tables import Places, Reals, Words
from hcc_sim.luck import uniforms

INSIDE = 1.0 - 0.5**53
"""Times a uniform number of (0, 1] is one of (0, 1), whose normal quantile is finite."""


@inner
def truncated_normals(mean: float, sd: float, low: float, high: float, u: Reals, values: Reals, step: Step) -> None:
    """The quantiles u of a normal distribution truncated to low..high; u is used up."""
    if sd == 0.0:
        values[:] = mean
        return
    truncated = low > -np.inf or high < np.inf
    below = 0.0 if low == -np.inf else normal_cdf((low - mean) / sd)
    up_to = 1.0 if high == np.inf else normal_cdf((high - mean) / sd)
    for j in range(len(u)):
        inside = u[j] * INSIDE
        u[j] = below + inside * (up_to - below) if truncated else inside
    normal_quantiles(u, values, step.places[SOME], step.reals[HAZARD])
    for j in range(len(u)):
        value = mean + sd * values[j]
        values[j] = min(max(value, low), high) if truncated else value


@inner
def grades(
    words: Words, reals: Reals, block: Block, action: int, doers: Places, u: Reals, values: Reals, step: Step
) -> None:
    """The grades on which uniform numbers u fall, the shares beyond them shifted on the scale of log odds."""
    n, odds = len(doers), step.reals[HAZARD]
    odds[:n] = 0.0
    add_terms_of(words, reals, words[action + t.C_TERMS], words[action + t.C_TERMS_END], block.lives, doers, odds)
    for j in range(n):
        odds[j] = exp(odds[j])
        values[j] = reals[action + t.C_A]
    for place in range(words[action + t.C_BEYOND], words[action + t.C_BEYOND_END]):
        share = reals[place]
        for j in range(n):
            values[j] += 1.0 if u[j] * (1.0 - share + share * odds[j]) <= share * odds[j] else 0.0


@inner
def drawn_values(
    words: Words, reals: Reals, block: Block, action: int, doers: Places, seed: np.uint64, step: Step
) -> None:
    """The next draws of an attribute."""
    n = len(doers)
    draws = block.lives[words[action + t.C_DRAWS]]
    u, values = step.reals[LUCK][:n], step.reals[VALUE][:n]
    patient, times = step.addresses[PATIENT], step.addresses[TIMES]
    for j in range(n):
        patient[j] = block.first_patient[0] + np.uint64(doers[j])
    for j in range(n):
        times[j] = np.uint64(draws[doers[j]])
        draws[doers[j]] += 1.0
    uniforms(seed, patient, np.uint64(words[action + t.C_KEY]), times, u)
    kind, a, b = words[action + t.C_VALUE], reals[action + t.C_A], reals[action + t.C_B]
    if kind == t.BERNOULLI:
        for j in range(n):
            values[j] = 1.0 if u[j] <= a else 0.0
    elif kind == t.ORDERED:
        grades(words, reals, block, action, doers, u, values, step)
    elif kind == t.UNIFORM:
        for j in range(n):
            values[j] = a + u[j] * INSIDE * (b - a)
    else:
        truncated_normals(a, b, reals[action + t.C_LOW], reals[action + t.C_HIGH], u, values, step)


@inner
def values_of(
    words: Words, reals: Reals, block: Block, action: int, doers: Places, seed: np.uint64, name: int, step: Step
) -> None:
    """The values that an action gives to those who do it."""
    n, values = len(doers), step.reals[VALUE]
    kind, a = words[action + t.C_VALUE], reals[action + t.C_A]
    referred = block.lives[words[action + t.C_REFERENCE]]
    if kind == t.PLAIN:
        values[:n] = a
    elif kind == t.COUNT:
        for j in range(n):
            values[j] = referred[doers[j]]
    elif kind == t.LINEAR:
        values[:n] = a
        add_terms_of(words, reals, words[action + t.C_TERMS], words[action + t.C_TERMS_END], block.lives, doers, values)
    elif kind in (t.TIME_SINCE, t.TIME_EXCEEDS):
        now = block.lives[t.NOW]
        for j in range(n):
            elapsed = now[doers[j]] - referred[doers[j]]
            if np.isnan(elapsed):
                stop(block, CLOCK_NOT_STARTED, doers[j], name)
            values[j] = elapsed if kind == t.TIME_SINCE else 1.0 if elapsed > a else 0.0
    else:
        drawn_values(words, reals, block, action, doers, seed, step)


@inner
def those_who_do(words: Words, reals: Reals, block: Block, action: int, who: Places, step: Step) -> int:
    """Fill `DOING` with those for whom an action's condition holds; how many."""
    holds, doing = step.flags[HOLDS], step.places[DOING]
    gather(words, words[action + t.C_READS], words[action + t.C_READS_END], block.lives, who, step.columns)
    first, last = words[action + t.C_WHEN], words[action + t.C_WHEN_END]
    judge(words, reals, first, last, step.columns, len(who), holds, step.flags[ALL_PASS])
    n = 0
    for j in range(len(who)):
        doing[n] = who[j]
        n += holds[j]
    return n


@inner
def give(block: Block, kind: int, target: Reals, doers: Places, values: Reals, name: int) -> None:
    """Give values to an attribute or epoch."""
    now = block.lives[t.NOW]
    for j in range(len(doers)):
        p = doers[j]
        given = target[p] + values[j] if kind == t.ADD else values[j]
        if np.isnan(given):
            stop(block, NO_VALUE, p, name)
        if kind in (t.SET, t.ADD):
            target[p] = given
        elif kind == t.MARK or np.isnan(target[p]):
            target[p] = now[p] + given


@inner
def act(
    words: Words, reals: Reals, block: Block, first: int, last: int, who: Places, seed: np.uint64, name: int, step: Step
) -> None:
    """Carry out actions in order, for each patient if the action's condition holds by then."""
    for action in range(first, last, t.ACTION):
        doers = who
        if words[action + t.C_WHEN] != t.NONE:
            doers = step.places[DOING][: those_who_do(words, reals, block, action, who, step)]
        if len(doers) > 0:
            values_of(words, reals, block, action, doers, seed, name, step)
            target = block.lives[words[action + t.C_TARGET]]
            give(block, words[action + t.C_KIND], target, doers, step.reals[VALUE], name)
