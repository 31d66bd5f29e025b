"""The parameter book: every parameter once, with the exits that use it; docs/parameters.md is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from hcc_sim.cli import main
from hcc_sim.economics import hcc as economics
from hcc_sim.parameters import load_calibration
from hcc_sim.scenario import hcc_pathway_of

ROOT = Path(__file__).parents[1]
CALIBRATION = load_calibration(ROOT / "calibration")


def test_every_parameter_is_used_somewhere():
    uses = hcc_pathway_of(CALIBRATION).uses()
    of_pathway = CALIBRATION.parameters.of_pathway()
    assert set(uses) == set(of_pathway) == set(hcc_pathway_of(CALIBRATION).parameters())
    economic = set(CALIBRATION.parameters) - set(of_pathway)
    assert economic <= set(economics.uses())
    assert set(economics.uses()) - economic <= set(of_pathway), "intervals of visits"
    assert economics.uses()["hepatectomy.price"] == ("resection",)
    assert economics.uses()["bevacizumab.mg_per_kg"] == ("bevacizumab", "bevacizumab after surgery")
    assert uses["surgery.effect"] == ("occult outgrowth", "new primary")
    assert uses["death.shape"] == ("death of cancer",)
    assert uses["population.male_share"] == ("attribute male",)
    assert uses["response.depth_per_aggressiveness"] == ("arrival in depth of response",)
    second = "death around surgery after a second conversion"
    assert uses["salvage.death"] == ("perioperative death at salvage", second)


def test_the_book_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After a change: hcc-sim scenarios book --out docs --force."""
    monkeypatch.chdir(ROOT)
    assert main(["scenarios", "book", "--out", str(tmp_path)]) == 0
    new = (tmp_path / "parameters.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8") == new
    for name in CALIBRATION.parameters:
        assert new.count(f"| `{name}` |") >= 1


def test_the_book_replaces_nothing_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "parameters.md").write_text("mine", encoding="utf-8")
    assert main(["scenarios", "book", "--out", str(tmp_path)]) == 2
    assert "parameters.md already; --force replaces" in capsys.readouterr().err
    assert (tmp_path / "parameters.md").read_text(encoding="utf-8") == "mine"
