"""Regimens that the network alone knows: a hazard ratio against others, no survival time of their own.

A network ratio is marginal, so it is not put into the pathway: the regimen's progression is sought, draw by draw, until
the simulated contrast with its comparator shows the ratio that the network drew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hcc_sim.calibration import statistics
from hcc_sim.calibration.library import Regimen
from hcc_sim.calibration.model import Model
from hcc_sim.calibration.network import Network, NoPath
from hcc_sim.calibration.parallel import in_parallel
from hcc_sim.calibration.posterior import FARTHEST_Z
from hcc_sim.calibration.prior import Prior
from hcc_sim.calibration.targets import OVERALL, PROGRESSION_FREE
from hcc_sim.calibration.trial import simulate_arm

Floats = NDArray[np.float64]

SOUGHT = "progression.median_of_non_responders"
TIMES: Mapping[str, statistics.Times] = {
    PROGRESSION_FREE: statistics.progression_free_survival,
    OVERALL: statistics.overall_survival,
}
"""Endpoints by which a regimen is sought, the first that the network tells."""

NEAR = 0.003
"""Of the log hazard ratio, at which a search ends."""

STEPS, LARGEST_STEP = 12, 1.5


@dataclass(frozen=True)
class Solved:
    """A regimen found so: `z` (D,) of its progression in each draw, and of everything else it has for itself.

    `mean` and `sd` are the network's log hazard ratio against the comparator, `reached` (D,) the simulated ones and
    `drawn` (D,) those that were asked for; `bridges` are the assumptions crossed on the way.
    """

    regimen: str
    comparator: str
    endpoint: str
    mean: float
    sd: float
    bridges: tuple[str, ...]
    figures: tuple[str, ...]
    borrowed: tuple[str, ...]
    drawn: Floats
    reached: Floats
    z: Mapping[str, Floats]
    priors: Mapping[str, Prior]

    @property
    def missed(self) -> float:
        """The largest distance between asked and reached."""
        return float(np.max(np.abs(self.reached - self.drawn)))


def solve_only_in_network(
    model: Model, draws: Floats, network: Network, regimens: Sequence[Regimen], seed: int
) -> list[Solved]:
    """Every regimen of grade network that the network relates to a fitted one, over bridges if it must.

    Args:
        model: whose regimens are fitted.
        draws: (D, U) of its unknowns.
        network: relative effects.
        regimens: all that the documents name, with grades.
        seed: of the network's draws.
    """
    calibrated = [one.key for one in regimens if one.grade == "calibrated" and _owns(model, one.key)]
    found = []
    for one in regimens:
        if one.grade == "network":
            nearest = _nearest(network, one.key, calibrated)
            if nearest is not None:
                found.append(_solve(model, draws, network, one.key, *nearest, seed))
    return found


def _owns(model: Model, regimen: str) -> bool:
    return any(quantity.owner == regimen for quantity in model.quantities)


def _nearest(network: Network, regimen: str, calibrated: Sequence[str]) -> tuple[str, str] | None:
    """The fitted regimen to which it is related most surely, and by which endpoint."""
    for endpoint in TIMES:
        related = {}
        for other in calibrated:
            try:
                related[other] = network.relative(regimen, other, endpoint)[1]
            except NoPath:
                continue
        if related:
            return min(related, key=related.__getitem__), endpoint
    return None


def _solve(
    model: Model, draws: Floats, network: Network, regimen: str, comparator: str, endpoint: str, seed: int
) -> Solved:
    mean, sd, crossed = network.relative(regimen, comparator, endpoint)
    drawn = _of_network(network, regimen, comparator, endpoint, len(draws), seed)
    owner = regimen if _owns(model, regimen) else comparator
    priors = {one.prior.parameter: one.prior for one in model.quantities if one.owner == owner}
    own = {one.prior.parameter: np.array([one.at(z) for z in draws]) for one in model.quantities if one.owner == owner}
    contrast = statistics.contrast(TIMES[endpoint])

    def seek(number: int) -> tuple[float, float]:
        z = draws[number]
        trial = model.trial_values(z)
        values = model.values(z, owner)
        other = model.simulate(z, comparator)

        def ratio(at: float) -> float:
            moved = values | {SOUGHT: priors[SOUGHT].at(at)}
            arm = simulate_arm(model.pathway, moved, seed=model.seed, patients=model.patients)
            return contrast(trial, arm, other).working

        return _root(ratio, float(own[SOUGHT][number]), float(drawn[number]))

    results = np.array(list(in_parallel(seek, range(len(draws)))))
    borrowed = () if owner == regimen else tuple(name for name in own if name != SOUGHT)
    return Solved(
        regimen,
        comparator,
        endpoint,
        mean,
        sd,
        tuple(bridge.name for bridge in crossed),
        _figures(network, regimen, endpoint),
        borrowed,
        drawn,
        results[:, 1],
        own | {SOUGHT: results[:, 0]},
        priors,
    )


def _root(ratio: Callable[[float], float], start: float, asked: float) -> tuple[float, float]:
    """z at which the log hazard ratio is the one asked for, and the one reached: secants, for it falls with z."""
    at, slope = start, -0.4
    here = ratio(at)
    for _ in range(STEPS):
        if abs(here - asked) < NEAR:
            break
        step = float(np.clip((asked - here) / slope, -LARGEST_STEP, LARGEST_STEP))
        there = float(np.clip(at + step, -FARTHEST_Z, FARTHEST_Z))
        if there == at:
            break
        new = ratio(there)
        if new != here:
            slope = min((new - here) / (there - at), -0.05)
        at, here = there, new
    return at, here


def _of_network(network: Network, regimen: str, comparator: str, endpoint: str, count: int, seed: int) -> Floats:
    """Draws (count,) of the log hazard ratio."""
    draws = network.draws(count, seed)
    signs = {regimen: 1.0, comparator: -1.0}
    weights = [signs.get(p.name, 0.0) if p.endpoint == endpoint else 0.0 for p in draws.parameters]
    return np.asarray(draws.log_hazard_ratios @ np.array(weights))


def _figures(network: Network, regimen: str, endpoint: str) -> tuple[str, ...]:
    """The ratios that it has with others."""
    return tuple(
        one.figure
        for one in network.model.ratios
        if one.endpoint == endpoint and regimen in (one.regimen, one.comparator) and one.design != "bridge"
    )
