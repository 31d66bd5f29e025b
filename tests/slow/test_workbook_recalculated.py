"""The workbook worked out anew by LibreOffice: every formula comes to our number, at other inputs too.

    python -m pytest tests/slow/test_workbook_recalculated.py

Needs LibreOffice (`soffice`); about a minute.
"""

from __future__ import annotations

import re
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import openpyxl
import pytest
import xlsxwriter

sys.path.append(str(Path(__file__).parents[1]))  # for those who run this file by itself
sys.path.append(str(Path(__file__).parent))
from spreadsheet import SOFFICE, change, formulas, recalculated
from study_readings import every_reading, probabilistic_of, with_strategies
from workbooks import compared, draws_with_ties, everything_differs, odd_names, row_of, scenario_of

from hcc_sim.analyses.compare import Comparison
from hcc_sim.analyses.strategies import Run
from hcc_sim.analyses.valuation import Step, Valuation, valuation_of
from hcc_sim.economics import CostsAndEffects, acceptability, expected_loss, increments, pair
from hcc_sim.economics.increments import Status
from hcc_sim.report.sheets.decision import FAILS, HOLDS, write_increments
from hcc_sim.report.sheets.paper import Book, labels
from hcc_sim.report.workbook import write_workbook

pytestmark = pytest.mark.skipif(SOFFICE is None, reason="LibreOffice (soffice) is not installed")

PATIENTS = 2_000
WITHIN = 1e-9


@pytest.fixture(scope="module")
def run() -> Run:
    scenario = scenario_of("surgical-timing.yaml", PATIENTS)
    run = Run(scenario, value=True)
    run.up_to(PATIENTS)
    return run


def valuation_at(run: Run, **values: float) -> Valuation:
    """The same patients at other prices and utilities."""
    given = {name.replace("__", "."): value for name, value in values.items()}
    strategies = tuple(replace(s, parameters=s.parameters.with_values(given, "test")) for s in run.scenario.strategies)
    found = valuation_of(replace(run.scenario, strategies=strategies), run.quantities)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def draws(run: Run) -> CostsAndEffects:
    return draws_with_ties(997, tuple(strategy.name for strategy in run.scenario.strategies))


