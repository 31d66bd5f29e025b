"""Relapse, seen or feared, and what follows it."""

from __future__ import annotations

from hcc_sim.pathway.hcc.branch import branch
from hcc_sim.pathway.hcc.events import (
    TUMOUR_EVENTS,
    death_of_cancer,
    death_of_cancer_in_supportive_care,
    decompensation,
    progression,
)
from hcc_sim.pathway.hcc.patient import (
    ADJUVANT_ENDS,
    DISEASE_SEEN,
    DRUGS_STOP,
    MONTHS_ON_THERAPY,
    NOTHING_LEFT_UNSEEN,
    RELAPSE_REMOVED,
    RELAPSE_TREATED,
    TUMOUR_REMOVED,
    UNFIT_BY,
    assessed,
    converted,
    in_place,
    something_unseen,
)
from hcc_sim.pathway.hcc.visits import SHOWN
from hcc_sim.pathway.model import BACK, Arm, Hazard, Mark, Set, State, TimeSince, when

RELAPSE: tuple[State, ...] = (
    branch(
        SHOWN,
        Arm("disease seen", "imaging.sensitivity", name="seen on the scan", when=~when("marker test")),
        Arm("disease seen", "marker.sensitivity", name="seen by the marker", when="marker test"),
        Arm("nothing shown", name="missed"),
    ),
    branch(
        "nothing shown",
        Arm("resection criteria", 1.0, name="assessed as if free of progression", when=assessed),
        Arm(BACK, name="all goes on"),
        name="what follows a visit that shows nothing",
    ),
    branch(
        "confirmation",
        Arm("disease seen", "imaging.false_alarm_believed", name="false alarm believed"),
        Arm(BACK, name="false alarm cleared"),
    ),
    branch(
        "disease seen",
        Arm("beyond cure", 1.0, name="progression seen", when=~converted),
        Arm("relapse while watched", 1.0, name="relapse seen while watched", when=converted & in_place),
        Arm("relapse after surgery", 1.0, name="relapse seen after surgery", when=converted & ~in_place),
        on_arrival=(
            Set("age of relapse", 0),
            Set("age of relapse", TimeSince("unseen since"), when=something_unseen),
            *ADJUVANT_ENDS,
        ),
    ),
    branch(
        "relapse while watched",
        Arm(
            "salvage decision",
            "salvage.curable_share",
            name="salvage surgery offered",
            shifted_by={
                "age of relapse": "relapse.curable_log_odds_per_month",
                "unseen outgrowth": "relapse.curable_log_odds_outgrowth",
            },
            does=(RELAPSE_TREATED, *DISEASE_SEEN),
        ),
        Arm("beyond cure", name="window lost"),
        name="what follows a relapse while watched",
    ),
    branch(
        "salvage decision",
        Arm("beyond cure", 1.0, name="still unfit", when="unfit"),
        Arm("beyond cure", "salvage.declined_share", name="declines salvage", when=~when("unfit")),
        Arm(
            "beyond cure",
            "surgery.unfit_share",
            name="unfit for salvage",
            when=~when("unfit"),
            shifted_by=UNFIT_BY,
        ),
        Arm("wash-out", name="accepts salvage", does=(Set("salvage", 1), *DRUGS_STOP)),
        on_arrival=(MONTHS_ON_THERAPY,),
    ),
    branch(
        "relapse after surgery",
        Arm(
            "curative treatment again",
            "repeat.curable_share",
            name="curative treatment again",
            shifted_by={
                "age of relapse": "relapse.curable_log_odds_per_month",
                "unseen outgrowth": "relapse.curable_log_odds_outgrowth",
            },
        ),
        Arm("beyond cure", name="relapse beyond cure"),
        name="what follows a relapse after surgery",
    ),
    branch(
        "curative treatment again",
        Arm("dead around an operation", "repeat.death", name="death around repeat treatment"),
        Arm(
            "disease left behind",
            name="relapse removed",
            does=(
                RELAPSE_TREATED,
                *NOTHING_LEFT_UNSEEN,
                Set("viable remnant", 0),
                Mark("last curative treatment"),
            ),
        ),
        name="repeat treatment",
    ),
    branch(
        "beyond cure",
        Arm("supportive care", "relapse.supportive_share", name="too ill for more"),
        Arm("next-line therapy", name="next line"),
        name="what follows disease beyond cure",
        on_arrival=DISEASE_SEEN,
    ),
    State(
        "next-line therapy",
        (
            Hazard("second conversion", law="second conversion", to="second conversion"),
            *TUMOUR_EVENTS,
            decompensation,
            death_of_cancer,
        ),
        on_arrival=(Set("off drugs", 0),),
    ),
    branch(
        "second conversion",
        Arm("dead around an operation", "salvage.death", name="death around surgery after a second conversion"),
        Arm(
            "disease left behind",
            name="operated after a second conversion",
            does=(
                Mark("conversion", when=~converted),
                Set("converted", 1),
                Set("treated tumour viable", 0),
                RELAPSE_REMOVED,
                *NOTHING_LEFT_UNSEEN,
                *TUMOUR_REMOVED,
                Set("viable remnant", 0),
                *DRUGS_STOP,
            ),
        ),
        name="is surgery after a second conversion survived",
    ),
    State(
        "supportive care",
        (*TUMOUR_EVENTS, decompensation, death_of_cancer_in_supportive_care),
        on_arrival=(Set("off drugs", 1),),
    ),
    State(
        "decompensated liver",
        (
            Hazard("death of liver failure", law="death of liver failure", to="dead of liver failure"),
            progression,
            *TUMOUR_EVENTS,
            death_of_cancer,
        ),
        on_arrival=(Set("off drugs", 1), *ADJUVANT_ENDS),
    ),
)
