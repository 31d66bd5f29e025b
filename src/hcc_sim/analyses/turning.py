"""On which assumption does the answer hang, and at which value of it does the preferred strategy change?"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from hcc_sim.analyses.strategies import Run, restricted_means
from hcc_sim.analyses.study.design import listed
from hcc_sim.analyses.study.measured import COST, QALY, measures_of
from hcc_sim.analyses.study.objective import NET_BENEFIT, Objective
from hcc_sim.analyses.study.runs import Done, Runner
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.table import DrawTable
from hcc_sim.analyses.study.uncertain import MEANING, SIZES, effects_of_aggressiveness
from hcc_sim.analyses.study.worlds import Worlds
from hcc_sim.analyses.valuation import Valuation, valuation_of
from hcc_sim.economics.quantities import Quantities
from hcc_sim.outcomes import Estimate
from hcc_sim.parameters import Distribution, Parameter, Parameters
from hcc_sim.pathway.hcc import AGGRESSIVENESS, EFFECT_OF_SURGERY
from hcc_sim.quantiles import scale_of
from hcc_sim.scenario import Scenario
from hcc_sim.units import is_money

OF_CHOICES = {
    "necrosis_test.": ("necrosis_test.sensitivity", "necrosis_test.specificity"),
    "adjuvant.": ("adjuvant.effect_on_outgrowth", "adjuvant.effect_afterwards", "adjuvant.effect_on_decompensation"),
    "liver_directed.": (
        "liver_directed.effect_of_stopping_on_progression",
        "liver_directed.effect_of_stopping_on_response",
        "decompensation.log_hazard_ratio_per_cycle",
    ),
    "systemic.": ("drugs.withdrawal_effect_on_progression", "drugs.withdrawal_effect_on_response"),
    "switch.": ("switch.response_probability", "switch.effect_on_progression"),
    "cytoreduction.": ("cytoreduction.effect_on_progression", "cytoreduction.death"),
    "neoadjuvant.": ("neoadjuvant.effect_on_outgrowth", "neoadjuvant.dead_share", "neoadjuvant.duration"),
    "remnant.": ("remnant.success_share", "remnant.death", "remnant.growth_time"),
    "transplantation.": ("transplantation.death", "transplantation.effect_on_outgrowth"),
    "ablation.": ("ablation.incomplete_share", "ablation.death"),
    "conversion.": ("conversion.dead_log_odds_depth", "conversion.occult_log_odds_aggressiveness"),
    "surgery.spared_above_depth": ("conversion.dead_log_odds_depth", "sterilisation.rate"),
}
"""What matters once a strategy sets something that begins so."""

TIMING_ASSUMPTIONS = (
    EFFECT_OF_SURGERY,
    "drugs.withdrawal_effect_on_outgrowth",
    "surgery.effect_on_decompensation",
    "drugs.withdrawal_effect_on_decompensation",
    "conversion.occult_share",
    "salvage.curable_share",
    "regrowth.median",
    "death.median_after_relapse",
    "repeat.curable_share",
    "relapse.occult_again_share",
    "sterilisation.rate",
    AGGRESSIVENESS,
)
"""On what the answer to the timing question may hang: parameters that moved it most when all were tried, and all that
aggressiveness does."""

HALVES = 30
"""Of an interval, until a turning value is known."""

PATIENTS = 10_000
"""Patients behind a turning value: enough to place it within the breadth of its prior, quick enough for every run."""


SURVIVAL = "restricted mean survival time"


@dataclass(frozen=True)
class Turning:
    """How far a contrast hangs on one parameter.

    `differences` are those of the `outcome` (in its unit, `strategy` minus `versus`) at `values`: the ends of its
    central 95% interval and the base value.  Where an assumption is turned, what was fitted is taken given it.
    `turns_at` is where the sign changes, interpolated on the scale of the distribution; None if it does not.
    """

    parameter: Parameter
    strategy: str
    versus: str
    values: tuple[float, ...]
    differences: tuple[float, ...]
    turns_at: float | None
    outcome: str = SURVIVAL
    unit: str = "months"

    @property
    def span(self) -> float:
        """How far the difference moves across the prior."""
        return max(self.differences) - min(self.differences)

    def _told(self, difference: float) -> str:
        return f"{difference:+.1f}" if self.outcome == SURVIVAL else f"{difference:+,.0f}"

    def sentence(self) -> str:
        """Prior, span and turning value in words."""
        p, prior = self.parameter, self.parameter.distribution
        assert prior is not None
        if p.name == AGGRESSIVENESS:
            told = ", ".join(map(self._told, self.differences))
            times = " and ".join(f"{value:g}" for value in self.values)
            return (
                f"'{self.strategy}' minus '{self.versus}' is {told} {self.unit} with all effects of {p.name} times "
                f"{times}."
            )
        spans = f"{self._told(min(self.differences))} to {self._told(max(self.differences))} {self.unit}"
        turns = "no value within turns the order"
        if self.turns_at is not None:
            turns = f"the order turns at about {_short(p.unit, self.turns_at, 2)}"
        value, low, high = (_short(p.unit, number, 3) for number in (p.value, prior.low, prior.high))
        known = f"{p.name} = {value} ({p.kind}, 95% {low} to {high})"
        return f"{known}: across that '{self.strategy}' minus '{self.versus}' is {spans}; {turns}."


def _short(unit: str, number: float, digits: int) -> str:
    """So many digits; money without exponents."""
    short = float(f"{number:.{digits}g}")
    return f"{short:,.10g} {unit}" if is_money(unit) else f"{number:.{digits}g}"


class _Measure(NamedTuple):
    """A contrast that is turned: its value with all patients, and the outcomes that it is a sum of, with weights."""

    outcome: str
    unit: str
    strategy: str
    versus: str
    base: float
    weights: Mapping[str, float]

    def of(self, table: DrawTable) -> list[float]:
        """In every draw."""
        objective = Objective(self.outcome, self.unit, self.weights)
        values = objective.values(table)
        one, other = (table.shape.strategies.index(name) for name in (self.strategy, self.versus))
        found: list[float] = (values[:, one] - values[:, other]).tolist()
        return found


def turning_points(run: Run, population: str, threads: int | None = None) -> tuple[Turning, ...]:
    """How the contrast between the best and the worst strategy of a run hangs on each assumption, strongest first.

    First of survival on what timing hangs on; then, where the scenario has terms, of net benefit at the highest
    threshold, on the same and on prices and utilities.  Fewer patients say by how much a contrast moves, which they can
    tell well, being the same; from where, all patients say.  Parameters that are decided by a strategy or held (no
    distribution) are left out; empty where there is no contrast.
    """
    scenario = replace(run.scenario, size=run.patients)
    valuation = valuation_of(scenario, run.quantities)
    measures = [one for one in (_of_survival(run, population), _of_benefit(valuation)) if one is not None]
    if not measures:
        return ()
    named = {name for one in measures for name in (one.strategy, one.versus)}
    few = replace(
        scenario,
        strategies=tuple(s for s in scenario.strategies if s.name in named),
        size=min(scenario.size, PATIENTS),
    )

    decided = {name for strategy in scenario.strategies for name in strategy.given}
    first = few.strategies[0].parameters
    by_prices = {name for one in run.quantities.values() for name in one.rules.revalued_by}
    varied = [(p, prior) for p, prior in _varied(first, decided, scenario.turn) if p.name not in by_prices]
    table = _turned(few, population, [(p.name, end) for p, prior in varied for end in (prior.low, prior.high)], threads)
    told = [measure.of(table) for measure in measures]
    found = []
    for measure, (from_few, *ends) in zip(measures, told, strict=True):
        for (parameter, prior), low, high in zip(varied, ends[::2], ends[1::2], strict=True):
            if parameter.economic and measure.outcome == SURVIVAL:
                continue  # it moves nobody
            moved = (measure.base + (low - from_few), measure.base, measure.base + (high - from_few))
            if not any(map(math.isnan, moved)):
                values = (prior.low, parameter.value, prior.high)
                found.append(_turning(parameter, prior, measure, values, moved))
        if measure.outcome == NET_BENEFIT:
            found += _by_prices(run, measure, decided)
    return tuple(sorted(found, key=lambda turning: (turning.outcome != SURVIVAL, -turning.span)))


def _turning(
    parameter: Parameter,
    prior: Distribution,
    measure: _Measure,
    values: tuple[float, ...],
    differences: tuple[float, ...],
) -> Turning:
    turns_at = crossing(prior, values, differences)
    return Turning(
        parameter, measure.strategy, measure.versus, values, differences, turns_at, measure.outcome, measure.unit
    )


def _turned(few: Scenario, population: str, ends: Sequence[tuple[str, float]], threads: int | None) -> DrawTable:
    """A study of the base case, then of each parameter at an end, every quantity that is a value of it.

    A thread runs one draw after another: what one does in Python hides behind what another simulates.
    """
    measures = measures_of(few, population)
    known = Worlds(few).uncertain
    rows: list[dict[str, float]] = [{}]
    for name, value in ends:
        rows.append({one.name: value for one in known.values() if name in (one.name, one.parameter)})
    columns = [known[name] for name in dict.fromkeys(name for row in rows for name in row)]
    study = Study("turning", few, listed(columns, rows), measures, few.size)

    def run(draws: Sequence[int]) -> list[Done]:
        runner = Runner(study.task)
        return [runner.run(study.design.rows(draw, 1)) for draw in draws]

    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        shares = pool.map(run, [range(first, len(rows), workers) for first in range(min(workers, len(rows)))])
        done = sorted((one for share in shares for one in share), key=lambda one: one.first)
    return study.table_of(done)


def _of_survival(run: Run, population: str) -> _Measure | None:
    """The restricted mean survival time of the strategy of the longest minus the shortest; None if all are equal."""
    told = restricted_means(run.tallies, population)
    pair = _extremes(told or {})
    if told is None or pair is None:
        return None
    outcome = told[pair[0]].outcome
    return _Measure(SURVIVAL, "months", *pair, (told[pair[0]] - told[pair[1]]).value, {outcome: 1.0})


def _of_benefit(valuation: Valuation | None) -> _Measure | None:
    """The net benefit at the highest threshold of the best strategy minus the worst; None if all are equal."""
    if valuation is None:
        return None
    threshold = valuation.terms.thresholds[-1]
    pair = _extremes({name: one.net_benefit(threshold) for name, one in valuation.strategies.items()})
    if pair is None:
        return None
    best, worst = (valuation.strategies[name].net_benefit(threshold) for name in pair)
    unit = f"{valuation.terms.money} at {threshold:,.0f} a QALY"
    return _Measure(NET_BENEFIT, unit, *pair, best.value - worst.value, {QALY: threshold, COST: -1.0})


def _extremes(told: Mapping[str, Estimate]) -> tuple[str, str] | None:
    """The strategies of the highest and the lowest value; None where no two differ."""
    values = {name: estimate.value for name, estimate in told.items()}
    if len(set(values.values())) < 2:
        return None
    return max(values, key=values.__getitem__), min(values, key=values.__getitem__)


def _by_prices(run: Run, measure: _Measure, decided: Collection[str]) -> list[Turning]:
    """What prices, doses and utilities do to net benefit: all patients are valued again, and none is simulated.

    What changes how often something is counted (intervals, durations) is not among them.
    """
    pair = (measure.strategy, measure.versus)
    two = replace(run.scenario, strategies=tuple(s for s in run.scenario.strategies if s.name in pair))
    used = {name for one in run.quantities.values() for name in one.rules.revalued_by} - set(decided)
    first = two.strategies[0].parameters
    found = []
    for name in (name for name in first if name in used):
        parameter, prior = first[name], first[name].distribution
        if prior is None or not prior.low <= parameter.value <= prior.high or prior.low == prior.high:
            continue
        low, high = (
            _valued_again(run.quantities, _at_price(two, name, end), measure) for end in (prior.low, prior.high)
        )
        values = (prior.low, parameter.value, prior.high)
        turning = _turning(parameter, prior, measure, values, (low, measure.base, high))
        if turning.turns_at is not None and 0.0 not in turning.differences:
            turning = replace(turning, turns_at=_root(partial(_at_value, run.quantities, two, name, measure), turning))
        found.append(turning)
    return found


def _at_value(
    quantities: Mapping[str, Quantities], scenario: Scenario, name: str, measure: _Measure, value: float
) -> float:
    return _valued_again(quantities, _at_price(scenario, name, value), measure)


def _root(difference: Callable[[float], float], turning: Turning) -> float:
    """Where a difference changes sign between the values of a turning: by halves, for whole vials make it jump."""
    (low, base, high), (at_low, at_base, _) = turning.values, turning.differences
    begin, end, at_begin = (low, base, at_low) if at_low * at_base <= 0.0 else (base, high, at_base)
    for _ in range(HALVES):
        middle = (begin + end) / 2.0
        if (difference(middle) > 0.0) == (at_begin > 0.0):
            begin = middle
        else:
            end = middle
    return (begin + end) / 2.0


def _at_price(scenario: Scenario, name: str, value: float) -> Scenario:
    """The same with another price, dose or utility, of which no fit tells: nothing else moves."""
    strategies = (
        replace(s, parameters=s.parameters.with_values({name: value}, "turning")) for s in scenario.strategies
    )
    return replace(scenario, strategies=tuple(strategies))


def _valued_again(quantities: Mapping[str, Quantities], scenario: Scenario, measure: _Measure) -> float:
    again = valuation_of(scenario, quantities)
    assert again is not None
    threshold = again.terms.thresholds[-1]
    best, worst = (again.strategies[name].net_benefit(threshold) for name in (measure.strategy, measure.versus))
    return best.value - worst.value


def _varied(
    parameters: Parameters, decided: Collection[str], named: Sequence[str]
) -> list[tuple[Parameter, Distribution]]:
    """Those named, else the timing assumptions and what chosen roads hang on; if neither decided nor held.

    With their distributions; what aggressiveness does is always among them.
    """
    known = {**parameters}
    uncertain = [name for name, parameter in parameters.items() if parameter.distribution is not None]
    if effects_of_aggressiveness(uncertain):
        known[AGGRESSIVENESS] = Parameter(AGGRESSIVENESS, 1.0, "number", "assumed", MEANING, distribution=SIZES)
    chosen = (names for start, names in OF_CHOICES.items() if any(name.startswith(start) for name in decided))
    usual = (*TIMING_ASSUMPTIONS, *(name for names in chosen for name in names))
    asked = (*named, AGGRESSIVENESS) if named else usual
    undecided = (known[name] for name in dict.fromkeys(asked) if name in known and name not in decided)
    priors = ((parameter, parameter.distribution) for parameter in undecided)
    return [(parameter, prior) for parameter, prior in priors if prior and prior.low < parameter.value < prior.high]


def crossing(prior: Distribution, values: Sequence[float], differences: Sequence[float]) -> float | None:
    """Where the differences change sign, or are 0, interpolated on the scale on which the prior is wide."""
    to, back = scale_of(prior.family)
    scaled = [to(value) for value in values]
    for i, difference in enumerate(differences):
        if difference == 0.0:
            return values[i]
        if i + 1 < len(values) and difference * differences[i + 1] < 0:
            part = difference / (difference - differences[i + 1])
            return back(scaled[i] + part * (scaled[i + 1] - scaled[i]))
    return None
