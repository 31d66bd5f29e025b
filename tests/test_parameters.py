"""Parameters, and reading a calibration folder: here a small invented one."""

import re
import shutil
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from hcc_sim import parameters
from hcc_sim.errors import InputError, MachineError, Problem, nearest
from hcc_sim.parameters import Calibration, Distribution, data_folder, families, load_calibration
from hcc_sim.units import DAYS_PER_MONTH, UNITS

SMALL = Path(__file__).parent / "data" / "calibration"


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return load_calibration(SMALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(SMALL, tmp_path / "calibration"))


def problems(folder: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_calibration(folder)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def spoil(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, new))


def test_parameter(calibration: Calibration):
    response = calibration.parameters["response.probability"]
    assert (response.value, response.unit, response.kind) == (0.46, "probability", "reported")
    assert (response.sources, response.where, response.support) == (("alpha2020",), "Table 2", "source")
    assert response.distribution == Distribution("beta", 0.38, 0.54)
    assert (response.decision, response.bounds, response.set_by) == (False, (0.0, 1.0), "default")
    interval = calibration.parameters["watching.interval"]
    assert (interval.decision, interval.distribution, interval.text()) == (True, None, "9 weeks")
    assert interval.bounds == (7 / DAYS_PER_MONTH, 24.0)
    assert calibration.parameters["conversion.probability"].sources == ("alpha2020", "beta2021")
    assert calibration.parameters["weibull.shape"].distribution == Distribution("fixed", 1.2, 1.2)
    with pytest.raises(FrozenInstanceError):
        response.value = 1


def test_named_sets(calibration: Calibration):
    haic = calibration.regimens["haic"]
    assert haic.borrowed == ("the conversion rate is that of beta2021",)
    response = haic.entries["response.probability"]
    assert (response.value, response.set_by, response.sources) == (0.6, "regimen haic", ("alpha2020",))
    assert (response.unit, response.meaning) == ("probability", "objective response under therapy")
    assert (response.where, response.distribution) == ("Table 3", None), "of the entry, not of the default"
    assert haic.entries["conversion.probability"].sources == (), "an assumption does not borrow the regimen's source"
    lenvatinib = calibration.regimens["lenvatinib"]
    assert lenvatinib.sources == ("alpha2020", "beta2021")
    assert lenvatinib.entries["response.probability"].sources == ("beta2021",), "the entry's own comes first"
    assert calibration.populations["invented"].entries["age.mean"].set_by == "preset invented"
    joined = calibration.parameters.with_entries(haic.entries)
    assert joined.value("response.probability") == 0.6
    assert calibration.parameters.value("response.probability") == 0.46


def test_with_values(calibration: Calibration):
    changed = calibration.parameters.with_values({"response.probability": 0.7}, "scenario")
    response = changed["response.probability"]
    assert (response.value, response.set_by, response.kind, response.reason) == (
        0.7,
        "scenario",
        "assumed",
        "set by scenario",
    )
    assert (response.distribution, response.sources, response.decision) == (None, (), False)
    chosen = changed.with_values({"surgery.effect": 1}, "strategy x", decision=True)
    assert chosen["surgery.effect"].decision
    assert chosen.values_only() == calibration.parameters.values_only() | {
        "response.probability": 0.7,
        "surgery.effect": 1,
    }
    assert list(chosen) == list(calibration.parameters)
    assert changed.with_values({"surgery.delay": 1}, "--set")["surgery.delay"].decision, "a decision stays one"


def test_with_values_refuses(calibration: Calibration):
    values = {"response.probability": 1.1, "surgery.effect": float("nan"), "watching.interval": 0.0}
    with pytest.raises(InputError) as caught:
        calibration.parameters.with_values(values, "--set")
    assert [problem.key for problem in caught.value.problems] == list(values)
    assert "0.0 is out of range; accepted: 1 week to 2 years (months)" in str(caught.value)


