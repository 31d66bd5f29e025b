"""Reports of studies: pages, pictures and sheets say what tables say, and a study's folder gets all of it or none."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import openpyxl
import pandas as pd
import pytest
from matplotlib.figure import Figure
from pictures import faults
from study_readings import (
    DELAY,
    TURNED,
    delays,
    every_reading,
    grid,
    information,
    one_way,
    probabilistic,
    screening,
    thresholds,
    with_strategies,
)
from test_page import Outline
from workbooks import compared, odd_names, row_of, scenario_of

from hcc_sim.analyses.compare import Comparison
from hcc_sim.analyses.psa import Probabilistic
from hcc_sim.analyses.questions import Reading
from hcc_sim.analyses.study.measured import COST
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.voi import EVERYTHING, PARAMETER, SOURCE
from hcc_sim.report import plots, study_results
from hcc_sim.report.page import page
from hcc_sim.report.page_studies import TOP, WHY_MEANS_DIFFER
from hcc_sim.report.results import csv_text
from hcc_sim.report.screen import ONLY_MONTE_CARLO
from hcc_sim.report.study_plots import draw_reading, plots_of_reading
from hcc_sim.report.study_results import write_study
from hcc_sim.report.study_words import SHOWS
from hcc_sim.report.style import STYLE, strategy_style
from hcc_sim.report.workbook import write_workbook
from hcc_sim.scenario import Scenario

PATIENTS = 300
HELD = "Parameters are held at their base values"


@cache
def scenario() -> Scenario:
    return scenario_of("surgical-timing.yaml", PATIENTS)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compared(scenario())


@pytest.fixture(scope="module")
def readings() -> list[Reading]:
    return every_reading(scenario())


def drawn(reading: Any, name: str) -> Figure:
    return draw_reading(reading, name).figure


# --- the page ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(comparison: Comparison, readings: list[Reading]) -> Outline:
    return Outline(page(comparison, {}, None, readings))


def test_the_page_has_a_section_for_each_reading_with_its_sentences(told: Outline, readings: list[Reading]):
    assert told.open == []
    ids = [one for one in told.ids if one]
    assert len(ids) == len(set(ids))
    ours = ["draws", "one-way", "grid", "thresholds", "delays", "sobol", "morris", "information"]
    begin = ids.index("assumptions") + 1
    assert ids[begin : begin + len(ours)] == ours
    for reading in readings:
        for sentence in reading.sentences():
            assert " ".join(sentence.split()) in told.text


def test_its_numbers_are_those_of_the_tables(told: Outline, readings: list[Reading]):
    rows = told.rows
    psa, swings, _, _, best, sobol, _, worth = readings
    assert isinstance(psa, Probabilistic)
    first = psa.summary().rows[0]
    means = next(row for row in rows if row[0] == f"{first.outcome} of {first.population}")
    assert means[2] == f"{first.value:,.0f} ({first.low:,.0f} to {first.high:,.0f})"
    for strategy, outcome, mean, error, base in psa.against_base():
        if outcome == COST:
            far = f"{(mean - base) / error:+.1f}"
            assert [strategy, COST, "USD 2021", f"{base:,.0f}", f"{mean:,.0f} ± {1.96 * error:,.0f}", far] in rows
    for swing in swings.moving:  # type: ignore[union-attr]
        row = next(row for row in rows if row[0] == swing.parameter and len(row) == 10)
        assert row[5:9] == [
            *(f"{value:+,.0f}" for value in (swing.at_low, swing.at_base, swing.at_high)), f"{1.96 * swing.mc_se:,.0f}"
        ]  # fmt: skip
    shares = {row[4] for row in rows if len(row) == 7 and row[0] == "all"}
    assert shares == {f"{one.chance_optimal:.0%}" for one in best.best}  # type: ignore[union-attr]
    for index in sobol.ranked():  # type: ignore[union-attr]
        assert [index.parameter, f"{index.total_order:.3f}"] in [row[:2] for row in rows]
    for one in worth.ranked(PARAMETER):  # type: ignore[union-attr]
        row = next(row for row in rows if row[:2] == [one.known, PARAMETER])
        assert row[3] == f"{one.value:,.0f} ± {1.96 * one.standard_error:,.0f}"
    assert "nan" not in {cell.strip() for row in rows for cell in row}


def test_a_table_is_short_and_names_the_file_that_has_all(comparison: Comparison):
    reading = grid(scenario(), TURNED[:2], 6)
    told = Outline(page(comparison, {}, None, [reading]))
    assert f"(the first {TOP} of 36; grid.csv has all)" in told.text
    ours = [row for row in told.rows if len(row) == 3 and "surgery.effect = " in row[0]]
    nearest = sorted(abs(one.difference) for one in reading.tables()["grid"].rows)[:TOP]
    shown = [abs(float(row[1].partition(" ±")[0].replace(",", ""))) for row in ours]
    assert shown == [pytest.approx(value, abs=0.5) for value in nearest]


def test_limits_say_what_is_shown(comparison: Comparison):
    def words(*readings: Reading) -> str:
        return Outline(page(comparison, {}, None, readings)).text

    for text in (words(), words(grid(scenario()))):
        assert HELD in text
        assert ONLY_MONTE_CARLO in text
        assert WHY_MEANS_DIFFER not in text
    for reading in (probabilistic(scenario()), delays(scenario(), 60)):
        text = words(reading)
        assert HELD not in text
        assert ONLY_MONTE_CARLO not in text
        assert text.count("60 draws of everything uncertain") >= 2, "in the answer and in the checklist"
    assert WHY_MEANS_DIFFER in words(probabilistic(scenario()))
    assert "how often and how long items count was not" in words()
    assert "how often and how long items count was not" not in words(probabilistic(scenario()))


# --- pictures ---------------------------------------------------------------------------------------------------------

FURTHER: dict[str, Callable[[Scenario], Reading]] = {
    "a grid of three": lambda s: grid(s, TURNED[:3]),
    "a grid of four": lambda s: grid(s, TURNED[:4], 3),
    "a grid of 81 points": lambda s: grid(s, TURNED[:2], 9),
    "one axis": lambda s: grid(s, TURNED[:1]),
    "a delay, never the last": lambda s: grid(s, (DELAY,)),
    "never along x": lambda s: grid(s, (DELAY, TURNED[0])),
    "never along y of three": lambda s: grid(s, (TURNED[0], DELAY, TURNED[3])),
    "thresholds with never": lambda s: thresholds(s, (DELAY, *TURNED)),
    "two intervals": lambda s: delays(s, 12, (0.0, 1.0, 12.0, math.inf), (2.0, 3.0)),
    "two strategies": lambda s: probabilistic(with_strategies(s, 2)),
    "the tornado of two": lambda s: one_way(with_strategies(s, 2)),
    "one draw": lambda s: probabilistic(s, 1),
    "one draw of delays": lambda s: delays(s, 1),
    "two draws": lambda s: probabilistic(s, 2),
}


@pytest.mark.parametrize("strategies", [1, 5])
def test_every_picture_can_be_read(strategies: int):
    given = with_strategies(scenario(), strategies)
    found = []
    for reading in every_reading(given):
        for name in plots_of_reading(reading):
            assert faults(drawn(reading, name)) == [], name
            found.append(name)
    alone = {
        "draws-plane",
        "acceptability",
        "perfect-information",
        "information",
        "information-effects",
        "variance",
    }
    expected = set(SHOWS) - {"delays-subgroups"} - (alone if strategies == 1 else set())
    assert set(found) == expected


@pytest.mark.parametrize("case", FURTHER)
def test_pictures_of_what_is_rare_can_be_read(case: str):
    reading = FURTHER[case](with_strategies(scenario(), 3))
    for name in plots_of_reading(reading):
        assert faults(drawn(reading, name)) == [], name


def test_a_picture_that_cannot_be_read_is_told():
    figure = Figure(figsize=(3, 2))
    figure.text(0.5, 0.5, "one")
    figure.text(0.52, 0.5, "two")
    figure.text(0.9, 0.1, "a long text that goes on and on")
    assert len(faults(figure)) == 2
    axes = Figure(figsize=(1, 1)).add_subplot()
    axes.set_xticks([0.0, 0.1], ["a long name", "a long name"])
    assert any("ticks" in told for told in faults(axes.figure))  # type: ignore[arg-type]


def without_some(reading: Any) -> Any:
    """The same where every outcome but costs and QALYs is not known in the first draw, under the second strategy."""
    means = reading.table.means.copy()
    means[0, 1, :, 2:] = math.nan
    return replace(reading, table=replace(reading.table, means=means))


def unknown(reading: Any) -> Any:
    """The same where nothing is known in the first draw, under the second strategy."""
    means = reading.table.means.copy()
    means[0, 1] = math.nan
    return replace(reading, table=replace(reading.table, means=means))


@pytest.mark.parametrize("make", [probabilistic, delays])
def test_survival_that_is_not_known_leaves_the_rest(make: Callable[[Scenario], Reading], comparison: Comparison):
    reading = without_some(make(scenario()))
    for name in plots_of_reading(reading):
        assert faults(drawn(reading, name)) == []
    page(comparison, {}, None, [reading])


def test_nothing_known_is_drawn_as_nothing(comparison: Comparison, tmp_path: Path):
    two = with_strategies(scenario(), 2)
    made = [make(two) for make in (grid, thresholds, one_way, delays, screening)]
    readings = [unknown(reading) for reading in (*made, screening(two, morris=True))]
    for reading in readings:
        for name in plots_of_reading(reading):
            assert faults(drawn(reading, name)) == [], name
    rows = Outline(page(comparison, {}, None, readings)).rows
    assert "nan" not in {cell.strip() for row in rows for cell in row}
    write_workbook(tmp_path / "a.xlsx", comparison, readings)


def test_names_stay_what_they_are(tmp_path: Path):
    names = ("$x^2$ and $y_1$", '_hidden <&> "it\'s"', "x" * 200, "=1+1, or\nwait and see")
    given = odd_names(tmp_path)
    strategies = tuple(replace(one, name=name) for one, name in zip(given.strategies, names, strict=False))
    odd = replace(given, strategies=strategies, title="A long title " * 20)
    for reading in (*every_reading(odd), grid(odd, ("$x^2$ and $y_1$: surgery.delay", "hepatectomy.price"))):
        for name in plots_of_reading(reading):
            figure = drawn(reading, name)
            assert faults(figure) == [], name
            if name in ("acceptability", "draws"):
                text = io.StringIO()
                with mpl.rc_context(STYLE):
                    figure.savefig(text, format="svg")
                shown = re.sub("<!--.*?-->", "", text.getvalue(), flags=re.DOTALL)
                assert "$x^2$ and $y_1$</text>" in shown
                assert "_hidden &lt;&amp;&gt;" in shown


def test_pictures_are_drawn_from_the_tables(readings: list[Reading]):
    tables = {name: table for one in readings for name, table in one.tables().items()}
    data = {
        name: plot().tables[""] for one in readings for name, plot in plots_of_reading(one).items()
    }  # fmt: skip
    for picture, table in (
        ("acceptability", "acceptability"), ("perfect-information", "perfect-information"), ("grid", "grid"),
        ("thresholds", "thresholds"), ("delays", "delays"), ("variance", "variance"),
    ):  # fmt: skip
        pd.testing.assert_frame_equal(data[picture].reset_index(drop=True), tables[table].frame(), check_dtype=False)
    swings = tables["one-way"].frame().query("outcome == 'net monetary benefit'")
    shown = data["one-way"]
    assert shown["difference_at_low"].tolist() == swings["at_low"].tolist()
    assert shown["high"].tolist() == swings["high"].tolist()
    psa = readings[0]
    assert isinstance(psa, Probabilistic)
    plane = data["draws-plane"].query(f"strategy == '{psa.strategies[2]}'")
    effects = psa.costs_and_effects.effects
    assert plane["incremental_qalys"].tolist() == (effects[:, 2] - effects[:, 0]).tolist()
    assert set(plane["versus"]) == {psa.strategies[0]}


def test_the_plane_and_the_curves_show_those_numbers():
    psa = probabilistic(with_strategies(scenario(), 2))
    axes = drawn(psa, "acceptability").axes[0]
    shares = [row.share_best for row in psa.acceptability().rows if row.strategy == psa.strategies[1]]
    lines = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == len(shares)]
    assert any(np.allclose(line, 100.0 * np.array(shares), equal_nan=True) for line in lines)
    frontier = [row.on_frontier == "yes" for row in psa.acceptability().rows if row.strategy == psa.strategies[1]]
    broad = [line for line in axes.lines if line.get_linewidth() > 5.0]
    assert np.isfinite(broad[1].get_ydata()).tolist() == frontier
    plane = drawn(psa, "draws-plane").axes[0]
    draws = psa.costs_and_effects
    points = plane.collections[0].get_offsets()
    assert np.allclose(points[:, 0], draws.effects[:, 1] - draws.effects[:, 0])
    assert np.allclose(points[:, 1], (draws.costs[:, 1] - draws.costs[:, 0]) / 1_000.0)
    for name in psa.strategies:
        assert f"'{name}'" in plane.get_xlabel()
        assert f"'{name}'" in plane.get_ylabel()


def test_the_delays_show_those_numbers():
    """Objectives at two thresholds share their name, and yet each has its own row."""
    reading = delays(scenario())
    panels = drawn(reading, "delays").axes
    many = len(reading.delays)
    for place, best in enumerate(reading.best):
        rows = reading.rows[place * many : (place + 1) * many]
        assert rows[0].unit == best.unit
        scale = 0.001 if "USD" in best.unit else 1.0
        lines = {line.get_marker(): line.get_ydata() for line in panels[3 * place + 1].lines[:1]}
        assert np.allclose(lines["o"], [scale * row.difference for row in rows if math.isfinite(row.delay_months)])
        means = panels[3 * place].lines[0].get_ydata()
        assert np.allclose(means, [scale * row.mean for row in rows if math.isfinite(row.delay_months)])
        pins = panels[3 * place + 2].lines[0].get_ydata()
        assert np.allclose(pins, [100.0 * row.share_best for row in rows])
        ring = next(line for line in panels[3 * place].lines if line.get_markersize() == 9.0)
        days = 365.25 / 12.0 * best.delay_months if math.isfinite(best.delay_months) else 1.12 * 365.25
        assert ring.get_xdata()[0] == pytest.approx(days)


def test_bars_and_points_show_those_numbers(readings: list[Reading]):
    sobol, morris, worth = (readings[k] for k in (5, 6, 7))
    widths = [bar.get_width() for bar in drawn(sobol, "sobol").axes[0].patches]
    assert widths == [share for one in sobol.ranked() for share in (one.total_order, one.first_order)]  # type: ignore[union-attr]
    points = drawn(morris, "morris").axes[0].lines[1]
    assert points.get_xdata() == pytest.approx([0.001 * one.mean_absolute for one in morris.ranked()])  # type: ignore[union-attr]
    assert points.get_ydata() == pytest.approx([0.001 * one.standard_deviation for one in morris.ranked()])  # type: ignore[union-attr]
    figure = drawn(worth, "information")
    for axes, kind in zip(figure.axes, (SOURCE, PARAMETER), strict=True):
        assert [bar.get_width() for bar in axes.patches] == [one.value for one in worth.ranked(kind)]  # type: ignore[union-attr]
        (everything,) = worth.ranked(EVERYTHING)  # type: ignore[union-attr]
        assert any(list(line.get_xdata()) == [everything.value] * 2 for line in axes.lines)


def test_strips_have_the_colours_of_the_best():
    made = thresholds(scenario(), (*TURNED, DELAY))
    means = made.table.means.copy()
    means[:4] = means[0]  # the first parameter does nothing
    reading = replace(made, table=replace(made.table, means=means))
    axes = drawn(reading, "thresholds").axes[0]
    names = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    turning = {
        one.quantity.name: [r for r in reading.regions if r.parameter == one.quantity.name] for one in reading.axes
    }
    several = [len(turning[name]) > 1 for name in names]
    assert several == sorted(several, reverse=True), "those that turn the choice stand first"
    assert any(several)
    assert not several[names.index(TURNED[0])]
    for row, name in enumerate(names):
        strips = [bar for bar in axes.patches if abs(bar.get_y() + 0.5 * bar.get_height() - row) < 1e-9]
        shown = [bar.get_facecolor()[:3] for bar in sorted(strips, key=lambda bar: bar.get_x())]
        colours = [
            mpl.colors.to_rgb(strategy_style(reading.table.shape.strategies.index(one.strategy))["color"])
            for one in turning[name]
        ]
        assert list(dict.fromkeys(shown)) == list(dict.fromkeys(colours)), name
        assert sum(bar.get_width() for bar in strips) == pytest.approx(0.94 if name == DELAY else 1.0)


def test_the_outline_holds_95_percent():
    """Of a normal distribution of two numbers; an ellipse of 1.96 standard deviations would hold 85%."""
    from hcc_sim.report.draws_plots import _outline

    random = np.random.default_rng(3)
    x = random.standard_normal(20_000)
    y = 3.0 * (0.8 * x + 0.6 * random.standard_normal(20_000)) + 7.0
    from matplotlib.path import Path as Outlined

    inside = Outlined(np.column_stack(_outline(x, y))).contains_points(np.column_stack([x, y])).mean()
    assert abs(inside - 0.95) < 4.0 * math.sqrt(0.95 * 0.05 / 20_000)


def test_the_zero_line_runs_between_opposite_signs():
    reading = grid(with_strategies(scenario(), 2), TURNED[:2], 5)
    ramp = np.add.outer(np.arange(5.0) - 2.25, 0.5 * np.arange(5.0)).ravel()
    means = np.zeros_like(reading.table.means)
    means[:, 1, 0, 0] = 1_000.0 * ramp  # costs of the second strategy: the first is better where they are above 0
    figure = drawn(replace(reading, table=replace(reading.table, means=means)), "grid")
    line = next(one for one in figure.axes[0].collections if one.get_edgecolor().any()).get_paths()[0].vertices
    inside = (line[:, 1] >= 0.0) & (line[:, 1] <= 4.0)
    assert np.allclose(line[inside, 0], 2.25 - 0.5 * line[inside, 1])
    beyond = sorted(map(tuple, line[~inside].tolist()))
    assert np.allclose(beyond, [(0.25, 4.5), (2.25, -0.5)]), "straight on to the edges"


# --- sheets -----------------------------------------------------------------------------------------------------------


class Books:
    """Formulas and the values stored beside them."""

    def __init__(self, path: Path) -> None:
        self.formulas = openpyxl.load_workbook(path)
        self.values = openpyxl.load_workbook(path, data_only=True)

    def worked_out(self, sheet: str, cell: str) -> Any:
        """A formula by stored values: MAX and MIN of a row, differences, and what INDEX finds."""
        values = self.values[sheet]
        formula = self.formulas[sheet][cell].value.removeprefix("=").replace("$", "")

        def span(text: str) -> list[Any]:
            return [one.value for row in values[text] for one in row]

        if found := re.fullmatch(r"INDEX\((.*),1,MATCH\((MAX|MIN)\((.*)\),\3,0\)\)", formula):
            numbers = span(found[3])
            return span(found[1])[numbers.index((max if found[2] == "MAX" else min)(numbers))]
        if found := re.fullmatch(r"MAX\((.*)\)-MIN\(\1\)", formula):
            return max(span(found[1])) - min(span(found[1]))
        found = re.fullmatch(r"([A-Z]+\d+)-([A-Z]+\d+)", formula)
        assert found, formula
        return values[found[1]].value - values[found[2]].value


@pytest.fixture(scope="module")
def books(comparison: Comparison, readings: list[Reading], tmp_path_factory: pytest.TempPathFactory) -> Books:
    path = tmp_path_factory.mktemp("book") / "workbook.xlsx"
    write_workbook(path, comparison, readings)
    return Books(path)


def column(sheet: Any, row: int, title: str, which: int = 0) -> int:
    return [cell.column for cell in sheet[row] if cell.value == title][which]


def test_there_is_a_sheet_for_each_reading_and_the_first_names_them(books: Books):
    ours = ["Draws", "CEAC", "One-way", "Grid", "Thresholds", "Delays", "Sobol", "Morris", "Information"]
    assert books.values.sheetnames[-9:] == ours
    told = [cell.value for cell in books.values["Read me"]["A"]]
    assert told[told.index("Draws") :][:9] == ours
    words = " ".join(str(cell.value) for cell in books.values["Read me"]["B"] if cell.value)
    assert "60 draws of everything uncertain" in words
    assert f"{', '.join(ours)} show what uncertainty about parameters does" in words


def test_the_tornado_is_worked_out(books: Books, readings: list[Reading]):
    sheet = books.values["One-way"]
    header = row_of(sheet, "parameter")
    swings = readings[1].swings  # type: ignore[union-attr]
    for rank, (row, one) in enumerate(zip(range(header + 1, sheet.max_row + 1), swings, strict=True), 1):
        told = {title: sheet.cell(row, column(sheet, header, title)) for title in (
            "parameter", "span", "rank", "low minus base", "high minus base", "best at low")}  # fmt: skip
        assert (told["parameter"].value, told["best at low"].value) == (one.parameter, one.best_at_low)
        assert told["span"].value == pytest.approx(one.span)
        assert told["rank"].value == rank
        for title in ("span", "low minus base", "high minus base"):
            assert books.worked_out("One-way", told[title].coordinate) == pytest.approx(told[title].value)
    assert len(books.formulas["One-way"]._charts) == 1


def test_the_grid_and_the_thresholds_are_worked_out(books: Books, readings: list[Reading]):
    cells = readings[2].tables()["grid"].rows
    sheet = books.values["Grid"]
    header = row_of(sheet, "surgery.effect (hazard ratio)")
    for row, cell in zip(range(header + 1, header + 1 + len(cells)), cells, strict=True):
        for title, value in (("best", cell.best), ("difference", cell.difference)):
            here = sheet.cell(row, column(sheet, header, title))
            assert here.value == (value if title == "best" else pytest.approx(value))
            worked_out = books.worked_out("Grid", here.coordinate)
            assert worked_out == (value if title == "best" else pytest.approx(value))
    along = readings[3]
    sheet = books.values["Thresholds"]
    header = row_of(sheet, "parameter")
    best = [sheet.cell(header + 1 + k, column(sheet, header, "best")) for k in range(len(along.table.means))]  # type: ignore[union-attr]
    values = along.objective.values(along.table)  # type: ignore[union-attr]
    names = along.table.shape.strategies  # type: ignore[union-attr]
    assert [one.value for one in best] == [names[k] for k in values.argmax(axis=1)]
    for one in best:
        assert books.worked_out("Thresholds", one.coordinate) == one.value
    below = row_of(sheet, "parameter", header + 1)
    regions = along.regions  # type: ignore[union-attr]
    assert [sheet.cell(below + 1 + k, 7).value for k in range(len(regions))] == [one.strategy for one in regions]


def test_delays_and_information_are_worked_out(books: Books, readings: list[Reading]):
    sheet = books.values["Delays"]
    header = row_of(sheet, "patients")
    rows = readings[4].rows  # type: ignore[union-attr]
    for row, one in zip(range(header + 1, header + 1 + len(rows)), rows, strict=True):
        months = "never" if math.isinf(one.delay_months) else one.delay_months
        assert sheet.cell(row, 4).value == months
        here = sheet.cell(row, 10)
        assert here.value == pytest.approx(one.difference, abs=1e-9)
        assert books.worked_out("Delays", here.coordinate) == pytest.approx(one.difference, abs=1e-9)
    sheet = books.values["Information"]
    header = row_of(sheet, "threshold")
    worths = readings[7].worths  # type: ignore[union-attr]
    for row, worth in zip(range(header + 1, header + 1 + len(worths)), worths, strict=True):
        assert sheet.cell(row, 5).value == pytest.approx(worth.value)
        assert sheet.cell(row, 9).value == pytest.approx(worth.population_value)
        if worth.kind == EVERYTHING:
            assert (sheet.cell(row, 7).value or 0.0) == pytest.approx(1.0 if worth.value > 0.0 else 0.0)
            patients = worth.population_value / worth.value if worth.value > 0.0 else math.nan
    assert sheet.cell(row_of(sheet, "patients, discounted"), 2).value == pytest.approx(patients)


# --- the folder -------------------------------------------------------------------------------------------------------


def parts_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study's, with what is not the report's."""
    (tmp_path / "study" / "draws").mkdir(parents=True)
    (tmp_path / "study" / "study.json").write_text("{}")
    (tmp_path / "study" / "draws" / "000000000.parquet").write_text("draws")
    return tmp_path / "study"


