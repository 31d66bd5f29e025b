"""The first sheet: what was asked, of whom, what came out, and how to read the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import hcc_sim
from hcc_sim.economics.increments import DEFINITION
from hcc_sim.economics.net_benefit import DEFINITIONS
from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.report.screen import NOT_ADVICE, ONLY_MONTE_CARLO, heading_in_words, statements
from hcc_sim.report.sheets.paper import Sheet

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.economics import CostsAndEffects

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
}
_LABEL, _TEXT = 0, 1
_OF_DRAWS = "Draws and CEAC show uncertainty about parameters ({:,} draws); all other sheets Monte-Carlo error only."


def write_readme(sheet: Sheet, comparison: Comparison, draws: CostsAndEffects | None, sheets: Sequence[str]) -> None:
    """Everything in two columns."""
    scenario = comparison.scenario
    sheet.text(0, 0, scenario.title, "title")
    row = 2
    for label, text in _told(comparison, draws):
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


def _told(comparison: Comparison, draws: CostsAndEffects | None) -> Iterator[tuple[str, str]]:
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
        yield ("Uncertainty shown" if text == ONLY_MONTE_CARLO else label), text
        if text == ONLY_MONTE_CARLO and draws is not None:
            yield "", _OF_DRAWS.format(draws.draws)
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
