"""What is uncertain in a scenario: every quantity that analyses may turn or draw, with where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hcc_sim.errors import InputError, Problem, nearest
from hcc_sim.parameters import Distribution, Parameter
from hcc_sim.pathway.hcc import AGGRESSIVENESS, OTHER_FAMILIES
from hcc_sim.scenario import Scenario, Strategy
from hcc_sim.units import UNITS, is_money

CALIBRATION, REGIMENS, ASSUMPTIONS, PRICES, UTILITIES, USE, STRUCTURE = SOURCES = (
    "calibration",
    "regimens",
    "assumptions outside the fit",
    "prices",
    "utilities",
    "use of resources",
    "structure",
)
"""Where uncertainty comes from: the joint draws of the fit, of all patients and of a regimen's own; parameters that no
fit holds; what values stays; and the shape of the model itself."""

MEANINGS = {
    CALIBRATION: "parameters of all patients, drawn jointly from the calibration",
    REGIMENS: "what the calibration says of the regimens in use, drawn with them",
    ASSUMPTIONS: "parameters that the calibration does not hold",
    PRICES: "prices",
    UTILITIES: "utilities and losses of utility",
    USE: "doses, intervals and how long something is given",
    STRUCTURE: "families of laws, and how much unmeasured aggressiveness does",
}

DECISIONS = "decisions"
"""What somebody decides, and what is held: turned where it is named, never drawn."""

SIZES = Distribution("uniform", 0.0, 2.0)
"""By what all effects of aggressiveness are multiplied at once: none, as fitted, twice that."""

MEANING = "All effects of unmeasured aggressiveness, multiplied by this"

EITHER = Distribution("uniform", 0.0, 1.0)
"""Of a choice between two families: below one half as calibrated, else the other; no figure tells which."""

FAMILY = "family of "
"""How names of choices between families begin."""


@dataclass(frozen=True)
class Uncertain:
    """A quantity that is not known: its base value, its distribution, and the parameter that it is a value of.

    `parameter` is empty for structure.  `strategies` are those that use it; of a regimen's own quantity
    (`launch/tace+lenvatinib: response.probability`) not all.
    """

    name: str
    parameter: str
    source: str
    base: float
    distribution: Distribution
    unit: str
    kind: str
    meaning: str
    bounds: tuple[float, float]
    strategies: tuple[str, ...]

    def text(self, value: float) -> str:
        """A value for a reader, in at most three digits."""
        if is_money(self.unit):
            return f"{float(f'{value:.3g}'):,.10g} {self.unit}"
        return UNITS[self.unit].format(float(f"{value:.3g}"))

    def check(self, value: float, where: str) -> None:
        """InputError where a value cannot be."""
        if not (UNITS[self.unit].holds(value) and self.bounds[0] <= value <= self.bounds[1]):
            accepted = " to ".join(UNITS[self.unit].format(bound) for bound in self.bounds)
            told = f"{value:g} is out of range; accepted: {accepted} ({self.unit})"
            raise InputError(Problem(where, None, self.name, told))


def uncertain_in(scenario: Scenario) -> dict[str, Uncertain]:
    """Everything uncertain in a scenario by name: what is fitted, the other parameters, structure.

    What a strategy, the scenario or `--set` gives is held, and so is what any strategy decides; it is not among them.
    """
    found: dict[str, Uncertain] = {}
    decided = decided_in(scenario)
    for strategy in scenario.strategies:
        for name, parameter in strategy.parameters.items():
            prior = parameter.distribution
            if prior is None or prior.family == "fixed" or prior.low == prior.high or name in decided:
                continue
            key, source = _key_and_source(strategy, parameter)
            if key in found and found[key].distribution != prior:  # two regimens with values of their own
                key = f"{parameter.set_by}: {name}"
            before = found[key].strategies if key in found else ()
            found[key] = Uncertain(
                key, name, source, parameter.value, prior, parameter.unit, parameter.kind, parameter.meaning,
                parameter.bounds, (*before, strategy.name),
            )  # fmt: skip
    everybody = tuple(strategy.name for strategy in scenario.strategies)
    return found | {one.name: one for one in _structure(found, everybody)}


def decided_in(scenario: Scenario) -> set[str]:
    """Names of parameters that some strategy sets."""
    return {name for strategy in scenario.strategies for name in strategy.given}


def fitted_quantity(strategy: Strategy, parameter: Parameter) -> str | None:
    """The quantity of the fit that a parameter takes its value from under a strategy; None if it is of no fit."""
    layers = strategy.layers
    if layers.fit is None:
        return None
    if parameter.set_by == "fit":
        return parameter.name
    if parameter.set_by == f"regimen {layers.regimen.name}" and parameter.name in layers.regimen.fitted:
        return f"{layers.regimen.fitted[parameter.name]}: {parameter.name}"
    owner = next((name for name in layers.around_surgery.values() if name == parameter.set_by), None)
    quantity = f"{owner}: {parameter.name}"
    return quantity if owner is not None and quantity in layers.fit.quantities else None


def decided(scenario: Scenario, name: str) -> Uncertain | None:
    """A parameter that is held or decided, as something to turn; None if there is none of that name.

    `parameter` is turned under all strategies that do not set it themselves, `strategy: parameter` under that one.
    """
    owner, _, parameter = name.rpartition(": ")
    for strategy in scenario.strategies:
        if parameter in strategy.parameters and owner in ("", strategy.name):
            one = strategy.parameters[parameter]
            using = tuple(s.name for s in scenario.strategies if owner == s.name or (not owner and name not in s.given))
            held = Distribution("fixed", one.value, one.value)
            return Uncertain(
                name, parameter, DECISIONS, one.value, held, one.unit, one.kind, one.meaning, one.bounds, using
            ) if using else None  # fmt: skip
    return None


def chosen(
    scenario: Scenario, known: Mapping[str, Uncertain], names: Iterable[str], option: str, *, held: bool = False
) -> list[Uncertain]:
    """The quantities of these names; a parameter's name stands for the one quantity that is a value of it.

    With `held` also parameters that are held or decided.

    Raises:
        InputError: a name that is none of them, with the nearest, or that several quantities share.
    """
    found, problems = [], []
    for name in dict.fromkeys(names):
        matching = [known[name]] if name in known else [one for one in known.values() if one.parameter == name]
        if not matching and held and (one := decided(scenario, name)) is not None:
            matching = [one]
        if len(matching) == 1:
            found.append(matching[0])
        elif matching:
            several = ", ".join(f"'{one.name}'" for one in matching)
            problems.append(Problem(option, None, name, f"has a value of its own in each of {several}; name one"))
        else:
            told = f"is no uncertain parameter of this scenario. {nearest(name, known)}".rstrip()
            first = scenario.strategies[0]
            if name in decided_in(scenario):
                told = f"is decided by strategies; of one it is '{first.name}: {name}', with values of your own"
            elif name in first.parameters:
                told = "is held in this scenario: it has no distribution, or the scenario or --set gives its value"
            problems.append(Problem(option, None, name, told))
    if problems:
        raise InputError(problems)
    return found


def effects_of_aggressiveness(known: Iterable[str]) -> list[str]:
    """The names, of parameters, that say what aggressiveness does."""
    return [name for name in known if AGGRESSIVENESS in name and name != AGGRESSIVENESS]


def _key_and_source(strategy: Strategy, parameter: Parameter) -> tuple[str, str]:
    quantity = fitted_quantity(strategy, parameter)
    if quantity is not None:
        return quantity, CALIBRATION if quantity == parameter.name else REGIMENS
    if not parameter.economic:
        return parameter.name, ASSUMPTIONS
    if is_money(parameter.unit):
        return parameter.name, PRICES
    return parameter.name, UTILITIES if parameter.unit == "utility" else USE


def _structure(found: Mapping[str, Uncertain], strategies: tuple[str, ...]) -> Iterable[Uncertain]:
    reach = (0.0, float("inf"))
    if effects_of_aggressiveness(found):
        meaning = "All effects of unmeasured aggressiveness, multiplied by this"
        yield Uncertain(AGGRESSIVENESS, "", STRUCTURE, 1.0, SIZES, "number", "assumed", meaning, reach, strategies)
    for law in OTHER_FAMILIES:
        meaning = f"Family of the law of {law}: below 0.5 as calibrated; above, the other with like median and spread"
        name = f"{FAMILY}{law}"
        yield Uncertain(name, "", STRUCTURE, 0.0, EITHER, "probability", "assumed", meaning, (0.0, 1.0), strategies)
