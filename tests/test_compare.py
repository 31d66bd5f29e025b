"""Comparing the strategies of a scenario: the headline, the population that it is about, and what it hangs on."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

import hcc_sim.analyses.turning as turning_module
from hcc_sim.analyses import strategies as runs
from hcc_sim.analyses.compare import Comparison, compare
from hcc_sim.analyses.study.runs import Runner
from hcc_sim.analyses.study.uncertain import effects_of_aggressiveness
from hcc_sim.analyses.turning import TIMING_ASSUMPTIONS, Turning, crossing
from hcc_sim.errors import InputError
from hcc_sim.outcomes.hcc import CONVERTED, EVERYBODY, OVERALL_SURVIVAL, WITHIN_MONTHS
from hcc_sim.parameters import Distribution, load_calibration
from hcc_sim.pathway.hcc import AGGRESSIVENESS
from hcc_sim.scenario import Scenario, load_scenario

ROOT = Path(__file__).resolve().parent.parent
CALIBRATION = load_calibration(ROOT / "calibration")
PATIENTS = 2_000
HEADLINE = f"{OVERALL_SURVIVAL.name}: restricted mean to {WITHIN_MONTHS:g} months"

AT_ONCE_OR_NEVER = "{at once: {surgery.delay: 0 days}, never: {surgery.delay: never}}"
SAFE_OR_DEADLY = "{deadly: {resection.death: 0.9}, safe: {resection.death: 0}}"
MONTHS = {"regrowth.median", "death.median_after_relapse"}
BY_AGGRESSIVENESS = effects_of_aggressiveness(CALIBRATION.parameters)
SETTLED_BUT = {
    name: f"{name}: {CALIBRATION.parameters.value(name):g}" + " months" * (name in MONTHS)
    for name in (*TIMING_ASSUMPTIONS, *BY_AGGRESSIVENESS)
    if name != AGGRESSIVENESS
}
SETTLED = f"{{{', '.join(SETTLED_BUT.values())}}}"
"""Values given by the scenario are settled: no turning value is looked for, which saves the runs."""
TWO_ASSUMPTIONS = ("drugs.withdrawal_effect_on_outgrowth", "surgery.effect")


@pytest.fixture
def only_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only two assumptions are varied, which saves runs."""
    assert set(TWO_ASSUMPTIONS) < set(TIMING_ASSUMPTIONS)
    monkeypatch.setattr("hcc_sim.analyses.turning.TIMING_ASSUMPTIONS", TWO_ASSUMPTIONS)


@pytest.fixture
def load(tmp_path: Path):
    """Load a scenario from its strategies and further keys, as YAML."""

    def from_text(strategies: str, parameters: str = SETTLED, patients: int = PATIENTS, run: str = "{}") -> Scenario:
        path = tmp_path / "scenario.yaml"
        lines = ("title: T", "regimen: haic_lenvatinib_pd1", f"strategies: {strategies}", f"parameters: {parameters}")
        path.write_text("\n".join((*lines, f"run: {run}")))
        return load_scenario(path, calibration=CALIBRATION, patients=patients)

    return from_text


def restricted_means(comparison: Comparison, population: str) -> dict[str, float]:
    table = comparison.summary()
    rows = table[(table["population"] == population) & (table["outcome"] == HEADLINE)]
    return dict(zip(rows["strategy"], rows["value"], strict=True))


# --- the headline -----------------------------------------------------------------------------------------------------


def test_the_headline_names_the_best_and_the_worst_whatever_their_order(load):
    comparison = compare(load(SAFE_OR_DEADLY))
    means = restricted_means(comparison, CONVERTED)
    assert means["safe"] > means["deadly"]
    headline = comparison.headline()
    assert headline.startswith(f"Patients live longest under 'safe': {means['safe']:.1f} months of the first 10 years")
    assert "after conversion, " in headline
    assert headline.endswith("more than under 'deadly', the shortest.")

    table = comparison.contrasts()
    row = table[(table["population"] == CONVERTED) & (table["outcome"] == HEADLINE)].iloc[0]
    assert (row["strategy"], row["versus"]) == ("safe", "deadly")
    assert row["difference"] == pytest.approx(means["safe"] - means["deadly"], abs=1e-9)
    assert f"{row['difference']:.2f} ± {1.96 * row['mc_se']:.2f} more" in headline
    assert row["difference"] > 10 * row["mc_se"] > 0


