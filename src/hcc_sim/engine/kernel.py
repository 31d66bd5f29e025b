"""The kernel: one patient after another through a compiled pathway.

The rules are those of the design: events spend a budget of luck, the earliest exit wins, ties go to the exit declared
first, branches take no time.  Each function below is one of these rules.  `words`, `reals` and `life` are explained in
`tables`.  Whatever goes wrong is written into the life (what, and at which exit) and stops the run; nothing is guessed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import compiled
from hcc_sim.elementary import exp, log, log1p, normal_cdf, normal_quantile
from hcc_sim.engine.tables import (
    A_DOES,
    A_DOES_END,
    A_NAME,
    A_SHIFT,
    A_SHIFT_END,
    A_TO,
    A_WEIGHT,
    A_WHEN,
    A_WHEN_END,
    ACTION,
    ADD,
    ALARM_ORIGIN,
    ALARM_VISIT,
    ALARMS_DRAWN,
    ARM,
    AT_RISK,
    BERNOULLI,
    BRANCH,
    BUDGET,
    BUDGETS,
    BUDGETS_END,
    C_A,
    C_B,
    C_DRAWS,
    C_HIGH,
    C_KEY,
    C_KIND,
    C_LOW,
    C_REFERENCE,
    C_TARGET,
    C_TERMS,
    C_TERMS_END,
    C_VALUE,
    C_WHEN,
    C_WHEN_END,
    COUNT,
    D_KEY,
    D_PIECE,
    D_PIECE_END,
    D_SCATTER,
    DELAY,
    DRAWN,
    ENTERED,
    EXIT,
    FINAL,
    FIRES,
    HAZARD,
    LAW,
    LINEAR,
    LOG_RATIO,
    LOG_SPEED,
    MARK,
    NONE,
    NOW,
    ORIGIN,
    P_BASE,
    P_COUNT,
    P_END,
    P_INTERVAL,
    PIECE,
    PLAIN,
    REMAINING,
    S_ARRIVAL,
    S_ARRIVAL_END,
    S_FIRST,
    S_KEY,
    S_KIND,
    S_LAST,
    S_NAME,
    S_TAKEN,
    SET,
    SINCE,
    STAMP,
    START,
    START_DOES,
    START_DOES_END,
    STRIKES,
    TIME_EXCEEDS,
    TIME_SINCE,
    TIMED,
    TROUBLE,
    TROUBLE_AT,
    UNIFORM,
    VISIT,
    X_ALARM,
    X_CLOCK,
    X_DOES,
    X_DOES_END,
    X_DURATION,
    X_EVENT,
    X_IN_PLACE,
    X_KEY,
    X_KIND,
    X_LAW,
    X_LAW_BY,
    X_LAW_END,
    X_NAME,
    X_PROBABILITY,
    X_RESTARTS,
    X_SCALE,
    X_SCALE_END,
    X_SCHEDULE,
    X_SPEED,
    X_SPEED_END,
    X_TO,
    X_WHEN,
    X_WHEN_END,
    Reals,
    Words,
    holds,
    linear,
)
from hcc_sim.laws import LawTable, cumulative_hazard, inverse_cumulative_hazard
from hcc_sim.luck import uniform

# What can stop a run.
(
    FINE, CLOCK_NOT_STARTED, CLOCK_IN_FUTURE, NOT_A_NUMBER, NO_ARM, NO_WEIGHT, WEIGHTS_ABOVE_ONE, NO_SUCH_LAW,
    NO_VALUE, TOO_MANY_STAYS, BUFFER_FULL,
) = range(11)  # fmt: skip

NO_EXIT = -1
"""In place of an exit's name, where a run stopped before any exit; and of a stay that the horizon ended."""

INSIDE = 1.0 - 0.5**53
"""Times a uniform number of (0, 1] is one of (0, 1), whose normal quantile is finite."""

LAST_VISIT = 2.0**31
"""A false alarm beyond this visit never comes."""


class Record(NamedTuple):
    """Columns of stays, to be filled."""

    patient: NDArray[np.uint64]
    state: NDArray[np.int16]
    entered_months: NDArray[np.float64]
    left_months: NDArray[np.float64]
    next_state: NDArray[np.int16]
    ended_by: NDArray[np.int16]


