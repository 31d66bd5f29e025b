"""The engine against the oracle, stay for stay and bit for bit; the oracle against answers worked out by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from math import exp, inf, log, sqrt

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from oracle import Life, OracleStop, Risk, Row, life
from random_pathways import Example, examples
from scipy.stats import truncnorm

from hcc_sim import laws
from hcc_sim.engine import EngineError, compile_pathway, simulate_all
from hcc_sim.luck import luck
from hcc_sim.pathway import model
from hcc_sim.pathway.model import (
    BACK,
    REST,
    Add,
    Arm,
    Bernoulli,
    Branch,
    Count,
    Delay,
    Epoch,
    Hazard,
    Mark,
    Normal,
    Pathway,
    Schedule,
    Service,
    Set,
    State,
    TimeSince,
    Uniform,
    Visit,
    when,
)

Z = 4.0
"""Width of every statistical tolerance in standard errors; with a fixed seed a test passes always or fails always."""

EXAMPLES, PATIENTS = 200, 20
END = State("end", final=True)


# --- the engine against the oracle ------------------------------------------------------------------------------------

SEEDS = (0, 1, 20240502, 2**64 - 1)
FIRST_PATIENTS = (0, 970, 2**32 - 10, 2**63 + 5)
OCCURRENCES = 10
"""How often each word of the vocabulary must have ended a stay or decided one, at least."""


def engine_lives(example: Example, seed: int, first: int, patients: int) -> dict[int, list[Row]]:
    """The stays of each patient by the engine, in the oracle's terms."""
    program = compile_pathway(example.pathway, example.values)
    stays = simulate_all(
        program,
        seed=seed,
        patients=patients,
        first_patient=first,
        horizon_months=example.horizon_months,
        threads=1,
        max_stays=example.max_stays,
    )
    states, exits = [*program.state_names, None], [*program.exit_names, None]
    lives: dict[int, list[Row]] = {first + i: [] for i in range(patients)}
    columns = (stays.patient, stays.state, stays.entered_months, stays.left_months, stays.next_state, stays.ended_by)
    for patient, state, entered, left, following, exit in zip(*(c.tolist() for c in columns), strict=True):
        lives[patient].append((states[state], entered, left, states[following], exits[exit]))
    return lives


def oracle_lives(
    example: Example, seed: int, first: int, oracle: type[Life] = Life
) -> Iterator[tuple[int, Life, bool]]:
    """Each patient, his life, and whether the run stopped in it."""
    for patient in range(first, first + PATIENTS):
        lived = oracle(example.pathway, example.values, seed, patient)
        try:
            lived.lived(example.horizon_months, example.max_stays)
        except OracleStop:
            yield patient, lived, True
        else:
            yield patient, lived, False


def assert_agreement(example: Example, seed: int, first: int) -> list[Life]:
    """The engine has the oracle's stays, and raises where the oracle stops; the lives that ran to their end."""
    lived = list(oracle_lives(example, seed, first))
    if not any(stopped for _, _, stopped in lived):
        found = engine_lives(example, seed, first, PATIENTS)
        for patient, oracle, _ in lived:
            assert found[patient] == oracle.rows, patient
    else:
        with pytest.raises(EngineError):
            engine_lives(example, seed, first, PATIENTS)
        for patient, oracle, stopped in lived:
            if stopped:
                with pytest.raises(EngineError, match=str(patient)):
                    engine_lives(example, seed, patient, 1)
            else:
                assert engine_lives(example, seed, patient, 1)[patient] == oracle.rows, patient
    return [oracle for _, oracle, stopped in lived if not stopped]