def test_the_headline_tells_which_strategies_are_not_told_apart_from_the_best(load):
    strategies = "{deadly: {resection.death: 0.9}, safe: {resection.death: 0}, as safe: {resection.death: 0.0}}"
    assert compare(load(strategies)).headline().endswith("the shortest; not told apart from it: 'as safe'.")


def test_a_further_strategy_moves_no_number_of_the_others(load):
    two = compare(load(SAFE_OR_DEADLY))
    three = compare(load(SAFE_OR_DEADLY[:-1] + ", late: {surgery.delay: 1 year}}"))
    table = three.summary()
    assert table[table["strategy"] != "late"].reset_index(drop=True).equals(two.summary())


def test_one_strategy_only(load):
    comparison = compare(load("{usual: {}}", parameters="{}"))
    mean = restricted_means(comparison, CONVERTED)["usual"]
    told = f"Under 'usual' patients live {mean:.1f} months of the first 10 years after conversion."
    assert comparison.headline() == told
    assert comparison.turnings == ()
    assert comparison.strongest_assumption() == ""
    assert comparison.contrasts().empty
    assert comparison.primary == CONVERTED


def test_two_equal_strategies_differ_by_exactly_nothing(load):
    comparison = compare(load("{one: {surgery.delay: 42 days}, other: {surgery.delay: 42 days}}", parameters="{}"))
    differences = comparison.contrasts()["difference"].dropna()
    assert len(differences) > 50
    assert (differences == 0.0).all()
    assert comparison.turnings == ()


def test_the_headline_of_equal_strategies_speaks_of_them_all(load):
    comparison = compare(load("{one: {surgery.delay: 42 days}, other: {surgery.delay: 42 days}}"))
    mean = restricted_means(comparison, CONVERTED)["one"]
    assert comparison.headline() == (
        f"Under every strategy patients live {mean:.1f} months of the first 10 years after conversion: "
        "no difference at all."
    )


def test_the_headline_of_strategies_that_differ_by_less_than_chance(load):
    comparison = compare(load("{a: {surgery.delay: 30 days}, b: {surgery.delay: 33 days}}", patients=4_000))
    means = restricted_means(comparison, CONVERTED)
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    assert means[best] > means[worst]
    table = comparison.contrasts()
    row = table[(table["population"] == CONVERTED) & (table["outcome"] == HEADLINE)].iloc[0]
    gap = abs(row["difference"])
    assert gap <= 1.96 * row["mc_se"]
    assert comparison.headline() == (
        f"No strategy can be told apart by survival with 4,000 patients: '{best}' gives {means[best]:.1f} months "
        f"of the first 10 years after conversion, {gap:.2f} ± {1.96 * row['mc_se']:.2f} more than '{worst}'."
    )


def test_the_headline_of_a_run_too_small_for_an_error_says_so(load):
    headline = compare(load(AT_ONCE_OR_NEVER, patients=60)).headline()
    assert "nan" not in headline
    assert headline.startswith("No strategy can be told apart by survival with 60 patients: ")
    assert "(error unknown) more than '" in headline


def test_a_horizon_shorter_than_the_headlines_window(load):
    comparison = compare(load(AT_ONCE_OR_NEVER, parameters="{}", run="{horizon: 5 years}"))
    assert comparison.headline() == (
        "The horizon is too short, or the patients too few, for a headline: see the tables."
    )
    assert comparison.turnings == ()
    assert not comparison.summary().empty
    assert comparison.survival()["months"].max() < 60


def test_nobody_converts(load):
    strategies = "{at once: {surgery.delay: 0 days}, never: {surgery.delay: never}}"
    comparison = compare(load(strategies, parameters="{response.probability: 0}"))
    assert comparison.same_converters
    assert comparison.primary == EVERYBODY
    assert "after the start of therapy" in comparison.headline()
    assert comparison.turnings == ()
    assert any("there is nobody to tell it of" in note for note in comparison.notes())
    assert set(comparison.survival()["population"]) == {EVERYBODY}
    assert math.isnan(restricted_means(comparison, CONVERTED)["never"])


