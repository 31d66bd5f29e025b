"""The dial of timing, two biased designs, ways out of states, and the flow of patients: each beside a plain count."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcc_sim.analyses.designs import DESIGNS, biased_designs
from hcc_sim.analyses.flow import STAGES, flows
from hcc_sim.analyses.strategies import restricted_means, simulate_strategies
from hcc_sim.analyses.timing import ALIVE, ENDINGS, FREE, timing
from hcc_sim.analyses.ways import ways
from hcc_sim.cli.main import main
from hcc_sim.engine import compile_pathway, simulate_all
from hcc_sim.outcomes.hcc import CONVERTED
from hcc_sim.pathway.diagram import arrows, mermaid, part_of, shapes, svg
from hcc_sim.pathway.hcc import PARTS
from hcc_sim.scenario import Scenario, hcc_pathway_of, load_scenario, programs
from hcc_sim.units import DAYS_PER_MONTH

ROOT = Path(__file__).parent.parent
TIMING = ROOT / "scenarios" / "surgical-timing.yaml"
PATIENTS = 6_000


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return load_scenario(TIMING, patients=PATIENTS)


def stays_of(scenario: Scenario, strategy: str, **changes: float) -> pd.DataFrame:
    chosen = next(one for one in scenario.strategies if one.name == strategy)
    pathway = programs(scenario)[strategy].pathway
    program = compile_pathway(pathway, chosen.parameters.values_only() | changes)
    stays = simulate_all(
        program, seed=scenario.seed, patients=scenario.size, horizon_months=scenario.horizon_months, threads=1
    )
    return stays.to_frame(program.state_names, program.exit_names)


def deaths(stays: pd.DataFrame) -> np.ndarray:
    last = stays.groupby("patient").tail(1).set_index("patient")
    return np.where(last["next_state"].isna(), np.inf, last["left_months"])


# --- timing -----------------------------------------------------------------------------------------------------------


def test_a_sweep_says_what_strategies_with_these_delays_say(scenario: Scenario):
    found = timing(scenario, "opportunistic", [0.0, 42 / DAYS_PER_MONTH, 298 / DAYS_PER_MONTH])
    told = restricted_means(simulate_strategies(scenario), CONVERTED)
    assert told is not None
    alive = [row for row in found.outcomes if row.outcome == ALIVE]
    names = ("opportunistic", "wait 42 days", "wait 298 days")
    for row, name in zip(alive, names, strict=True):
        gap = told[name] - told["opportunistic"]
        assert (row.value, row.mc_se) == (told[name].value, told[name].mc_se)
        assert (row.difference, row.difference_mc_se) == (gap.value, gap.mc_se)
    assert [row.outcome for row in found.outcomes].count(FREE) == 3
    assert found.population == CONVERTED


def test_what_ended_the_window_is_counted_as_it_stands_in_the_histories(scenario: Scenario):
    found = timing(scenario, "opportunistic", [math.inf])
    stays = stays_of(scenario, "opportunistic", **{"surgery.delay": math.inf})
    converted = stays.loc[stays["next_state"] == "treated tumour", "patient"].nunique()
    lost = stays.loc[stays["ended_by"] == "window lost", "patient"].nunique()
    waiting = stays["state"].isin(["converted", "wash-out", "growing remnant", "awaiting surgery"])
    failed = stays.loc[waiting & (stays["ended_by"] == "decompensation"), "patient"].nunique()
    shares = {row.ended_by: row.share for row in found.endings}
    assert set(shares) == set(ENDINGS)
    assert shares["relapse beyond cure"] == lost / converted
    assert shares["liver failed while waiting"] == failed / converted
    assert sum(shares.values()) < 1.0
    assert shares["relapse beyond cure"] > 0.1


def test_too_short_a_horizon_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "short.yaml"
    path.write_text(f"title: short\nextends: {TIMING}\nrun: {{horizon: 5 years}}\n")
    assert main(["timing", str(path), "--patients", "1000", "--out", str(tmp_path / "t")]) == 2
    assert "the horizon is too short to tell survival by delay" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


# --- biased designs ---------------------------------------------------------------------------------------------------


def test_both_designs_find_what_a_plain_count_finds(scenario: Scenario):
    found = biased_designs(scenario, "opportunistic")
    assert [one.design for one in found] == list(DESIGNS)
    stays = stays_of(scenario, "opportunistic")
    lived = np.minimum(deaths(stays), 60.0)
    for one, exit in zip(found, ("survives the operation", "response"), strict=True):
        happened = np.zeros(PATIENTS, dtype=bool)
        happened[stays.loc[stays["ended_by"] == exit, "patient"].to_numpy().astype(int)] = True
        assert (one.group, one.others) == (happened.sum(), (~happened).sum())
        assert one.naive.months == pytest.approx(lived[happened].mean() - lived[~happened].mean())
        without = np.minimum(deaths(stays_of(scenario, "opportunistic", **one.design.without)), 60.0)
        gain = (lived - without)[happened]
        assert one.causal.months == pytest.approx(gain.mean())
        assert one.causal.mc_se == pytest.approx(gain.std(ddof=1) / math.sqrt(len(gain)))
        assert one.bias_months == one.naive.months - one.causal.months
        assert one.hazard_ratio < 0.7
    assert found[0].bias_months > 4 * math.hypot(found[0].naive.mc_se, found[0].causal.mc_se), "immortal time"


def test_groups_too_small_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["designs", str(TIMING), "--patients", "20"]) == 0
    assert "Too few patients" in capsys.readouterr().out
    assert main(["designs", "radiotherapy-first", "--patients", "2000"]) == 0
    assert "nothing that could be taken away" in capsys.readouterr().out


def test_where_nobody_converts_delays_are_not_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "small.yaml"
    first = ROOT / "scenarios" / "radiotherapy-first.yaml"
    path.write_text(f"title: small\nextends: {first}\npopulation: {{size: 1000}}\nturn: [surgery.effect]\n")
    arguments = ["--patients", "1000", "--draws", "3", "--delays", "0 days, never", "--no-plots"]
    assert main(["timing", str(path), *arguments, "--out", str(tmp_path / "t")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "not told apart from it: 0 days to never" in out
    assert main(["designs", str(TIMING), "--patients", "2000", "--format", "json"]) == 0
    assert '"bias_months"' in capsys.readouterr().out


# --- ways and flows ---------------------------------------------------------------------------------------------------


def test_ways_are_those_of_the_histories(scenario: Scenario):
    found = {(way.state, way.exit): way for way in ways(scenario, "conservative")}
    stays = stays_of(scenario, "conservative")
    counted = stays[stays["ended_by"] != "horizon"].groupby(["state", "ended_by"], observed=True).size()
    assert {key: way.stays for key, way in found.items()} == counted.to_dict()
    for state in {state for state, _ in found}:
        assert sum(way.share for (of, _), way in found.items() if of == state) == pytest.approx(1.0)
    assert found["wash-out", "drugs washed out"].median_months == pytest.approx(
        scenario.strategies[0].parameters["surgery.wash_out"].value
    )
    assert found["start of therapy", "will respond"].median_months == 0.0


def test_a_stay_goes_on_through_what_happens_in_place(scenario: Scenario):
    """By hand for one exit: from the first entry into the state until it, in place or back for as long as may be."""
    stays = stays_of(scenario, "opportunistic")
    lengths = []
    for _, life in stays[stays["state"].isin(["responding", "resection criteria"])].groupby("patient"):
        ended = life[life["ended_by"] == "decompensation"]
        if len(ended):
            lengths.append(ended["left_months"].iloc[0] - life["entered_months"].iloc[0])
    found = {(way.state, way.exit): way for way in ways(scenario, "opportunistic")}
    assert found["responding", "decompensation"].median_months == pytest.approx(np.median(lengths))


def test_flows_conserve_patients(scenario: Scenario):
    found = flows(scenario)
    for strategy in (one.name for one in scenario.strategies):
        mine = [flow for flow in found if flow.strategy == strategy]
        for stage in STAGES[:-1]:
            assert sum(flow.patients for flow in mine if flow.stage == stage) == PATIENTS
        for stage in STAGES[1:-1]:
            into, out = Counter[str](), Counter[str]()
            for flow in mine:
                into[flow.next_place] += flow.patients if flow.next_stage == stage else 0
                out[flow.place] += flow.patients if flow.stage == stage else 0
            assert +into == +out
    stays = stays_of(scenario, "conservative")
    salvaged = stays.loc[stays["ended_by"] == "accepts salvage", "patient"].unique()
    treated = stays.loc[stays["next_state"] == "kind of treatment", "patient"].unique()
    told = sum(f.patients for f in found if f.strategy == "conservative" and f.next_place == "operated at relapse")
    assert told == len(set(salvaged) & set(treated))


# --- parts of the diagram ---------------------------------------------------------------------------------------------


def test_parts_hold_every_state_once():
    pathway = hcc_pathway_of(load_scenario(TIMING).calibration)
    named = [state.name for states in PARTS.values() for state in states]
    assert sorted(named) == sorted(state.name for state in pathway.states if not state.final)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_shows_its_states_and_names_those_elsewhere(part: str):
    pathway = hcc_pathway_of(load_scenario(TIMING).calibration)
    names = {state.name for state in PARTS[part]}
    drawn = part_of(pathway, names, part, {})
    kinds = {shape.name: shape.kind for shape in shapes(drawn)}
    assert {name for name, kind in kinds.items() if kind in ("timed", "branch")} == names
    assert {name for name, kind in kinds.items() if kind == "elsewhere"} == set(drawn.elsewhere)
    assert not any(arrow.source in drawn.elsewhere for arrow in arrows(drawn))
    assert {arrow.source for arrow in arrows(drawn)} <= names
    assert "stroke-dasharray" in svg(drawn)
    assert ":::elsewhere" in mermaid(drawn)


def test_numbers_stand_beside_the_exits(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    picture = tmp_path / "surgery.svg"
    told = tmp_path / "surgery.mmd"
    arguments = ["diagram", str(TIMING), "--part", "surgery", "--numbers", "--out", str(picture)]
    assert main(arguments) == 0
    assert "median months until then" in picture.read_text()
    assert main([*arguments[:-1], str(told)]) == 0
    assert re.search(r"theatre slot \((9\d|100)#37;, \d\.\d mo\)", told.read_text())
    assert main(["diagram", "--part", "surgry"]) == 2
    assert "unknown part 'surgry'. Did you mean 'surgery'?" in capsys.readouterr().err
    assert main(["diagram", "--numbers"]) == 2
    assert "name a scenario" in capsys.readouterr().err
