"""What every law can do, and laws side by side in a `LawTable`."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import NamedTuple, TypeVar, cast

import numpy as np

from hcc_sim.elementary import LN2
from hcc_sim.laws.curves import ROW
from hcc_sim.laws.formulas import (
    CELLS,
    FloatArray,
    LawTable,
    cumulative_hazards,
    fill_guide,
    inverse_cumulative_hazards,
    mean,
    quantiles,
    survivals,
)

Numbers = TypeVar("Numbers", float, FloatArray)


class Pieces(NamedTuple):
    """What a law that comes in pieces brings to the arrays of a `LawTable`, row by row."""

    breaks: FloatArray
    rates: FloatArray
    hazards: FloatArray
    forward: FloatArray
    backward: FloatArray

    def key(self) -> bytes:
        """Equal for equal pieces."""
        return b"".join(part.tobytes() for part in self)

    def scales(self) -> tuple[float, float, float, float]:
        """Start and cells per unit of the guides: as wide as where most draws fall, all rows where there are few."""
        spans = []
        for rows in (self.breaks, self.hazards):
            if len(self.forward) and self.forward.any():
                middle = rows[(self.hazards > -16.0) & (self.hazards < 7.0)]
                rows = middle if len(middle) > 1 else rows
            width = float(rows[-1] - rows[0])
            spans += [float(rows[0]), CELLS / width if width > 0.0 else 0.0]
        return cast(tuple[float, float, float, float], tuple(spans))


class Entry(NamedTuple):
    """A law on its way into a table."""

    family: int
    numbers: tuple[float, ...] = ()
    pieces: Pieces | None = None
    cured: float = 0.0


class Law(ABC):
    """What every law can do.  Methods take a number or an array of any shape and return the same.

    ValueError for a time or hazard below 0 or a share outside [0, 1]; nan stays nan.
    """

    @abstractmethod
    def _entry(self) -> Entry:
        """What a table holds of the law."""

    @cached_property
    def _table(self) -> LawTable:
        return tabulate([self])

    def cumulative_hazard(self, t: Numbers) -> Numbers:
        """H(t) = -log S(t), t in months; with relative accuracy also where it is tiny."""
        return self._fill(cumulative_hazards, t, math.inf, "a time in months is at least 0")

    def inverse_cumulative_hazard(self, h: Numbers) -> Numbers:
        """inf{t : H(t) >= h}, months; inf where h exceeds the total hazard."""
        return self._fill(inverse_cumulative_hazards, h, math.inf, "a cumulative hazard is at least 0")

    def survival(self, t: Numbers) -> Numbers:
        """S(t), the share without the event at t months."""
        return self._fill(survivals, t, math.inf, "a time in months is at least 0")

    def quantile(self, p: Numbers) -> Numbers:
        """Months by which a share p has had the event; inf if so many never have it."""
        return self._fill(quantiles, p, 1.0, "a share lies between 0 and 1")

    def median(self) -> float:
        """Months by which half have had the event; inf if fewer ever have it."""
        return self.inverse_cumulative_hazard(LN2)

    def mean(self) -> float:
        """Mean months to the event; inf for a defective law.  Within 1e-12, relative."""
        if self.cumulative_hazard(math.inf) < math.inf:
            return math.inf
        return float(mean(self._table, 0))

    def _fill(
        self, function: Callable[[LawTable, int, FloatArray, FloatArray], None], x: Numbers, highest: float, rule: str
    ) -> Numbers:
        given = np.asarray(x, dtype=np.float64)
        wrong = (given < 0.0) | (given > highest)
        if wrong.any():
            raise ValueError(f"{type(self).__name__}: {rule}, not {given[wrong][0]}")
        flat = np.ascontiguousarray(given).ravel()
        out = np.empty_like(flat)
        function(self._table, 0, flat, out)
        return cast(Numbers, float(out[0]) if given.ndim == 0 else out.reshape(given.shape))


def tabulate(laws: Iterable[Law]) -> LawTable:
    """The laws as a table, row i for the i-th; equal pieces are stored once."""
    entries = [law._entry() for law in laws]
    stored: list[Pieces] = []
    spans: dict[bytes, tuple[int, int]] = {}
    rows = 0
    numbers = np.zeros((len(entries), 4))
    scales = np.zeros((len(entries), 4))
    guides = np.zeros((len(entries), 2, CELLS + 1), dtype=np.int32)
    span = np.zeros((len(entries), 2), dtype=np.int64)
    for i, entry in enumerate(entries):
        own = entry.numbers
        if entry.pieces is not None:
            pieces, key = entry.pieces, entry.pieces.key()
            if key not in spans:
                spans[key] = (rows, rows + len(pieces.breaks))
                rows += len(pieces.breaks)
                stored.append(pieces)
            span[i] = spans[key]
            scales[i] = pieces.scales()
            fill_guide(pieces.breaks, scales[i, 0], scales[i, 1], guides[i, 0])
            fill_guide(pieces.hazards, scales[i, 2], scales[i, 3], guides[i, 1])
            # Pieces count as a number too: where they begin, so that laws of different pieces differ in their numbers.
            own = (*own, span[i, 0])
        numbers[i, : len(own)] = own
        numbers[i, 3] = entry.cured
    empty = Pieces(*(np.zeros(shape) for shape in (0, 0, 0, (0, ROW), (0, ROW))))
    together = Pieces(*(np.concatenate(parts) for parts in zip(empty, *stored, strict=True)))
    return LawTable(
        family=np.array([entry.family for entry in entries], dtype=np.int64),
        numbers=numbers + 0.0,  # + 0 makes every zero positive, so that equal values have equal bits
        first=span[:, 0].copy(),
        last=span[:, 1].copy(),
        breaks=together.breaks,
        rates=together.rates,
        hazards=together.hazards,
        forward=together.forward,
        backward=together.backward,
        scales=scales,
        guides=guides,
    )
