"""What is counted and priced of a history of conversion therapy: resources, health states, losses of utility.

Data of the pathway in `pathway/hcc`, and no number: prices, doses and utilities are parameters of
`calibration/economics.yaml`; what a regimen gives is told by `treatments`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hcc_sim.economics.items import Decrement, Health, Item, PerCycle, PerEvent, PerMonth, Rules
from hcc_sim.economics.treatments import PARTS, TACE, Treatment, treatments_of

ON_THERAPY = ("on conversion therapy", "responding", "converted")
AFTER_SURGERY = ("after surgery",)
OPERATIONS = ("resection", "transplantation", "ablation", "cytoreductive surgery", "curative treatment again")
HEPATECTOMIES = ("resection", "cytoreductive surgery", "second conversion")
CYCLES = ("first liver-directed cycle", "liver-directed cycle")
DEATHS_OF_DISEASE = ("dead of cancer", "dead of liver failure")
TOXICITY = ("toxicity", "drugs held", "adjuvant toxicity")

AFTERWARDS = "adjuvant "
"""How names of adjuvant regimens begin."""
BEFORE = "neoadjuvant "


@dataclass(frozen=True)
class Given:
    """What a strategy gives: its conversion regimen, and what it names around surgery; empty where nobody says."""

    regimen: str
    adjuvant: str = ""
    neoadjuvant: str = ""


def hcc_rules(given: Given, values: Mapping[str, float], own: Sequence[Item] = ()) -> tuple[Rules, tuple[str, ...]]:
    """All that is counted under a strategy, and notes on what had to be taken for another.

    `values` are those of its parameters: what nobody can get under them has no item.  `own` items come beside the
    others; of a name that the pathway's own items have, in its place, and only where it is used.
    """
    notes: list[str] = []

    def named(regimen: str, kind: str) -> Sequence[Treatment]:
        treatments, told = treatments_of(regimen)
        notes.extend(f"{kind}: {note}" for note in told)
        return treatments

    by_session = values["liver_directed.share"] > 0.0
    of_conversion = list(named(given.regimen, "Conversion therapy"))
    if by_session and not any(treatment.session for treatment in of_conversion):
        of_conversion.append(TACE)
        notes.append("Conversion therapy: liver-directed cycles are simulated, of which nobody says what: as TACE")
    items: list[Item] = []
    for treatment in of_conversion:
        items += _of_conversion(treatment, by_session=by_session)
    if any(values[f"adjuvant.share_after_{who}"] > 0.0 for who in ("viable_tumour", "complete_response")):
        adjuvant = given.adjuvant.removeprefix(AFTERWARDS)
        shown = {"on adjuvant": True, "regimen goes on": False}
        if values["adjuvant.continued_share"] < 1.0:
            items += [_while_given(t, f"adjuvant {t.name}", AFTER_SURGERY, shown) for t in named(adjuvant, "Adjuvant")]
    if values["neoadjuvant.share"] > 0.0:
        before = given.neoadjuvant.removeprefix(BEFORE)
        items += [
            _while_given(t, f"neoadjuvant {t.name}", ("neoadjuvant therapy",), {}) for t in named(before, "Neoadjuvant")
        ]
    usual = (*items, *SURGERY, *COMPLICATIONS, *MONITORING, *AFTERWARDS_CARE)
    names = {item.name for item in usual}
    new = [item for item in own if item.name in names or not _is_usual(item.name)]
    unused = [f"'{item.name}'" for item in own if item not in new]
    notes += [f"{name} stands for an item of the pathway's own that is not used, and is not counted" for name in unused]
    named_items = {item.name: item for item in (*usual, *new)}
    return Rules(tuple(named_items.values()), HEALTH, LOSSES, AGEING), tuple(dict.fromkeys(notes))


def _is_usual(name: str) -> bool:
    """Whether the pathway's own items have this name under some regimen."""
    stem = name.removeprefix(AFTERWARDS).removeprefix(BEFORE).removesuffix(" after surgery").partition(" (")[0]
    of_regimens = {treatment.name for part in PARTS.values() for treatment in part}
    return stem in of_regimens or name in {i.name for i in (*SURGERY, *COMPLICATIONS, *MONITORING, *AFTERWARDS_CARE)}