# --- whose answer it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strategies",
    [
        "{a: {response.probability: 0.5}, b: {}}",
        "{a: {regimen: lenvatinib}, b: {}}",
        "{a: {therapy.scan_interval: 4 weeks}, b: {}}",
        "{a: {conversion.probability_per_assessment: 0.69}, b: {}, c: {}}",
    ],
)
def test_where_strategies_differ_before_conversion_everybody_is_primary_and_a_note_says_so(load, strategies: str):
    comparison = compare(load(strategies))
    assert not comparison.same_converters
    assert comparison.primary == EVERYBODY
    assert "after the start of therapy" in comparison.headline()
    assert comparison.notes()[0].startswith("Strategies differ in who converts: ")
    assert set(comparison.survival()["population"]) == {EVERYBODY}
    means = restricted_means(comparison, EVERYBODY)
    best, worst = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    table = comparison.contrasts()
    table = table[(table["population"] == EVERYBODY) & (table["outcome"] == HEADLINE)]
    row = table[table["strategy"].isin([best, worst]) & table["versus"].isin([best, worst])].iloc[0]
    apart = abs(row["difference"]) > 1.96 * row["mc_se"]
    told = f"longest under '{best}': " if apart else f"told apart by survival with 2,000 patients: '{best}' gives "
    assert f"{told}{means[best]:.1f} months" in comparison.headline()


@pytest.mark.parametrize(
    "strategies",
    [
        AT_ONCE_OR_NEVER,
        "{a: {watching.interval: 3 weeks, surgery.delay: 1 year}, b: {}}",
        "{a: {surgery.effect: 0.5}, b: {surgery.effect: 1}}",
    ],
)
def test_where_they_differ_only_after_it_the_converted_are_primary(load, strategies: str):
    comparison = compare(load(strategies))
    assert comparison.same_converters
    assert comparison.primary == CONVERTED
    assert "after conversion" in comparison.headline()
    assert not any("differ in who converts" in note for note in comparison.notes())
    assert set(comparison.survival()["population"]) == {CONVERTED}
    assert set(comparison.survival("PFS", EVERYBODY)["outcome"]) == {"PFS"}


def test_a_start_elsewhere_than_at_therapy_is_refused(load):
    with pytest.raises(InputError, match="on conversion therapy"):
        compare(replace(load(AT_ONCE_OR_NEVER), start="nowhere"))


# --- what the answer hangs on -----------------------------------------------------------------------------------------


def gap_at(scenario: Scenario, name: str, value: float) -> float:
    """The difference of the headline, first strategy minus second, with a parameter at a value, all else given it."""
    strategies = tuple(replace(s, parameters=s.layers.parameters({name: value})) for s in scenario.strategies)
    tallies = runs.simulate_strategies(replace(scenario, strategies=strategies))
    first, second = (mean.value for mean in runs.restricted_means(tallies, CONVERTED).values())
    return first - second


def test_the_turning_value_is_found_where_there_is_one(load):
    """The risk of the operation is set so that operating and watching come out nearly equal; then an effect of surgery
    within its prior turns the order, and beyond the value told either strategy wins on its side."""

    def risky(death: float) -> Scenario:
        at_once = f"{{surgery.delay: 0 days, resection.death: {death:.4f}}}"
        return load(f"{{at once: {at_once}, never: {{surgery.delay: never}}}}", parameters="{}")

    safe, deadly = (gap_at(risky(death), "surgery.effect", 1.0) for death in (0.0, 0.3))
    assert safe > 0 > deadly
    even = 0.3 * safe / (safe - deadly)
    comparison = compare(risky(even))
    assert {t.parameter.name for t in comparison.turnings} == set(TIMING_ASSUMPTIONS)
    spans = [t.span for t in comparison.turnings]
    assert spans == sorted(spans, reverse=True)
    (effect,) = (t for t in comparison.turnings if t.parameter.name == "surgery.effect")
    low, base, high = effect.values
    assert low < base < high
    assert effect.turns_at is not None
    assert low < effect.turns_at < high
    scenario = risky(even)
    sign = 1 if effect.strategy == "at once" else -1
    for value, difference in zip(effect.values, effect.differences, strict=True):
        assert sign * gap_at(scenario, "surgery.effect", value) == pytest.approx(difference, abs=1e-9)
    assert gap_at(scenario, "surgery.effect", effect.turns_at * 0.5) > 0
    assert gap_at(scenario, "surgery.effect", effect.turns_at / 0.5) < 0

    assert comparison.strongest_assumption() == comparison.turnings[0].sentence()
    told = effect.sentence()
    pair = f"'{effect.strategy}' minus '{effect.versus}'"
    known = f"surgery.effect = {base:.3g} (assumed, 95% {low:.3g} to {high:.3g})"
    assert told.startswith(f"{known}: across that {pair} is -")
    assert told.endswith(f"the order turns at about {effect.turns_at:.2g}.")