def test_unknown_names(calibration: Calibration):
    message = "unknown parameter 'surgery.dealy'. Did you mean 'surgery.delay'? "
    message += "`hcc-sim scenarios --parameters` lists all 13."
    defaults = calibration.parameters
    with pytest.raises(InputError, match=re.escape(message)):
        defaults.value("surgery.dealy")
    with pytest.raises(InputError, match=re.escape("--set: surgery.dealy: " + message)):
        defaults.with_values({"surgery.dealy": 0}, "--set")
    with pytest.raises(InputError, match=re.escape(message)):
        defaults.with_entries({"surgery.dealy": defaults["surgery.delay"]})
    with pytest.raises(KeyError):
        defaults["surgery.dealy"]


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "parameters.yaml",
            "unit: hazard ratio",
            "unit: hazard",
            "parameters.yaml:29: surgery.effect.unit: given 'hazard'.",
        ),
        (
            "parameters.yaml",
            "value: 0.46",
            "value: 46",
            "12: response.probability.value: given 46, which is out of range",
        ),
        ("parameters.yaml", "kind: calibrated", "kind: fitted", "kind: given 'fitted'. Accepted: reported, calibrated"),
        (
            "parameters.yaml",
            "  source: alpha2020\n",
            "",
            "14: response.probability.kind: a reported value needs its source",
        ),
        (
            "parameters.yaml",
            "  source: alpha2020",
            "  source: alfa2020",
            "source: unknown source 'alfa2020'. Did you mean",
        ),
        ("parameters.yaml", "  derivation: 52 of 145\n", "", "a calibrated value needs its derivation"),
        ("parameters.yaml", "reason: nobody knows,", "", "an assumed value needs its reason"),
        ("parameters.yaml", "reason: nobody knows", "reason: ' '", "surgery.effect.reason: given ' '; accepted: text"),
        (
            "parameters.yaml",
            "shape, reason: near one, distribution: {family: fixed}",
            "shape, reason: near one",
            "weibull.shape.value: needs a distribution, as every assumed value that no strategy decides",
        ),
        (
            "parameters.yaml",
            "family: beta",
            "family: normal",
            "family: given 'normal'. Did you mean 'logit-normal'? Accepted: fixed, beta, logit-normal, uniform",
        ),
        ("parameters.yaml", "low: 0.38", "low: 0.5", "distribution: the value 0.46 must lie between low and high"),
        ("parameters.yaml", "high: 54%", "high: 40%", "distribution: the value 0.46 must lie between low and high"),
        ("parameters.yaml", "high: 28 days", "high: 3 days", "washout.duration.distribution: low must lie below high"),
        ("parameters.yaml", "high: 28 days", "high: never", "low and high must be finite"),
        ("parameters.yaml", "low: 0.38, high: 54%", "low: 0, high: 54%", "of beta must lie strictly between 0 and 1"),
        ("parameters.yaml", "low: 7 days", "low: 0 days", "low and high of log-normal must lie above 0"),
        ("parameters.yaml", "low: 7 days", "low: 7", "distribution.low: given 7 without a unit"),
        ("parameters.yaml", "low: 7 days, ", "", "low and high missing"),
        ("parameters.yaml", "family: fixed", "family: fixed, low: 1", "a fixed value has neither low nor high"),
        (
            "parameters.yaml",
            "[1 week, 2 years]",
            "[1 week]",
            "watching.interval.bounds: given a list; accepted: [low, high]",
        ),
        ("parameters.yaml", "[1 week, 2 years]", "[2 years, 1 week]", "the lower bound must lie below the upper one"),
        ("parameters.yaml", "[1 week, 2 years]", "[10 weeks, 2 years]", "out of bounds; accepted: 10 weeks to 2 years"),
        ("parameters.yaml", "support: source", "support: hearsay", "given 'hearsay'. Accepted: source, seen, memory"),
        (
            "parameters.yaml",
            "decision: true, bounds",
            "decision: 1, bounds",
            "decision: given 1; accepted: true or false",
        ),
        (
            "parameters.yaml",
            "where: Table 2",
            "were: Table 2",
            "unknown key 'were'. Did you mean 'where'? Accepted: value",
        ),
        ("parameters.yaml", "where: Table 2", "where: 2", "where: given 2; accepted: text (put it in quotes"),
        ("parameters.yaml", "weibull.shape:", "weibull shape:", "a name must be text without blanks and '='"),
        ("parameters.yaml", "weibull.shape:", "regimen:", "'regimen' cannot be the name of a parameter"),
        ("parameters.yaml", "unit: positive number, ", "", "40: weibull.shape: unit missing"),
        ("parameters.yaml", "value: 0.46", "value:", "given null (nothing)"),
        ("regimens.yaml", "kind: assumed, reason: borrowed,", "kind: assumed,", "an assumed value needs its reason"),
        ("regimens.yaml", "value: 0.6", "value: 1.6", "haic.parameters.response.probability.value: given 1.6"),
        (
            "regimens.yaml",
            "conversion.probability:",
            "conversion.probabilty:",
            "Did you mean 'conversion.probability'?",
        ),
        ("regimens.yaml", "value: 0.25, kind", "value: 0.25, unit: probability, kind", "unknown key 'unit'"),
        ("regimens.yaml", "title: Lenvatinib alone", "title: [a]", "lenvatinib.title: given a list; accepted: text"),
        (
            "regimens.yaml",
            "[alpha2020, beta2021]",
            "[alpha2020, 5]",
            "lenvatinib.source: given a list; accepted: text or a",
        ),
        ("populations.yaml", "value: 60", "value: 60 months", "age.mean.value: given '60 months'; write '60 years'"),
        ("populations.yaml", "  parameters:", "  parameters: 5\n  other:", "parameters: given 5; accepted: a mapping"),
        ("sources.yaml", "  doi: 10.0000/alpha", "  dio: 10.0000/alpha", "unknown key 'dio'. Did you mean 'doi'?"),
        ("sources.yaml", "  citation: Beta et al. Another one. J Invented 2021\n", "", "beta2021: citation missing"),
        ("sources.yaml", "alpha2020:", "alpha2020: 5\nother:", "alpha2020: given 5; accepted: a mapping"),
    ],
)
def test_mistakes(folder: Path, file: str, old: str, new: str, expected: str):
    spoil(folder, file, old, new)
    found = problems(folder)
    assert any(expected in problem for problem in found), found
    assert all(re.match(rf"{file}:\d+: ", problem) for problem in found), found


