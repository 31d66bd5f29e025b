"""The first sheet: what was asked, of whom, what came out, and how to read the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import hcc_sim
from hcc_sim.analyses.questions import Reading
from hcc_sim.economics.increments import DEFINITION
from hcc_sim.economics.net_benefit import DEFINITIONS
from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.report.screen import NOT_ADVICE, ONLY_MONTE_CARLO, heading_in_words, statements
from hcc_sim.report.sheets.paper import Sheet
from hcc_sim.report.study_words import uncertainty_shown

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison

ABOUT = {
    "Inputs": "every parameter: value, interval, kind, source; formulas point to its yellow cells",
    "Outcomes": "what became of patients under each strategy, with Monte-Carlo errors",
    "Contrasts": "strategy against strategy, paired",
    "Costs": "price x amount x how often, by item and category",
    "QALYs": "utility x years, by health state, and losses",
    "Increments": "every strategy against one of your choice, and the frontier",
    "Net benefit": "at thresholds of your choice",
    "Draws": "costs and effects at each draw of the uncertain parameters",
    "CEAC": "acceptability, expected loss and the value of perfect information over thresholds",
    "One-way": "each parameter to the ends of its own interval: how far the difference moves, with a chart",
    "Grid": "several parameters turned at once: every strategy at every point, and the best there",
    "Thresholds": "where along each parameter the best strategy changes",
    "Delays": "every outcome at every delay of surgery, with the best",
    "Sobol": "shares of variance by parameter, alone and in all",
    "Morris": "mean and spread of effects of each parameter",
    "Information": "what it would be worth to know sources, sections and parameters",
}
OF_STUDIES = ("Draws", "CEAC", "One-way", "Grid", "Thresholds", "Delays", "Sobol", "Morris", "Information")
_LABEL, _TEXT = 0, 1
_OF_STUDIES = "{} show what uncertainty about parameters does; all other sheets Monte-Carlo error only."


def write_readme(sheet: Sheet, comparison: Comparison, readings: Sequence[Reading], sheets: Sequence[str]) -> None:
    """Everything in two columns."""
    scenario = comparison.scenario
    sheet.text(0, 0, scenario.title, "title")
    row = 2
    for label, text in _told(comparison, readings, sheets):
        _line(sheet, row, label, text)
        row += 1
    row += 1
    sheet.text(row, _LABEL, "Colours", "bold")
    sheet.text(row, _TEXT, "an input: change it, and formulas follow", "input", bold=False)
    sheet.text(row + 1, _TEXT, "a formula; the value stored with it is that of the run", "formula")
    sheet.text(row + 2, _TEXT, "a result of the simulation, or text: stays as it is")
    row += 4
    sheet.text(row, _LABEL, "Sheets", "bold")
    row += 1
    for name in sheets:
        sheet.inner.write_url(
            row, _LABEL, f"internal:'{name}'!A1", sheet.book.style({"font_color": "#1F4E79", "underline": 1}), name
        )
        sheet.text(row, _TEXT, ABOUT[name], "wrapped")
        row += 1
    if "Increments" in sheets:
        row += 1
        for label, text in (("Frontier", DEFINITION), *DEFINITIONS.items()):
            _line(sheet, row, label[:1].upper() + label[1:], text)
            row += 1
    sheet.widths((_LABEL, _LABEL, 24), (_TEXT, _TEXT, 112))


def _told(comparison: Comparison, readings: Sequence[Reading], sheets: Sequence[str]) -> Iterator[tuple[str, str]]:
    scenario = comparison.scenario
    if scenario.question:
        yield "Question", scenario.question
    yield "Simulated", heading_in_words(scenario)
    if scenario.terms is not None:
        terms = scenario.terms
        whose = f"{terms.perspective}; " if terms.perspective else ""
        yield (
            "Terms of costs",
            (
                f"{whose}{terms.money}; discounted a year: costs {terms.discount_costs:.3g}, effects "
                f"{terms.discount_effects:.3g}"
            ),
        )
    said = list(statements(comparison))
    of_everybody = [note for note in comparison.notes() if f"{EVERYBODY}: " in note and ("Note", note) not in said]
    for label, text in (*said, *(("Note", note) for note in of_everybody)):
        if text != ONLY_MONTE_CARLO:
            yield label, text
            continue
        yield "Uncertainty shown", uncertainty_shown(readings)
        if of_studies := [name for name in sheets if name in OF_STUDIES]:
            yield "", _OF_STUDIES.format(", ".join(of_studies))
    yield (
        "Program",
        (
            f"hcc-sim {hcc_sim.__version__}, seed {scenario.seed}; scenario {scenario.sha256[:12]}, calibration "
            f"{scenario.calibration.sha256[:12]} (first digits of the hashes in manifest.json)"
        ),
    )
    yield "", NOT_ADVICE


def _line(sheet: Sheet, row: int, label: str, text: str) -> None:
    sheet.text(row, _LABEL, label, "bold")
    sheet.text(row, _TEXT, text, "wrapped")
