"""The oracle: one patient at a time, each function one rule of what a pathway means, slowly and in plain Python.

It shares with the engine only luck, the elementary functions, and each law's cumulative hazard H and inverse of H.
Floating-point sums are formed in the order in which the meaning states them, so that the engine can be compared with it
bit for bit.  Times are months since the patient's pathway began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import floor, inf, isfinite, isnan, nan
from typing import Any

from hcc_sim import elementary
from hcc_sim.luck import luck
from hcc_sim.pathway import model
from hcc_sim.pathway.model import (
    Add,
    Arm,
    Bernoulli,
    Branch,
    Condition,
    Count,
    Delay,
    Draw,
    Hazard,
    Linear,
    Mark,
    Normal,
    Ordered,
    Pathway,
    Schedule,
    Service,
    State,
    Test,
    TimedExit,
    TimeSince,
    Uniform,
    Visit,
)

Row = tuple[str, float, float, str | None, str | None]
"""state, entered, left, next state (None at the horizon), ended by (None at the horizon)."""

FARTHEST_VISIT = 2**31


class OracleStop(Exception):
    """The meaning says that the run stops here."""


def life(
    pathway: Pathway,
    values: Mapping[str, float],
    seed: int,
    patient: int,
    horizon_months: float,
    max_stays: int = 10_000,
) -> list[Row]:
    """The stays of one patient.  OracleStop where the run must stop."""
    return Life(pathway, values, seed, patient).lived(horizon_months, max_stays)


@dataclass(frozen=True)
class Risk:
    """What decides how fast an event's budget is spent; two that are equal by value let its date be carried over."""

    law: Any
    origin: float
    log_hazard_ratio: float
    log_time_scale: float

    def spent_until(self, t: float) -> float:
        """H read at the time since the clock's origin, accelerated; not yet multiplied by the hazard ratio."""
        return self.law.cumulative_hazard((t - self.origin) * self.speed)

    @property
    def scale(self) -> float:
        return elementary.exp(self.log_hazard_ratio)

    @property
    def speed(self) -> float:
        return elementary.exp(self.log_time_scale)


@dataclass(frozen=True)
class Running:
    """An event at risk: how its budget is being spent, since when, and the date on which it will be used up."""

    risk: Risk
    since: float
    fires: float


@dataclass
class Alarm:
    """False alarms of a visit: how many numbers were drawn, and which date, counted from which origin, is the next."""

    drawn: int = 0
    visit: float = 0
    origin: float = nan


