"""The workbook read back: our numbers beside its formulas, formulas where they should be, text that stays text."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from study_readings import probabilistic_of
from workbooks import ODD_NAMES, column, compared, draws_with_ties, everything_differs, odd_names, row_of, scenario_of

from hcc_sim.analyses.compare import Comparison
from hcc_sim.analyses.valuation import Valuation
from hcc_sim.cli import main
from hcc_sim.economics import CostsAndEffects, acceptability, expected_loss, value_of_perfect_information
from hcc_sim.economics.increments import DEFINITION
from hcc_sim.economics.net_benefit import DEFINITIONS, gain_where_best
from hcc_sim.outcomes.hcc import EVERYBODY
from hcc_sim.report import workbook
from hcc_sim.report.screen import NOT_ADVICE
from hcc_sim.report.sheets.draws import MOST_DRAWS, MOST_LIVE
from hcc_sim.report.sheets.paper import LONGEST_LABEL, labels, letters
from hcc_sim.report.workbook import write_workbook

PATIENTS = 1_000
OF_VALUE = ["Costs", "QALYs", "Increments", "Net benefit"]
BASE = ["Read me", "Inputs", "Outcomes", "Contrasts", *OF_VALUE]
ALLOWED = {
    "ABS", "AND", "AVERAGE", "EXACT", "IF", "INDEX", "MATCH", "MAX", "MIN", "NA", "NORMSDIST", "OR", "ROUNDUP", "ROW",
    "ROWS", "SUM", "SUMIF", "SUMPRODUCT",
}  # fmt: skip


class Read:
    """Formulas and the values stored beside them."""

    def __init__(self, path: Path) -> None:
        self.formulas = openpyxl.load_workbook(path)
        self.values = openpyxl.load_workbook(path, data_only=True)

    def all_formulas(self) -> list[tuple[str, str, str]]:
        return [
            (sheet.title, cell.coordinate, cell.value)
            for sheet in self.formulas.worksheets
            for row in sheet.iter_rows()
            for cell in row
            if cell.data_type == "f"
        ]


def read(folder: Path, comparison: Comparison, draws: CostsAndEffects | None = None) -> Read:
    readings = () if draws is None else [probabilistic_of(comparison.scenario, draws)]
    write_workbook(folder / "workbook.xlsx", comparison, readings)
    return Read(folder / "workbook.xlsx")


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compared(scenario_of("surgical-timing.yaml", PATIENTS))


@pytest.fixture(scope="module")
def book(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Read:
    return read(tmp_path_factory.mktemp("book"), comparison, draws_with_ties())


def valuation_in(comparison: Comparison) -> Valuation:
    assert comparison.valuation is not None
    return comparison.valuation


def as_read(value: float) -> float | None:
    """A number as XlsxWriter writes it: with sixteen digits."""
    return None if np.isnan(value) else float(f"{value:.16G}")


def all_as_read(values: Iterable[float]) -> list[float | None]:
    return [as_read(value) for value in values]


# --- what is told -----------------------------------------------------------------------------------------------------


def test_the_sheets(comparison: Comparison, book: Read, tmp_path: Path):
    assert book.values.sheetnames == [*BASE, "Draws", "CEAC"]
    assert read(tmp_path, comparison).values.sheetnames == BASE
    told = [cell.value for cell in book.values["Read me"]["A"]]
    assert told[told.index("Sheets") + 1 :][:9] == [*BASE[1:], "Draws", "CEAC"]


def test_the_first_sheet_says_what_one_must_know(comparison: Comparison, book: Read):
    told = " ".join(str(cell.value) for row in book.values["Read me"].iter_rows() for cell in row if cell.value)
    for text in (
        comparison.scenario.title, comparison.scenario.question, comparison.headline(), comparison.answer_of_value(),
        DEFINITION, *DEFINITIONS.values(), NOT_ADVICE, "seed 20240502", "Monte-Carlo error only", "60 draws",
        "health system", *(note for note in comparison.notes() if "enrolled" not in note),
    ):  # fmt: skip
        assert text in told


def test_inputs_are_all_parameters_assumed_first(comparison: Comparison, book: Read):
    sheet, parameters = book.values["Inputs"], comparison.scenario.strategies[0].parameters
    header = row_of(sheet, "parameter")
    rows = {row[0].value: row for row in sheet.iter_rows(min_row=header + 1)}
    assert set(rows) == set(parameters)
    kinds = [row[column(sheet, "kind", header) - 1].value for row in rows.values()]
    assert kinds == sorted(kinds, key=["assumed", "reported", "calibrated"].index)
    for name, p in parameters.items():
        told = dict(zip((cell.value for cell in sheet[header]), rows[name], strict=True))
        assert told["value: opportunistic"].value == ("never" if np.isinf(p.value) else as_read(p.value))
        assert (told["unit"].value, told["kind"].value) == (p.unit, p.kind)
        if p.distribution:
            assert told["low"].value == as_read(p.distribution.low)
            assert told["high"].value == as_read(p.distribution.high)
        for strategy in comparison.scenario.strategies[1:]:
            value = strategy.parameters[name].value
            expected = None if value == p.value else "never" if np.isinf(value) else as_read(value)
            assert told[f"value: {strategy.name}"].value == expected
    assert sheet.auto_filter.ref is not None
    assert sheet.freeze_panes is not None
    assert book.formulas["Inputs"].protection.sheet, "nobody can sort what formulas point to"


def test_cells_that_formulas_point_to_are_marked_and_no_others(book: Read):
    sheet = book.formulas["Inputs"]
    header = row_of(sheet, "parameter")
    pointed_to = {
        cell.replace("$", "") for _, _, f in book.all_formulas() for cell in re.findall(r"'Inputs'!(\S\w*\$\d+)", f)
    }
    unlocked = {
        cell.coordinate for row in sheet.iter_rows(min_row=header + 1) for cell in row if not cell.protection.locked
    }
    assert pointed_to == unlocked
    used = {sheet.cell(int(re.sub(r"\D", "", cell)), 1).value for cell in unlocked}
    assert {"hepatectomy.price", "utility.progressed", "complication.hospital_days"} <= used
    in_formulas = column(sheet, "in formulas", header)
    for row in range(header + 1, sheet.max_row + 1):
        assert (sheet.cell(row, in_formulas).value == "yes") == (sheet.cell(row, 1).value in used)


@pytest.mark.parametrize(("name", "table"), [("Outcomes", "summary"), ("Contrasts", "contrasts")])
def test_rows_of_the_files(comparison: Comparison, book: Read, name: str, table: str):
    sheet = book.values[name]
    rows = list(sheet.iter_rows(min_row=row_of(sheet, "population") + 1, values_only=True))
    expected = [
        row._asdict()
        for row in getattr(comparison.tables, table).rows
        if row.population in (comparison.primary, EVERYBODY)
    ]
    assert len(rows) == len(expected) > 100
    titles = ("population", "outcome", "strategy") + (("versus",) if table == "contrasts" else ())
    value = "difference" if table == "contrasts" else "value"
    for told, row in zip(rows, expected, strict=True):
        assert told[: len(titles)] == tuple(row[title] for title in titles)
        numbers = tuple(as_read(row[number]) for number in (value, "mc_se", "low", "high"))
        assert told[len(titles) :] == (*numbers, row["unit"])


# --- costs and QALYs --------------------------------------------------------------------------------------------------


def columns_of_cost(sheet: openpyxl.worksheet.worksheet.Worksheet) -> range:
    header = row_of(sheet, "category")
    first = column(sheet, "cost", header - 1)
    return range(first, sheet.max_column + 1)


def test_costs_are_ours_beside_formulas(comparison: Comparison, book: Read):
    valuation, values, formulas = valuation_in(comparison), book.values["Costs"], book.formulas["Costs"]
    columns, total = columns_of_cost(values), row_of(values, "all costs")
    first = row_of(values, "By item") + 1
    seen = {name: set() for name in valuation.strategies}
    for place, (name, one) in zip(columns, valuation.strategies.items(), strict=True):
        assert values.cell(total, place).value == one.cost().value
        assert values.cell(total + 1, place).value == as_read(one.cost().mc_se)
        assert formulas.cell(total, place).value.startswith("=SUM(")
        for category in one.categories:
            row = row_of(values, category)
            assert values.cell(row, place).value == one.category(category).value
            assert formulas.cell(row, place).value.startswith("=SUMIF(")
        for row in range(first, values.max_row + 1):
            item = values.cell(row, 2).value
            seen[name].add(item)
            assert values.cell(row, place).value == one.item(item).value
            assert formulas.cell(row, place).value == f"=$D{row}*$E{row}*{letters(place - len(columns) - 1)}{row}"
            price, amount, counted = (values.cell(row, at).value for at in (4, 5, place - len(columns)))
            assert price == one.prices[item]
            assert price * amount * counted == pytest.approx(one.item(item).value, rel=1e-12)
        assert seen[name] == {item.name for item in one.rules.items}


def test_a_price_points_to_its_parameter(book: Read):
    sheet, inputs = book.formulas["Costs"], book.formulas["Inputs"]
    for row in range(row_of(sheet, "By item") + 1, sheet.max_row + 1):
        address = re.fullmatch(r"='Inputs'!\$B\$(\d+)", sheet.cell(row, 4).value)
        assert address is not None
        assert inputs.cell(int(address[1]), 1).value == sheet.cell(row, 3).value
    lenvatinib = next(row for row in sheet.iter_rows() if row[1].value == "lenvatinib")
    assert re.fullmatch(r"=30\.4375\*'Inputs'!\$B\$\d+/4", lenvatinib[4].value), "30.4375 days of capsules of 4 mg"


def test_qalys_are_ours_beside_formulas(comparison: Comparison, book: Read):
    valuation, values, formulas = valuation_in(comparison), book.values["QALYs"], book.formulas["QALYs"]
    header = row_of(values, "health state or loss")
    years, qalys = (column(values, title, header - 1) for title in ("years, discounted", "QALYs"))
    told = {(row.strategy, row.health): row for row in valuation.tables.qalys.rows}
    total = row_of(values, "all")
    for place, (name, one) in enumerate(valuation.strategies.items()):
        for row in range(header + 2, total):
            expected = told.pop((name, values.cell(row, 1).value))
            assert values.cell(row, years + place).value == as_read(expected.years)
            assert values.cell(row, qalys + place).value == expected.qalys
            assert values.cell(row, 3).value == abs(expected.utility)
            assert formulas.cell(row, 3).value.startswith("='Inputs'!")
            assert formulas.cell(row, qalys + place).data_type == "f"
        assert values.cell(total, qalys + place).value == one.qaly().value
        assert values.cell(total, years + place).value == one.life_year().value
        assert formulas.cell(total, qalys + place).value.startswith("=SUM(")
        assert values.cell(total + 1, qalys + place).value == as_read(one.qaly().mc_se)
    assert not told


def test_strategies_that_differ_in_everything_have_rows_of_their_own(tmp_path: Path):
    book = read(tmp_path, compared(everything_differs(tmp_path)))
    values, formulas = book.values["Costs"], book.formulas["Costs"]
    rows = {row[1].value: row for row in values.iter_rows(min_row=row_of(values, "By item") + 1)}
    names = ("dear", "long stays", "other drugs")
    assert [cell.value for cell in rows["resection (dear)"][6:9]][1:] == [None, None]
    assert {"resection (long stays)", "days in hospital for a complication (dear, other drugs)"} <= set(rows)
    order = list(rows)
    assert order.index("resection (long stays)") == order.index("resection (dear)") + 1
    own = rows["=parking"]
    assert [cell.value for cell in own[2:6]] == ["own item of the scenario", 3.0, 2.0, "months"]
    assert own[1].data_type == "s"
    assert not own[3].protection.locked, "an input of its own"
    inputs = book.values["Inputs"]
    titles = [cell.value for cell in inputs[row_of(inputs, "parameter")]]
    assert titles[1:4] == [f"value: {name}" for name in names]
    bevacizumab = next(row for row in formulas.iter_rows() if str(row[1].value).startswith("adjuvant bevacizumab"))
    assert "NORMSDIST" in bevacizumab[4].value
    health = book.formulas["QALYs"]
    ageing = health[row_of(health, "lost by ageing: share of utility a year")]
    assert [cell.data_type for cell in ageing][-3:] == ["f", "n", "f"], "where ageing takes nothing it was not counted"


# --- the choice -------------------------------------------------------------------------------------------------------


def test_increments_are_ours(comparison: Comparison, book: Read):
    valuation, values, formulas = valuation_in(comparison), book.values["Increments"], book.formulas["Increments"]
    header = row_of(values, "strategy")
    for row, (name, one) in enumerate(valuation.strategies.items(), header + 1):
        told = [cell.value for cell in values[row]]
        assert told[:6] == [
            name, one.cost().value, as_read(one.cost().mc_se), one.qaly().value, as_read(one.qaly().mc_se),
            "opportunistic",
        ]  # fmt: skip
        assert formulas.cell(row, 2).value.startswith("='Costs'!")
        assert formulas.cell(row, 4).value.startswith("='QALYs'!")
    frontier = row_of(values, "strategy", header + 1)
    for row, step in enumerate(valuation.tables.increments.rows, frontier + 1):
        told = [cell.value for cell in values[row]]
        numbers = [
            step.incremental_cost, step.incremental_cost_mc_se, step.incremental_qalys, step.incremental_qalys_mc_se,
            step.icer, step.icer_mc_se,
        ]  # fmt: skip
        assert (told[:2], told[2] or "", told[9]) == ([step.strategy, step.status], step.versus, "yes")
        assert [as_read(np.nan if number in (None, "") else number) for number in told[3:9]] == all_as_read(numbers)
    (choice,) = formulas.data_validations.dataValidation
    assert choice.type == "list"
    assert re.fullmatch(rf"\$A\${header + 1}:\$A\${header + 4}", choice.formula1)


def test_net_benefit_is_ours(comparison: Comparison, book: Read):
    valuation, values, formulas = valuation_in(comparison), book.values["Net benefit"], book.formulas["Net benefit"]
    rows = [row for row in range(1, values.max_row + 1) if values.cell(row, 1).value == 12516]
    assert len(rows) == 5
    assert [formulas.cell(row, 1).data_type for row in rows] == ["n", "f", "f", "f", "f"]
    for place, threshold in enumerate(valuation.terms.thresholds):
        told = {row.strategy: row for row in valuation.tables.net_benefit.rows if row.threshold == threshold}
        assert values.cell(rows[0] + place, 6).value == valuation.best(threshold)
        assert "MATCH(MAX(" in formulas.cell(rows[0] + place, 6).value
        for at, (name, benefit) in enumerate(told.items(), 2):
            error = valuation.strategies[name].net_benefit(threshold).mc_se
            expected = (
                benefit.net_monetary_benefit, as_read(error), benefit.net_health_benefit, benefit.loss,
                as_read(benefit.loss_mc_se),
            )  # fmt: skip
            assert tuple(values.cell(row + place, at).value for row in rows) == expected
            kinds = [formulas.cell(row + place, at).data_type for row in rows]
            assert kinds == ["f", "n", "f", "f", "n"]


# --- draws ------------------------------------------------------------------------------------------------------------


def test_draws_and_curves_are_ours(book: Read):
    draws, values = draws_with_ties(), book.values["CEAC"]
    sheet = book.values["Draws"]
    rows = list(sheet.iter_rows(min_row=sheet.max_row - draws.draws + 1, values_only=True))
    assert [row[0] for row in rows] == list(range(1, 61))
    assert np.array([row[1:] for row in rows]).tobytes() == np.hstack((draws.costs, draws.effects)).tobytes()
    header = row_of(values, "threshold")
    at = [values.cell(row, 1).value for row in range(header + 1, header + 44)]
    assert at[:5] == [12_516, 37_547, 0, 2_000, 4_000]
    shares, losses, gains = acceptability(draws, at), expected_loss(draws, at), gain_where_best(draws, at)
    perfect = value_of_perfect_information(draws, at)
    assert ((shares > 0) & (shares < 1)).any()
    for k, row in enumerate(range(header + 1, header + 44)):
        told = [cell.value for cell in values[row]]
        assert told[1:4] == shares[k].tolist()
        assert told[5] == shares[k, ["a", "=b", "c's"].index(told[4])]
        assert told[6:9] == losses[k].tolist()
        assert (told[9], told[10]) == (perfect[k].value, as_read(perfect[k].standard_error))
        assert told[14:16] == gains[k, 1:].tolist()
        assert sum(gains[k]) == pytest.approx(losses[k, 0], abs=1e-9)


def test_curves_are_drawn(book: Read, comparison: Comparison, tmp_path: Path):
    write_workbook(tmp_path / "a.xlsx", comparison, [probabilistic_of(comparison.scenario, draws_with_ties())])
    with zipfile.ZipFile(tmp_path / "a.xlsx") as parts:
        chart = parts.read("xl/charts/chart1.xml").decode()
    assert chart.count("<c:ser>") == 3
    assert "lineChart" in chart


def test_many_strategies_have_numbers_instead_of_formulas(comparison: Comparison, tmp_path: Path):
    few, many = (
        read(tmp_path, comparison, draws_with_ties(7, tuple(f"s{k}" for k in range(n))))
        for n in (MOST_LIVE, MOST_LIVE + 1)
    )
    assert max(len(formula) for _, _, formula in few.all_formulas()) < 8_192
    assert sum(sheet == "CEAC" for sheet, _, _ in few.all_formulas()) > 1_000
    assert {cell[0] for sheet, cell, _ in many.all_formulas() if sheet == "CEAC"} == {"A"}


def test_of_many_draws_the_first_are_told(comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """And curves are worked out of those, so that formulas come to what is stored."""
    assert MOST_DRAWS == 10_000
    monkeypatch.setattr(workbook, "MOST_DRAWS", 40)
    book, draws = read(tmp_path, comparison, draws_with_ties()), draws_with_ties()
    sheet = book.values["Draws"]
    assert sheet.cell(sheet.max_row, 1).value == 40
    assert "40 draws, the first of 60; CEAC is of these" in sheet["A2"].value
    first = CostsAndEffects(draws.strategies, draws.costs[:40], draws.effects[:40], draws.currency)
    header = row_of(book.values["CEAC"], "threshold")
    told = [cell.value for cell in book.values["CEAC"][header + 1]]
    assert told[1:4] == acceptability(first, told[0])[0].tolist()


# --- what could go wrong ----------------------------------------------------------------------------------------------


def test_odd_names_stay_text(tmp_path: Path):
    scenario = odd_names(tmp_path)
    book = read(tmp_path, compared(scenario))
    shown = labels(strategy.name for strategy in scenario.strategies)
    assert set(shown) == set(ODD_NAMES)
    texts = {
        cell.value: cell
        for sheet in book.formulas.worksheets
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "s"
    }
    assert set(shown.values()) <= set(texts)
    for name in ODD_NAMES[:4]:
        assert texts[name].quotePrefix, "stays text when it is edited"
    assert texts["=A1 of a title"].quotePrefix
    assert "a bell\ufffd and\ufffd what XML cannot hold" in texts
    for _, _, formula in book.all_formulas():
        assert not any(name in formula for name in ODD_NAMES), "a name inside a formula could break it"


def test_labels_are_short_and_differ():
    found = labels(["a", "A", "x" * 300, "x" * 301, "two\nlines", "two lines"])
    assert len(set(found.values())) == 6
    assert all(len(label) <= LONGEST_LABEL + 4 and "\n" not in label for label in found.values())
    assert (found["a"], found["two\nlines"], found["two lines"]) == ("a", "two lines", "two lines (2)")


def test_functions_are_those_that_all_programs_have(tmp_path: Path, book: Read):
    others = read(tmp_path, compared(everything_differs(tmp_path)))
    for one in (book, others):
        for sheet, cell, formula in one.all_formulas():
            bare = re.sub(r'"[^"]*"', "", re.sub(r"'[^']*'!", "", formula))
            assert set(re.findall(r"([A-Z.]+)\(", bare)) <= ALLOWED, (sheet, cell)
            assert "{" not in bare
            assert "[" not in bare
    with zipfile.ZipFile(tmp_path / "workbook.xlsx") as parts:
        assert not [name for name in parts.namelist() if re.search("external|vba|metadata", name)]
        sheets = [parts.read(name).decode() for name in parts.namelist() if "worksheets/sheet" in name]
    assert not any('t="array"' in sheet or "_xlfn" in sheet for sheet in sheets)


@pytest.mark.parametrize("patients", [1, 2, 150])
def test_few_patients(tmp_path: Path, patients: int):
    comparison = compared(scenario_of("surgical-timing.yaml", patients))
    book = read(tmp_path, comparison)
    total = row_of(book.values["Costs"], "all costs")
    costs = [book.values["Costs"].cell(total, at).value for at in columns_of_cost(book.values["Costs"])]
    assert costs == [one.cost().value for one in valuation_in(comparison).strategies.values()]


def test_one_strategy(tmp_path: Path):
    scenario = scenario_of("surgical-timing.yaml", 200)
    one = compared(replace(scenario, strategies=scenario.strategies[-1:]))
    draws = CostsAndEffects(("conservative",), [[1.0], [2.0]], [[1.0], [3.0]])
    book = read(tmp_path, one, draws)
    assert book.values.sheetnames == [name for name in [*BASE, "Draws", "CEAC"] if name != "Contrasts"]
    header = row_of(book.values["CEAC"], "threshold")
    assert [cell.value for cell in book.values["CEAC"][header + 1]][1:5] == [1.0, "conservative", 1.0, 0.0]
    sheet = book.values["Increments"]
    assert sheet.cell(row_of(sheet, "strategy") + 1, 10).value == "no difference"


def test_without_economics(tmp_path: Path):
    path = tmp_path / "plain.yaml"
    path.write_text("title: x\nregimen: lenvatinib\nstrategies: {a: {surgery.delay: 0 days}, b: {}}\n")
    book = read(tmp_path, compared(scenario_of(path, 300)))
    assert book.values.sheetnames == ["Read me", "Inputs", "Outcomes", "Contrasts"]
    assert book.all_formulas() == []
    with_draws = read(tmp_path, compared(scenario_of(path, 300)), draws_with_ties())
    assert with_draws.values.sheetnames == book.values.sheetnames, "there is nothing to value draws by"


def test_the_same_run_gives_the_same_bytes(comparison: Comparison, tmp_path: Path):
    for name in ("a", "b"):
        write_workbook(tmp_path / name, comparison, [probabilistic_of(comparison.scenario, draws_with_ties())])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_it_prints_on_landscape_pages_as_wide_as_one(book: Read):
    for sheet in book.formulas.worksheets:
        assert sheet.page_setup.orientation == "landscape"
        assert (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (1, 0)
        if sheet.title not in ("Read me", "Increments"):
            assert sheet.print_title_rows
            assert sheet.freeze_panes


def test_a_full_disk_is_an_error_of_the_system(comparison: Comparison, tmp_path: Path):
    with pytest.raises(OSError, match="No such file"):
        write_workbook(tmp_path / "missing" / "workbook.xlsx", comparison)


@pytest.mark.usefixtures("quick")
def test_every_run_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("short.yaml").write_text("title: x\nregimen: tace\nstrategies: {a: {}}\nrun: {horizon: 20 months}\n")
    assert main(["run", "short.yaml", "--patients", "200", "--no-plots", "--out", "mine"]) == 0
    assert openpyxl.load_workbook("mine/workbook.xlsx").sheetnames == ["Read me", "Inputs", "Outcomes"]
