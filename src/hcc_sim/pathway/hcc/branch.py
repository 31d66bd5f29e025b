"""A state that is one choice."""

from __future__ import annotations

from hcc_sim.pathway.model import Action, Arm, Branch, State


def branch(state: str, *arms: Arm, name: str = "", on_arrival: tuple[Action, ...] = ()) -> State:
    """The state, its branch named as itself unless another name says better what is chosen."""
    return State(state, (Branch(name or state, arms),), on_arrival=on_arrival)
