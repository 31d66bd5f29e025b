"""Every command and every piece of Python in README and docs runs as it stands."""

import re
import shlex
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from hcc_sim.analyses import turning
from hcc_sim.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


COMMANDS = [
    line.removeprefix("$ ")
    for block in blocks("console", README)
    for line in block.splitlines()
    if line.startswith("$ ")
]
OF_STUDIES = ("dsa", "two-way", "psa", "voi", "timing", "threshold", "morris", "sobol")
STUDIES = [command for command in COMMANDS if command.split()[1] in OF_STUDIES]


def done(words: list[str], whole: bool = True) -> bool:
    """Whether a command goes well; a run that is not `whole` draws nothing, and turns no assumption about timing."""
    with pytest.MonkeyPatch.context() as patch:
        if not whole:
            patch.setattr(turning, "TIMING_ASSUMPTIONS", ())
        return main([*words[1:], *([] if whole else ["--no-plots"])]) == 0


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder such as a reader stands in: scenarios and calibration are there, and results may be written."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("scenarios", "calibration"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


def test_readme_gives_commands_to_three_kinds_of_reader():
    assert len(COMMANDS) >= 6


def test_commands_of_the_readme_run_in_order(checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    for command in COMMANDS:
        if command in STUDIES:
            continue
        words = shlex.split(command)
        assert words[0] == "hcc-sim"
        until_precise = "--precision" in words
        if "run" in words and not until_precise:
            words[words.index("--patients") + 1] = "2000"
        assert done(words, whole=not until_precise), command
    assert (checkout / "results" / "mine" / "summary.csv").is_file()
    assert (checkout / "pathway.svg").is_file()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The same with 2,000 patients in the base case: what studies add to it is as small as the pages say."""
    folder = tmp_path_factory.mktemp("researcher")
    for name in ("scenarios", "calibration"):
        shutil.copytree(ROOT / name, folder / name)
    base = folder / "scenarios" / "base" / "china.yaml"
    text = base.read_text(encoding="utf-8")
    assert "size: 100000" in text
    base.write_text(text.replace("size: 100000", "size: 2000"), encoding="utf-8")
    return folder


def test_studies_of_the_readme_run_in_order(small, monkeypatch, capsys):
    monkeypatch.chdir(small)
    assert {command.split()[1] for command in STUDIES} == set(OF_STUDIES)
    for command in STUDIES:
        assert done(shlex.split(command), whole="40" in command), command
    assert "60 draws of everything uncertain" in capsys.readouterr().out
    assert (small / "results" / "psa" / "information.csv").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_a_page_runs(page, checkout, monkeypatch):
    monkeypatch.chdir(checkout)
    room: dict[str, object] = {}
    for block in blocks("python", page.read_text()):
        exec(compile(block, str(page), "exec"), room)  # one page is one session


def test_scenario_fragments_of_the_readme_are_valid(checkout):
    from hcc_sim.scenario import load_scenario

    for number, block in enumerate(blocks("yaml", README)):
        path = checkout / "scenarios" / f"fragment{number}.yaml"
        path.write_text("title: a fragment\nextends: base/china.yaml\n" + block)
        assert load_scenario(path).strategies


def test_links_of_the_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme_has_the_two_commands_first():
    setup, tests = blocks("(?:bash|sh|shell|console)", README)[:2]
    assert "hcc-sim run scenarios/surgical-timing.yaml" in setup
    assert "pytest" in tests


def test_nothing_speaks_of_a_machine():
    for page in [*PAGES, ROOT / "CHANGELOG.md", *(ROOT / "docs" / "decisions").glob("*.md")]:
        assert not re.search(r"/(root|home|work|tmp)/", page.read_text()), page


def test_ci_runs_the_test_command_of_the_readme():
    assert "blocks[1]" in (ROOT / ".ci" / "run").read_text()


# --- the tutorial -----------------------------------------------------------------------------------------------------

TUTORIAL = ROOT / "docs" / "tutorial"
HANDED_IN = "results/second"
"""The folder whose files the analyst's page promises."""


def test_the_analysts_page_leads_from_an_empty_file_to_a_report(checkout, tmp_path, monkeypatch):
    """Every piece of YAML goes where its first line says; every command runs, in order, and leaves what is promised."""
    monkeypatch.chdir(tmp_path)
    text = (TUTORIAL / "analyst.md").read_text(encoding="utf-8")
    pieces = re.findall(r"^```(yaml|console)\n(.*?)^```", text, re.M | re.S)
    assert [kind for kind, _ in pieces].count("console") == 3
    for kind, piece in pieces:
        if kind == "yaml":
            name = piece.splitlines()[0].removeprefix("# ").partition(",")[0]
            with Path(name).open("a", encoding="utf-8") as file:
                file.write(piece)
            continue
        for line in piece.splitlines():
            words = [*shlex.split(line.removeprefix("$ ")), "--calibration", str(checkout / "calibration")]
            words += ["--patients", "2000"]
            assert done(words, whole=HANDED_IN in words), line
    assert not (tmp_path / "results" / "first" / "costs.csv").exists(), "nothing is said of costs yet"
    promised = re.findall(r"`([\w./]+\.(?:csv|html|xlsx|json))`", text.partition("**5.")[2])
    assert len(promised) >= 12
    for file in promised:
        assert (tmp_path / HANDED_IN / file).stat().st_size > 100, file
    summary = (tmp_path / HANDED_IN / "summary.csv").read_text(encoding="utf-8")
    assert "converted, age below 60" in summary


def test_the_analysts_notebook_runs(checkout):
    """In a kernel of its own, as a reader would; and it is kept without what a run leaves in it.

    Before the first cell all but two assumptions about timing are left out, which saves a quarter of the time.
    """
    notebook = nbformat.read(TUTORIAL / "analyst.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    two = "from hcc_sim.analyses import turning\nturning.TIMING_ASSUMPTIONS = turning.TIMING_ASSUMPTIONS[:2]"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(two))
    done = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(checkout)}}).execute()
    told = [output for cell in done.cells for output in cell.get("outputs", ())]
    assert sum("image/svg+xml" in output.get("data", {}) for output in told) == 2
    assert "highest net benefit" in told[0]["text"]
    assert (checkout / "results" / "tutorial" / "report.html").is_file()


def test_the_researchers_notebook_runs(small):
    """In a kernel of its own; it is kept without what a run leaves in it."""
    notebook = nbformat.read(TUTORIAL / "researcher.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)
    done = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(small)}}).execute()
    told = [output for cell in done.cells for output in cell.get("outputs", ())]
    assert sum("image/svg+xml" in output.get("data", {}) for output in told) == 5
    printed = " ".join(output.get("text", "") for output in told)
    assert "It hangs most on" in printed
    assert "60 draws of everything uncertain" in printed
    assert "is expected to be highest with a delay of" in printed
    assert len(list((small / "results" / "notebook-psa" / "draws").glob("*.parquet"))) >= 1
