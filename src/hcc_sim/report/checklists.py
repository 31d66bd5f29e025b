"""Reporting checklists filled in from a run: CHEERS 2022 and STRESS-DES; what a person must write is marked so.

Items of CHEERS 2022: D. Husereau and others, BMC Medicine 20 (2022) 23, doi:10.1186/s12916-021-02204-0.  Items of
STRESS-DES: T. Monks and others, Journal of Simulation 13 (2019) 55-67, doi:10.1080/17477778.2018.1442155.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import hcc_sim
from hcc_sim.analyses.questions import Reading
from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.report.screen import assumed_count, population_in_words, regimens_in_words
from hcc_sim.report.study_words import joint_draws_in, uncertainty_shown
from hcc_sim.units import format_duration

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison


class Item(NamedTuple):
    """An item: `told` is filled in from the run; where it is empty `person` says what somebody has to write."""

    number: str
    title: str
    told: str
    person: str = ""


def cheers(comparison: Comparison, readings: Sequence[Reading] = ()) -> tuple[Item, ...]:
    """The 28 items of CHEERS 2022; readings are those of studies of the same scenario."""
    scenario, valuation = comparison.scenario, comparison.valuation
    names = ", ".join(f"'{strategy.name}'" for strategy in scenario.strategies)
    assumed, everything = assumed_count(scenario)
    alive = ", ".join(
        f"{100 * one.value:.1f}% under '{name}'"
        for name, told in comparison.estimates.items()
        for one in told
        if (one.population, one.outcome) == (EVERYBODY, "alive at the horizon")
    )
    whose = f"population preset {scenario.preset}" if scenario.preset else "the default population"
    if scenario.patients is not None:
        whose += f", patients from {scenario.patients.path.name} ({scenario.patients.rows:,} rows)"
    costs, dates, rates, effects, perspective = _terms(comparison)
    return (
        Item("1", "Title", f"{scenario.title}: a patient-level simulation study."),
        Item("2", "Abstract", "", "A structured summary; the section 'The answer' holds its results."),
        Item("3", "Background and objectives", scenario.question, "The background, and why the decision matters."),
        Item("4", "Health economic analysis plan", "", "Whether a plan was written before, and where it can be read."),
        Item("5", "Study population", f"{whose}; {population_in_words(comparison)}. See Parameters: population."),
        Item("6", "Setting and location", scenario.description, "The health system and place that are meant."),
        Item("7", "Comparators", f"{names}; regimen {regimens_in_words(scenario)}. See Strategies.", "Why these."),
        Item("8", "Perspective", perspective, "" if perspective else "Whose costs are counted."),
        Item(
            "9",
            "Time horizon",
            f"{format_duration(scenario.horizon_months)} from the start of therapy; alive then: {alive}.",
        ),
        Item("10", "Discount rate", rates, "Why these rates."),
        Item("11", "Selection of outcomes", f"Survival, shares of patients by fate, time without disease{effects}."),
        Item(
            "12",
            "Measurement of outcomes",
            "Computed from simulated histories alone; survival by cause and by visit, with interval detection.",
        ),
        Item(
            "13",
            "Valuation of outcomes",
            "Utilities by health state with losses by event; see Parameters: utility." if valuation else "",
            "From whom and by which instrument the utilities were taken, where the sources say so.",
        ),
        Item("14", "Measurement and valuation of resources and costs", costs),
        Item("15", "Currency, price date, and conversion", dates),
        Item(
            "16",
            "Rationale and description of model",
            "Discrete-event microsimulation: competing events strike by each patient's own luck; unseen disease is an "
            "attribute of the patient and is found at visits. See Model.",
        ),
        Item(
            "17",
            "Analytics and assumptions",
            "Times to events are parametric laws fitted jointly to all study arms (see Calibration) and extrapolated; "
            "events happen in continuous time, so there is no cycle to correct.",
        ),
        Item(
            "18",
            "Characterising heterogeneity",
            _subgroups(comparison),
            "Which subgroups matter for the decision, and why.",
        ),
        Item("19", "Characterising distributional effects", "", "How benefits and costs fall on different people."),
        Item(
            "20",
            "Characterising uncertainty",
            _uncertainty(readings),
        ),
        Item("21", "Approach to engagement with patients and others affected by the study", "", "How, if at all."),
        Item(
            "22",
            "Study parameters",
            f"All {len(scenario.strategies[0].parameters)} parameters with value, interval, distribution, kind and "
            f"source: see Parameters; {assumed} of {everything} that nobody decides are assumed.",
        ),
        Item(
            "23",
            "Summary of main results",
            " ".join(filter(None, (comparison.headline(), comparison.answer_of_value()))),
        ),
        Item(
            "24",
            "Effect of uncertainty",
            " ".join(filter(None, (comparison.strongest_assumption(), comparison.strongest_assumption_of_value(),
                                   *(text for one in readings for text in one.sentences()))))
            or "Nothing that was moved makes strategies differ.",
            "What discount rates and horizon do to the answer.",
        ),
        Item("25", "Effect of engagement with patients and others affected by the study", "", "What it changed."),
        Item(
            "26",
            "Study findings, limitations, generalizability, and current knowledge",
            "See Limits.",
            "What the findings mean where the decision is made.",
        ),
        Item("27", "Source of funding", "", "Who paid, and what the funder had a say in."),
        Item("28", "Conflicts of interest", "", "Of every author."),
    )  # fmt: skip


def _uncertainty(readings: Sequence[Reading]) -> str:
    moved = (
        "Assumptions on which timing hangs, prices, doses and utilities were moved across their central 95% one by one"
    )
    left_out = "" if joint_draws_in(readings) else "; how often and how long items count was not"
    return f"{uncertainty_shown(readings)} {moved}{left_out}."


def _terms(comparison: Comparison) -> tuple[str, str, str, str, str]:
    """Costs, dates, rates, effects and perspective; where nothing is valued, that nothing is."""
    terms = comparison.scenario.terms
    if terms is None or comparison.valuation is None:
        return "No costs are counted.", "No costs are counted.", "Nothing is discounted.", "", ""
    items = sum(len(one.rules.items) for one in comparison.valuation.strategies.values())
    costs = (
        f"Price times quantity of {items // len(comparison.valuation.strategies)} items under each strategy, counted "
        "from the histories; see Costs and QALYs, and Parameters for prices with their sources."
    )
    dates = f"{terms.money}"
    if terms.conversions:
        told = ", ".join(f"one {money} is {factor:g}" for money, factor in terms.conversions.items())
        dates += f"; converted: {told}"
    rates = (
        f"{terms.discount_costs:.1%} a year for costs, {terms.discount_effects:.1%} for effects, from each patient's "
        "start; undiscounted results are in summary.csv."
    )
    return costs, f"{dates}.", rates, ", life years and QALYs, costs", terms.perspective


def _subgroups(comparison: Comparison) -> str:
    named = [population.name for population in comparison.definitions.populations]
    return f"Outcomes are told for: {', '.join(named)}; patients differ in age, sex, tumour, liver and aggressiveness."


def stress_des(comparison: Comparison, how: Mapping[str, Any]) -> tuple[Item, ...]:
    """The 24 items of STRESS-DES; `how` is what is known of the run itself."""
    scenario = comparison.scenario
    fit = scenario.fit
    return (
        Item("1.1", "Purpose of the model", scenario.question, "Whom the results are for."),
        Item(
            "1.2",
            "Model outputs",
            "Survival, shares, times, costs and QALYs with definitions (see Results); errors are those of a jackknife "
            "that leaves out each of 100 groups of patients, intervals are 1.96 of them either way.",
        ),
        Item(
            "1.3",
            "Experimentation aims",
            f"{len(scenario.strategies)} strategies on the same {scenario.size:,} patients with the same luck.",
            "Why these.",
        ),
        Item("2.1", "Base model overview diagram", "Drawn from the model itself: see Model."),
        Item("2.2", "Base model logic", "States, exits and conditions: see Model; `hcc-sim diagram` draws every part."),
        Item("2.3", "Scenario logic", "A strategy is a set of parameter values: see Strategies."),
        Item(
            "2.4",
            "Algorithms",
            "Each event has a budget of unit-exponential luck that is spent at the rate of its hazard; the earliest "
            "exit wins; visits find unseen disease with a stated sensitivity.",
        ),
        Item("2.5.1", "Entities", "Patients, with attributes at the start: see Parameters: population."),
        Item("2.5.2", "Activities", "Therapy, liver-directed cycles, visits, operations, adjuvant therapy: see Model."),
        Item("2.5.3", "Resources", "Not limited: a theatre slot is a fixed wait (surgery.theatre_wait)."),
        Item("2.5.4", "Queues", "None, since nothing is limited."),
        Item("2.5.5", "Entry and exit points", "The start of therapy; death, or the horizon."),
        Item(
            "3.1",
            "Data sources",
            f"{len(scenario.calibration.sources)} sources; every parameter names its own (see Parameters)."
            + ("" if fit is None else f" Fitted to {len(fit.summary['figures'])} reported figures (see Calibration)."),
        ),
        Item(
            "3.2",
            "Pre-processing",
            "Figures that contradict one another or themselves are flagged, down-weighted or left out by stated rules "
            "(`hcc-sim evidence audit`).",
        ),
        Item("3.3", "Input parameters", "See Parameters: value, interval, distribution, kind, source."),
        Item("3.4", "Assumptions", "See Parameters: those of kind assumed come first, each with its reason."),
        Item("4.1", "Initialisation", "Terminating: each patient begins at the start of therapy; no warm-up."),
        Item("4.2", "Run length", f"{format_duration(scenario.horizon_months)} for each patient."),
        Item(
            "4.3",
            "Estimation approach",
            f"{scenario.size:,} patients under each strategy, paired by luck. "
            + (comparison.reached.sentence() if comparison.reached else "See Results for the errors that this leaves."),
        ),
        Item(
            "5.1",
            "Software or programming language",
            f"hcc-sim {hcc_sim.__version__} in Python; versions of libraries are in manifest.json.",
        ),
        Item(
            "5.2",
            "Random sampling",
            f"Philox 4x32-10, seed {scenario.seed}; numbers are looked up by patient, name and count, so that all "
            "strategies share each patient's luck and no number depends on any other.",
        ),
        Item(
            "5.3",
            "Model execution",
            "Next event by patient, ties to the exit declared first; patients in parallel, with the same bits for any "
            "number of threads.",
        ),
        Item(
            "5.4",
            "System specification",
            f"{how['wall_seconds']:g} seconds on {how['threads']} threads; machine and versions are in manifest.json."
            if "wall_seconds" in how
            else "Machine and versions are in manifest.json.",
        ),
        Item("6.1", "Computer model sharing statement", "", "Where the model and this scenario can be had; licence."),
    )  # fmt: skip
