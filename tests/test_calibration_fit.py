"""Finding the most probable point and drawing around it: closed forms, figures without error, files, refusals."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from hcc_sim.calibration.fit import Fit, fit, model_of, sizes_of
from hcc_sim.calibration.fitted import DRAWS, FILES, read_fit, write_fit
from hcc_sim.calibration.left_out import log_score
from hcc_sim.calibration.model import Model
from hcc_sim.calibration.posterior import draw_posterior
from hcc_sim.calibration.reproduce import Row, predict_draws, table
from hcc_sim.calibration.sampling import Reading
from hcc_sim.calibration.shapes import shapes_of
from hcc_sim.calibration.solve import Search
from hcc_sim.calibration.statistics import Predicted
from hcc_sim.calibration.three_ways import three_ways
from hcc_sim.cli import main
from hcc_sim.errors import InputError
from hcc_sim.figures import Evidence
from hcc_sim.fit_in_use import SUMMARY
from hcc_sim.parameters import Calibration, load_calibration
from hcc_sim.quantiles import CENTRAL

CALIBRATION = Path(__file__).parents[1] / "calibration"
STUDIES = ("launch", "reflect")


@pytest.fixture(scope="module")
def small(known: Calibration, evidence: Evidence) -> Fit:
    return fit(known, evidence, ("launch",), draws=6, patients=400, seed=3)


# --- a model of which everything is known -----------------------------------------------------------------------------


class Straight:
    """Predictions A z + b + c z^2 of the targets of a real model."""

    def __init__(self, targets, matrix, start, bend=0.0):
        self.targets, self.matrix, self.start, self.bend = targets, matrix, start, bend
        self.unknowns = [type("U", (), {"owner": "", "name": str(i)})() for i in range(matrix.shape[1])]

    def predict(self, z):
        working = self.matrix @ z + self.start + self.bend * (self.matrix @ z) ** 2
        return [Predicted(float(x), float(x)) for x in working]

    def predict_all(self, points):
        return [self.predict(z) for z in points]

    def with_fewer(self):
        return self

    def with_luck(self, kind):
        return self

    def slopes(self, z, active=None):
        return self.matrix * (1.0 + 2.0 * self.bend * (self.matrix @ z))[:, None]


def straight(known: Calibration, evidence: Evidence, bend: float = 0.0) -> tuple[Straight, Search]:
    targets = [t for t in model_of(known, evidence, ("launch",), patients=100, seed=1)[0].targets if t.fitted]
    numbers = np.random.Generator(np.random.PCG64(5))
    errors = np.array([target.reading.error for target in targets])
    matrix = numbers.normal(0, 0.3, (len(targets), 4)) * errors[:, None]
    start = np.array([target.reading.value for target in targets]) + numbers.normal(0, 1.0, len(targets)) * errors
    model = Straight(targets, matrix, start, bend)
    return model, Search(model, sizes_of(evidence))


def closed_form(model: Straight, search: Search) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of the posterior of a straight model."""
    slope = search.whiten(model.matrix)
    covariance = np.linalg.inv(np.eye(4) + slope.T @ slope)
    return covariance @ slope.T @ search.whiten(search.observed - model.start), covariance


def test_the_most_probable_point_of_a_straight_model(known: Calibration, evidence: Evidence):
    model, search = straight(known, evidence)
    mean, _ = closed_form(model, search)
    assert search.run(np.zeros(4)).z == pytest.approx(mean, abs=0.03)  # the search ends with gains below 0.05


