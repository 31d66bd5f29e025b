"""Resectable from the start: surgery now, or another treatment first."""

from __future__ import annotations

from hcc_sim.pathway.hcc.branch import branch
from hcc_sim.pathway.hcc.events import TUMOUR_EVENTS, death_of_cancer, decompensation
from hcc_sim.pathway.model import Arm, Delay, Mark, Set, State

RESECTABLE: tuple[State, ...] = (
    branch(
        "resectable tumour",
        Arm("upfront decision", "resectable.occult_share", name="occult disease", does=(Set("occult disease", 1),)),
        Arm("upfront decision", name="no occult disease"),
        name="has a resectable tumour occult disease",
        on_arrival=(Mark("conversion"), Set("converted", 1), Set("off drugs", 1)),
    ),
    branch(
        "upfront decision",
        Arm("neoadjuvant therapy", "neoadjuvant.share", name="neoadjuvant therapy first"),
        Arm("awaiting surgery", name="surgery first"),
        name="is anything done before surgery",
    ),
    State(
        "neoadjuvant therapy",
        (
            Delay("neoadjuvant.duration", to="after neoadjuvant therapy", name="neoadjuvant therapy ends"),
            *TUMOUR_EVENTS,
            decompensation,
            death_of_cancer,
        ),
        on_arrival=(Set("neoadjuvant", 1),),
    ),
    branch(
        "after neoadjuvant therapy",
        Arm(
            "awaiting surgery",
            "neoadjuvant.dead_share",
            name="tumour dead by neoadjuvant therapy",
            does=(Set("treated tumour viable", 0),),
        ),
        Arm("awaiting surgery", name="tumour viable after neoadjuvant therapy"),
        name="has neoadjuvant therapy killed the tumour",
    ),
)
