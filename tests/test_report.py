"""Tables, plots and patients' histories as a reader meets them."""

import csv
import io
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from hcc_sim.analyses.compare import Comparison, compare
from hcc_sim.engine import compile_pathway
from hcc_sim.outcomes import Table
from hcc_sim.pathway.hcc import DEATHS
from hcc_sim.report import plots
from hcc_sim.report.curve_plot import curve_figure, landmarks_of
from hcc_sim.report.incidence_plot import Words, incidence_figure, moved_apart
from hcc_sim.report.life import Moment, describe, moments, story
from hcc_sim.report.numbers import decimals, plain, signed_with_error, with_error
from hcc_sim.report.results import csv_text, write_parameters
from hcc_sim.report.results_table import SECTIONS
from hcc_sim.report.screen import NOT_ADVICE, ONLY_MONTE_CARLO, assumed_count, overview, population_in_words
from hcc_sim.report.style import strategy_style
from hcc_sim.scenario import hcc_pathway_of, load_scenario

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = ROOT / "scenarios" / "surgical-timing.yaml"
NAMES = ("opportunistic", "wait 42 days", "wait 298 days", "conservative")


def compared(tmp_path: Path, text: str, patients: int = 1000) -> Comparison:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    return compare(load_scenario(file, patients=patients))


def on_screen(comparison: Comparison, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False, markup=False, emoji=False)
    console.print(overview(comparison, Path("results/x"), ["summary.csv"], width=width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def in_one_line(text: str) -> str:
    return " ".join(text.split())


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "expected"),
    [((0.52,), 1), ((0.15,), 2), ((0.05,), 2), ((0.012,), 3), ((4.0,), 1), ((1e-9,), 3), ((0.0,), 1), ((math.nan,), 1),
     ((0.012, 0.52, math.nan), 1), ((), 1)],
)  # fmt: skip
def test_decimals_show_the_largest_error(errors: Sequence[float], expected: int):
    assert decimals(errors) == expected


def test_numbers_with_errors():
    assert with_error(60.2526, 0.52, 1) == "60.3 ± 0.5"
    assert with_error(60.2526, math.nan, 1) == "60.3"
    assert with_error(math.nan, math.nan, 1) == "-"
    assert signed_with_error(0.31, 0.2, 1) == "+0.3 ± 0.2"
    assert signed_with_error(-0.31, 0.2, 1) == "-0.3 ± 0.2"
    assert signed_with_error(0.0, 0.0, 1) == "0"
    assert signed_with_error(math.nan, math.nan, 1) == "-"
    assert signed_with_error(0.0, 0.2, 1) == "0.0 ± 0.2"
    assert plain(-0.04, 1) == "0.0"
    assert plain(12345.67, 1) == "12,345.7"