def test_draws_of_a_straight_model_are_exact(known: Calibration, evidence: Evidence):
    model, search = straight(known, evidence)
    mean, covariance = closed_form(model, search)
    told = np.ones(4, dtype=bool)
    posterior = draw_posterior(search, search.at(mean), told, 4000, seed=11)
    band = 4.0 * np.sqrt(np.diag(covariance) / 4000)
    assert band.max() < 0.06
    assert (np.abs(posterior.draws.mean(axis=0) - mean) < band).all()
    found = np.cov(posterior.draws.T)
    sd = np.sqrt(np.diag(covariance))
    assert posterior.draws.mean(axis=0) == pytest.approx(mean, abs=1e-9)  # pairs with opposite noise
    assert np.abs(found / np.outer(sd, sd) - covariance / np.outer(sd, sd)).max() < 4.0 * math.sqrt(2.0 / 2000)
    assert posterior.effective == pytest.approx(4000, rel=1e-6)
    assert posterior.off.max() < 1e-10
    assert posterior.covariance == pytest.approx(covariance, rel=1e-8)
    slope = search.whiten(model.matrix)
    hat = slope @ np.linalg.inv(np.eye(4) + slope.T @ slope) @ slope.T
    assert posterior.effective_parameters == pytest.approx(np.trace(hat))
    wrong = np.eye(4)  # the prior's covariance, as if nothing had been seen
    assert np.abs(found - wrong).max() > 0.2


def test_what_all_trials_share_has_exactly_its_spread_where_pairs_are_many(known: Calibration, evidence: Evidence):
    model, search = straight(known, evidence)
    mean, covariance = closed_form(model, search)
    here, told = search.at(mean), np.ones(4, dtype=bool)
    some = draw_posterior(search, here, told, 16, seed=3).draws - mean
    assert some.T @ some / 16 == pytest.approx(covariance, abs=1e-9)
    few = draw_posterior(search, here, told, 14, seed=3).draws - mean
    assert np.abs(few.T @ few / 14 - covariance).max() > 0.05
    one_untold = np.array([True, True, True, False])
    without = draw_posterior(search, here, one_untold, 16, seed=3).draws - mean
    assert np.diag(without.T @ without / 16)[:3] == pytest.approx(np.diag(covariance)[:3], abs=1e-9)
    model.unknowns[0].owner = "launch"
    of_a_study = draw_posterior(search, here, told, 16, seed=3).draws - mean
    exact = np.diag(of_a_study.T @ of_a_study / 16)
    assert exact[1:] == pytest.approx(np.diag(covariance)[1:], abs=1e-9)
    assert abs(exact[0] - covariance[0, 0]) > 1e-3


def test_draws_of_a_bent_model_lie_at_their_roots_and_weights_tell(known: Calibration, evidence: Evidence):
    _, search = straight(known, evidence, bend=0.3)
    best = search.run(np.zeros(4))
    posterior = draw_posterior(search, best, np.ones(4, dtype=bool), 400, seed=11)
    assert np.quantile(posterior.off, 0.9) < 0.1
    assert 1.0 <= posterior.effective < 399.0


def test_a_target_that_nobody_tells_of_says_nothing(known: Calibration, evidence: Evidence):
    model, search = straight(known, evidence)
    before = search.residuals(np.zeros(4), model.start)
    silent = model.start.copy()
    silent[-1] = math.nan
    after = search.residuals(np.zeros(4), silent)
    assert np.isfinite(after).all()
    assert after[-1] != before[-1]


# --- figures without sampling error -----------------------------------------------------------------------------------


class SameLuck(Search):
    """For figures that were printed with the very luck of the fit."""

    def count_luck(self, z):
        pass


def test_figures_without_error_are_met(known: Calibration, evidence: Evidence):
    """What a known truth shows, reported to a hundredth of the usual error: medians within 0.5%, shares 0.3 points."""
    model, _ = model_of(known, evidence, ("launch",), patients=2000, seed=9)
    numbers = np.random.Generator(np.random.PCG64(2))
    truth = numbers.normal(0.0, 0.5, len(model.unknowns))
    told = model.predict(truth)
    targets = [
        replace(target, reading=Reading(p.working, 0.003, target.reading.scale, "interval"))
        for target, p in zip(model.targets, told, strict=True)
        if target.figure.measure in ("median", "proportion")
    ]
    exact = replace(model, targets=targets)
    search = SameLuck(exact, {})
    found = search.run(np.zeros(len(exact.unknowns)), rounds=4)
    for target, p in zip(targets, found.predicted, strict=True):
        off = p.working - target.reading.value
        if target.figure.measure == "median":
            assert abs(math.expm1(off)) < 0.005, target.figure.id
        else:
            share = 1.0 / (1.0 + math.exp(-p.working)) - 1.0 / (1.0 + math.exp(-target.reading.value))
            assert abs(share) < 0.003, target.figure.id


