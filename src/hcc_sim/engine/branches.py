"""Branches: the arm that a uniform number falls on, among those whose condition holds."""

from __future__ import annotations

import numpy as np

from hcc_sim.compiled import inner
from hcc_sim.elementary import exp
from hcc_sim.engine import tables as t
from hcc_sim.engine.block import (
    ALL_PASS,
    CHOSEN,
    HOLDS,
    LUCK,
    NO_ARM,
    NO_EXIT,
    NO_WEIGHT,
    PATIENT,
    REST,
    TIMES,
    TOTAL,
    WEIGHTS_ABOVE_ONE,
    Block,
    Step,
    stop,
)
from hcc_sim.engine.conditions import add_terms, judge
from hcc_sim.engine.tables import Places, Reals, Words
from hcc_sim.luck import uniforms


@inner
def given_weights(words: Words, reals: Reals, state: int, n: int, step: Step) -> None:
    """The weight of every arm for all n here, 0 where its condition fails, NaN for the rest; and what the rest is."""
    holds, rest = step.flags[HOLDS], step.reals[REST]
    rest[:n] = 1.0
    for number, arm in enumerate(range(words[state + t.S_FIRST], words[state + t.S_LAST], t.ARM)):
        raw, when, weight = reals[arm + t.A_WEIGHT], words[arm + t.A_WHEN], step.weight[number]
        if when == t.NONE:
            weight[:n] = raw
        else:
            judge(words, reals, when, words[arm + t.A_WHEN_END], step.columns, n, holds, step.flags[ALL_PASS])
            for j in range(n):
                weight[j] = raw if holds[j] else 0.0
        if not np.isnan(raw):
            for j in range(n):
                rest[j] -= weight[j]


@inner
def arm_weights(words: Words, reals: Reals, block: Block, state: int, here: Places, step: Step) -> None:
    """The weight of every arm for all here, and their totals."""
    n = len(here)
    given_weights(words, reals, state, n, step)
    rest, total, factor = step.reals[REST], step.reals[TOTAL], step.reals[LUCK]
    total[:n] = 0.0
    for number, arm in enumerate(range(words[state + t.S_FIRST], words[state + t.S_LAST], t.ARM)):
        weight = step.weight[number]
        if np.isnan(reals[arm + t.A_WEIGHT]):
            for j in range(n):
                if np.isnan(weight[j]):
                    if rest[j] < -1e-9:
                        stop(block, WEIGHTS_ABOVE_ONE, here[j], NO_EXIT)
                    weight[j] = max(0.0, rest[j])
        if words[arm + t.A_SHIFT] != words[arm + t.A_SHIFT_END]:
            factor[:n] = 0.0
            add_terms(words, reals, words[arm + t.A_SHIFT], words[arm + t.A_SHIFT_END], step.columns, n, factor)
            for j in range(n):
                shifted = weight[j] * exp(factor[j])
                weight[j] = shifted if weight[j] > 0.0 else 0.0
        for j in range(n):
            total[j] += weight[j]
    for j in range(n):
        if not 0.0 < total[j] < np.inf:
            stop(block, NO_ARM if total[j] == 0.0 else NO_WEIGHT, here[j], NO_EXIT)


@inner
def choose_arms(
    words: Words, reals: Reals, block: Block, state: int, here: Places, step: Step, seed: np.uint64
) -> None:
    """The arm of each who is here: the first whose cumulative weight reaches the uniform number."""
    arm_weights(words, reals, block, state, here, step)
    n = len(here)
    taken, patient, times = block.lives[words[state + t.S_TAKEN]], step.addresses[PATIENT], step.addresses[TIMES]
    for j in range(n):
        patient[j] = block.first_patient[0] + np.uint64(here[j])
    for j in range(n):
        times[j] = np.uint64(taken[here[j]])
        taken[here[j]] += 1.0
    luck, total, cumulative, chosen = step.reals[LUCK], step.reals[TOTAL], step.reals[REST], step.places[CHOSEN]
    uniforms(seed, patient, np.uint64(words[state + t.S_KEY]), times, luck[:n])
    cumulative[:n] = 0.0
    chosen[:n] = t.NONE
    for number, arm in enumerate(range(words[state + t.S_FIRST], words[state + t.S_LAST], t.ARM)):
        weight = step.weight[number]
        for j in range(n):
            # the last arm of positive weight catches rounding
            takes = (weight[j] > 0.0) & ((chosen[j] == t.NONE) | (cumulative[j] < luck[j]))
            chosen[j] = arm if takes else chosen[j]
        for j in range(n):
            cumulative[j] += weight[j] / total[j]