# --- values and actions -----------------------------------------------------------------------------------------------


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
def draw(words: Words, reals: Reals, life: Reals, action: int, seed: np.uint64, patient: np.uint64) -> float:
    """The next draw of an attribute."""
    a, b = reals[action + C_A], reals[action + C_B]
    draws = words[action + C_DRAWS]
    u = uniform(seed, patient, np.uint64(words[action + C_KEY]), np.uint64(life[draws]))
    life[draws] += 1.0
    kind = words[action + C_VALUE]
    if kind == BERNOULLI:
        return 1.0 if u <= a else 0.0
    if kind == UNIFORM:
        return a + u * INSIDE * (b - a)
    return truncated_normal(u * INSIDE, a, b, reals[action + C_LOW], reals[action + C_HIGH])


@compiled
def value_of(words: Words, reals: Reals, life: Reals, action: int, seed: np.uint64, patient: np.uint64) -> float:
    """The value that an action gives."""
    kind = words[action + C_VALUE]
    reference = words[action + C_REFERENCE]
    if kind == PLAIN:
        return reals[action + C_A]
    if kind == COUNT:
        return life[reference]
    if kind == LINEAR:
        return linear(words, reals, words[action + C_TERMS], words[action + C_TERMS_END], reals[action + C_A], life)
    if kind in (TIME_SINCE, TIME_EXCEEDS):
        elapsed = life[NOW] - life[reference]
        if np.isnan(elapsed):
            life[TROUBLE] = CLOCK_NOT_STARTED
        if kind == TIME_SINCE:
            return elapsed
        return 1.0 if elapsed > reals[action + C_A] else 0.0
    return draw(words, reals, life, action, seed, patient)


@compiled
def act(words: Words, reals: Reals, life: Reals, first: int, last: int, seed: np.uint64, patient: np.uint64) -> None:
    """Carry out actions in order, each if its condition holds by then."""
    for action in range(first, last, ACTION):
        if not holds(words, reals, words[action + C_WHEN], words[action + C_WHEN_END], life):
            continue
        value = value_of(words, reals, life, action, seed, patient)
        if np.isnan(value) and life[TROUBLE] == FINE:
            life[TROUBLE] = NO_VALUE
        target = words[action + C_TARGET]
        kind = words[action + C_KIND]
        if kind == SET:
            life[target] = value
        elif kind == ADD:
            life[target] += value
        elif kind == MARK or np.isnan(life[target]):
            life[target] = life[NOW] + value


# --- budgets ----------------------------------------------------------------------------------------------------------


@compiled
def settle(laws: LawTable, life: Reals, event: int) -> None:
    """Take off the budget of an event what the patient has spent of it until now; the budget then rests."""
    law = int(life[event + LAW])
    origin, speed = life[event + ORIGIN], exp(life[event + LOG_SPEED])
    until = cumulative_hazard(laws, law, (life[NOW] - origin) * speed)
    before = cumulative_hazard(laws, law, (life[event + SINCE] - origin) * speed)
    life[event + REMAINING] = max(0.0, life[event + REMAINING] - (until - before) * exp(life[event + LOG_RATIO]))
    life[event + AT_RISK] = 0.0


@compiled
def chosen_law(words: Words, life: Reals, exit: int) -> int:
    """The law of a hazard, by the attribute that chooses it if there are several."""
    by = words[exit + X_LAW_BY]
    if by == NONE:
        return words[words[exit + X_LAW]]
    wanted = life[by]
    if not (0.0 <= wanted < words[exit + X_LAW_END] - words[exit + X_LAW]) or wanted != np.floor(wanted):
        life[TROUBLE] = NO_SUCH_LAW
        return 0
    return words[words[exit + X_LAW] + int(wanted)]


@compiled
def hazard_fires(
    words: Words,
    reals: Reals,
    laws: LawTable,
    life: Reals,
    exit: int,
    stamp: float,
    seed: np.uint64,
    patient: np.uint64,
) -> float:
    """When an event strikes if nothing changes; carried over, to the last bit, while nothing has changed."""
    event = words[exit + X_EVENT]
    now = life[NOW]
    origin = life[words[exit + X_CLOCK]]
    log_ratio = linear(words, reals, words[exit + X_SCALE], words[exit + X_SCALE_END], 0.0, life)
    log_speed = linear(words, reals, words[exit + X_SPEED], words[exit + X_SPEED_END], 0.0, life)
    law = chosen_law(words, life, exit)
    life[event + STAMP] = stamp
    if life[event + AT_RISK] == 1.0:
        if (
            life[event + LAW] == law
            and life[event + ORIGIN] == origin
            and life[event + LOG_RATIO] == log_ratio
            and life[event + LOG_SPEED] == log_speed
        ):
            return life[event + FIRES]
        settle(laws, life, event)
    elif life[event + DRAWN] == 0.0:
        u = uniform(seed, patient, np.uint64(words[exit + X_KEY]), np.uint64(life[event + STRIKES]))
        life[event + REMAINING] = -log(u)
        life[event + DRAWN] = 1.0
    speed = exp(log_speed)
    spent = cumulative_hazard(laws, law, (now - origin) * speed)
    reach = inverse_cumulative_hazard(laws, law, spent + life[event + REMAINING] / exp(log_ratio))
    fires = origin + reach / speed
    if fires < now:  # written so that NaN passes and is seen
        fires = now
    life[event + SINCE], life[event + ORIGIN], life[event + FIRES] = now, origin, fires
    life[event + LOG_RATIO], life[event + LOG_SPEED] = log_ratio, log_speed
    life[event + AT_RISK], life[event + LAW] = 1.0, law
    return fires