# --- the model --------------------------------------------------------------------------------------------------------


def test_arms_of_one_regimen_share_part_of_what_is_theirs(known: Calibration, evidence: Evidence):
    model, _ = model_of(known, evidence, STUDIES, patients=100, seed=1)
    z = np.zeros(len(model.unknowns))
    shared = next(i for i, u in enumerate(model.unknowns) if u.name == "lenvatinib: response.probability")
    z[shared] = 1.0
    moved = {
        arm: model.values(z, arm)["response.probability"] != model.values(0 * z, arm)["response.probability"]
        for arm in model.arms
    }
    assert moved == {
        "launch/tace+lenvatinib": False,
        "launch/lenvatinib": True,
        "reflect/lenvatinib": True,
        "reflect/sorafenib": False,
    }


def test_every_quantity_has_a_standard_normal_prior(known: Calibration, evidence: Evidence):
    model, _ = model_of(known, evidence, STUDIES, patients=100, seed=1)
    regimens = {arm.partition("/")[2] for arm in model.arms}
    for quantity in model.quantities:
        arms = [arm for arm in model.arms if arm.partition("/")[2] == quantity.owner]
        spread = math.sqrt(0.7 + 0.3 / len(arms)) if quantity.owner in regimens else 1.0  # a regimen's is a mean
        assert quantity.spread == pytest.approx(spread)
    assert sorted(p for q in model.quantities for p in set(q.places))[0] == 0
    assert {p for q in model.quantities for p in q.places} == set(range(len(model.unknowns)))


def test_study_effects_change_their_study_alone(known: Calibration, evidence: Evidence):
    model, _ = model_of(known, evidence, STUDIES, patients=100, seed=1)
    z = np.zeros(len(model.unknowns))
    z[next(i for i, u in enumerate(model.unknowns) if u.name == "launch: study.death_factor")] = CENTRAL
    name = "death.median_after_progression"
    assert model.values(z, "launch/lenvatinib")[name] == pytest.approx(
        2.5 * model.values(0 * z, "launch/lenvatinib")[name]
    )
    assert model.values(z, "reflect/lenvatinib")[name] == model.values(0 * z, "reflect/lenvatinib")[name]


def test_slopes_are_those_of_the_predictions(known: Calibration, evidence: Evidence):
    model, _ = model_of(known, evidence, ("launch",), patients=3000, seed=1)
    place = next(i for i, u in enumerate(model.unknowns) if u.name == "launch/lenvatinib: response.probability")
    active = np.zeros(len(model.unknowns), dtype=bool)
    active[place] = True
    z = np.zeros(len(model.unknowns))
    slope = model.slopes(z, active)[:, place]
    up, down = z.copy(), z.copy()
    up[place], down[place] = 0.2, -0.2
    by_hand = [(a.working - b.working) / 0.4 for a, b in zip(model.predict(up), model.predict(down), strict=True)]
    assert slope == pytest.approx(by_hand)
    share = next(i for i, t in enumerate(model.targets) if t.figure.id == "launch.orr.proportion.lenvatinib.mrecist")
    assert slope[share] > 0.3
    assert not model.slopes(z, active)[:, :place].any()


# --- files ------------------------------------------------------------------------------------------------------------


def copy_of_calibration(folder: Path) -> Calibration:
    shutil.copytree(CALIBRATION, folder / "calibration", ignore=shutil.ignore_patterns("fitted"))
    return load_calibration(folder / "calibration")


def test_a_fit_is_read_as_it_was_written(small: Fit, known: Calibration, tmp_path: Path):
    write_fit(tmp_path, small, known, seed=3, patients=400)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    back = read_fit(tmp_path, known)
    assert back.z == pytest.approx(small.posterior.draws, abs=0)
    assert (back.seed, back.patients, back.studies) == (3, 400, ["launch"])
    assert [entry["value"] for entry in back.summary["ledger"]] == [entry.value for entry in small.ledger]
    name = "launch/lenvatinib: response.probability"
    quantity = next(q for q in small.quantities if q.name == name)
    assert back.draws[name] == pytest.approx([quantity.value(z) for z in small.posterior.draws], abs=0)


