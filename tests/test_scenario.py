"""Scenario files: merging, precedence, what is joined, hashes, the schema."""

import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hcc_sim.errors import InputError
from hcc_sim.parameters import Calibration, load_calibration
from hcc_sim.scenario import HIGHEST_SEED, Scenario, load_scenario, scenario_schema
from hcc_sim.units import DAYS_PER_MONTH

DATA = Path(__file__).parent / "data"
OUTER = DATA / "scenarios" / "outer.yaml"


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return load_calibration(DATA / "calibration")


@pytest.fixture
def load(tmp_path: Path, calibration: Calibration):
    """Load a scenario from its text."""

    def from_text(text: str, **options) -> Scenario:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        return load_scenario(path, calibration=calibration, **options)

    return from_text


def test_smallest_scenario(load, calibration: Calibration):
    scenario = load("title: Smallest\nstrategies: {usual care: {}}\n")
    assert (scenario.title, scenario.question, scenario.description) == ("Smallest", "", "")
    assert (scenario.size, scenario.seed, scenario.horizon_months) == (100_000, 1, 360.0)
    assert (scenario.start, scenario.preset, scenario.regimen) == ("", "", "")
    (strategy,) = scenario.strategies
    assert (strategy.name, strategy.given, strategy.regimen) == ("usual care", {}, "")
    assert strategy.parameters == calibration.parameters
    assert len(scenario.files) == 1


def test_whole_scenario(load):
    scenario = load(
        "title: T\nquestion: Q?\ndescription: D\npopulation: {size: 12, preset: invented, start: converted}\n"
        "regimen: haic\nstrategies: {b: {surgery.delay: never}, a: {surgery.delay: 42 days}}\n"
        "run: {horizon: 60 months, seed: 18446744073709551615}\n"
    )
    assert (scenario.title, scenario.question, scenario.description) == ("T", "Q?", "D")
    assert (scenario.size, scenario.start, scenario.preset, scenario.regimen) == (12, "converted", "invented", "haic")
    assert (scenario.horizon_months, scenario.seed) == (60.0, HIGHEST_SEED)
    assert [strategy.name for strategy in scenario.strategies] == ["b", "a"], "the order of the file"
    assert [strategy.given for strategy in scenario.strategies] == [
        {"surgery.delay": math.inf},
        {"surgery.delay": 42 / DAYS_PER_MONTH},
    ]


def test_extends_merges_key_by_key(calibration: Calibration):
    scenario = load_scenario(OUTER, calibration=calibration)
    assert (scenario.title, scenario.question) == ("outermost", "When to operate?")
    assert (scenario.size, scenario.preset, scenario.horizon_months) == (5000, "invented", 360.0)
    assert scenario.seed == 0, "the seed 0 is a seed"
    conservative, wait, alone = scenario.strategies
    assert (conservative.name, wait.name, alone.name) == ("conservative", "wait", "drug alone")
    assert conservative.given == {"surgery.delay": math.inf, "watching.interval": 42 / DAYS_PER_MONTH}
    assert conservative.parameters.value("surgery.effect") == 0.8
    assert conservative.parameters.value("toxicity.rate") == 0.02
    assert (wait.regimen, alone.regimen) == ("haic", "lenvatinib")
    assert [path.name for path in scenario.files] == ["outer.yaml", "middle.yaml", "common.yaml"]


def test_without_drops_and_a_dropped_name_can_be_used_anew(tmp_path: Path, calibration: Calibration):
    (tmp_path / "base.yaml").write_text("title: x\nstrategies: {a: {surgery.delay: never}, b: {}}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nwithout: [a]\nstrategies: {a: {cycles.maximum: 3}}\n")
    scenario = load_scenario(tmp_path / "mine.yaml", calibration=calibration)
    assert {strategy.name: strategy.given for strategy in scenario.strategies} == {"b": {}, "a": {"cycles.maximum": 3}}


