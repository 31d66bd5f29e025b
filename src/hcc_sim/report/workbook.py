"""The workbook of a run: inputs, outcomes, costs, QALYs and the choice, with formulas that anybody can follow.

Nothing is worked out here that analyses did not: beside every formula stands the value of the run, and a spreadsheet
that works it out anew finds the same.  Only functions that Excel 2010, LibreOffice 7 and Google Sheets share; no
macros, no links, no arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_sim.analyses.grid import Grid
from hcc_sim.analyses.one_way import OneWay
from hcc_sim.analyses.optimal_timing import OptimalTiming
from hcc_sim.analyses.psa import Probabilistic
from hcc_sim.analyses.questions import Reading
from hcc_sim.analyses.screening import Screening
from hcc_sim.analyses.sobol import SobolDesign
from hcc_sim.analyses.threshold import Thresholds
from hcc_sim.analyses.voi import Information
from hcc_sim.economics import CostsAndEffects
from hcc_sim.report.sheets.costs import write_costs
from hcc_sim.report.sheets.decision import write_increments, write_net_benefit
from hcc_sim.report.sheets.draws import MOST_DRAWS, write_curves, write_draws
from hcc_sim.report.sheets.inputs import Inputs
from hcc_sim.report.sheets.matters import write_information, write_morris, write_sobol
from hcc_sim.report.sheets.paper import Book, clean, labels
from hcc_sim.report.sheets.qalys import write_qalys
from hcc_sim.report.sheets.readme import write_readme
from hcc_sim.report.sheets.tables import write_contrasts, write_outcomes
from hcc_sim.report.sheets.turned import write_delays, write_grid, write_one_way, write_thresholds

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison

WORKBOOK = "workbook.xlsx"
_MADE = datetime(2000, 1, 1)
"""Of every workbook, so that the same run gives the same bytes."""

_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


def write_workbook(path: Path, comparison: Comparison, readings: Sequence[Reading] = ()) -> None:
    """Write it, with the sheets that make sense of what is known.

    Args:
        path: of the file.
        comparison: the base case.
        readings: of studies of the same scenario, of each kind one at most.

    Raises:
        OSError: it cannot be written.
    """
    import xlsxwriter

    valuation = comparison.valuation
    names = [strategy.name for strategy in comparison.scenario.strategies]
    label = labels(names)
    content = BytesIO()
    with xlsxwriter.Workbook(content, _OPTIONS) as workbook:
        workbook.set_properties(
            {"title": clean(comparison.scenario.title[:200]), "created": _MADE, "author": "hcc-sim"}
        )
        book = Book(workbook)
        first = book.sheet("Read me")
        inputs = Inputs(book.sheet("Inputs"), comparison.scenario, label)
        write_outcomes(book.sheet("Outcomes"), comparison, label)
        if len(names) > 1:
            write_contrasts(book.sheet("Contrasts"), comparison, label)
        thresholds: list[str] = []
        if valuation is not None:
            costs = write_costs(book.sheet("Costs"), valuation, inputs, label)
            qalys = write_qalys(book.sheet("QALYs"), valuation, inputs, label)
            totals = write_increments(book.sheet("Increments"), valuation, costs, qalys, label)
            thresholds = write_net_benefit(book.sheet("Net benefit"), valuation, totals, label)
        for reading in readings:
            _write_reading(book, reading, comparison, thresholds)
        inputs.write()
        write_readme(first, comparison, readings, [sheet.name for sheet in book.sheets[1:]])
        for sheet in book.sheets:
            sheet.fit_rows()
    path.write_bytes(content.getvalue())  # a full disk is an OSError here, and one of XlsxWriter's own there


def _write_reading(book: Book, reading: Reading, comparison: Comparison, thresholds: Sequence[str]) -> None:
    """The sheets of a reading; `thresholds` are cells on the sheet of net benefit."""
    match reading:
        case Probabilistic():
            if reading.valued:
                _write_draws(book, reading, comparison, thresholds)
        case OneWay():
            write_one_way(book.sheet("One-way"), reading, labels(reading.table.shape.strategies))
        case Grid():
            write_grid(book.sheet("Grid"), reading, labels(reading.table.shape.strategies))
        case Thresholds():
            write_thresholds(book.sheet("Thresholds"), reading, labels(reading.table.shape.strategies))
        case OptimalTiming():
            write_delays(book.sheet("Delays"), reading)
        case Screening() if isinstance(reading.scheme, SobolDesign):
            write_sobol(book.sheet("Sobol"), reading)
        case Screening():
            write_morris(book.sheet("Morris"), reading)
        case Information():
            write_information(book.sheet("Information"), reading)


def _write_draws(book: Book, reading: Probabilistic, comparison: Comparison, thresholds: Sequence[str]) -> None:
    """Draws, the first of them if there are many, and the curves that are worked out from those."""
    every = reading.costs_and_effects
    draws = CostsAndEffects(every.strategies, every.costs[:MOST_DRAWS], every.effects[:MOST_DRAWS], every.currency)
    of_draws = labels(draws.strategies)
    write_draws(book.sheet("Draws"), draws, of_draws, every.draws)
    at = comparison.valuation.terms.thresholds if comparison.valuation is not None else ()
    write_curves(book.sheet("CEAC"), draws, of_draws, at, thresholds)
