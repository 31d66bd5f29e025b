"""Runs that go on until a contrast is as precise as asked for."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_compare import CALIBRATION, HEADLINE, SETTLED

from hcc_sim.analyses import precision as precision_module
from hcc_sim.analyses.compare import compare
from hcc_sim.analyses.precision import Precision, run_until
from hcc_sim.analyses.strategies import Run, simulate_strategies
from hcc_sim.cli import main
from hcc_sim.errors import InputError
from hcc_sim.outcomes import contrasts, estimates_of, summary
from hcc_sim.scenario import Scenario, load_scenario

TWO = "{at once: {surgery.delay: 0 days}, never: {surgery.delay: never}}"
MOST = 200_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "two.yaml"
    lines = ("title: T", "regimen: haic_lenvatinib_pd1", f"strategies: {TWO}", f"parameters: {SETTLED}")
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def scenario(path: Path) -> Scenario:
    return load_scenario(path, calibration=CALIBRATION, patients=MOST)


@pytest.fixture
def small_pilot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision_module, "PILOT", 2_000)


@pytest.mark.usefixtures("small_pilot")
def test_a_run_ends_when_every_contrast_is_precise_enough(scenario: Scenario):
    run = Run(scenario)
    reached = run_until(run, Precision(HEADLINE, 0.5), MOST)
    assert reached.enough
    assert 2_000 < reached.patients == run.patients < MOST
    table = contrasts(run.tallies)
    (error,) = table[(table["population"] == "converted") & (table["outcome"] == HEADLINE)]["mc_se"]
    assert error == reached.error <= 0.5
    assert error > 0.4, "not many more patients than were needed"


@pytest.mark.usefixtures("small_pilot")
def test_it_has_the_bits_of_a_run_of_so_many(scenario: Scenario):
    run = Run(scenario, chunk=1_000)
    reached = run_until(run, Precision(HEADLINE, 0.6), MOST)
    at_once = simulate_strategies(replace(scenario, size=reached.patients))
    assert summary(run.tallies).equals(summary(at_once))


@pytest.mark.usefixtures("small_pilot")
def test_a_run_ends_where_it_may_not_go_on(scenario: Scenario):
    reached = run_until(Run(scenario), Precision(HEADLINE, 1e-6), 3_000)
    assert not reached.enough
    assert reached.patients == 3_000
    assert "1e-06 was asked for and not reached with the patients allowed" in reached.sentence()


def test_a_run_does_not_go_back(scenario: Scenario):
    run = Run(scenario)
    run.up_to(2_000)
    with pytest.raises(ValueError, match="a run of 2,000 patients cannot go back to 1,000"):
        run.up_to(1_000)


@pytest.mark.usefixtures("small_pilot")
def test_of_one_strategy_the_outcome_itself_is_precise(scenario: Scenario):
    alone = replace(scenario, strategies=scenario.strategies[:1])
    run = Run(alone)
    reached = run_until(run, Precision("OS: at 60 months", 0.012), MOST)
    ((estimates),) = estimates_of(run.tallies).values()
    (own,) = (one for one in estimates if (one.population, one.outcome) == (reached.population, "OS: at 60 months"))
    assert own.mc_se == reached.error <= 0.012


def test_an_error_that_few_cannot_tell_is_told_by_more(scenario: Scenario, monkeypatch: pytest.MonkeyPatch):
    """With 300 patients some group has nobody who converts."""
    monkeypatch.setattr(precision_module, "PILOT", 300)
    with pytest.raises(InputError, match="cannot be told"):
        run_until(Run(scenario), Precision(HEADLINE, 0.5), 300)


@pytest.mark.usefixtures("small_pilot")
def test_what_happened_to_none_of_a_few_is_not_precise(scenario: Scenario, monkeypatch: pytest.MonkeyPatch):
    """Nobody leaves the strategies apart by what never happens: more are asked before that is believed."""
    monkeypatch.setattr(precision_module, "ENOUGH_TO_TELL", 15_000)
    same = replace(scenario, strategies=(scenario.strategies[0], replace(scenario.strategies[0], name="twin")))
    reached = run_until(Run(same), Precision(HEADLINE, 1e-9), MOST)
    assert reached.error == 0.0
    assert reached.patients == 20_000


def test_more_patients_are_taken_than_a_share_of_them_needs(scenario: Scenario, monkeypatch: pytest.MonkeyPatch):
    """Never more than so many times as many at once: the error of few patients is itself uncertain."""
    monkeypatch.setattr(precision_module, "PILOT", 1_000)  # of whom some group has nobody who converts
    sizes = []
    up_to = Run.up_to
    monkeypatch.setattr(Run, "up_to", lambda run, size: (sizes.append(size), up_to(run, size))[1])
    run_until(Run(scenario), Precision(HEADLINE, 0.3), MOST)
    assert all(b <= 10 * a for a, b in itertools.pairwise(sizes))
    assert all(size % 1_000 == 0 for size in sizes)
    assert sizes == sorted(set(sizes))


@pytest.mark.usefixtures("small_pilot")
def test_what_is_not_told_cannot_be_precise(scenario: Scenario):
    with pytest.raises(
        InputError, match=r"no outcome 'OS: at 61 months' of converted\. Did you mean 'OS: at 60 months'\?"
    ):
        run_until(Run(scenario), Precision("OS: at 61 months", 0.1), MOST)
    nobody = replace(scenario, size=50)
    with pytest.raises(InputError, match="the error of 'OS: median' cannot be told"):
        run_until(Run(nobody), Precision("OS: median", 0.1), 50)


def test_a_comparison_says_how_many_patients_it_took(scenario: Scenario):
    found = compare(scenario, precision=Precision(HEADLINE, 0.5))
    assert found.reached is not None
    assert found.scenario.size == found.reached.patients
    assert found.notes()[0] == found.reached.sentence()
    assert compare(replace(scenario, size=1_000)).reached is None


def test_on_the_command_line(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "results"
    wanted = ["run", str(path), "--precision", f"{HEADLINE}:0.5", "--no-plots", "--out", str(out)]
    assert main(wanted) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["patients"] % 1_000 == 0
    assert f"{manifest['patients']:,} patients: standard error" in manifest["notes"][0]
    assert "as asked for (0.5 at most)" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize("text", ["", "0.1", "OS: median", "OS: median:", "OS: median:-1", "OS: median:nan", ":0.1"])
def test_a_precision_that_says_nothing(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str):
    assert main(["run", str(path), "--precision", text, "--out", str(tmp_path / "out")]) == 2
    assert "--precision: given" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
