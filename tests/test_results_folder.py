"""The results folder: complete or not there, the same bits however it was made, never written over unasked."""

import csv
import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import WholeRun

from hcc_sim.analyses import turning
from hcc_sim.cli import main
from hcc_sim.cli import run as run_command
from hcc_sim.errors import InputError
from hcc_sim.report import folder as folder_module
from hcc_sim.report import results
from hcc_sim.report.folder import MANIFEST, check_free, new_folder
from hcc_sim.report.results import file_names

ROOT = Path(__file__).resolve().parents[1]
SCENARIO = ROOT / "scenarios" / "surgical-timing.yaml"
NUMBERS = ("value", "mc_se", "low", "high", "difference", "months")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenario with five years instead of thirty, which is quicker."""
    file = tmp_path_factory.mktemp("scenarios") / "short.yaml"
    file.write_text(f"title: Short\nextends: {SCENARIO}\nrun: {{horizon: 5 years}}\n")
    return file


@pytest.fixture
def run(short: Path):
    def command(*arguments: object) -> int:
        return main(["run", str(short), "--no-plots", "--patients", "1000", *map(str, arguments)])

    return command


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --- the folder alone ------------------------------------------------------------------------------------------------


def results_folder(path: Path, text: str = "old") -> Path:
    with new_folder(path) as temporary:
        (temporary / "summary.csv").write_text(text)
        (temporary / MANIFEST).write_text(json.dumps({"program": "hcc-sim", "files": ["summary.csv"]}))
    return path


def test_complete_when_it_appears(tmp_path: Path):
    out = tmp_path / "results" / "mine"
    with new_folder(out) as temporary:
        assert temporary.parent == out.parent, "beside it, so that renaming is all it takes"
        assert not out.exists()
        (temporary / "summary.csv").write_text("x")
    assert everything_in(tmp_path) == ["results", "results/mine", "results/mine/summary.csv"]


def test_readable_by_whom_the_umask_lets(tmp_path: Path):
    before = os.umask(0o022)
    try:
        assert results_folder(tmp_path / "mine").stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(before)


@pytest.mark.parametrize("trouble", [RuntimeError, KeyboardInterrupt, OSError, SystemExit])
def test_nothing_is_left_behind(tmp_path: Path, trouble: type[BaseException]):
    def fail_in(temporary: Path) -> None:
        (temporary / "stays").mkdir()
        (temporary / "stays" / "file").write_text("x")
        raise trouble

    with pytest.raises(trouble), new_folder(tmp_path / "a" / "b" / "mine") as temporary:
        fail_in(temporary)
    assert everything_in(tmp_path) == [], "not even the folders that were made for it"


def test_parents_that_were_there_stay(tmp_path: Path):
    (tmp_path / "a").mkdir()
    with pytest.raises(RuntimeError), new_folder(tmp_path / "a" / "b" / "mine"):
        raise RuntimeError
    assert everything_in(tmp_path) == ["a"]


def test_not_over_anything_without_force(tmp_path: Path):
    out = results_folder(tmp_path / "mine")
    with pytest.raises(InputError, match=r"--out: .*mine exists; choose another folder, or --force to replace it"):
        check_free(out)


def test_somebody_quicker_wins(tmp_path: Path):
    out = tmp_path / "mine"
    with pytest.raises(InputError, match="exists"), new_folder(out):
        results_folder(out, "theirs")
    assert (out / "summary.csv").read_text() == "theirs"
    assert everything_in(tmp_path) == ["mine", f"mine/{MANIFEST}", "mine/summary.csv"]


def test_force_replaces_when_complete(tmp_path: Path):
    out = results_folder(tmp_path / "mine")
    with new_folder(out, force=True) as temporary:
        (temporary / "new").write_text("new")
        assert (out / "summary.csv").read_text() == "old"
    assert everything_in(tmp_path) == ["mine", "mine/new"]


def test_force_keeps_the_old_one_if_the_new_one_fails(tmp_path: Path):
    out = results_folder(tmp_path / "mine")
    with pytest.raises(RuntimeError), new_folder(out, force=True):
        raise RuntimeError
    assert everything_in(tmp_path) == ["mine", f"mine/{MANIFEST}", "mine/summary.csv"]


def test_force_puts_the_old_one_back_if_the_last_step_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = results_folder(tmp_path / "mine")
    rename = os.rename

    def fail_on_the_new_one(old: Path, new: Path) -> None:
        if str(old).endswith("unfinished"):
            raise OSError(errno.EIO, "broken")
        rename(old, new)

    monkeypatch.setattr(folder_module.os, "rename", fail_on_the_new_one)
    with pytest.raises(OSError, match="broken"), new_folder(out, force=True):
        pass
    assert everything_in(tmp_path) == ["mine", f"mine/{MANIFEST}", "mine/summary.csv"]


def test_force_does_not_replace_what_is_no_result(tmp_path: Path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / MANIFEST).write_text('{"name": "a web application"}')
    (tmp_path / "file").write_text("x")
    for name in ("work", "site"):
        with pytest.raises(InputError, match=rf"{name} is not a results folder \(it has no manifest.json of hcc-sim\)"):
            check_free(Path(name), force=True)
    with pytest.raises(InputError, match="file is not a folder"):
        check_free(Path("file"), force=True)
    for here in (".", "..", tmp_path.parent, "/"):
        with pytest.raises(InputError, match="is the current folder or one above it"):
            check_free(Path(here), force=True)


def test_force_does_not_remove_what_was_added(tmp_path: Path):
    out = results_folder(tmp_path / "mine")
    (out / "notes.txt").write_text("what I thought of it")
    with pytest.raises(InputError, match=r"also holds what hcc-sim did not write \(notes.txt\).*; move that first"):
        check_free(out, force=True)


def test_a_link_is_followed(tmp_path: Path):
    results_folder(tmp_path / "disk" / "mine")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "mine")
    with new_folder(tmp_path / "link", force=True) as temporary:
        (temporary / "new").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert everything_in(tmp_path / "disk") == ["mine", "mine/new"]


# --- what a run does with it -----------------------------------------------------------------------------------------


def test_default_place_and_contents(whole_run: WholeRun):
    assert [path.name for path in whole_run.folder.iterdir()] == ["results"]
    assert [path.name for path in (whole_run.folder / "results").iterdir()] == ["surgical-timing"]
    out = whole_run.folder / "results" / "surgical-timing"
    plots = [
        f"plots/{name}{ending}"
        for name in ("failure-free", "progression-free", "survival")
        for ending in ("-differences.csv", ".csv", ".png", ".svg")
    ]
    stays = [f"stays/{name}.parquet" for name in ("conservative", "opportunistic", "wait 298 days", "wait 42 days")]
    of_value = ["beyond.csv", "costs.csv", "increments.csv", "net_benefit.csv", "qalys.csv"]
    tables = [
        "assumptions.csv",
        "contrasts.csv",
        "curves.csv",
        "hazard_ratios.csv",
        "incidence.csv",
        "parameters.csv",
        "summary.csv",
        *of_value,
    ]
    others = ("flow", "incidence", "costs-and-qalys", "plane", "net-benefit", "hangs-on-survival", "hangs-on-value")
    flow = [f"plots/{name}{ending}" for name in others for ending in (".csv", ".png", ".svg")]
    files = sorted([*tables, *plots, *flow, "plots/pathway.svg", *stays, "report.html", "workbook.xlsx"])
    assert [f for f in everything_in(out) if f not in ("plots", "stays")] == sorted([*files, MANIFEST])
    manifest = json.loads((out / MANIFEST).read_text())
    assert manifest["files"] == files
    assert all((out / file).stat().st_size > 100 for file in files)


def test_existing_folder_stops_before_simulating(run, capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    monkeypatch.setattr(run_command, "prepared", None)
    for force in ([], ["--force"]):
        assert run("--out", "mine", *force) == 2
        assert "--out: mine" in capsys.readouterr().err
    assert everything_in(tmp_path) == ["mine"]


@pytest.mark.usefixtures("quick")
def test_force_replaces_the_results_of_an_earlier_run(run, tmp_path: Path):
    assert run("--out", "mine", "--seed", 1) == 0
    first = (tmp_path / "mine" / "summary.csv").read_bytes()
    assert run("--out", "mine", "--seed", 2) == 2
    assert (tmp_path / "mine" / "summary.csv").read_bytes() == first
    assert run("--out", "mine", "--seed", 2, "--force") == 0
    assert (tmp_path / "mine" / "summary.csv").read_bytes() != first
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.usefixtures("quick")
def test_disk_full(run, capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    assert run("--out", "mine", "--seed", 1) == 0
    before = everything_in(tmp_path)
    capsys.readouterr()

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "mine")

    monkeypatch.setattr(results, "csv_text", full)
    assert run("--out", "mine", "--force") == 1
    assert run("--out", "other/folder") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hcc-sim: the disk is full; nothing was written\n" * 2
    assert everything_in(tmp_path) == before


def test_small_disk(tmp_path: Path):
    """A file system of 300 kB, too small for the stays of 3,000 patients."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this user cannot mount a file system")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "hcc_sim.cli", "run", str(SCENARIO), "--patients", "3000", "--keep-stays",
             "--no-plots", "--out", str(disk / "mine")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.endswith("hcc-sim: the disk is full; nothing was written\n")
        assert done.stderr.count("\n") <= 2, "no traceback, nothing from libraries"
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# --- the same bits ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_same_bits_however_it_is_run(run, tmp_path: Path):
    ways = {
        "first": [],
        "again": [],
        "one thread": ["--threads", "1", "--chunk", "1000"],
        "two threads": ["--threads", "2", "--chunk", "50000"],
    }
    for name, options in ways.items():
        assert run("--patients", 3000, "--keep-stays", "--out", name, *options) == 0
    for file in ("summary.csv", "contrasts.csv", "curves.csv", "parameters.csv", "workbook.xlsx"):
        assert len({(tmp_path / name / file).read_bytes() for name in ways}) == 1, file
    for stays in ("opportunistic", "conservative"):
        frames = [pd.read_parquet(tmp_path / name / "stays" / f"{stays}.parquet").astype(str) for name in ways]
        assert len(frames[0]) > 3000
        for frame in frames[1:]:
            pd.testing.assert_frame_equal(frame, frames[0])