def words_in(lived: Life) -> Counter[str]:
    """What ended this patient's stays, word by word."""
    words = Counter(lived.happened)
    words["beyond 2^32"] += lived.patient >= 2**32
    for exit, row in zip(lived.taken, lived.rows, strict=False):
        words[type(exit).__name__] += 1
        words["in place"] += getattr(exit, "in_place", False)
        words["restart"] += getattr(exit, "restarts", False)
        words["everywhere"] += exit in lived.pathway.everywhere
        words["date passed"] += isinstance(exit, Delay) and row[1] == row[2]
        for action in exit.does:
            words[type(action).__name__] += 1
            words[type(getattr(action, "value", None)).__name__] += 1
        match exit:
            case Arm():
                words["back"] += exit.to == BACK
                words["rest"] += exit.weight == REST
                words["shift"] += bool(exit.shifted_by)
                words["condition of an arm"] += exit.when is not None
            case Visit():
                words["false alarm"] += exit.probability is not None
                words["scatter"] += lived.number(exit.schedule.scatter) > 0.0
                words["pieces"] += isinstance(exit.schedule.interval_months, tuple)
                words[f"clock {exit.schedule.since}"] += 1
            case Delay():
                words[f"clock {exit.since}"] += 1
            case Hazard():
                words[f"clock {exit.since}"] += 1
                words["law by attribute"] += exit.law_by is not None
                words["scaled"] += bool(exit.scaled_by)
                words["hazard ratio"] += bool(exit.hazard_ratios)
                words["accelerated"] += bool(exit.accelerated_by)
                law = exit.law if isinstance(exit.law, str) else exit.law[0]
                words[type(lived.laws[law]).__name__] += 1
                words["defective Gompertz"] += getattr(lived.laws[law], "shape_per_month", 0.0) < 0.0
    return words


REQUIRED = (
    *("Hazard", "Delay", "Visit", "Service", "Arm", "in place", "restart", "everywhere", "date passed", "back", "rest"),
    *("Exponential", "Weibull", "Gompertz", "defective Gompertz", "LogNormal", "PiecewiseExponential", "CuredShare"),
    *("clock entry", "clock latest", "clock first", "clock birth", "clock found", "scatter", "pieces", "false alarm"),
    *("law by attribute", "scaled", "hazard ratio", "accelerated", "shift", "condition of an arm"),
    *("beyond 2^32", "stops", "carried over", "settled", "put to rest", "resumed"),
    *("Mark", "Set", "Add", "Normal", "Uniform", "Bernoulli", "Ordered", "Count", "TimeSince", "Linear"),
)


class DrawsAnewInEveryState(Life):
    def settle(self, risks: dict[str, Risk]) -> None:
        for event in list(self.running):
            if risks.get(event) != self.running[event].risk:
                del self.running[event], self.budgets[event]
                self.counts[event] += 1


class NeverCarriesOver(Life):
    """Right but for the last bits: what it gives away is only the rounding of a needless settlement."""

    def settle(self, risks: dict[str, Risk]) -> None:
        super().settle({})


class CarriesOverWhatChanged(Life):
    def settle(self, risks: dict[str, Risk]) -> None:
        super().settle({event: self.running[event].risk if event in self.running else risks[event] for event in risks})


class ForgetsTheCount(Life):
    def luck(self, name: str, count: int) -> float:
        return super().luck(name, 0 if name.startswith("event:") else count)


class CountsBranchesFromOne(Life):
    def luck(self, name: str, count: int) -> float:
        return super().luck(name, count + name.startswith("branch:"))


class BackIsAnEntry(Life):
    def move(self, exit: model.TimedExit | Arm, to: State) -> None:
        super().move(exit, to)
        self.entry = self.now if to.branch is None else self.entry


class RemarksFirstEpochs(Life):
    def mark(self, action: Mark) -> None:
        self.epochs[action.epoch] = self.now + self.value(action.shift, None)


class VisitsOnTime(Life):
    def luck(self, name: str, count: int) -> float:
        return 0.5 if name.startswith("visit:schedule") else super().luck(name, count)


class DrawsFalseAlarmsAfresh(Life):
    def next_false_alarm(self, visit: Visit, origin: float) -> float:
        self.alarms.pop(visit.name, None)
        return super().next_false_alarm(visit, origin)


