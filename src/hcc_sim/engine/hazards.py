"""Hazards: events that spend a budget of luck, in whatever states they stand.

With R what is left of the budget on entry at time s, c the origin of the clock and lp the log hazard ratio, an event
strikes at max(s, c + Hinv(H(s - c) + R / exp(lp))).  The date is carried over, to the last bit, while nothing changes;
else R is settled: R - (H(u - c) - H(s - c)) exp(lp) is left at u.  H is read at the time since c times exp(la), la the
log time scale.
"""

from __future__ import annotations

import numpy as np

from hcc_sim.compiled import inner, merged
from hcc_sim.elementary import exp, log
from hcc_sim.engine import tables as t
from hcc_sim.engine.block import (
    ALL_PASS,
    AT,
    BEFORE,
    BUDGET,
    DATE,
    HAZARD,
    HOLDS,
    LOG_RATIO,
    LOG_SPEED,
    NO_SUCH_LAW,
    NOW,
    ORIGIN,
    PATIENT,
    SETTLED,
    SOME,
    SPEED,
    TIMES,
    WHO,
    Block,
    Group,
    Step,
    keep_earlier,
    stop,
)
from hcc_sim.engine.conditions import Flags, add_terms, add_terms_of
from hcc_sim.engine.tables import Places, Reals, Words
from hcc_sim.laws import LawTable, cumulative_hazards, inverse_cumulative_hazards
from hcc_sim.luck import uniforms


@inner
def predict(
    words: Words, reals: Reals, first: int, last: int, may: Group, m: int, n: int, step: Step, out: Reals
) -> None:
    """A linear predictor of those m of n here who may take a hazard."""
    out[:m] = 0.0
    if m == n:
        add_terms(words, reals, first, last, step.columns, n, out)
    else:
        add_terms_of(words, reals, first, last, step.columns, may.places[AT][:m], out)


@inner
def settle_under(laws: LawTable, law: int, block: Block, place: int, who: Places, step: Step) -> None:
    """Take off budgets what has been spent of them until now under one law."""
    lives, elapsed, factor = block.lives, step.reals[HAZARD][: len(who)], step.reals[SPEED]
    now, origin, log_speed = lives[t.NOW], lives[place + t.ORIGIN], lives[place + t.LOG_SPEED]
    before, log_ratio, remaining = lives[place + t.BEFORE], lives[place + t.LOG_RATIO], lives[place + t.REMAINING]
    for i in range(len(who)):
        elapsed[i] = now[who[i]] - origin[who[i]]
        factor[i] = log_speed[who[i]]
    for i in range(len(who)):
        elapsed[i] *= exp(factor[i])
    cumulative_hazards(laws, law, elapsed, elapsed)
    for i in range(len(who)):
        factor[i] = log_ratio[who[i]]
    for i in range(len(who)):
        factor[i] = exp(factor[i])
    for i in range(len(who)):
        spent = (elapsed[i] - before[who[i]]) * factor[i]
        remaining[who[i]] = max(0.0, remaining[who[i]] - spent)


@inner
def settle(words: Words, laws: LawTable, block: Block, event: int, who: Places, flags: Flags, step: Step) -> None:
    """Settle an event's budget for those who are flagged and were at risk until now; it then rests."""
    place = words[event + t.E_PLACE]
    law_of, some, settled = block.lives[place + t.LAW], step.places[SOME], step.places[SETTLED]
    k = 0
    for j in range(len(who)):
        some[k] = who[j]
        k += flags[j] & (law_of[who[j]] != t.RESTS)
    if k == 0:
        return
    for row in range(words[event + t.E_LAWS], words[event + t.E_LAWS_END]):
        law = words[row]
        s = 0
        for i in range(k):
            settled[s] = some[i]
            s += law_of[some[i]] == law
        if s > 0:
            settle_under(laws, law, block, place, settled[:s], step)
    for i in range(k):
        law_of[some[i]] = t.RESTS


@inner
def settle_others(words: Words, laws: LawTable, block: Block, state: int, here: Places, step: Step) -> None:
    """Settle the budgets of events that were at risk before this step and are no longer."""
    for rests in range(words[state + t.S_RESTS], words[state + t.S_RESTS_END]):
        event = words[rests]
        others, cared = step.flags[HOLDS], step.cared[words[event + t.E_NUMBER]]
        for j in range(len(here)):
            others[j] = not cared[j]
        settle(words, laws, block, event, here, others, step)


@inner
def agree(then: Reals, now: float, who: Places, m: int, same: Flags) -> None:
    """Let `same` fall for those who had another number than all have now."""
    for j in range(m):
        same[j] &= then[who[j]] == now


