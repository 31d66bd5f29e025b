"""The report in a real browser: nothing wider than a desk or a phone, every picture drawn, a PDF of some pages."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hcc_sim.cli import main

ROOT = Path(__file__).resolve().parents[2]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium (Debian: apt-get install chromium)")

MEASURE = """<!DOCTYPE html><body style="margin:0">
<iframe id="f" src="report.html" style="width:{width}px;height:900px;border:0"></iframe><script>
document.getElementById("f").onload = function () {{
  var d = this.contentDocument, e = d.documentElement, drawn = 0;
  for (var image of d.images) drawn += image.complete && image.naturalWidth > 100;
  document.body.setAttribute("data-told", e.scrollWidth + " " + e.clientWidth + " " + drawn + " " + d.images.length);
}};
</script></body>
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("browser") / "results"
    scenario = ROOT / "scenarios" / "surgical-timing.yaml"
    assert main(["run", str(scenario), "--patients", "2000", "--out", str(out)]) == 0
    return out


def browser(*arguments: str) -> str:
    flags = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--virtual-time-budget=9000",
    )
    done = subprocess.run([str(BROWSER), *flags, *arguments], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


@pytest.mark.parametrize("width", [1280, 768, 390, 320])
def test_nothing_is_wider_than_the_window(folder: Path, width: int):
    (folder / "measure.html").write_text(MEASURE.format(width=width))
    dom = browser("--dump-dom", f"--window-size={width + 60},1000", (folder / "measure.html").as_uri())
    told = re.search(r'data-told="(\d+) (\d+) (\d+) (\d+)"', dom)
    assert told, "the page was not loaded"
    wide, window, drawn, pictures = map(int, told.groups())
    assert window == pytest.approx(width, abs=20)
    assert wide <= window
    assert drawn == pictures == 11


def test_it_prints(folder: Path, tmp_path: Path):
    browser(f"--print-to-pdf={tmp_path / 'report.pdf'}", (folder / "report.html").as_uri())
    pages = (tmp_path / "report.pdf").read_bytes().count(b"/Type /Page\n") or len(
        re.findall(rb"/Type\s*/Page\b(?!s)", (tmp_path / "report.pdf").read_bytes())
    )
    assert 10 < pages < 60
