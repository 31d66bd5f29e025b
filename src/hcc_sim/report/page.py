"""The report of a run: one page that needs nothing else, for a screen, a phone or a printer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hcc_sim
from hcc_sim.analyses.questions import Reading
from hcc_sim.report.checklists import Item, cheers, stress_des
from hcc_sim.report.page_inputs import of_assumptions, of_calibration, of_parameters
from hcc_sim.report.page_parts import Listed, Pictures, Section, Table, Text, table_of
from hcc_sim.report.page_studies import sections_of
from hcc_sim.report.page_value import of_value
from hcc_sim.report.results_table import primary_results
from hcc_sim.report.screen import (
    NOT_ADVICE,
    TERMS,
    assumed_count,
    borrowed,
    heading_in_words,
    population_in_words,
)
from hcc_sim.report.study_words import joint_draws_in, limit_of_uncertainty, uncertainty_shown

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.scenario import Strategy

TEMPLATE = "page.html.jinja"
NOT_MOVED = "What an item's interval or duration does to costs is not among what was moved."


def page(
    comparison: Comparison, how: Mapping[str, Any], pictures: Path | None, readings: Sequence[Reading] = ()
) -> str:
    """The page as HTML that refers to nothing outside; pictures are taken from a folder of plots, if there is one.

    Readings of studies of the same scenario stand behind what the answer hangs on.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hcc_sim.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    scenario = comparison.scenario
    return environment.get_template(TEMPLATE).render(
        title=scenario.title,
        question=scenario.question,
        description=scenario.description,
        about=heading_in_words(scenario),
        warning=NOT_ADVICE,
        sections=list(_sections(comparison, how, Pictures(pictures), readings)),
    )


def _sections(
    comparison: Comparison, how: Mapping[str, Any], pictures: Pictures, readings: Sequence[Reading]
) -> Iterator[Section]:
    yield Section("answer", "The answer", _answer(comparison, readings))
    yield Section("strategies", "Strategies side by side", [_strategies(comparison.scenario.strategies)])
    population = population_in_words(comparison)
    yield Section("results", "Results", [*map(table_of, primary_results(comparison, population)), Text(TERMS)])
    yield Section(
        "survival",
        "Survival",
        [
            *pictures.of(
                ("survival", "Overall survival by strategy, patients at risk below, differences with paired errors"),
                ("progression-free", "Progression-free survival by strategy, with patients at risk and differences"),
                ("failure-free", "Freedom from failure of strategy, with patients at risk and differences"),
            ),
            *_hazard_ratios(comparison),
        ],
    )
    of_causes = pictures.of(("incidence", "Cumulative incidence of death by cause, a panel for each strategy"))
    if of_causes:
        yield Section("incidence", "Deaths by cause", of_causes)
    flow = pictures.of(("flow", "Flow of patients under each strategy from the start to five years"))
    if flow:
        yield Section("flow", "Where patients go", flow)
    if comparison.valuation is not None:
        yield Section("value", "Costs and QALYs", of_value(comparison, pictures))
    yield Section("assumptions", "What the answer hangs on", of_assumptions(comparison, pictures))
    yield from sections_of(readings, pictures)
    yield Section("parameters", "Parameters", list(of_parameters(comparison)))
    if comparison.scenario.fit is not None:
        yield Section("calibration", "Calibration", list(of_calibration(comparison)))
    drawn = pictures.of(("pathway", "The pathway: states, exits and what ends a stay"))
    yield Section("model", "Model", [Text(MODEL), *drawn])
    yield Section("limits", "Limits", list(_limits(comparison, readings)))
    yield Section("cheers", "CHEERS 2022", [_checklist("CHEERS 2022, 28 items", cheers(comparison, readings))])
    yield Section("stress", "STRESS-DES", [_checklist("STRESS-DES, 24 items", stress_des(comparison, how))])
    yield Section("repeat", "To repeat it", [_repeat(comparison, how)])


MODEL = (
    "What is true of a patient is kept apart from what is done and what is seen. Tumour events strike unseen and mark "
    "the patient; visits find them with a stated sensitivity; what is done follows from what was found. The same "
    "events with the same luck go on whether a patient is operated or watched: what surgery does to disease elsewhere "
    "is one named parameter (surgery.effect)."
)


# --- the answer -------------------------------------------------------------------------------------------------------