def study_in(reading: Any) -> Study:
    study: Study = reading.study
    return study


def test_the_folder_gets_everything(
    folder: Path, comparison: Comparison, readings: list[Reading], monkeypatch: pytest.MonkeyPatch
):
    psa, plots_of_base = readings[0], plots.plots_of
    monkeypatch.setattr(plots, "plots_of", lambda one: {"plane": plots_of_base(one)["plane"]})  # the others take long
    monkeypatch.setattr(plots, "svg", lambda pathway: "<svg/>")
    assert isinstance(psa, Probabilistic)
    names = write_study(folder, comparison, [psa], study_in(psa), {"wall_seconds": 1.5, "threads": 2})
    found = parts_in(folder)
    assert {*names, "study.json", "draws/000000000.parquet"} == set(found)
    assert names[-1] == "manifest.json"
    for name in ("draws-plane.svg", "draws-plane.png", "draws-plane.csv", "acceptability.svg", "plane.svg"):
        assert f"plots/{name}" in found
    assert found["summary.csv"].decode() == csv_text(psa.summary())
    assert found["contrasts.csv"].decode() == csv_text(psa.contrasts())
    assert found["base-case/summary.csv"].decode() == csv_text(comparison.tables.summary)
    costs = pd.read_csv(folder / "psa_costs.csv")
    assert costs.to_numpy().tobytes() == np.ascontiguousarray(psa.costs_and_effects.costs).tobytes()
    assert list(pd.read_csv(folder / "psa_parameters.csv")) == list(TURNED)
    manifest = json.loads(found["manifest.json"])
    assert manifest["files"] == names[:-1]
    assert (manifest["program"], manifest["analysis"], manifest["draws"]) == ("hcc-sim", "psa", 60)
    assert manifest["study"] == json.loads(json.dumps(study_in(psa).identity()))
    assert manifest["said"] == list(psa.sentences())
    assert ONLY_MONTE_CARLO not in manifest["notes"]
    assert manifest["wall_seconds"] == 1.5
    assert len(found["report.html"]) < 10e6
    html = Outline(found["report.html"].decode())
    assert html.tags.count("img") == len([name for name in found if name.endswith(".svg")]) == 6
    assert "Draws" in openpyxl.load_workbook(folder / "workbook.xlsx").sheetnames