def test_no_turning_value_is_told_where_there_is_none(load, only_two):
    comparison = compare(load(SAFE_OR_DEADLY, parameters="{}"))
    assert {t.parameter.name for t in comparison.turnings} == set(TWO_ASSUMPTIONS)
    means = restricted_means(comparison, CONVERTED)
    for t in comparison.turnings:
        assert t.turns_at is None
        assert (t.strategy, t.versus) == ("safe", "deadly"), "best minus worst"
        assert min(t.differences) > 0
        assert t.sentence().endswith("no value within turns the order.")
        assert t.values[1] == t.parameter.value  # the middle of three
        assert t.differences[1] == pytest.approx(means["safe"] - means["deadly"], abs=1e-9)


@pytest.mark.parametrize("most", [PATIENTS, 1_000])
def test_few_patients_say_by_how_much_and_all_from_where(load, only_two, monkeypatch, most):
    asked = []

    class Counted(Runner):
        def run(self, rows, threads=1):
            asked.append((self.task.patients, self.task.measures.definitions))
            return super().run(rows, threads)

    monkeypatch.setattr(turning_module, "PATIENTS", most)
    monkeypatch.setattr(turning_module, "Runner", Counted)
    scenario = load(SAFE_OR_DEADLY, parameters="{}")
    comparison = compare(scenario)
    assert [size for size, _ in asked] == [most] * 5, "the base case, and two ends of two assumptions"
    assert all(not d.shares and len(d.endpoints) == 1 for _, d in asked), "little is wanted"
    everybody = restricted_means(comparison, CONVERTED)
    assert {t.differences[1] for t in comparison.turnings} == {everybody["safe"] - everybody["deadly"]}
    moved = {t.parameter.name: (t.differences[0] - t.differences[1], t.span) for t in comparison.turnings}
    of_few = compare(replace(scenario, size=most)).turnings
    told = {t.parameter.name: (t.differences[0] - t.differences[1], t.span) for t in of_few}
    assert moved.keys() == told.keys()
    for name, values in moved.items():
        assert values == pytest.approx(told[name], abs=1e-9), "few say by how much it moves"


def test_what_a_strategy_or_the_scenario_decides_is_not_varied(load, only_two):
    by_strategy = compare(load("{a: {surgery.effect: 0.8}, b: {surgery.delay: never}}", parameters="{}"))
    assert [t.parameter.name for t in by_strategy.turnings] == ["drugs.withdrawal_effect_on_outgrowth"]
    by_scenario = compare(load(AT_ONCE_OR_NEVER, parameters=f"{{{SETTLED_BUT['surgery.effect']}}}"))
    assert [t.parameter.name for t in by_scenario.turnings] == ["drugs.withdrawal_effect_on_outgrowth"]


def test_where_all_is_settled_nothing_is_varied(load):
    assert compare(load(AT_ONCE_OR_NEVER)).turnings == ()


def turning(name: str, differences: tuple[float, float, float], turns_at: float | None) -> Turning:
    parameter = CALIBRATION.parameters[name]
    assert isinstance(parameter.distribution, Distribution)
    values = (parameter.distribution.low, parameter.value, parameter.distribution.high)
    return Turning(parameter, "at once", "never", values, differences, turns_at)


def test_an_assumption_is_told_with_its_prior_its_span_and_its_turning_value(load):
    weak = turning("drugs.withdrawal_effect_on_outgrowth", (9.0, 9.5, 10.0), None)
    strong = turning("surgery.effect", (3.0, 1.0, -1.0), 1.41)
    assert (weak.span, strong.span) == (1.0, 4.0)
    assert Comparison(load(AT_ONCE_OR_NEVER), {}, (strong, weak)).strongest_assumption() == (
        "surgery.effect = 1 (assumed, 95% 0.5 to 2): across that 'at once' minus 'never' is -1.0 to +3.0 months; "
        "the order turns at about 1.4."
    )
    assert "is +9.0 to +10.0 months; no value within turns the order." in weak.sentence()


