"""What happens to a patient: tumour events, what liver and drugs do, deaths; and the laws of all of them."""

from __future__ import annotations

from hcc_sim.laws import Exponential, LogNormal, Weibull
from hcc_sim.pathway.hcc.patient import (
    ADJUVANT_ENDS,
    ADJUVANT_STARTS,
    AGGRESSIVENESS,
    CYCLES_END,
    DRUGS_STOP,
    EFFECT_OF_SURGERY,
    MONTHS_ON_THERAPY,
    active_disease,
    becomes_true,
    converted,
    cycles_go_on,
    cycles_planned,
    in_place,
    occult,
    off_drugs,
    on_adjuvant,
    on_hold,
    planned,
    remnant,
    unseen_primary,
    unseen_progression,
    unseen_regrowth,
    viable,
)
from hcc_sim.pathway.model import Add, Delay, Hazard, Law, Mark, Schedule, Set, TimedExit, Visit, when

# --- tumour events ----------------------------------------------------------------------------------------------------

progression = Hazard(
    "progression",
    law="progression",
    since="start of therapy",
    when=~unseen_progression & ~when("disease seen") & ~converted,
    in_place=True,
    scaled_by={
        AGGRESSIVENESS: "progression.log_hazard_ratio_aggressiveness",
        "extrahepatic spread": "progression.log_hazard_ratio_spread",
    },
    hazard_ratios={
        "responder": "progression.responder_hazard_ratio",
        "off drugs": "drugs.withdrawal_effect_on_progression",
        "liver-directed missing": "liver_directed.effect_of_stopping_on_progression",
        "switched": "switch.effect_on_progression",
        "cytoreduced": "cytoreduction.effect_on_progression",
    },
    does=becomes_true("unseen progression"),
)

local_regrowth = Hazard(
    "local regrowth",
    law="local regrowth",
    since="conversion",
    when=(converted & viable & (in_place | remnant) & ~unseen_regrowth & ~when("disease seen")).named(
        "viable tumour is left"
    ),
    in_place=True,
    scaled_by={AGGRESSIVENESS: "regrowth.log_hazard_ratio_aggressiveness"},
    hazard_ratios={
        "off drugs": "drugs.withdrawal_effect_on_regrowth",
        "liver-directed missing": "liver_directed.effect_of_stopping_on_regrowth",
        "viable remnant": "resection.r1_effect_on_regrowth",
        "neoadjuvant": "neoadjuvant.effect_on_outgrowth",
        "on adjuvant": "adjuvant.effect_on_outgrowth",
        "after adjuvant": "adjuvant.effect_afterwards",
    },
    does=becomes_true("unseen local regrowth"),
)

occult_outgrowth = Hazard(
    "occult outgrowth",
    law="occult outgrowth",
    since="conversion",
    when=occult,
    in_place=True,
    scaled_by={AGGRESSIVENESS: "outgrowth.log_hazard_ratio_aggressiveness"},
    hazard_ratios={
        "operated": EFFECT_OF_SURGERY,
        "off drugs": "drugs.withdrawal_effect_on_outgrowth",
        "neoadjuvant": "neoadjuvant.effect_on_outgrowth",
        "transplanted": "transplantation.effect_on_outgrowth",
        "on adjuvant": "adjuvant.effect_on_outgrowth",
        "after adjuvant": "adjuvant.effect_afterwards",
    },
    does=(*becomes_true("unseen outgrowth"), Set("occult disease", 0)),
)

new_primary = Hazard(
    "new primary",
    law="new primary",
    since="conversion",
    when=converted & ~unseen_primary,
    in_place=True,
    hazard_ratios={
        "operated": EFFECT_OF_SURGERY,
        "off drugs": "drugs.withdrawal_effect_on_new_primary",
        "transplanted": "transplantation.effect_on_new_primary",
        "on adjuvant": "adjuvant.effect_on_new_primary",
        "after adjuvant": "adjuvant.effect_afterwards",
    },
    does=becomes_true("unseen new primary"),
)

TUMOUR_EVENTS: tuple[TimedExit, ...] = (local_regrowth, occult_outgrowth, new_primary)

sterilisation = Hazard(
    "sterilisation",
    law="sterilisation",
    since="conversion",
    when=(viable & in_place & ~off_drugs & ~unseen_regrowth).named("therapy still works on a viable tumour"),
    in_place=True,
    does=(Set("treated tumour viable", 0),),
)

# --- what the liver and the drugs do ----------------------------------------------------------------------------------

decompensation = Hazard(
    "decompensation",
    law="decompensation",
    to="decompensated liver",
    since="start of therapy",
    scaled_by={
        "Child-Pugh points above 5": "decompensation.log_hazard_ratio_per_child_pugh_point",
        "liver-directed cycles": "decompensation.log_hazard_ratio_per_cycle",
    },
    hazard_ratios={
        "operated": "surgery.effect_on_decompensation",
        "cytoreduced": "surgery.effect_on_decompensation",
        "transplanted": "transplantation.effect_on_decompensation",
        "major complication": "complication.effect_on_decompensation",
        "off drugs": "drugs.withdrawal_effect_on_decompensation",
        "on adjuvant": "adjuvant.effect_on_decompensation",
    },
)

toxicity = Hazard("toxicity", law="toxicity", since="start of therapy", when=~off_drugs, in_place=True, does=DRUGS_STOP)
hold = Hazard(
    "drugs held",
    law="drugs held",
    since="start of therapy",
    when=~off_drugs,
    in_place=True,
    does=(MONTHS_ON_THERAPY, Set("off drugs", 1), Set("on hold", 1), Mark("hold since")),
)
hold_ends = Delay(
    "hold.duration",
    since="hold since",
    when=on_hold,
    in_place=True,
    does=(Set("off drugs", 0), Set("on hold", 0)),
    name="drugs again",
)
systemic_begins = Delay(
    "systemic.start",
    since="start of therapy",
    when="systemic later",
    in_place=True,
    does=(Set("off drugs", 0), Set("systemic later", 0)),
    name="systemic therapy begins",
)
DRUGS: tuple[TimedExit, ...] = (systemic_begins, toxicity, hold, hold_ends)

