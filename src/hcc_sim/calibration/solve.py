"""The most probable point: Gauss-Newton on residuals of targets and priors together.

Residuals are r(z) = (z, W (y - mu(z))): minus twice the log posterior is their sum of squares.  A Jacobian by
differences costs a hundred times a prediction, so between two of them it is kept up by Broyden's rank-one update
(C. G. Broyden, Mathematics of Computation 19 (1965) 577-593, doi:10.2307/2003941).

Predictions by few patients have an error of their own, the same at every point since the luck is common: it is counted
as if it were the figures', once the search has come near (`Search.count_luck`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcc_sim.calibration.model import Model
from hcc_sim.calibration.parallel import in_parallel
from hcc_sim.calibration.statistics import Predicted
from hcc_sim.calibration.whitening import Whitening, covariance_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LARGEST_STEP = 1.5
"""Of any z in one step: beyond, the straight line says nothing."""

SMALLEST_GAIN = 0.05
"""Of the sum of squares; a smaller one ends the search."""

LEAST_GAIN_OF_ROUND = 1.0
"""Of the sum of squares between two Jacobians."""

LEAST_TOLD = 0.5
"""Information of all targets on a z, in units of that of its prior, below which it is left to its prior: with less
nothing is learned, and the grain of counted patients would move it."""

STEPS, HALVINGS = 10, 4

KINDS_OF_LUCK = 40
"""Other seeds by which the Monte-Carlo error of predictions is told."""


@dataclass(frozen=True)
class Found:
    """A point z, the predictions there, and the sum of squares of all residuals."""

    z: Floats
    predicted: list[Predicted]
    objective: float


class Search:
    """A search for the most probable point of a model; sizes: arm -> patients, for what contrasts share.

    `fitted` (T,) says which targets inform it, `covariance` (F, F) how sure those are, in their order.
    """

    def __init__(self, model: Model, sizes: Mapping[str, float], say: Callable[[str], None] = lambda _: None) -> None:
        self.model = model
        self.fitted: Flags = np.array([target.fitted for target in model.targets])
        informing = [target for target in model.targets if target.fitted]
        self._sampling = covariance_of(informing, sizes)
        self.know(self._sampling)
        self.say = say
        self.told: Flags = np.ones(len(model.unknowns), dtype=bool)
        self.observed = np.array([target.reading.value for target in model.targets])

    def at(self, z: Floats) -> Found:
        """Simulate a point."""
        predicted = self.model.predict(z)
        return Found(z, predicted, self.objective(z, predicted))

    def residuals(self, z: Floats, working: Floats) -> Floats:
        """Of priors, then of targets; a target that nobody simulated can tell of says nothing."""
        return np.concatenate((z, self.whiten(np.nan_to_num(self.observed - working))))

    def whiten(self, differences: Floats) -> Floats:
        """Of all targets (T,) or (T, K): those that inform the fit, made independent with unit variance."""
        return self._whitening(differences[self.fitted])

    def objective(self, z: Floats, predicted: Sequence[Predicted]) -> float:
        """Minus twice the log posterior, to a constant."""
        return float(np.sum(self.residuals(z, working(predicted)) ** 2))

    def know(self, covariance: Floats) -> None:
        """Take this for the covariance (F, F) of the errors of the figures that inform the fit."""
        self.covariance = covariance
        self._whitening = Whitening.of(covariance)

    def count_luck(self, z: Floats) -> None:
        """Take the Monte-Carlo error of predictions, at a point, for an error of the figures that inform the fit.

        What not every kind of luck can tell of keeps its sampling error alone.
        """

        def with_luck(kind: int) -> Floats:
            return working(self.model.with_luck(kind).predict(z))[self.fitted]

        rows = list(in_parallel(with_luck, range(1, KINDS_OF_LUCK + 1), long=True))
        luck = np.atleast_2d(np.cov(np.array(rows), rowvar=False))
        unknown = np.isnan(np.diag(luck))
        luck[unknown, :] = luck[:, unknown] = 0.0
        self.know(self._sampling + luck)
        share = np.median(np.diag(luck) / np.diag(self._sampling))
        self.say(f"luck of the simulation: {100.0 * share:.1f}% of a figure's variance (median), counted as error")

    def run(self, start: Floats, rounds: int = 6) -> Found:
        """From `start`: what belongs to arms and studies alone first, then with it all that the figures tell of.

        The luck of the simulation is counted in between.  `told` is set to the unknowns that are varied; all others
        keep their place, and their prior.
        """
        here = self.at(start)
        self.say(f"before: {here.objective:.1f}")
        own = np.array([unknown.owner != "" for unknown in self.model.unknowns])
        for _ in range(2):
            here = self._round(here, own, self.model.slopes(here.z, own))
        self.say(f"arms and studies alone ({int(own.sum())} unknowns): {here.objective:.1f}")
        self.count_luck(here.z)
        here = self.at(here.z)
        slope = np.nan_to_num(self.model.with_fewer().slopes(here.z))  # fewer patients do to see what is told
        self.told = own | (np.sum(self.whiten(slope) ** 2, axis=0) > LEAST_TOLD)
        for _ in range(rounds):
            before = here.objective
            here = self._round(here, self.told, np.where(self.told, slope, 0.0))
            self.say(f"together ({int(self.told.sum())} unknowns): {here.objective:.1f}")
            if before - here.objective < LEAST_GAIN_OF_ROUND:
                break
            slope = self.model.slopes(here.z, self.told)
        return here

    def _round(self, here: Found, active: Flags, slope: Floats) -> Found:
        slope = np.nan_to_num(slope)
        for _ in range(STEPS):
            better = self._step(here, slope)
            if better is None:
                break
            slope = _broyden(slope, better.z - here.z, working(better.predicted) - working(here.predicted))
            slope[:, ~active] = 0.0
            gain = here.objective - better.objective
            here = better
            if gain < SMALLEST_GAIN:
                break
        return here

    def _step(self, here: Found, slope: Floats) -> Found | None:
        """A step that lowers the objective, halved until it does; None if none does."""
        jacobian = np.vstack((np.eye(len(here.z)), -self.whiten(slope)))
        step = np.linalg.lstsq(jacobian, -self.residuals(here.z, working(here.predicted)), rcond=None)[0]
        step *= min(1.0, LARGEST_STEP / max(np.abs(step).max(), 1e-12))
        for _ in range(HALVINGS):
            there = self.at(here.z + step)
            if there.objective < here.objective:
                return there
            step *= 0.5
        return None


def working(predicted: Sequence[Predicted]) -> Floats:
    """The predictions on the working scale."""
    return np.array([one.working for one in predicted])


def _broyden(slope: Floats, moved: Floats, changed: Floats) -> Floats:
    off = np.nan_to_num(changed) - slope @ moved
    return slope + np.outer(off, moved) / float(moved @ moved)