def test_all_files_at_once(folder: Path):
    spoil(folder, "parameters.yaml", "value: 0.46", "value: 46")
    spoil(folder, "regimens.yaml", "value: 0.6", "value: 1.6")
    spoil(folder, "populations.yaml", "value: 0.5", "value: .nan")
    assert [problem.split(":")[0] for problem in problems(folder)] == [
        "parameters.yaml",
        "populations.yaml",
        "regimens.yaml",
    ]


def test_a_spoilt_parameter_is_not_called_unknown_where_it_is_used(folder: Path):
    spoil(folder, "parameters.yaml", "value: 0.46\n  unit: probability", "value: 0.46\n  unit: chance")
    assert len(problems(folder)) == 1


def test_missing_and_unreadable_files(folder: Path):
    (folder / "sources.yaml").unlink()
    (folder / "regimens.yaml").write_text("a: [")
    missing, broken = problems(folder)
    assert missing == "sources.yaml: does not exist; check the name and the folder"
    assert broken.startswith(("regimens.yaml:1: is not YAML", "regimens.yaml:2: is not YAML"))


def test_hash_follows_every_file(folder: Path, calibration: Calibration):
    hashes = {calibration.sha256}
    assert load_calibration(folder).sha256 in hashes
    for number, path in enumerate(sorted(folder.glob("*.yaml")), 2):
        path.write_text(path.read_text() + "\n# a comment\n")
        hashes.add(load_calibration(folder).sha256)
        assert len(hashes) == number


def test_folder_in_use(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    installed = tmp_path / "lib" / "python" / "hcc_sim"
    monkeypatch.setattr(parameters, "__file__", str(installed / "parameters.py"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(MachineError):
        data_folder("calibration")
    packaged = Path(shutil.copytree(SMALL, installed / "_data" / "calibration"))
    assert data_folder("calibration") == packaged
    (tmp_path / "elsewhere" / "calibration").mkdir()
    assert data_folder("calibration") == packaged, "a folder without sources.yaml is somebody else's"
    monkeypatch.chdir(tmp_path)
    assert data_folder("calibration") == Path("calibration")
    assert load_calibration().folder == Path("calibration")
    assert load_calibration(SMALL).folder == SMALL


def test_source_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parameters, "__file__", str(tmp_path / "src" / "hcc_sim" / "parameters.py"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "x.yaml").write_text("title: x\n")
    assert data_folder("scenarios") == tmp_path / "scenarios"


def test_every_unit_has_its_families():
    assert all("fixed" in families(unit) for unit in (*UNITS, "USD 2021"))


def test_problems_print_as_people_read_them():
    problem = Problem("scenarios/mine.yaml", 14, "strategies.conservative", "message")
    assert str(problem) == "scenarios/mine.yaml:14: strategies.conservative: message"
    assert str(InputError([problem, Problem("--set", None, "x", "wrong")])) == f"{problem}\n--set: x: wrong"
    assert str(InputError("message")) == "message"
    assert (InputError.exit_code, MachineError.exit_code) == (2, 1)
    assert nearest("watchng", ["watching", "other"]) == "Did you mean 'watching'?"
    assert nearest("zzz", ["watching"]) == ""
