"""Workbooks for tests: runs without what takes long, scenarios that try the sheets, draws with ties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openpyxl

from hcc_sim.analyses.compare import Comparison
from hcc_sim.analyses.strategies import Run
from hcc_sim.analyses.valuation import valuation_of
from hcc_sim.economics import CostsAndEffects
from hcc_sim.parameters import load_calibration
from hcc_sim.scenario import Scenario, load_scenario

ROOT = Path(__file__).resolve().parents[1]
CALIBRATION = load_calibration(ROOT / "calibration")

ODD_NAMES = (
    "=1+1",
    "+a",
    "-b",
    "@SUM(1)",
    "it's \"quoted\", 'twice'",
    "star*",
    "star?",
    "Wait",
    "wait",
    "x" * 300,
    "x" * 301,
    "_x0041_ <&>",
)

BELL = "a bell\a and\ufffe what XML cannot hold"


def scenario_of(path: Path | str, patients: int) -> Scenario:
    return load_scenario(ROOT / "scenarios" / path, calibration=CALIBRATION, patients=patients)


def compared(scenario: Scenario) -> Comparison:
    """As `compare`, without turning assumptions."""
    run = Run(scenario, value=True)
    run.up_to(scenario.size)
    return Comparison(scenario, run.tallies, (), None, valuation_of(scenario, run.quantities))


def written(folder: Path, text: str, patients: int = 300) -> Scenario:
    """A scenario file of this text after the usual title and base."""
    path = folder / "scenario.yaml"
    path.write_text(f"title: '=A1 of a title'\nextends: {ROOT}/scenarios/base/china.yaml\n{text}")
    return scenario_of(path, patients)


def odd_names(folder: Path) -> Scenario:
    names = "\n".join(f"  {json.dumps(name)}: {{surgery.delay: {k} weeks}}" for k, name in enumerate(ODD_NAMES))
    return written(folder, f"question: {json.dumps(BELL)}\nwithout: [opportunistic]\nstrategies:\n{names}\n")


def everything_differs(folder: Path, patients: int = 300) -> Scenario:
    """Strategies that differ in prices, amounts, utilities, ageing and regimen; items of one's own."""
    return written(
        folder,
        """question: "@question"
without: [opportunistic]
economics:
  items:
    theatre nurse: {category: surgery, price: 100 USD 2021, per: event, entering: [resection], most: 1}
    =parking: {category: hospital days, price: 3 USD 2021, per: month, amount: 2, states: [converted]}
parameters: {utility.lost_share_per_year: 0.01, adjuvant.share_after_viable_tumour: 1.0, vials.shared_share: 0.3,
  body_weight.sd_kg: 30}
adjuvant: adjuvant atezolizumab+bevacizumab
strategies:
  dear: {surgery.delay: 42 days, hepatectomy.price: 20000 USD 2021, utility.after_surgery: 0.7}
  long stays: {surgery.delay: never, complication.hospital_days: 20, utility.lost_share_per_year: 0.0}
  other drugs: {surgery.delay: 9 weeks, regimen: lenvatinib_tace, utility.loss_after_operation: 0.1}
""",
        patients,
    )


def draws_with_ties(draws: int = 60, strategies: tuple[str, ...] = ("a", "=b", "c's")) -> CostsAndEffects:
    """Some strategies equal to the first in a third of the draws, all of them in some; whole numbers."""
    r = np.random.default_rng(8)
    costs = r.integers(10, 60, (draws, len(strategies))) * 1_000.0
    effects = r.integers(1, 12, (draws, len(strategies))) / 4.0
    for of in (costs, effects):
        of[::3, 1:2] = of[::3, :1]
        of[::6, 2:] = of[::6, :1]
    return CostsAndEffects(strategies, costs, effects, "USD 2021")


def column(sheet: openpyxl.worksheet.worksheet.Worksheet, title: str, row: int) -> int:
    """The first column with this title in a row, both counted from 1."""
    return next(cell.column for cell in sheet[row] if cell.value == title)


def row_of(sheet: openpyxl.worksheet.worksheet.Worksheet, text: str, begin: int = 1) -> int:
    """The first row from `begin` on whose first cell holds the text."""
    return next(row for row in range(begin, sheet.max_row + 1) if sheet.cell(row, 1).value == text)