def uses() -> dict[str, tuple[str, ...]]:
    """Parameter -> what is priced or valued by it, under any regimen."""
    treatments = {treatment.name: treatment for part in PARTS.values() for treatment in part}
    of_regimens = [item for one in treatments.values() for item in _of_conversion(one, by_session=False)]
    items = (*of_regimens, *SURGERY, *COMPLICATIONS, *MONITORING, *AFTERWARDS_CARE)
    return Rules(items, HEALTH, LOSSES, AGEING).uses()


def _of_conversion(treatment: Treatment, *, by_session: bool) -> list[Item]:
    """A part of the conversion regimen: until drugs stop, and on after surgery where the regimen goes on.

    Second regimens are priced as later lines.  Sessions that the pathway simulates are counted one by one.
    """
    t = treatment
    first = {"off drugs": False, "switched": False}
    if t.session and by_session:
        return [PerEvent(name=t.name, category=t.category, price=t.price, amount=t.amount, ended_by=CYCLES)]
    found = [_while_given(t, t.name, ON_THERAPY, first)]
    if not t.session and t.most == float("inf"):
        goes_on = {"on adjuvant": True, "regimen goes on": True, "switched": False}
        found.append(_while_given(t, f"{t.name} after surgery", AFTER_SURGERY, goes_on))
    return found


def _while_given(t: Treatment, name: str, states: tuple[str, ...], shown: Mapping[str, bool]) -> Item:
    if t.interval_months is None:
        return PerMonth(name=name, category=t.category, price=t.price, amount=t.amount, states=states, shown=shown)
    return PerCycle(
        name=name,
        category=t.category,
        price=t.price,
        amount=t.amount,
        states=states,
        shown=shown,
        interval_months=t.interval_months,
        most=t.most,
    )


SURGERY: tuple[Item, ...] = (
    PerEvent(name="resection", category="surgery", price="hepatectomy.price", entering=HEPATECTOMIES),
    PerEvent(name="transplantation", category="surgery", price="transplantation.price", entering=("transplantation",)),
    PerEvent(name="ablation", category="surgery", price="ablation.price", entering=("ablation",)),
    PerEvent(
        name="procedure for the remnant",
        category="surgery",
        price="remnant.price",
        entering=("procedure for the remnant",),
    ),
    PerEvent(
        name="curative treatment of a relapse",
        category="surgery",
        price="repeat_treatment.price",
        entering=("curative treatment again",),
    ),
)

COMPLICATIONS: tuple[Item, ...] = (
    PerEvent(
        name="major complication",
        category="complication",
        price="complication.price",
        ended_by=("major complication",),
    ),
    PerEvent(
        name="toxicity that stops or holds drugs",
        category="adverse event",
        price="adverse_event.price",
        ended_by=TOXICITY,
    ),
)


def _visits(name: str, price: str, interval: str, states: tuple[str, ...], **further: str | float | bool) -> Item:
    return PerCycle(
        name=name,
        category="monitoring",
        price=price,
        states=states,
        interval_months=interval,
        **further,  # type: ignore[arg-type]
    )


_FIRST_YEARS = {"after_months": "follow_up.early_interval", "until_months": "follow_up.early_months"}
_LATER_YEARS = {"after_months": "follow_up.early_months"}
_TESTS = {"CT": "ct.price", "laboratory": "laboratory.price_per_visit", "AFP": "afp.price"}
_UNDER_THERAPY = ("on conversion therapy", "responding")