class TiesToTheLast(Life):
    def first_exit(self, state: State) -> tuple[float, model.TimedExit | None]:
        earliest, _ = super().first_exit(state)
        exits = [exit for exit in self.pathway.exits_of(state) if self.holds(exit.when)]
        dates = [self.date(exit) for exit in exits]
        return earliest, next((e for e, d in zip(exits[::-1], dates[::-1], strict=True) if d == earliest < inf), None)


class NoRest(Life):
    """Budgets go on being spent while an event is no exit of the state."""

    def settle(self, risks: dict[str, Risk]) -> None:
        super().settle({event: running.risk for event, running in self.running.items()} | risks)


WRONG = (
    DrawsAnewInEveryState,
    NeverCarriesOver,
    CarriesOverWhatChanged,
    ForgetsTheCount,
    CountsBranchesFromOne,
    BackIsAnEntry,
    RemarksFirstEpochs,
    VisitsOnTime,
    DrawsFalseAlarmsAfresh,
    TiesToTheLast,
    NoRest,
)


def differs(wrong: type[Life], example: Example, right: Life) -> bool:
    """Whether a wrong meaning gives this patient another life, or none."""
    other = wrong(example.pathway, example.values, right.seed, right.patient)
    try:
        return other.lived(example.horizon_months, example.max_stays) != right.rows
    except (OracleStop, KeyError, ValueError):
        return True


def test_engine_and_oracle_agree_stay_for_stay_on_random_pathways():
    agreed: list[tuple[Example, list[Life]]] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        phases=[Phase.generate, Phase.shrink],
    )
    @given(examples(), st.sampled_from(SEEDS), st.sampled_from(FIRST_PATIENTS))
    def agree(example: Example, seed: int, first: int) -> None:
        agreed.append((example, assert_agreement(example, seed, first)))

    agree()
    seen = Counter[str]()
    for _, lives in agreed:
        seen["stops"] += PATIENTS - len(lives)
        for lived in lives:
            seen.update(words_in(lived))
    for word in REQUIRED:
        assert seen[word] >= OCCURRENCES, f"{word!r} occurred only {seen[word]} times in {dict(seen)}"
    # A comparison is worth what it can tell apart: each of these wrong meanings must give other lives somewhere.
    for wrong in WRONG:
        assert any(differs(wrong, example, right) for example, lives in agreed for right in lives[::4]), wrong


# --- where a run stops ------------------------------------------------------------------------------------------------


def small(*states: State, **more: object) -> Example:
    """A pathway of some states and an end, followed for ten years."""
    given = {"title": "small", "start": states[0].name, "states": (*states, END)} | more
    return Example(Pathway(**given), {}, 120.0, 50)  # type: ignore[arg-type]


def one_exit(*exits: model.Exit, **more: object) -> Example:
    return small(State("start", exits), **more)


TEN = laws.Exponential(0.1)
MAYBE = {"no": 0.0, "kind": 2.0, "yes": 1.0}

