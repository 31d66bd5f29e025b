"""How the kernel sees a pathway and a patient: two rows of numbers, and names for the places in them.

A compiled pathway is one array of eight-byte words, read as integers (`words`) or as floats (`reals`); the two share
their memory.  In it lie rows - states, exits, arms, actions, conditions ... - that refer to each other by address, the
place of a row's first word; a range of rows is given by its first address and the address past its last.  Address 0
holds the header and so means "none".

A patient is one column of floats (`lives`): his clock, attributes, epochs, counts, budgets.  A pathway's words refer to
these by their place in a life; place 0 is the time now and so means "none" where an attribute is meant.

All names here are frozen into @compiled functions, whose cache must notice a change of this file: it looks for this
word.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.int64]
Reals = NDArray[np.float64]
Lives = NDArray[np.float64]
"""(places, patients): the lives of a block."""

Places = NDArray[np.int32]
"""Some patients, by their place in the block."""

NONE = 0

# Kinds of state, exit, action and value, and comparisons.
TIMED, BRANCH, FINAL = 0, 1, 2
HAZARD, DELAY, VISIT, ALARM = 0, 1, 2, 3
MARK, MARK_FIRST, SET, ADD = 0, 1, 2, 3
PLAIN, NORMAL, UNIFORM, BERNOULLI, ORDERED, COUNT, TIME_SINCE, TIME_EXCEEDS, LINEAR = range(9)
DRAWN = (NORMAL, UNIFORM, BERNOULLI, ORDERED)
EQUAL, UNEQUAL, BELOW, AT_MOST, ABOVE, AT_LEAST = range(6)

# The header: start state; actions that come before it, those that give the attributes first; sizes; the places of a
# life that stays show.
(
    START, START_DOES, ATTRIBUTES_END, START_DOES_END, STATES, MOST_ARMS, MOST_COLUMNS, EVENTS, SHOWN, SHOWN_END,
    HEADER,
) = range(11)  # fmt: skip

# A state: its exits (or the arms of its branch), what happens on arrival, its position among the names; the places of a
# life that exits or arms read, which a step gathers into columns; the events (addresses) that may be found at risk here
# though no exit of this state takes care of them; of a branch, the place that counts how often it was taken, and its
# luck's key.
(
    S_KIND, S_FIRST, S_LAST, S_ARRIVAL, S_ARRIVAL_END, S_NAME, S_READS, S_READS_END, S_RESTS, S_RESTS_END,
    S_TAKEN, S_KEY, STATE,
) = range(13)  # fmt: skip

# A timed exit.  Columns of the state: clock, attribute that chooses the law.  Addresses: event, schedule.  Place in a
# life: alarm.  Reals: duration, chance of an alarm.
(
    X_KIND, X_NAME, X_TO, X_CLOCK, X_WHEN, X_WHEN_END, X_IN_PLACE, X_RESTARTS, X_DOES, X_DOES_END,
    X_EVENT, X_LAW, X_LAW_END, X_LAW_BY, X_SCALE, X_SCALE_END, X_SPEED, X_SPEED_END,
    X_KEY, X_SCHEDULE, X_ALARM, X_DURATION, X_PROBABILITY, EXIT,
) = range(24)  # fmt: skip

# An event: its number, its row in a life, its luck's key; whether its budget is kept from stay to stay, somebody asks
# how often it struck, any of its exits is scaled, any accelerated; the laws (positions among all) that it may follow.
E_NUMBER, E_PLACE, E_KEY, E_LASTS, E_COUNTS, E_SCALED, E_ACCELERATED, E_LAWS, E_LAWS_END, EVENT = range(10)

# An arm of a branch; to NONE is back.  Real: weight, NaN for the rest.
A_KIND, A_NAME, A_TO, A_WHEN, A_WHEN_END, A_SHIFT, A_SHIFT_END, A_DOES, A_DOES_END, A_WEIGHT, ARM = range(11)

# An action.  Places in a life: target, what the value refers to, count of draws; and those that its condition reads.
# Terms: of a linear value, or what shifts grades; then the shares beyond each grade, a word each.  Reals: four numbers.
(
    C_KIND, C_TARGET, C_READS, C_READS_END, C_WHEN, C_WHEN_END, C_VALUE, C_REFERENCE, C_TERMS, C_TERMS_END, C_KEY,
    C_DRAWS, C_A, C_B, C_LOW, C_HIGH, C_BEYOND, C_BEYOND_END, ACTION,
) = range(19)  # fmt: skip

# A condition is a range of clauses, a clause a range of tests of columns; a linear predictor is a range of terms, of
# columns where an exit or arm has it, of places in a life where an action has it.
CLAUSE_TESTS, CLAUSE_TESTS_END, CLAUSE = range(3)
TEST_OF, TEST_COMPARISON, TEST_THAN, TEST = range(4)
TERM_OF, TERM_COEFFICIENT, TERM = range(3)

# A schedule and its pieces: visits before the piece; interval, nominal beginning and end in months from the origin.
D_KEY, D_PIECE, D_PIECE_END, D_SCATTER, SCHEDULE = range(5)
P_COUNT, P_INTERVAL, P_BASE, P_END, PIECE = range(5)

# A life: time now, time of entry into the last state with timed exits, that state's address; then attributes, counts of
# their draws, epochs, counts of branches, rows of events and of alarms.
NOW, ENTERED, LAST_TIMED, LIFE = range(4)

# An event's row: how often it struck; if its budget lasts, what was left of it when circumstances last changed, the
# cumulative hazard and the circumstances then, the date that follows from them, and the law (`RESTS` if not at risk).
STRIKES, REMAINING, BEFORE, ORIGIN, LOG_RATIO, LOG_SPEED, FIRES, LAW, BUDGET = range(9)
UNDRAWN = -1.0
"""As what remains of a budget: there is none yet."""
RESTS = -1.0
"""As an event's law: it is not at risk."""

ALARMS_DRAWN, ALARM_VISIT, ALARM_ORIGIN, ALARM_ROW = range(4)
