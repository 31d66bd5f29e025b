"""Priors on one scale: every uncertain parameter is a function of a standard normal number z.

With F the parameter's distribution, value = F^-1(Phi(z)): whatever the family, the prior of all z together is N(0, I),
z is unbounded, and z = 0 is the prior's median.  Sums of squares of z are then minus twice the log prior.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from hcc_sim.errors import Problems
from hcc_sim.parameters import Distribution, Item, Parameter, Parameters, read_distribution
from hcc_sim.strict_yaml import read_yaml
from hcc_sim.units import UNITS

CENTRAL = 1.959963984540054
"""z of either end of a central 95% interval."""

FARTHEST = 8.0
"""z beyond which no parameter is sent: a double holds no probability nearer to 1."""

Floats = NDArray[np.float64]


PRIORS = "priors.yaml"


@dataclass(frozen=True)
class Prior:
    """What is believed of a quantity before its figures: the parameter that it sets, if any, and its distribution."""

    name: str
    parameter: str
    distribution: Distribution
    reason: str

    @property
    def at(self) -> Callable[[float], float]:
        """The value, in its unit, as a function of z; z beyond `FARTHEST` is held there."""
        quantile = quantiles_of(self.distribution)
        return lambda z: quantile(min(max(z, -FARTHEST), FARTHEST))


def load_priors(folder: Path, parameters: Parameters) -> dict[str, Prior]:
    """The priors of `priors.yaml`, and of each uncertain parameter that it does not name, in this order.

    Raises:
        InputError: every problem of the file, with line and key.
    """
    problems = Problems()
    document = read_yaml(folder / PRIORS)
    found: dict[str, Prior] = {}
    for item in Item(document, (), problems).items():
        prior = _read(item, parameters)
        if prior is None:
            continue
        twice = next((o.name for o in found.values() if prior.parameter and o.parameter == prior.parameter), None)
        if twice is not None:
            item.problem(f"sets '{prior.parameter}', which '{twice}' sets already; keep one of them")
        found[prior.name] = prior
    problems.raise_if_any()
    named = {prior.parameter for prior in found.values()}
    for name, parameter in parameters.items():
        distribution = parameter.distribution
        if name not in named and not parameter.decision and distribution and distribution.family != "fixed":
            found[name] = Prior(name, name, distribution, parameter.reason or parameter.derivation)
    return found


def _read(item: Item, parameters: Parameters) -> Prior | None:
    if not item.expect(("reason", "distribution"), ("parameter", "unit")):
        return None
    name = item.text("parameter") or ("" if "unit" in item.data else item.name)
    if name and name not in parameters:
        item.problem(parameters.unknown(name), *(["parameter"] if "parameter" in item.data else []))
        return None
    if "unit" in item.data and (name or item.name in parameters):
        item.problem(f"the unit is that of the parameter, '{parameters[name or item.name].unit}'; leave it out", "unit")
        return None
    unit = item.one_of("unit", tuple(UNITS)) if "unit" in item.data else parameters[name].unit
    if not unit:
        return None
    bounds = parameters[name].bounds if name else (-math.inf, math.inf)
    reader = Parameter(item.name, math.nan, unit, "assumed", "", bounds=bounds)
    distribution = read_distribution(item, reader, math.nan)
    if distribution is not None and distribution.family == "beta":
        try:
            beta_of_interval(distribution.low, distribution.high)
        except ValueError as error:
            item.problem(str(error), "distribution")
    return Prior(item.name, name, distribution, item.text("reason")) if distribution else None


def quantiles_of(distribution: Distribution) -> Callable[[float], float]:
    """z -> F^-1(Phi(z)) of a distribution given by its central 95% interval (bounds, if uniform).

    Raises:
        ValueError: a family that is not known.
    """
    low, high = distribution.low, distribution.high
    match distribution.family:
        case "normal":
            return _line(low, high, lambda x: x)
        case "log-normal":
            return _line(math.log(low), math.log(high), math.exp)
        case "logit-normal":
            return _line(_logit(low), _logit(high), lambda x: float(special.expit(x)))
        case "uniform":
            return lambda z: low + (high - low) * float(special.ndtr(z))
        case "log-uniform":
            return lambda z: low * (high / low) ** float(special.ndtr(z))
        case "beta":
            a, b = beta_of_interval(low, high)
            return lambda z: _beta_quantile(a, b, z)
    raise ValueError(f"no quantiles for the family '{distribution.family}'")


def _line(low: float, high: float, back: Callable[[float], float]) -> Callable[[float], float]:
    """Normal between `low` and `high` (95%) on some scale, and the way back from it."""
    middle, spread = 0.5 * (low + high), (high - low) / (2.0 * CENTRAL)
    return lambda z: back(middle + spread * z)


def _logit(share: float) -> float:
    return math.log(share / (1.0 - share))


def _beta_quantile(a: float, b: float, z: float) -> float:
    """From the nearer end, or the quantile above 1 - 1e-16 would be 1."""
    if z <= 0:
        return float(special.betaincinv(a, b, special.ndtr(z)))
    return 1.0 - float(special.betaincinv(b, a, special.ndtr(-z)))


@lru_cache(maxsize=256)
def beta_of_interval(low: float, high: float) -> tuple[float, float]:
    """The two shapes of the beta distribution with this central 95% interval.

    Raises:
        ValueError: no beta distribution has it.
    """

    def off(log_shapes: Floats) -> Floats:
        a, b = np.exp(log_shapes)
        return special.betainc(a, b, [low, high]) - np.array([0.025, 0.975])

    if not 0.0 < low < high < 1.0:
        raise ValueError(f"no beta distribution has the central 95% interval {low} to {high}")
    mean, spread = 0.5 * (low + high), (high - low) / (2.0 * CENTRAL)
    size = max(mean * (1.0 - mean) / spread**2 - 1.0, 0.5)
    found = optimize.root(off, np.log([mean * size, (1.0 - mean) * size]), tol=1e-12)
    if not np.abs(off(found.x)).max() <= 1e-8:  # scipy doubts roots that it has met exactly
        raise ValueError(f"no beta distribution has the central 95% interval {low} to {high}")
    a, b = np.exp(found.x)
    return float(a), float(b)