@pytest.mark.usefixtures("quick")
def test_a_further_strategy_changes_no_row_of_the_others(run, short: Path, tmp_path: Path):
    further = tmp_path / "further.yaml"
    further.write_text(f"title: One more\nextends: {short}\nstrategies: {{wait a year: {{surgery.delay: 1 year}}}}\n")
    assert run("--out", "few", "--keep-stays") == 0
    assert main(["run", str(further), "--patients", "1000", "--no-plots", "--keep-stays", "--out", "more"]) == 0
    for file in ("summary.csv", "contrasts.csv", "curves.csv"):
        few, more = ((tmp_path / name / file).read_text().splitlines() for name in ("few", "more"))
        assert [line for line in more if "wait a year" not in line] == few
        assert len(more) > len(few)
    same = [(tmp_path / name / "stays" / "conservative.parquet").read_bytes() for name in ("few", "more")]
    assert same[0] == same[1]


@pytest.mark.usefixtures("quick")
def test_numbers_keep_their_bits(run, short: Path, tmp_path: Path):
    from hcc_sim.analyses.compare import compare
    from hcc_sim.scenario import load_scenario

    assert run("--out", "mine") == 0
    compared = compare(load_scenario(short, patients=1000))
    for name in ("summary", "contrasts", "curves", "assumptions"):
        table = getattr(compared, name)()
        with (tmp_path / "mine" / f"{name}.csv").open(encoding="utf-8", newline="") as written:
            reader = csv.DictReader(written)
            rows = list(reader)
        assert reader.fieldnames == list(table.columns)
        assert len(rows) == len(table)
        for column in (c for c in table.columns if c in NUMBERS):
            read = np.array([float(row[column] or "nan") for row in rows])
            assert read.tobytes() == table[column].to_numpy().tobytes(), (name, column)