# --- visits -----------------------------------------------------------------------------------------------------------


@compiled
def visit_date(
    words: Words, reals: Reals, schedule: int, k: int, origin: float, seed: np.uint64, patient: np.uint64
) -> float:
    """The date of the k-th visit, k = 1, 2, ...; inf if the schedule has come to an interval of `never`."""
    piece = words[schedule + D_PIECE]
    while piece + PIECE < words[schedule + D_PIECE_END] and k > words[piece + PIECE + P_COUNT]:
        piece += PIECE
    interval = reals[piece + P_INTERVAL]
    if interval == np.inf:
        return np.inf
    step = float(k - words[piece + P_COUNT])
    scatter = reals[schedule + D_SCATTER]
    if scatter > 0.0:
        step += scatter * (uniform(seed, patient, np.uint64(words[schedule + D_KEY]), np.uint64(k)) - 0.5)
    return origin + (reals[piece + P_BASE] + step * interval)


@compiled
def next_visit(
    words: Words, reals: Reals, schedule: int, origin: float, now: float, seed: np.uint64, patient: np.uint64
) -> float:
    """The first date of a schedule that is later than now."""
    elapsed = now - origin
    piece = words[schedule + D_PIECE]
    while piece + PIECE < words[schedule + D_PIECE_END] and elapsed >= reals[piece + P_END]:
        piece += PIECE
    k = words[piece + P_COUNT]
    if reals[piece + P_INTERVAL] < np.inf:
        k += int(np.floor((elapsed - reals[piece + P_BASE]) / reals[piece + P_INTERVAL]))
    k = max(k - 1, 1)  # scatter moves a date by less than one interval, so an earlier one cannot be due
    date = visit_date(words, reals, schedule, k, origin, seed, patient)
    while date <= now:
        k += 1
        date = visit_date(words, reals, schedule, k, origin, seed, patient)
    return date


@compiled
def visits_to_alarm(probability: float, key: np.uint64, alarm: np.uint64, seed: np.uint64, patient: np.uint64) -> float:
    """A geometric number of visits, the last of which is the alarm."""
    if probability >= 1.0:
        return 1.0
    return 1.0 + np.floor(log(uniform(seed, patient, key, alarm)) / log1p(-probability))


@compiled
def next_alarm(
    words: Words, reals: Reals, life: Reals, exit: int, origin: float, seed: np.uint64, patient: np.uint64
) -> float:
    """The first false alarm later than now; the visits between alarms are geometric numbers."""
    probability = reals[exit + X_PROBABILITY]
    if probability == 0.0:
        return np.inf
    schedule, alarm = words[exit + X_SCHEDULE], words[exit + X_ALARM]
    visit = life[alarm + ALARM_VISIT]
    date = -np.inf
    if life[alarm + ALARMS_DRAWN] == 0.0 or life[alarm + ALARM_ORIGIN] != origin:
        life[alarm + ALARM_ORIGIN] = origin
        visit = 0.0
    elif visit <= LAST_VISIT:
        date = visit_date(words, reals, schedule, int(visit), origin, seed, patient)
    while visit <= LAST_VISIT and date <= life[NOW]:
        life[alarm + ALARMS_DRAWN] += 1.0
        drawn = np.uint64(life[alarm + ALARMS_DRAWN])
        visit += visits_to_alarm(probability, np.uint64(words[exit + X_KEY]), drawn, seed, patient)
        date = np.inf
        if visit <= LAST_VISIT:
            date = visit_date(words, reals, schedule, int(visit), origin, seed, patient)
    life[alarm + ALARM_VISIT] = visit
    return date if visit <= LAST_VISIT else np.inf


# --- exits and branches -----------------------------------------------------------------------------------------------


