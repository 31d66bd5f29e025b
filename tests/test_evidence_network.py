"""The network of evidence: islands and loops counted by hand, and plots in which nothing covers anything."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing

from hcc_sim.figures import Evidence, Figure, Study
from hcc_sim.figures.network import Loop, contrasts, islands, loops, network
from hcc_sim.parameters import load_calibration
from hcc_sim.report.evidence_pages import FILES, write_evidence_pages
from hcc_sim.report.forest_plot import forest, forest_table
from hcc_sim.report.network_plot import network_plot, network_table
from hcc_sim.report.style import STYLE

CALIBRATION = Path(__file__).parents[1] / "calibration"
OS, PFS = "overall survival", "progression-free survival"


def ratio(study: str, number: int, pair: str, **other: object) -> Figure:
    regimen, comparator = pair.split(" v ")
    given = {
        "id": f"{study}.os.hazard_ratio.n{number}",
        "document": "invented",
        "where": "nowhere",
        "regimen": regimen,
        "comparator": comparator,
        "endpoint": OS,
        "measure": "hazard_ratio",
        "value": 0.8,
        "interval": [0.6, 1.1],
        "level": 95,
        "unit": "ratio",
        "support": "memory",
        "kind": "reported",
        "status": "use",
        "reason": "an example",
    }
    return Figure.model_validate(given | other)


def made(studies: dict[str, list[str]], **other: object) -> Evidence:
    """Evidence of studies that each print these pairs."""
    made = {}
    for key, pairs in studies.items():
        figures = [ratio(key, number, pair, **other) for number, pair in enumerate(pairs)]
        made[key] = Study(study=key, title=key, design="randomised", population="nobody", figures=figures)
    return Evidence(made, {})


def loops_of(studies: dict[str, list[str]]) -> list[Loop]:
    return loops(contrasts(made(studies), OS))


# --- islands ----------------------------------------------------------------------------------------------------------


def test_islands_counted_by_hand():
    small = made(
        {"one": ["b v a"], "two": ["c v b"], "three": ["e v d"], "four": ["b v a"], "five": ["z v y", "x v z"]}
    )
    found = contrasts(small, OS)
    assert islands(found) == [["a", "b", "c"], ["x", "y", "z"], ["d", "e"]]
    graph = network(found)
    assert sorted(graph) == ["a", "b", "c", "d", "e", "x", "y", "z"]
    assert graph.edges["a", "b"]["studies"] == ("four", "one")
    assert contrasts(small, PFS) == []


@pytest.mark.parametrize("status", ["exclude", "context"])
def test_what_is_not_used_links_nothing(status: str):
    assert contrasts(made({"one": ["b v a"]}, status=status), OS) == []
    assert len(contrasts(made({"one": ["b v a"]}, status="down-weight"), OS)) == 1


def test_a_regimen_is_not_compared_with_itself():
    assert contrasts(made({"one": ["a v a"]}), OS) == []


def test_a_pair_printed_twice_is_one_contrast():
    (contrast,) = contrasts(made({"one": ["b v a", "a v b"]}), OS)
    assert (contrast.regimen, contrast.comparator) == ("b", "a")
    assert contrast.figures == ("one.os.hazard_ratio.n0", "one.os.hazard_ratio.n1")


def test_an_endpoint_that_is_none():
    with pytest.raises(ValueError, match="Did you mean 'overall survival'"):
        contrasts(made({}), "overal survival")


def test_islands_of_the_documents(evidence: Evidence):
    """Joined by hand from the list of hazard ratios."""
    found = islands(contrasts(evidence, PFS))
    assert [len(island) for island in found] == [19, 2, 2]
    assert {"sorafenib", "tace", "lenvatinib", "tare"} < set(found[0])
    assert found[1:] == [["haic+lenvatinib+pd1", "lenvatinib+pd1"], ["ici+anti_vegf", "tace+ici+anti_vegf"]]
    assert [len(island) for island in islands(contrasts(evidence, OS))] == [18, 3, 2, 2, 2]


# --- loops ------------------------------------------------------------------------------------------------------------


def test_a_trial_of_many_arms_makes_no_loop():
    assert loops_of({"one": ["b v a", "c v a", "c v b"]}) == []
    assert loops_of({"one": ["b v a", "c v a", "d v a", "c v b", "d v b", "d v c"]}) == []


def test_two_studies_of_one_pair_make_no_loop():
    assert loops_of({"one": ["b v a"], "two": ["a v b"]}) == []


@pytest.mark.parametrize("printed", [["b v a", "c v a"], ["b v a", "c v a", "c v b"]])
def test_two_studies_that_close_a_triangle_make_one_loop(printed: list[str]):
    """Whether or not the trial of three arms prints its third contrast, another study can contradict it."""
    assert loops_of({"one": printed, "two": ["c v b"]}) == [Loop(("b", "c"), (("one",), ("two",)))]


def test_three_studies_that_close_a_triangle_make_one_loop():
    found = loops_of({"one": ["b v a"], "two": ["c v b"], "three": ["c v a"], "again": ["a v c"]})
    assert found == [Loop(("a", "b", "c"), (("one",), ("two",), ("again", "three")))]


def test_there_are_as_many_loops_as_degrees_of_freedom():
    """Higgins and others 2012: sum of (arms - 1) over designs - (regimens - islands)."""
    names, luck = "abcdefg", np.random.default_rng(3)
    numbers = set()
    for _ in range(60):
        arms = [sorted(luck.choice(list(names), luck.integers(2, 5), replace=False)) for _ in range(6)]
        found = contrasts(made({f"s{n}": [f"{b} v {a[0]}" for b in a[1:]] for n, a in enumerate(arms)}), OS)
        designs = {tuple(a) for a in arms}
        joined = islands(found)
        expected = sum(len(design) - 1 for design in designs) - (sum(map(len, joined)) - len(joined))
        assert len(loops(found)) == expected
        numbers.add(expected)
    assert len(numbers) > 3


def test_the_documents_close_no_loop(evidence: Evidence):
    """EMERALD-1 has three arms and no other study of two of them."""
    found = contrasts(evidence, PFS)
    assert [contrast.pair for contrast in found if contrast.study == "emerald1"] == [
        ("tace", "tace+durvalumab"),
        ("tace", "tace+durvalumab+bevacizumab"),
    ]
    assert loops(found) == []
    assert loops(contrasts(evidence, OS)) == []


# --- tables -----------------------------------------------------------------------------------------------------------


def test_every_hazard_ratio_has_a_row_as_printed(evidence: Evidence):
    printed = {
        figure.id: (figure.value, figure.interval)
        for _, figure in evidence.figures()
        if figure.measure == "hazard_ratio" and figure.value is not None and figure.unit == "ratio"
    }
    table = forest_table(evidence)
    assert len(table) == len(printed) > 50
    for row in table:
        interval = [row["interval_low"], row["interval_high"]]
        assert printed[row["figure"]] == (row["hazard_ratio"], None if interval == [None, None] else interval)


def test_the_ratio_of_medians(evidence: Evidence):
    table = {row["figure"]: row for row in forest_table(evidence)}
    assert table["launch.os.hazard_ratio"]["ratio_of_medians"] == 11.5 / 17.8
    assert table["yuan_y_2023.os.hazard_ratio"]["ratio_of_medians"] is None, "one median only"
    early_v_late = table["hbsn_21_288.os_after_recurrence.hazard_ratio.early_v_late"]
    assert early_v_late["ratio_of_medians"] is None, "two medians of one regimen: which is whose is not recorded"


def test_randomised_studies_come_first(evidence: Evidence):
    designs = [row["design"] for row in forest_table(evidence) if row["endpoint"] == OS]
    assert designs == sorted(designs, key=["randomised", "cohort", "indirect comparison"].index)
    assert len(set(designs)) == 3


def test_the_network_table_has_every_contrast_once(evidence: Evidence):
    table = network_table(evidence)
    for endpoint in (OS, PFS):
        rows = [row for row in table if row["endpoint"] == endpoint]
        assert len(rows) == len(contrasts(evidence, endpoint))
        by_letter = [
            {r for row in rows if row["island"] == x for r in (row["regimen"], row["comparator"])} for x in "AB"
        ]
        assert by_letter == [set(island) for island in islands(contrasts(evidence, endpoint))[:2]]


# --- plots ------------------------------------------------------------------------------------------------------------


def covered(drawing: Drawing) -> list[str]:
    """Texts that cover each other or leave the page."""
    canvas = FigureCanvasAgg(drawing)
    canvas.draw()
    (axes,) = drawing.axes
    legends = [legend for legend in (axes.get_legend(), *drawing.legends) if legend is not None]
    texts = [text for text in (*axes.texts, *(t for legend in legends for t in legend.get_texts())) if text.get_text()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    outside = [
        text for text, box in boxes
        if box.x0 < 0 or box.y0 < 0 or box.x1 > drawing.bbox.width or box.y1 > drawing.bbox.height
    ]  # fmt: skip
    return outside + [f"{a} / {b}" for (a, box), (b, other) in combinations(boxes, 2) if box.overlaps(other)]


def struck_through(drawing: Drawing) -> list[str]:
    """Texts that a line runs through."""
    FigureCanvasAgg(drawing).draw()
    (axes,) = drawing.axes
    return [
        text.get_text()
        for text in axes.texts
        for line in axes.lines
        if line.get_transform().transform_path(line.get_path()).intersects_bbox(text.get_window_extent(), filled=False)
    ]


def test_nothing_covers_anything(evidence: Evidence):
    with mpl.rc_context(STYLE):
        page, networks = forest(evidence), network_plot(evidence)
        assert covered(page) == []
        assert covered(networks) == []
        assert struck_through(networks) == []


def test_a_text_that_is_covered_would_be_seen(evidence: Evidence):
    with mpl.rc_context(STYLE):
        drawing = network_plot(evidence)
        axes = drawing.axes[0]
        axes.text(*axes.texts[-1].get_position(), "over the last")
        axes.plot([0, 20], [axes.texts[-2].get_position()[1]] * 2)
        assert any("over the last" in told for told in covered(drawing))
        assert struck_through(drawing)


def test_the_forest_fits_on_a4(evidence: Evidence):
    width, height = forest(evidence).get_size_inches()
    assert width <= 8.27
    assert height <= 11.69


def test_a_loop_is_drawn():
    """The regimen that closes it stands twice, so that no line crosses another."""
    studies = {"one": ["b v a", "d v a", "e v d"], "two": ["c v b"], "three": ["c v a"], "four": ["e v b"]}
    with mpl.rc_context(STYLE):
        drawing = network_plot(made(studies))
        texts = [text.get_text() for text in drawing.axes[0].texts]
        assert covered(drawing) == []
        assert struck_through(drawing) == []
    assert sorted(text for text in texts if len(text) == 1) == ["A", "a", "b", "c", "c", "d", "e", "e"]
    assert [texts.count(study) for study in ("one", "two", "three", "four")] == [3, 1, 1, 1]
    assert {"Overall survival: 4 studies, 1 island, 2 loops", "5 regimens, 4 studies"} <= set(texts)


def test_pages_are_written_with_their_plots_and_data(evidence: Evidence, tmp_path: Path):
    documents = dict.fromkeys(load_calibration(CALIBRATION).sources, "a citation")
    for name in ("first", "second"):
        write_evidence_pages(tmp_path / name, evidence, documents, None)
    files = sorted(path.relative_to(tmp_path / "first").as_posix() for path in (tmp_path / "first").rglob("*.*"))
    assert files == sorted(FILES)
    for name in files:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name
    with (tmp_path / "first/pictures/forest.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(forest_table(evidence))
    svg = (tmp_path / "first/pictures/forest.svg").read_text(encoding="utf-8")
    assert "excluded" in svg
    assert "90% interval" in svg


def test_no_evidence_makes_empty_pages(tmp_path: Path):
    write_evidence_pages(tmp_path, made({}), {}, None)
    assert (tmp_path / "pictures/network.csv").read_text(encoding="utf-8").strip() == ""
