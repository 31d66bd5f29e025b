"""Prices and utilities on the pathway: what any analyst would check first, and every regimen of the documents."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import hcc_sim
from hcc_sim.analyses.compare import Comparison
from hcc_sim.analyses.strategies import Run, rules_of
from hcc_sim.analyses.valuation import Valuation, valuation_of
from hcc_sim.economics.items import CATEGORIES, PerCycle, PerEvent
from hcc_sim.economics.quantities import PLAIN
from hcc_sim.economics.treatments import OTHER_DRUG, PARTS, treatments_of
from hcc_sim.errors import InputError
from hcc_sim.figures import load_evidence
from hcc_sim.parameters import Calibration, load_calibration
from hcc_sim.scenario import Scenario, load_scenario

ROOT = Path(__file__).resolve().parent.parent
CALIBRATION: Calibration = load_calibration(ROOT / "calibration")
PATIENTS = 2_000


def load(path: str = "surgical-timing.yaml", patients: int = PATIENTS, **settings: str) -> Scenario:
    given = {name.replace("__", "."): value for name, value in settings.items()}
    return load_scenario(ROOT / "scenarios" / path, calibration=CALIBRATION, patients=patients, overrides=given)


def run_of(scenario: Scenario) -> Run:
    run = Run(scenario, value=True)
    run.up_to(scenario.size)
    return run


def valued_of(scenario: Scenario) -> Valuation:
    found = valuation_of(scenario, run_of(scenario).quantities)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def base() -> Scenario:
    return load()


@pytest.fixture(scope="module")
def run(base: Scenario) -> Run:
    return run_of(base)


@pytest.fixture(scope="module")
def base_case(base: Scenario, run: Run) -> Valuation:
    found = valuation_of(base, run.quantities)
    assert found is not None
    return found


def again(base: Scenario, run: Run, values: dict[str, float]) -> Valuation:
    """The same stays at other prices."""
    strategies = tuple(replace(s, parameters=s.parameters.with_values(values, "test")) for s in base.strategies)
    found = valuation_of(replace(base, strategies=strategies), run.quantities)
    assert found is not None
    return found


PRICES = [name for name, p in CALIBRATION.parameters.items() if p.unit == "USD 2021"]
UTILITIES = [name for name, p in CALIBRATION.parameters.items() if p.unit == "utility"]
LOSSES = [name for name in UTILITIES if "loss" in name]


# --- identities -------------------------------------------------------------------------------------------------------


def test_utilities_of_1_make_qalys_of_life_years(base: Scenario, run: Run):
    ones = {name: 0.0 if name in LOSSES else 1.0 for name in UTILITIES}
    for one in again(base, run, ones).strategies.values():
        assert one.qaly().value == one.life_year().value
        assert one.qaly(PLAIN).value == one.life_year(PLAIN).value


def test_prices_of_0_cost_nothing(base: Scenario, run: Run):
    for one in again(base, run, dict.fromkeys(PRICES, 0.0)).strategies.values():
        assert one.cost().value == one.cost(PLAIN).value == 0.0


def test_discounting_takes_away_and_at_0_takes_nothing(base: Scenario, base_case: Valuation):
    assert base.terms is not None
    for one in base_case.strategies.values():
        told = {e.outcome: e.value for e in one.estimates()}
        pairs = [(value, told[name.replace("(dis", "(undis")]) for name, value in told.items() if "(dis" in name]
        assert pairs
        assert all(discounted <= plain for discounted, plain in pairs)
    terms = replace(base.terms, discount_costs=0.0, discount_effects=0.0)
    for one in valued_of(replace(base, terms=terms)).strategies.values():
        assert one.cost().value == one.cost(PLAIN).value
        assert one.qaly().value == one.qaly(PLAIN).value


def test_a_price_moves_the_cost_of_its_items_alone_and_in_proportion(base: Scenario, run: Run, base_case: Valuation):
    """Of every price that anything costs: 10% more makes 10% more of its items, and no other item moves a bit."""
    moved = set()
    for price in PRICES:
        other = again(base, run, {price: 1.1 * CALIBRATION.parameters[price].value})
        for name, one in base_case.strategies.items():
            for item in one.rules.items:
                before, after = one.item(item.name).value, other.strategies[name].item(item.name).value
                if item.price == price:
                    assert after == pytest.approx(1.1 * before, rel=1e-12)
                    moved |= {price} if before else set()
                else:
                    assert after == before
            assert other.strategies[name].qaly().value == one.qaly().value
    assert {"lenvatinib.price_per_4_mg", "hepatectomy.price", "haic.price_per_cycle", "end_of_life.price"} <= moved


def test_the_total_is_the_sum_of_categories_and_of_items(base_case: Valuation):
    for one in base_case.strategies.values():
        by_category = sum(one.category(category).value for category in one.categories)
        by_item = sum(one.item(item.name).value for item in one.rules.items)
        assert one.cost().value == pytest.approx(by_category, rel=1e-13)
        assert one.cost().value == pytest.approx(by_item, rel=1e-13)
    told = [row for row in base_case.tables.qalys.rows if row.strategy == "conservative"]
    assert sum(row.qalys for row in told) == pytest.approx(base_case.strategies["conservative"].qaly().value, rel=1e-12)


def test_equal_strategies_differ_by_exactly_nothing(tmp_path: Path):
    path = tmp_path / "equal.yaml"
    path.write_text(
        f"title: x\nextends: {ROOT / 'scenarios' / 'base' / 'china.yaml'}\nwithout: [opportunistic]\n"
        "strategies:\n  one: {surgery.delay: 60 days}\n  other: {surgery.delay: 60 days}\n"
    )
    scenario = load_scenario(path, calibration=CALIBRATION, patients=1_000)
    compared = hcc_sim.run(scenario)
    of_value = [c for c in compared.tables.contrasts.rows if c.population == "everybody" and "cost" in c.outcome]
    assert of_value
    assert all(c.difference == 0.0 and c.mc_se == 0.0 for c in of_value)
    assert compared.icer()["status"].tolist() == ["on the frontier", "equal to another"]
    assert "no strategy is better than another" in compared.answer_of_value()
    assert compared.turnings_of_value == ()


def test_ratios_and_net_benefit_rank_alike(base_case: Valuation):
    """The best at a threshold is that of the frontier whose ratios lie on either side of it."""
    frontier = [row for row in base_case.tables.increments.rows if row.status == "on the frontier"]
    for threshold in base_case.terms.thresholds:
        best = [row.strategy for row in frontier if not row.icer > threshold][-1]
        assert best == base_case.best(threshold)
        assert {row.strategy for row in base_case.tables.net_benefit.rows if row.best == "yes"} >= {best}


# --- what is counted --------------------------------------------------------------------------------------------------


def test_operations_cost_once_each(run: Run, base_case: Valuation):
    """Resections priced are those that the outcomes count, by hand from the tally of the same run."""
    for name, one in base_case.strategies.items():
        tally = run.tallies[name]
        operated = tally.happened["everybody", "resected"].sum() / PATIENTS
        assert operated <= one.used["resection"][PLAIN, 0] < 1.1 * operated + 0.02
        deaths = sum(tally.happened["everybody", death].sum() for death in ("dead of cancer", "dead of liver failure"))
        assert one.used["care in the last weeks"][PLAIN, 0] == pytest.approx(deaths / PATIENTS, rel=1e-12)
        lived = sum(health.years[PLAIN, 0] for health in one.lived.values())
        assert lived == pytest.approx(one.life_year(PLAIN).value, rel=1e-12)


def test_drugs_cost_while_they_are_given(base_case: Valuation):
    """The longer surgery waits, the longer the regimen goes on: drugs cost more, follow-up after surgery less."""
    drugs = [one.category("drug").value for one in base_case.strategies.values()]
    assert drugs == sorted(drugs)
    after = [one.item("CT after surgery, first years").value for one in base_case.strategies.values()]
    assert after[0] > after[2] > after[3]


def test_drugs_cost_nothing_once_they_have_stopped():
    """Three months of therapy at most, and none while watched: no patient has more of a drug than that."""
    stopped = {"therapy.duration": "3 months", "watching.therapy_duration": "0 days", "toxicity.rate": "0"}
    scenario = load_scenario(
        ROOT / "scenarios" / "surgical-timing.yaml", calibration=CALIBRATION, patients=PATIENTS, overrides=stopped
    )
    for one in valued_of(scenario).strategies.values():
        days = one.used["lenvatinib"][PLAIN, 0] / (10.0 / 4.0)
        assert 60.0 < days <= 3 * 365.25 / 12
        assert 6.0 < one.used["domestic PD-1 antibody"][PLAIN, 0] <= 2 * 5


def test_what_lies_beyond_the_data_is_what_the_estimates_say(base_case: Valuation):
    told = {name: {e.outcome: e.value for e in one.estimates()} for name, one in base_case.strategies.items()}
    rows = base_case.tables.beyond.rows
    assert len(rows) == 6 * 2
    for row in rows:
        later = f"QALYs past {row.past_years:g} years (discounted)"
        assert row.past == pytest.approx(told[row.strategy][later] - told[row.versus][later], abs=1e-12)
        assert row.share == pytest.approx(row.past / row.incremental_qalys)


@pytest.mark.parametrize("name", ["hepatectomy.price", "utility.after_surgery", "lenvatinib.mg_per_day"])
def test_a_price_is_turned_as_if_it_had_been_set(name: str, timing: Comparison):
    assert timing.scenario.size == PATIENTS
    (turning,) = (t for t in timing.turnings_of_value if t.parameter.name == name)
    for value, difference in zip(turning.values[::2], turning.differences[::2], strict=True):
        unit = CALIBRATION.parameters[name].unit
        text = f"{value!r} {unit}" if unit == "USD 2021" else f"{value!r}"
        other = valued_of(load(**{name.replace(".", "__", 1): text}))
        best, worst = (other.strategies[one].net_benefit(37_547.0).value for one in (turning.strategy, turning.versus))
        assert difference == pytest.approx(best - worst, rel=1e-9)
    assert turning.differences[0] != turning.differences[2]


def test_sessions_are_counted_where_they_are_simulated():
    scenario = load("liver-directed-cycles.yaml")
    for strategy in scenario.strategies:
        items = {item.name: item for item in rules_of(scenario, strategy)[0].items}
        kinds = {name: type(item) for name, item in items.items() if name in ("TACE", "HAIC", "drugs of HAIC")}
        assert kinds
        assert set(kinds.values()) == {PerEvent}
    items = {item.name: item for item in rules_of(load(), load().strategies[0])[0].items}
    assert isinstance(items["HAIC"], PerCycle)


def test_who_gets_nothing_named_is_told():
    notes = rules_of(scenario := load("adjuvant-choice.yaml"), scenario.strategies[-1])[1]
    assert any("pd1 is priced as sintilimab" in note for note in notes)
    assert treatments_of("")[0] == (OTHER_DRUG,)
    assert "no regimen says what is given" in treatments_of("")[1][0]
    names = [one.name for one in treatments_of("tace+durvalumab+tremelimumab")[0]]
    assert names == [
        "TACE",
        "imported checkpoint inhibitor (durvalumab)",
        "imported checkpoint inhibitor (tremelimumab)",
    ]
    assert [one.name for one in treatments_of("haic+lenvatinib+pd1")[0]] == [
        "HAIC", "drugs of HAIC", "lenvatinib", "domestic PD-1 antibody",
    ]  # fmt: skip


def test_every_regimen_of_the_documents_can_be_priced(base: Scenario):
    assert base.fit is not None
    for key in base.fit.regimens:
        treatments, notes = treatments_of(key.removeprefix("adjuvant ").removeprefix("neoadjuvant "))
        unknown = [part for part in key.split("+") if part.split(" ", 1)[-1] not in PARTS and part not in PARTS]
        assert all(any(part in note for note in notes) for part in unknown if "adjuvant" not in part), key
        for treatment in treatments:
            assert treatment.price in CALIBRATION.parameters
            assert treatment.category in CATEGORIES


@pytest.mark.parametrize("path", sorted(path.name for path in (ROOT / "scenarios").glob("*.yaml")))
def test_every_scenario_is_valued(path: str):
    valuation = valued_of(load(path, patients=300))
    for one in valuation.strategies.values():
        assert 0.0 < one.qaly().value < one.life_year().value
        assert one.cost().value > 0.0
    assert set(CALIBRATION.parameters) >= {
        name for one in valuation.strategies.values() for name in one.rules.valued_by | one.rules.counted_by
    }


def test_ageing_takes_its_share(base: Scenario):
    told = valued_of(load(utility__lost_share_per_year="0.01"))
    plain = valued_of(base)
    for name, one in told.strategies.items():
        other = plain.strategies[name]
        assert 0.9 * other.qaly().value < one.qaly().value < other.qaly().value
        assert one.life_year().value == other.life_year().value


def test_what_is_reported_is_as_the_figures_say():
    """Each price and utility of kind reported names its figure, and is its value or the middle of its range."""
    figures = {figure.id: figure for _, figure in load_evidence(ROOT / "calibration", CALIBRATION.sources).figures()}
    reported = [p for p in CALIBRATION.parameters.values() if p.economic and p.where.startswith("figure ")]
    assert {p.name for p in CALIBRATION.parameters.values() if p.economic and p.kind == "reported"} - {
        p.name for p in reported
    } == {"tace.sessions"}
    for p in reported:
        first, *further = re.split(", | and ", p.where.removeprefix("figure "))
        stem = first.rpartition(".")[0]
        told = [figures[first], *(figures[f"{stem}.{last}"] for last in further)]
        values = [f.value if f.value is not None else sum(f.interval) / 2 for f in told]
        assert p.value == pytest.approx(sum(values)), p.name
        if told[0].value is not None and told[0].interval is not None:
            assert (p.distribution.low, p.distribution.high) == pytest.approx(told[0].interval), p.name


# --- money ------------------------------------------------------------------------------------------------------------

OTHER_MONEY = """title: x
extends: {root}/scenarios/surgical-timing.yaml
economics:
  currency: EUR
  price_year: 2024
  thresholds: [30000]
  conversions: {{USD 2021: 2.0, CNY 2022: 0.25}}
