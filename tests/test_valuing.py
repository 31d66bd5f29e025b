"""Stays priced: five of them worked by hand, what must hold of any, and a plain reference that shares no code."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hcc_pathway import PATHWAY, values_of

from hcc_sim.economics.discounting import discounted_aged_months, discounted_cycles, discounted_months, factors
from hcc_sim.economics.items import CATEGORIES, Decrement, Health, PerCycle, PerEvent, PerMonth, Rules
from hcc_sim.economics.quantities import DISCOUNTED, PLAIN, Quantities
from hcc_sim.economics.valuing import Valued, costs_and_effects, valued
from hcc_sim.engine import compile_pathway, simulate
from hcc_sim.history import Stays
from hcc_sim.pathway.model import number

STATES = ("therapy", "operation", "watched", "dead")
EXITS = ("session", "operated", "died")
SHOWN = ("off drugs",)
HORIZON = 360.0

RULES = Rules(
    (
        PerMonth(name="drug", category="drug", price="drug", states=("therapy",), shown={"off drugs": False}),
        PerEvent(name="TACE", category="liver-directed procedure", price="session", ended_by=("session",)),
        PerEvent(name="operation", category="surgery", price="operation", entering=("operation",)),
        PerCycle(name="CT", category="monitoring", price="ct", states=("watched",), interval_months="ct.interval"),
        PerEvent(name="last weeks", category="end of life", price="last weeks", entering=("dead",)),
    ),
    (
        Health(name="on therapy", utility="utility.therapy", states=("therapy",)),
        Health(name="otherwise alive", utility="utility.well"),
    ),
    (Decrement(name="operation", loss="loss.operation", months=2.0, entering=("operation",)),),
)
VALUES = {
    "drug": 1000.0,
    "session": 1929.0,
    "operation": 9000.0,
    "ct": 90.43,
    "ct.interval": 3.0,
    "last weeks": 2132.67,
    "utility.therapy": 0.76,
    "utility.well": 0.85,
    "loss.operation": 0.2,
}


def record(*rows: tuple[int, str, float, float, str, str, int]) -> Stays:
    """Patient, state, entered, left, next state, exit and attributes of each stay."""
    columns = list(zip(*rows, strict=True))
    states, exits = (*STATES, ""), (*EXITS, "")
    return Stays(
        np.array(columns[0], np.uint64),
        np.array([states.index(name) for name in columns[1]], np.int16),
        np.array(columns[2], np.float64),
        np.array(columns[3], np.float64),
        np.array([states.index(name) if name else -1 for name in columns[4]], np.int16),
        np.array([exits.index(name) if name else -1 for name in columns[5]], np.int16),
        np.array(columns[6], np.uint16),
    )


FIVE = record(
    (0, "therapy", 0.0, 1.0, "therapy", "session", 0),
    (0, "therapy", 1.0, 3.0, "therapy", "session", 0),
    (0, "therapy", 3.0, 6.0, "operation", "operated", 0),
    (0, "operation", 6.0, 6.0, "watched", "operated", 0),
    (0, "watched", 6.0, 18.0, "dead", "died", 1),
)


def counted(stays: Stays, rules: Rules = RULES, patients: int = 1, **more) -> Quantities:
    told = {"values": VALUES, "discount_costs": 0.05, "discount_effects": 0.05, "horizon_months": HORIZON} | more
    found = Quantities(rules, told.pop("values"), state_names=STATES, exit_names=EXITS, shown_names=SHOWN, **told)
    found.add(stays, 0, patients)
    return found


def priced(stays: Stays, rules: Rules = RULES, values=VALUES, patients: int = 1, **more) -> Valued:
    return valued(counted(stays, rules, patients, values=values, **more), values, "USD 2021")


# --- worked by hand ---------------------------------------------------------------------------------------------------


def test_five_stays_to_the_cent():
    """Worked with 40 digits: 12 / ln 1.05 x (1 - 1.05^-0.5) = 5.9274 months on the drug; TACE at 1 and 3 months;
    an operation at 6; CT at 6, 9, 12 and 15; death at 18.
    """
    found = priced(FIVE)
    expected = {
        "drug": 5927.41,
        "liver-directed procedure": 3826.79,
        "surgery": 8783.10,
        "monitoring": 346.63,
        "end of life": 1982.16,
    }
    assert {name: round(found.category(name).value, 2) for name in expected} == expected
    assert round(found.cost().value, 2) == round(sum(expected.values()), 2) == 20866.09
    assert found.qaly().value == pytest.approx(1.1526084042776427, rel=1e-14)
    assert found.life_year().value == pytest.approx(17.357111286175850 / 12, rel=1e-14)
    plain = {name: found.category(name, PLAIN).value for name in expected}
    assert plain == {
        "drug": 6000.0,
        "liver-directed procedure": 2 * 1929.0,
        "surgery": 9000.0,
        "monitoring": pytest.approx(4 * 90.43),
        "end of life": 2132.67,
    }
    assert found.qaly(PLAIN).value == pytest.approx((0.76 * 6 + 0.85 * 12 - 0.2 * 2) / 12)
    assert found.life_year(PLAIN).value == 1.5
    assert found.item("CT").unit == "USD 2021"
    assert found.categories == tuple(name for name in CATEGORIES if name in expected)


def test_the_table_of_the_base_case():
    table = costs_and_effects({"a": priced(FIVE), "b": priced(FIVE, values={**VALUES, "drug": 0.0})})
    assert table.strategies == ("a", "b")
    assert table.currency == "USD 2021"
    assert float(table.costs[0, 0] - table.costs[0, 1]) == pytest.approx(5927.41, abs=0.005)
    assert table.effects[0, 0] == table.effects[0, 1]


# --- discounting ------------------------------------------------------------------------------------------------------

RATES = st.sampled_from([0.0, 1e-12, 0.015, 0.05, 0.5])
quick = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@quick
@given(RATES, st.floats(0.0, 500.0), st.floats(0.0, 500.0))
def test_a_discounted_span_is_the_integral_of_the_factor(rate: float, start: float, length: float):
    at, weights = np.polynomial.legendre.leggauss(20)
    months = start + (at + 1.0) / 2.0 * length
    expected = float(weights @ (1.0 + rate) ** (-months / 12.0)) * length / 2.0
    (found,) = discounted_months(np.array([start]), np.array([start + length]), rate)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found <= length + 1e-9
    (at_start,) = factors(np.array([start]), rate)
    assert at_start == pytest.approx((1.0 + rate) ** (-start / 12.0))


@quick
@given(RATES, st.floats(0.0, 200.0), st.floats(0.1, 12.0), st.integers(0, 40))
def test_cycles_are_a_geometric_series(rate: float, start: float, interval: float, count: int):
    expected = sum((1.0 + rate) ** (-(start + k * interval) / 12.0) for k in range(count))
    (found,) = discounted_cycles(np.array([start]), interval, np.array([float(count)]), rate)
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-12)


@quick
@given(RATES, st.floats(0.0, 400.0), st.floats(0.0, 400.0))
def test_aged_months_are_the_integral_of_years_since_the_start(rate: float, start: float, length: float):
    at, weights = np.polynomial.legendre.leggauss(20)
    months = start + (at + 1.0) / 2.0 * length
    expected = float(weights @ (months / 12.0 * (1.0 + rate) ** (-months / 12.0))) * length / 2.0
    (found,) = discounted_aged_months(np.array([start]), np.array([start + length]), rate)
    assert found == pytest.approx(expected, rel=1e-7 if rate > 1e-6 or rate == 0.0 else 1.0, abs=1e-6)


def test_a_short_span_keeps_its_digits():
    found = discounted_months(np.array([300.0]), np.array([300.0 + 2**-30]), 0.05)[0]
    assert found == pytest.approx(2**-30 * 1.05**-25, rel=1e-9)


# --- what must hold ---------------------------------------------------------------------------------------------------


def test_identities():
    ones = {**VALUES, "utility.therapy": 1.0, "utility.well": 1.0, "loss.operation": 0.0}
    assert priced(FIVE, values=ones).qaly().value == priced(FIVE, values=ones).life_year().value
    free = dict.fromkeys(VALUES, 0.0) | {"ct.interval": 3.0}
    assert priced(FIVE, values=free).cost().value == 0.0
    undiscounted = priced(FIVE, discount_costs=0.0, discount_effects=0.0)
    for kind in (PLAIN, DISCOUNTED):
        assert undiscounted.cost(kind).value == undiscounted.cost(PLAIN).value
        assert undiscounted.qaly(kind).value == undiscounted.qaly(PLAIN).value
    found = priced(FIVE)
    assert found.cost().value < found.cost(PLAIN).value
    assert found.qaly().value < found.qaly(PLAIN).value


def test_a_price_moves_its_own_cost_alone_and_in_proportion():
    before, after = priced(FIVE), priced(FIVE, values={**VALUES, "drug": 1100.0})
    assert after.item("drug").value == pytest.approx(1.1 * before.item("drug").value, rel=1e-14)
    for item in RULES.items[1:]:
        assert after.item(item.name).value == before.item(item.name).value
    assert after.qaly().value == before.qaly().value


def test_the_first_cycles_and_events_count_up_to_the_most():
    ct = replace(RULES.items[3], most=3.0)
    tace = replace(RULES.items[1], most=1.0)
    found = counted(FIVE, replace(RULES, items=(tace, ct))).used
    assert found["CT"][PLAIN].sum() == 3.0
    assert found["TACE"].sum(axis=1) == pytest.approx([1.0, 1.05 ** (-1 / 12)])
    assert counted(FIVE, replace(RULES, items=(replace(ct, most=0.0),))).used["CT"].sum() == 0.0


def test_items_counted_together_are_counted_as_alone():
    """Those that are counted alike are counted once: so each that differs in one thing only must stay apart."""
    first = PerCycle(name="0", category="drug", price=1.0, states=("after surgery",), interval_months=2.0)
    others = (
        replace(first, each_entry=True),
        replace(first, states=("converted",)),
        replace(first, shown={"major complication": False}),
        replace(first, shown={"major complication": True}),
        replace(first, interval_months=3.0),
        replace(first, after_months=1.0),
        replace(first, until_months=6.0),
        replace(first, most=2.0),
        first,
    )
    items = (first, *(replace(item, name=str(place)) for place, item in enumerate(others, 1)))
    parts = chunks(3_000)
    together = quantities_of(parts, replace(ON_PATHWAY, items=items)).used
    for item in items:
        alone = quantities_of(parts, replace(ON_PATHWAY, items=(item,))).used
        assert alone[item.name].tobytes() == together[item.name].tobytes(), item
    counted_apart = {used[PLAIN].sum() for used in together.values()}
    assert len(counted_apart) == len(items) - 1, "all differ but the last, which is the first"


def test_cycles_begin_anew_after_a_break_and_go_on_over_stays():
    """A drug every 2 months: 0 to 3 over two stays gives 0 and 2; 5 to 6 gives 5; of 4 at most all count."""
    stays = record(
        (0, "therapy", 0.0, 1.0, "therapy", "session", 0),
        (0, "operation", 1.0, 1.0, "therapy", "operated", 0),
        (0, "therapy", 1.0, 3.0, "therapy", "session", 0),
        (0, "therapy", 3.0, 5.0, "therapy", "session", 1),
        (0, "therapy", 5.0, 6.0, "dead", "died", 0),
        (1, "therapy", 0.0, 4.0, "dead", "died", 0),
    )
    drug = PerCycle(name="drug", category="drug", price=1.0, shown={"off drugs": False}, interval_months=2.0)
    used = counted(stays, replace(RULES, items=(drug,)), patients=2, discount_costs=0.0).used["drug"][PLAIN]
    assert used[:2].tolist() == [3.0, 2.0]
    used = counted(stays, replace(RULES, items=(replace(drug, most=2.0),)), patients=2).used["drug"][PLAIN]
    assert used[:2].tolist() == [2.0, 2.0]


def test_beginning_in_a_state_is_coming_into_it():
    stays = record((0, "operation", 0.0, 0.0, "watched", "operated", 0), (0, "watched", 0.0, 5.0, "", "", 0))
    found = counted(stays)
    assert found.used["operation"].sum(axis=1).tolist() == [1.0, 1.0]
    assert found.lost["operation"][PLAIN, -1].sum() == 2.0


def test_an_item_and_a_loss_of_one_name_are_two_things():
    """'operation' is an item priced on entering it; a loss of that name may begin with something else."""
    sessions = replace(RULES.decrements[0], entering=(), ended_by=("session",), months=0.5)
    found = counted(FIVE, replace(RULES, decrements=(sessions,)))
    assert found.used["operation"][PLAIN].sum() == 1.0
    assert found.lost["operation"][PLAIN, -1].sum() == 2 * 0.5


def test_an_exit_in_place_and_a_way_back_are_no_new_entry():
    stays = record(
        (0, "therapy", 0.0, 1.0, "therapy", "session", 0),
        (0, "therapy", 1.0, 3.0, "operation", "operated", 0),
        (0, "operation", 3.0, 3.0, "therapy", "operated", 0),
        (0, "therapy", 3.0, 4.0, "therapy", "died", 0),
        (0, "therapy", 4.0, 5.0, "dead", "died", 0),
    )
    rules = replace(
        RULES, items=(PerEvent(name="x", category="drug", price=1.0, entering=("therapy",)),), decrements=()
    )
    assert counted(stays, rules).used["x"][PLAIN].sum() == 4.0, "the start, and three stays that lead there"
    in_place = {("therapy", "session"), ("operation", "operated")}
    assert counted(stays, rules, staying=in_place).used["x"][PLAIN].sum() == 2.0


def test_what_is_lost_ends_with_the_patient():
    stays = record((0, "operation", 0.0, 0.0, "watched", "operated", 0), (0, "watched", 0.0, 0.5, "dead", "died", 0))
    assert counted(stays).lost["operation"][PLAIN, -1].sum() == 0.5


# --- against a plain reference, on the pathway itself -----------------------------------------------------------------

PATIENTS = 2_500
WHOLE = compile_pathway(PATHWAY, values_of({"surgery.delay": 1.0, "hold.rate": 0.05, "liver_directed.share": 1.0}))
ON_PATHWAY = Rules(
    (
        PerMonth(
            name="drugs",
            category="drug",
            price=500.0,
            states=("on conversion therapy", "responding", "converted"),
            shown={"off drugs": False},
        ),
        PerCycle(
            name="infusions",
            category="drug",
            price=300.0,
            amount=2.0,
            shown={"off drugs": False, "disease seen": False},
            interval_months=0.7,
            most=12.0,
        ),
        PerEvent(
            name="sessions",
            category="liver-directed procedure",
            price=1900.0,
            ended_by=("first liver-directed cycle", "liver-directed cycle"),
            most=3.0,
        ),
        PerEvent(name="starts", category="drug", price=100.0, entering=("on conversion therapy", "responding")),
        PerEvent(name="resections", category="surgery", price=9000.0, entering=("resection",)),
        PerEvent(
            name="ends", category="end of life", price=2000.0, entering=("dead of cancer",), shown={"operated": True}
        ),
        PerCycle(
            name="early scans",
            category="monitoring",
            price=90.0,
            states=("after surgery",),
            interval_months=1.5,
            after_months=1.0,
            until_months=12.0,
            each_entry=True,
        ),
        PerCycle(
            name="one scan",
            category="monitoring",
            price=90.0,
            states=("converted", "after surgery"),
            interval_months=math.inf,
            after_months=6.0,
        ),
    ),
    (
        Health(name="relapsed", utility=0.68, shown={"disease seen": True}),
        Health(name="after surgery", utility=0.8, states=("after surgery",)),
        Health(name="other", utility=0.76),
    ),
    (Decrement(name="operation", loss=0.1, months=3.0, entering=("resection",)),),
    lost_share_per_year=0.01,
)


def chunks(size: int) -> list:
    return list(simulate(WHOLE, seed=5, patients=PATIENTS, horizon_months=240.0, chunk=size, threads=1))


def quantities_of(parts: list, rules: Rules = ON_PATHWAY) -> Quantities:
    found = Quantities(
        rules,
        {},
        state_names=WHOLE.state_names,
        exit_names=WHOLE.exit_names,
        shown_names=PATHWAY.shown,
        staying=PATHWAY.staying(),
        horizon_months=240.0,
        discount_costs=0.03,
        discount_effects=0.05,
    )
    for part in parts:
        found.add(part.stays, part.first_patient, part.patients)
    return found


def plain_reference(parts: list) -> tuple[dict[str, float], float, float]:
    """Discounted units by item, QALYs and QALYs past five years, summed over patients, row by row."""
    states, exits = (*WHOLE.state_names, None), (*WHOLE.exit_names, None)
    units = dict.fromkeys((item.name for item in ON_PATHWAY.items), 0.0)
    qalys = {240.0: 0.0, 60.0: 0.0}

    def span(a: float, b: float, rate: float) -> float:
        return 12.0 / math.log(1.0 + rate) * ((1.0 + rate) ** (-a / 12.0) - (1.0 + rate) ** (-b / 12.0))

    def aged(a: float, b: float) -> float:
        """The integral of t / 12 at 5% a year, by its antiderivative."""
        f = math.log(1.05) / 12.0
        return ((a / f + 1.0 / f**2) * math.exp(-f * a) - (b / f + 1.0 / f**2) * math.exp(-f * b)) / 12.0

    rows = (row for part in parts for row in zip(*(getattr(part.stays, n).tolist() for n in FIELDS), strict=True))
    for _, life in groupby(rows, key=lambda row: row[0]):
        life = list(life)
        end = life[-1][3]
        times: dict[str, int] = {}
        due: float | None = None
        entry: float | None = None
        since: float | None = None
        anew = True
        for _, state, entered, left, following, exit, shown in life:
            is_on = {name: bool(shown >> bit & 1) for bit, name in enumerate(PATHWAY.shown)}
            here, to, by = states[state], states[following], exits[exit]
            if left > entered:
                if here in ("on conversion therapy", "responding", "converted") and not is_on["off drugs"]:
                    units["drugs"] += span(entered, left, 0.03)
                if not is_on["off drugs"] and not is_on["disease seen"]:
                    due = entered if due is None else due
                    while due < left - 1e-9:
                        times["infusions"] = times.get("infusions", 0) + 1
                        if times["infusions"] <= 12:
                            units["infusions"] += 2.0 * 1.03 ** (-due / 12.0)
                        due += 0.7
                else:
                    due = None
                if here == "after surgery":
                    entry = left if entry is None else entry
                    entry = entered if anew else entry
                    for scan in range(200):
                        date = entry + 1.0 + 1.5 * scan
                        if entered - 1e-9 <= date < left - 1e-9 and date < entry + 12.0 - 1e-9:
                            units["early scans"] += 1.03 ** (-date / 12.0)
                if here in ("converted", "after surgery"):
                    since = entered if since is None else since
                    if entered - 1e-9 <= since + 6.0 < left - 1e-9:
                        units["one scan"] += 1.03 ** (-(since + 6.0) / 12.0)
                else:
                    since = None
                utility = 0.68 if is_on["disease seen"] else 0.8 if here == "after surgery" else 0.76
                for until in qalys:
                    if entered < until:
                        upto = min(left, until)
                        qalys[until] += utility * (span(entered, upto, 0.05) - 0.01 * aged(entered, upto)) / 12.0
            if by in ("first liver-directed cycle", "liver-directed cycle"):
                times["sessions"] = times.get("sessions", 0) + 1
                units["sessions"] += 1.03 ** (-left / 12.0) if times["sessions"] <= 3 else 0.0
            in_place = (here, by) in STAYING
            anew = not in_place
            if to in ("on conversion therapy", "responding") and not in_place:
                units["starts"] += 1.03 ** (-left / 12.0)
            if to == "resection":
                units["resections"] += 1.03 ** (-left / 12.0)
                for until in qalys:
                    if left < until:
                        qalys[until] -= 0.1 * span(left, min(left + 3.0, end, until), 0.05) / 12.0
            if to == "dead of cancer" and is_on["operated"]:
                units["ends"] += 1.03 ** (-left / 12.0)
    return units, qalys[240.0], qalys[240.0] - qalys[60.0]


STAYING = {
    (state.name, part.name)
    for state in PATHWAY.states
    for exit in PATHWAY.exits_of(state)
    for part in getattr(exit, "arms", (exit,))
    if getattr(part, "in_place", False) or part.to == "back"
}
FIELDS = ("patient", "state", "entered_months", "left_months", "next_state", "ended_by", "shown")


def test_the_pathway_is_priced_as_row_by_row():
    parts = chunks(1_000)
    units, qalys, later = plain_reference(parts)
    found = valued(quantities_of(parts), {})
    for item in ON_PATHWAY.items:
        assert found.used[item.name][DISCOUNTED, 0] * PATIENTS == pytest.approx(units[item.name], rel=1e-9)
        assert units[item.name] > 30.0
        price = number(item.price, {})
        assert found.item(item.name).value * PATIENTS == pytest.approx(price * units[item.name], rel=1e-9)
    assert found.qaly().value * PATIENTS == pytest.approx(qalys, rel=1e-9)
    by_name = {estimate.outcome: estimate for estimate in found.estimates()}
    assert by_name["QALYs past 5 years (discounted)"].value * PATIENTS == pytest.approx(later, rel=1e-9)
    total = sum(found.category(category).value for category in found.categories)
    assert found.cost().value == pytest.approx(total, rel=1e-13)
    assert found.cost().mc_se > 0.0


def test_an_error_is_not_told_where_a_group_is_empty():
    assert math.isnan(priced(FIVE).cost().mc_se)
    assert priced(FIVE).cost().remark == "99 of 100 groups are empty, so no standard error"


def test_chunks_change_no_bit():
    one, other = (quantities_of(chunks(size)) for size in (1_000, 3_000))
    for counts in ("used", "lived", "lost", "aged"):
        for name, sums in getattr(one, counts).items():
            assert sums.tobytes() == getattr(other, counts)[name].tobytes(), name


def test_months_of_all_health_states_are_those_lived():
    parts = chunks(3_000)
    lived = sum(part.stays.left_months[part.stays.next_state >= 0].sum() * 0.0 for part in parts)
    lived += sum(float((part.stays.left_months - part.stays.entered_months).sum()) for part in parts)
    found = quantities_of(parts)
    assert sum(months[PLAIN, -1].sum() for months in found.lived.values()) == pytest.approx(lived, rel=1e-12)


def test_equal_strategies_differ_by_exactly_nothing():
    parts = chunks(3_000)
    one, other = (valued(quantities_of(parts), {}) for _ in range(2))
    for a, b in zip(one.estimates(), other.estimates(), strict=True):
        assert (a - b).value == 0.0
        assert (a - b).mc_se == 0.0


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: PerMonth(name="x", category="drugs", price=1.0), "category 'drugs' is none of drug, liver-directed"),
        (lambda: PerEvent(name="x", category="drug", price=1.0), "'x' can never happen"),
        (lambda: Rules((), ()), "the last health state must hold for everybody"),
        (lambda: Rules((), (RULES.health[0],)), "the last health state must hold for everybody"),
        (lambda: Rules((RULES.items[0],) * 2, RULES.health), "named twice: 'drug'"),
        (lambda: counted(FIVE, discount_costs=-0.01), "the discount rate is -0.01 a year"),
        (lambda: counted(FIVE, discount_effects=math.inf), "the discount rate is inf a year"),
        (lambda: counted(FIVE, values={**VALUES, "ct.interval": 0.0}), "'CT': interval_months is 0.0"),
        (lambda: counted(FIVE, horizon_months=17.0), "a stay ends after the horizon of 17 months"),
        (
            lambda: counted(FIVE).add(FIVE, 0, 1),
            "chunks come in order and begin at a multiple of 1000; patient 0 does not",
        ),
        (
            lambda: counted(FIVE, replace(RULES, items=(replace(RULES.items[1], most=2.5),))),
            "'TACE': most is 2.5; it must be a whole number of 0 or more",
        ),
        (lambda: costs_and_effects({"a": priced(FIVE), "b": priced(FIVE, discount_costs=0.0)}), "can be compared only"),
        (lambda: counted(FIVE, patients=2), "not the stays of the 2 patients from 0 on"),
        (lambda: valued(counted(FIVE), {**VALUES, "drug": -1.0}), "'drug': the price is -1.0"),
        (lambda: valued(counted(FIVE), {**VALUES, "utility.well": 1.01}), "'otherwise alive': the utility is 1.01"),
        (lambda: valued(counted(FIVE), {**VALUES, "loss.operation": math.nan}), "the loss of utility is nan"),
        (lambda: priced(FIVE).category("drugs"), "category 'drugs' is none of"),
        (
            lambda: counted(
                FIVE, replace(RULES, health=(Health(name="x", utility=1, states=("therapie",)), *RULES.health))
            ),
            "unknown state 'therapie'. Did you mean 'therapy'?",
        ),
        (
            lambda: counted(FIVE, replace(RULES, items=(replace(RULES.items[1], ended_by=("sessions",)),))),
            "unknown exit 'sessions'. Did you mean 'session'?",
        ),
        (
            lambda: counted(FIVE, replace(RULES, items=(replace(RULES.items[0], shown={"on drugs": True}),))),
            "unknown attribute that stays show 'on drugs'",
        ),
    ],
)
def test_what_cannot_be_priced_is_refused(make, told: str):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        make()
    assert told in str(error.value)


def test_nobody_is_worth_nothing_that_can_be_told():
    empty = Quantities(
        RULES,
        VALUES,
        state_names=STATES,
        exit_names=EXITS,
        shown_names=SHOWN,
        horizon_months=HORIZON,
        discount_costs=0.0,
        discount_effects=0.0,
    )
    with pytest.raises(ValueError, match="no patient was counted"):
        valued(empty, VALUES)