# --- the screen ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 80, 100])
def test_fits_the_screen(timing: Comparison, width: int):
    text = on_screen(timing, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text, "nothing is cut off"
    for name in NAMES:
        assert name in text


def test_four_strategies_stand_side_by_side_at_80_columns(timing: Comparison):
    lines = on_screen(timing, 80).splitlines()
    assert any(all(name in line for name in NAMES) for line in lines)


def test_what_the_screen_says(timing: Comparison):
    text = in_one_line(on_screen(timing, 100))
    members = int(timing.tallies["conservative"].members["converted"].sum())
    for part in (
        timing.scenario.title,
        timing.scenario.question,
        "2,000 patients under each strategy, with the same luck",
        "population advanced_hbv_china; regimen haic_lenvatinib_pd1 (calibrated); followed for 30 years; seed 20240502",
        f"the {members:,} patients who convert, from conversion on",
        "Difference from 'opportunistic'",
        timing.headline(),
        timing.strongest_assumption(),
        "Borrowed haic_lenvatinib_pd1: No conversion rate is reported",
        ONLY_MONTE_CARLO,
        NOT_ADVICE,
        "in results/x: summary.csv",
    ):
        assert in_one_line(part) in text, part


def test_cells_are_the_numbers_of_the_summary(timing: Comparison):
    lines = on_screen(timing, 100).splitlines()
    first = next(line for line in lines if line.strip().startswith("OS at 5 years, %"))
    table = timing.summary()
    rows = table[(table["population"] == "converted") & (table["outcome"] == "OS: at 60 months")].set_index("strategy")
    errors = [196 * rows["mc_se"][name] for name in NAMES]
    expected = [
        with_error(100 * rows["value"][name], e, decimals(errors)) for name, e in zip(NAMES, errors, strict=True)
    ]
    assert [cell.strip() for cell in first.split("  ") if cell.strip()][1:] == expected
    differences = [line for line in lines if line.strip().startswith("OS at 5 years, pp")]
    table = timing.contrasts()
    row = table[
        (table["population"] == "converted")
        & (table["outcome"] == "OS: at 60 months")
        & (table["strategy"] == "conservative")
        & (table["versus"] == "opportunistic")
    ].iloc[0]
    assert row["difference"] < 0, "strategy minus the first"
    assert f"{100 * row['difference']:.1f} ± {196 * row['mc_se']:.1f}" in differences[0]


def test_every_row_of_the_table_exists(timing: Comparison):
    told = set(timing.summary()["outcome"])
    rows = [row for alternatives in SECTIONS for section in alternatives for row in section.rows]
    assert all(outcome in told for row in rows for outcome in row.outcomes)


@pytest.mark.usefixtures("quick")
def test_many_strategies_odd_names_and_different_converters(tmp_path: Path):
    strategies = "".join(f"  'wait {n} [red]days[/red] $x_{n}$': {{surgery.delay: {n} days}}\n" for n in range(9))
    text = f"title: '[bold]odd[/bold] $x^2$'\nregimen: haic_lenvatinib_pd1\nstrategies:\n{strategies}"
    comparison = compared(tmp_path, f"{text}  other: {{regimen: launch/lenvatinib}}\n")
    assert population_in_words(comparison) == "all 1,000 patients, from the start of therapy on"
    shown = on_screen(comparison, 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert "[bold]odd[/bold] $x^2$" in shown
    assert shown.count("[red]days[/red]") >= 9
    told = in_one_line(shown)
    assert "regimen haic_lenvatinib_pd1 (calibrated), launch/lenvatinib (calibrated)" in told
    assert "Borrowed launch/lenvatinib: Hardly any figure tells conversion.convertible_share" in told
    assert "Strategies differ in who converts" in told
    plots.write_plots(tmp_path / "plots", comparison)
    drawing = (tmp_path / "plots" / "survival.svg").read_text()
    assert "$x^2$" in drawing, "no mathematics in titles"
    assert len({str(strategy_style(position)) for position in range(32)}) == 32
    assert len({strategy_style(position)["color"] for position in range(8)}) == 8


def test_one_patient_one_strategy_short_horizon(tmp_path: Path):
    text = "title: x\nregimen: tace\nstrategies: {only: {}}\nrun: {horizon: 30 months, seed: 0}\n"
    comparison = compared(tmp_path, text, patients=1)
    shown = on_screen(comparison, 80)
    assert "1 patient under each strategy" in shown
    assert "Difference" not in shown
    plots.write_plots(tmp_path / "plots", comparison)
    assert not list((tmp_path / "plots").glob("*-differences.csv"))


def test_assumed_parameters_are_counted_without_decisions(timing: Comparison):
    assumed, everything = assumed_count(timing.scenario)
    parameters = [s.parameters for s in timing.scenario.strategies]
    decisions = {name for p in parameters for name in p if p[name].decision}
    assert everything == len(parameters[0]) - len(decisions)
    assert assumed == sum(p.kind == "assumed" for n, p in parameters[0].items() if n not in decisions)
    assert {"surgery.delay", "watching.interval", "watching.marker_interval"} <= decisions


# --- files -----------------------------------------------------------------------------------------------------------


def test_parameters_file(timing: Comparison, tmp_path: Path):
    write_parameters(tmp_path / "p.csv", timing.scenario)
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert list(rows) == list(timing.scenario.strategies[0].parameters)
    delay = rows["surgery.delay"]
    assert (delay["decision"], delay["distribution"], delay["set_by"]) == ("yes", "held", "strategy opportunistic")
    assert [delay[f"value: {name}"] for name in NAMES] == [
        "0.0",
        repr(42 / (365.25 / 12)),
        repr(298 / (365.25 / 12)),
        "inf",
    ]
    assert delay["set_by: conservative"] == "strategy conservative"
    effect = rows["salvage.curable_share"]  # of which no figure tells: its prior
    assert (effect["kind"], effect["set_by"]) == ("assumed", "fit")
    assert float(effect["value"]) == pytest.approx(0.75, abs=0.01)
    assert [float(effect[end]) for end in ("low", "high")] == pytest.approx([0.47, 0.91])
    assert effect["reason"]
    assert effect["value: conservative"] == "", "filled only where strategies differ"
    for row in rows.values():
        assert float(row["value"]) == timing.scenario.strategies[0].parameters[row["name"]].value


def test_a_table_is_written_as_pandas_would(timing: Comparison):
    awkward = [("a, b", 0.1 + 0.2, math.nan, "é"), ('say "x"', 1e-05, math.inf, ""), ("", -0.0, 1e22, "two\nlines")]
    odd = Table(("text", "number", "may be missing", "more"), awkward)
    for table in (*timing.tables, odd, Table(("nothing", "at all"), [])):
        assert csv_text(table) == table.frame().to_csv(index=False, lineterminator="\n")


def test_plots_and_their_data(timing: Comparison, timing_plots: Path, tmp_path: Path):
    before = {key: mpl.rcParams[key] for key in (*plots.STYLE, "svg.id")}
    plots.write_plots(tmp_path / "again", timing)
    assert {key: mpl.rcParams[key] for key in before} == before, "matplotlib is left as it was"
    files = sorted(path.name for path in timing_plots.iterdir())
    assert len(files) == 34
    for file in files:
        assert (timing_plots / file).read_bytes() == (tmp_path / "again" / file).read_bytes(), file
    for plot in plots.CURVES:
        drawing = (timing_plots / f"{plot.file}.svg").read_text()
        ElementTree.fromstring(drawing)
        for part in (plot.axis, "months since conversion", "Difference from 'opportunistic'", *NAMES, NOT_ADVICE):
            assert part in drawing, part
        assert "<dc:date>" not in drawing
        assert (timing_plots / f"{plot.file}.png").read_bytes().startswith(b"\x89PNG")
        curves = timing.survival(plot.endpoint).drop(columns=["population", "outcome"])
        assert (timing_plots / f"{plot.file}.csv").read_text() == curves.to_csv(index=False, lineterminator="\n")
    differences = pd.read_csv(timing_plots / "survival-differences.csv")
    assert set(differences["versus"]) == {"opportunistic"}
    assert set(differences["strategy"]) == set(NAMES[1:])
    assert sorted(set(differences["months"])) == [12, 24, 36, 60, 120]
    ElementTree.fromstring((timing_plots / "pathway.svg").read_text())


def test_texts_of_a_plot_do_not_run_out_of_the_picture(timing: Comparison):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    plot = plots.CURVES[0]
    landmarks = landmarks_of(timing.contrasts(), timing, plot.endpoint, NAMES[0])
    with mpl.rc_context(plots.STYLE):
        figure = curve_figure(plot, timing.survival(), landmarks, NAMES, timing)
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
        boxes = [text.get_window_extent(renderer) for text in texts]
    width, height = figure.get_size_inches() * figure.dpi
    assert len(texts) > 30
    for text, box in zip(texts, boxes, strict=True):
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    legend = figure.legends[0].get_window_extent(renderer)
    assert all(legend.x0 >= axes.get_window_extent(renderer).x1 for axes in figure.axes), "it covers nothing"


# --- one patient's history -------------------------------------------------------------------------------------------


def boxes_of_texts(figure: mpl.figure.Figure) -> list[tuple[str, mpl.transforms.Bbox]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    texts = [text for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
    return [(t.get_text(), mpl.text.Text.get_window_extent(t, renderer)) for t in texts]


@pytest.mark.parametrize("panels", range(1, 8))
@pytest.mark.parametrize("nothing_happens", [False, True])
def test_words_of_the_causes_of_death_cover_nothing(panels: int, nothing_happens: bool):
    """Words do not touch each other, the panels or the edge, with long names of strategies and tiny areas too."""
    names = [f"strategy {i} whose name is rather long for a panel" for i in range(panels)]
    shares = dict(zip(DEATHS, (0.0, 0.0, 0.0, 0.0) if nothing_happens else (0.5, 0.004, 0.0, 0.496), strict=True))
    rows = [
        (n, cause, month, share * month / 120) for n in names for cause, share in shares.items() for month in (0, 120)
    ]
    table = pd.DataFrame(rows, columns=["strategy", "cause", "months", "value"])
    words = Words("What patients die of", "About whom", "months since conversion", f"Foot.\n{NOT_ADVICE}")
    with mpl.rc_context(plots.STYLE):
        figure = incidence_figure(table, names, words)
        boxes = boxes_of_texts(figure)
    assert len([text for text, _ in boxes if "%" in text and text != "patients (%)"]) == 5 * panels
    width, height = figure.get_size_inches() * figure.dpi
    panels_at = [axes.get_window_extent() for axes in figure.axes]
    for place, (text, box) in enumerate(boxes):
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
        assert not any(box.overlaps(panel) for panel in panels_at), text
        for other, another in boxes[:place]:
            assert not box.overlaps(another), (text, other)


def test_areas_are_the_incidence(timing: Comparison, timing_plots: Path):
    told = pd.read_csv(timing_plots / "incidence.csv")
    table = timing.incidence()
    table = table[(table["population"] == timing.primary) & table["cause"].isin(DEATHS)].reset_index(drop=True)
    pd.testing.assert_frame_equal(told, table.drop(columns="population"), check_exact=False, rtol=1e-14)
    figure = incidence_figure(table, NAMES, Words("", "", "", ""))
    one = table[(table["strategy"] == NAMES[0]) & (table["cause"] == DEATHS[0])]
    share = 100 * np.interp(120.0, one["months"], one["value"])
    assert f"cancer {share:.0f}%" in [text.get_text() for text in figure.axes[0].texts]
    area = figure.axes[0].collections[0].get_paths()[0].vertices
    assert area[:, 1].max() == pytest.approx(share)
    assert area[:, 0].max() == 120


def test_nobody_dies_of_nothing(tmp_path: Path):
    short = compared(
        tmp_path, "title: T\nregimen: haic_lenvatinib_pd1\nstrategies: {s: {}}\nrun: {horizon: 1 month}\n", 1
    )
    plots.write_plots(tmp_path / "plots", short)
    assert (tmp_path / "plots" / "flow.svg").exists()


def test_words_are_moved_apart_as_little_as_needed():
    assert moved_apart([10, 50, 90], 10, 100) == [10, 50, 90]
    assert moved_apart([0, 0, 0], 10, 100) == [5, 15, 25]
    assert moved_apart([100, 100, 100], 10, 100) == [75, 85, 95]
    assert moved_apart([40, 42, 90], 10, 100) == [40, 50, 90]


def stays(*rows: tuple[str, float, float, str, str]) -> pd.DataFrame:
    columns = ["state", "entered_months", "left_months", "next_state", "ended_by"]
    return pd.DataFrame([(0, *row) for row in rows], columns=["patient", *columns])


BEFORE = (
    ("start of therapy", 0.0, 0.0, "on conversion therapy", "will respond"),
    ("on conversion therapy", 0.0, 3.0, "depth of response", "response"),
    ("depth of response", 3.0, 3.0, "responding", "can become resectable"),
    ("responding", 3.0, 4.0, "resection criteria", "assessment"),
    ("resection criteria", 4.0, 4.0, "responding", "not yet"),
    ("responding", 4.0, 6.0, "resection criteria", "assessment"),
    ("resection criteria", 6.0, 6.0, "treated tumour", "criteria met"),
    ("treated tumour", 6.0, 6.0, "elsewhere", "treated tumour viable"),
    ("elsewhere", 6.0, 6.0, "converted", "occult disease"),
)
WATCHED = (
    ("converted", 6.0, 9.0, "converted", "occult outgrowth"),
    ("converted", 9.0, 9.5, "what the visit shows", "watching scan"),
    ("what the visit shows", 9.5, 9.5, "converted", "missed"),
    ("converted", 9.5, 40.0, "dead of cancer", "death of cancer"),
)
OPERATED = (
    ("converted", 6.0, 6.0, "surgical decision", "date for surgery"),
    ("surgical decision", 6.0, 6.0, "wash-out", "accepts surgery"),
    ("wash-out", 6.0, 7.0, "", "horizon"),
)


@pytest.fixture(scope="module")
def pathway(timing: Comparison):
    return hcc_pathway_of(timing.scenario.calibration)


def test_branches_are_folded_and_unseen_events_marked(pathway):
    assert moments(pathway, stays(*BEFORE, *WATCHED)) == [
        Moment(0.0, (), ("will respond",), "on conversion therapy", False),
        Moment(3.0, ("response",), ("can become resectable",), "responding", False),
        Moment(4.0, ("assessment", "not yet"), (), "", False),
        Moment(
            6.0, ("assessment", "criteria met"), ("treated tumour viable", "occult disease"), "converted", False
        ),
        Moment(9.0, ("occult outgrowth (unseen)",), (), "", False),
        Moment(9.5, ("watching scan", "missed"), (), "", False),
        Moment(40.0, ("death of cancer",), (), "dead of cancer", True),
    ]  # fmt: skip


SOMEBODY = {
    "HBV": 0.0,
    "ECOG": 0.0,
    "Child-Pugh score": 5.0,
    "tumour number": 1.0,
    "tumour size": 2.0,
    "PVTT type": 0.0,
    "extrahepatic spread": 0.0,
    "log10 AFP": 2.0,
    "BCLC stage": 0.0,
    "CNLC stage": 1.0,
}


def test_a_story_is_told_once(pathway):
    person = SOMEBODY | {"male": 1.0, "age": 61.25, "aggressiveness": -0.5}
    histories = {
        "wait": stays(*BEFORE, *WATCHED),
        "operate": stays(*BEFORE, *OPERATED),
        "also wait": stays(*BEFORE, *WATCHED),
    }
    told = dict(story(pathway, person, histories, 80))
    assert told["At the start of therapy"] == [
        "  A man of 61.2 years, ECOG 0, Child-Pugh score 5; one tumour, the largest of\n"
        "  2.0 cm; AFP 100 ng/mL; BCLC 0, CNLC Ia. Aggressiveness of the tumour 0.50\n"
        "  standard deviations below the mean."
    ]
    assert told["Under 'wait'"][0] == "  Lives for 40.0 months from the start of therapy; dead of cancer."
    assert told["Under 'wait'"][-1] == "  month   40.0   death of cancer"
    assert told["Under 'operate'"] == [
        "  Alive when observation ends, after 7.0 months; wash-out.",
        "  As under 'wait' until month 6.0, then:",
        "  month    6.0   assessment, criteria met, date for surgery, accepts surgery (in\n"
        "                 truth: treated tumour viable, occult disease) → wash-out",
        "  month    7.0   still alive when observation ends",
    ]
    assert told["Under 'also wait'"][1:] == ["  The same history as under 'wait'."]


def test_somebody_else():
    text = describe(SOMEBODY | {"male": 0.0, "age": 50.0, "aggressiveness": 0.0})
    assert text.startswith("A woman of 50.0 years, ECOG 0, Child-Pugh score 5; one tumour, the largest of 2.0 cm; ")
    assert text.endswith("Aggressiveness of the tumour 0.00 standard deviations above the mean.")
    far = {"male": 1.0, "age": 50.0, "aggressiveness": 0.0, "HBV": 1.0, "tumour number": 4.0, "PVTT type": 3.0}
    told = describe(SOMEBODY | far | {"extrahepatic spread": 1.0, "BCLC stage": 3.0, "CNLC stage": 6.0})
    assert "years, HBV, ECOG 0" in told
    assert "more than three tumours, the largest of 2.0 cm, a portal vein thrombus of type III, extrahepatic" in told
    assert "BCLC C, CNLC IIIb" in told


def test_names_in_the_story_are_those_of_the_pathway(pathway, timing: Comparison):
    from hcc_sim.report import life

    program = compile_pathway(pathway, timing.scenario.strategies[0].parameters.values_only())
    assert set(life.UNSEEN) <= set(program.exit_names)
    assert any(name.endswith(life.NO_NEWS) for name in program.exit_names)
    assert set(life.TRUTHS) <= set(program.state_names)
