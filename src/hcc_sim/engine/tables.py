"""How the kernel sees a pathway and a patient: two rows of numbers, and names for the places in them.

A compiled pathway is one array of eight-byte words, read as integers (`words`) or as floats (`reals`); the two share
their memory.  In it lie rows - states, exits, arms, actions, conditions ... - that refer to each other by address, the
place of a row's first word; a range of rows is given by its first address and the address past its last.  Address 0
holds the header and so means "none".

A patient is one array of floats (`life`): his clock, attributes, epochs, counts, budgets.  A pathway's words refer to
these by their place in `life`; place 0 is the time now and so means "none" where an attribute is meant.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import compiled

Words = NDArray[np.int64]
Reals = NDArray[np.float64]
Lives = NDArray[np.float64]
"""(places, patients): the lives of a block."""

NONE = 0

# Kinds of state, exit, action and value, and comparisons.
TIMED, BRANCH, FINAL = 0, 1, 2
HAZARD, DELAY, VISIT, ALARM = 0, 1, 2, 3
MARK, MARK_FIRST, SET, ADD = 0, 1, 2, 3
PLAIN, NORMAL, UNIFORM, BERNOULLI, COUNT, TIME_SINCE, TIME_EXCEEDS, LINEAR = range(8)
EQUAL, UNEQUAL, BELOW, AT_MOST, ABOVE, AT_LEAST = range(6)

# The header: start state, actions that come before it, budgets in `life`.
START, START_DOES, START_DOES_END, BUDGETS, BUDGETS_END, STATES, MOST_ARMS, HEADER = range(8)

# A state: its exits (or the arms of its branch), what happens on arrival, its position among the names; of a branch,
# the place in `life` that counts how often it was taken, and its luck's key.
S_KIND, S_FIRST, S_LAST, S_ARRIVAL, S_ARRIVAL_END, S_NAME, S_TAKEN, S_KEY, STATE = range(9)

# A timed exit.  Places in `life`: clock, event's budget, attribute that chooses the law, alarm.  Reals: duration,
# chance of an alarm.
(
    X_KIND, X_NAME, X_TO, X_CLOCK, X_WHEN, X_WHEN_END, X_IN_PLACE, X_RESTARTS, X_DOES, X_DOES_END,
    X_EVENT, X_KEY, X_LAW, X_LAW_END, X_LAW_BY, X_SCALE, X_SCALE_END, X_SPEED, X_SPEED_END,
    X_SCHEDULE, X_ALARM, X_LASTS, X_DURATION, X_PROBABILITY, EXIT,
) = range(25)  # fmt: skip

# An arm of a branch; to NONE is back.  Real: weight, NaN for the rest.
A_KIND, A_NAME, A_TO, A_WHEN, A_WHEN_END, A_SHIFT, A_SHIFT_END, A_DOES, A_DOES_END, A_WEIGHT, ARM = range(11)

# An action.  Places in `life`: target, what the value refers to, count of draws.  Reals: four numbers of the value.
(
    C_KIND, C_TARGET, C_WHEN, C_WHEN_END, C_VALUE, C_REFERENCE, C_TERMS, C_TERMS_END, C_KEY, C_DRAWS,
    C_A, C_B, C_LOW, C_HIGH, ACTION,
) = range(15)  # fmt: skip

# A condition is a range of clauses, a clause a range of tests; a linear predictor is a range of terms.
CLAUSE_TESTS, CLAUSE_TESTS_END, CLAUSE = range(3)
TEST_OF, TEST_COMPARISON, TEST_THAN, TEST = range(4)
TERM_OF, TERM_COEFFICIENT, TERM = range(3)

# A schedule and its pieces: visits before the piece; interval, nominal beginning and end in months from the origin.
D_KEY, D_PIECE, D_PIECE_END, D_SCATTER, SCHEDULE = range(5)
P_COUNT, P_INTERVAL, P_BASE, P_END, PIECE = range(5)

# A life: time now, time of entry into the last state with timed exits, what went wrong and at which exit; then
# attributes, counts of their draws, epochs, counts of branches, budgets of events, alarms.
NOW, ENTERED, LAST_TIMED, LIFE = range(4)
(
    REMAINING, SINCE, ORIGIN, LOG_RATIO, LOG_SPEED, FIRES, AT_RISK, DRAWN, LAW, STAMP, STRIKES, BUDGET,
) = range(12)  # fmt: skip
ALARMS_DRAWN, ALARM_VISIT, ALARM_ORIGIN, ALARM_ROW = range(4)


@compiled
def holds(words: Words, reals: Reals, first: int, last: int, lives: Lives, p: int) -> bool:
    """Whether a condition holds: it is none, or all tests of some clause pass."""
    if first == NONE:
        return True
    for clause in range(first, last, CLAUSE):
        passed = True
        for test in range(words[clause + CLAUSE_TESTS], words[clause + CLAUSE_TESTS_END], TEST):
            value = lives[words[test + TEST_OF], p]
            than = reals[test + TEST_THAN]
            comparison = words[test + TEST_COMPARISON]
            if comparison == EQUAL:
                passed = value == than
            elif comparison == UNEQUAL:
                passed = value != than
            elif comparison == BELOW:
                passed = value < than
            elif comparison == AT_MOST:
                passed = value <= than
            elif comparison == ABOVE:
                passed = value > than
            else:
                passed = value >= than
            if not passed:
                break
        if passed:
            return True
    return False


@compiled
def linear(words: Words, reals: Reals, first: int, last: int, constant: float, lives: Lives, p: int) -> float:
    """A constant plus the sum of coefficient x attribute; a term without attribute is a constant too."""
    total = constant
    for term in range(first, last, TERM):
        coefficient = reals[term + TERM_COEFFICIENT]
        attribute = words[term + TERM_OF]
        total += coefficient if attribute == NONE else coefficient * lives[attribute, p]
    return total
