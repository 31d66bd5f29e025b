"""What it would be worth to know more: of each parameter, of groups of them, of everything, on the draws of a psa."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hcc_sim.analyses.psa import Probabilistic
from hcc_sim.analyses.study.measured import ALL
from hcc_sim.analyses.study.objective import Objective
from hcc_sim.analyses.study.uncertain import Uncertain
from hcc_sim.economics import CostsAndEffects
from hcc_sim.economics.net_benefit import value_of_perfect_information
from hcc_sim.economics.partial_information import (
    Shares,
    population_value,
    shares_of_variance,
    value_of_partial_information,
)
from hcc_sim.outcomes import Table

Floats = NDArray[np.float64]

EVERYTHING = "everything"
PARAMETER, SECTION, SOURCE = "parameter", "section", "source"
"""What is known together: one parameter, those whose names begin alike, those that come from one source."""

STRONGEST = 5


class Worth(NamedTuple):
    """What knowing one thing is worth per patient, and for all whom the decision concerns (NaN if nobody said who)."""

    known: str
    kind: str
    parameters: int
    threshold: float
    value: float
    standard_error: float
    share_of_perfect: float
    population_value: float
    population_standard_error: float
    currency: str


class Effect(NamedTuple):
    """What knowing one thing is worth in an outcome of health, per patient, whatever it costs."""

    known: str
    kind: str
    parameters: int
    outcome: str
    value: float
    standard_error: float
    share_of_perfect: float
    unit: str


class Explained(NamedTuple):
    """The share of the variance over draws of a contrast that a source explains."""

    outcome: str
    strategy: str
    versus: str
    source: str
    share: float
    standard_error: float


class Population(NamedTuple):
    """Whom a decision concerns: so many patients a year, for so many years."""

    patients_per_year: float
    years: int


@dataclass(frozen=True)
class Information:
    """The reading of joint draws for what knowing is worth."""

    psa: Probabilistic
    quantities: Mapping[str, Uncertain]
    population: Population | None = None

    @cached_property
    def groups(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """(kind, name) -> inputs known together; a section of one parameter is told as that alone."""
        inputs = self.psa.table.shape.inputs
        found: dict[tuple[str, str], list[str]] = {(PARAMETER, name): [name] for name in inputs}
        for name in inputs:
            one = self.quantities[name]
            found.setdefault((SOURCE, one.source), []).append(name)
            found.setdefault((SECTION, section_of(one)), []).append(name)
        return {key: tuple(names) for key, names in found.items() if key[0] != SECTION or len(names) > 1}

    @cached_property
    def worths(self) -> tuple[Worth, ...]:
        """At every threshold of the scenario, the most valuable first, everything before all."""
        terms = self.psa.study.scenario.terms
        assert terms is not None
        found, leading = [], self.psa.leading
        for threshold in terms.thresholds:
            (perfect,) = value_of_perfect_information(self.psa.costs_and_effects, threshold)
            everything = self._worth((EVERYTHING, EVERYTHING), len(self.psa.table.shape.inputs), threshold,
                                     perfect.value, perfect.standard_error, perfect.value)  # fmt: skip
            ours = []
            for key, names in self.groups.items():
                inputs = np.column_stack([leading.table.given(name) for name in names])
                part = value_of_partial_information(leading.costs_and_effects, inputs, threshold)
                ours.append(self._worth(key, len(names), threshold, part.value, part.standard_error, perfect.value))
            found += [everything, *sorted(ours, key=lambda one: -one.value)]
        return tuple(found)

    def _worth(
        self, key: tuple[str, str], parameters: int, threshold: float, value: float, error: float, perfect: float
    ) -> Worth:
        terms = self.psa.study.scenario.terms
        assert terms is not None
        all_value = all_error = math.nan
        if self.population is not None:
            whole = population_value(value, error, *self.population, terms.discount_costs)
            all_value, all_error = whole.value, whole.standard_error
        share = value / perfect if perfect > 0.0 else math.nan
        kind, name = key
        return Worth(name, kind, parameters, threshold, value, error, share, all_value, all_error, terms.money)

    def ranked(self, kind: str, threshold: float | None = None) -> list[Worth]:
        """Of one kind at a threshold, by default the highest, the most valuable first."""
        terms = self.psa.study.scenario.terms
        assert terms is not None
        at = terms.thresholds[-1] if threshold is None else threshold
        return [one for one in self.worths if one.kind == kind and one.threshold == at]

    @cached_property
    def effects(self) -> tuple[Effect, ...]:
        """In QALYs and in survival, were the choice made on them alone; the most valuable first, everything before."""
        found = []
        for objective in self.psa.objectives:
            if objective.threshold is not None or objective.less_is_better:
                continue
            whole, leading = (_of_effects(objective, psa) for psa in (self.psa, self.psa.leading))
            if whole is None or leading is None:
                continue
            (perfect,) = value_of_perfect_information(whole, 1.0)

            def told(
                key: tuple[str, str], several: int, value: float, error: float, of: Objective = objective,
                every: float = perfect.value,
            ) -> Effect:  # fmt: skip
                share = value / every if every > 0.0 else math.nan
                return Effect(key[1], key[0], several, of.name, value, error, share, of.unit)

            ours = []
            for key, names in self.groups.items():
                inputs = np.column_stack([self.psa.leading.table.given(name) for name in names])
                part = value_of_partial_information(leading, inputs, 1.0)
                ours.append(told(key, len(names), part.value, part.standard_error))
            several = len(self.psa.table.shape.inputs)
            everything = told((EVERYTHING, EVERYTHING), several, perfect.value, perfect.standard_error)
            found += [everything, *sorted(ours, key=lambda one: -one.value)]
        return tuple(found)

    @cached_property
    def explained(self) -> tuple[Explained, ...]:
        """Of every kept outcome and net benefit, between the best strategy and the worst: by source."""
        return explained_by_source(self.psa, self.quantities)

    def tables(self) -> dict[str, Table[Any]]:
        """By the names of their files."""
        return {
            "information": Table(Worth._fields, list(self.worths)),
            "information-effects": Table(Effect._fields, list(self.effects)),
            "variance": Table(Explained._fields, list(self.explained)),
        }

    def sentences(self) -> tuple[str, ...]:
        """What to know first, and what it would be worth."""
        terms = self.psa.study.scenario.terms
        assert terms is not None
        found = []
        for threshold in terms.thresholds:
            everything = self.ranked(EVERYTHING, threshold)[0]
            if everything.value == 0.0:
                at = f"At {threshold:,.0f} {terms.money} a QALY"
                found.append(f"{at} one strategy is best in every draw: no knowledge would change the choice.")
                continue
            told = "; ".join(
                f"{one.known} {one.value:,.0f} ± {1.96 * one.standard_error:,.0f}"
                for one in self.ranked(PARAMETER, threshold)[:STRONGEST]
            )
            sources = "; ".join(
                f"{one.known} {one.value:,.0f} ± {1.96 * one.standard_error:,.0f}"
                for one in self.ranked(SOURCE, threshold)[:3]
            )
            for_all = ""
            if self.population is not None:
                for_all = (
                    f" For {self.population.patients_per_year:,.0f} patients a year over {self.population.years} "
                    f"years, everything is worth {everything.population_value:,.0f} {terms.money}."
                )
            found.append(
                f"At {threshold:,.0f} {terms.money} a QALY everything is worth {everything.value:,.0f} ± "
                f"{1.96 * everything.standard_error:,.0f} a patient. Alone: {told}. By source: {sources}.{for_all}"
            )
        return (*found, *self._in_effects())

    def _in_effects(self) -> Iterator[str]:
        """Which parameters it would be worth to know were health all that counts."""
        for outcome in dict.fromkeys(one.outcome for one in self.effects):
            ours = [one for one in self.effects if one.outcome == outcome]
            told = "; ".join(
                f"{one.known} {one.value:.2g} ± {1.96 * one.standard_error:.2g}"
                for one in [one for one in ours if one.kind == PARAMETER][:STRONGEST]
            )
            every = ours[0]
            yield (
                f"Were {outcome} all that counts, everything would be worth {every.value:.2g} ± "
                f"{1.96 * every.standard_error:.2g} {every.unit} a patient (noise of few patients among it). "
                f"Alone: {told}."
            )


def _of_effects(objective: Objective, psa: Probabilistic) -> CostsAndEffects | None:
    """An outcome of health as a table without costs; None where it is not known in some draw."""
    values = objective.values(psa.table)
    if not np.isfinite(values).all():
        return None
    return CostsAndEffects(psa.strategies, np.zeros_like(values), values, effect=objective.unit)


def section_of(one: Uncertain) -> str:
    """What names of parameters begin with; of a regimen's own the regimen; of structure that."""
    owner, _, parameter = one.name.rpartition(": ")
    if owner:
        return owner
    return parameter.partition(".")[0] if one.parameter else one.source


