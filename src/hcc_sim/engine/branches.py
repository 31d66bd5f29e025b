"""Branches: the arm that a uniform number falls on, among those whose condition holds."""

from __future__ import annotations

import numpy as np

from hcc_sim.compiled import compiled
from hcc_sim.elementary import exp
from hcc_sim.engine import tables as t
from hcc_sim.engine.block import NO_ARM, NO_EXIT, NO_WEIGHT, WEIGHTS_ABOVE_ONE, Block, Step, stop
from hcc_sim.engine.tables import Reals, Words, holds, linear
from hcc_sim.luck import uniform


@compiled
def arm_weights(words: Words, reals: Reals, block: Block, state: int, step: Step, n: int) -> None:
    """The weight of every arm for each of the first n here, and their totals."""
    lives, here, rest, total = block.lives, step.here, step.rest, step.total
    first, last = words[state + t.S_FIRST], words[state + t.S_LAST]
    rest[:n] = 1.0
    total[:n] = 0.0
    for number, arm in enumerate(range(first, last, t.ARM)):
        raw, when, when_end = reals[arm + t.A_WEIGHT], words[arm + t.A_WHEN], words[arm + t.A_WHEN_END]
        weight = step.weight[number]
        for j in range(n):
            may = when == t.NONE or holds(words, reals, when, when_end, lives, here[j])
            weight[j] = raw if may else 0.0
        if not np.isnan(raw):
            for j in range(n):
                rest[j] -= weight[j]
    for number, arm in enumerate(range(first, last, t.ARM)):
        weight = step.weight[number]
        shift, shift_end = words[arm + t.A_SHIFT], words[arm + t.A_SHIFT_END]
        for j in range(n):
            if np.isnan(weight[j]):
                if rest[j] < -1e-9:
                    stop(block, WEIGHTS_ABOVE_ONE, here[j], NO_EXIT)
                weight[j] = max(0.0, rest[j])
        if shift != shift_end:
            for j in range(n):
                step.luck[j] = linear(words, reals, shift, shift_end, 0.0, lives, here[j])
            for j in range(n):
                shifted = weight[j] * exp(step.luck[j])
                weight[j] = shifted if weight[j] > 0.0 else 0.0
        for j in range(n):
            total[j] += weight[j]
    for j in range(n):
        if not 0.0 < total[j] < np.inf:
            stop(block, NO_ARM if total[j] == 0.0 else NO_WEIGHT, here[j], NO_EXIT)


@compiled
def choose_arms(words: Words, reals: Reals, block: Block, state: int, step: Step, n: int, seed: np.uint64) -> None:
    """The arm of each of the first n here: the first whose cumulative weight reaches the uniform number."""
    arm_weights(words, reals, block, state, step, n)
    taken, key = block.lives[words[state + t.S_TAKEN]], np.uint64(words[state + t.S_KEY])
    for j in range(n):
        p = step.here[j]
        step.key[j], step.times[j] = block.patient[p], np.uint64(taken[p])
        taken[p] += 1.0
    for j in range(n):
        step.luck[j] = uniform(seed, step.key[j], key, step.times[j])
    cumulative = step.rest
    cumulative[:n] = 0.0
    step.chosen[:n] = t.NONE
    for number, arm in enumerate(range(words[state + t.S_FIRST], words[state + t.S_LAST], t.ARM)):
        weight = step.weight[number]
        for j in range(n):
            # the last arm of positive weight catches rounding
            if weight[j] > 0.0 and (step.chosen[j] == t.NONE or cumulative[j] < step.luck[j]):
                step.chosen[j] = arm
            cumulative[j] += weight[j] / step.total[j]