@inner
def agree_each(then: Reals, now: Reals, who: Places, m: int, same: Flags) -> None:
    """Let `same` fall for those who had another number than they have now."""
    for j in range(m):
        same[j] &= then[who[j]] == now[j]


@inner
def carry_over(
    words: Words, block: Block, exit: int, law: int, may: Group, m: int, n: int, concerned: Flags, step: Step
) -> None:
    """Keep the date of those concerned for whom nothing has changed; what is left flagged must be found anew."""
    event = words[exit + t.X_EVENT]
    lives, place, who, date = block.lives, words[event + t.E_PLACE], may.places[WHO], may.reals[DATE]
    same = step.flags[ALL_PASS]
    for j in range(m):
        same[j] = concerned[j]
    agree(lives[place + t.LAW], law, who, m, same)
    agree_each(lives[place + t.ORIGIN], may.reals[ORIGIN], who, m, same)
    if words[event + t.E_SCALED] == 1:
        agree_each(lives[place + t.LOG_RATIO], may.reals[LOG_RATIO], who, m, same)
    if words[event + t.E_ACCELERATED] == 1:
        agree_each(lives[place + t.LOG_SPEED], may.reals[LOG_SPEED], who, m, same)
    fires, kept = lives[place + t.FIRES], 0
    for j in range(m):
        date[j] = fires[who[j]] if same[j] else np.inf
        concerned[j] &= not same[j]
        kept += same[j]
    if kept > 0:
        keep_earlier(block, step, may, m, n, exit, words[exit + t.X_NAME])


@inner
def sift(may: Group, m: int, flags: Flags, fresh: Group, step: Step) -> int:
    """Fill a group with those flagged in another of m; how many there are."""
    some = step.places[SOME]
    k = 0
    for j in range(m):
        some[k] = j
        k += flags[j]
    if k < m:
        for row in (WHO, AT):
            source, out = may.places[row], fresh.places[row]
            for i in range(k):
                out[i] = source[some[i]]
        for row in (NOW, ORIGIN, LOG_RATIO, LOG_SPEED):
            have, get = may.reals[row], fresh.reals[row]
            for i in range(k):
                get[i] = have[some[i]]
    return k


@inner
def look_up(seed: np.uint64, event: int, words: Words, block: Block, who: Places, step: Step, budget: Reals) -> None:
    """New budgets, unit exponential; `Step.addresses` tells how often the event has struck each."""
    patient = step.addresses[PATIENT]
    for i in range(len(who)):
        patient[i] = block.first_patient[0] + np.uint64(who[i])
    uniforms(seed, patient, np.uint64(words[event + t.E_KEY]), step.addresses[TIMES], budget)
    for i in range(len(who)):
        budget[i] = -log(budget[i])


@inner
def budgets(words: Words, block: Block, event: int, who: Places, seed: np.uint64, step: Step) -> None:
    """What is left of each budget; a new one is drawn where there is none."""
    k, budget, times = len(who), step.reals[BUDGET], step.addresses[TIMES]
    if words[event + t.E_LASTS] == 0:  # drawn and spent within this stay, the only one that a patient has here
        times[:k] = 0
        look_up(seed, event, words, block, who, step, budget[:k])
        return
    place, drawing, places = words[event + t.E_PLACE], step.places[SETTLED], step.places[SOME]
    remaining, strikes, drawn = block.lives[place + t.REMAINING], block.lives[place + t.STRIKES], step.reals[HAZARD]
    for i in range(k):
        budget[i] = remaining[who[i]]
    d = 0
    for i in range(k):
        drawing[d], places[d] = who[i], i
        d += budget[i] == t.UNDRAWN
    if d > 0:
        for i in range(d):
            times[i] = np.uint64(strikes[drawing[i]])
        look_up(seed, event, words, block, drawing[:d], step, drawn[:d])
        for i in range(d):
            budget[places[i]] = drawn[i]