MONITORING: tuple[Item, ...] = (
    *(_visits(f"{test} under therapy", p, "therapy.scan_interval", _UNDER_THERAPY) for test, p in _TESTS.items()),
    *(
        _visits(f"{test} while watched", _TESTS[test], "watching.interval", ("converted",),
                after_months="watching.interval")
        for test in ("CT", "laboratory")
    ),
    _visits("AFP while watched", "afp.price", "watching.marker_interval", ("converted",),
            after_months="watching.marker_interval"),
    *(
        _visits(f"{test} after surgery, first years", p, "follow_up.early_interval", AFTER_SURGERY, each_entry=True,
                **_FIRST_YEARS)
        for test, p in _TESTS.items()
    ),
    *(
        _visits(f"{test} after surgery, later", p, "follow_up.late_interval", AFTER_SURGERY, each_entry=True,
                **_LATER_YEARS)
        for test, p in _TESTS.items()
    ),
    PerEvent(name="CT to confirm an alarm", category="monitoring", price="ct.price", entering=("confirmation",)),
    PerEvent(name="necrosis test", category="monitoring", price="necrosis_test.price", entering=("necrosis test",)),
)  # fmt: skip

AFTERWARDS_CARE: tuple[Item, ...] = (
    PerCycle(
        name="next-line therapy",
        category="later lines",
        price="later_line.price_per_cycle",
        states=("next-line therapy",),
        interval_months="later_line.cycle_interval",
        until_months="later_line.duration",
        each_entry=True,
    ),
    PerCycle(
        name="second regimen",
        category="later lines",
        price="later_line.price_per_cycle",
        states=ON_THERAPY,
        shown={"off drugs": False, "switched": True},
        interval_months="later_line.cycle_interval",
    ),
    PerCycle(
        name="second regimen after surgery",
        category="later lines",
        price="later_line.price_per_cycle",
        states=AFTER_SURGERY,
        shown={"on adjuvant": True, "regimen goes on": True, "switched": True},
        interval_months="later_line.cycle_interval",
    ),
    PerMonth(
        name="supportive care",
        category="later lines",
        price="supportive_care.price_per_month",
        states=("supportive care",),
    ),
    PerEvent(
        name="care in the last weeks", category="end of life", price="end_of_life.price", entering=DEATHS_OF_DISEASE
    ),
    PerEvent(
        name="days in hospital for a complication",
        category="hospital days",
        price="hospital_day.price",
        amount="complication.hospital_days",
        ended_by=("major complication",),
    ),
    PerMonth(
        name="days in hospital with a decompensated liver",
        category="hospital days",
        price="hospital_day.price",
        amount="decompensation.hospital_days_per_month",
        states=("decompensated liver",),
    ),
)

PLACEHOLDERS = ("hepatectomy.price", "utility.after_surgery", "supportive_care.price_per_month")
"""Assumed, wide, and of weight in every comparison: they head every list of assumptions."""

HEALTH: tuple[Health, ...] = (
    Health(name="decompensated liver", utility="utility.decompensated", states=("decompensated liver",)),
    Health(name="supportive care", utility="utility.supportive_care", states=("supportive care",)),
    Health(name="next-line therapy", utility="utility.progressed", states=("next-line therapy",)),
    Health(name="disease seen", utility="utility.progressed", shown={"disease seen": True}),
    Health(
        name="after surgery, on adjuvant therapy",
        utility="utility.on_adjuvant",
        states=AFTER_SURGERY,
        shown={"on adjuvant": True},
    ),
    Health(name="after surgery", utility="utility.after_surgery", states=AFTER_SURGERY),
    Health(
        name="watched without drugs",
        utility="utility.watched_off_drugs",
        states=("converted",),
        shown={"off drugs": True},
    ),
    Health(name="without progression", utility="utility.progression_free"),
)
"""A disease that is seen counts until it is removed; who waits for surgery is without progression."""

LOSSES: tuple[Decrement, ...] = (
    Decrement(
        name="after an operation",
        loss="utility.loss_after_operation",
        months="utility.loss_after_operation_lasts",
        entering=(*OPERATIONS, "second conversion"),
    ),
    Decrement(
        name="major complication",
        loss="utility.loss_of_complication",
        months="utility.loss_of_complication_lasts",
        ended_by=("major complication",),
    ),
    Decrement(
        name="toxicity",
        loss="utility.loss_of_adverse_event",
        months="utility.loss_of_adverse_event_lasts",
        ended_by=TOXICITY,
    ),
)

AGEING = "utility.lost_share_per_year"
