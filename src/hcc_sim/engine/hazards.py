"""Hazards: events that spend a budget of luck, in whatever states they stand.

With R what is left of the budget on entry at time s, c the origin of the clock and lp the log hazard ratio, an event
strikes at max(s, c + Hinv(H(s - c) + R / exp(lp))).  The date is carried over, to the last bit, while nothing changes;
else R is settled: R - (H(u - c) - H(s - c)) exp(lp) is left at u.  H is read at the time since c times exp(la), la the
log time scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import compiled
from hcc_sim.elementary import exp, log
from hcc_sim.engine import tables as t
from hcc_sim.engine.block import NO_SUCH_LAW, Block, Step, stop
from hcc_sim.engine.tables import Lives, Reals, Words
from hcc_sim.laws import LawTable, cumulative_hazard, cumulative_hazards, inverse_cumulative_hazards
from hcc_sim.luck import uniform


@compiled
def settle(laws: LawTable, lives: Lives, event: int, p: int) -> None:
    """Take off the budget of an event what the patient has spent of it until now; the budget then rests."""
    law = int(lives[event + t.LAW, p])
    origin, speed = lives[event + t.ORIGIN, p], exp(lives[event + t.LOG_SPEED, p])
    until = cumulative_hazard(laws, law, (lives[t.NOW, p] - origin) * speed)
    before = cumulative_hazard(laws, law, (lives[event + t.SINCE, p] - origin) * speed)
    spent = (until - before) * exp(lives[event + t.LOG_RATIO, p])
    lives[event + t.REMAINING, p] = max(0.0, lives[event + t.REMAINING, p] - spent)
    lives[event + t.AT_RISK, p] = 0.0


@compiled
def settle_others(words: Words, laws: LawTable, block: Block, here: NDArray[np.int32]) -> None:
    """Settle the budgets of events that were at risk before this step and are no longer."""
    lives = block.lives
    for event in range(words[t.BUDGETS], words[t.BUDGETS_END], t.BUDGET):
        for j in range(len(here)):
            p = here[j]
            if lives[event + t.AT_RISK, p] == 1.0 and lives[event + t.STAMP, p] != block.stays[p]:
                settle(laws, lives, event, p)


@compiled
def predictors(words: Words, reals: Reals, block: Block, exit: int, step: Step, m: int) -> None:
    """Log hazard ratios and log time scales of all who may take a hazard."""
    step.log_ratio[:m] = 0.0
    step.log_speed[:m] = 0.0
    for first, last, out in (
        (words[exit + t.X_SCALE], words[exit + t.X_SCALE_END], step.log_ratio),
        (words[exit + t.X_SPEED], words[exit + t.X_SPEED_END], step.log_speed),
    ):
        for term in range(first, last, t.TERM):
            coefficient, attribute = reals[term + t.TERM_COEFFICIENT], words[term + t.TERM_OF]
            if attribute == t.NONE:
                for j in range(m):
                    out[j] += coefficient
            else:
                for j in range(m):
                    out[j] += coefficient * block.lives[attribute, step.who[j]]


@compiled
def not_carried_over(words: Words, laws: LawTable, block: Block, exit: int, choice: int, step: Step, m: int) -> int:
    """Find those whose date must be found anew; the others keep theirs, to the last bit, since nothing has changed."""
    lives = block.lives
    event, by = words[exit + t.X_EVENT], words[exit + t.X_LAW_BY]
    wanted, law = float(choice - words[exit + t.X_LAW]), float(words[choice])
    k = 0
    for j in range(m):
        p = step.who[j]
        if by != t.NONE and lives[by, p] != wanted:
            continue
        if lives[event + t.AT_RISK, p] == 1.0:
            if (
                lives[event + t.LAW, p] == law
                and lives[event + t.ORIGIN, p] == step.origin[j]
                and lives[event + t.LOG_RATIO, p] == step.log_ratio[j]
                and lives[event + t.LOG_SPEED, p] == step.log_speed[j]
            ):
                lives[event + t.STAMP, p] = block.stays[p]
                step.date[j] = lives[event + t.FIRES, p]
                continue
            settle(laws, lives, event, p)
        step.fresh[k] = j
        k += 1
    return k


@compiled
def budgets_left(words: Words, block: Block, exit: int, step: Step, k: int, seed: np.uint64) -> None:
    """What is left of each fresh patient's budget; a new one is drawn where there is none."""
    lives, event = block.lives, words[exit + t.X_EVENT]
    d = 0
    for i in range(k):
        p = step.who[step.fresh[i]]
        if lives[event + t.DRAWN, p] == 1.0:
            step.budget[i] = lives[event + t.REMAINING, p]
        else:
            step.drawing[d] = i
            step.key[d] = block.patient[p]
            step.times[d] = np.uint64(lives[event + t.STRIKES, p])
            d += 1
    name_key = np.uint64(words[exit + t.X_KEY])
    luck = step.luck
    for i in range(d):
        luck[i] = uniform(seed, step.key[i], name_key, step.times[i])
    for i in range(d):
        luck[i] = -log(luck[i])
    if d == k:
        step.budget[:k] = luck[:k]
    else:
        for i in range(d):
            step.budget[step.drawing[i]] = luck[i]


