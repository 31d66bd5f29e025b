"""Every shipped scenario runs, and docs/gallery.md says what they said."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcc_sim.cli import main
from hcc_sim.scenario import load_scenario

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_scenario_asks_a_question_of_its_own(file: Path):
    scenario = load_scenario(file)
    assert scenario.question.endswith("?")
    assert len(scenario.strategies) > 1
    assert sum(load_scenario(other).question == scenario.question for other in SHIPPED) == 1
    text = file.read_text(encoding="utf-8")
    assert f"hcc-sim run scenarios/{file.name}" in text, "it says how it is run"


def test_the_gallery_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After a change: hcc-sim scenarios gallery --out docs --force."""
    monkeypatch.chdir(ROOT)
    assert main(["scenarios", "gallery", "--out", str(tmp_path)]) == 0
    new = (tmp_path / "gallery.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8") == new
    assert new.count("\n## ") == len(SHIPPED)


def test_the_gallery_replaces_nothing_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "gallery.md").write_text("mine", encoding="utf-8")
    assert main(["scenarios", "gallery", "--out", str(tmp_path), "--patients", "10"]) == 2
    assert "gallery.md already; --force replaces" in capsys.readouterr().err
    assert main(["scenarios", "gallery", "--out", str(tmp_path), "--patients", "none"]) == 2
    assert (tmp_path / "gallery.md").read_text(encoding="utf-8") == "mine"