@compiled
def exit_fires(
    words: Words,
    reals: Reals,
    laws: LawTable,
    life: Reals,
    exit: int,
    stamp: float,
    seed: np.uint64,
    patient: np.uint64,
) -> float:
    """When an exit is taken if no other comes first."""
    origin = life[words[exit + X_CLOCK]]
    if not life[NOW] >= origin:
        life[TROUBLE] = CLOCK_NOT_STARTED if np.isnan(origin) else CLOCK_IN_FUTURE
        return np.inf
    kind = words[exit + X_KIND]
    if kind == HAZARD:
        return hazard_fires(words, reals, laws, life, exit, stamp, seed, patient)
    if kind == DELAY:
        return max(life[NOW], origin + reals[exit + X_DURATION])
    if kind == VISIT:
        return next_visit(words, reals, words[exit + X_SCHEDULE], origin, life[NOW], seed, patient)
    return next_alarm(words, reals, life, exit, origin, seed, patient)


@compiled
def earliest_exit(
    words: Words,
    reals: Reals,
    laws: LawTable,
    life: Reals,
    state: int,
    stamp: float,
    seed: np.uint64,
    patient: np.uint64,
) -> tuple[int, float]:
    """The exit that ends this stay and its time; budgets of events that are no longer at risk are settled."""
    earliest, chosen = np.inf, NONE
    for exit in range(words[state + S_FIRST], words[state + S_LAST], EXIT):
        if not holds(words, reals, words[exit + X_WHEN], words[exit + X_WHEN_END], life):
            continue
        fires = exit_fires(words, reals, laws, life, exit, stamp, seed, patient)
        if np.isnan(fires):
            life[TROUBLE] = NOT_A_NUMBER
        if life[TROUBLE] != FINE:
            life[TROUBLE_AT] = words[exit + X_NAME]
            return NONE, np.inf
        if fires < earliest:
            earliest, chosen = fires, exit
    for event in range(words[BUDGETS], words[BUDGETS_END], BUDGET):
        if life[event + AT_RISK] == 1.0 and life[event + STAMP] != stamp:
            settle(laws, life, event)
    return chosen, earliest


@compiled
def rest_weight(words: Words, reals: Reals, life: Reals, state: int) -> float:
    """What the arms whose condition holds leave over for the one that takes the rest."""
    rest = 1.0
    for arm in range(words[state + S_FIRST], words[state + S_LAST], ARM):
        weight = reals[arm + A_WEIGHT]
        if not np.isnan(weight) and holds(words, reals, words[arm + A_WHEN], words[arm + A_WHEN_END], life):
            rest -= weight
    return rest


@compiled
def arm_weight(words: Words, reals: Reals, life: Reals, arm: int, rest: float) -> float:
    """The weight of an arm with its shift; 0 where its condition fails."""
    if not holds(words, reals, words[arm + A_WHEN], words[arm + A_WHEN_END], life):
        return 0.0
    weight = reals[arm + A_WEIGHT]
    if np.isnan(weight):
        if rest < -1e-9:
            life[TROUBLE] = WEIGHTS_ABOVE_ONE
        weight = max(0.0, rest)
    first, last = words[arm + A_SHIFT], words[arm + A_SHIFT_END]
    return weight if first == last else weight * exp(linear(words, reals, first, last, 0.0, life))


@compiled
def choose_arm(words: Words, reals: Reals, life: Reals, state: int, u: float) -> int:
    """The arm taken with the uniform number u: the first whose cumulative weight reaches it."""
    first, last = words[state + S_FIRST], words[state + S_LAST]
    rest = rest_weight(words, reals, life, state)
    total = 0.0
    for arm in range(first, last, ARM):
        total += arm_weight(words, reals, life, arm, rest)
    if not 0.0 < total < np.inf:
        life[TROUBLE] = NO_ARM if total == 0.0 else NO_WEIGHT
        return NONE
    cumulative, chosen = 0.0, NONE
    for arm in range(first, last, ARM):
        weight = arm_weight(words, reals, life, arm, rest)
        if weight > 0.0:
            chosen = arm  # the last arm of positive weight catches rounding
            cumulative += weight / total
            if u <= cumulative:
                break
    return chosen


# --- a life, and a block of lives -------------------------------------------------------------------------------------


@compiled
def enter(words: Words, reals: Reals, life: Reals, state: int, seed: np.uint64, patient: np.uint64) -> None:
    """Arrive in a state: its clock starts if it has timed exits, and what happens on arrival happens."""
    kind = words[state + S_KIND]
    if kind == TIMED:
        life[ENTERED] = life[NOW]
    if kind != FINAL:
        act(words, reals, life, words[state + S_ARRIVAL], words[state + S_ARRIVAL_END], seed, patient)