STOPS = {
    "a hazard's clock was never started": one_exit(
        Hazard("a", "ten", to="end", since="e"),
        laws={"ten": TEN},
        attributes=MAYBE,
        epochs=(Epoch("e"),),
        at_start=(Mark("e", when="no"),),
    ),
    "a hazard's clock lies ahead": one_exit(
        Hazard("a", "ten", to="end", since="e"),
        laws={"ten": TEN},
        epochs=(Epoch("e"),),
        at_start=(Mark("e", shift=1.0),),
    ),
    "a delay's clock was never started": one_exit(
        Delay(1.0, to="end", since="e"), attributes=MAYBE, epochs=(Epoch("e"),), at_start=(Mark("e", when="no"),)
    ),
    "a delay's clock lies ahead": one_exit(
        Delay(1.0, to="end", since="e"), epochs=(Epoch("e"),), at_start=(Mark("e", shift=1.0),)
    ),
    "a visit's clock was never started": one_exit(
        Visit("v", Schedule("v", 3.0, since="e"), to="end"),
        attributes=MAYBE,
        epochs=(Epoch("e"),),
        at_start=(Mark("e", when="no"),),
    ),
    "a visit's clock lies ahead": one_exit(
        Visit("v", Schedule("v", 3.0, since="e"), to="end"), epochs=(Epoch("e"),), at_start=(Mark("e", shift=1.0),)
    ),
    "an attribute chooses no law": one_exit(
        Hazard("a", ("ten", "ten"), law_by="kind", to="end"), laws={"ten": TEN}, attributes=MAYBE
    ),
    "time since what never was": one_exit(
        Delay(1.0, to="end", does=(Set("no", TimeSince("e")),)), attributes=MAYBE, epochs=(Epoch("e"),)
    ),
    "no arm is left": small(
        State("start", (Delay(1.0, to="fork"),)),
        State("fork", (Branch("fork", (Arm("end", 0.5, when="no"), Arm("start", 0.5, when="no"))),)),
        attributes=MAYBE,
    ),
    "the rest is less than nothing": small(
        State("start", (Delay(1.0, to="fork"),)),
        State(
            "fork",
            (Branch("fork", (Arm("end", 0.7, when=~when("no")), Arm("end", 0.4, "b", when="yes"), Arm("start"))),),
        ),
        attributes=MAYBE,
    ),
    "more stays than allowed": one_exit(
        Delay(1.0, name="again", in_place=True, restarts=True), Delay(inf, to="end", name="never")
    ),
}


@pytest.mark.parametrize("example", STOPS.values(), ids=STOPS.keys())
def test_engine_raises_where_the_oracle_stops(example: Example):
    with pytest.raises(OracleStop):
        life(example.pathway, example.values, 7, 12345, example.horizon_months, example.max_stays)
    with pytest.raises(EngineError, match="12345"):
        engine_lives(example, 7, 12345, 1)


def test_as_many_stays_as_allowed_do_not_stop_a_run():
    monthly = one_exit(Delay(1.0, name="again", in_place=True, restarts=True), Delay(inf, to="end", name="never"))
    example = Example(monthly.pathway, {}, 50.0, 50)
    (patient,) = engine_lives(example, 7, 3, 1).values()
    assert len(patient) == 50
    assert patient == life(example.pathway, {}, 7, 3, 50.0, 50)
    for stop, max_stays in ((OracleStop, 49), (OracleStop, 1)):
        with pytest.raises(stop):
            life(example.pathway, {}, 7, 3, 50.0, max_stays)
    with pytest.raises(EngineError):
        engine_lives(Example(monthly.pathway, {}, 50.0, 49), 7, 3, 1)


# --- the oracle against answers worked out by hand --------------------------------------------------------------------

MANY = 4_000
SEED = 20240502


def many(example: Example, seed: int = SEED, patients: int = MANY) -> list[list[Row]]:
    return [
        life(example.pathway, example.values, seed, i, example.horizon_months, example.max_stays)
        for i in range(patients)
    ]


def assert_share(hits: int, trials: int, expected: float, wrong: float) -> None:
    """A share agrees with its known value, within a band that the wrong model's value lies outside of."""
    band = Z * sqrt(expected * (1.0 - expected) / trials)
    assert abs(wrong - expected) > 2.0 * band, "too few patients to see such an error"
    assert abs(hits / trials - expected) < band
    assert abs(hits / trials - wrong) > band


def assert_mean(sample: list[float], expected: float, wrong: float) -> None:
    """A mean agrees with its known value, within a band that the wrong model's value lies outside of."""
    mean = sum(sample) / len(sample)
    sd = sqrt(sum((x - mean) ** 2 for x in sample) / (len(sample) - 1))
    band = Z * sd / sqrt(len(sample))
    assert abs(wrong - expected) > 2.0 * band, "too few patients to see such an error"
    assert abs(mean - expected) < band
    assert abs(mean - wrong) > band