parameters:
  hepatectomy.price: 20000 EUR 2024
  ct.price: 100 USD 2021
  afp.price: 40 CNY 2022
"""


def test_prices_are_told_in_the_money_of_the_scenario(tmp_path: Path, base_case: Valuation):
    path = tmp_path / "other.yaml"
    path.write_text(OTHER_MONEY.format(root=ROOT))
    scenario = load_scenario(
        path, calibration=CALIBRATION, patients=PATIENTS, overrides={"laboratory.price_per_visit": "8 USD 2021"}
    )
    parameters = scenario.strategies[0].parameters
    assert parameters["hepatectomy.price"].value == 20_000.0
    assert (parameters["ct.price"].value, parameters["ct.price"].unit) == (200.0, "EUR 2024")
    assert (parameters["afp.price"].value, parameters["laboratory.price_per_visit"].value) == (10.0, 16.0)
    lenvatinib = parameters["lenvatinib.price_per_4_mg"]
    assert lenvatinib.value == pytest.approx(33.38)
    assert lenvatinib.distribution is not None
    assert (lenvatinib.distribution.low, lenvatinib.distribution.high) == (12.0, 40.0)
    assert "16.69 USD 2021, at 2 EUR 2024 for one" in lenvatinib.derivation
    told = valued_of(scenario)
    for name, one in told.strategies.items():
        assert one.currency == "EUR 2024"
        before = base_case.strategies[name].item("lenvatinib").value
        assert one.item("lenvatinib").value == pytest.approx(2.0 * before, rel=1e-12)
        assert one.qaly().value == base_case.strategies[name].qaly().value


def problems(tmp_path: Path, text: str, **options: object) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(f"title: x\nextends: {ROOT}/scenarios/surgical-timing.yaml\n{text}")
    with pytest.raises(InputError) as caught:
        load_scenario(path, calibration=CALIBRATION, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("parameters: {ct.price: 90}", ":3: parameters.ct.price: given 90 without currency and price year"),
        ("parameters: {ct.price: 90 USD}", "given '90 USD' without price year; write '90 USD 2021'"),
        ("parameters: {ct.price: 90 2021}", "given '90 2021' without currency"),
        ("parameters: {ct.price: 90 usd 2021}", "a currency is three capital letters"),
        ("parameters: {ct.price: 90 EUR 2021}", "nothing says what one EUR 2021 is worth in it"),
        ("parameters: {ct.price: -3 USD 2021}", "out of range"),
        ("parameters: {utility.progressed: 1.01}", "given 1.01, which is out of range; accepted: a utility"),
        ("economics: {thresholds: [12741 USD 2022]}", "given '12741 USD 2022', but results are in USD 2021"),
        ("economics: {thresholds: [0]}", "thresholds[0]: given 0"),
        ("economics: {thresholds: [2, 1]}", "thresholds must rise"),
        ("economics: {thresholds: []}", "thresholds: given a list; accepted: what a QALY may cost"),
        ("economics: {currency: Dollar}", "currency: given 'Dollar'; accepted: the currency"),
        ("economics: {price_year: 2023}", "nothing says what one USD 2021 is worth"),
        ("economics: {discount: {costs: -0.05}}", "discount.costs: given -0.05; accepted: annual discount"),
        ("economics: {discount: {cost: 0.05}}", "unknown key 'cost'. Did you mean 'costs'?"),
        ("economics: {conversions: {CNY: 3.0}}", "conversions.CNY: given 'CNY': 3.0; accepted: money"),
        ("economics: {conversions: {CNY 2022: 0.0}}", "accepted: money and a number above 0"),
        ("economics: {conversions: {USD 2021: 1.0}}", "is the money of the results; leave it out"),
        ("economics: {currency: CNY, conversions: {USD 2021: 6.7}}", "given '12516 USD 2021', but results are in CNY"),
    ],
)  # fmt: skip
def test_wrong_money_is_refused(tmp_path: Path, text: str, expected: str):
    assert expected in problems(tmp_path, text)


ITEM = "economics: {items: {mine: {%s}}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("category: surgry, price: 1 USD 2021, per: month", "'surgry'. Did you mean 'surgery'? Accepted"),
        ("category: surgery, price: 1 USD 2021, per: month, states: [hevan]", "states[0]: unknown state 'hevan'"),
        ("category: surgery, price: 1 USD 2021, per: event, entering: [resectio]", "Did you mean 'resection'?"),
        ("category: surgery, price: 1 USD 2021, per: event, ended_by: [R7]", "unknown exit 'R7'"),
        ("category: surgery, price: 1 USD 2021, per: event", "entering or ended_by missing"),
        ("category: surgery, price: 1 USD 2021, per: cycle", "every missing"),
        ("category: surgery, price: 1 USD 2021, per: cycle, every: 0 days", "accepted: a duration above 0"),
        ("category: surgery, price: 1 USD 2021, per: day", "unknown word for what is counted 'day'"),
        ("category: surgery, price: 1 USD 2021, per: month, every: 3 weeks", "means nothing for what is counted"),
        ("category: surgery, price: 1, per: month", "items.mine.price: given 1 without currency and price year"),
        ("category: surgery, price: 1 CNY 2022, per: month", "nothing says what one CNY 2022 is worth"),
        ("category: surgery, price: 1 USD 2021, per: month, shown: {bald: true}", "attribute that stays show 'bald'"),
        ("category: surgery, per: month", "items.mine.price: missing"),
    ],
)  # fmt: skip
def test_a_wrong_item_is_refused(tmp_path: Path, text: str, expected: str):
    assert expected in problems(tmp_path, ITEM % text)


def test_items_of_ones_own_are_counted_beside_the_others(tmp_path: Path, run: Run, base_case: Valuation):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"""title: x
extends: {ROOT}/scenarios/surgical-timing.yaml
economics:
  items:
    theatre nurse: {{category: surgery, price: 100 USD 2021, per: event, entering: [resection], most: 1}}
    parking:
      {{category: hospital days, price: 3 USD 2021, per: month, amount: 2, states: [converted],
       shown: {{off drugs: false}}}}
    diary: {{category: monitoring, price: 1 USD 2021, per: cycle, every: 1 month}}
    necrosis test: {{category: monitoring, price: 7 USD 2021, per: event, ended_by: [R0]}}
