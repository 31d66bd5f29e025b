"""Priors on one scale: every uncertain parameter is a function of a standard normal number z.

With F the parameter's distribution, value = F^-1(Phi(z)): whatever the family, the prior of all z together is N(0, I),
z is unbounded, and z = 0 is the prior's median.  Sums of squares of z are then minus twice the log prior.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hcc_sim.errors import Problems
from hcc_sim.fit_in_use import OF_TRIAL, PRIORS
from hcc_sim.items import Item
from hcc_sim.parameters import Distribution, Parameter, Parameters, read_distribution
from hcc_sim.quantiles import beta_of_interval, value_of
from hcc_sim.strict_yaml import read_yaml
from hcc_sim.units import UNITS

OF_ARM = "arm."
"""How names of priors begin that hold in every arm, each with a value of its own."""


@dataclass(frozen=True)
class Prior:
    """What is believed of a quantity before its figures: the parameter that it sets, if any, and its distribution."""

    name: str
    parameter: str
    distribution: Distribution
    reason: str

    @property
    def at(self) -> Callable[[float], float]:
        """The value, in its unit, as a function of z."""
        return value_of(self.distribution.family, self.distribution.low, self.distribution.high)


def load_priors(folder: Path, parameters: Parameters) -> dict[str, Prior]:
    """The priors of `priors.yaml`, and of each uncertain parameter that it does not name, in this order.

    Those of parameters of which each arm has its own begin with `arm.`.  What is fixed in `priors.yaml` is held in
    trials at its parameter's value, however uncertain it is elsewhere.

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
    for name, parameter in parameters.of_pathway().items():
        distribution = parameter.distribution
        if name not in named and not parameter.decision and distribution:
            own = OF_ARM + name if parameter.of_arm else name
            found[own] = Prior(own, name, distribution, parameter.reason or parameter.derivation)
    return {name: prior for name, prior in found.items() if prior.distribution.family != "fixed"}


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
    if name and not item.name.startswith(OF_TRIAL):
        wanted = OF_ARM + name if parameters[name].of_arm else name
        if item.name != wanted:
            item.problem(f"a prior of '{name}' is named {wanted}, or {OF_TRIAL}... if it is how trials look")
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
