"""Attributes given by a table instead of drawn: nothing else changes, and what cannot be meant is refused."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
import pytest
from oracle import Life

from hcc_sim import laws
from hcc_sim.engine import (
    EngineError,
    Program,
    attributes_at_start,
    compile_pathway,
    simulate,
    simulate_all,
    starting_attributes,
)
from hcc_sim.history import Stays
from hcc_sim.pathway.model import (
    BACK,
    REST,
    Add,
    Arm,
    Bernoulli,
    Branch,
    Delay,
    Epoch,
    Hazard,
    Linear,
    Mark,
    Normal,
    Ordered,
    Pathway,
    Schedule,
    Set,
    State,
    Uniform,
    Value,
    Visit,
)

SEED = 20240502
FIRST = 70
PATIENTS = 12_500
"""More than are simulated in one call of the kernel; the blocks of a call begin in between."""

EDGES = (0, 1, 4_999, 5_000, 9_999, 10_000, 12_499)
"""Where blocks and calls begin and end, among other places."""

END = State("end", final=True)


def program(*states: State, **more: Any) -> Program:
    return compile_pathway(
        Pathway(**{"title": "example", "start": states[0].name, "states": (*states, END)} | more), {}
    )


def example() -> Program:
    """Attributes drawn, computed and plain; read by hazards, arms and laws, and drawn again later."""
    scan = Schedule("scan", 6.0, scatter=0.3)
    return program(
        State(
            "watched",
            (
                Hazard("growth", ("slow", "fast"), in_place=True, law_by="kind", scaled_by={"risk": 0.3}),
                Hazard("toxicity", "slow", to="treated", accelerated_by={"size": 0.2}, when="kind"),
                Visit("look", scan, to="reading"),
                Hazard("death", "slow", to="end", scaled_by={"age": 0.01, "extra": 1.0}),
            ),
        ),
        State("reading", (Branch("reading", (Arm(BACK, 0.7), Arm("treated", REST, shifted_by={"size": 0.3}))),)),
        State(
            "treated",
            (Delay(4.0, to="watched"), Hazard("death", "fast", to="end", scaled_by={"size": 0.2})),
            (Set("size", Normal(0.0, 1.0)), Set("kind", Bernoulli(0.4)), Add("age", Uniform(0.0, 5.0))),
        ),
        laws={"slow": laws.Weibull(1.3, 60.0), "fast": laws.LogNormal(2.5, 1.0)},
        attributes={
            "size": Normal(0.0, 1.0),
            "kind": Bernoulli(0.5),
            "age": Uniform(40.0, 80.0),
            "risk": Linear({"size": 0.5, "kind": 1.0}, constant=0.1),
            "extra": 0.25,
        },
    )


def run(made: Program, patients: int = PATIENTS, **more: Any) -> Stays:
    return simulate_all(
        made,
        **({"seed": SEED, "patients": patients, "horizon_months": 80.0, "first_patient": FIRST, "threads": 1} | more),
    )


def same_bits(a: Stays, b: Stays) -> bool:
    return all(getattr(a, f.name).tobytes() == getattr(b, f.name).tobytes() for f in fields(Stays))


def of_patients(stays: Stays, first: int, patients: int) -> Stays:
    return stays[(stays.patient >= first) & (stays.patient < first + patients)]


def changed_patients(a: Stays, b: Stays) -> list[int]:
    """Those whose stays differ, counted from the first."""

    def lives(stays: Stays) -> list[tuple[bytes, ...]]:
        starts = np.searchsorted(stays.patient, np.arange(FIRST + 1, FIRST + PATIENTS).astype(np.uint64))
        columns = (np.split(getattr(stays, f.name), starts) for f in fields(Stays))
        return [tuple(column.tobytes() for column in life) for life in zip(*columns, strict=True)]

    return [i for i, (x, y) in enumerate(zip(lives(a), lives(b), strict=True)) if x != y]


@pytest.fixture(scope="module")
def drawn() -> Stays:
    """The stays when nothing is given."""
    return run(example())


@pytest.fixture(scope="module")
def as_drawn() -> pd.DataFrame:
    """What is drawn when nothing is given."""
    made = example()
    return pd.DataFrame([attributes_at_start(made, seed=SEED, patient=FIRST + i) for i in range(PATIENTS)])


# --- given and drawn --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        ["size", "kind", "age", "risk", "extra"],
        ["extra", "age", "size", "risk", "kind"],
        ["size"],
        ["kind"],
        ["age", "kind"],
        ["extra"],
        [],
    ],
    ids=", ".join,
)
def test_attributes_given_as_they_would_be_drawn_change_no_bit(
    drawn: Stays, as_drawn: pd.DataFrame, columns: list[str]
):
    assert same_bits(run(example(), attributes=as_drawn[columns]), drawn)


@pytest.mark.parametrize("column", ["size", "kind", "age", "risk", "extra"])
def test_attributes_given_otherwise_are_seen(drawn: Stays, as_drawn: pd.DataFrame, column: str):
    other = as_drawn[[column]].copy()
    places = list(EDGES)
    other.iloc[places] = 1.0 - other.iloc[places]
    changed = changed_patients(run(example(), attributes=other), drawn)
    assert set(changed) <= set(EDGES), "nobody else has another life"
    assert len(changed) >= 3


def test_every_patient_has_his_own_number():
    """A wait that began before the start: what is left of it is what was given, to the last bit."""
    made = program(
        State("waiting", (Delay(1_000.0, to="end", since="begin"),)),
        attributes={"first": 1.0, "waited": 0.0},
        epochs=(Epoch("begin"),),
        at_start=(Mark("begin", Linear({"waited": -1.0})),),
    )
    waited = np.arange(PATIENTS) / 16.0
    for threads, chunk in ((1, 50_000), (2, 3_000)):
        stays = run(
            made,
            attributes=pd.DataFrame({"waited": waited, "first": 2.0}),
            threads=threads,
            chunk=chunk,
            horizon_months=2_000.0,
        )
        assert np.array_equal(stays.left_months, 1_000.0 - waited)


def test_what_is_computed_and_done_at_the_start_follows_what_is_given():
    made = program(
        State("waiting", (Delay(100.0, to="end", since="begin"),)),
        attributes={"x": Normal(0.0, 1.0), "twice": Linear({"x": 2.0}), "after": Linear({"twice": 10.0})},
        epochs=(Epoch("begin"),),
        at_start=(Add("x", 0.5), Mark("begin", Linear({"x": -1.0, "twice": -1.0, "after": -1.0}))),
    )

    def left(**given: list[float]) -> list[float]:
        return run(made, 2, attributes=pd.DataFrame(given), horizon_months=200.0).left_months.tolist()

    assert left(x=[1.0, 2.0]) == [100.0 - 23.5, 100.0 - 46.5]
    assert left(x=[1.0, 2.0], twice=[0.5, 3.0]) == [100.0 - 7.0, 100.0 - 35.5]
    assert left(x=[1.0, 2.0], after=[0.0, 1.0]) == [100.0 - 3.5, 100.0 - 7.5]


# --- all other luck ---------------------------------------------------------------------------------------------------

AT_START: dict[str, Value] = {
    "normal": Normal(1.0, 0.5),
    "uniform": Uniform(0.0, 2.0),
    "bernoulli": Bernoulli(0.3),
    "ordered": Ordered((0.6, 0.2), {"y": 0.5}),
    "plain": 0.5,
    "computed": Linear({"y": 1.0}),
}


@pytest.mark.parametrize("value", AT_START.values(), ids=AT_START.keys())
@pytest.mark.parametrize(
    "later", [Normal(0.0, 1.0), Uniform(-1.0, 1.0), Bernoulli(0.5), Ordered((0.5, 0.5))], ids=lambda v: type(v).__name__
)
def test_later_draws_of_an_attribute_that_is_given_keep_their_luck(value: Value, later: Value):
    """Nothing reads the attribute before it is drawn anew: what was given is forgotten without a trace."""
    growth = Hazard("growth", "law", in_place=True, scaled_by={"x": 0.7, "y": 0.2})
    made = program(
        State("before", (Delay(1.0, to="after"),)),
        State("after", (growth, Delay(20.0, to="later", name="on"))),
        State("later", (growth, Delay(20.0, to="end", name="out")), (Add("x", later),)),
        laws={"law": laws.Weibull(1.2, 12.0)},
        attributes={"y": Normal(0.0, 1.0), "x": value},
        at_start=(Set("x", later),),
    )
    drawn, other = run(made, 2_000), run(made, 2_000, attributes=pd.DataFrame({"x": np.full(2_000, 7.0)}))
    assert same_bits(other, drawn)
    assert not same_bits(run(made, 2_000, attributes=pd.DataFrame({"y": np.full(2_000, 7.0)})), drawn)


def test_events_that_do_not_read_an_attribute_keep_their_dates():
    """Events, visits, arms and other draws have the same luck whatever is given for an attribute of others."""
    made = program(
        State(
            "watched",
            (
                Hazard("growth", "law", in_place=True, scaled_by={"x": 0.8}),
                Hazard("cough", "law", in_place=True, since="begin", scaled_by={"y": 0.5}),
                Visit("look", Schedule("scan", 5.0, scatter=0.5), to="reading"),
            ),
        ),
        State("reading", (Branch("reading", (Arm(BACK, 0.6, "missed"), Arm("end", REST, "seen"))),)),
        laws={"law": laws.Weibull(1.2, 12.0)},
        attributes={"x": Normal(0.0, 1.0), "y": Normal(0.0, 1.0)},
        epochs=(Epoch("begin"),),
        at_start=(Mark("begin"),),
    )

    def dates(stays: Stays, name: str) -> bytes:
        rows = stays.ended_by == made.exit_names.index(name)
        return stays.patient[rows].tobytes() + stays.left_months[rows].tobytes()

    drawn, other = run(made, 3_000), run(made, 3_000, attributes=pd.DataFrame({"x": np.linspace(-1.0, 2.0, 3_000)}))
    assert dates(other, "growth") != dates(drawn, "growth")
    for name in ("cough", "look", "missed", "seen"):
        assert len(dates(drawn, name)) > 500 * 16
        assert dates(other, name) == dates(drawn, name)


# --- threads, chunks, other patients ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def given() -> pd.DataFrame:
    """Not what would be drawn, and another number for every patient."""
    i = np.arange(PATIENTS)
    return pd.DataFrame({"kind": i % 2, "size": np.sin(i), "risk": np.cos(i)})


@pytest.fixture(scope="module")
def reference(given: pd.DataFrame) -> Stays:
    return run(example(), attributes=given)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("chunk", [1_000, 7_000, 50_000])
def test_the_same_bits_for_threads_and_chunks(reference: Stays, given: pd.DataFrame, threads: int, chunk: int):
    assert same_bits(run(example(), attributes=given, threads=threads, chunk=chunk), reference)


def test_the_reference_is_worth_comparing(reference: Stays, drawn: Stays, given: pd.DataFrame):
    assert not same_bits(reference, drawn)
    reversed_rows = run(example(), attributes=given[::-1])
    assert len(changed_patients(reversed_rows, reference)) > PATIENTS / 2


@pytest.mark.parametrize(
    ("skipped", "patients"), [(0, 1), (1, 3), (4_990, 20), (5_000, 1), (9_999, 2), (2_500, 10_000)]
)
def test_patients_can_be_replayed_apart(reference: Stays, given: pd.DataFrame, skipped: int, patients: int):
    rows = given.iloc[skipped : skipped + patients]
    apart = run(example(), patients, first_patient=FIRST + skipped, attributes=rows)
    assert same_bits(apart, of_patients(reference, FIRST + skipped, patients))


def test_the_table_is_left_as_it_is_and_may_be_used_again(reference: Stays, given: pd.DataFrame):
    before = given.copy(deep=True)
    parts = list(
        simulate(
            example(),
            seed=SEED,
            patients=PATIENTS,
            horizon_months=80.0,
            first_patient=FIRST,
            attributes=given,
            chunk=4_000,
            threads=2,
        )
    )
    assert [part.patients for part in parts] == [4_000, 4_000, 4_000, 500]
    pd.testing.assert_frame_equal(given, before)
    assert same_bits(run(example(), attributes=given), reference)


# --- what is accepted, and what is refused ----------------------------------------------------------------------------


def accepted(column: Any, **more: Any) -> Stays:
    return run(example(), 20, attributes=pd.DataFrame({"kind": column}, **more))


def test_numbers_of_all_kinds_are_accepted():
    floats = accepted([0.0, 1.0] * 10)
    for dtype in ("bool", "boolean", "int8", "int64", "uint64", "Int64", "float32", "Float64"):
        assert same_bits(accepted(pd.Series([0, 1] * 10, dtype=dtype)), floats)
    assert not same_bits(accepted([1.0, 0.0] * 10), floats)


def test_rows_count_in_their_order_whatever_the_index_says():
    column = [0.0, 1.0, 1.0, 0.0] * 5
    plain = accepted(column)
    for index in (range(19, -1, -1), [3] * 20, list("abcdefghijklmnopqrst"), pd.date_range("2024", periods=20)):
        assert same_bits(accepted(column, index=index), plain)


@pytest.mark.parametrize("place", EDGES)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_that_stops_names_the_patient_wherever_he_stands(place: int, threads: int):
    kind = np.zeros(PATIENTS)
    kind[place] = 2.0
    with pytest.raises(EngineError) as error:
        run(example(), attributes=pd.DataFrame({"kind": kind}), threads=threads)
    expected = f"patient {FIRST + place}, exit 'growth': the attribute that chooses its law chooses none of them"
    assert str(error.value) == expected


def refused(frame: Any, patients: int = 20, **more: Any) -> str:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        run(example(), patients, attributes=frame, **more)
    return str(error.value)


@pytest.mark.parametrize(
    ("rows", "patients", "said"), [(19, 20, "19 rows for 20"), (12_500, 1_250, "12,500 rows for 1,250")]
)
def test_a_row_for_each_patient_is_needed(rows: int, patients: int, said: str):
    message = f"attributes has {said} patients; it needs one for each"
    assert refused(pd.DataFrame({"size": np.zeros(rows)}), patients) == message
    assert refused(pd.DataFrame(index=range(rows)), patients) == message


def test_unknown_columns_are_refused():
    known = "'size', 'kind', 'age', 'risk', 'extra'"
    zeros = np.zeros(20)
    expected = f"attributes has a column 'patient'; the pathway's attributes are: {known}"
    assert refused(pd.DataFrame({"size": zeros, "patient": zeros})) == expected
    assert (
        refused(pd.DataFrame(np.zeros((20, 1)))) == f"attributes has a column 0; the pathway's attributes are: {known}"
    )
    bare = program(State("start", (Delay(1.0, to="end"),)))
    with pytest.raises(ValueError) as error:  # noqa: PT011
        run(bare, 20, attributes=pd.DataFrame({"size": zeros}))
    assert str(error.value) == "attributes has a column 'size'; the pathway's attributes are: none"


def test_doubled_columns_are_refused():
    frame = pd.DataFrame(np.zeros((20, 3)), columns=["size", "age", "size"])
    assert refused(frame) == "attributes has more than one column 'size'"


NOT_NUMBERS = {
    "text": pd.Series(["a"] * 20),
    "text that looks like numbers": pd.Series(["1.5"] * 20),
    "objects": pd.Series([1.5] * 20, dtype=object),
    "dates": pd.Series(pd.date_range("2024", periods=20)),
    "durations": pd.Series(pd.to_timedelta(range(20), unit="D")),
    "categories": pd.Series(["a"] * 20, dtype="category"),
    "categories that are numbers": pd.Series([1.5] * 20, dtype="category"),
    "complex": pd.Series([1.0 + 2.0j] * 20),
}


@pytest.mark.parametrize("column", NOT_NUMBERS.values(), ids=NOT_NUMBERS.keys())
def test_columns_that_do_not_hold_numbers_are_refused(column: pd.Series):
    message = f"attributes: column 'age' holds {column.dtype} values; it must hold numbers"
    assert refused(pd.DataFrame({"size": np.zeros(20), "age": column})) == message


@pytest.mark.parametrize("first", [0, FIRST, 2**63 + 5, 2**64 - 20])
@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64", "Int64", "boolean"])
def test_the_first_patient_without_a_number_is_named(first: int, dtype: str):
    column = pd.Series([1.0] * 20).mask(np.isin(np.arange(20), (17, 18))).astype(dtype)
    frame = pd.DataFrame({"size": np.zeros(20), "age": column})
    assert refused(frame, first_patient=first) == f"attributes: 'age' of patient {first + 17} is not a number"


def test_refusals_come_before_any_patient():
    """In chunks, too: the fault of a late patient is found before the first chunk."""
    frame = pd.DataFrame({"size": np.r_[np.zeros(11_999), np.nan]})
    chunks = simulate(example(), seed=1, patients=12_000, horizon_months=9.0, attributes=frame, chunk=1_000)
    with pytest.raises(ValueError, match="'size' of patient 11999 is not a number"):
        next(chunks)


# --- attributes at the start, of many patients ------------------------------------------------------------------------


def one_by_one(made: Program, names: list[str], first: int, patients: int, given: pd.DataFrame | None) -> np.ndarray:
    rows = (None if given is None else given.iloc[i : i + 1] for i in range(patients))
    alone = [attributes_at_start(made, seed=SEED, patient=first + i, attributes=row) for i, row in enumerate(rows)]
    return np.array([[one[name] for one in alone] for name in names])


@pytest.mark.parametrize("with_file", [False, True], ids=["drawn", "given"])
def test_attributes_of_many_are_those_of_each(as_drawn: pd.DataFrame, given: pd.DataFrame, with_file: bool):
    table = given if with_file else None
    names = ["risk", "age", "kind"]
    many = starting_attributes(example(), names, seed=SEED, patients=PATIENTS, first_patient=FIRST, attributes=table)
    assert many.shape == (3, PATIENTS)
    assert many.dtype == np.float64
    if with_file:
        assert many[0].tobytes() == given["risk"].to_numpy().tobytes()
        assert many[1].tobytes() == as_drawn["age"].to_numpy().tobytes(), "other luck is as if it had been drawn"
        assert np.array_equal(many[2], given["kind"])
    else:
        assert many.tobytes() == as_drawn[names].to_numpy().T.tobytes()
    for place in (0, 4_998, 9_999, PATIENTS - 3):
        rows = None if table is None else table.iloc[place : place + 3]
        alone = one_by_one(example(), names, FIRST + place, 3, rows)
        assert many[:, place : place + 3].tobytes() == alone.tobytes()


def test_attributes_of_many_are_those_of_the_plain_reading():
    """The oracle shares nothing with the kernel but luck and elementary functions."""
    made = example()
    many = starting_attributes(made, made.attribute_names, seed=SEED, patients=50, first_patient=FIRST)
    for i in range(50):
        life = Life(made.pathway, made.values, SEED, FIRST + i)
        for name, value in made.pathway.attributes.items():
            life.attributes[name] = life.value(value, name)
        life.do(made.pathway.at_start)
        assert dict(zip(made.attribute_names, many[:, i].tolist(), strict=True)) == life.attributes


def test_attributes_do_not_hang_on_who_else_is_asked(as_drawn: pd.DataFrame):
    apart = [
        starting_attributes(example(), ["size"], seed=SEED, patients=n, first_patient=FIRST + first)
        for first, n in ((0, 1), (1, 4_999), (5_000, 7_500))
    ]
    assert np.concatenate(apart, axis=1).tobytes() == as_drawn["size"].to_numpy().tobytes()
    other = starting_attributes(example(), ["size"], seed=SEED + 1, patients=5, first_patient=FIRST)
    assert not np.isin(other, as_drawn["size"]).any()
    assert starting_attributes(example(), [], seed=SEED, patients=5).shape == (0, 5)
    last = starting_attributes(example(), ["size"], seed=SEED, patients=2, first_patient=2**64 - 2)
    assert last[0, 1] == attributes_at_start(example(), seed=SEED, patient=2**64 - 1)["size"]


def test_what_cannot_be_told_of_the_start_is_refused():
    with pytest.raises(ValueError, match=r"unknown attribute 'sise'\. Did you mean 'size'"):
        starting_attributes(example(), ["sise"], seed=SEED, patients=5)
    with pytest.raises(ValueError, match="need at least one"):
        starting_attributes(example(), ["size"], seed=SEED, patients=0)
    with pytest.raises(ValueError, match="2 rows for 3 patients"):
        starting_attributes(example(), [], seed=SEED, patients=3, attributes=pd.DataFrame({"size": [1.0, 2.0]}))
