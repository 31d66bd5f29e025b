"""One model of five states, written four times: as a pathway of ours, in NumPy, in SimPy, and its bare draws.

Seven Weibull events with proportional hazards, clock reset at each entry, 20 years.  The models are written as someone
would who knows the library: nothing slow on purpose, all record the same columns of stays.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Iterator
from typing import NamedTuple

import numba
import numpy as np
import simpy
from numpy.typing import NDArray

from hcc_sim import laws
from hcc_sim.elementary import exp, log
from hcc_sim.luck import uniform
from hcc_sim.pathway.model import Bernoulli, Hazard, Normal, Pathway, State

HORIZON = 20.0  # the model's unit of time is a year; the engine does not mind
STATES = 5
DEAD = 4
MALE = 0.75
DRAWS_A_PATIENT = 4.70


class Event(NamedTuple):
    """H(t) = rate exp(by_age age + by_male male) t^shape, from entry into `state`."""

    state: int
    to: int
    shape: float
    rate: float
    by_age: float
    by_male: float

    @property
    def scale(self) -> float:
        """As a Weibull law's second number: H(t) = (t / scale)^shape."""
        return self.rate ** (-1.0 / self.shape)


EVENTS = (
    Event(0, 1, 1.3, 0.20, 0.10, 0.15),
    Event(0, 2, 0.9, 0.30, -0.20, 0.00),
    Event(0, 4, 1.1, 0.05, 0.30, 0.10),
    Event(1, 4, 1.2, 0.55, 0.20, 0.10),
    Event(2, 3, 0.8, 0.25, 0.05, 0.20),
    Event(2, 4, 1.4, 0.02, 0.40, 0.10),
    Event(3, 4, 1.1, 0.50, 0.15, 0.10),
)

TRUTH = {"dead by 20 years": 0.9894, "median time to death": 3.580, "ever progressed": 0.4615, "recurred": 0.3546}
"""On which several independent engines agreed."""


def pathway() -> Pathway:
    """The model as data."""
    exits: dict[int, list[Hazard]] = {state: [] for state in range(STATES)}
    chosen = {}
    for event in EVENTS:
        name = f"{event.state} to {event.to}"
        chosen[name] = laws.Weibull(event.shape, event.scale)
        scaled_by = {"age": event.by_age, "male": event.by_male}
        exits[event.state].append(Hazard(name, law=name, to=str(event.to), scaled_by=scaled_by))
    return Pathway(
        "five states",
        start="0",
        attributes={"age": Normal(0.0, 1.0), "male": Bernoulli(MALE)},
        laws=chosen,
        states=tuple(State(str(s), tuple(exits[s]), final=s == DEAD) for s in range(STATES)),
    )


# --- NumPy ------------------------------------------------------------------------------------------------------------

NUMPY_BATCH = 50_000
"""Patients at once: as many as the engine holds in memory."""

FASTEST_NUMPY_BATCH = 20_000
"""Where NumPy is fastest of 1,000 to 1,000,000: smaller costs calls, larger leaves the processor's cache."""


class Stays(NamedTuple):
    """Columns of stays as ours are, state by state."""

    patient: NDArray[np.uint64]
    state: NDArray[np.int16]
    entered: NDArray[np.float64]
    left: NDArray[np.float64]
    next_state: NDArray[np.int16]
    ended_by: NDArray[np.int16]


def numpy_stays(patients: int, seed: int, batch: int = NUMPY_BATCH) -> Iterator[Stays]:
    """All patients of a state at once: every state is visited once, since each event leads to a later one."""
    luck = np.random.Generator(np.random.Philox(seed))
    for first in range(0, patients, batch):
        yield _numpy_batch(luck, first, min(batch, patients - first))


def _numpy_batch(luck: np.random.Generator, first: int, n: int) -> Stays:
    age = luck.standard_normal(n)
    male = (luck.random(n) < MALE).astype(np.float64)
    next_of = np.array([*(event.to for event in EVENTS), -1], dtype=np.int16)  # the last for -1, the horizon
    arrivals: dict[int, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {s: [] for s in range(STATES)}
    arrivals[0].append((np.arange(n), np.zeros(n)))
    parts = []
    for state in range(DEAD):
        who, entered = (np.concatenate(column) for column in zip(*arrivals[state], strict=True))
        age_here, male_here = age[who], male[who]
        wait = np.full(len(who), np.inf)
        ended_by = np.full(len(who), -1, dtype=np.int16)
        for number, event in enumerate(EVENTS):
            if event.state == state:
                budget = -np.log(luck.random(len(who)))
                ratio = np.exp(event.by_age * age_here + event.by_male * male_here)
                date = event.scale * (budget / ratio) ** (1.0 / event.shape)
                ended_by[date < wait] = number
                np.minimum(wait, date, out=wait)
        left = entered + wait
        ended_by[left >= HORIZON] = -1
        np.minimum(left, HORIZON, out=left)
        next_state = next_of[ended_by]
        for to in range(state + 1, DEAD):
            moving = next_state == to
            if moving.any():
                arrivals[to].append((who[moving], left[moving]))
        patient = (who + first).astype(np.uint64)
        parts.append((patient, np.full(len(who), state, np.int16), entered, left, next_state, ended_by))
    return Stays(*(np.concatenate(column) for column in zip(*parts, strict=True)))


# --- SimPy ------------------------------------------------------------------------------------------------------------


def simpy_stays(patients: int, seed: int) -> list[tuple[int, int, float, float, int, int]]:
    """One process for each patient, all alive at once."""
    luck = random.Random(seed)
    environment = simpy.Environment()
    stays: list[tuple[int, int, float, float, int, int]] = []
    exits = [
        [(number, event, event.scale, 1.0 / event.shape) for number, event in enumerate(EVENTS) if event.state == state]
        for state in range(STATES)
    ]

    def life(patient: int) -> Generator[simpy.Event, None, None]:
        age, male = luck.gauss(0.0, 1.0), float(luck.random() < MALE)
        state = 0
        while state != DEAD:
            entered = environment.now
            wait, ended_by, to = HORIZON - entered, -1, -1
            for number, event, scale, power in exits[state]:
                ratio = math.exp(event.by_age * age + event.by_male * male)
                date = scale * (luck.expovariate(1.0) / ratio) ** power
                if date < wait:
                    wait, ended_by, to = date, number, event.to
            yield environment.timeout(wait)
            stays.append((patient, state, entered, environment.now, to, ended_by))
            if to == -1:
                return
            state = to

    for patient in range(patients):
        environment.process(life(patient))
    environment.run()
    return stays


# --- the draws alone --------------------------------------------------------------------------------------------------


@numba.njit(error_model="numpy", nogil=True)
def draw(seed: np.uint64, blocks: int, key: np.uint64, power: float, times: NDArray[np.float64]) -> None:
    """Fill `times` with Weibull times, block by block: per draw one Philox number, two logs and an exp, no more."""
    for block in range(blocks):
        first = np.uint64(block) * np.uint64(times.size)
        for j in range(times.size):
            times[j] = exp(power * log(-log(uniform(seed, first + np.uint64(j), key, np.uint64(0)))))


def bare_draws(patients: int, seed: int) -> None:
    """As many draws as the model makes for so many patients: in a loop over one array that stays in the cache."""
    times = np.empty(int(1_000 * DRAWS_A_PATIENT))
    draw(np.uint64(seed), patients // 1_000, np.uint64(1), 0.8, times)
