"""The commands of studies: what they refuse, what they leave behind, how they go on."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from hcc_sim.cli.main import main
from hcc_sim.cli.progress import in_words

ROOT = Path(__file__).parent.parent
TIMING = str(ROOT / "scenarios" / "surgical-timing.yaml")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two strategies, 2,000 patients in the base case, two assumptions turned: quick."""
    path = tmp_path_factory.mktemp("scenario") / "small.yaml"
    path.write_text(
        f"title: Small\nextends: {TIMING}\nwithout: [wait 42 days, wait 298 days]\n"
        "population: {size: 2000}\nturn: [surgery.effect]\nsubgroups: {age: [60]}\n",
        encoding="utf-8",
    )
    return str(path)


def summary(folder: Path) -> bytes:
    return (folder / "summary.csv").read_bytes()


# --- what is refused --------------------------------------------------------------------------------------------------

REFUSED = [
    (["dsa", "--parameters", "surgery.efect"], "surgery.efect: is no uncertain parameter of this scenario"),
    (["dsa", "--parameters", "surgery.efect"], "Did you mean 'surgery.effect'?"),
    (["dsa", "--parameters", "surgery.delay"], "is decided by strategies"),
    (["dsa", "--parameters", "systemic.lasts"], "no uncertain parameter"),
    (["dsa", "--parameters", "surgery.effect", "--set", "surgery.effect=1"], "is held in this scenario"),
    (["dsa", "--outcome", "resectd"], "no such outcome"),
    (["dsa", "--strategy", "oportunistic"], "Did you mean 'opportunistic'?"),
    (["dsa", "--strategy", "conservative", "--versus", "conservative"], "is compared with itself"),
    (["dsa", "--threshold", "-1"], "--threshold: given -1"),
    (["two-way", "surgery.effect", "--patients", "1500"], "a multiple of 1,000"),
    (["two-way", "surgery.effect", "--patients", "0"], "--patients: given 0"),
    (["two-way", "surgery.effect=2..1"], "inverted"),
    (["two-way", "surgery.effect=1..1"], "empty"),
    (["two-way", "surgery.effect=1..never"], "accepted"),
    (["two-way", "surgery.effect=1,0.5"], "do not rise"),
    (["two-way", "surgery.effect=-1,0.5"], "out of range"),
    (["two-way", "conversion.occult_share=0.5..1.5"], "out of range"),
    (["two-way", "surgery.effect="], "a value is missing"),
    (["two-way", "surgery.delay"], "of one it is 'opportunistic: surgery.delay'"),
    (["two-way", "opportunistic: surgery.delay"], "has no interval of its own"),
    (["two-way", "surgery.effect", "surgery.effect"], "is named twice"),
    (
        ["two-way", "surgery.effect", "conversion.occult_share", "--points", "9999", "--patients", "10000"],
        "days of one",
    ),
    (["threshold", "surgery.efect"], "Did you mean 'surgery.effect'?"),
    (["threshold", "surgery.effect=2..1"], "inverted"),
    (["threshold", "opportunistic: surgery.delay=0 days..never"], "has no end"),
    (["psa", "--draws", "1000000000000"], "days of one processor"),
    (["psa", "--draws", "1"], "--draws: given 1"),
    (["psa", "--sources", "prizes"], "Did you mean 'prices'?"),
    (["sobol", "--base", "100"], "the nearest are 64 and 128"),
    (["sobol", "--base", "1099511627776"], "days of one processor"),
    (["morris", "--levels", "3"], "a multiple of 2"),
    (["voi", "--years", "10"], "goes with --years"),
    (["timing", "--delays", "6 weeks, soon"], "--delays: soon: "),
    (["timing", "--strategy", "opportunistc"], "Did you mean 'opportunistic'?"),
    (["timing", "--set", "surgery.delay=never"], "is what is swept; give --delays instead"),
]