def test_a_fit_that_is_stale_torn_or_not_there_is_refused(small: Fit, tmp_path: Path):
    mine = copy_of_calibration(tmp_path)
    place = tmp_path / "fit"
    with pytest.raises(InputError, match=r"holds no fit .*hcc-sim calibrate"):
        read_fit(place, mine)
    write_fit(place, small, mine, seed=3, patients=400)
    read_fit(place, mine)
    for file, old, new in (
        ("figures/launch.yaml", "value: 17.8\n", "value: 17.9\n"),
        ("priors.yaml", "low: 6 weeks", "low: 5 weeks"),
        ("parameters.yaml", "value: 0.85\n", "value: 0.86\n"),
    ):
        path = mine.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(InputError, match="is stale"):
            read_fit(place, load_calibration(mine.folder))
        path.write_text(text, encoding="utf-8")
    read_fit(place, load_calibration(mine.folder))
    whole = (place / DRAWS).read_bytes()
    (place / DRAWS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        read_fit(place, mine)
    (place / DRAWS).write_bytes(whole)
    summary = json.loads((place / SUMMARY).read_text(encoding="utf-8"))
    (place / SUMMARY).write_text(json.dumps(summary | {"hash": "0"}), encoding="utf-8")
    with pytest.raises(InputError, match="different fits"):
        read_fit(place, mine)
    (place / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")
    other = replace(small, posterior=replace(small.posterior, draws=small.posterior.draws + 0.5))
    write_fit(tmp_path / "other", other, mine, seed=3, patients=400)
    shutil.copy(tmp_path / "other" / DRAWS, place)  # as if killed between two files
    with pytest.raises(InputError, match="different fits"):
        read_fit(place, mine)


def test_the_same_seed_gives_the_same_draws(small: Fit, known: Calibration, evidence: Evidence):
    again = fit(known, evidence, ("launch",), draws=6, patients=400, seed=3)
    assert np.array_equal(again.posterior.draws, small.posterior.draws)


# --- reported against simulated ---------------------------------------------------------------------------------------


def test_rows_tell_distance_and_whether_inside(small: Fit, known: Calibration, evidence: Evidence):
    model, _ = model_of(known, evidence, ("launch",), patients=400, seed=3)
    rows = {
        row.measure + row.arm + row.endpoint: row
        for row in table(model.targets, predict_draws(model, small.posterior.draws))
    }
    assert len(rows) > 8
    median = rows["mediantace+lenvatiniboverall survival"]
    assert (median.reported, median.interval_low, median.interval_high, median.interval_level) == (17.8, 16.1, 19.5, 95)
    assert median.inside == (16.1 <= median.simulated <= 19.5)
    error = next(t.reading.error for t in model.targets if t.figure.id.startswith("launch.os.median.tace"))
    assert error > math.log(19.5 / 16.1) / 3.92  # the interval claims more than 170 patients tell
    assert median.z == pytest.approx(math.log(median.simulated / 17.8) / error, abs=0.02)
    share = rows["proportiontace+lenvatinibresection"]
    assert share.interval_low is None
    assert share.inside == (abs(share.z) <= 1.96)
    count = rows["counttace+lenvatinib, operatedcomplete pathological response"]
    assert 0 < count.simulated < 26
    assert all(row.role == "fitted" and math.isfinite(row.z) and row.mc_se >= 0 for row in rows.values())


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit") / "of launch"
    assert main(["calibrate", "launch", "--draws", "4", "--patients", "300", "--seed", "0", "--out", str(folder)]) == 0
    return folder


def test_reproduce_has_exactly_these_columns(place: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert main(["reproduce", "--fitted", str(place), "--format", "csv", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0]) == list(Row._fields) == [
        "study", "endpoint", "measure", "arm", "reported", "interval_low", "interval_high", "interval_level",
        "simulated", "mc_se", "z", "inside", "role", "status", "flag",
    ]  # fmt: skip
    assert {row["inside"] for row in rows} <= {"true", "false", ""}
    assert (tmp_path / "pictures/reproduce.csv").read_text(encoding="utf-8") == out
    assert (tmp_path / "pictures/reproduce.png").stat().st_size > 10_000
    text = (tmp_path / "calibration.md").read_text(encoding="utf-8")
    for part in ("## How well it fits", "### launch", "## Hazard ratios three ways", "## What was learned", "left out"):
        assert part in text
    assert main(["reproduce", "--fitted", str(place), "--out", str(tmp_path)]) == 2
    assert "--force replaces them" in capsys.readouterr().err
    assert main(["reproduce", "--fitted", str(place), "--out", str(tmp_path), "--force"]) == 0
    for study, hint in (("lanch", "Did you mean 'launch'?"), ("fohaic1", "It is of launch")):
        assert main(["reproduce", "--fitted", str(place), "--study", study]) == 2
        assert hint in capsys.readouterr().err
    assert main(["reproduce", "--fitted", str(place), "--study", "launch"]) == 0
    assert "hazard ratios inside their intervals" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["calibrate", "lanch", "--out", "x"], "Did you mean 'launch'?"),
        (["calibrate", "huang_2021", "--out", "x"], "no figure of it can be fitted: huang_2021.schedule"),
        (["calibrate", "launch"], "--out: needed when studies are named"),
        (["calibrate", "launch", "--draws", "1", "--patients", "5", "--out", "x"], "--patients: given 5"),
        (["reproduce", "--fitted", "nowhere"], "holds no fit"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_and_nothing_is_written(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_model_needs_no_more_than_its_targets(known: Calibration, evidence: Evidence):
    model, left = model_of(known, evidence, patients=100, seed=1)
    assert isinstance(model, Model)
    assert len(model.targets) > 200
    assert all(one.why for one in left)


# --- without the study ------------------------------------------------------------------------------------------------


def test_a_ratio_is_predicted_without_its_study(small: Fit):
    """One study alone: what is left are the priors, which know no effect and say so with a wide interval."""
    assert {one.figure for one in small.without_study} == {"launch.os.hazard_ratio", "launch.pfs.hazard_ratio"}
    for one in small.without_study:
        assert abs(one.mean) < 4.0 * one.sd / math.sqrt(40)
        assert one.sd > 3.0 * one.error
        assert one.score == pytest.approx(log_score(one.observed, one.mean, one.sd))


def test_log_scores_are_normal_densities():
    assert log_score(0.3, 0.1, 0.4) == pytest.approx(stats.norm.logpdf(0.3, 0.1, 0.4))


ENDS = {"launch.pfs.hazard_ratio": (0.4, 0.5)}


def test_hazard_ratios_three_ways(known: Calibration, evidence: Evidence, small: Fit):
    rows = {row.figure: row for row in three_ways(evidence, small.without_study, ENDS)}
    launch = rows["launch.pfs.hazard_ratio"]
    typical = shapes_of(evidence, "progression-free survival").typical.mean
    assert launch.one_shape == pytest.approx((6.4 / 10.6) ** typical)
    assert launch.one_shape_inside is False
    assert launch.without_study is not None
    assert (launch.short_follow_up, launch.short_follow_up_inside) == (0.4, True)
    assert (launch.long_follow_up, launch.long_follow_up_inside) == (0.5, True)
    assert rows["stah.os.hazard_ratio"].without_study is None
    inside = [row.one_shape_inside for row in rows.values() if row.one_shape_inside is not None]
    assert (sum(inside), len(inside)) == (35, 39)


def test_three_ways_on_the_command_line(place: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["reproduce", "--fitted", str(place), "--hazard-ratios"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "One shape per endpoint: 35 of 39 predictions inside" in out
    assert "Without their studies: " in out
    assert main(["reproduce", "--fitted", str(place), "--hazard-ratios", "--study", "launch", "--format", "csv"]) == 0
    assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == 2
