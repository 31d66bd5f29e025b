"""The values of all parameters in a world: some quantities turned or drawn, all else as the scenario has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hcc_sim.analyses.study.uncertain import (
    CALIBRATION,
    DECISIONS,
    FAMILY,
    STRUCTURE,
    Uncertain,
    decided,
    decided_in,
    effects_of_aggressiveness,
    fitted_quantity,
    uncertain_in,
)
from hcc_sim.fit_in_use import OF_SCENARIO, Quantity
from hcc_sim.pathway.hcc import AGGRESSIVENESS, OTHER_FAMILIES
from hcc_sim.scenario import Scenario, Strategy


@dataclass(frozen=True)
class World:
    """Parameter values by strategy, in the scenario's order, and the laws that are of their other family."""

    values: tuple[Mapping[str, float], ...]
    other_families: frozenset[str] = frozenset()


class Worlds:
    """The worlds of a scenario.

    Where a quantity that the fit is conditional on is turned, what was fitted is taken given that, as everywhere.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.uncertain: dict[str, Uncertain] = uncertain_in(scenario)
        self._held_otherwise: dict[str, Uncertain] = {}
        self._base = [strategy.parameters.values_only() for strategy in scenario.strategies]
        by_strategies = decided_in(scenario)
        self._fitted = [_fitted_in(strategy, by_strategies) for strategy in scenario.strategies]
        self._held = dict(scenario.strategies[0].layers.beliefs)
        fit = scenario.fit
        self._fit = fit
        self._quantities: dict[str, Quantity] = {} if fit is None else dict(fit.quantities)
        defaults = scenario.strategies[0].layers.defaults
        self._beliefs = {  # what a preset says is of its population and tells the fit nothing
            name
            for name, one in self.uncertain.items()
            if one.source == CALIBRATION
            and fit is not None
            and name in fit.covariance
            and defaults[one.parameter].kind == "assumed"
            and not name.startswith(OF_SCENARIO)
        }

    def quantity(self, name: str) -> Uncertain:
        """What is uncertain, held or decided.

        Raises:
            KeyError: nothing of that name.
        """
        if name in self.uncertain:
            return self.uncertain[name]
        if name not in self._held_otherwise:
            one = decided(self.scenario, name)
            if one is None:
                raise KeyError(name)
            self._held_otherwise[name] = one
        return self._held_otherwise[name]

    def world(self, turned: Mapping[str, float], z: Mapping[str, float] | None = None) -> World:
        """A world in which uncertain quantities have these values.

        Args:
            turned: name of an uncertain quantity -> its value, for certain: the fit is taken given it.
            z: quantity of the fit -> its z in a joint draw, of all that are used or held; None for the base case.

        Raises:
            KeyError: a name that is no quantity of the scenario.
        """
        structure = {name: value for name, value in turned.items() if self.quantity(name).source == STRUCTURE}
        turned = {name: value for name, value in turned.items() if name not in structure}
        size = structure.pop(AGGRESSIVENESS, 1.0)
        if size != 1.0:
            turned = {**turned, **self._effects(size, turned, z)}
        values = self._values(turned, z)
        others = frozenset(name.removeprefix(FAMILY) for name, value in structure.items() if value > 0.5)
        assert others <= set(OTHER_FAMILIES)
        return World(tuple(values), others)

    def beyond_the_fit(self, name: str, values: Iterable[float]) -> bool:
        """Whether the fit is taken given a value of this that no draw of it comes near."""
        fit = self._fit
        if fit is None or name not in fit.covariance or not self._is_belief(name):
            return False
        return any(fit.outside({name: value}) for value in values)

    def _is_belief(self, name: str) -> bool:
        """Whether the fit is taken given it: an assumption of all patients, uncertain or held."""
        if name in self._beliefs:
            return True
        held = self.quantity(name).source == DECISIONS and name == self.quantity(name).parameter
        return held and bool(self.scenario.strategies[0].layers.beliefs_among({name: 0.0}))

    def _effects(self, size: float, turned: Mapping[str, float], z: Mapping[str, float] | None) -> Mapping[str, float]:
        """All that aggressiveness does, so many times what it would be."""
        names = effects_of_aggressiveness(self.uncertain)
        drawn = {
            name: turned.get(name, self._quantities[name].at(z[name]) if z and name in z else self.uncertain[name].base)
            for name in names
        }
        return {name: size * value for name, value in drawn.items()}

    def _values(self, turned: Mapping[str, float], z: Mapping[str, float] | None) -> list[dict[str, float]]:
        beliefs = {**self._held, **{name: value for name, value in turned.items() if self._is_belief(name)}}
        moves = z is not None or beliefs != self._held
        shifts: Mapping[str, float] = {}
        if self._fit is not None and moves:
            shifts = self._fit.shifts(beliefs, z)
        at: dict[str, float] = {}

        def moved(one: Quantity) -> float:
            if one.name not in at:
                at[one.name] = one.at((one.z if z is None else z[one.name]) + shifts.get(one.name, 0.0))
            return at[one.name]

        found = []
        for values, fitted, strategy in zip(self._base, self._fitted, self.scenario.strategies, strict=True):
            own = dict(values)
            for parameter, (one, (low, high)) in fitted.items() if moves else ():
                own[parameter] = min(max(moved(one), low), high)
            for name, value in turned.items():
                if strategy.name in self.quantity(name).strategies:
                    own[self.quantity(name).parameter] = value
            found.append(own)
        return found


def _fitted_in(strategy: Strategy, decided: set[str]) -> dict[str, tuple[Quantity, tuple[float, float]]]:
    """Parameter -> the quantity of the fit that it takes its value from, and its bounds."""
    fit, found = strategy.layers.fit, {}
    for name, parameter in strategy.parameters.items():
        quantity = fitted_quantity(strategy, parameter)
        if fit is not None and quantity is not None and name not in decided:
            found[name] = (fit.quantities[quantity], parameter.bounds)
    return found