def _answer(comparison: Comparison, readings: Sequence[Reading]) -> list[Text | Listed]:
    told = [Text(text, strong=True) for text in (comparison.headline(), comparison.answer_of_value()) if text]
    hangs = [f"Survival hangs most on {text}" if text else "" for text in (comparison.strongest_assumption(),)] + [
        f"Net benefit hangs most on {text}" if text else "" for text in (comparison.strongest_assumption_of_value(),)
    ]
    unknown = (comparison.effect_of_surgery(), comparison.unseen_differences(), *comparison.turned_as_asked())
    assumed, everything = assumed_count(comparison.scenario)
    kind = f"{assumed} of the {everything} parameters that nobody decides are assumed, neither reported nor calibrated."
    return [*told, Listed(tuple(filter(None, (*hangs, *unknown, uncertainty_shown(readings), kind))))]


def _strategies(strategies: Sequence[Strategy]) -> Table:
    names = list(dict.fromkeys(name for strategy in strategies for name in strategy.given))
    rows = [["regimen", *(s.regimen or "none named" for s in strategies)]]
    rows += [
        [kind, *(s.around_surgery.get(kind, "") for s in strategies)]
        for kind in dict.fromkeys(kind for s in strategies for kind in s.around_surgery)
    ]
    rows += [[name, *(strategy.parameters[name].text() for strategy in strategies)] for name in names]
    return Table("What each strategy sets; all else is the same for all", ["", *(s.name for s in strategies)], rows)


def _hazard_ratios(comparison: Comparison) -> list[Table]:
    """Of overall survival against the first strategy, by period."""
    rows = [
        row
        for row in comparison.tables.hazard_ratios.rows
        if (row.population, row.outcome) == (comparison.primary, "OS")
        and row.versus == comparison.scenario.strategies[0].name
    ]
    if not rows:
        return []
    periods = list(dict.fromkeys((row.from_months, row.to_months) for row in rows))
    ratios = {(row.strategy, row.from_months, row.to_months): row for row in rows}
    names = list(dict.fromkeys(row.strategy for row in rows))
    cells = [
        [f"{begin:.0f} to {end:.0f}", *(_ratio(ratios.get((name, begin, end))) for name in names)]
        for begin, end in periods
    ]
    caption = f"Ratio of death rates against '{rows[0].versus}', by months from {comparison.time_zero}"
    return [Table(caption, ["months", *names], cells)]


def _ratio(row: Any) -> str:
    if row is None or math.isnan(row.hazard_ratio):
        return "-"
    return f"{row.hazard_ratio:.2f}" + ("" if math.isnan(row.low) else f" ({row.low:.2f} to {row.high:.2f})")


def _limits(comparison: Comparison, readings: Sequence[Reading]) -> Iterator[Text | Listed]:
    fixed = (
        limit_of_uncertainty(readings),
        "No trial has compared timings: the answer follows from assumptions that are listed, and turns where they say.",
        "Follow-up of the studies is a few years: what lies beyond is extrapolated (see how much of the difference "
        "does).",
        "Theatre slots, imaging and suites are not limited.",
    )
    of_value = (
        "Costs and QALYs are those of all who start therapy: where strategies differ only after conversion, "
        "those who do not convert add the same to each.",
        "Drugs are paid for as long as a strategy gives them (therapy.duration, watching.therapy_duration): what "
        "watching costs is mostly that.",
        *(() if joint_draws_in(readings) else (NOT_MOVED,)),
        "Utilities of advanced disease are copied from paper to paper; after resection none was found for the setting.",
    )
    notes = [note for note in comparison.notes() if "groups are empty" not in note]
    told = (*fixed, *(of_value if comparison.valuation else ()), *borrowed(comparison.scenario), *notes)
    yield Listed(told)
    yield Text("For a person: what these limits mean for the decision at hand.")


def _checklist(caption: str, items: Iterable[Item]) -> Table:
    rows = [
        [item.number, item.title, item.told, f"To be written: {item.person}" if item.person else ""] for item in items
    ]
    return Table(caption, ["item", "", "from this run", "by a person"], rows, left=4)


def _repeat(comparison: Comparison, how: Mapping[str, Any]) -> Table:
    scenario = comparison.scenario
    rows = [
        ["command", " ".join(map(str, how.get("command", ()))) or "hcc_sim.run(...) in Python"],
        ["version", hcc_sim.__version__],
        ["scenario", f"{', '.join(str(file) for file in scenario.files)}; SHA-256 {scenario.sha256}"],
        ["calibration", f"SHA-256 {scenario.calibration.sha256}"],
        ["fit", "none" if scenario.fit is None else f"SHA-256 {scenario.fit.summary['hash']}"],
        ["seed", f"{scenario.seed}"],
        ["patients", f"{scenario.size:,} under each strategy"],
    ]
    if scenario.overrides:
        first = scenario.strategies[0].parameters
        rows.append(["set", ", ".join(f"{name} = {first[name].text()}" for name in scenario.overrides)])
    return Table("What was run; manifest.json has it all", ["", ""], rows, left=2)
