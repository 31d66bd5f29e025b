"""The workbook of a run: inputs, outcomes, costs, QALYs and the choice, with formulas that anybody can follow.

Nothing is worked out here that analyses did not: beside every formula stands the value of the run, and a spreadsheet
that works it out anew finds the same.  Only functions that Excel 2010, LibreOffice 7 and Google Sheets share; no
macros, no links, no arrays.
"""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_sim.report.sheets.costs import write_costs
from hcc_sim.report.sheets.decision import write_increments, write_net_benefit
from hcc_sim.report.sheets.draws import write_curves, write_draws
from hcc_sim.report.sheets.inputs import Inputs
from hcc_sim.report.sheets.paper import Book, clean, labels
from hcc_sim.report.sheets.qalys import write_qalys
from hcc_sim.report.sheets.readme import write_readme
from hcc_sim.report.sheets.tables import write_contrasts, write_outcomes

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.economics import CostsAndEffects

WORKBOOK = "workbook.xlsx"
_MADE = datetime(2000, 1, 1)
"""Of every workbook, so that the same run gives the same bytes."""

_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


def write_workbook(path: Path, comparison: Comparison, draws: CostsAndEffects | None = None) -> None:
    """Write it, with the sheets that make sense of what is known.

    Args:
        path: of the file.
        comparison: the base case.
        draws: costs and effects of strategies at draws of the uncertain parameters, discounted, if there are any.

    Raises:
        ValueError: more draws than a sheet has rows.
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
        if draws is not None:
            of_draws = labels(draws.strategies)
            write_draws(book.sheet("Draws"), draws, of_draws)
            at = valuation.terms.thresholds if valuation is not None else ()
            write_curves(book.sheet("CEAC"), draws, of_draws, at, thresholds)
        inputs.write()
        write_readme(first, comparison, draws, [sheet.name for sheet in book.sheets[1:]])
        for sheet in book.sheets:
            sheet.fit_rows()
    path.write_bytes(content.getvalue())  # a full disk is an OSError here, and one of XlsxWriter's own there