def test_what_is_written_hangs_on_the_study_alone(folder: Path, comparison: Comparison, readings: list[Reading]):
    psa = readings[0]
    first = write_study(folder, comparison, readings, study_in(psa), {"wall_seconds": 1.0, "threads": 2}, plots=False)
    before = parts_in(folder)
    assert (
        write_study(folder, comparison, readings, study_in(psa), {"wall_seconds": 2.0, "threads": 1}, plots=False)
        == first
    )
    after = parts_in(folder)
    same = {name for name in before if before[name] == after[name]}
    assert set(before) - same == {"manifest.json"} | ({"report.html"} & (set(before) - same))
    tables = {name for one in readings for name in one.tables()}
    assert {f"{name}.csv" for name in tables} <= set(first)


def test_what_an_earlier_report_left_is_removed(folder: Path, comparison: Comparison, readings: list[Reading]):
    write_study(folder, comparison, readings, study_in(readings[0]), {}, plots=False)
    (folder / "mine.txt").write_text("mine")
    write_study(folder, comparison, [readings[1]], study_in(readings[1]), {}, plots=False)
    found = parts_in(folder)
    assert "summary.csv" not in found
    assert {"one-way.csv", "mine.txt", "study.json", "draws/000000000.parquet"} <= set(found)


def test_a_failure_leaves_the_folder_as_it_was(
    folder: Path, comparison: Comparison, readings: list[Reading], monkeypatch: pytest.MonkeyPatch
):
    psa, study = readings[0], study_in(readings[0])
    write_study(folder, comparison, [psa], study, {}, plots=False)
    before = parts_in(folder)

    def full(*_: Any) -> None:
        raise OSError("no space left on device")

    for name in ("write_workbook", "write_tables", "page"):
        with monkeypatch.context() as patched:
            patched.setattr(study_results, name, full)
            with pytest.raises(OSError, match="no space"):
                write_study(folder, comparison, readings, study, {}, plots=False)
        assert parts_in(folder) == before
    with pytest.raises(ValueError, match="two readings have tables of the same names: grid"):
        write_study(folder, comparison, [grid(scenario()), grid(scenario())], study, {}, plots=False)
    assert parts_in(folder) == before


