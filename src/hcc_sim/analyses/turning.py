"""On which assumption does the answer hang, and at which value of it does the preferred strategy change?"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from hcc_sim.analyses.strategies import restricted_means, simulate_strategies
from hcc_sim.outcomes import Definitions, Tally
from hcc_sim.outcomes.hcc import OVERALL_SURVIVAL, WITHIN_MONTHS, outcomes_from
from hcc_sim.parameters import Distribution, Parameter, Parameters
from hcc_sim.pathway.hcc import AGGRESSIVENESS, EFFECT_OF_SURGERY
from hcc_sim.quantiles import scale_of
from hcc_sim.scenario import Scenario

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

SIZES = Distribution("uniform", 0.0, 2.0)
"""By what all its effects are multiplied at once: none, as fitted, twice that."""

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

PATIENTS = 10_000
"""Patients behind a turning value: enough to place it within the breadth of its prior, quick enough for every run."""


@dataclass(frozen=True)
class Turning:
    """How far a contrast hangs on one parameter.

    `differences` are those of the restricted mean survival time (months, `strategy` minus `versus`) at `values`: the
    ends of its central 95% interval and the base value.  Where an assumption is turned, what was fitted is taken given
    it.  `turns_at` is where the sign changes, interpolated on the scale of the distribution; None if it does not.
    """

    parameter: Parameter
    strategy: str
    versus: str
    values: tuple[float, ...]
    differences: tuple[float, ...]
    turns_at: float | None

    @property
    def span(self) -> float:
        """How far the difference moves across the prior, months."""
        return max(self.differences) - min(self.differences)

    def sentence(self) -> str:
        """Prior, span and turning value in words."""
        p, prior = self.parameter, self.parameter.distribution
        assert prior is not None
        if p.name == AGGRESSIVENESS:
            told = ", ".join(f"{difference:+.1f}" for difference in self.differences)
            times = " and ".join(f"{value:g}" for value in self.values)
            return (
                f"'{self.strategy}' minus '{self.versus}' is {told} months with all effects of {p.name} times {times}."
            )
        spans = f"{min(self.differences):+.1f} to {max(self.differences):+.1f} months"
        turns = "no value within turns the order"
        if self.turns_at is not None:
            turns = f"the order turns at about {self.turns_at:.2g}"
        known = f"{p.name} = {p.value:.3g} ({p.kind}, 95% {prior.low:.3g} to {prior.high:.3g})"
        return f"{known}: across that '{self.strategy}' minus '{self.versus}' is {spans}; {turns}."


def turning_points(
    scenario: Scenario, tallies: Mapping[str, Tally], population: str, threads: int | None = None
) -> tuple[Turning, ...]:
    """How the contrast between the best and the worst strategy hangs on each timing assumption, strongest first.

    Fewer patients say by how much it moves, which they can tell well, being the same; from where, all patients say.
    Parameters that are decided by a strategy or held (no distribution) are left out; empty where there is no contrast.
    """
    told = restricted_means(tallies, population)
    means = {name: mean.value for name, mean in told.items()} if told else {}
    if len(set(means.values())) < 2:
        return ()
    pair = (max(means, key=means.__getitem__), min(means, key=means.__getitem__))
    two = replace(
        scenario,
        strategies=tuple(s for s in scenario.strategies if s.name in pair),
        size=min(scenario.size, PATIENTS),
    )
    everybody = two.size == scenario.size
    base = means[pair[0]] - means[pair[1]]
    of_few = base if everybody else _difference(two, pair, population, threads)
    if of_few is None:
        return ()
    decided = {name for strategy in scenario.strategies for name in strategy.given}
    varied = _varied(two.strategies[0].parameters, decided, scenario.turn)
    ends = [_with(two, parameter, end) for parameter, prior in varied for end in (prior.low, prior.high)]
    # A thread runs one end after another: what one does in Python hides behind what another simulates.
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        differences = list(pool.map(lambda end: _difference(end, pair, population, threads=1), ends))
    found = []
    for (parameter, prior), low, high in zip(varied, differences[::2], differences[1::2], strict=True):
        if low is not None and high is not None:
            values = (prior.low, parameter.value, prior.high)
            of_values = (base + (low - of_few), base, base + (high - of_few))
            found.append(Turning(parameter, *pair, values, of_values, crossing(prior, values, of_values)))
    return tuple(sorted(found, key=lambda turning: -turning.span))


def _varied(
    parameters: Parameters, decided: Collection[str], named: Sequence[str]
) -> list[tuple[Parameter, Distribution]]:
    """Those named, else the timing assumptions and what chosen roads hang on; if neither decided nor held.

    With their distributions; what aggressiveness does is always among them.
    """
    known = {**parameters}
    if effects_of_aggressiveness(parameters):
        meaning = "All effects of unmeasured aggressiveness, multiplied by this"
        known[AGGRESSIVENESS] = Parameter(AGGRESSIVENESS, 1.0, "number", "assumed", meaning, distribution=SIZES)
    chosen = (names for start, names in OF_CHOICES.items() if any(name.startswith(start) for name in decided))
    usual = (*TIMING_ASSUMPTIONS, *(name for names in chosen for name in names))
    asked = (*named, AGGRESSIVENESS) if named else usual
    undecided = (known[name] for name in dict.fromkeys(asked) if name in known and name not in decided)
    priors = ((parameter, parameter.distribution) for parameter in undecided)
    return [(parameter, prior) for parameter, prior in priors if prior and prior.low < parameter.value < prior.high]


def effects_of_aggressiveness(parameters: Parameters) -> dict[str, float]:
    """The parameters that say what aggressiveness does, by name, with their values."""
    return {name: p.value for name, p in parameters.items() if AGGRESSIVENESS in name and p.distribution is not None}


def _with(scenario: Scenario, parameter: Parameter, value: float) -> Scenario:
    """The same with one assumption turned; what the fit says of all others is taken given that."""

    def turned(parameters: Parameters) -> dict[str, float]:
        if parameter.name != AGGRESSIVENESS:
            return {parameter.name: value}
        return {name: size * value for name, size in effects_of_aggressiveness(parameters).items()}

    strategies = (replace(s, parameters=s.layers.parameters(turned(s.parameters))) for s in scenario.strategies)
    return replace(scenario, strategies=tuple(strategies))


def _difference(scenario: Scenario, pair: tuple[str, str], population: str, threads: int | None) -> float | None:
    """None if the few patients that are simulated hold nobody of a population that is rare."""
    means = restricted_means(
        simulate_strategies(scenario, _headline_of(scenario, population), threads=threads), population
    )
    return None if means is None else (means[pair[0]] - means[pair[1]]).value


def _headline_of(scenario: Scenario, population: str) -> Definitions:
    """Nothing is asked of an assumption but the restricted mean survival time of the primary population."""
    asked = outcomes_from(scenario.start, scenario.horizon_months)
    return Definitions(
        populations=tuple(p for p in asked.populations if p.name == population),
        endpoints=(OVERALL_SURVIVAL,),
        landmarks_months=(),
        restrictions_months=(WITHIN_MONTHS,),
    )


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
