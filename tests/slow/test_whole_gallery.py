"""docs/gallery.md is what its command writes: on what each answer hangs, all assumptions turned under every scenario.

    python -m pytest tests/slow/test_whole_gallery.py

About a minute.  Worth it after a change of a prior, of the assumptions that are turned, or of how they are ranked: the
default run turns all of them under the main scenario only.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hcc_sim.cli import main

ROOT = Path(__file__).resolve().parents[2]


def test_the_gallery_is_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After a change: hcc-sim scenarios gallery --out docs --force."""
    monkeypatch.chdir(ROOT)
    assert main(["scenarios", "gallery", "--out", str(tmp_path)]) == 0
    new = (tmp_path / "gallery.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8") == new