@pytest.fixture(scope="module")
def path(run: Run, draws: CostsAndEffects, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "workbook.xlsx"
    write_workbook(
        path,
        Comparison(run.scenario, run.tallies, (), None, valuation_at(run)),
        [probabilistic_of(run.scenario, draws)],
    )
    return path


def assert_same(path: Path, found: openpyxl.Workbook, *, at_least: int) -> None:
    """Of every formula the value stored and that worked out."""
    stored, cells = openpyxl.load_workbook(path, data_only=True), formulas(path)
    assert len(cells) >= at_least
    for sheet, cell in cells:
        ours, theirs = stored[sheet][cell].value, found[sheet][cell].value
        if isinstance(ours, str) or ours is None:
            assert (theirs or "") == (ours or ""), (sheet, cell)
        else:
            assert theirs == pytest.approx(ours, rel=WITHIN, abs=0.0 if ours else 1e-9), (sheet, cell)


def test_every_formula_comes_to_our_number(path: Path, tmp_path: Path):
    assert_same(path, recalculated(path, tmp_path), at_least=900)


def test_a_wrong_stored_value_is_corrected(path: Path, tmp_path: Path):
    """What is compared is worked out, and not read back."""
    wrong, part = tmp_path / "wrong.xlsx", "xl/worksheets/sheet5.xml"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(wrong, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == part:
                text, changed = re.subn(r"(</f><v>)[^<]*(</v>)", r"\g<1>123456\2", content.decode())
                assert changed > 50
                content = text.encode()
            new.writestr(name, content)
    row = row_of(openpyxl.load_workbook(wrong)["Costs"], "all costs")
    assert openpyxl.load_workbook(wrong, data_only=True)["Costs"].cell(row, 11).value == 123456
    assert_same(path, recalculated(wrong, tmp_path), at_least=900)


def test_names_and_strategies_that_differ_in_everything(tmp_path: Path):
    for place, scenario in enumerate((odd_names(tmp_path), everything_differs(tmp_path, 1_000))):
        made = tmp_path / f"{place}.xlsx"
        write_workbook(made, compared(scenario))
        assert_same(made, recalculated(made, tmp_path), at_least=250)


def test_a_regimen_by_body_weight(tmp_path: Path):
    made = tmp_path / "made.xlsx"
    write_workbook(made, compared(scenario_of("adjuvant-choice.yaml", 1_000)))
    assert any("NORMSDIST" in str(row[4].value) for row in openpyxl.load_workbook(made)["Costs"].iter_rows())
    assert_same(made, recalculated(made, tmp_path), at_least=250)


def test_ties_among_three_strategies(run: Run, tmp_path: Path):
    made = tmp_path / "made.xlsx"
    comparison = Comparison(run.scenario, run.tallies, (), None, valuation_at(run))
    write_workbook(made, comparison, [probabilistic_of(run.scenario, draws_with_ties(60))])
    assert_same(made, recalculated(made, tmp_path), at_least=900)


def test_sheets_of_studies(run: Run, tmp_path: Path):
    """One of each kind of reading; of four strategies and of one."""
    for count, at_least in ((4, 1_300), (1, 600)):
        made, scenario = tmp_path / f"{count}.xlsx", with_strategies(run.scenario, count)
        write_workbook(made, compared(replace(scenario, size=200)), every_reading(scenario))
        assert_same(made, recalculated(made, tmp_path), at_least=at_least)


# --- other inputs -----------------------------------------------------------------------------------------------------


def input_cell(path: Path, parameter: str) -> str:
    return f"B{row_of(openpyxl.load_workbook(path)['Inputs'], parameter)}"


def assert_values(book: openpyxl.Workbook, valuation: Valuation) -> None:
    """Costs, QALYs, increments against the first strategy and net benefit are those of the valuation."""
    costs, increments, benefit = book["Costs"], book["Increments"], book["Net benefit"]
    first = row_of(increments, "strategy") + 1
    for place, (name, one) in enumerate(valuation.strategies.items()):
        assert costs.cell(row_of(costs, "all costs"), 11 + place).value == pytest.approx(one.cost().value, rel=WITHIN)
        for category in one.categories:
            told = costs.cell(row_of(costs, category), 11 + place).value
            assert told == pytest.approx(one.category(category).value, rel=WITHIN)
        row = first + place
        against = pair(valuation.table, name, next(iter(valuation.strategies)))
        assert increments.cell(row, 4).value == pytest.approx(one.qaly().value, rel=WITHIN)
        assert increments.cell(row, 7).value == pytest.approx(against.incremental_cost, rel=WITHIN)
        assert increments.cell(row, 10).value == against.reading
        for k, threshold in enumerate(valuation.terms.thresholds):
            told = benefit.cell(row_of(benefit, "threshold") + 2 + k, 2 + place).value
            assert told == pytest.approx(one.net_benefit(threshold).value, rel=WITHIN)


@pytest.mark.parametrize(
    ("parameter", "factor"),
    [
        ("lenvatinib.price_per_4_mg", 1.1),
        ("hepatectomy.price", 1.1),
        ("sintilimab.mg_per_cycle", 1.3),  # three vials for two, but for those who share
        ("decompensation.hospital_days_per_month", 0.5),
        ("utility.progression_free", 0.9),
        ("utility.loss_after_operation", 2.0),
    ],
)
def test_another_input(run: Run, path: Path, tmp_path: Path, parameter: str, factor: float):
    value = factor * run.scenario.strategies[0].parameters[parameter].value
    cell = input_cell(path, parameter)
    changed = change(path, tmp_path / "changed.xlsx", {"Inputs": {cell: value}})
    expected = valuation_at(run, **{parameter.replace(".", "__"): value})
    before = valuation_at(run)
    assert any(
        expected.strategies[n].net_benefit(1e4).value != before.strategies[n].net_benefit(1e4).value
        for n in before.strategies
    )
    assert_values(recalculated(changed, tmp_path), expected)


def test_another_strategy_to_compare_with(run: Run, path: Path, tmp_path: Path):
    table = valuation_at(run).table
    sheet = openpyxl.load_workbook(path)["Increments"]
    cell = f"B{row_of(sheet, 'compared with')}"
    for versus in table.strategies[1:]:
        changed = change(path, tmp_path / "changed.xlsx", {"Increments": {cell: versus}})
        found = recalculated(changed, tmp_path)["Increments"]
        for row, name in enumerate(table.strategies, row_of(found, "strategy") + 1):
            expected = pair(table, name, versus)
            told = [found.cell(row, at).value for at in (6, 7, 8, 9, 10)]
            assert (told[0], told[4]) == (versus, expected.reading)
            assert told[1] == pytest.approx(expected.incremental_cost, rel=WITHIN)
            assert told[2] == pytest.approx(expected.incremental_effect, rel=WITHIN)
            if expected.icer == expected.icer:
                assert told[3] == pytest.approx(expected.icer, rel=WITHIN)
            else:
                assert told[3] in (None, "")


@pytest.mark.parametrize("place", [5, 6, 8, 10])
def test_a_name_that_a_lookup_would_mistake(tmp_path: Path, place: int):
    """'star*' is not any name that begins so, 'wait' is not 'Wait'."""
    comparison, made = compared(odd_names(tmp_path)), tmp_path / "made.xlsx"
    write_workbook(made, comparison)
    sheet = openpyxl.load_workbook(made)["Increments"]
    row, first = row_of(sheet, "compared with"), row_of(sheet, "strategy") + 1
    changed = change(made, tmp_path / "changed.xlsx", {"Increments": {f"B{row}": sheet.cell(first + place, 1).value}})
    found = recalculated(changed, tmp_path)["Increments"]
    assert comparison.valuation is not None
    one = list(comparison.valuation.strategies.values())[place]
    assert found.cell(row + 1, 2).value == pytest.approx(one.cost().value, rel=WITHIN)
    assert found.cell(row + 1, 3).value == pytest.approx(one.qaly().value, rel=WITHIN)


def test_another_threshold_and_another_grid(run: Run, path: Path, draws: CostsAndEffects, tmp_path: Path):
    sheet = openpyxl.load_workbook(path)["Net benefit"]
    cell = f"A{row_of(sheet, 'threshold') + 2}"
    step = f"B{row_of(openpyxl.load_workbook(path)['CEAC'], 'step')}"
    inputs = {"Net benefit": {cell: 150_000.0}, "CEAC": {step: 777.0}}
    found = recalculated(change(path, tmp_path / "changed.xlsx", inputs), tmp_path)
    valuation = valuation_at(run)
    told = [found["Net benefit"][cell.replace("A", letter)].value for letter in "ABCDEF"]
    assert told[0] == 150_000.0
    assert told[5] == valuation.best(150_000.0)
    assert told[1:5] == pytest.approx([one.net_benefit(150_000.0).value for one in valuation.strategies.values()])
    curves = found["CEAC"]
    header = row_of(curves, "threshold")
    at = [150_000.0, 37_547.0, *(777.0 * k for k in range(41))]
    shares, losses = acceptability(draws, at), expected_loss(draws, at)
    for k, row in enumerate(range(header + 1, header + 44)):
        assert curves.cell(row, 1).value == at[k]
        assert [curves.cell(row, 2 + s).value for s in range(4)] == pytest.approx(shares[k].tolist(), rel=WITHIN)
        assert [curves.cell(row, 8 + s).value for s in range(4)] == pytest.approx(losses[k].tolist(), rel=WITHIN)


def test_a_status_that_holds_no_more_is_told(run: Run, path: Path, tmp_path: Path):
    """Drugs for nothing make 'conservative' the cheapest, which changes the frontier."""
    cells = {input_cell(path, name): 0.0 for name in ("lenvatinib.price_per_4_mg", "sintilimab.price_per_100_mg")}
    expected = valuation_at(run, lenvatinib__price_per_4_mg=0.0, sintilimab__price_per_100_mg=0.0)
    assert expected.tables.increments.rows[0].strategy != valuation_at(run).tables.increments.rows[0].strategy
    found = recalculated(change(path, tmp_path / "changed.xlsx", {"Inputs": cells}), tmp_path)["Increments"]
    frontier = row_of(found, "strategy", row_of(found, "strategy") + 1)
    told = [found.cell(row, 10).value for row in range(frontier + 1, frontier + 5)]
    assert FAILS in told
    assert set(told) <= {HOLDS, FAILS}


COSTS = {"cheap": 100.0, "mixed": 900.0, "middle": 1_000.0, "same": 1_000.0, "worse": 1_500.0, "best": 3_000.0}
EFFECTS = {"cheap": 1.0, "mixed": 1.2, "middle": 2.0, "same": 2.0, "worse": 1.9, "best": 2.5}


def frontier_of(folder: Path, costs: dict[str, float]) -> tuple[Path, dict[str, str]]:
    """The sheet of increments alone, of strategies of every status, and where the cost of each stands."""
    table = CostsAndEffects(tuple(costs), list(costs.values()), list(EFFECTS.values()))

    def told(value: float) -> SimpleNamespace:
        return SimpleNamespace(value=value, mc_se=0.0)

    steps = [
        Step(s.strategy, s.cost, 0.0, s.effect, 0.0, str(s.status), s.versus, s.incremental_cost, 0.0,
             s.incremental_effect, 0.0, s.icer, 0.0, "USD 2021")
        for s in increments(table)
    ]  # fmt: skip
    of = {
        name: SimpleNamespace(cost=lambda c=c: told(c), qaly=lambda e=EFFECTS[name]: told(e))
        for name, c in costs.items()
    }
    valuation = SimpleNamespace(
        terms=SimpleNamespace(money="USD 2021"), strategies=of, table=table,
        tables=SimpleNamespace(increments=SimpleNamespace(rows=steps)),
    )  # fmt: skip
    path = folder / "frontier.xlsx"
    with xlsxwriter.Workbook(path) as workbook:
        book = Book(workbook)
        numbers = book.sheet("Numbers")
        for row, name in enumerate(costs):
            numbers.number(row, 0, costs[name])
            numbers.number(row, 1, EFFECTS[name])
        cells = [{name: numbers.at(row, column) for row, name in enumerate(costs)} for column in (0, 1)]
        write_increments(book.sheet("Increments"), valuation, *cells, labels(costs))  # type: ignore[arg-type]
    return path, {name: f"A{row}" for row, name in enumerate(costs, 1)}


def held(book: openpyxl.Workbook) -> dict[str, str]:
    sheet = book["Increments"]
    frontier = row_of(sheet, "strategy", row_of(sheet, "strategy") + 1)
    return {sheet.cell(row, 1).value: sheet.cell(row, 10).value for row in range(frontier + 1, frontier + 7)}


@pytest.mark.parametrize(
    ("changed", "fails"),
    [
        ({}, set()),
        ({"best": 3_500.0}, set()),
        ({"mixed": 200.0}, {"mixed"}),  # below the line now
        ({"same": 999.0}, {"same"}),
        ({"worse": 950.0}, {"worse"}),
        ({"best": 990.0}, {"best"}),
        ({"cheap": 2_000.0}, {"cheap", "middle", "mixed"}),
        ({"best": 1_200.0}, {"best"}),  # the ratio to 'best' falls below that to 'middle'
    ],
)
def test_statuses_of_every_kind_hold_or_do_not(tmp_path: Path, changed: dict[str, float], fails: set[str]):
    path, cells = frontier_of(tmp_path, COSTS)
    statuses = {
        step.status for step in increments(CostsAndEffects(tuple(COSTS), [*COSTS.values()], [*EFFECTS.values()]))
    }
    assert statuses == set(Status)
    assert set(held(openpyxl.load_workbook(path, data_only=True)).values()) == {HOLDS}
    inputs = {"Numbers": {cells[name]: cost for name, cost in changed.items()}}
    found = held(recalculated(change(path, tmp_path / "changed.xlsx", inputs), tmp_path))
    assert {name for name, text in found.items() if text == FAILS} == fails
    assert set(found) == set(COSTS)