@compiled
def spend(words: Words, laws: LawTable, block: Block, exit: int, law: int, step: Step, k: int) -> None:
    """The dates on which the budgets of the fresh patients will be used up."""
    lives = block.lives
    accelerated = words[exit + t.X_SPEED] != words[exit + t.X_SPEED_END]
    elapsed, hazard, speed = step.elapsed[:k], step.hazard[:k], step.speed[:k]
    started = False
    for i in range(k):
        j = step.fresh[i]
        elapsed[i] = lives[t.NOW, step.who[j]] - step.origin[j]
        started |= elapsed[i] != 0.0
    if accelerated:
        for i in range(k):
            speed[i] = step.log_speed[step.fresh[i]]
        for i in range(k):
            speed[i] = exp(speed[i])
            elapsed[i] *= speed[i]
    if started:
        cumulative_hazards(laws, law, elapsed, hazard)
    else:
        hazard[:] = 0.0  # H(0) = 0
    if words[exit + t.X_SCALE] != words[exit + t.X_SCALE_END]:
        for i in range(k):
            elapsed[i] = step.log_ratio[step.fresh[i]]
        for i in range(k):
            hazard[i] += step.budget[i] / exp(elapsed[i])
    else:
        for i in range(k):
            hazard[i] += step.budget[i]
    inverse_cumulative_hazards(laws, law, hazard, hazard)
    if accelerated:
        for i in range(k):
            hazard[i] /= speed[i]
    for i in range(k):
        j = step.fresh[i]
        now = lives[t.NOW, step.who[j]]
        date = step.origin[j] + hazard[i]
        step.date[j] = now if date < now else date  # written so that NaN passes and is seen


@compiled
def remember(words: Words, block: Block, exit: int, law: int, step: Step, k: int) -> None:
    """Keep what a lasting event needs when its circumstances change."""
    lives, event = block.lives, words[exit + t.X_EVENT]
    for i in range(k):
        j = step.fresh[i]
        p = step.who[j]
        lives[event + t.REMAINING, p] = step.budget[i]
        lives[event + t.SINCE, p] = lives[t.NOW, p]
        lives[event + t.ORIGIN, p] = step.origin[j]
        lives[event + t.LOG_RATIO, p] = step.log_ratio[j]
        lives[event + t.LOG_SPEED, p] = step.log_speed[j]
        lives[event + t.FIRES, p] = step.date[j]
        lives[event + t.LAW, p] = law
        lives[event + t.AT_RISK, p] = 1.0
        lives[event + t.DRAWN, p] = 1.0
        lives[event + t.STAMP, p] = block.stays[p]


@compiled
def hazard_dates(
    words: Words, reals: Reals, laws: LawTable, block: Block, exit: int, step: Step, m: int, seed: np.uint64
) -> None:
    """When an event strikes those who may take it, if nothing changes."""
    predictors(words, reals, block, exit, step, m)
    by = words[exit + t.X_LAW_BY]
    laws_to_choose = words[exit + t.X_LAW_END] - words[exit + t.X_LAW]
    if by != t.NONE:
        for j in range(m):
            wanted = block.lives[by, step.who[j]]
            if not (0.0 <= wanted < laws_to_choose) or wanted != np.floor(wanted):
                stop(block, NO_SUCH_LAW, step.who[j], words[exit + t.X_NAME])
                return
    for choice in range(words[exit + t.X_LAW], words[exit + t.X_LAW_END]):
        k = m
        if words[exit + t.X_LASTS] == 1 or by != t.NONE:
            k = not_carried_over(words, laws, block, exit, choice, step, m)
        else:
            for j in range(m):
                step.fresh[j] = j
        if k > 0:
            budgets_left(words, block, exit, step, k, seed)
            spend(words, laws, block, exit, words[choice], step, k)
            if words[exit + t.X_LASTS] == 1:
                remember(words, block, exit, words[choice], step, k)