def budget(patient: int, event: str, count: int = 0) -> float:
    """E = -log U, by the library's logarithm."""
    return -log(luck(SEED, patient, f"event:{event}", count))


def test_competing_exponentials_split_by_rate():
    example = one_exit(
        Hazard("a", "slow", to="end"),
        Hazard("b", "fast", to="end"),
        laws={"slow": laws.Exponential(0.05), "fast": laws.Exponential(0.1)},
    )
    example = Example(example.pathway, {}, inf, 50)
    rows = [stays[0] for stays in many(example)]
    # P(a first) = 0.05 / 0.15, and the first of both comes at rate 0.15; wrong: 0.06 for 0.05 would give 0.375 and 6.25
    assert_share(sum(row[4] == "a" for row in rows), MANY, expected=1 / 3, wrong=0.4)
    assert_mean([row[2] for row in rows], expected=1 / 0.15, wrong=1 / 0.2)


def two_states(hazard_ratio: float) -> Example:
    """Six months in one place, then the same event with a hazard ratio."""
    return small(
        State("before", (Hazard("a", "law", to="end"), Delay(6.0, to="after", name="operation"))),
        State("after", (Hazard("a", "law", to="end", hazard_ratios={None: hazard_ratio}),)),
        laws={"law": TEN},
    )


@pytest.mark.parametrize("hazard_ratio", [0.7, 1.0, 1.6])
def test_a_budget_is_spent_across_states(hazard_ratio: float):
    lives = many(two_states(hazard_ratio), patients=300)
    crossed = 0
    for i, rows in enumerate(lives):
        e = budget(i, "a")
        if e <= 0.6:
            assert rows == [("before", 0.0, pytest.approx(e / 0.1, rel=1e-12), "end", "a")]
            continue
        crossed += 1
        date = 6.0 + (e - 0.6) / (0.1 * hazard_ratio)
        assert rows[0] == ("before", 0.0, 6.0, "after", "operation")
        if date < 120.0:
            assert rows[1] == ("after", 6.0, pytest.approx(date, rel=1e-12), "end", "a")
            # wrong models: drawn anew, and without the hazard ratio
            assert rows[1][2] != pytest.approx(6.0 + budget(i, "a", 1) / (0.1 * hazard_ratio), rel=1e-6)
            assert hazard_ratio == 1.0 or rows[1][2] != pytest.approx(6.0 + (e - 0.6) / 0.1, rel=1e-6)
        else:
            assert rows[1] == ("after", 6.0, 120.0, None, None)
    assert 100 < crossed < 220  # exp(-0.6) = 0.55 of 300


def test_a_hazard_ratio_across_states_has_its_distribution():
    alive = sum(rows[-1][2] > 20.0 for rows in many(two_states(0.5)))
    # S(20) = exp(-0.6 - 14 x 0.05)
    assert_share(alive, MANY, expected=exp(-1.3), wrong=exp(-2.0))


def test_a_clock_that_began_earlier_reads_the_law_further_on():
    example = small(
        State("before", (Delay(6.0, to="after", name="d"),)),
        State("after", (Hazard("a", "law", to="end", since="begin", scaled_by={"x": 0.5}),)),
        laws={"law": laws.Weibull(2.0, 20.0)},
        attributes={"x": 2.0},
        epochs=(Epoch("begin"),),
        at_start=(Mark("begin", shift=-4.0),),
    )
    for i, rows in enumerate(many(example, patients=50)):
        # ((6 + 4) / 20)^2 is behind him; the rest is spent at exp(1) times the rate
        date = -4.0 + 20.0 * sqrt(0.25 + budget(i, "a") / exp(1.0))
        assert rows[1][1:3] == (6.0, pytest.approx(date, rel=1e-12))
        assert date != pytest.approx(6.0 + 20.0 * sqrt(budget(i, "a") / exp(1.0)), rel=1e-6)