def test_later_wins(load):
    """Each layer is seen where no later one speaks: defaults, preset, regimen, scenario, strategy, --set."""

    def response(population="", regimen="", parameters="", strategy="", **options) -> tuple[float, str]:
        text = (
            f"title: x\npopulation: {{{population}}}\nparameters: {{{parameters}}}\n{regimen}\n"
            f"strategies: {{s: {{{strategy}}}}}\n"
        )
        parameter = load(text, **options).strategies[0].parameters["response.probability"]
        return parameter.value, parameter.set_by

    layers = {}
    assert response(**layers) == (0.46, "default")
    layers["population"] = "preset: invented"
    assert response(**layers) == (0.5, "preset invented")
    layers["regimen"] = "regimen: haic"
    assert response(**layers) == (0.6, "regimen haic")
    assert response(**layers, strategy="regimen: lenvatinib") == (0.25, "regimen lenvatinib")
    layers["parameters"] = "response.probability: 0.1"
    assert response(**layers) == (0.1, "scenario")
    assert response(**layers, strategy="regimen: lenvatinib") == (0.1, "scenario"), "regimens come before the scenario"
    layers["strategy"] = "response.probability: 0.2"
    assert response(**layers) == (0.2, "strategy s")
    assert response(**layers, overrides={"response.probability": "90%"}) == (0.9, "--set")


def test_a_strategys_regimen_replaces_the_scenarios_whole(load, calibration: Calibration):
    text = "title: x\nregimen: haic\nstrategies: {a: {}, b: {regimen: lenvatinib}}\n"
    with_haic, with_lenvatinib = (strategy.parameters for strategy in load(text).strategies)
    assert with_haic.value("conversion.probability") == 0.3
    default = calibration.parameters["conversion.probability"]
    assert with_lenvatinib["conversion.probability"] == default, "nothing is left of the scenario's regimen"


def test_what_a_strategy_sets_is_a_decision(load):
    text = "title: x\nparameters: {surgery.effect: 0.9}\n"
    text += "strategies:\n  a: {response.probability: 0.2}\n  b: {regimen: haic}\n"
    first, second = (strategy.parameters for strategy in load(text).strategies)
    assert first["response.probability"].decision
    assert first["response.probability"].distribution is None
    assert not first["surgery.effect"].decision
    assert not second["response.probability"].decision, "a regimen's evidence stays uncertain"
    assert second["conversion.probability"].distribution is not None


def test_numbers_from_the_command_line(calibration: Calibration):
    scenario = load_scenario(
        OUTER,
        calibration=calibration,
        patients=77,
        seed=0,
        overrides={"surgery.delay": " 9 weeks", "surgery.effect": "1e0"},
    )
    assert (scenario.size, scenario.seed) == (77, 0)
    assert scenario.overrides == {"surgery.delay": 63 / DAYS_PER_MONTH, "surgery.effect": 1.0}
    for strategy in scenario.strategies:
        assert strategy.parameters.value("surgery.delay") == 63 / DAYS_PER_MONTH
    assert scenario.strategies[0].given["surgery.delay"] == math.inf, "what the file says"


def test_the_seed_zero_from_the_command_line(calibration: Calibration):
    assert load_scenario(DATA / "scenarios/middle.yaml", calibration=calibration).seed == 7
    assert load_scenario(DATA / "scenarios/middle.yaml", calibration=calibration, seed=0).seed == 0


def test_hash(tmp_path: Path, calibration: Calibration):
    folder = Path(shutil.copytree(DATA / "scenarios", tmp_path / "scenarios"))

    def sha256(**options) -> str:
        return load_scenario(folder / "outer.yaml", calibration=calibration, **options).sha256

    first = sha256()
    assert first == sha256() == load_scenario(OUTER, calibration=calibration).sha256, "of the content, not of the place"
    assert first == sha256(patients=5, seed=5), "size and seed are recorded on their own"
    hashes = {first, sha256(overrides={"surgery.effect": "1"}), sha256(overrides={"surgery.effect": "2"})}
    assert len(hashes) == 3
    both = {"surgery.effect": "1", "surgery.delay": "0 days"}
    assert sha256(overrides=both) == sha256(overrides=dict(reversed(both.items())))
    for number, name in enumerate(("outer.yaml", "middle.yaml", "base/common.yaml"), 4):
        (folder / name).write_text((folder / name).read_text() + "# a comment\n")
        hashes.add(sha256())
        assert len(hashes) == number