"""
    )
    found = valued_of(load_scenario(path, calibration=CALIBRATION, patients=PATIENTS))
    for name, one in found.strategies.items():
        resected = run.tallies[name].happened["everybody", "resected"].sum() / PATIENTS
        assert resected <= one.item("theatre nurse", PLAIN).value / 100.0 < 1.1 * resected + 0.02
        assert one.item("parking", PLAIN).value == pytest.approx(6.0 * one.used["parking"][PLAIN, 0] / 2.0, rel=1e-12)
        years = one.life_year(PLAIN).value
        assert 12.0 * years < one.item("diary", PLAIN).value < 12.0 * years + 1.0, "rounded up once for each patient"
        assert one.prices["necrosis test"] == 7.0
        assert len([item for item in one.rules.items if item.name == "necrosis test"]) == 1
        added = sum(one.item(item).value for item in ("theatre nurse", "parking", "diary", "necrosis test"))
        assert one.cost().value == pytest.approx(base_case.strategies[name].cost().value + added, rel=1e-12)


def test_a_scenario_without_economics_is_not_valued(tmp_path: Path):
    path = tmp_path / "plain.yaml"
    path.write_text("title: x\nregimen: lenvatinib\nstrategies: {a: {surgery.delay: 0 days}}\n")
    compared: Comparison = hcc_sim.run(load_scenario(path, calibration=CALIBRATION, patients=500))
    assert compared.valuation is None
    assert compared.answer_of_value() == ""
    assert not any("QALY" in row.outcome for row in compared.tables.summary.rows)
    with pytest.raises(ValueError, match="says nothing of economics"):
        compared.costs()


def test_economics_is_checked_beside_what_else_is_wrong(tmp_path: Path):
    told = problems(tmp_path, "run: {seed: x}\neconomics: {thresholds: [1 USD 2022]}\nparameters: {ct.price: 3}")
    assert "run.seed" in told
    assert "but results are in USD 2021" in told
    assert "given 3 without currency and price year" in told


def test_numbers_of_another_file_mean_nothing_in_other_money(tmp_path: Path):
    base = tmp_path / "base.yaml"
    base.write_text(
        f"title: x\nextends: {ROOT}/scenarios/surgical-timing.yaml\n"
        "economics: {thresholds: [5, 6], conversions: {CNY 2022: 0.149}}\n"
    )
    assert load_scenario(base, calibration=CALIBRATION).terms is not None
    mine = tmp_path / "mine.yaml"
    mine.write_text("title: x\nextends: base.yaml\neconomics: {currency: EUR, conversions: {USD 2021: 0.9}}\n")
    with pytest.raises(InputError, match="thresholds: are those of another file"):
        load_scenario(mine, calibration=CALIBRATION)


def test_an_item_in_the_place_of_another_is_used_only_where_that_is(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"title: x\nextends: {ROOT}/scenarios/regimen-first.yaml\n"
        "economics: {items: {TACE: {category: surgery, price: 1 USD 2021, per: cycle, every: 2 months}}}\n"
    )
    scenario = load_scenario(path, calibration=CALIBRATION, patients=300)
    has = {s.name: any(i.name == "TACE" for i in rules_of(scenario, s)[0].items) for s in scenario.strategies}
    gives = {s.name: "tace" in s.layers.regimen.given.split("+") for s in scenario.strategies}
    assert has == gives
    assert len(set(has.values())) == 2
    told = {
        s.name: any("'TACE' stands for an item" in note for note in rules_of(scenario, s)[1])
        for s in scenario.strategies
    }
    assert told == {name: not given for name, given in gives.items()}


@pytest.mark.usefixtures("quick")
def test_a_price_turns_the_order_where_net_benefit_is_equal(tmp_path: Path):
    """Not where its distribution would say: at a threshold a little above the ratio of two regimens."""
    base = load("regimen-first.yaml", patients=1_000)
    step = next(row for row in valued_of(base).tables.increments.rows if row.icer == row.icer)
    left_out = [s.name for s in base.strategies if s.name not in (step.strategy, step.versus)]
    path = tmp_path / "two.yaml"
    path.write_text(
        f"title: x\nextends: {ROOT}/scenarios/regimen-first.yaml\nwithout: {left_out}\n"
        f"economics: {{thresholds: [{1.03 * step.icer!r}]}}\n"
    )
    compared = hcc_sim.run(load_scenario(path, calibration=CALIBRATION, patients=1_000))
    turning = [t for t in compared.turnings_of_value if t.turns_at and t.parameter.unit == "USD 2021"]
    assert len(turning) > 2
    for t in turning[:4]:
        overrides = {t.parameter.name: f"{t.turns_at!r} USD 2021"}
        other = valued_of(load_scenario(path, calibration=CALIBRATION, patients=1_000, overrides=overrides))
        best, worst = (other.strategies[n].net_benefit(1.03 * step.icer).value for n in (t.strategy, t.versus))
        assert best - worst == pytest.approx(0.0, abs=1e-3 * max(map(abs, t.differences)))


def test_a_price_that_is_asked_to_be_turned_is_turned_once_and_moves_no_survival(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"title: x\nextends: {ROOT}/scenarios/surgical-timing.yaml\n"
        "turn: [hepatectomy.price, later_line.duration, surgery.effect]\n"
    )
    compared = hcc_sim.run(load_scenario(path, calibration=CALIBRATION, patients=1_000))
    assert {t.parameter.name for t in compared.turnings} == {"surgery.effect", "aggressiveness"}
    names = [t.parameter.name for t in compared.turnings_of_value]
    assert len(names) == len(set(names))
    assert {"hepatectomy.price", "later_line.duration", "surgery.effect"} <= set(names)
    (lines,) = (t for t in compared.turnings_of_value if t.parameter.name == "later_line.duration")
    assert lines.span > 0.0, "counted anew"
