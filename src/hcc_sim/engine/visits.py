"""Visits: dates on a schedule, and false alarms, which are some of these dates drawn by chance."""

from __future__ import annotations

import numpy as np

from hcc_sim.compiled import inner
from hcc_sim.elementary import log, log1p
from hcc_sim.engine import tables as t
from hcc_sim.engine.block import DATE, NOW, ORIGIN, WHO, Block, Group
from hcc_sim.engine.tables import Lives, Reals, Words
from hcc_sim.luck import uniform

LAST_VISIT = 2.0**31
"""A false alarm beyond this visit never comes."""


@inner
def visit_date(
    words: Words, reals: Reals, schedule: int, k: int, origin: float, seed: np.uint64, patient: np.uint64
) -> float:
    """The date of the k-th visit, k = 1, 2, ...; inf if the schedule has come to an interval of `never`."""
    piece = words[schedule + t.D_PIECE]
    while piece + t.PIECE < words[schedule + t.D_PIECE_END] and k > words[piece + t.PIECE + t.P_COUNT]:
        piece += t.PIECE
    interval = reals[piece + t.P_INTERVAL]
    if interval == np.inf:
        return np.inf
    step = float(k - words[piece + t.P_COUNT])
    scatter = reals[schedule + t.D_SCATTER]
    if scatter > 0.0:
        step += scatter * (uniform(seed, patient, np.uint64(words[schedule + t.D_KEY]), np.uint64(k)) - 0.5)
    return origin + (reals[piece + t.P_BASE] + step * interval)


@inner
def next_visit(
    words: Words, reals: Reals, schedule: int, origin: float, now: float, seed: np.uint64, patient: np.uint64
) -> float:
    """The first date of a schedule that is later than now."""
    elapsed = now - origin
    piece = words[schedule + t.D_PIECE]
    while piece + t.PIECE < words[schedule + t.D_PIECE_END] and elapsed >= reals[piece + t.P_END]:
        piece += t.PIECE
    k = words[piece + t.P_COUNT]
    if reals[piece + t.P_INTERVAL] < np.inf:
        k += int(np.floor((elapsed - reals[piece + t.P_BASE]) / reals[piece + t.P_INTERVAL]))
    k = max(k - 1, 1)  # scatter moves a date by less than one interval, so an earlier one cannot be due
    date = visit_date(words, reals, schedule, k, origin, seed, patient)
    while date <= now:
        k += 1
        date = visit_date(words, reals, schedule, k, origin, seed, patient)
    return date


@inner
def next_visits(words: Words, reals: Reals, block: Block, exit: int, may: Group, m: int, seed: np.uint64) -> None:
    """The next dates on which those who may take an exit are seen."""
    schedule = words[exit + t.X_SCHEDULE]
    now, origin, date, who = may.reals[NOW], may.reals[ORIGIN], may.reals[DATE], may.places[WHO]
    for j in range(m):
        patient = block.first_patient[0] + np.uint64(who[j])
        date[j] = next_visit(words, reals, schedule, origin[j], now[j], seed, patient)


@inner
def visits_to_alarm(probability: float, key: np.uint64, alarm: np.uint64, seed: np.uint64, patient: np.uint64) -> float:
    """A geometric number of visits, the last of which is the alarm."""
    if probability >= 1.0:
        return 1.0
    return 1.0 + np.floor(log(uniform(seed, patient, key, alarm)) / log1p(-probability))


@inner
def next_alarm(
    words: Words, reals: Reals, lives: Lives, exit: int, origin: float, p: int, seed: np.uint64, patient: np.uint64
) -> float:
    """The first false alarm later than now; the visits between alarms are geometric numbers."""
    probability = reals[exit + t.X_PROBABILITY]
    if probability == 0.0:
        return np.inf
    schedule, alarm = words[exit + t.X_SCHEDULE], words[exit + t.X_ALARM]
    visit = lives[alarm + t.ALARM_VISIT, p]
    date = -np.inf
    if lives[alarm + t.ALARMS_DRAWN, p] == 0.0 or lives[alarm + t.ALARM_ORIGIN, p] != origin:
        lives[alarm + t.ALARM_ORIGIN, p] = origin
        visit = 0.0
    elif visit <= LAST_VISIT:
        date = visit_date(words, reals, schedule, int(visit), origin, seed, patient)
    while visit <= LAST_VISIT and date <= lives[t.NOW, p]:
        lives[alarm + t.ALARMS_DRAWN, p] += 1.0
        drawn = np.uint64(lives[alarm + t.ALARMS_DRAWN, p])
        visit += visits_to_alarm(probability, np.uint64(words[exit + t.X_KEY]), drawn, seed, patient)
        date = np.inf
        if visit <= LAST_VISIT:
            date = visit_date(words, reals, schedule, int(visit), origin, seed, patient)
    lives[alarm + t.ALARM_VISIT, p] = visit
    return date if visit <= LAST_VISIT else np.inf


@inner
def next_alarms(words: Words, reals: Reals, block: Block, exit: int, may: Group, m: int, seed: np.uint64) -> None:
    """The dates of the next false alarms of those who may take an exit."""
    origin, date, who = may.reals[ORIGIN], may.reals[DATE], may.places[WHO]
    for j in range(m):
        patient = block.first_patient[0] + np.uint64(who[j])
        date[j] = next_alarm(words, reals, block.lives, exit, origin[j], who[j], seed, patient)
