"""Incidence by cause: by hand, against another estimator, and what always holds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from test_outcomes_against_theory import HORIZON_MONTHS
from test_outcomes_by_hand import stays, tallied

from hcc_sim.analyses.compare import Comparison
from hcc_sim.analyses.strategies import simulate_strategies
from hcc_sim.history import Stays
from hcc_sim.outcomes import (
    Definitions,
    Endpoint,
    Population,
    Share,
    Tally,
    aalen_johansen,
    curves,
    incidence_table,
    with_subgroups,
)
from hcc_sim.outcomes.hcc import CONVERTED, EVERYBODY
from hcc_sim.parameters import load_calibration
from hcc_sim.pathway.hcc import DEATHS
from hcc_sim.scenario import load_scenario

ROOT = Path(__file__).resolve().parent.parent
DAYS_PER_MONTH = 365.25 / 12

EVERYBODY_BY_HAND = Population("everybody", "")
REGROWN = Share(name="regrown", meaning="", ended_by=("local regrowth",), over_time=True)
DEAD = Share(name="dead", meaning="", entering=("dead",), over_time=True)


def at(tally: Tally, population: str, cause: str, months: float) -> float:
    frame = incidence_table({"s": tally}).frame()
    rows = frame[(frame["population"] == population) & (frame["cause"] == cause) & (frame["months"] <= months)]
    return float(rows["value"].iloc[-1])


def test_by_hand():
    """Patient 0 converts at 6, grows again at 9 and 12 and dies at 30 months; patient 1 grows again at 20."""
    record = stays(
        (0, "therapy", 0.0, 6.0, "converted", "response"),
        (0, "converted", 6.0, 9.0, "converted", "local regrowth"),
        (0, "converted", 9.0, 12.0, "converted", "local regrowth"),
        (0, "converted", 12.0, 30.0, "dead", "death"),
        (1, "therapy", 0.0, 20.0, "therapy", "local regrowth"),
        (1, "therapy", 20.0, 48.0, None, None),
    )
    converted = Population("who convert", "", "converted")
    tally = tallied(record, 2, Definitions((EVERYBODY_BY_HAND, converted), shares=(REGROWN, DEAD)))
    told = {
        (who, cause, month): at(tally, who, cause, month)
        for who in ("everybody", "who convert")
        for cause in ("regrown", "dead")
        for month in (0, 2, 4, 8, 10, 19, 21, 23, 25, 29, 31, 41)
    }
    regrown = [told["everybody", "regrown", month] for month in (0, 8, 10, 19, 21, 41)]
    assert regrown == [0, 0, 0.5, 0.5, 1, 1]
    assert [told["everybody", "dead", month] for month in (29, 31)] == [0, 0.5]
    assert [told["who convert", "regrown", month] for month in (2, 4)] == [0, 1], "from conversion on"
    assert [told["who convert", "dead", month] for month in (23, 25)] == [0, 1]
    frame = incidence_table({"s": tally}).frame()
    last = frame.groupby("population")["months"].max()
    assert last["everybody"] == 48
    assert 41 < last["who convert"] <= 42, "not beyond the follow-up"


def test_at_time_zero():
    dead = stays((0, "dead", 0.0, 48.0, None, None), (1, "therapy", 0.0, 48.0, None, None))
    tally = tallied(dead, 2, Definitions((EVERYBODY_BY_HAND,), shares=(DEAD,)))
    assert incidence_table({"s": tally}).rows[0].value == 0.5
    assert incidence_table({"s": tally}).rows[0].months == 0


def test_the_interval_is_the_textbook_one():
    """One patient in each group: the jackknife gives sqrt(p (1 - p) / (n - 1))."""
    rows = [(i, "therapy", 0.0, 10.0 if i < 30 else 48.0, *(("dead", "death") if i < 30 else ())) for i in range(100)]
    record = stays(*((*row, None, None) if len(row) == 4 else row for row in rows))
    tally = tallied(record, 100, Definitions((EVERYBODY_BY_HAND,), shares=(DEAD,)))
    last = incidence_table({"s": tally}).rows[-1]
    error = math.sqrt(0.3 * 0.7 / 99)
    assert last.value == 0.3
    assert (last.low, last.high) == pytest.approx((0.3 - 1.96 * error, 0.3 + 1.96 * error), rel=1e-12)


def test_empty_groups_have_no_interval_and_nobody_no_share():
    record = stays((0, "therapy", 0.0, 48.0, None, None))
    nobody = Population("who convert", "", "converted")
    tally = tallied(record, 1, Definitions((EVERYBODY_BY_HAND, nobody), shares=(DEAD,)))
    frame = incidence_table({"s": tally}).frame()
    assert (frame[frame["population"] == "everybody"]["value"] == 0).all()
    assert frame["low"].isna().all()
    assert frame[frame["population"] == "who convert"]["value"].isna().all()


@pytest.mark.parametrize("wrong", [{"never": True}, {"among": "dead"}])
def test_what_has_no_incidence_is_refused(wrong: dict):
    with pytest.raises(ValueError, match="the incidence of what never happens, or among some, is not told"):
        Share(name="x", meaning="", entering=("dead",), over_time=True, **wrong)


# --- against another estimator ----------------------------------------------------------------------------------------

CAUSES = ("dead of cancer", "dead of age", "dead of surgery")
COMPETING = Definitions(
    (EVERYBODY_BY_HAND,),
    endpoints=(Endpoint(name="OS", meaning="", entering=CAUSES),),
    shares=tuple(Share(name=cause, meaning="", entering=(cause,), over_time=True) for cause in CAUSES),
)


def competing(patients: int) -> tuple[np.ndarray, np.ndarray, Stays]:
    """Times of death, causes (0: alive at the horizon) and stays."""
    rng = np.random.default_rng(5)
    dates = np.array([rng.exponential(mean, patients) for mean in (30.0, 90.0, 200.0)])
    months, cause = np.minimum(dates.min(axis=0), HORIZON_MONTHS), dates.argmin(axis=0) + 1
    cause[months == HORIZON_MONTHS] = 0
    record = Stays(
        np.arange(patients, dtype=np.uint64),
        np.zeros(patients, np.int16),
        np.zeros(patients),
        months,
        np.where(cause > 0, cause, -1).astype(np.int16),
        np.where(cause > 0, 0, -1).astype(np.int16),
    )
    return months, cause, record


def test_it_is_the_estimate_of_aalen_and_johansen():
    months, cause, record = competing(3_000)
    tally = Tally(COMPETING, ["alive", *CAUSES], ["death"], HORIZON_MONTHS)
    tally.add(record, 0, 3_000)
    other = aalen_johansen(months, cause)
    frame = incidence_table({"s": tally}).frame()
    assert len(frame) == 3 * len(tally.points)
    for row in frame.itertuples():
        number = CAUSES.index(row.cause) + 1
        expected = other.at(number, row.months + 1e-7)[0] if row.months < HORIZON_MONTHS else (cause == number).mean()
        assert row.value == pytest.approx(expected, abs=1e-12)


def test_errors_are_those_of_theory():
    """The jackknife's error of a share is sqrt(p (1 - p) / n) within what 100 groups can tell, 7%."""
    _, cause, record = competing(50_000)
    tally = Tally(COMPETING, ["alive", *CAUSES], ["death"], HORIZON_MONTHS)
    tally.add(record, 0, 50_000)
    frame = incidence_table({"s": tally}).frame()
    for number, name in enumerate(CAUSES, start=1):
        last = frame[frame["cause"] == name].iloc[-1]
        p = (cause == number).mean()
        assert (last["high"] - last["low"]) / 2 / 1.96 == pytest.approx(math.sqrt(p * (1 - p) / 50_000), rel=4 * 0.07)