def test_stays_are_those_of_the_engine(tmp_path: Path):
    from hcc_sim.engine import simulate_all
    from hcc_sim.scenario import load_scenario, programs

    (tmp_path / "short.yaml").write_text("title: x\nregimen: tace\nstrategies: {a/b: {}}\nrun: {horizon: 20 months}\n")
    run_short = ["run", "short.yaml", "--patients", "2500", "--chunk", "1000", "--keep-stays", "--no-plots"]
    assert main(run_short) == 0
    (program,) = programs(load_scenario("short.yaml")).values()
    expected = simulate_all(program, seed=1, patients=2500, horizon_months=20.0)
    frame = expected.to_frame(program.state_names, program.exit_names, program.pathway.shown)
    kept = pd.read_parquet(tmp_path / "results" / "short" / "stays" / "a_b.parquet")
    assert {"", "horizon"} <= set(kept["next_state"]) | set(kept["ended_by"]), "some are alive at the horizon"
    pd.testing.assert_frame_equal(kept.astype(str), frame.astype(str))
    assert kept["entered_months"].to_numpy().tobytes() == expected.entered_months.tobytes()
    assert isinstance(kept["state"].dtype, pd.CategoricalDtype)


def test_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    three = ("surgery.effect", "drugs.withdrawal_effect_on_outgrowth", "aggressiveness")
    monkeypatch.setattr(turning, "TIMING_ASSUMPTIONS", three)
    settings = ["--set", "surgery.effect=0.8", "--set", "therapy.duration=never", "--threads", "1"]
    assert main(["run", str(SCENARIO), "--no-plots", "--patients", "1000", "--out", "mine", *settings]) == 0
    manifest = json.loads((tmp_path / "mine" / MANIFEST).read_text())
    assert set(manifest["versions"]) == {"hcc_sim", "python", "numpy", "numba", "pandas"}
    assert "commit" in manifest
    assert len(manifest["scenario"]["sha256"]) == len(manifest["calibration"]["sha256"]) == 64
    assert [Path(file).name for file in manifest["scenario"]["files"]] == ["surgical-timing.yaml", "china.yaml"]
    assert (manifest["seed"], manifest["patients"], manifest["horizon_months"]) == (20240502, 1000, 360.0)
    assert [strategy["name"] for strategy in manifest["strategies"]] == [
        "opportunistic", "wait 42 days", "wait 298 days", "conservative",
    ]  # fmt: skip
    assert manifest["strategies"][3]["sets"]["surgery.delay"] == {"value": None, "unit": "months", "text": "never"}
    assert manifest["strategies"][0]["regimen"] == "haic_lenvatinib_pd1"
    assert manifest["overrides"]["surgery.effect"] == {"value": 0.8, "unit": "hazard ratio", "text": "0.8"}
    assert manifest["overrides"]["therapy.duration"]["text"] == "never"
    assert manifest["threads"] == 1
    assert manifest["wall_seconds"] > 0
    assert manifest["primary_population"] == "converted"
    assert " strategy can be told apart " in manifest["headline"] or manifest["headline"].startswith("Patients live")
    assert "surgery.effect =" not in manifest["strongest_assumption"], "it was set"
    assert "the order" in manifest["strongest_assumption"]
    assert manifest["fit"]["not_renewed"] == []
    assert len(manifest["fit"]["hash"]) == 64
    assert manifest["strategies"][0]["grade"] == "calibrated"
    assert "effects of aggressiveness" in manifest["unseen_differences"]
    assert any("Monte-Carlo error only" in note for note in manifest["notes"])
    assert any("not advice for a patient" in note for note in manifest["notes"])
    assert manifest["borrowed"]