def test_all_that_aggressiveness_does_is_multiplied_at_once(load, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hcc_sim.analyses.turning.TIMING_ASSUMPTIONS", (AGGRESSIVENESS,))
    comparison = compare(load(AT_ONCE_OR_NEVER, parameters="{}"))
    (turned,) = comparison.turnings
    assert turned.values == (0.0, 1.0, 2.0)
    none, fitted, twice = turned.differences
    assert comparison.unseen_differences() == (
        f"'{turned.strategy}' minus '{turned.versus}' is {none:+.1f}, {fitted:+.1f}, {twice:+.1f} months with all "
        "effects of aggressiveness times 0 and 1 and 2."
    )
    held = ", ".join(f"{name}: 0" for name in BY_AGGRESSIVENESS)
    without = restricted_means(compare(load(AT_ONCE_OR_NEVER, parameters=f"{{{held}}}")), comparison.primary)
    assert none == pytest.approx(without[turned.strategy] - without[turned.versus])
    assert none != fitted


def test_every_timing_assumption_can_be_varied():
    """It exists, is no decision, and its value lies within its prior: otherwise it would be left out in silence."""
    for name in set(TIMING_ASSUMPTIONS) - {AGGRESSIVENESS}:
        parameter = CALIBRATION.parameters[name]
        assert not parameter.decision
        assert parameter.distribution is not None
        assert parameter.distribution.low < parameter.value < parameter.distribution.high


@pytest.mark.parametrize(
    ("values", "differences", "expected"),
    [
        ((0.5, 1.0, 2.0), (3.0, 1.0, -1.0), math.sqrt(2.0)),
        ((0.5, 1.0, 2.0), (-1.0, 1.0, 2.0), math.sqrt(0.5)),
        ((0.5, 1.0, 2.0), (3.0, 0.0, -1.0), 1.0),
        ((0.5, 1.0, 2.0), (3.0, 1.0, 0.0), 2.0),
        ((1.0, 2.0), (3.0, -1.0), 2.0**0.75),
        ((0.5, 1.0, 2.0), (3.0, 2.0, 1.0), None),
        ((0.5, 1.0, 2.0), (-3.0, -2.0, -1.0), None),
    ],
)
@pytest.mark.parametrize("family", ["log-normal", "log-uniform"])
def test_where_differences_change_sign(
    family: str, values: tuple[float, ...], differences: tuple[float, ...], expected: float | None
):
    """Interpolated on the logarithm of the values."""
    prior = Distribution(family, values[0], values[-1])
    assert crossing(prior, values, differences) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("family", "expected"),
    [("normal", 0.65), ("uniform", 0.65), ("beta", 1 / (1 + 4**-0.5)), ("logit-normal", 1 / (1 + 4**-0.5))],
)
def test_it_is_interpolated_on_the_scale_of_the_prior(family: str, expected: float):
    """Half-way between 0.5 and 0.8: as the numbers stand, or on the log odds, 0 and ln 4."""
    prior = Distribution(family, 0.2, 0.8)
    assert crossing(prior, (0.2, 0.5, 0.8), (-3.0, -1.0, 1.0)) == pytest.approx(expected)


def test_progress_and_stays_are_told_for_every_strategy_and_patient(load):
    told: list[int] = []
    kept: dict[str, set[int]] = {}

    def keep(strategy: str, program, stays) -> None:
        kept.setdefault(strategy, set()).update(stays.patient.tolist())

    compare(load(AT_ONCE_OR_NEVER), chunk=1_000, keep=keep, progress=told.append)
    assert told == [1_000] * 4
    assert kept == {name: set(range(PATIENTS)) for name in ("at once", "never")}


def test_threads_and_chunks_change_no_number(load):
    scenario = load(AT_ONCE_OR_NEVER)
    one, two = compare(scenario, threads=1, chunk=1_000), compare(scenario, threads=2)
    for table in ("summary", "contrasts", "curves"):
        assert getattr(one, table)().equals(getattr(two, table)()), table


def test_the_shipped_scenario_compares_its_strategies_on_the_same_converters(timing: Comparison):
    assert [*timing.tallies] == ["opportunistic", "wait 42 days", "wait 298 days", "conservative"]
    assert timing.primary == CONVERTED
    assert {t.parameter.name for t in timing.turnings} == set(TIMING_ASSUMPTIONS)
    assert timing.headline().startswith("Patients live longest under '")