@merged
def spend(words: Words, laws: LawTable, exit: int, law: int, group: Group, k: int, step: Step) -> None:
    """The dates on which budgets will be used up."""
    accelerated = words[exit + t.X_SPEED] != words[exit + t.X_SPEED_END]
    scaled = words[exit + t.X_SCALE] != words[exit + t.X_SCALE_END]
    now, origin, date = group.reals[NOW], group.reals[ORIGIN], group.reals[DATE]
    log_ratio, log_speed = group.reals[LOG_RATIO], group.reals[LOG_SPEED]
    budget, speed, before, hazard = (
        step.reals[BUDGET],
        step.reals[SPEED],
        step.reals[BEFORE][:k],
        step.reals[HAZARD][:k],
    )
    started = False
    for i in range(k):
        before[i] = now[i] - origin[i]
        started |= before[i] != 0.0
    if accelerated:
        for i in range(k):
            speed[i] = exp(log_speed[i])
        for i in range(k):
            before[i] *= speed[i]
    if started:
        cumulative_hazards(laws, law, before, before)  # where nobody's clock has run yet, H(0) = 0 already
    if scaled:
        for i in range(k):
            hazard[i] = before[i] + budget[i] / exp(log_ratio[i])
    else:
        for i in range(k):
            hazard[i] = before[i] + budget[i]
    inverse_cumulative_hazards(laws, law, hazard, hazard)
    if accelerated:
        for i in range(k):
            hazard[i] /= speed[i]
    for i in range(k):
        used_up = origin[i] + hazard[i]
        date[i] = now[i] if used_up < now[i] else used_up  # written so that NaN passes and is seen


@inner
def remember(words: Words, block: Block, event: int, law: int, group: Group, k: int, step: Step) -> None:
    """Keep what a lasting event needs when its circumstances change."""
    lives, place, who = block.lives, words[event + t.E_PLACE], group.places[WHO]
    for row, values in (
        (t.REMAINING, step.reals[BUDGET]),
        (t.BEFORE, step.reals[BEFORE]),
        (t.ORIGIN, group.reals[ORIGIN]),
        (t.LOG_RATIO, group.reals[LOG_RATIO]),
        (t.LOG_SPEED, group.reals[LOG_SPEED]),
        (t.FIRES, group.reals[DATE]),
    ):
        kept = lives[place + row]
        for i in range(k):
            kept[who[i]] = values[i]
    law_of = lives[place + t.LAW]
    for i in range(k):
        law_of[who[i]] = law


@inner
def check_choice(words: Words, block: Block, exit: int, may: Group, m: int, step: Step) -> None:
    """Stop where the attribute that chooses the law of an exit chooses none."""
    by, number = step.columns[words[exit + t.X_LAW_BY]], words[exit + t.X_LAW_END] - words[exit + t.X_LAW]
    for j in range(m):
        wanted = by[may.places[AT, j]]
        if not (0.0 <= wanted < number) or wanted != np.floor(wanted):
            stop(block, NO_SUCH_LAW, may.places[WHO, j], words[exit + t.X_NAME])
            return


@merged
def hazard_strikes(
    words: Words,
    reals: Reals,
    laws: LawTable,
    block: Block,
    exit: int,
    may: Group,
    m: int,
    n: int,
    step: Step,
    fresh: Group,
    seed: np.uint64,
) -> None:
    """Find when an event strikes those m of n here who may take it, if nothing changes."""
    event, by = words[exit + t.X_EVENT], words[exit + t.X_LAW_BY]
    lasts = words[event + t.E_LASTS] == 1
    concerned = step.flags[HOLDS]
    scale, speed = may.reals[LOG_RATIO], may.reals[LOG_SPEED]
    predict(words, reals, words[exit + t.X_SCALE], words[exit + t.X_SCALE_END], may, m, n, step, scale)
    predict(words, reals, words[exit + t.X_SPEED], words[exit + t.X_SPEED_END], may, m, n, step, speed)
    if by != t.NONE:
        check_choice(words, block, exit, may, m, step)
    if lasts:
        cared, at = step.cared[words[event + t.E_NUMBER]], may.places[AT]
        for j in range(m):
            cared[at[j]] = True
    for choice in range(words[exit + t.X_LAW], words[exit + t.X_LAW_END]):
        law = words[choice]
        concerned[:m] = True
        if by != t.NONE:
            wanted, attribute, at = float(choice - words[exit + t.X_LAW]), step.columns[by], may.places[AT]
            for j in range(m):
                concerned[j] = attribute[at[j]] == wanted
        if lasts:
            carry_over(words, block, exit, law, may, m, n, concerned, step)
            settle(words, laws, block, event, may.places[WHO][:m], concerned, step)
        k = sift(may, m, concerned, fresh, step) if lasts or by != t.NONE else m
        if k > 0:
            group = may if k == m else fresh
            budgets(words, block, event, group.places[WHO][:k], seed, step)
            spend(words, laws, exit, law, group, k, step)
            if lasts:
                remember(words, block, event, law, group, k, step)
            keep_earlier(block, step, group, k, n, exit, words[exit + t.X_NAME])
