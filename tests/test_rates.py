"""Hazard ratios between strategies: by hand, closed forms, and beside Cox's estimate of the same people."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_outcomes_by_hand import stays, tallied

from hcc_sim.analyses.compare import Comparison
from hcc_sim.analyses.strategies import simulate_strategies
from hcc_sim.history import Stays
from hcc_sim.outcomes import (
    Definitions,
    Endpoint,
    Population,
    Tally,
    hazard_ratio_table,
    ratios_by_period,
    with_subgroups,
)
from hcc_sim.parameters import load_calibration
from hcc_sim.scenario import load_scenario

ROOT = Path(__file__).resolve().parent.parent
DAYS_PER_MONTH = 365.25 / 12
Z = 4.0

EVERYBODY = Population("everybody", "")
OS = Endpoint(name="OS", meaning="", entering=("dead",))
LIVES = Definitions((EVERYBODY,), endpoints=(OS,))
HORIZON_MONTHS = 150.0


def day(months: float) -> float:
    """The end of the day into which a time falls."""
    return math.ceil(months * DAYS_PER_MONTH - 1e-6) / DAYS_PER_MONTH


def tally_of(months: np.ndarray, asked: Definitions = LIVES, horizon_months: float = HORIZON_MONTHS, **parts) -> Tally:
    n = len(months)
    dead = months < horizon_months
    record = Stays(
        np.arange(n, dtype=np.uint64),
        np.zeros(n, np.int16),
        np.zeros(n),
        np.minimum(months, horizon_months),
        np.where(dead, 1, -1).astype(np.int16),
        np.where(dead, 0, -1).astype(np.int16),
    )
    tally = Tally(asked, ["alive", "dead"], ["death"], horizon_months)
    tally.add(record, 0, n, parts)
    return tally


def ratios(one: Tally, other: Tally) -> pd.DataFrame:
    """Of `one` against `other`, by period; the whole is called (0, to the end)."""
    return hazard_ratio_table({"other": other, "one": one}).frame().set_index(["from_months", "to_months"])


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_by_hand():
    """Deaths in the middle of days, so that the months at risk are those lived to the last bit of a day."""
    halves = [np.array(days) - 0.5 for days in ([100, 200, 400, 9_000], [50, 500, 600, 9_000])]
    one, other = (tally_of(days / DAYS_PER_MONTH) for days in halves)
    found = ratios(one, other)
    year, second = 366, 731  # the days into which months 12 and 24 fall
    first_of_one = 2 / (99.5 + 199.5 + 2 * year)
    first_of_other = 1 / (49.5 + 3 * year)
    assert found.loc[(0, 12), "hazard_ratio"] == pytest.approx(first_of_one / first_of_other, rel=1e-12)
    second_of_one = 1 / (399.5 - year + second - year)
    second_of_other = 2 / (499.5 - year + 599.5 - year + second - year)
    assert found.loc[(12, 24), "hazard_ratio"] == pytest.approx(second_of_one / second_of_other, rel=1e-12)
    assert found.loc[(24, 60)].isna().sum() == 3, "no event"
    last = HORIZON_MONTHS * DAYS_PER_MONTH
    whole = (3 / (99.5 + 199.5 + 399.5 + last)) / (3 / (49.5 + 499.5 + 599.5 + last))
    assert found.loc[(0, 150), "hazard_ratio"] == pytest.approx(whole, rel=1e-12)
    assert list(found.index) == [(0, 12), (12, 24), (24, 60), (60, 120), (0, 150)]
    assert found["low"].isna().all(), "96 groups are empty"


def test_the_table_names_both_and_the_later_comes_first():
    tallies = {name: tally_of(np.full(200, 10.0 * n)) for n, name in enumerate(("a", "b", "c"), start=1)}
    table = hazard_ratio_table(tallies)
    assert table.columns == (
        "population", "outcome", "strategy", "versus", "from_months", "to_months", "hazard_ratio", "low", "high",
    )  # fmt: skip
    pairs = list(dict.fromkeys((row.strategy, row.versus) for row in table.rows))
    assert pairs == [("b", "a"), ("c", "a"), ("c", "b")]
    first = table.rows[0]
    assert (first.population, first.outcome, first.from_months, first.to_months) == ("everybody", "OS", 0, 12)
    # At 10 months there are 304.375 days; events count as in the middle of the day 305.
    assert first.hazard_ratio != first.hazard_ratio, "of b nobody dies in the first year"
    whole = table.rows[4]
    expected = (304.5 / DAYS_PER_MONTH) / (608.5 / DAYS_PER_MONTH)
    assert whole.hazard_ratio == pytest.approx(expected, rel=1e-12)
    assert hazard_ratio_table({}).rows == []
    assert hazard_ratio_table({"a": tallies["a"]}).rows == []


@pytest.mark.parametrize(
    "dead", [(0, "dead", 0.0, 48.0, None, None), (0, "therapy", 0.0, 0.0, "dead", "death")], ids=["there", "at once"]
)
def test_events_at_time_zero_belong_to_no_period(dead: tuple):
    def dies(patient: int, on_day: int) -> tuple:
        return (patient, "therapy", 0.0, (on_day - 0.5) / DAYS_PER_MONTH, "dead", "death")

    one = tallied(stays(dead, dies(1, 100), dies(2, 200)), 3, LIVES)
    other = tallied(stays(dies(0, 300), dies(1, 100), dies(2, 200)), 3, LIVES)
    expected = (2 / (99.5 + 199.5)) / (3 / (299.5 + 99.5 + 199.5))
    assert one.days["everybody", "OS"][0, 0] == 1
    assert ratios(one, other).loc[(0, 12), "hazard_ratio"] == pytest.approx(expected, rel=1e-12)


def test_all_dead_at_once_is_no_exception():
    found = ratios(tally_of(np.zeros(200)), tally_of(np.zeros(200)))
    assert found["hazard_ratio"].isna().all()
    assert found["low"].isna().all()


def test_only_events_in_both_arms_give_a_ratio():
    found = ratios(tally_of(np.full(300, 6.0)), tally_of(np.full(300, 500.0)))
    assert found["hazard_ratio"].isna().all()
    found = ratios(tally_of(np.full(300, 500.0)), tally_of(np.full(300, 6.0)))
    assert found["hazard_ratio"].isna().all()


def test_a_ratio_whose_events_are_all_in_one_group_has_no_interval():
    months = np.full(300, 500.0)
    months[7] = 3.0
    row = ratios(tally_of(months), tally_of(np.full(300, 6.0))).loc[(0, 12)]
    assert row["hazard_ratio"] > 0
    assert math.isnan(row["low"])
    assert math.isnan(row["high"])


@pytest.mark.parametrize(
    ("horizon", "expected"),
    [
        (0.01, [(0, 0.01)]),
        (11.0, [(0, 11.0)]),
        (12.0, [(0, 12.0)]),
        (12.5, [(0, 12), (0, 12.5)]),
        (120.0, [(0, 12), (12, 24), (24, 60), (60, 120), (0, 120)]),
        (119.9, [(0, 12), (12, 24), (24, 60), (0, 119.9)]),
    ],
)
def test_periods_lie_within_the_follow_up(horizon: float, expected: list[tuple[float, float]]):
    lives = np.linspace(0.1, 200, 400)
    tally = tally_of(lives, horizon_months=horizon)
    assert list(ratios(tally, tally).index) == expected


def test_the_follow_up_is_that_of_both():
    """Under `a` the last comes at 20 months and is followed for 28, under `b` at 40 and is followed for 8."""

    def tally(comes: float) -> Tally:
        rows = []
        for i in range(200):
            rows += [
                (i, "therapy", 0.0, comes if i == 0 else 1.0, "converted", "response"),
                (i, "converted", comes if i == 0 else 1.0, 45.0, "dead", "death"),
            ]
        asked = Definitions((Population("who convert", "", "converted"),), endpoints=(OS,))
        return tallied(stays(*rows), 200, asked)

    for tallies in ({"a": tally(20.0), "b": tally(40.0)}, {"b": tally(40.0), "a": tally(20.0)}):
        told = [(row.from_months, row.to_months) for row in hazard_ratio_table(tallies).rows]
        assert len(told) == 1
        assert told[0][0] == 0
        assert 7.9 < told[0][1] <= 8
    same = [(row.from_months, row.to_months) for row in hazard_ratio_table({"a": tally(20.0), "c": tally(20.0)}).rows]
    assert same[:2] == [(0, 12), (12, 24)]
    assert 27.9 < same[2][1] <= 28


def test_strategies_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="can be compared only with the same definitions"):
        hazard_ratio_table({"a": tally_of(np.ones(100)), "b": tally_of(np.ones(200))})


# --- closed forms, and Cox's estimate ---------------------------------------------------------------------------------

N = 40_000


def exponential(means: dict[float, float], seed: int) -> np.ndarray:
    """Lives with a hazard of 1 / mean from each time on."""
    spent, lives = np.random.default_rng(seed).exponential(1.0, N), np.zeros(N)
    edges = [*means, math.inf]
    going = np.ones(N, np.bool_)
    for (begin, mean), end in zip(means.items(), edges[1:], strict=True):
        needed = spent * mean
        ends_here = going & (begin + needed <= end)
        lives[ends_here] = begin + needed[ends_here]
        going &= ~ends_here
        spent = spent - (end - begin) / mean if math.isfinite(end) else spent
    return lives


def test_exponential_arms_have_the_ratio_of_their_rates():
    """The interval holds it, and is as wide as theory says: the variance of the log ratio is 1 / d1 + 1 / d2."""
    one, other = exponential({0.0: 20.0}, 1), exponential({0.0: 30.0}, 2)
    found = ratios(tally_of(one), tally_of(other))
    for (low, high), row in found.iterrows():
        deaths = [np.count_nonzero((lives > day(low)) & (lives <= day(high))) for lives in (one, other)]
        error = math.sqrt(sum(1 / d for d in deaths))
        assert error < 0.05, "too few events to see an error of a fifth"
        assert abs(math.log(row["hazard_ratio"] / 1.5)) < Z * error
        told = math.log(row["high"] / row["low"]) / 2 / 1.96
        assert told == pytest.approx(error, rel=Z * 0.071)  # what 100 groups know of an error: 1 / sqrt(2 * 99)
        assert math.log(row["high"] / row["hazard_ratio"]) == pytest.approx(math.log(row["hazard_ratio"] / row["low"]))


def test_contrasts_are_paired():
    lives = exponential({0.0: 20.0}, 1)
    found = ratios(tally_of(lives * 1.1), tally_of(lives))
    whole = found.iloc[-1]
    independent = math.sqrt(2 / np.count_nonzero(lives < HORIZON_MONTHS))
    assert math.log(whole["high"] / whole["low"]) / 2 / 1.96 < 0.3 * independent
    same = ratios(tally_of(lives), tally_of(lives))
    assert (same[["hazard_ratio", "low", "high"]] == 1.0).all(axis=None)


def test_ratios_by_period_agree_with_those_of_cox_where_hazards_are_constant_within_each():
    """Closely, not exactly: by less than a third of their error.  A ratio that changes is seen by both."""
    one = exponential({0.0: 20.0, day(24): 40.0}, 3)
    other = exponential({0.0: 40.0, day(24): 20.0}, 4)
    found = ratios(tally_of(one), tally_of(other))
    cuts = [day(cut) for cut in (12, 24, 60, 120)]
    had = [lives < HORIZON_MONTHS for lives in (one, other)]
    seen = [np.minimum(lives, HORIZON_MONTHS) for lives in (one, other)]
    cox = ratios_by_period(seen[0], had[0], seen[1], had[1], cuts)[:4]
    assert len(found) == 5
    for period, truth, (_, row) in zip(cox, (2.0, 2.0, 0.5, 0.5), found.iloc[:4].iterrows(), strict=True):
        log_ratio, error = math.log(row["hazard_ratio"]), period.ratio.error
        assert abs(log_ratio - period.ratio.log_ratio) < error / 3
        assert log_ratio != period.ratio.log_ratio
        assert abs(log_ratio - math.log(truth)) < Z * error
        assert math.log(row["high"] / row["low"]) / 2 / 1.96 == pytest.approx(error, rel=Z * 0.071)


def test_where_ratios_change_within_a_period_the_two_average_them_differently():
    one, other = exponential({0.0: 10.0, 12.0: 200.0}, 3), exponential({0.0: 60.0}, 4)
    whole = ratios(tally_of(one), tally_of(other)).iloc[-1]
    had = [lives < HORIZON_MONTHS for lives in (one, other)]
    seen = [np.minimum(lives, HORIZON_MONTHS) for lives in (one, other)]
    cox = ratios_by_period(seen[0], had[0], seen[1], had[1], [HORIZON_MONTHS])[0].ratio
    assert abs(math.log(whole["hazard_ratio"]) - cox.log_ratio) > Z * cox.error


# --- of subgroups and scenarios ---------------------------------------------------------------------------------------


def test_subgroups_have_their_own():
    """Men die twice as fast under `one`, women under `other`; together nothing is seen."""
    men = np.arange(N) % 7 < 3
    fast, slow = exponential({0.0: 20.0}, 1), exponential({0.0: 40.0}, 2)
    asked = with_subgroups(LIVES, ("men", "women"))
    one = tally_of(np.where(men, fast, slow), asked, men=men, women=~men)
    other = tally_of(np.where(men, slow, fast), asked, men=men, women=~men)
    table = hazard_ratio_table({"other": other, "one": one}).frame()
    first = table[table["to_months"] == 12].set_index("population")
    assert first.loc["everybody, men", "hazard_ratio"] == pytest.approx(2.0, rel=0.1)
    assert first.loc["everybody, women", "hazard_ratio"] == pytest.approx(0.5, rel=0.1)
    alone = ratios(tally_of(np.where(men, fast, 999.0)), tally_of(np.where(men, slow, 999.0)))
    assert alone.loc[(0, 12), "hazard_ratio"] != first.loc["everybody, men", "hazard_ratio"], "others are at risk too"


@pytest.fixture(scope="module")
def kept() -> tuple[Comparison, dict[str, dict[str, np.ndarray]]]:
    """A scenario, and by strategy and endpoint the months of each patient, by a plain loop over his stays."""
    path = ROOT / "scenarios" / "surgical-timing.yaml"
    scenario = load_scenario(path, calibration=load_calibration(ROOT / "calibration"), patients=1_500)
    frames: dict[str, pd.DataFrame] = {}

    def keep(name, program, part):
        frames[name] = part.to_frame(program.state_names, program.exit_names)

    comparison = Comparison(scenario, simulate_strategies(scenario, keep=keep), ())
    months: dict[str, dict[str, np.ndarray]] = {}
    for name, frame in frames.items():
        rows = frame.astype({"next_state": object, "ended_by": object}).to_dict("records")
        for endpoint in comparison.definitions.endpoints:
            found = np.full(1_500, 9e9)
            for row in rows:
                if row["next_state"] in endpoint.entering or row["ended_by"] in endpoint.ended_by:
                    found[row["patient"]] = min(found[row["patient"]], row["left_months"])
            months.setdefault(name, {})[endpoint.name] = found
    return comparison, months


def test_a_scenario_has_the_rates_of_a_loop_over_stays(kept):
    """Exact dates beside dates to half a day: the months at risk differ by less than a thousandth."""
    comparison, months = kept
    table = comparison.hazard_ratios()
    assert list(table.columns)[:4] == ["population", "outcome", "strategy", "versus"]
    everybody = table[table["population"] == "everybody"]
    assert len(everybody) == 3 * 6 * 5
    for row in everybody.itertuples():
        rates = []
        for name in (row.strategy, row.versus):
            until = months[name][row.outcome]
            begin, end = day(row.from_months), min(day(row.to_months), 360.0)
            events = sum(1 for t in until if begin < t <= end + 1e-9)
            at_risk = sum(min(t, end) - begin for t in until if t > begin)
            rates.append(events / at_risk)
        assert row.hazard_ratio == pytest.approx(rates[0] / rates[1], rel=1e-3)
        assert row.low <= row.hazard_ratio <= row.high


def test_on_simulated_stays_it_is_close_to_cox_by_period(kept):
    """Nobody is censored before the horizon, so both look at the same people."""
    comparison, months = kept
    table = comparison.hazard_ratios()
    chosen = table[
        (table["population"] == "everybody")
        & (table["outcome"] == "OS")
        & (table["strategy"] == "conservative")
        & (table["versus"] == "opportunistic")
    ]
    seen = [np.minimum(months[name]["OS"], 360.0) for name in ("conservative", "opportunistic")]
    had = [months[name]["OS"] < 360.0 for name in ("conservative", "opportunistic")]
    cox = ratios_by_period(seen[0], had[0], seen[1], had[1], [day(cut) for cut in (12, 24, 60, 120)])
    for period, row in zip(cox[:4], chosen.iloc[:4].itertuples(), strict=True):
        assert abs(math.log(row.hazard_ratio) - period.ratio.log_ratio) < 0.3 * period.ratio.error
