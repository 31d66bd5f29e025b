"""The table of draws, read: results by draw and strategy, and what they were given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.study.folder import Shape, StudyFolder
from hcc_sim.analyses.study.measured import ALL, COST, QALY
from hcc_sim.analyses.study.runs import Done
from hcc_sim.economics import CostsAndEffects
from hcc_sim.errors import MachineError

Floats = NDArray[np.float64]

MOST_WITH_INPUTS = 50_000
"""Draws whose inputs are read: regressions learn nothing from more, and memory should not grow with draws."""


@dataclass(frozen=True)
class DrawTable:
    """Results of all draws: (D, S, P, K) means; and inputs, of the first `MOST_WITH_INPUTS` draws at most.

    `noise` (P, S, K, S, K) is the mean over draws of the covariance of Monte-Carlo errors; `covariances`, where they
    were asked for, are those of each draw (D, P, S, K, S, K).
    """

    shape: Shape
    inputs: Floats
    means: Floats
    noise: Floats
    covariances: Floats | None = None

    @property
    def draws(self) -> int:
        """How many."""
        return len(self.means)

    def outcome(self, name: str, part: str = ALL) -> Floats:
        """(D, S) of one outcome in a part of the patients.

        Raises:
            ValueError: there is none of that name.
        """
        return self.means[:, :, self.shape.parts.index(part), self.shape.outcomes.index(name)]

    @property
    def leading(self) -> DrawTable:
        """The draws whose inputs are here."""
        known = len(self.inputs)
        if known == self.draws:
            return self
        return replace(self, means=self.means[:known], covariances=None)

    def given(self, name: str) -> Floats:
        """The values of one input, of the leading draws.

        Raises:
            ValueError: there is none of that name.
        """
        return self.inputs[:, self.shape.inputs.index(name)]

    def costs_and_effects(self, currency: str, part: str = ALL) -> CostsAndEffects:
        """Costs and QALYs, discounted.

        Raises:
            ValueError: they were not kept.
        """
        return CostsAndEffects(self.shape.strategies, self.outcome(COST, part), self.outcome(QALY, part), currency)


def read_table(folder: StudyFolder, draws: int, *, errors: bool = False) -> DrawTable:
    """Read the parts of a study that is complete up to so many draws.

    Args:
        folder: of the study.
        draws: how many.
        errors: whether to keep the covariances of each draw, which takes memory.

    Raises:
        MachineError: a part is missing or torn.
    """

    def parts() -> Iterator[Done]:
        for span in folder.spans(draws):
            done = folder.read(span.start)
            if done is None or len(done.means) < len(span):
                raise MachineError(f"{folder.file(span.start)} is missing or torn; the same command makes it again")
            n = len(span)
            yield Done(done.first, done.inputs[:n], done.means[:n], done.covariances[:n])

    return joined(folder.shape, parts(), errors=errors)


def joined(shape: Shape, parts: Iterable[Done], *, errors: bool = False) -> DrawTable:
    """Parts in order as one table."""
    inputs, means, covariances = [], [], []
    total, counted = np.zeros(()), np.zeros(())
    room = MOST_WITH_INPUTS
    for done in parts:
        inputs.append(done.inputs[:room])
        room -= len(inputs[-1])
        means.append(done.means)
        for one in done.covariances:
            known = ~np.isnan(one)
            total = total + np.where(known, one, 0.0)
            counted = counted + known
        if errors:
            covariances.append(done.covariances)
    with np.errstate(invalid="ignore", divide="ignore"):
        noise = np.asarray(total / counted)
    return DrawTable(
        shape, np.concatenate(inputs), np.concatenate(means), noise, np.concatenate(covariances) if errors else None
    )
