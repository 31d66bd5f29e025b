"""The mechanism of studies: what is uncertain, worlds, joint draws, runs of draws against runs of scenarios."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from study_tables import timing_scenario

from hcc_sim.analyses import questions
from hcc_sim.analyses.strategies import Run
from hcc_sim.analyses.study.design import Joint, covariance_of, joint_draws, listed
from hcc_sim.analyses.study.measured import COST, QALY, error_of, measures_of
from hcc_sim.analyses.study.runs import Rows, Runner, Task
from hcc_sim.analyses.study.study import Study
from hcc_sim.analyses.study.uncertain import (
    CALIBRATION,
    FAMILY,
    PRICES,
    REGIMENS,
    SOURCES,
    STRUCTURE,
    chosen,
    effects_of_aggressiveness,
    uncertain_in,
)
from hcc_sim.analyses.study.worlds import Worlds
from hcc_sim.analyses.valuation import valuation_of
from hcc_sim.errors import InputError, MachineError
from hcc_sim.luck import luck
from hcc_sim.outcomes import restricted_mean
from hcc_sim.quantiles import value_of
from hcc_sim.scenario import load_scenario

PATIENTS = 2_000


@pytest.fixture(scope="module")
def scenario():
    whole = timing_scenario()
    return replace(whole, strategies=(whole.strategies[0], whole.strategies[3]))


@pytest.fixture(scope="module")
def worlds(scenario):
    return Worlds(scenario)


@pytest.mark.parametrize("name", ["surgical-timing", "regimen-first", "adjuvant-choice", "dominating-assumptions"])
def test_the_world_in_which_nothing_is_turned_is_the_base_case(name):
    scenario = load_scenario(f"scenarios/{name}.yaml")
    worlds = Worlds(scenario)
    own = [strategy.parameters.values_only() for strategy in scenario.strategies]
    assert list(worlds.world({}).values) == own
    at_mean = worlds.world({}, {name: one.z for name, one in scenario.fit.quantities.items()})
    for values, expected in zip(at_mean.values, own, strict=True):
        assert values == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    "turned", [{"surgery.effect": 1.4}, {"regrowth.median": 50.0, "conversion.occult_share": 0.6}, {"ct.price": 90.0}]
)
@pytest.mark.parametrize("name", ["surgical-timing", "dominating-assumptions"])
def test_what_is_turned_moves_what_was_fitted_as_a_run_would(name, turned):
    scenario = load_scenario(f"scenarios/{name}.yaml")
    held = {n: v for n, v in turned.items() if n in uncertain_in(scenario)}
    for values, strategy in zip(Worlds(scenario).world(held).values, scenario.strategies, strict=True):
        assert values == pytest.approx(strategy.layers.parameters(held).values_only(), rel=1e-12)


def test_a_draw_is_taken_given_what_is_held():
    """z_q + C_qb / C_bb (value_b - z_b), worked out here from the covariances of the fit."""
    free = load_scenario("scenarios/surgical-timing.yaml")
    scenario = load_scenario("scenarios/surgical-timing.yaml", overrides={"surgery.effect": "1.5"})
    fit = scenario.fit
    z = {name: one.z + 0.3 * math.sin(k) for k, (name, one) in enumerate(fit.quantities.items())}
    values = Worlds(scenario).world({}, z).values[0]
    belief = fit.quantities["surgery.effect"]
    off = belief.score(1.5) - z["surgery.effect"]
    assert values["surgery.effect"] == 1.5
    for name in ("regrowth.median", "conversion.occult_share", "progression.shape"):
        slope = fit.covariance["surgery.effect"].get(name, 0.0) / fit.covariance["surgery.effect"]["surgery.effect"]
        assert values[name] == pytest.approx(fit.quantities[name].at(z[name] + slope * off), rel=1e-9)
    assert Worlds(free).world({}, z).values[0]["regrowth.median"] == pytest.approx(
        fit.quantities["regrowth.median"].at(z["regrowth.median"]), rel=1e-12
    )


def test_every_scenario_can_be_drawn():
    """All quantities that a world needs are in the design, whoever sets them: fit, regimen, preset, file."""
    for file in sorted(Path("scenarios").glob("*.yaml")):
        scenario = load_scenario(file)
        worlds = Worlds(scenario)
        design = joint_draws(scenario, worlds.uncertain, 2)
        runner = Runner(Task(scenario, None, 1_000, False, design.columns, design.unknowns))
        rows = design.rows(0, 2)
        for at in range(2):
            values = runner._inputs(rows, at, runner._world(rows, at))
            assert np.isfinite(values).all(), file


def test_what_is_held_or_decided_is_not_uncertain(scenario):
    known = uncertain_in(scenario)
    assert "surgery.delay" not in known
    assert "watching.interval" not in known  # decided by one strategy, so drawn under none
    assert "surgery.effect" in known
    held = load_scenario("scenarios/surgical-timing.yaml", overrides={"surgery.effect": "1"})
    assert "surgery.effect" not in uncertain_in(held)
    assert {one.source for one in known.values()} == set(SOURCES)


def test_regimens_have_values_of_their_own():
    scenario = load_scenario("scenarios/regimen-first.yaml")
    known = uncertain_in(scenario)
    own = [one for one in known.values() if one.source == REGIMENS]
    assert len({one.name for one in own if one.parameter == "response.probability"}) > 1
    with pytest.raises(InputError, match="name one"):
        chosen(scenario, known, ["response.probability"], "--parameters")
    one = next(one for one in own if one.parameter == "response.probability")
    world = Worlds(scenario).world({one.name: 0.123})
    for strategy, values in zip(scenario.strategies, world.values, strict=True):
        assert (values["response.probability"] == 0.123) == (strategy.name in one.strategies)


def test_aggressiveness_multiplies_all_its_effects(worlds):
    base, doubled = worlds.world({}).values[0], worlds.world({"aggressiveness": 2.0}).values[0]
    effects = effects_of_aggressiveness(worlds.uncertain)
    assert len(effects) > 5
    for name in effects:
        assert doubled[name] == pytest.approx(2.0 * base[name], rel=1e-12)


def test_other_families_are_taken_above_one_half(worlds):
    assert worlds.world({f"{FAMILY}local regrowth": 0.4}).other_families == frozenset()
    assert worlds.world({f"{FAMILY}local regrowth": 0.6}).other_families == {"local regrowth"}


# --- joint draws ------------------------------------------------------------------------------------------------------


def test_joint_draws_are_rows_of_the_fit_then_like_them(scenario, worlds):
    fit = scenario.fit
    design = joint_draws(scenario, worlds.uncertain, 2_000)
    rows = design.rows(0, 2_000)
    known = fit.rows(design.unknowns, scenario.calibration)
    assert np.array_equal(rows.z[: len(known)], known)
    assert known.mean(axis=0) == pytest.approx([fit.quantities[name].z for name in design.unknowns], abs=1e-9)
    further = rows.z[len(known) :]
    # Within 4.5 and 5.5 standard errors of the rows' means and of what the fit states: of 118 means and 7,000
    # covariances none is further off.
    stated = covariance_of(fit, design.unknowns, known)
    spread = np.sqrt(np.diag(stated))
    assert np.abs((further.mean(axis=0) - known.mean(axis=0)) / spread).max() < 4.5 / math.sqrt(len(further))
    error = np.sqrt((np.outer(spread, spread) ** 2 + stated**2) / len(further))
    assert (np.abs(np.cov(further.T) - stated) / error).max() < 5.5
    independent = np.diag(np.diag(stated))  # draws that lost their correlations would be seen
    assert (np.abs(independent - stated) / error).max() > 2 * 5.5
    common = [name for name in design.unknowns if name in fit.covariance]
    assert len(common) > 100
    for one, other in (("surgery.effect", "regrowth.median"), ("conversion.occult_share", "outgrowth.median")):
        places = design.unknowns.index(one), design.unknowns.index(other)
        assert stated[places] == fit.covariance[one].get(other, 0.0)
    of_rows = np.cov(known.T, ddof=0)
    assert np.diag(stated) == pytest.approx(np.diag(of_rows), rel=0.6)
    assert np.linalg.eigvalsh(stated).min() > -1e-6


def test_all_else_is_drawn_by_its_own_luck(scenario, worlds):
    design = joint_draws(scenario, worlds.uncertain, 50)
    rows = design.rows(10, 5)
    drawn = [one for one in design.quantities if one.source not in (CALIBRATION, REGIMENS)]
    assert len(drawn) > 40
    for one in drawn:
        place = design.columns.index(one.name)
        for at in range(5):
            u = luck(scenario.seed, 10 + at, f"parameter:{one.name}", 0)
            prior = one.distribution
            expected = value_of(prior.family, prior.low, prior.high)(NormalDist().inv_cdf(u))
            assert rows.values[at, place] == pytest.approx(min(max(expected, one.bounds[0]), one.bounds[1]), rel=1e-9)


def test_draws_are_the_same_however_they_are_cut(scenario, worlds):
    few, many = (joint_draws(scenario, worlds.uncertain, draws) for draws in (30, 300))
    whole = many.rows(0, 300)
    for first, count in ((0, 30), (195, 10), (299, 1)):
        part = many.rows(first, count)
        assert np.array_equal(part.z, whole.z[first : first + count])
        assert np.array_equal(part.values, whole.values[first : first + count], equal_nan=True)
    assert np.array_equal(few.rows(0, 30).z, whole.z[:30])


def test_only_some_sources(scenario, worlds):
    design = joint_draws(scenario, worlds.uncertain, 3, sources={PRICES})
    assert {one.source for one in design.quantities} == {PRICES}
    assert design.rows(0, 3).z is None
    whole = joint_draws(scenario, worlds.uncertain, 3).rows(0, 3)
    everything = joint_draws(scenario, worlds.uncertain, 3).columns
    for name in design.columns:  # the same luck, whatever else is drawn
        assert np.array_equal(
            design.rows(0, 3).values[:, design.columns.index(name)], whole.values[:, everything.index(name)]
        )


def test_a_value_that_cannot_be_is_refused(worlds):
    (one,) = chosen(worlds.scenario, worlds.uncertain, ["conversion.occult_share"], "--parameters")
    with pytest.raises(InputError, match="out of range"):
        listed([one], [{one.name: 1.2}])


def test_a_name_that_is_not_known_is_told_with_the_nearest(worlds):
    with pytest.raises(InputError, match=r"surgery\.effect"):
        chosen(worlds.scenario, worlds.uncertain, ["surgery.efect"], "--parameters")
    with pytest.raises(InputError, match="decided by strategies"):
        chosen(worlds.scenario, worlds.uncertain, ["surgery.delay"], "--parameters")
    (dial,) = chosen(worlds.scenario, worlds.uncertain, ["opportunistic: surgery.delay"], "parameter", held=True)
    turned = worlds.world({dial.name: 3.0})
    assert [values["surgery.delay"] for values in turned.values] == [3.0, math.inf]


# --- runs -------------------------------------------------------------------------------------------------------------


def _task(scenario, columns=(), *, same=True, patients=PATIENTS, unknowns=()):
    return Task(scenario, measures_of(scenario, "converted"), patients, same, tuple(columns), tuple(unknowns))


def test_a_draw_of_the_base_case_is_a_run_of_the_scenario(scenario):
    task = _task(scenario)
    done = Runner(task).run(Rows(0, np.empty((1, 0))))
    one = replace(scenario, size=PATIENTS)
    run = Run(one, value=True)
    run.up_to(PATIENTS)
    valuation = valuation_of(one, run.quantities)
    outcomes = task.measures.outcomes
    for s, strategy in enumerate(scenario.strategies):
        told = dict(zip(outcomes, done.means[0, s, 0].tolist(), strict=True))
        valued = valuation.strategies[strategy.name]
        assert told[COST] == valued.cost().value
        assert told[QALY] == valued.qaly().value
        lived = restricted_mean(run.tallies[strategy.name], "converted", "OS", 120)
        assert told["OS: restricted mean to 120 months"] == lived.value
    one, other = (valuation.strategies[s.name].net_benefit(37_547.0) for s in scenario.strategies)
    weights = np.zeros((2, len(outcomes)))
    weights[:, outcomes.index(QALY)] = 37_547.0, -37_547.0
    weights[:, outcomes.index(COST)] = -1.0, 1.0
    assert error_of(done.covariances[0, 0], weights) == pytest.approx((one - other).mc_se, rel=1e-9)


def test_values_that_come_out_otherwise_are_not_mixed(scenario, worlds, tmp_path, monkeypatch):
    """As on a machine whose logarithms or matrices end in other bits: neither a worker nor a folder takes it."""
    design = joint_draws(scenario, worlds.uncertain, 3)
    study = Study("psa", scenario, design, measures_of(scenario, "converted"), 1_000)
    Runner(study.task)
    study.folder(tmp_path / "s").begin()
    off = design.root.copy()
    off[0, 0] += 1e-12
    other = replace(study, design=replace(design, root=off))
    with pytest.raises(InputError, match="other last bits on this machine"):
        other.folder(tmp_path / "s").begin()
    at = Worlds.world
    nudged = 1.0 + 2.0**-52

    def world(self, turned, z=None):
        found = at(self, turned, z)
        values = tuple({k: v * nudged if k == "surgery.effect" else v for k, v in one.items()} for one in found.values)
        return replace(found, values=values)

    monkeypatch.setattr(Worlds, "world", world)
    with pytest.raises(MachineError, match="other last bits"):
        Runner(study.task)


def test_a_file_of_patients_is_whole_in_every_draw(tmp_path):
    """Rows sorted by age: every draw has the same patients, and fewer than all are refused."""
    rows = "\n".join(f"{age}" for age in sorted([30 + k % 50 for k in range(1_500)]))
    (tmp_path / "patients.csv").write_text(f"age_years\n{rows}\n")
    path = tmp_path / "file.yaml"
    file = Path("scenarios/surgical-timing.yaml").resolve()
    path.write_text(f"title: file\nextends: {file}\npopulation: {{file: patients.csv}}\nwithout: [wait 42 days]\n")
    given = load_scenario(path)
    design = Joint((), given.seed, 2)
    task = Study("psa", given, design, measures_of(given, "converted"), 2_000).task
    done = Runner(task).run(design.rows(0, 2))
    again = Run(given, task.measures.definitions, value=True)
    again.up_to(2_000)
    lived = valuation_of(given, again.quantities).strategies["opportunistic"].cost().value
    assert done.means[0, 0, 0, 0] == lived
    error = math.sqrt(done.covariances[0, 0, 0, 0, 0, 0])
    assert abs(done.means[1, 0, 0, 0] - lived) < 4.0 * math.sqrt(2.0) * error
    with pytest.raises(InputError, match="2,000 or more"):
        questions.psa(given, 4, 1_000)


def test_patients_come_in_thousands(scenario):
    with pytest.raises(InputError, match="a multiple of 1,000"):
        questions.psa(scenario, 4, 1_500)


def test_draws_with_patients_of_their_own_take_them_in_turn(scenario):
    own = Runner(_task(scenario, same=False, patients=1_000)).run(Rows(0, np.empty((2, 0))))
    both = Runner(_task(scenario, patients=2_000)).run(Rows(0, np.empty((1, 0))))
    assert own.means[:, 0, 0, 0].mean() == pytest.approx(both.means[0, 0, 0, 0], rel=1e-12)
    assert own.means[0, 0, 0, 0] != own.means[1, 0, 0, 0]
    later = Runner(_task(scenario, same=False, patients=1_000)).run(Rows(1, np.empty((1, 0))))
    assert np.array_equal(later.means[0], own.means[1])


def test_what_is_remembered_changes_no_bit(scenario, worlds):
    """Prices are revalued and not simulated again; intervals are counted anew; each as if alone."""
    names = ("hepatectomy.price", "surgery.effect", "utility.after_surgery", "later_line.cycle_interval")
    quantities = chosen(scenario, worlds.uncertain, names, "--parameters")
    rows = [{}]
    for one in quantities:
        rows += [{one.name: one.distribution.low}, {one.name: one.distribution.high}, {}]
    design = listed(quantities, rows)
    task = _task(scenario, names, patients=1_000)
    together = Runner(task).run(design.rows(0, len(rows)))
    alone = [Runner(task).run(design.rows(at, 1)) for at in range(len(rows))]
    assert np.array_equal(together.means, np.concatenate([one.means for one in alone]))
    assert np.array_equal(together.inputs, np.concatenate([one.inputs for one in alone]))
    base = together.means[0]
    assert all(np.array_equal(together.means[at], base) for at in (3, 6, 9, 12))
    assert not any(np.array_equal(together.means[at], base) for at in (1, 2, 4, 5, 7, 8, 10, 11))


def test_inputs_are_the_values_that_were_used(scenario, worlds):
    design = joint_draws(scenario, worlds.uncertain, 3)
    runner = Runner(_task(scenario, design.columns, same=False, patients=1_000, unknowns=design.unknowns))
    rows = design.rows(0, 3)
    done = runner.run(rows)
    fit = scenario.fit
    for name in ("surgery.effect", "fu_2023/haic+lenvatinib+pd1: response.probability"):
        z = rows.z[:, design.unknowns.index(name)]
        # aggressiveness is turned too, so that what is fitted is taken given its effects: near, not equal
        values = done.inputs[:, design.columns.index(name)]
        assert np.isfinite(values).all()
        assert values == pytest.approx([fit.quantities[name].at(one) for one in z], rel=0.5)
    prices = [one.name for one in design.quantities if one.source in (PRICES, STRUCTURE)]
    for name in prices:
        place = design.columns.index(name)
        assert np.array_equal(done.inputs[:, place], rows.values[:, place])


def test_inputs_are_kept_of_the_first_draws_only(scenario, monkeypatch):
    from hcc_sim.analyses.study import table as table_module

    monkeypatch.setattr(table_module, "MOST_WITH_INPUTS", 5)
    shape = table_module.Shape(("a",), ("all",), ("x",), ("p",))
    numbers = np.arange(9.0)
    parts = [
        table_module.Done(first, numbers[span, None], numbers[span, None, None, None], np.zeros((3, 1, 1, 1, 1, 1)))
        for first, span in ((0, slice(0, 3)), (3, slice(3, 6)), (6, slice(6, 9)))
    ]
    table = table_module.joined(shape, parts)
    assert table.draws == 9
    assert table.given("p").tolist() == numbers[:5].tolist()
    assert table.leading.draws == 5
    assert table.leading.outcome("x")[:, 0].tolist() == numbers[:5].tolist()