# --- of a scenario ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    path = ROOT / "scenarios" / "surgical-timing.yaml"
    scenario = load_scenario(path, calibration=load_calibration(ROOT / "calibration"), patients=2_000)
    return Comparison(scenario, simulate_strategies(scenario), ())


def test_causes_of_death_sum_to_one_minus_survival(comparison: Comparison):
    frame, survival = comparison.incidence(), comparison.curves()
    assert list(frame.columns) == ["strategy", "population", "cause", "months", "value", "low", "high"]
    keys = ["strategy", "population", "months"]
    deaths = frame[frame["cause"].isin(DEATHS)].groupby(keys)["value"].sum()
    alive = survival[survival["outcome"] == "OS"].set_index(keys)["value"]
    assert len(deaths) == len(alive) > 4 * 2 * 400
    assert np.abs(1.0 - alive - deaths.reindex(alive.index)).max() < 1e-12
    assert deaths.max() > 0.7


def test_what_is_told_ends_where_the_share_is(comparison: Comparison):
    """At the horizon, of those followed from the start, it is the share of the summary."""
    summary = comparison.summary()
    frame = comparison.incidence()
    shares = {"relapsed", "decompensated", *DEATHS}
    assert set(frame["cause"]) == shares
    assert set(frame["population"]) == {CONVERTED, EVERYBODY}
    ends = frame[(frame["population"] == EVERYBODY) & (frame["months"] == 360)].set_index(["strategy", "cause"])
    rows = summary[(summary["population"] == EVERYBODY) & summary["outcome"].isin(shares)]
    for row in rows.itertuples():
        end = ends.loc[(row.strategy, row.outcome)]
        assert end["value"] == row.value
        assert (end["low"], end["high"]) == pytest.approx((row.low, row.high), abs=1e-12)
    assert len(rows) == 4 * 6


def test_it_rises_and_is_told_of_subgroups(comparison: Comparison):
    for _, one in comparison.incidence().groupby(["strategy", "population", "cause"]):
        assert one["value"].is_monotonic_increasing
    months, _, record = competing(200)
    tally = Tally(with_subgroups(COMPETING, ["early"]), ["alive", *CAUSES], ["death"], HORIZON_MONTHS)
    tally.add(record, 0, 200, {"early": months < 20})
    frame = incidence_table({"s": tally}).frame()
    early = frame[(frame["population"] == "everybody, early") & (frame["months"] > 21)]
    assert early.groupby("months")["value"].sum().to_numpy() == pytest.approx(1.0)
    assert curves({"s": tally})["population"].nunique() == 2
