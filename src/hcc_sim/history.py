"""The stay record: who was where, from when to when, what ended it.  Everything reported is computed from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

NO_STATE = -1
"""`next_state` of a stay that the horizon ended."""

HORIZON = -1
"""`ended_by` of a stay that the horizon ended."""

BLOCK = 1_000
"""Patients in a block: sums are always formed block by block, in patient order, so that they have the same bits."""


@dataclass(frozen=True)
class Stays:
    """Stays of some patients, in order of patient and time; one entry of each array is one stay.

    A stay of length zero is a stay (branches take no time).  `state`, `next_state` and `ended_by` are positions in the
    lists of names that travel with the compiled pathway.  Final states have no stays: the stay before ends in them.
    """

    patient: NDArray[np.uint64]
    state: NDArray[np.int16]
    entered_months: NDArray[np.float64]
    left_months: NDArray[np.float64]
    next_state: NDArray[np.int16]
    ended_by: NDArray[np.int16]
    shown: NDArray[np.uint16] = field(default_factory=lambda: np.empty(0, np.uint16))
    """Bit i: whether the i-th of the attributes that the pathway shows was not zero during the stay."""

    def __post_init__(self) -> None:
        if len(self.shown) < len(self.patient):  # a record without attributes
            object.__setattr__(self, "shown", np.zeros(len(self.patient), np.uint16))

    def __len__(self) -> int:
        return len(self.patient)

    def __getitem__(self, rows: slice | NDArray[np.bool_]) -> Stays:
        return Stays(*(getattr(self, f.name)[rows] for f in fields(self)))

    def blocks(self, first_patient: int) -> Iterator[Stays]:
        """The stays of one block of patients after another; blocks are counted from `first_patient`."""
        block = (self.patient - np.uint64(first_patient)) // np.uint64(BLOCK)
        starts = np.flatnonzero(np.diff(block, prepend=block[:1] + np.uint64(1)))
        for start, stop in zip(starts, [*starts[1:], len(self)], strict=True):
            yield self[slice(int(start), int(stop))]

    def to_frame(
        self, state_names: Sequence[str], exit_names: Sequence[str], shown_names: Sequence[str] = ()
    ) -> pd.DataFrame:
        """The stays with names instead of positions; then a column of truths for each attribute shown."""
        import pandas as pd

        states = np.array([*state_names, ""], dtype=object)
        exits = np.array([*exit_names, "horizon"], dtype=object)
        return pd.DataFrame(
            {
                "patient": self.patient,
                "state": pd.Categorical(states[self.state]),
                "entered_months": self.entered_months,
                "left_months": self.left_months,
                "next_state": pd.Categorical(states[self.next_state]),
                "ended_by": pd.Categorical(exits[self.ended_by]),
                **{name: (self.shown >> bit) % 2 == 1 for bit, name in enumerate(shown_names)},
            }
        )


def concatenate(parts: Iterable[Stays]) -> Stays:
    """Several records, one after the other, as one."""
    parts = list(parts)
    return Stays(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Stays)))