def test_commit_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from hcc_sim.report import manifest

    package = tmp_path / "src"
    package.mkdir()
    (package / "manifest.py").write_text("")
    monkeypatch.setattr(manifest, "__file__", str(package / "manifest.py"))
    assert manifest.source_commit() is None, "no checkout"
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert manifest.source_commit() is None, "a checkout that does not know the file, such as one around an environment"
    subprocess.run([*git, "add", "."], check=True)
    assert manifest.source_commit() is None, "no commit yet"
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    found = manifest.source_commit()
    assert found is not None
    assert (len(found["sha1"]), found["changed"]) == (40, False)
    (package / "manifest.py").write_text("changed")
    assert manifest.source_commit() == {**found, "changed": True}
    monkeypatch.setenv("PATH", "")
    assert manifest.source_commit() is None, "no git"


def test_names_of_stay_files():
    names = file_names(["a", "a/b", "a_b", "A_B", "...", "转化", "x" * 300, "a.", "con:trol?"])
    assert names["a"] == "a.parquet"
    assert names["转化"] == "转化.parquet"
    assert names["con:trol?"] == "con_trol_.parquet"
    assert len({name.casefold() for name in names.values()}) == len(names)
    assert all("/" not in name and len(name.encode()) < 255 for name in names.values())
