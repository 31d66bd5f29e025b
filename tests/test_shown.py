"""What stays show of their patients: attributes as they were during the stay, not after it."""

from __future__ import annotations

import numpy as np
import pytest
from test_hcc_pathway import PATHWAY, SEED, values_of

from hcc_sim.engine import compile_pathway, simulate_all
from hcc_sim.history import Stays, concatenate
from hcc_sim.pathway.checks import MOST_SHOWN
from hcc_sim.pathway.model import Arm, Branch, Delay, Pathway, PathwayError, Set, State, when

END = State("end", final=True)


def test_attributes_are_shown_as_they_are_during_the_stay():
    """An in-place exit sets a; arrival in the branch sets b, which its own stay shows; the arm takes a away."""
    made = Pathway(
        "example",
        "first",
        (
            State(
                "first",
                (
                    Delay(1.0, name="a", in_place=True, when=~when("a"), does=(Set("a", 1.0),)),
                    Delay(3.0, to="which", name="on"),
                ),
            ),
            State(
                "which",
                (Branch("which", (Arm("last", 1.0, "last", does=(Set("a", 0.0),)),)),),
                on_arrival=(Set("b", -2.5),),
            ),
            State("last", (Delay(1.0, to="end", name="over"),)),
            END,
        ),
        attributes={"unshown": 1.0, "a": 0.0, "b": 0.0},
        shown=("b", "a"),
    )
    stays = simulate_all(compile_pathway(made, {}), seed=1, patients=3, horizon_months=100.0)
    assert stays.ended_by[:4].tolist() == [0, 1, 2, 3]
    assert stays.shown.tolist() == [0b00, 0b10, 0b11, 0b01] * 3
    frame = stays.to_frame(["first", "which", "last", "end"], ["a", "on", "last", "over"], made.shown)
    assert frame["a"].tolist() == [False, True, True, False] * 3
    assert frame["b"].tolist() == [False, False, True, True] * 3


def test_what_the_pathway_shows_agrees_with_what_happened():
    stays = simulate_all(
        compile_pathway(PATHWAY, values_of({"surgery.delay": 0.0})), seed=SEED, patients=5_000, horizon_months=360.0
    )
    program = compile_pathway(PATHWAY, values_of({"surgery.delay": 0.0}))
    frame = stays.to_frame(program.state_names, program.exit_names, PATHWAY.shown)
    by_patient = frame.groupby("patient")
    converted = (frame["state"] == "treated tumour").groupby(frame["patient"]).cumsum() > 0
    assert (frame["converted"] == converted).all()
    after_surgery = frame[frame["state"] == "after surgery"]
    assert after_surgery["operated"].all()
    assert after_surgery["off drugs"].all()
    first = by_patient.head(1)
    assert not first[["off drugs", "operated", "converted", "disease seen"]].to_numpy().any()
    toxic = frame["ended_by"] == "toxicity"
    assert not frame.loc[toxic, "off drugs"].any()
    following = frame["off drugs"].shift(-1)[toxic & (frame["next_state"] != "")]
    assert following.astype(bool).all()


def test_a_record_without_attributes_shows_none():
    one = np.zeros(2)
    stays = Stays(*(one.astype(t) for t in (np.uint64, np.int16, float, float, np.int16, np.int16)))
    assert stays.shown.tolist() == [0, 0]
    assert concatenate([stays, stays]).shown.tolist() == [0] * 4


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (("a", "c"), "stays are to show 'c', which is no attribute"),
        (("a", "a"), "stays are to show 2 attributes: 16 at most, each once"),
        (tuple(f"x{i}" for i in range(MOST_SHOWN + 1)), "stays are to show 17 attributes: 16 at most, each once"),
    ],
)
def test_what_cannot_be_shown_is_refused(shown: tuple[str, ...], told: str):
    attributes = dict.fromkeys(["a", *(f"x{i}" for i in range(MOST_SHOWN + 1))], 0.0)
    with pytest.raises(PathwayError, match=told):
        Pathway("example", "s", (State("s", (Delay(1.0, to="end"),)), END), attributes=attributes, shown=shown)


def test_sixteen_attributes_are_shown():
    names = [f"x{i}" for i in range(MOST_SHOWN)]
    made = Pathway(
        "example",
        "s",
        (State("s", (Delay(1.0, to="end"),)), END),
        attributes={name: float(i % 3 == 0) for i, name in enumerate(names)},
        shown=tuple(names),
    )
    stays = simulate_all(compile_pathway(made, {}), seed=1, patients=1, horizon_months=9.0)
    assert stays.shown.tolist() == [sum(2**i for i in range(MOST_SHOWN) if i % 3 == 0)]
