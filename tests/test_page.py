"""The report: it says what the run found, refers to nothing outside, and whatever a scenario says stays text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import hcc_sim
from hcc_sim.analyses import turning
from hcc_sim.analyses.compare import Comparison
from hcc_sim.parameters import load_calibration
from hcc_sim.report.checklists import cheers, stress_des
from hcc_sim.report.page import page
from hcc_sim.report.plots import write_plots
from hcc_sim.scenario import load_scenario

ROOT = Path(__file__).resolve().parent.parent
CALIBRATION = load_calibration(ROOT / "calibration")
HOW = {"wall_seconds": 1.5, "threads": 2, "command": ["hcc-sim", "run", "x.yaml"]}


def run(text: str, folder: Path, patients: int = 2_000) -> Comparison:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return hcc_sim.run(load_scenario(path, calibration=CALIBRATION, patients=patients))


@pytest.fixture(scope="module")
def made(timing: Comparison, timing_plots: Path) -> str:
    return page(timing, HOW, timing_plots)


class Outline(HTMLParser):
    """Tags opened and not closed, text, and every address."""

    VOID = ("meta", "img", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        given = dict(attributes)
        self.ids += [given["id"]] if given.get("id") else []
        self.addresses += [given[name] for name in ("src", "href") if given.get(name)]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)
            if self.open[-1] in ("td", "th"):
                self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def test_the_page_is_whole_and_refers_to_nothing_outside(made: str):
    found = Outline(made)
    assert found.open == []
    inside = [address for address in found.addresses if address.startswith("#")]
    assert {address[1:] for address in inside} == set(found.ids)
    assert all(a.startswith("data:image/svg+xml;base64,") for a in found.addresses if a not in inside)
    assert found.tags.count("img") == 11
    assert not {"script", "link", "iframe", "form", "object"} & set(found.tags)
    assert not re.search(r"@import|url\(", made)


def test_it_says_what_the_run_found(timing: Comparison, made: str):
    found = Outline(made)
    told = (
        timing.headline(),
        timing.answer_of_value(),
        timing.strongest_assumption(),
        timing.strongest_assumption_of_value(),
        timing.effect_of_surgery(),
        timing.unseen_differences(),
        "A model for research and teaching, not advice for a patient.",
        timing.scenario.sha256,
    )
    for text in told:
        assert text
        assert " ".join(text.split()) in found.text
    assert timing.valuation is not None
    cells = {cell for row in found.rows for cell in row}
    for name, one in timing.valuation.strategies.items():
        assert name in cells
        assert f"{one.cost().value:,.0f} ± {1.96 * one.cost().mc_se:,.0f}" in cells
        assert f"{one.qaly().value:.3f} ± {1.96 * one.qaly().mc_se:.3f}" in cells
    lenvatinib = timing.valuation.strategies["conservative"].item("lenvatinib")
    assert any("× 16.69" in cell and f"= {lenvatinib.value:,.0f}" in cell for cell in cells)


def test_every_parameter_stands_there_assumptions_first(timing: Comparison, made: str):
    rows = [row for row in Outline(made).rows if len(row) == 6]
    names = [row[0] for row in rows if row[0] in CALIBRATION.parameters]
    assert set(names) == set(CALIBRATION.parameters)
    assert len(names) == len(set(names))
    assert names[:3] == ["hepatectomy.price", "utility.after_surgery", "supportive_care.price_per_month"]
    of_first = timing.scenario.strategies[0].parameters
    kinds = [of_first[name].kind for name in names if not of_first[name].decision]
    order = ("assumed", "calibrated", "reported")
    undecided = [kind for kind in kinds if kind in order]
    assert undecided == sorted(undecided, key=order.index)
    hepatectomy = next(row for row in rows if row[0] == "hepatectomy.price")
    assert hepatectomy[1] == "9,400 USD 2021"
    assert hepatectomy[2] == "5,000 to 20,000"
    assert "CNY 55,000" in hepatectomy[5]


def test_checklists_have_all_items_and_mark_what_a_person_writes(timing: Comparison, made: str):
    of_cheers, of_stress = cheers(timing), stress_des(timing, HOW)
    assert [item.number for item in of_cheers] == [str(number) for number in range(1, 29)]
    assert len(of_stress) == len({item.number for item in of_stress}) == 24
    for item in (*of_cheers, *of_stress):
        assert item.told or item.person, item.title
    found = Outline(made).text
    assert found.count("To be written:") == sum(bool(item.person) for item in (*of_cheers, *of_stress))
    assert "5.0% a year for costs" in next(item.told for item in of_cheers if item.number == "10")
    assert "seed 20240502" in next(item.told for item in of_stress if item.number == "5.2")


EVIL = """title: <script>alert(1)</script>
question: '"><img src=x onerror=alert(2)>'
description: "{{ 7 * 7 }} & <b>bold</b>"
extends: %s/scenarios/base/china.yaml
without: [opportunistic]
strategies:
  '<i>one</i>': {surgery.delay: 0 days}
  '</td></table>': {surgery.delay: never}
economics: {perspective: '<script src="http://x.example"></script>'}
"""


def test_text_of_a_scenario_stays_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turning, "TIMING_ASSUMPTIONS", turning.TIMING_ASSUMPTIONS[:2])
    compared = run(EVIL % ROOT, tmp_path)
    write_plots(tmp_path / "plots", compared)
    html = page(compared, HOW, tmp_path / "plots")
    found = Outline(html)
    assert "script" not in found.tags
    assert "i" not in found.tags
    assert "b" not in found.tags
    assert found.tags.count("img") == 11
    assert "<script>alert(1)</script>" in found.text
    assert "{{ 7 * 7 }} & <b>bold</b>" in found.text
    assert "</td></table>" in found.text


@pytest.mark.parametrize("patients", [1, 150, 2_000])
def test_one_strategy_few_patients_no_plots(tmp_path: Path, patients: int):
    text = f"title: x\nextends: {ROOT}/scenarios/base/china.yaml\n"
    found = Outline(page(run(text, tmp_path, patients), HOW, None))
    assert found.open == []
    assert "img" not in found.tags
    assert "Costs and QALYs" in found.text
    assert "nan" not in {cell.strip() for row in found.rows for cell in row}


def test_without_economics_it_says_nothing_of_costs(tmp_path: Path):
    text = "title: x\nregimen: lenvatinib\nstrategies: {a: {surgery.delay: 0 days}, b: {surgery.delay: never}}\n"
    found = Outline(page(run(text, tmp_path), HOW, None))
    assert "value" not in found.ids
    assert "No costs are counted." in found.text


def test_the_same_run_gives_the_same_page(timing: Comparison, made: str):
    assert page(timing, HOW, None) == page(timing, HOW, None)