def test_accelerated_time_reads_the_law_at_a_multiple_of_the_time():
    example = one_exit(
        Hazard("a", "law", to="end", accelerated_by={"x": 0.5}),
        laws={"law": laws.Weibull(2.0, 20.0)},
        attributes={"x": 2.0},
    )
    for i, rows in enumerate(many(example, patients=50)):
        assert rows[0][2] == pytest.approx(20.0 * sqrt(budget(i, "a")) / exp(1.0), rel=1e-12)


def test_a_budget_rests_while_its_condition_fails():
    example = small(
        State("s", (Hazard("a", "law", to="end", when="on"), Delay(2.0, to="t", name="d", does=(Set("on", 0.0),)))),
        State("t", (Hazard("a", "law", to="end", when="on"), Delay(5.0, to="u", name="d", does=(Set("on", 1.0),)))),
        State("u", (Hazard("a", "law", to="end"),)),
        laws={"law": TEN},
        attributes={"on": 1.0},
    )
    reached = 0
    for i, rows in enumerate(many(example, patients=60)):
        e = budget(i, "a")
        if e > 0.2 and rows[-1][4] == "a":
            reached += 1
            assert [row[0] for row in rows] == ["s", "t", "u"]
            assert rows[-1][2] == pytest.approx(7.0 + (e - 0.2) / 0.1, rel=1e-12)
    assert reached > 30


def test_a_life_worked_by_hand_with_a_recurring_event_a_branch_and_back():
    """A lesion grows in place, a scan is read, the reader misses it and the patient goes back; then he is operated."""
    pathway = Pathway(
        title="by hand",
        start="watched",
        states=(
            State(
                "watched",
                (
                    Hazard("growth", "law", in_place=True, does=(Mark("grown"), Add("lesions", 1.0))),
                    Delay(5.0, to="read", since="grown", when="lesions", name="scan"),
                    Service("theatre", 60.0, to="end"),
                ),
            ),
            State(
                "read",
                (
                    Branch(
                        "reading",
                        (
                            Arm(BACK, 0.4, "missed", does=(Set("lesions", 0.0),)),
                            Arm("operated", 0.2, "small", shifted_by={"lesions": log(2.0)}),
                            Arm("operated", REST, "large", when=when("age", ">", 50.0)),
                        ),
                    ),
                ),
                on_arrival=(Set("waited", TimeSince("entry")), Set("late", TimeSince("entry", exceeds=20.0))),
            ),
            State("operated", (Delay(3.0, to="end", name="stay"),), on_arrival=(Set("n", Count("growth")),)),
            END,
        ),
        laws={"law": laws.Exponential(0.2)},
        attributes={"lesions": 0.0, "age": Uniform(40.0, 80.0), "waited": 0.0, "late": 0.0, "n": 0.0},
        epochs=(Epoch("grown"),),
    )
    seen = Counter[str]()
    for i in range(40):
        lived = Life(pathway, {}, SEED, i)
        rows = lived.lived(50.0, 100)
        age = 40.0 + 40.0 * luck(SEED, i, "attribute:age", 0)
        t, expected, growths, readings, lesions = 0.0, [], 0, 0, 0
        grown = None
        growth_date = budget(i, "growth") / 0.2
        while True:
            scan = grown + 5.0 if lesions else inf
            if min(scan, growth_date) >= 50.0:
                expected.append(("watched", pytest.approx(t), 50.0, None, None))
                break
            if growth_date <= scan:
                expected.append(("watched", pytest.approx(t), pytest.approx(growth_date), "watched", "growth"))
                t = grown = growth_date
                growths, lesions = growths + 1, lesions + 1
                growth_date = t + budget(i, "growth", growths) / 0.2
                continue
            expected.append(("watched", pytest.approx(t), pytest.approx(scan), "read", "scan"))
            t = scan
            assert age != pytest.approx(50.0, abs=1e-9)
            small, large = 0.2 * 2.0**lesions, 0.4 if age > 50.0 else 0.0
            point = luck(SEED, i, "branch:reading", readings) * (0.4 + small + large)
            readings += 1
            arm = "missed" if point <= 0.4 else "small" if point <= 0.4 + small else "large"
            seen[arm] += 1
            following = "watched" if arm == "missed" else "operated"
            expected.append(("read", pytest.approx(t), pytest.approx(t), following, arm))
            if arm == "missed":
                lesions = 0
                continue
            end = min(t + 3.0, 50.0)
            last = ("end", "stay") if t + 3.0 < 50.0 else (None, None)
            expected.append(("operated", pytest.approx(t), pytest.approx(end), *last))
            assert lived.attributes["n"] == growths
            # entry is the start: neither growth in place nor going back is an entry
            assert lived.attributes["waited"] == pytest.approx(t)
            assert lived.attributes["late"] == (t > 20.0)
            break
        assert rows == expected
        seen["rows"] = max(seen["rows"], len(rows))
    assert min(seen["missed"], seen["small"], seen["large"]) > 3
    assert seen["rows"] >= 6


