"""Surgery and what stands for it, and adjuvant therapy after it."""

from __future__ import annotations

from hcc_sim.pathway.hcc.branch import branch
from hcc_sim.pathway.hcc.events import (
    TUMOUR_EVENTS,
    adjuvant_begins,
    adjuvant_ends,
    adjuvant_toxicity,
    death_of_cancer,
    decompensation,
)
from hcc_sim.pathway.hcc.patient import REMNANT_LEFT, TUMOUR_REMOVED, remnant_too_small, unseen_elsewhere, viable
from hcc_sim.pathway.hcc.visits import VISITS_AFTER_SURGERY
from hcc_sim.pathway.model import Arm, Delay, Service, Set, State, when

SURGERY: tuple[State, ...] = (
    State(
        "wash-out",
        (
            Delay("surgery.wash_out", to="awaiting surgery", when=~remnant_too_small, name="drugs washed out"),
            Delay("surgery.wash_out", to="growing remnant", when=remnant_too_small, name="remnant is made to grow"),
            *TUMOUR_EVENTS,
            decompensation,
            death_of_cancer,
        ),
    ),
    State(
        "growing remnant",
        (
            Delay("remnant.growth_time", to="procedure for the remnant", name="remnant measured"),
            *TUMOUR_EVENTS,
            decompensation,
            death_of_cancer,
        ),
    ),
    branch(
        "procedure for the remnant",
        Arm("dead around an operation", "remnant.death", name="death by the procedure for the remnant"),
        Arm("size of the remnant", name="procedure for the remnant survived"),
        name="is the procedure for the remnant survived",
    ),
    branch(
        "size of the remnant",
        Arm("awaiting surgery", "remnant.success_share", name="remnant large enough", does=(Set("remnant grown", 1),)),
        Arm("remnant too small", name="remnant still too small"),
        name="is the remnant large enough",
    ),
    branch(
        "remnant too small",
        Arm("beyond cure", 1.0, name="too small for salvage", when="salvage"),
        Arm(
            "converted",
            1.0,
            name="watched on",
            when=~when("salvage"),
            does=(Set("surgery ruled out", 1), Set("unfit", 1)),
        ),
        name="what follows a remnant that is too small",
    ),
    State(
        "awaiting surgery",
        (
            Service("theatre slot", "surgery.theatre_wait", to="kind of treatment"),
            *TUMOUR_EVENTS,
            decompensation,
            death_of_cancer,
        ),
    ),
    branch(
        "kind of treatment",
        Arm("transplantation", "transplantation.share", name="transplanted"),
        Arm("ablation", "ablation.share", name="ablated"),
        Arm("resection", name="resected"),
        name="what is done to the tumour",
    ),
    branch(
        "transplantation",
        Arm("dead around an operation", "transplantation.death", name="death around transplantation"),
        Arm("disease left behind", name="liver replaced", does=(*TUMOUR_REMOVED, Set("transplanted", 1))),
        name="is transplantation survived",
    ),
    branch(
        "ablation",
        Arm("dead around an operation", "ablation.death", name="death around ablation"),
        Arm("ablated tumour", name="ablation survived"),
        name="is ablation survived",
    ),
    branch(
        "ablated tumour",
        Arm("disease left behind", "ablation.incomplete_share", name="incomplete ablation", does=(REMNANT_LEFT,)),
        Arm("disease left behind", name="complete ablation"),
        name="is ablation complete",
        on_arrival=TUMOUR_REMOVED,
    ),
    branch(
        "resection",
        Arm(
            "dead around an operation",
            "resection.death",
            name="perioperative death",
            when=~when("salvage"),
            shifted_by={"months on therapy": "resection.death_log_odds_per_month_on_therapy"},
        ),
        Arm(
            "dead around an operation",
            "salvage.death",
            name="perioperative death at salvage",
            when="salvage",
            shifted_by={"months on therapy": "resection.death_log_odds_per_month_on_therapy"},
        ),
        Arm("what the surgeon finds", name="survives the operation"),
    ),
    branch(
        "what the surgeon finds",
        Arm("margin", 1.0, name="nothing unseen elsewhere", when=~unseen_elsewhere),
        Arm("found at surgery", "resection.found_share", name="found elsewhere", when=unseen_elsewhere),
        Arm("margin", name="stays hidden"),
    ),
    branch(
        "found at surgery",
        Arm(
            "margin",
            "resection.found_resectable_share",
            name="found and resected too",
            does=(Set("unseen outgrowth", 0), Set("unseen new primary", 0)),
        ),
        Arm("beyond cure", name="operation abandoned"),
        name="can what is found be resected",
    ),
    branch(
        "margin",
        Arm(
            "specimen",
            "resection.r1_share",
            name="R1",
            when=~when("salvage"),
            does=(REMNANT_LEFT,),
        ),
        Arm(
            "specimen",
            "salvage.r1_share",
            name="R1 at salvage",
            when="salvage",
            does=(REMNANT_LEFT,),
        ),
        Arm("specimen", name="R0"),
        on_arrival=TUMOUR_REMOVED,
    ),
    branch(
        "specimen",
        Arm("recovery", 1.0, name="pathological complete response", when=~viable),
        Arm("recovery", 1.0, name="viable tumour in the specimen", when=viable),
    ),
    branch(
        "recovery",
        Arm(
            "adjuvant decision",
            "resection.major_complication",
            name="major complication",
            does=(Set("major complication", 1),),
        ),
        Arm("adjuvant decision", name="no major complication"),
    ),
    branch(
        "adjuvant decision",
        Arm(
            "disease left behind",
            "adjuvant.ruled_out_by_complication",
            name="complication rules adjuvant therapy out",
            when="major complication",
        ),
        Arm("adjuvant offer", name="may have adjuvant therapy"),
        name="can adjuvant therapy be given",
    ),
    branch(
        "adjuvant offer",
        Arm(
            "disease left behind",
            "adjuvant.share_after_complete_response",
            name="adjuvant therapy planned after pCR",
            when=~viable,
            does=(Set("adjuvant planned", 1),),
        ),
        Arm(
            "disease left behind",
            "adjuvant.share_after_viable_tumour",
            name="adjuvant therapy planned",
            when=viable,
            does=(Set("adjuvant planned", 1),),
        ),
        Arm("disease left behind", name="no adjuvant therapy"),
        name="is adjuvant therapy given",
    ),
    branch(
        "disease left behind",
        Arm("after surgery", 1.0, name="no relapse treated: as it was", when=~when("relapse treated")),
        Arm(
            "after surgery",
            "relapse.occult_again_share",
            name="occult disease again",
            when="relapse treated",
            does=(Set("occult disease", 1), Set("relapse treated", 0)),
        ),
        Arm(
            "after surgery",
            name="no occult disease now",
            when="relapse treated",
            does=(Set("occult disease", 0), Set("relapse treated", 0)),
        ),
    ),
    State(
        "after surgery",
        (
            adjuvant_begins,
            adjuvant_ends,
            *VISITS_AFTER_SURGERY,
            *TUMOUR_EVENTS,
            adjuvant_toxicity,
            decompensation,
            death_of_cancer,
        ),
    ),
)