def test_a_manifest_cannot_remove_what_is_elsewhere(folder: Path, comparison: Comparison, readings: list[Reading]):
    outside = folder.parent / "precious.txt"
    outside.write_text("mine")
    (folder / "manifest.json").write_text(json.dumps({"files": ["../precious.txt", str(outside), 3]}))
    write_study(folder, comparison, [readings[1]], study_in(readings[1]), {}, plots=False)
    (folder / "manifest.json").write_text(json.dumps({"files": ["../precious.txt", str(outside)]}))
    write_study(folder, comparison, [readings[1]], study_in(readings[1]), {}, plots=False)
    assert outside.read_text() == "mine"


def test_text_of_a_scenario_stays_text(folder: Path, comparison: Comparison):
    evil = "</td><script>alert(1)</script>"
    strategies = tuple(replace(one, name=f"{evil} {k}") for k, one in enumerate(scenario().strategies[:2]))
    given = replace(scenario(), strategies=strategies)
    found = Outline(page(comparison, {}, None, every_reading(given)))
    assert "script" not in found.tags
    assert f"{evil} 0" in found.text
    formula = replace(given, strategies=tuple(replace(one, name=f"=1+{k}") for k, one in enumerate(strategies)))
    write_workbook(folder / "a.xlsx", comparison, every_reading(formula))
    for sheet in openpyxl.load_workbook(folder / "a.xlsx").worksheets:
        for row in sheet.iter_rows():
            assert not [cell.coordinate for cell in row if cell.data_type == "f" and re.match(r"=1\+\d$", cell.value)]


def test_without_economics(tmp_path: Path, comparison: Comparison):
    path = tmp_path / "plain.yaml"
    path.write_text("title: x\nregimen: lenvatinib\nstrategies: {a: {surgery.delay: 0 days}, b: {}}\n")
    plain = scenario_of(path, 200)
    given = [probabilistic(plain), one_way(plain), delays(plain), screening(plain)]
    for reading in given:
        for name in plots_of_reading(reading):
            assert faults(drawn(reading, name)) == []
    assert set(plots_of_reading(given[0])) == {"draws"}
    (tmp_path / "out").mkdir()
    names = write_study(tmp_path / "out", compared(plain), given, study_in(given[0]), {}, plots=False)
    assert "psa_costs.csv" not in names
    assert "acceptability.csv" not in names
    assert "Draws" not in openpyxl.load_workbook(tmp_path / "out" / "workbook.xlsx").sheetnames


def test_information_that_is_worth_nothing_has_no_picture():
    reading = information(with_strategies(scenario(), 1))
    assert list(plots_of_reading(reading)) == []
    with pytest.raises(ValueError, match="no plot 'information'"):
        draw_reading(reading, "information")