def test_in_place_keeps_the_entry_unless_it_restarts_it():
    def stays(restarts: bool) -> list[Row]:
        tick = Delay(
            4.0, name="tick", since="begin", in_place=True, restarts=restarts, when="due", does=(Set("due", 0.0),)
        )
        example = one_exit(
            tick,
            Service("theatre", 10.0, to="end"),
            attributes={"due": 1.0},
            epochs=(Epoch("begin"),),
            at_start=(Mark("begin"),),
        )
        return life(example.pathway, {}, SEED, 0, 120.0)

    assert stays(False) == [("start", 0.0, 4.0, "start", "tick"), ("start", 4.0, 10.0, "end", "theatre")]
    assert stays(True) == [("start", 0.0, 4.0, "start", "tick"), ("start", 4.0, 14.0, "end", "theatre")]


def test_visits_count_through_the_pieces_of_their_schedule():
    schedule = Schedule("scan", ((7.0, 2.0), (15.0, 3.0), (inf, 10.0)), scatter=0.5)
    example = one_exit(Visit("scan", schedule, in_place=True), Delay(inf, to="end", name="never"))
    for i in range(20):
        rows = life(example.pathway, {}, SEED, i, 45.0)
        # three visits fit before 7 (2, 4, 6), three before 15 (9, 12, 15), then 25, 35, 45; late or early by a quarter
        planned = [(2, 2), (4, 2), (6, 2), (9, 3), (12, 3), (15, 3), (25, 10), (35, 10), (45, 10)]
        dates = [date + 0.5 * d * (luck(SEED, i, "visit:scan", k) - 0.5) for k, (date, d) in enumerate(planned, 1)]
        dates = [date for date in dates if date < 45.0]
        assert [row[2] for row in rows] == pytest.approx([*dates, 45.0], rel=1e-12)
        assert [row[4] for row in rows] == ["scan"] * len(dates) + [None]


def test_false_alarms_strike_a_share_of_the_visits():
    alarm = Visit("false", Schedule("scan", 1.0), in_place=True, probability=0.2)
    example = Example(one_exit(alarm, Delay(inf, to="end", name="never")).pathway, {}, 20.5, 50)
    lives = many(example, patients=2_000)
    for i, rows in enumerate(lives[:100]):
        alarms, visit, drawn = [], 0, 0
        while True:
            drawn += 1
            # the first k for which (1 - p)^k < U: geometric by its survival function
            u = luck(SEED, i, "visit:false", drawn)
            visit += next(k for k in range(1, 1000) if 0.8**k < u)
            if visit > 20:
                break
            alarms.append(float(visit))
        assert [row[2] for row in rows[:-1]] == alarms
    trials = 20 * len(lives)
    assert_share(sum(len(rows) - 1 for rows in lives), trials, expected=0.2, wrong=0.2 / 1.2)
    assert_share(sum(rows[0][2] == 1.0 for rows in lives), len(lives), expected=0.2, wrong=0.1)