@pytest.mark.parametrize(("arguments", "told"), REFUSED, ids=[" ".join(a) for a, _ in REFUSED])
def test_bad_input_is_told_before_anything_is_made(arguments, told, small, tmp_path, capsys):
    command, *rest = arguments
    folder = tmp_path / "study"
    assert main([command, small, *rest, "--out", str(folder)]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert not folder.exists()


def test_without_economics_there_is_no_value_of_information(tmp_path, capsys):
    path = tmp_path / "plain.yaml"
    path.write_text(
        "title: Plain\npopulation: {size: 1000, preset: advanced_hbv_china}\nregimen: lenvatinib_tace\n"
        "strategies: {now: {surgery.delay: 0 days}, never: {surgery.delay: never}}\nrun: {seed: 0}\n"
    )
    assert main(["voi", str(path), "--out", str(tmp_path / "v")]) == 2
    assert "no economics" in capsys.readouterr().err
    assert main(["dsa", str(path), "--outcome", "net benefit", "--out", str(tmp_path / "v")]) == 2
    assert "no economics" in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(small, tmp_path, capsys):
    (tmp_path / "letter.txt").write_text("dear reader")
    assert main(["psa", small, "--draws", "4", "--patients", "1000", "--out", str(tmp_path)]) == 2
    assert "holds no study (letter.txt" in capsys.readouterr().err
    assert main(["psa", small, "--draws", "4", "--patients", "1000", "--out", str(tmp_path), "--force"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


# --- what is left behind ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def psa(small, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "psa"
    assert main(["psa", small, "--draws", "30", "--patients", "1000", "--out", str(folder), "--no-plots"]) == 0
    return folder


def test_a_study_leaves_its_tables(psa):
    manifest = json.loads((psa / "manifest.json").read_bytes())
    assert manifest["draws"] == 30
    assert manifest["readings"] == ["psa"]
    for name in ("summary.csv", "contrasts.csv", "acceptability.csv", "psa_costs.csv", "report.html", "workbook.xlsx"):
        assert name in manifest["files"], name
        assert (psa / name).is_file()
    table = pd.read_csv(psa / "summary.csv")
    assert list(table) == ["strategy", "population", "outcome", "value", "mc_se", "low", "high", "unit"]
    draws = pd.read_parquet(psa / "draws")
    assert len(draws) == 30 * 2
    costs = draws[draws["strategy"] == "opportunistic"]["costs (discounted)"]
    row = table[(table["strategy"] == "opportunistic") & (table["outcome"] == "costs (discounted)")].iloc[0]
    assert row["value"] == pytest.approx(costs.mean())
    assert (row["low"], row["high"]) == pytest.approx((costs.quantile(0.025), costs.quantile(0.975)))


def test_a_complete_study_says_so(psa, small, capsys):
    before = {path: path.stat().st_mtime_ns for path in psa.rglob("*") if path.is_file()}
    assert main(["psa", small, "--draws", "30", "--patients", "1000", "--out", str(psa), "--no-plots"]) == 0
    told = capsys.readouterr()
    assert "is complete with 30 draws" in told.err
    assert "30 draws of everything uncertain" in " ".join(told.out.split())
    after = {path: path.stat().st_mtime_ns for path in psa.rglob("*") if path.is_file()}
    assert {k: v for k, v in after.items() if ".lock" not in k.name} == {
        k: v for k, v in before.items() if ".lock" not in k.name
    }


def test_another_study_is_not_mixed_in(psa, small, capsys):
    arguments = ["psa", small, "--draws", "30", "--patients", "1000", "--out", str(psa)]
    assert main([*arguments, "--seed", "7"]) == 2
    assert "seed 20240502 there, 7 now" in capsys.readouterr().err
    assert main(["dsa", small, "--patients", "1000", "--out", str(psa)]) == 2
    assert "analysis psa there, dsa now" in capsys.readouterr().err
    assert main([*arguments, "--set", "surgery.effect=1"]) == 2
    assert "scenario_sha256" in capsys.readouterr().err


def test_more_draws_are_added_and_information_is_read_from_them(psa, small, tmp_path, capsys):
    first = pd.read_parquet(psa / "draws")
    arguments = [small, "--draws", "40", "--patients", "1000", "--no-plots"]
    assert main(["psa", *arguments, "--out", str(psa)]) == 0
    assert main(["psa", *arguments, "--out", str(tmp_path / "at-once")]) == 0
    assert summary(psa) == summary(tmp_path / "at-once")
    more = pd.read_parquet(psa / "draws")
    assert more.iloc[: len(first)].drop(columns="error_covariances").equals(first.drop(columns="error_covariances"))
    for part in (psa / "draws").glob("*.parquet"):
        assert part.read_bytes() == (tmp_path / "at-once" / "draws" / part.name).read_bytes()
    capsys.readouterr()
    arguments += ["--patients-a-year", "500", "--years", "5"]
    assert main(["voi", *arguments, "--out", str(psa)]) == 0
    found = pd.read_csv(psa / "information.csv")
    assert {"everything", "parameter", "section", "source"} == set(found["kind"])
    assert (found["value"] >= 0).all()
    assert found["population_value"].notna().all()
    assert json.loads((psa / "manifest.json").read_bytes())["readings"] == ["psa", "voi"]
    assert (psa / "acceptability.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "table"),
    [
        (["dsa", "--parameters", "surgery.effect,ct.price"], "one-way"),
        (["dsa", "--parameters", "surgery.effect", "--outcome", "resected", "--outcome", "qaly"], "one-way"),
        (["two-way", "surgery.effect", "opportunistic: surgery.delay=0 days,6 weeks,never", "--points", "2"], "grid"),
        (["threshold", "surgery.effect=0.5..2", "hepatectomy.price", "--points", "3"], "thresholds"),
        (["threshold", "--points", "2", "--outcome", "survival"], "thresholds"),
        (["sobol", "--parameters", "surgery.effect,conversion.occult_share", "--base", "4"], "sobol"),
        (["morris", "--parameters", "surgery.effect,ct.price", "--trajectories", "2"], "morris"),
        (["timing", "--delays", "0 days, 6 weeks, never", "--draws", "4"], "delays"),
        (["timing", "--delays", "0 days, never", "--intervals", "6 weeks, 12 weeks", "--draws", "3"], "delays"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_every_command_works(arguments, table, small, tmp_path, capsys):
    command, *rest = arguments
    out = ["--patients", "1000", "--out", str(tmp_path / "s"), "--no-plots", "--format", "csv"]
    assert main([command, small, *rest, *out]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) > 1
    assert len(pd.read_csv(tmp_path / "s" / f"{table}.csv")) > 0
    assert (tmp_path / "s" / "report.html").stat().st_size > 10_000


def test_a_scenario_without_economics_is_studied_for_survival(tmp_path, capsys):
    path = tmp_path / "plain.yaml"
    path.write_text(
        "title: Plain\npopulation: {size: 2000, preset: advanced_hbv_china}\nregimen: lenvatinib_tace\n"
        "strategies: {now: {surgery.delay: 0 days}, never: {surgery.delay: never}}\nturn: [surgery.effect]\n"
        "run: {seed: 0, horizon: 20 years}\n"
    )
    common = [str(path), "--patients", "1000", "--no-plots"]
    assert main(["psa", *common, "--draws", "5", "--out", str(tmp_path / "p")]) == 0
    assert "is expected to be best" in " ".join(capsys.readouterr().out.split())
    assert main(["dsa", *common, "--parameters", "surgery.effect", "--out", str(tmp_path / "d")]) == 0
    assert "restricted mean" in capsys.readouterr().out


# --- progress ---------------------------------------------------------------------------------------------------------


def test_progress_in_words():
    assert in_words(0, 100, 0.0, 0) == "0 of 100 draws"
    assert in_words(40, 100, 20.0, 40) == "40 of 100 draws, 2 a second, 30 s left"
    assert in_words(50, 1_000, 100.0, 10) == "50 of 1,000 draws, 0.1 a second, 2 h 38 min left"
    assert in_words(900, 1_000, 150.0, 100) == "900 of 1,000 draws, 0.667 a second, 2 min 30 s left"


def test_a_pipe_sees_no_progress(small, tmp_path, capsys):
    assert main(["dsa", small, "--parameters", "ct.price", "--patients", "1000", "--out", str(tmp_path / "d"),
                 "--no-plots"]) == 0  # fmt: skip
    assert "a second" not in capsys.readouterr().err
