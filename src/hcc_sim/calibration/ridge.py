"""What the figures say of the effect of surgery at each strength of selection: a ridge, since they cannot tell the two.

Studies that compare operated with unoperated patients are simulated as they were made, so that a strong effect with
weak selection and a weak effect with strong selection show them much the same.  At each point of a grid both are held,
everything else is fitted anew, and the sum of squares that is left says how well the figures go with it.  Fewer
patients do, at all points the same, so that no point has been sought harder than another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from hcc_sim.calibration.parallel import in_parallel
from hcc_sim.calibration.posterior import FARTHEST_Z, Posterior, with_fewer
from hcc_sim.calibration.solve import Found, Search, working
from hcc_sim.pathway.hcc import EFFECT_OF_SURGERY
from hcc_sim.quantiles import score_of

Floats = NDArray[np.float64]

EQUALLY = 3.84
"""Of the sum of squares above its least: up to here points go about equally with the figures (95%, one parameter)."""

SELECTING = ("surgery.declined_log_odds_depth", "response.depth_per_aggressiveness")
"""Who responds less deeply declines surgery more often, and whose tumour is aggressive responds less deeply: together
they make the operated differ from the others before any surgery."""

SIZES = (0.0, 1.0, 2.0, 3.0, 4.0)
"""By what the parameters of selection are multiplied, of their values at the most probable point."""

EFFECTS = (0.4, 0.63, 1.0, 1.6, 2.5)
STEPS = 8
"""Simulations by which all else is moved at a point; a move that gains nothing is halved."""


class RidgePoint(NamedTuple):
    """Selection and effect as held, and the sum of squares of figures and of the priors of all else."""

    selection: float
    effect: float
    objective: float


def ridge_of(search: Search, best: Found, posterior: Posterior) -> list[RidgePoint]:
    """The grid, by selection and then by effect; empty where the fit has no effect of surgery."""
    priors = {one.name: one.prior for one in search.model.quantities if not one.owner}
    place = {one.name: one.places[0] for one in search.model.quantities if not one.owner}
    if EFFECT_OF_SURGERY not in priors:
        return []
    selecting = [name for name in SELECTING if name in priors]
    base = {name: priors[name].at(float(best.z[place[name]])) for name in selecting}
    held = [place[name] for name in (EFFECT_OF_SURGERY, *selecting)]
    free = posterior.told.copy()
    free[held] = False
    slope = search.whiten(np.where(free, posterior.slope, 0.0))[:, free]
    factor = linalg.cho_factor(np.eye(int(free.sum())) + slope.T @ slope)

    def score(name: str, value: float) -> float:
        prior = priors[name].distribution
        return score_of(prior.family, prior.low, prior.high)(value)

    fewer, apart = with_fewer(search.model, best)

    def left(z: Floats) -> Floats:
        return search.whiten(np.nan_to_num(search.observed - working(fewer.predict(z)) - apart))

    def towards(z: Floats, off: Floats) -> Floats:
        return linalg.cho_solve(factor, slope.T @ off - z[free])

    def at(point: tuple[float, float]) -> RidgePoint:
        size, effect = point
        values: Mapping[str, float] = {EFFECT_OF_SURGERY: effect} | {name: size * value for name, value in base.items()}
        z = best.z.copy()
        for name, value in values.items():
            z[place[name]] = score(name, value)
        off = left(z)
        least, move = float(off @ off + z @ z), towards(z, off)
        for _ in range(STEPS):
            there = z.copy()
            there[free] = np.clip(z[free] + move, -FARTHEST_Z, FARTHEST_Z)
            off = left(there)
            if (objective := float(off @ off + there @ there)) < least:
                z, least, move = there, objective, towards(there, off)
            else:
                move = 0.5 * move
        return RidgePoint(size, effect, least - float(np.sum(z[held] ** 2)))

    return list(in_parallel(at, [(size, effect) for size in SIZES for effect in EFFECTS], long=True))