def test_a_problem_is_named_where_it_stands(tmp_path: Path, calibration: Calibration):
    """An inherited mistake in the inherited file, one that the outer file made in the outer file."""
    (tmp_path / "base.yaml").write_text(
        "title: x\nstrategies:\n  a: {surgery.delay: 5}\nrun:\n  seed: x\n  horizon: 1 year\n"
    )
    (tmp_path / "mine.yaml").write_text("# comment\nextends: base.yaml\nrun: {horizon: 0 days}\n")
    with pytest.raises(InputError) as caught:
        load_scenario(tmp_path / "mine.yaml", calibration=calibration)
    places = {(Path(problem.file).name, problem.line, problem.key) for problem in caught.value.problems}
    assert places == {
        ("mine.yaml", 3, "run.horizon"),
        ("base.yaml", 5, "run.seed"),
        ("base.yaml", 3, "strategies.a.surgery.delay"),
    }
    inherited = [problem.message for problem in caught.value.problems if problem.file.endswith("base.yaml")]
    assert all(f"(extends: {tmp_path / 'mine.yaml'} -> {tmp_path / 'base.yaml'})" in message for message in inherited)


def test_an_inherited_mistake_that_is_replaced_does_no_harm(tmp_path: Path, calibration: Calibration):
    (tmp_path / "base.yaml").write_text("title: x\nstrategies: {a: {}}\nrun: {seed: -1}\n")
    (tmp_path / "mine.yaml").write_text("extends: base.yaml\nrun: {seed: 3}\n")
    assert load_scenario(tmp_path / "mine.yaml", calibration=calibration).seed == 3


def test_schema(calibration: Calibration):
    schema = scenario_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["additionalProperties"] is False
    assert "required" not in schema, "what is left out may be inherited"
    assert set(schema["properties"]) >= {"title", "extends", "without", "population", "strategies", "run"}
    for part in (schema, *schema["$defs"].values()):
        assert all(entry["description"] for entry in part["properties"].values())
    run = schema["$defs"]["Run"]["properties"]
    assert (run["seed"]["minimum"], run["seed"]["maximum"]) == (0, 2**64 - 1)
    assert re.search(run["horizon"]["pattern"], run["horizon"]["default"])
    assert not re.search(run["horizon"]["pattern"], "never")
    assert "null" not in str(schema)


def test_schema_knows_the_parameters(calibration: Calibration):
    schema = scenario_schema(calibration)
    strategy = schema["properties"]["strategies"]["additionalProperties"]
    assert "patternProperties" not in schema["properties"]["strategies"]
    assert set(strategy["properties"]) == {*calibration.parameters, "regimen", "adjuvant", "neoadjuvant"}
    assert strategy["additionalProperties"] is False
    assert strategy["properties"]["regimen"]["examples"] == ["haic", "lenvatinib"]
    delay = strategy["properties"]["surgery.delay"]
    assert delay["title"] == "surgery.delay (months)"
    assert all(re.search(delay["pattern"], text) for text in ("never", "42 days", "1.5 years"))
    assert not any(re.search(delay["pattern"], text) for text in ("42", "-1 days", "3 moons"))
    assert set(schema["properties"]["parameters"]["properties"]) == set(calibration.parameters)


def test_schema_and_reader_agree_on_keys(load):
    """What the reader lists as accepted is what the schema names."""
    schema = scenario_schema()
    for text, part in (
        ("title: x\nstrategies: {s: {}}\nwrong: 1\n", schema),
        ("title: x\nstrategies: {s: {}}\nrun: {wrong: 1}\n", schema["$defs"]["Run"]),
        ("title: x\nstrategies: {s: {}}\npopulation: {wrong: 1}\n", schema["$defs"]["Population"]),
    ):
        with pytest.raises(InputError, match="unknown key 'wrong'. Accepted: " + ", ".join(part["properties"])):
            load(text)


def test_reading_parameters_imports_nothing_heavy():
    code = "import sys, hcc_sim.parameters; print({'pydantic', 'numpy', 'numba', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