def explained_by_source(psa: Probabilistic, quantities: Mapping[str, Uncertain]) -> tuple[Explained, ...]:
    """Shares of variance of the objective, costs and QALYs, best strategy minus worst; noise and rest among them."""
    psa = psa.leading
    table = psa.table
    names = table.shape.strategies
    if len(names) < 2:
        return ()
    values = psa.objective.values(table)
    mean = values.mean(axis=0)
    best, worst = psa.objective.best(mean), psa.objective.best(-mean)
    sources: dict[str, list[Floats]] = {}
    for name in table.shape.inputs:
        sources.setdefault(quantities[name].source, []).append(table.given(name))
    columns = {source: np.column_stack(found) for source, found in sources.items()}
    found = []
    for objective in psa.objectives:
        values = objective.values(table)
        contrast = values[:, best] - values[:, worst]
        if best == worst or np.ptp(contrast) == 0.0 or not np.isfinite(contrast).all():
            continue
        noise = objective.error(table, table.noise[table.shape.parts.index(ALL)], names[best], names[worst]) ** 2
        shares = shares_of_variance(contrast, columns, None if math.isnan(noise) else noise)
        found += [Explained(objective.name, names[best], names[worst], *row) for row in _rows(shares)]
    return tuple(found)


def _rows(shares: Shares) -> list[tuple[str, float, float]]:
    told = [(one.source, one.share, one.standard_error) for one in shares.sources]
    return [
        *told,
        ("few patients in a draw", shares.noise, math.nan),
        ("together only, or by chance", shares.rest, shares.rest_standard_error),
    ]
