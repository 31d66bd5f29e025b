"""Conditions and linear predictors, for many patients at a time: test by test and term by term over columns.

A column holds one number of each patient, side by side; what a state's exits read is gathered once for all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hcc_sim.compiled import inner
from hcc_sim.engine import tables as t
from hcc_sim.engine.tables import Lives, Places, Reals, Words

Flags = NDArray[np.bool_]
Columns = NDArray[np.float64]


@inner
def gather(words: Words, first: int, last: int, lives: Lives, who: Places, columns: Columns) -> None:
    """Fill columns with what is read of some patients: a range of places in a life."""
    for column, read in enumerate(range(first, last)):
        values, out = lives[words[read]], columns[column]
        for j in range(len(who)):
            out[j] = values[who[j]]


@inner
def conjoin(values: Reals, comparison: int, than: float, n: int, all_pass: Flags) -> None:
    """Let `all_pass` fall for those of n whose value does not compare as it should."""
    if comparison == t.EQUAL:
        for j in range(n):
            all_pass[j] &= values[j] == than
    elif comparison == t.UNEQUAL:
        for j in range(n):
            all_pass[j] &= values[j] != than
    elif comparison == t.BELOW:
        for j in range(n):
            all_pass[j] &= values[j] < than
    elif comparison == t.AT_MOST:
        for j in range(n):
            all_pass[j] &= values[j] <= than
    elif comparison == t.ABOVE:
        for j in range(n):
            all_pass[j] &= values[j] > than
    else:
        for j in range(n):
            all_pass[j] &= values[j] >= than


@inner
def judge(
    words: Words, reals: Reals, first: int, last: int, columns: Columns, n: int, holds: Flags, all_pass: Flags
) -> None:
    """Whether a condition (a range of clauses) holds for each of n: all tests of some clause pass."""
    holds[:n] = False
    for clause in range(first, last, t.CLAUSE):
        all_pass[:n] = True
        for test in range(words[clause + t.CLAUSE_TESTS], words[clause + t.CLAUSE_TESTS_END], t.TEST):
            values = columns[words[test + t.TEST_OF]]
            conjoin(values, words[test + t.TEST_COMPARISON], reals[test + t.TEST_THAN], n, all_pass)
        for j in range(n):
            holds[j] |= all_pass[j]


@inner
def add_terms(words: Words, reals: Reals, first: int, last: int, columns: Columns, n: int, out: Reals) -> None:
    """Add coefficient x attribute for each of n, term after term; a term of nothing is a constant."""
    for term in range(first, last, t.TERM):
        coefficient, attribute = reals[term + t.TERM_COEFFICIENT], words[term + t.TERM_OF]
        values = columns[attribute]
        if attribute == t.NONE:
            for j in range(n):
                out[j] += coefficient
        else:
            for j in range(n):
                out[j] += coefficient * values[j]


@inner
def add_terms_of(words: Words, reals: Reals, first: int, last: int, numbers: Columns, who: Places, out: Reals) -> None:
    """The same for some only: `numbers` are columns, or lives, and `who` the places in them."""
    for term in range(first, last, t.TERM):
        coefficient, attribute = reals[term + t.TERM_COEFFICIENT], words[term + t.TERM_OF]
        values = numbers[attribute]
        if attribute == t.NONE:
            for j in range(len(who)):
                out[j] += coefficient
        else:
            for j in range(len(who)):
                out[j] += coefficient * values[who[j]]
