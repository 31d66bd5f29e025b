"""What the figures say of the effect of surgery at each strength of selection: a ridge, since they cannot tell the two.

Studies that compare operated with unoperated patients are simulated as they were made, so that a strong effect with
weak selection and a weak effect with strong selection show them much the same.  At each point of a grid both are held,
everything else is fitted anew from where a neighbour has come to, and the sum of squares that is left says how well the
figures go with it.  Derivatives are found anew at every point: with those of the most probable one a point far from it
seems to go worse with the figures than it does, by 5 to 20.  Fewer patients do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hcc_sim.calibration.posterior import FARTHEST_Z, Posterior, fewer_patients
from hcc_sim.calibration.solve import Found, Search, working
from hcc_sim.pathway.hcc import EFFECT_OF_SURGERY
from hcc_sim.quantiles import score_of

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EQUALLY = 3.84
"""Of the sum of squares above its least: up to here points go about equally with the figures (95%, one parameter)."""

SELECTING = ("surgery.declined_log_odds_depth", "response.depth_per_aggressiveness")
"""Who responds less deeply declines surgery more often, and whose tumour is aggressive responds less deeply: together
they make the operated differ from the others before any surgery."""

SIZES = (0.0, 1.0, 2.0, 4.0)
"""By what the parameters of selection are multiplied, of their values at the most probable point."""

EFFECTS = (0.4, 0.63, 1.0, 1.6, 2.5)
STEPS = 8
"""Simulations by which all else is moved between two Jacobians; a move that gains nothing is halved."""

JACOBIANS = 2
"""Times that derivatives are found anew at a point."""

AS_FOUND = 1.0
"""The size at the most probable point."""


class RidgePoint(NamedTuple):
    """Selection and effect as held, and the sum of squares of figures and of the priors of all else."""

    selection: float
    effect: float
    objective: float


class _Spot(NamedTuple):
    """A point z, derivatives of predictions near it, and the sum of squares there."""

    z: Floats
    slope: Floats
    objective: float


def ridge_of(
    search: Search, best: Found, posterior: Posterior, say: Callable[[str], None] = lambda _: None
) -> list[RidgePoint]:
    """The grid, by selection and then by effect; empty where the fit has no effect of surgery."""
    if all(one.name != EFFECT_OF_SURGERY or one.owner for one in search.model.quantities):
        return []
    ridge = _Ridge(search, best, posterior.told)
    start = _Spot(best.z, np.where(ridge.free, posterior.slope, 0.0), np.inf)
    nearest = min(EFFECTS, key=lambda effect: abs(math.log(effect / ridge.effect_at(best.z))))
    found = {(AS_FOUND, nearest): ridge.sought(start, AS_FOUND, nearest)}

    def go(before: tuple[float, float], point: tuple[float, float]) -> None:
        found[point] = ridge.sought(found[before], *point)
        say(f"{len(found)} of {len(SIZES) * len(EFFECTS)} points of the ridge")

    for line in _outwards(EFFECTS, nearest):
        for before, effect in pairwise(line):
            go((AS_FOUND, before), (AS_FOUND, effect))
    for effect in EFFECTS:
        for line in _outwards(SIZES, AS_FOUND):
            for before, size in pairwise(line):
                go((before, effect), (size, effect))
    return [RidgePoint(*point, ridge.misfit(found[point])) for point in product(SIZES, EFFECTS)]


def _outwards(values: Sequence[float], middle: float) -> tuple[list[float], list[float]]:
    """From the middle down, and up."""
    below = sorted((value for value in values if value <= middle), reverse=True)
    return below, sorted(value for value in values if value >= middle)


class _Ridge:
    """What is held, what is free to move, and how it moves; fewer patients do."""

    def __init__(self, search: Search, best: Found, told: Flags) -> None:
        self.search = search
        self.fewer, self.apart = fewer_patients(search.model, best)
        self.priors = {one.name: one.prior for one in search.model.quantities if not one.owner}
        self.place = {one.name: one.places[0] for one in search.model.quantities if not one.owner}
        selecting = [name for name in SELECTING if name in self.priors]
        self.base = {name: self.priors[name].at(float(best.z[self.place[name]])) for name in selecting}
        self.held = [self.place[name] for name in (EFFECT_OF_SURGERY, *selecting)]
        self.free = told.copy()
        self.free[self.held] = False

    def effect_at(self, z: Floats) -> float:
        """The effect of surgery at a point."""
        return self.priors[EFFECT_OF_SURGERY].at(float(z[self.place[EFFECT_OF_SURGERY]]))

    def sought(self, near: _Spot, size: float, effect: float) -> _Spot:
        """The least sum of squares at a size and an effect, sought from a spot nearby."""
        spot = self.descended(near.z, near.slope, size, effect)
        for _ in range(JACOBIANS):
            spot = self.descended(spot.z, np.nan_to_num(self.fewer.slopes(spot.z, self.free)), size, effect)
        return spot

    def misfit(self, spot: _Spot) -> float:
        """The sum of squares without what is held."""
        return spot.objective - float(np.sum(spot.z[self.held] ** 2))

    def _hold(self, z: Floats, size: float, effect: float) -> Floats:
        moved = z.copy()
        values = {EFFECT_OF_SURGERY: effect, **{name: size * value for name, value in self.base.items()}}
        for name, value in values.items():
            prior = self.priors[name].distribution
            moved[self.place[name]] = score_of(prior.family, prior.low, prior.high)(value)
        return moved

    def descended(self, z: Floats, slope: Floats, size: float, effect: float) -> _Spot:
        """A spot of smaller sum of squares at a size and an effect, from a point and derivatives that will do."""
        z = self._hold(z, size, effect)
        white = self.search.whiten(np.where(self.free, slope, 0.0))[:, self.free]
        factor = linalg.cho_factor(np.eye(white.shape[1]) + white.T @ white)

        def off(z: Floats) -> Floats:
            away = self.search.observed - working(self.fewer.predict(z)) - self.apart
            return self.search.whiten(np.nan_to_num(away))

        def towards(z: Floats, off: Floats) -> Floats:
            return linalg.cho_solve(factor, white.T @ off - z[self.free])

        here = off(z)
        least, move = float(here @ here + z @ z), towards(z, here)
        for _ in range(STEPS):
            there = z.copy()
            there[self.free] = np.clip(z[self.free] + move, -FARTHEST_Z, FARTHEST_Z)
            here = off(there)
            if (objective := float(here @ here + there @ there)) < least:
                z, least, move = there, objective, towards(there, here)
            else:
                move = 0.5 * move
        return _Spot(z, slope, least)
