"""Every shipped scenario runs, and docs/gallery.md says what they said.

Outside the main question only those of the timing assumptions are turned that the document names, and those of the
scenario's own choices.  That no other one has come to move an answer more, `tests/slow/test_whole_gallery.py` sees.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from hcc_sim.analyses import compare as comparing
from hcc_sim.analyses import turning
from hcc_sim.analyses.compare import Comparison, compare
from hcc_sim.cli import main
from hcc_sim.cli import scenarios as command
from hcc_sim.report import gallery
from hcc_sim.scenario import Scenario, load_scenario

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "scenarios").glob("*.yaml"))
MAIN = "surgical-timing"
DOCUMENT = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
HEAD, *SECTIONS = DOCUMENT[:-1].split("\n\n## ")
loaded = functools.cache(load_scenario)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_scenario_asks_a_question_of_its_own(file: Path):
    scenario = loaded(file)
    assert scenario.question.endswith("?")
    assert len(scenario.strategies) > 1
    assert sum(loaded(other).question == scenario.question for other in SHIPPED) == 1
    text = file.read_text(encoding="utf-8")
    assert f"hcc-sim run scenarios/{file.name}" in text, "it says how it is run"


@pytest.mark.parametrize("number", range(len(SHIPPED)), ids=[file.stem for file in SHIPPED])
def test_the_gallery_is_up_to_date(number: int, monkeypatch: pytest.MonkeyPatch):
    """After a change: hcc-sim scenarios gallery --out docs --force."""
    file, written = SHIPPED[number], f"## {SECTIONS[number]}"
    if file.stem != MAIN:
        named = tuple(name for name in turning.TIMING_ASSUMPTIONS if name in written)
        monkeypatch.setattr(turning, "TIMING_ASSUMPTIONS", named)
    compared = compare(load_scenario(file, patients=command.GALLERY_PATIENTS))
    assert gallery.section(file.stem, compared) == written


def test_the_gallery_has_a_section_for_each_scenario_with_as_many_patients(
    timing: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The command writes what `section` says of each, in order, nothing between; here always of the same comparison."""
    assert len(SECTIONS) == len(SHIPPED)
    assert gallery.HEAD.format(patients=command.GALLERY_PATIENTS) == HEAD
    assert DOCUMENT[-1] == "\n"
    asked: list[Scenario] = []

    def compared(scenario: Scenario) -> Comparison:
        asked.append(scenario)
        return timing

    monkeypatch.setattr(comparing, "compare", compared)
    assert main(["scenarios", "gallery", "--out", str(tmp_path)]) == 0
    assert [one.title for one in asked] == [loaded(file).title for file in SHIPPED]
    assert {one.size for one in asked} == {command.GALLERY_PATIENTS}
    parts = (gallery.section(file.stem, timing) for file in SHIPPED)
    expected = "\n\n".join((HEAD, *parts)) + "\n"
    assert (tmp_path / "gallery.md").read_text(encoding="utf-8") == expected


def test_the_gallery_replaces_nothing_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "gallery.md").write_text("mine", encoding="utf-8")
    assert main(["scenarios", "gallery", "--out", str(tmp_path), "--patients", "10"]) == 2
    assert "gallery.md already; --force replaces" in capsys.readouterr().err
    assert main(["scenarios", "gallery", "--out", str(tmp_path), "--patients", "none"]) == 2
    assert (tmp_path / "gallery.md").read_text(encoding="utf-8") == "mine"