@compiled
def begin(words: Words, reals: Reals, life: Reals, newborn: Reals, seed: np.uint64, patient: np.uint64) -> None:
    """Forget the patient before, and give this one attributes and epochs."""
    life[:] = newborn
    life[TROUBLE_AT] = NO_EXIT
    act(words, reals, life, words[START_DOES], words[START_DOES_END], seed, patient)


@compiled
def write(
    record: Record, row: int, patient: np.uint64, state: int, began: float, left: float, target: int, name: int
) -> None:
    """One stay into the record."""
    record.patient[row] = patient
    record.state[row], record.next_state[row], record.ended_by[row] = state, target, name
    record.entered_months[row], record.left_months[row] = began, left


@compiled
def live(
    words: Words,
    reals: Reals,
    laws: LawTable,
    life: Reals,
    newborn: Reals,
    seed: np.uint64,
    patient: np.uint64,
    horizon: float,
    max_stays: int,
    record: Record,
    row: int,
) -> int:
    """One patient's life into the record, from `row` on; the row after the last stay."""
    begin(words, reals, life, newborn, seed, patient)
    state = words[START]
    origin = state
    stamp = 0.0
    end = min(row + max_stays, len(record.patient))
    enter(words, reals, life, state, seed, patient)
    while life[TROUBLE] == FINE and words[state + S_KIND] != FINAL:
        if row == end:
            life[TROUBLE] = BUFFER_FULL if end == len(record.patient) else TOO_MANY_STAYS
            break
        began = life[NOW]
        restarts = False
        if words[state + S_KIND] == BRANCH:
            taken = words[state + S_TAKEN]
            u = uniform(seed, patient, np.uint64(words[state + S_KEY]), np.uint64(life[taken]))
            arm = choose_arm(words, reals, life, state, u)
            if life[TROUBLE] != FINE:
                break
            life[taken] += 1.0
            name, target = words[arm + A_NAME], words[arm + A_TO]
            does, does_end = words[arm + A_DOES], words[arm + A_DOES_END]
            arrives = target != NONE
            if not arrives:
                target = origin
        else:
            stamp += 1.0
            origin = state
            exit, fires = earliest_exit(words, reals, laws, life, state, stamp, seed, patient)
            if life[TROUBLE] != FINE:
                break
            if fires >= horizon:
                write(record, row, patient, words[state + S_NAME], began, horizon, NO_EXIT, NO_EXIT)
                return row + 1
            life[NOW] = fires
            name, target = words[exit + X_NAME], words[exit + X_TO]
            does, does_end = words[exit + X_DOES], words[exit + X_DOES_END]
            arrives = words[exit + X_IN_PLACE] == 0
            restarts = words[exit + X_RESTARTS] == 1
            if words[exit + X_KIND] == HAZARD:
                event = words[exit + X_EVENT]
                life[event + STRIKES] += 1.0
                life[event + AT_RISK] = 0.0
                life[event + DRAWN] = 0.0
        write(record, row, patient, words[state + S_NAME], began, life[NOW], words[target + S_NAME], name)
        row += 1
        life[TROUBLE_AT] = name
        act(words, reals, life, does, does_end, seed, patient)
        if arrives:
            enter(words, reals, life, target, seed, patient)
        elif restarts:
            life[ENTERED] = life[NOW]
        state = target
    return row


@compiled
def live_block(
    words: Words,
    laws: LawTable,
    newborn: Reals,
    seed: np.uint64,
    first_patient: np.uint64,
    patients: int,
    horizon: float,
    max_stays: int,
    record: Record,
) -> tuple[int, int, int, int]:
    """Lives of consecutive patients.

    Returns:
        rows written; what stopped it (0 if nothing did); at which patient, counted from the first; at which exit.
    """
    reals = words.view(np.float64)
    life = np.empty_like(newborn)
    row = 0
    for index in range(patients):
        patient = first_patient + np.uint64(index)
        row = live(words, reals, laws, life, newborn, seed, patient, horizon, max_stays, record, row)
        if life[TROUBLE] != FINE:
            return row, int(life[TROUBLE]), index, int(life[TROUBLE_AT])
    return row, FINE, patients, NO_EXIT


@compiled
def newborn_life(words: Words, newborn: Reals, seed: np.uint64, patient: np.uint64) -> Reals:
    """A life as it begins: attributes and epochs given, no time passed."""
    life = np.empty_like(newborn)
    begin(words, words.view(np.float64), life, newborn, seed, patient)
    return life