def test_the_earliest_exit_wins_and_ties_go_to_the_one_declared_first():
    def ended_by(*exits: model.TimedExit, horizon: float = 120.0) -> Row:
        everywhere = (Delay(3.0, to="end", name="everywhere"),)
        example = small(State("start", exits), everywhere=everywhere)
        return life(example.pathway, {}, SEED, 0, horizon)[0]

    def delay(name: str, months: float) -> Delay:
        return Delay(months, to="end", name=name)

    assert ended_by(delay("a", 2.0), delay("b", 1.0))[4] == "b"
    assert ended_by(delay("a", 1.0), delay("b", 1.0))[4] == "a"
    assert ended_by(delay("b", 1.0), delay("a", 1.0))[4] == "b"
    assert ended_by(delay("a", 3.0))[4] == "a"
    assert ended_by(delay("a", 4.0))[4] == "everywhere"
    assert ended_by(delay("a", 2.0), horizon=2.0) == ("start", 0.0, 2.0, None, None)


@pytest.mark.parametrize("low", [-inf, 0.5])
@pytest.mark.parametrize("high", [inf, 1.5])
def test_a_normal_draw_is_truncated_not_clipped(low: float, high: float):
    example = one_exit(Delay(1.0, to="end"), attributes={"x": Normal(1.0, 0.8, low, high)})
    known = truncnorm((low - 1.0) / 0.8, (high - 1.0) / 0.8, loc=1.0, scale=0.8)
    for i in range(50):
        lived = Life(example.pathway, {}, SEED, i)
        lived.lived(10.0, 10)
        assert lived.attributes["x"] == pytest.approx(known.ppf(luck(SEED, i, "attribute:x", 0)), rel=1e-9)
        assert low < lived.attributes["x"] < high


def test_every_draw_of_an_attribute_has_its_own_number():
    chance = Bernoulli(0.3)
    draws = (Set("x", chance), Set("y", Uniform(2.0, 4.0)), Set("x", chance, when="y"), Add("x", chance))
    example = one_exit(Delay(1.0, to="end", does=draws), attributes={"x": 0.0, "y": 0.0})
    for i in range(50):
        lived = Life(example.pathway, {}, SEED, i)
        lived.lived(10.0, 10)
        u = [luck(SEED, i, "attribute:x", count) for count in range(3)]
        assert lived.attributes["x"] == (u[1] <= 0.3) + (u[2] <= 0.3)
        assert lived.attributes["y"] == pytest.approx(2.0 + 2.0 * luck(SEED, i, "attribute:y", 0))


@pytest.mark.parametrize("negated", [False, True])
def test_conditions_combine_as_their_words_do(negated: bool):
    a, b, c = when("a"), when("b", ">=", 1.0), when("c", "<", "limit")
    combined: dict[str, tuple[model.Condition, Callable[[bool, bool, bool], bool]]] = {
        "and": (a & b, lambda a, b, c: a and b),
        "or": (a | b, lambda a, b, c: a or b),
        "mixed": ((a & b) | ~c, lambda a, b, c: (a and b) or not c),
        "nested": (~(a | (b & ~c)), lambda a, b, c: not (a or (b and not c))),
    }
    for condition, truth in combined.values():
        for bits in range(8):
            x, y, z = bits & 1, bits >> 1 & 1, bits >> 2
            attributes = {"a": float(x), "b": float(y), "c": 0.0 if z else 5.0}
            example = one_exit(Delay(1.0, to="end"), attributes=attributes)
            lived = Life(example.pathway, {"limit": 3.0}, SEED, 0)
            lived.lived(10.0, 10)
            expected = truth(bool(x), bool(y), bool(z))
            assert lived.holds(~condition if negated else condition) == (not expected if negated else expected)