cycles = Schedule("liver-directed cycles", "liver_directed.interval", "first liver-directed cycle", 0.0)
CYCLES: tuple[TimedExit, ...] = (
    Delay(
        "liver_directed.start",
        since="start of therapy",
        when=cycles_planned & when("Child-Pugh score", "<=", "liver_directed.highest_child_pugh_score"),
        in_place=True,
        does=(
            Set("liver-directed planned", 0),
            Set("liver-directed on", 1),
            Set("liver-directed missing", 0),
            Add("liver-directed cycles", 1),
            Mark("first liver-directed cycle"),
        ),
        name="first liver-directed cycle",
    ),
    Visit(
        "liver-directed cycle",
        cycles,
        in_place=True,
        when=cycles_go_on & when("liver-directed cycles", "<", "liver_directed.most_cycles"),
        does=(Add("liver-directed cycles", 1),),
    ),
    Visit(
        "liver-directed therapy ends",
        cycles,
        in_place=True,
        when=cycles_go_on & when("liver-directed cycles", ">=", "liver_directed.most_cycles"),
        does=CYCLES_END,
    ),
)

adjuvant_toxicity = Hazard(
    "adjuvant toxicity",
    law="adjuvant toxicity",
    since="start of adjuvant",
    when=on_adjuvant,
    in_place=True,
    does=ADJUVANT_ENDS,
)
adjuvant_begins = Delay(
    "adjuvant.start",
    since="last curative treatment",
    when=planned,
    in_place=True,
    does=ADJUVANT_STARTS,
    name="adjuvant begins",
)
adjuvant_ends = Delay(
    "adjuvant.duration",
    since="start of adjuvant",
    when=on_adjuvant,
    in_place=True,
    does=ADJUVANT_ENDS,
    name="adjuvant ends",
)

planned_end = Delay(
    "therapy.duration", since="start of therapy", when=~off_drugs, in_place=True, does=DRUGS_STOP, name="therapy ends"
)
planned_end_while_watched = Delay(
    "watching.therapy_duration",
    since="conversion",
    when=~off_drugs,
    in_place=True,
    does=DRUGS_STOP,
    name="therapy ends while watched",
)


def _death_of_cancer(*, supportive: bool = False) -> Hazard:
    ratios: dict[str | None, float | str] = {None: "supportive.effect_on_death"} if supportive else {}
    return Hazard(
        "death of cancer",
        law=("death after progression", "death after relapse"),
        law_by="converted",
        to="dead of cancer",
        since="disease since",
        when=active_disease,
        scaled_by={AGGRESSIVENESS: "death.log_hazard_ratio_aggressiveness"},
        hazard_ratios=ratios,
    )


death_of_cancer = _death_of_cancer()
death_of_cancer_in_supportive_care = _death_of_cancer(supportive=True)

death_of_other_causes = Hazard(
    "death of other causes",
    law=("life table, female", "life table, male"),
    law_by="male",
    to="dead of other causes",
    since="birth",
    hazard_ratios={None: "other_causes.hazard_ratio"},
)

LAWS = {
    "response": Law(Exponential.from_median, {"median_months": "response.median_time"}),
    "progression": Law(
        Weibull.from_median, {"median_months": "progression.median_of_non_responders", "shape": "progression.shape"}
    ),
    "local regrowth": Law(Weibull.from_median, {"median_months": "regrowth.median", "shape": "regrowth.shape"}),
    "occult outgrowth": Law(LogNormal.from_median, {"median_months": "outgrowth.median", "log_sd": "outgrowth.log_sd"}),
    "new primary": Law(Exponential, {"rate_per_month": "new_primary.rate"}),
    "sterilisation": Law(Exponential, {"rate_per_month": "sterilisation.rate"}),
    "toxicity": Law(Exponential, {"rate_per_month": "toxicity.rate"}),
    "drugs held": Law(Exponential, {"rate_per_month": "hold.rate"}),
    "second conversion": Law(Exponential, {"rate_per_month": "second_conversion.rate"}),
    "adjuvant toxicity": Law(Exponential, {"rate_per_month": "adjuvant.toxicity_rate"}),
    "decompensation": Law(
        Weibull.from_median, {"median_months": "decompensation.median", "shape": "decompensation.shape"}
    ),
    "death after progression": Law(
        Weibull.from_median, {"median_months": "death.median_after_progression", "shape": "death.shape"}
    ),
    "death after relapse": Law(
        Weibull.from_median, {"median_months": "death.median_after_relapse", "shape": "death.shape"}
    ),
    "death of liver failure": Law(Exponential.from_median, {"median_months": "death.median_after_decompensation"}),
}

OTHER_FAMILIES = {
    "local regrowth": Law(LogNormal.like_weibull, {"median_months": "regrowth.median", "shape": "regrowth.shape"}),
    "occult outgrowth": Law(
        Weibull.like_log_normal, {"median_months": "outgrowth.median", "log_sd": "outgrowth.log_sd"}
    ),
    "death after relapse": Law(
        LogNormal.like_weibull, {"median_months": "death.median_after_relapse", "shape": "death.shape"}
    ),
}
"""Laws that no figure tells the family of, and that the answer to the timing question may hang on: each of the other
family, with the same median and the same spread of ln t."""