class Life:
    """One patient: what is true of him, his luck, and his stays so far."""

    def __init__(self, pathway: Pathway, values: Mapping[str, float], seed: int, patient: int) -> None:
        self.pathway = pathway
        self.values = values
        self.seed = seed
        self.patient = patient
        self.laws = {n: w.build(values) if isinstance(w, model.Law) else w for n, w in pathway.laws.items()}

        self.now = 0.0
        self.entry = nan  # of the last timed state
        self.last_timed: State | None = None
        self.attributes: dict[str, float] = {}
        self.epochs = {epoch.name: nan for epoch in pathway.epochs}

        self.drawn = Counter[str]()  # numbers drawn for each attribute
        self.counts = Counter[str]()  # how often each event has struck and each branch has been taken
        self.budgets: dict[str, float] = {}  # what is left of each event's luck; absent until it is first at risk
        self.running: dict[str, Running] = {}  # the events at risk at the last evaluation
        self.alarms: dict[str, Alarm] = {}

        self.rows: list[Row] = []
        self.taken: list[TimedExit | Arm] = []  # the exit behind each row but the horizon's
        self.happened = Counter[str]()  # what no row shows, so that a test can tell that it occurred

    # --- the course of a life -----------------------------------------------------------------------------------------

    def lived(self, horizon: float, max_stays: int) -> list[Row]:
        """From the start to a final state or to the horizon."""
        for name, value in self.pathway.attributes.items():
            self.attributes[name] = self.value(value, name)
        self.do(self.pathway.at_start)
        state = self.pathway.state(self.pathway.start)
        self.enter(state)
        while not state.final:
            date, exit = (self.now, self.choose(state.branch)) if state.branch else self.first_exit(state)
            if len(self.rows) == max_stays:
                raise OracleStop("more stays than allowed")
            if exit is None or date >= horizon:
                self.rows.append((state.name, self.now, horizon, None, None))
                break
            following = self.fire(state, exit, date)
            self.rows.append((state.name, self.now, date, following.name, exit.name))
            self.taken.append(exit)
            self.now = date
            self.move(exit, following)
            state = following
        return self.rows

    def fire(self, state: State, exit: TimedExit | Arm, date: float) -> State:
        """What an exit does at its date, before the patient moves; the state he moves to."""
        if isinstance(exit, Hazard):
            self.counts[exit.event] += 1
            del self.budgets[exit.event], self.running[exit.event]
        elif isinstance(exit, Arm):
            self.counts[state.branch.name] += 1
        began, self.now = self.now, date
        self.do(exit.does)
        self.now = began
        if isinstance(exit, Arm):
            return self.last_timed if exit.to == model.BACK else self.pathway.state(exit.to)
        return state if exit.in_place else self.pathway.state(exit.to)

    def move(self, exit: TimedExit | Arm, to: State) -> None:
        """Enter the next state; staying in place or going back is no entry, unless the exit restarts the clock."""
        if isinstance(exit, Arm):
            if exit.to != model.BACK:
                self.enter(to)
        elif not exit.in_place:
            self.enter(to)
        elif exit.restarts:
            self.entry = self.now

    def enter(self, state: State) -> None:
        """Arrive in a state.  Only timed states have an entry, and a final state does nothing."""
        if state.final:
            return
        if state.branch is None:
            self.entry = self.now
            self.last_timed = state
        self.do(state.on_arrival)

    # --- numbers, conditions, actions -----------------------------------------------------------------------------

    def number(self, amount: model.Amount) -> float:
        return float(self.values[amount]) if isinstance(amount, str) else float(amount)

    def luck(self, name: str, count: int) -> float:
        return luck(self.seed, self.patient, name, count)

    def clock(self, name: str) -> float:
        """The moment from which a clock counts; one that was never started stops the run."""
        origin = self.entry if name == model.ENTRY else self.epochs[name]
        if isnan(origin):
            raise OracleStop(f"the clock {name!r} was never started")
        return origin

    def value(self, value: model.Value, attribute: str | None) -> float:
        """The number behind a value; `attribute` is the one whose luck a draw looks up."""
        match value:
            case Count():
                return float(self.counts[value.of])
            case TimeSince():
                since = self.now - self.clock(value.clock)
                return since if value.exceeds is None else float(since > self.number(value.exceeds))
            case Linear():
                total = self.number(value.constant)
                for name, coefficient in value.terms.items():
                    total += self.number(coefficient) * self.attributes[name]
                return total
            case Normal() | Uniform() | Bernoulli() | Ordered():
                return self.draw(value, attribute)
        return self.number(value)

    def draw(self, value: Draw, attribute: str | None) -> float:
        """A random value, by the attribute's next uniform number."""
        if attribute is None:
            raise OracleStop("a draw that is given to no attribute has no luck")
        chance = self.luck(f"attribute:{attribute}", self.drawn[attribute])
        self.drawn[attribute] += 1
        if isinstance(value, Bernoulli):
            return float(chance <= self.number(value.probability))
        if isinstance(value, Ordered):
            log_odds = 0.0
            for name, coefficient in value.shifted_by.items():
                log_odds += self.number(coefficient) * self.attributes[name]
            odds = elementary.exp(log_odds)
            grade = value.lowest
            share = 1.0
            for onward in value.onward:
                share *= self.number(onward)
                grade += chance * (1.0 - share + share * odds) <= share * odds
            return grade
        inside = chance * (1.0 - 2.0**-53)  # a number of (0, 1]; the normal quantile of 1 is infinite
        low, high = self.number(value.low), self.number(value.high)
        if isinstance(value, Uniform):
            return low + inside * (high - low)
        return self.normal(self.number(value.mean), self.number(value.sd), low, high, inside)

    def normal(self, mean: float, sd: float, low: float, high: float, chance: float) -> float:
        """A normal quantile, truncated."""
        if sd == 0.0:
            return mean
        if low == -inf and high == inf:
            return mean + sd * elementary.normal_quantile(chance)
        below = 0.0 if low == -inf else elementary.normal_cdf((low - mean) / sd)
        up_to = 1.0 if high == inf else elementary.normal_cdf((high - mean) / sd)
        drawn = mean + sd * elementary.normal_quantile(below + chance * (up_to - below))
        return min(max(drawn, low), high)

    def holds(self, when: Condition | str | None) -> bool:
        """Whether any clause has only tests that pass; an attribute's name alone means that it is not zero."""
        if when is None:
            return True
        if isinstance(when, str):
            return self.attributes[when] != 0.0
        return any(all(self.passes(test) for test in clause) for clause in when.clauses)

    def passes(self, test: Test) -> bool:
        given, than = self.attributes[test.attribute], self.number(test.than)
        match test.comparison:
            case "==":
                return given == than
            case "!=":
                return given != than
            case "<":
                return given < than
            case "<=":
                return given <= than
            case ">":
                return given > than
            case ">=":
                return given >= than
        raise AssertionError(test.comparison)

    def do(self, actions: Iterable[model.Action]) -> None:
        """Actions in order, each if its condition holds after the ones before."""
        for action in actions:
            if not self.holds(action.when):
                continue
            if isinstance(action, Mark):
                self.mark(action)
                continue
            value = self.value(action.value, action.attribute)
            if isinstance(action, Add):
                value += self.attributes[action.attribute]
            if isnan(value):
                raise OracleStop(f"what {action.attribute!r} becomes is not a number")
            self.attributes[action.attribute] = value

    def mark(self, action: Mark) -> None:
        """Start an epoch; of one declared `first` only the first occurrence counts."""
        epoch = next(e for e in self.pathway.epochs if e.name == action.epoch)
        if not epoch.first or isnan(self.epochs[epoch.name]):
            self.epochs[epoch.name] = self.now + self.value(action.shift, None)

    # --- branches -----------------------------------------------------------------------------------------------------

    def choose(self, branch: Branch) -> Arm:
        """The arm that a uniform number falls on, among those whose condition holds."""
        arms = [arm for arm in branch.arms if self.holds(arm.when)]
        weights = self.weights(arms)
        total = 0.0
        for weight in weights:
            total += weight
        if not isfinite(total):
            raise OracleStop("a weight is infinite or not a number")
        possible = [(arm, weight) for arm, weight in zip(arms, weights, strict=True) if weight > 0.0]
        if not possible:
            raise OracleStop("no arm is left")
        chance = self.luck(f"branch:{branch.name}", self.counts[branch.name])
        cumulative = 0.0
        for arm, weight in possible:
            cumulative += weight / total
            if chance <= cumulative:
                return arm
        return possible[-1][0]

    def weights(self, arms: list[Arm]) -> list[float]:
        """Each active arm's weight times exp(shift); `rest` is what the other active arms leave over of 1."""
        taken = 0.0
        for arm in arms:
            if arm.weight != model.REST:
                taken += self.number(arm.weight)
        if 1.0 - taken < -1e-9 and any(arm.weight == model.REST for arm in arms):
            raise OracleStop("the weights leave less than nothing over")
        weights = []
        for arm in arms:
            weight = max(0.0, 1.0 - taken) if arm.weight == model.REST else self.number(arm.weight)
            if arm.shifted_by:
                weight *= elementary.exp(self.linear(arm.shifted_by))
            weights.append(weight)
        return weights

    def linear(self, coefficients: Mapping[str, model.Amount]) -> float:
        total = 0.0
        for name, coefficient in coefficients.items():
            total += self.number(coefficient) * self.attributes[name]
        return total

    # --- timed states -------------------------------------------------------------------------------------------------

    def first_exit(self, state: State) -> tuple[float, TimedExit | None]:
        """The earliest exit and its date; of equally early ones the one declared first; none if none ever comes."""
        exits = [exit for exit in self.pathway.exits_of(state) if self.holds(exit.when)]
        risks = {exit.event: self.risk(exit) for exit in exits if isinstance(exit, Hazard)}
        self.settle(risks)
        for event, risk in risks.items():
            self.run(event, risk)
        earliest, first = inf, None
        for exit in exits:
            date = self.date(exit)
            if isnan(date):
                raise OracleStop(f"the date of {exit.name!r} is not a number")
            if date < earliest:
                earliest, first = date, exit
        return earliest, first

    def date(self, exit: TimedExit) -> float:
        match exit:
            case Hazard():
                return self.running[exit.event].fires
            case Delay():
                return max(self.past_origin(exit.since) + self.number(exit.duration_months), self.now)
            case Service():
                return max(self.entry + self.number(exit.wait_months), self.now)
            case Visit():
                origin = self.past_origin(exit.schedule.since)
                if exit.probability is None:
                    return self.next_visit(exit.schedule, origin)
                return self.next_false_alarm(exit, origin)
        raise AssertionError(exit)

    def past_origin(self, clock: str) -> float:
        """A clock's origin; one that lies ahead stops the run."""
        origin = self.clock(clock)
        if self.now < origin:
            raise OracleStop(f"the clock {clock!r} starts only at {origin}")
        return origin

    # --- hazards: budgets of luck -------------------------------------------------------------------------------------

    def risk(self, hazard: Hazard) -> Risk:
        """How fast a hazard is spent now."""
        log_hazard_ratio = self.linear(hazard.scaled_by)
        for name, ratio in hazard.hazard_ratios.items():
            log_ratio = elementary.log(self.number(ratio))
            log_hazard_ratio += log_ratio if name is None else log_ratio * self.attributes[name]
        log_time_scale = self.linear(hazard.accelerated_by)
        return Risk(self.law_of(hazard), self.past_origin(hazard.since), log_hazard_ratio, log_time_scale)

    def law_of(self, hazard: Hazard) -> Any:
        """The law that a hazard names, or the one that an attribute chooses from several."""
        if hazard.law_by is None:
            return self.laws[hazard.law]
        chosen = self.attributes[hazard.law_by]
        if not 0.0 <= chosen < len(hazard.law) or chosen != int(chosen):
            raise OracleStop(f"{hazard.law_by!r} is {chosen}, which chooses no law")
        return self.laws[hazard.law[int(chosen)]]

    def settle(self, risks: Mapping[str, Risk]) -> None:
        """Pay for the time at risk of every event that is at risk no more, or differently.

        Nothing is settled, and the date stands to the last bit, where nothing has changed.
        """
        for event, running in list(self.running.items()):
            if risks.get(event) == running.risk:
                self.happened["carried over"] += 1
                continue
            self.happened["settled" if event in risks else "put to rest"] += 1
            spent = running.risk.spent_until(self.now) - running.risk.spent_until(running.since)
            self.budgets[event] = max(0.0, self.budgets[event] - spent * running.risk.scale)
            del self.running[event]

    def run(self, event: str, risk: Risk) -> None:
        """Spend an event's budget from now on, unless it is being spent at this rate already."""
        if event in self.running:
            return
        if event not in self.budgets:
            self.budgets[event] = -elementary.log(self.luck(f"event:{event}", self.counts[event]))
        elif self.budgets[event] > 0.0:
            self.happened["resumed"] += 1
        exhausted = risk.spent_until(self.now) + divided(self.budgets[event], risk.scale)
        since_origin = divided(risk.law.inverse_cumulative_hazard(exhausted), risk.speed)
        fires = risk.origin + since_origin
        self.running[event] = Running(risk, self.now, fires if isnan(fires) else max(self.now, fires))

    # --- visits -------------------------------------------------------------------------------------------------------

    def pieces(self, schedule: Schedule) -> list[tuple[float, float, float]]:
        """(visits, base, interval) of each piece: the visits that fit before its end, in the last piece all."""
        pieces = []
        base = 0.0
        *before, (_, last) = schedule.pieces()
        for until, interval in before:
            d = self.number(interval)
            if d == inf:  # a pause
                base = self.number(until)
                continue
            visits = max(0, floor((self.number(until) - base) / d + 1e-9))
            if visits > 0:
                pieces.append((visits, base, d))
                base += visits * d
        d = self.number(last)
        return pieces if d == inf else [*pieces, (inf, base, d)]

    def visit_date(self, schedule: Schedule, origin: float, k: float) -> float:
        """The date of the k-th visit, k = 1, 2, ...; inf where the schedule has ended."""
        if k > FARTHEST_VISIT:
            return inf
        before = 0
        for visits, base, interval in self.pieces(schedule):
            if k - before <= visits:
                scatter = self.number(schedule.scatter) * (self.luck(f"visit:{schedule.name}", k) - 0.5)
                return origin + (base + (k - before + scatter) * interval)
            before += visits
        return inf

    def next_visit(self, schedule: Schedule, origin: float) -> float:
        """The date of the smallest k that lies after now."""
        k = 1
        while self.visit_date(schedule, origin, k) <= self.now:
            k += 1
        return self.visit_date(schedule, origin, k)

    def next_false_alarm(self, visit: Visit, origin: float) -> float:
        """The next visit that shows what is not there; the number of visits up to the next one is geometric."""
        probability = self.number(visit.probability)
        if probability == 0.0:
            return inf
        alarm = self.alarms.setdefault(visit.name, Alarm())
        if alarm.drawn == 0 or alarm.origin != origin:
            alarm.visit, alarm.origin = 0, origin
            self.draw_false_alarm(alarm, visit.name, probability)
        while self.visit_date(visit.schedule, origin, alarm.visit) <= self.now:
            self.draw_false_alarm(alarm, visit.name, probability)
        return self.visit_date(visit.schedule, origin, alarm.visit)

    def draw_false_alarm(self, alarm: Alarm, name: str, probability: float) -> None:
        """Move on by a geometric number of visits."""
        alarm.drawn += 1
        failures = 0.0
        if probability < 1.0:
            chance = self.luck(f"visit:{name}", alarm.drawn)
            failures = divided(elementary.log(chance), elementary.log1p(-probability))
        alarm.visit += 1 + (floor(failures) if failures < FARTHEST_VISIT else FARTHEST_VISIT)


def divided(a: float, b: float) -> float:
    """a / b as IEEE 754 has it: inf or nan where b is 0."""
    if b == 0.0:
        return nan if a == 0.0 or isnan(a) else inf if a > 0.0 else -inf
    return a / b
