"""Outcomes of synthetic histories against closed forms, a bootstrap and a plain reading; bit for bit where promised."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_sim.history import NO_STATE, Stays
from hcc_sim.outcomes import (
    Definitions,
    Endpoint,
    Population,
    Share,
    Tally,
    TimeIn,
    contrasts,
    curves,
    estimates,
    same_patients,
    summary,
)

Z = 4.0  # fixed seeds: passes always or fails always
HORIZON_MONTHS = 360.0
EVERYBODY = Population("everybody", "from the start")
OS = Endpoint(name="OS", meaning="death", entering=("dead",))
LIFETIME = Definitions((EVERYBODY,), (OS,), (Share(name="dead at last", meaning="", entering=("dead",)),))


def lifetimes(months: np.ndarray) -> Stays:
    """One stay for each patient, alive until `months` or the horizon."""
    dies = months < HORIZON_MONTHS
    return Stays(
        np.arange(len(months), dtype=np.uint64),
        np.zeros(len(months), np.int16),
        np.zeros(len(months)),
        np.minimum(months, HORIZON_MONTHS),
        np.where(dies, 1, -1).astype(np.int16),
        np.where(dies, 0, -1).astype(np.int16),
    )


def tally_of(months: np.ndarray, definitions: Definitions = LIFETIME) -> Tally:
    tally = Tally(definitions, ["alive", "dead"], ["death"], HORIZON_MONTHS)
    tally.add(lifetimes(months), 0, len(months))
    return tally


def by_outcome(tally: Tally) -> pd.DataFrame:
    return summary({"s": tally}).set_index("outcome")


def exponential(mean: float, patients: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).exponential(mean, patients)


def theory(mean: float, patients: int) -> dict[str, tuple[float, float]]:
    """Value and standard error of each outcome of exponential lifetimes.

    Median m ln 2, se sqrt(1/4 / n) / f(median); landmark S(t), binomial se; restricted mean m (1 - S(r)), whose
    variance is E[min(T, r)^2] - mean^2 with E[min(T, r)^2] = 2 m^2 (1 - S(r)) - 2 m r S(r).
    """
    expected = {"OS: median": (mean * math.log(2), mean / math.sqrt(patients))}
    for t in (12, 24, 36, 60, 120):
        s = math.exp(-t / mean)
        expected[f"OS: at {t} months"] = (s, math.sqrt(s * (1 - s) / patients))
    for r in (60, 120, 240, 360):
        s = math.exp(-r / mean)
        restricted = mean * (1 - s)
        variance = 2 * mean**2 * (1 - s) - 2 * mean * r * s - restricted**2
        expected[f"OS: restricted mean to {r} months"] = (restricted, math.sqrt(variance / patients))
    return expected


def farthest_from_theory(found: pd.DataFrame, mean: float, patients: int) -> float:
    """The largest distance from theory, in standard errors that theory gives."""
    return max(abs(found.value[name] - value) / se for name, (value, se) in theory(mean, patients).items())


def test_exponential_lifetimes_have_their_closed_forms():
    patients = 200_000
    found = by_outcome(tally_of(exponential(20, patients, seed=1)))
    assert farthest_from_theory(found, 20, patients) < Z
    # A wrong model must fail: a mean of 20.3 months moves every outcome by 1.5% or less.
    assert farthest_from_theory(by_outcome(tally_of(exponential(20.3, patients, seed=1))), 20, patients) > Z


def error_ratios(datasets: int, patients: int, true_mean: float = 20.0) -> pd.Series:
    """The mean of the squared jackknife errors over that of theory, which is 1 if the errors are right."""
    squares = [by_outcome(tally_of(exponential(true_mean, patients, seed=s))).mc_se ** 2 for s in range(datasets)]
    return pd.concat(squares, axis=1).mean(axis=1) / pd.Series({k: v[1] ** 2 for k, v in theory(20, patients).items()})


def test_jackknife_errors_are_those_of_theory():
    datasets, patients = 60, 10_000
    # A squared error from 100 groups has 99 degrees of freedom: relative variance 2 / 99; outcomes are of means.
    band = Z * math.sqrt(2 / (99 * datasets))
    assert band < 0.08, "too few data sets to see an error that is 4% too large"
    smooth = [f"OS: restricted mean to {r} months" for r in (60, 120, 240, 360)] + [
        "OS: at 12 months",
        "OS: at 60 months",
    ]
    ratios = error_ratios(datasets, patients)
    assert (abs(ratios[smooth] - 1) < band).all()
    # Wrong errors must fail: lifetimes 10% longer have errors 10% larger.
    wrong = error_ratios(datasets, patients, true_mean=22)
    assert abs(wrong["OS: restricted mean to 360 months"] - 1) > band


def test_the_error_of_a_median_is_that_of_theory_where_groups_are_large():
    # Medians jump, so their squared error has more spread than 2 / 99; the spread is taken from the data sets.
    squares = [by_outcome(tally_of(exponential(20, 100_000, seed=s))).mc_se["OS: median"] ** 2 for s in range(16)]
    ratio = np.array(squares) / theory(20, 100_000)["OS: median"][1] ** 2
    band = Z * ratio.std(ddof=1) / math.sqrt(len(ratio))
    assert band < 0.35
    assert abs(ratio.mean() - 1) < band
    assert abs(1.2**2 * ratio.mean() - 1) > band  # an error 20% too large would be seen


def test_errors_are_those_of_a_bootstrap():
    """Outcomes with a random denominator, where there is no textbook formula: mean time and a share among others."""
    patients, draws, rng = 10_000, 1_000, np.random.default_rng(5)
    months = rng.exponential(20, patients)
    responds, operated = rng.random(patients) < 0.4, rng.random(patients) < 0.5
    patient = np.repeat(np.arange(patients, dtype=np.uint64), 3)
    entered = np.column_stack([np.zeros(patients), months / 2, months]).ravel()
    left = np.column_stack([months / 2, months, np.full(patients, 1000.0)]).ravel()
    state = np.column_stack([np.zeros(patients), np.where(responds, 1, 0), np.where(operated, 2, 0)])
    following = np.column_stack([state[:, 1:], np.full(patients, NO_STATE)]).astype(np.int16).ravel()
    ended_by = np.where(following == NO_STATE, -1, 0).astype(np.int16)
    record = Stays(patient, state.astype(np.int16).ravel(), entered, left, following, ended_by)
    asked = Definitions(
        (Population("responders", "", "response"),),
        (Endpoint(name="to surgery", meaning="", entering=("surgery",)),),
        (
            Share(name="operated", meaning="", entering=("surgery",), among="responded"),
            Share(name="responded", meaning="", entering=("response",)),
        ),
        restrictions_months=(12,),
    )
    tally = Tally(asked, ["therapy", "response", "surgery"], ["next"], 1000.0)
    tally.add(record, 0, patients)
    found = by_outcome(tally)

    spent = np.where(operated, np.minimum(months / 2, 12), 12)
    means, shares = np.empty(draws), np.empty(draws)
    for i in range(draws):
        again = rng.integers(0, patients, patients)
        who = again[responds[again]]
        means[i], shares[i] = spent[who].mean(), operated[who].mean()
    # Relative errors of a standard deviation from 1,000 draws and from 100 groups.
    band = Z * math.sqrt(1 / (2 * draws) + 1 / (2 * 99))
    assert band < 0.35
    for outcome, bootstrap in (("to surgery: restricted mean to 12 months", means), ("operated", shares)):
        assert found.value[outcome] == pytest.approx(bootstrap.mean(), abs=Z * bootstrap.std() / math.sqrt(draws) * 1.1)
        assert abs(found.mc_se[outcome] / bootstrap.std(ddof=1) - 1) < band
    # Wrong: as if everybody were a responder.
    assert abs(math.sqrt(0.25 / patients) / shares.std(ddof=1) - 1) > band


@pytest.mark.parametrize("mean", [3.0, 25.0, 600.0])  # months; at 600 more than half outlive the horizon
def test_without_a_group_means_as_if_it_had_never_been_there(mean):
    tally = tally_of(np.round(exponential(mean, 250, seed=5), 1))
    found = estimates(tally)
    for group in (0, 1, 63, 99):
        without = tally_of(np.round(exponential(mean, 250, seed=5), 1))
        for counts in (without.members, without.days, without.months, without.happened, without.at_risk):
            for by_group in counts.values():
                by_group[group] = 0
        for e, other in zip(found, estimates(without), strict=True):
            assert e.estimates[1 + group] == pytest.approx(other.value, rel=1e-12, nan_ok=True), e.outcome


def test_contrasts_are_paired():
    patients = 50_000
    months = exponential(20, patients, seed=2)
    other = exponential(20, patients, seed=3)
    paired = contrasts({"a": tally_of(months), "b": tally_of(1.1 * months)}).set_index("outcome")
    unpaired = contrasts({"a": tally_of(other), "b": tally_of(1.1 * months)}).set_index("outcome")
    same = contrasts({"a": tally_of(months), "b": tally_of(months)})
    assert (same[["difference", "mc_se", "low", "high"]] == 0).all(axis=None)
    mean = "OS: restricted mean to 360 months"
    # Everybody lives 10% longer: the difference is T / 10, its error 2 / sqrt(n); unpaired sqrt(20^2 + 22^2) / sqrt(n).
    band = Z / math.sqrt(2 * 99)
    assert abs(paired.difference[mean] - 2) < Z * 2 / math.sqrt(patients)
    assert abs(paired.mc_se[mean] / (2 / math.sqrt(patients)) - 1) < band
    assert abs(unpaired.mc_se[mean] / (math.hypot(20, 22) / math.sqrt(patients)) - 1) < band
    assert (
        paired.mc_se[[mean, "OS: median", "OS: at 24 months"]]
        < unpaired.mc_se[[mean, "OS: median", "OS: at 24 months"]]
    ).all()


# --- histories of many stays ------------------------------------------------------------------------------------------

STATES = ["therapy", "converted", "surgery", "free", "relapse", "dead"]
EXITS = ["on", "seen", "in place", "death"]
PFS = Endpoint(name="PFS", meaning="progression seen or death", entering=("dead",), ended_by=("seen",))
DEFINITIONS = Definitions(
    populations=(EVERYBODY, Population("converters", "", "converted"), Population("the dead", "", "dead")),
    endpoints=(OS, PFS),
    shares=(
        Share(name="operated", meaning="", entering=("surgery",), over_time=True),
        Share(name="seen", meaning="", ended_by=("seen",), among="operated"),
        Share(name="not dead", meaning="", entering=("dead",), among="never seen", never=True),
        Share(name="never seen", meaning="", ended_by=("seen",), never=True),
    ),
    times=(
        TimeIn(name="free", meaning="", states=("free", "surgery")),
        TimeIn(name="sick", meaning="", states=("relapse",)),
    ),
)


def wandering(patients: int, seed: int, most_stays: int = 8) -> Stays:
    """Patients who wander between the states at random, some in no time, some in place, some dying on the way."""
    rng = np.random.default_rng(seed)
    parts = []
    state = rng.integers(0, 2, patients)
    at = np.zeros(patients)
    going = np.arange(patients)
    for turn in range(most_stays):
        gap = rng.exponential(30, len(going)) * (rng.random(len(going)) < 0.8)
        ended = np.minimum(at[going] + gap, HORIZON_MONTHS)
        over = (ended == HORIZON_MONTHS) | (turn == most_stays - 1)
        ended[over] = HORIZON_MONTHS
        exit_ = rng.integers(0, len(EXITS), len(going))
        into = np.where(exit_ == 2, state[going], np.where(exit_ == 3, 5, rng.integers(0, 5, len(going))))
        following, ended_by = np.where(over, -1, into), np.where(over, -1, exit_)
        turns = np.full(len(going), turn)
        parts.append(np.column_stack([going, turns, state[going], at[going], ended, following, ended_by]))
        state[going], at[going] = into, ended
        going = going[~over & (into != 5)]
    rows = np.concatenate(parts)
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    types = (np.uint64, np.int16, np.float64, np.float64, np.int16, np.int16)
    return Stays(*(rows[:, i].astype(t) for i, t in zip((0, 2, 3, 4, 5, 6), types, strict=True)))


def tally_in_chunks(record: Stays, patients: int, chunk: int) -> Tally:
    tally = Tally(DEFINITIONS, STATES, EXITS, HORIZON_MONTHS)
    for first in range(0, patients, chunk):
        here = min(chunk, patients - first)
        start, stop = np.searchsorted(record.patient, [first, first + here])
        tally.add(record[slice(int(start), int(stop))], first, here)
    return tally


def test_chunks_change_no_bit():
    patients = 60_500
    record = wandering(patients, seed=7)
    whole = tally_in_chunks(record, patients, patients + 500)
    for chunk in (1_000, 7_000, 50_000):
        part = tally_in_chunks(record, patients, chunk)
        for name in ("members", "days", "months", "happened", "at_risk", "incident"):
            for key, numbers in getattr(whole, name).items():
                assert numbers.tobytes() == getattr(part, name)[key].tobytes(), (chunk, name, key)
        assert part.follow_up_months == whole.follow_up_months
        both = {"whole": whole, "part": part}
        assert all(same_patients(both).values())
        assert summary({"s": part}).to_csv() == summary({"s": whole}).to_csv()
        assert curves({"s": part}).to_csv() == curves({"s": whole}).to_csv()


def test_months_are_summed_block_by_block():
    patients = 2_300
    months = exponential(20, patients, seed=9)
    sums = tally_of(months).months["everybody", "OS", 60.0]
    for group in (0, 17, 99):
        total = 0.0
        for block in (0, 1_000, 2_000):
            of_block = 0.0
            for patient in range(block + group, min(block + 1_000, patients), 100):
                of_block += min(months[patient], 60.0)
            total += of_block
        assert sums[group] == total


# --- a plain reading of the stays, one patient at a time --------------------------------------------------------------


def plainly(record: Stays, patients: int, population: Population) -> dict[str, list[float]]:
    """Per member of the population, in order: time zero, each endpoint's time, each share's and each time's value."""
    frame = record.to_frame(STATES, EXITS)
    found: dict[str, list[float]] = {"zero": []}
    of_patient: list[list[dict]] = [[] for _ in range(patients)]
    for row in frame.astype({"state": object, "next_state": object, "ended_by": object}).to_dict("records"):
        of_patient[row["patient"]].append(row)
    for rows in of_patient:
        # Events in order: being there at the start, then the end of every stay.
        events = [(rows[0]["entered_months"], rows[0]["state"], None)] + [
            (r["left_months"], r["next_state"], r["ended_by"]) for r in rows
        ]
        where = [i for i, e in enumerate(events) if population.entering in (None, e[1])]
        if not where:
            continue
        zero, events, rows = events[where[0]][0], events[where[0] :], rows[where[0] :]
        found["zero"].append(zero)
        times = {
            d.name: min((t - zero for t, s, x in events if s in d.entering or x in d.ended_by), default=math.inf)
            for d in (*DEFINITIONS.endpoints, *DEFINITIONS.shares)
        }
        true = {s.name: (times[s.name] < math.inf) != s.never for s in DEFINITIONS.shares}
        for e in DEFINITIONS.endpoints:
            found.setdefault(e.name, []).append(times[e.name])
        for s in DEFINITIONS.shares:
            if s.among is None or true[s.among]:
                found.setdefault(s.name, []).append(float(true[s.name]))
        for t in DEFINITIONS.times:
            spent = (r for r in rows if r["state"] in t.states)
            found.setdefault(t.name, []).append(
                sum(min(r["left_months"] - zero, 120) - min(r["entered_months"] - zero, 120) for r in spent)
            )
    return found


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(0, 2**32), st.integers(1, 6))
def test_outcomes_are_those_of_a_plain_reading(patients, seed, most_stays):
    record = wandering(patients, seed, most_stays)
    tally = tally_in_chunks(record, patients, 1_000)
    for population in DEFINITIONS.populations:
        plain = plainly(record, patients, population)
        name = population.name
        assert tally.members[name].sum() == len(plain["zero"])
        assert tally.follow_up_months[name] == HORIZON_MONTHS - max(plain["zero"], default=0)
        for share in DEFINITIONS.shares:
            assert tally.at_risk[name, share.name].sum() == len(plain.get(share.name, []))
            assert tally.happened[name, share.name].sum() == sum(plain.get(share.name, []))
        for endpoint in DEFINITIONS.endpoints:
            times = np.array(plain.get(endpoint.name, []))
            free = len(times) - np.cumsum(tally.days[name, endpoint.name].sum(axis=0))
            later = len(times) - np.searchsorted(np.sort(times), tally.grid_months + 1e-7, side="right")
            assert np.array_equal(free, later)
            assert tally.months[name, endpoint.name, 120.0].sum() == pytest.approx(np.minimum(times, 120).sum())
        for time in DEFINITIONS.times:
            expected = sum(plain.get(time.name, []))
            assert tally.months[name, time.name, 120.0].sum() == pytest.approx(expected, abs=1e-9)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 300), st.integers(0, 2**32))
def test_what_always_holds(patients, seed):
    tally = tally_in_chunks(wandering(patients, seed), patients, 1_000)
    curve = curves({"s": tally})
    for _, one in curve.groupby(["population", "outcome"]):
        assert (one.value.isna().all()) or one.value.is_monotonic_decreasing
        assert (one.months.diff().dropna() > 0).all()
    assert curve.value.dropna().between(0, 1).all()
    found = {(e.population, e.outcome): e for e in estimates(tally)}
    for (population, outcome), e in found.items():
        assert e.unit in ("share", "months")
        if not math.isnan(e.value):
            assert 0 <= e.value <= (1 if e.unit == "share" else HORIZON_MONTHS)
        pfs = found.get((population, outcome.replace("OS", "PFS")))
        if outcome.startswith("OS") and pfs is not None and not math.isnan(pfs.value) and not math.isnan(e.value):
            assert e.value >= pfs.value
    for name in ("everybody", "converters"):
        if tally.members[name].any() and (name, "free: to 120 months") in found:
            lived = found[name, "OS: restricted mean to 120 months"].value
            inside = sum(found[name, f"{time}: to 120 months"].value for time in ("free", "sick"))
            assert inside <= lived * (1 + 1e-12) + 1e-9
