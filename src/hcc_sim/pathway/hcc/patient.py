"""What can be true of a patient: attributes, with their shares at the start; epochs; conditions and actions on them."""

from __future__ import annotations

from collections.abc import Mapping

from hcc_sim.pathway.hcc.staging import STAGES, thrombus
from hcc_sim.pathway.model import (
    Action,
    Bernoulli,
    Epoch,
    Linear,
    Mark,
    Normal,
    Ordered,
    Set,
    TimeSince,
    Value,
    when,
)

START = "on conversion therapy"
"""Where patients start, in a scenario's words; whether they will respond is settled on the way in."""

EFFECT_OF_SURGERY = "surgery.effect"
"""The parameter that says what surgery does to disease that it leaves behind."""

AGGRESSIVENESS = "aggressiveness"
"""The attribute by which patients differ and which nobody sees; parameters of its effects have it in their names."""

SHOWN = (
    "off drugs",
    "switched",
    "on adjuvant",
    "regimen goes on",
    "converted",
    "operated",
    "disease seen",
    "major complication",
)
"""What each stay shows of its patient: what he is given and what he lives with differ by it."""

DEATHS = ("dead of cancer", "dead of liver failure", "dead around an operation", "dead of other causes")

# --- what can be true of a patient ------------------------------------------------------------------------------------

resectable = when("resectable at start")
converted = when("converted")
assessed = (when("convertible") & ~when("converted")).named("may become resectable")
responder = when("responder")
on_hold = when("on hold")
cycles_planned = when("liver-directed planned")
cycles_go_on = when("liver-directed on")
off_drugs = when("off drugs")
in_place = when("tumour in place")
viable = when("treated tumour viable")
occult = when("occult disease")
remnant = when("viable remnant")
tested = when("necrosis test")
planned = when("adjuvant planned")
on_adjuvant = when("on adjuvant")
operated = when("operated")
remnant_too_small = (when("small remnant") & ~when("remnant grown")).named("the remnant is too small")

unseen_progression = when("unseen progression")
unseen_regrowth = when("unseen local regrowth")
unseen_outgrowth = when("unseen outgrowth")
unseen_primary = when("unseen new primary")
unseen_elsewhere = (unseen_outgrowth | unseen_primary).named("disease elsewhere is unseen")
something_unseen = (unseen_progression | unseen_regrowth | unseen_outgrowth | unseen_primary).named(
    "something is unseen"
)
nothing_unseen = (~something_unseen).named("nothing is unseen")
active_disease = (something_unseen | when("disease seen")).named("there is active disease")
no_active_disease = (~active_disease).named("there is no active disease")

EVERYTHING_UNSEEN = ("unseen progression", "unseen local regrowth", "unseen outgrowth", "unseen new primary")
NOTHING_LEFT_UNSEEN: tuple[Action, ...] = tuple(Set(name, 0) for name in EVERYTHING_UNSEEN)
DISEASE_SEEN: tuple[Action, ...] = (Set("disease seen", 1, when=something_unseen), *NOTHING_LEFT_UNSEEN)
RELAPSE_REMOVED = Set("relapse treated", 1)
RELAPSE_TREATED = Set("relapse treated", 1, when=something_unseen)
MONTHS_ON_THERAPY = Set("months on therapy", TimeSince("start of therapy"), when=~off_drugs)
DRUGS_STOP: tuple[Action, ...] = (
    MONTHS_ON_THERAPY,
    Set("off drugs", 1),
    Set("on hold", 0),
    Set("systemic later", 0),
)
CYCLES_END: tuple[Action, ...] = (Set("liver-directed on", 0), Set("liver-directed missing", 1))

SPARED: tuple[Action, ...] = (Set("surgery ruled out", 1),)
ADJUVANT_STARTS: tuple[Action, ...] = (
    Set("adjuvant planned", 0),
    Set("on adjuvant", 1),
    Set("off drugs", 0, when="regimen goes on"),
    Mark("start of adjuvant"),
)
ADJUVANT_ENDS: tuple[Action, ...] = (
    Set("adjuvant planned", 0),
    Set("off drugs", 1, when=on_adjuvant & when("regimen goes on")),
    Set("after adjuvant", 1, when=on_adjuvant),
    Set("on adjuvant", 0),
)


def becomes_true(attribute: str) -> tuple[Action, ...]:
    """What every tumour event does: start the clocks that are not running yet, and be there, unseen."""
    return (
        Mark("disease since", when=no_active_disease),
        Mark("unseen since", when=nothing_unseen),
        Mark(f"{attribute} since", when=~when(attribute)),
        Set(attribute, 1),
    )


# A progression that the last scan missed is disease elsewhere from conversion on, with its own age.
MISSED_PROGRESSION: tuple[Action, ...] = (
    Set("age of outgrowth", TimeSince("unseen progression since"), when=unseen_progression),
    Mark("unseen outgrowth since", shift=Linear({"age of outgrowth": -1.0}), when=unseen_progression),
    Set("unseen outgrowth", 1, when=unseen_progression),
    Set("unseen progression", 0),
)

# The knife takes an unseen local regrowth along; what stays elsewhere keeps its own age, the older of two.
_AGE_OF_WHAT_STAYS: tuple[Action, ...] = (
    Set("age of outgrowth", 0),
    Set("age of outgrowth", TimeSince("unseen outgrowth since"), when=unseen_outgrowth),
    Set("age of new primary", 0),
    Set("age of new primary", TimeSince("unseen new primary since"), when=unseen_primary),
    Set("older by", Linear({"age of new primary": 1.0, "age of outgrowth": -1.0})),
    Set("age of relapse", Linear({"age of outgrowth": 1.0})),
    Set("age of relapse", Linear({"age of new primary": 1.0}), when=when("older by", ">", 0)),
    Mark("unseen since", shift=Linear({"age of relapse": -1.0}), when=unseen_elsewhere),
    Mark("disease since", shift=Linear({"age of relapse": -1.0}), when=unseen_elsewhere),
)
TUMOUR_REMOVED: tuple[Action, ...] = (
    Mark("last curative treatment"),
    Set("operated", 1),
    Set("tumour in place", 0),
    Set("unseen local regrowth", 0),
    Set("disease seen", 0),
    *_AGE_OF_WHAT_STAYS,
)
UNFIT_BY = {
    "months on therapy": "surgery.unfit_log_odds_per_month_on_therapy",
    "liver-directed cycles": "surgery.unfit_log_odds_per_cycle",
    "Child-Pugh points above 5": "surgery.unfit_log_odds_per_child_pugh_point",
    "ECOG": "surgery.unfit_log_odds_per_ecog_grade",
}
"""What makes a patient unfit for surgery: attribute -> change of the log odds per unit."""

REMNANT_LEFT = Set("viable remnant", 1, when=viable)

# --- who starts -------------------------------------------------------------------------------------------------------

DERIVED_AT_START: tuple[Action, ...] = (
    Set("portal vein thrombus", 1, when=thrombus),
    Set("Child-Pugh points above 5", Linear({"Child-Pugh score": 1.0}, -5.0)),
    Set("liver-directed missing", 1, when=cycles_planned),
    Set("off drugs", 1, when="systemic later"),
    *STAGES,
)

ATTRIBUTES: Mapping[str, Value] = {
    "age": Normal("population.age_mean", "population.age_sd", "population.age_low", "population.age_high"),
    "male": Bernoulli("population.male_share"),
    AGGRESSIVENESS: Normal(0.0, 1.0),
    "HBV": Bernoulli("population.hbv_share"),
    "ECOG": Ordered(("population.ecog_above_0_share", "population.ecog_above_1_share")),
    "Child-Pugh score": Ordered(
        (
            "population.child_pugh_above_5_share",
            "population.child_pugh_above_6_share",
            "population.child_pugh_above_7_share",
        ),
        lowest=5,
    ),
    "tumour size": Normal(
        "population.tumour_size_mean",
        "population.tumour_size_sd",
        "population.tumour_size_low",
        "population.tumour_size_high",
    ),
    "tumour number": Ordered(
        ("population.above_1_tumour_share", "population.above_2_tumours_share", "population.above_3_tumours_share"),
        {AGGRESSIVENESS: "population.tumour_number_log_odds_aggressiveness"},
        lowest=1,
    ),
    "PVTT type": Ordered(
        (
            "population.pvtt_share",
            "population.pvtt_above_1_share",
            "population.pvtt_above_2_share",
            "population.pvtt_above_3_share",
        ),
        {AGGRESSIVENESS: "population.pvtt_log_odds_aggressiveness"},
    ),
    "extrahepatic spread": Ordered(
        ("population.spread_share",), {AGGRESSIVENESS: "population.spread_log_odds_aggressiveness"}
    ),
    "AFP apart from aggressiveness": Normal(0.0, "population.log10_afp_sd"),
    "log10 AFP": Linear(
        {AGGRESSIVENESS: "population.log10_afp_per_aggressiveness", "AFP apart from aggressiveness": 1.0},
        "population.log10_afp_mean",
    ),
    "central location": Bernoulli("population.central_share"),
    "small remnant": Bernoulli("population.small_remnant_share"),
    "resectable at start": Bernoulli("population.resectable_share"),
    "liver-directed planned": Bernoulli("liver_directed.share"),
    "cycles while watched": Bernoulli("watching.liver_directed_share"),
    "systemic later": Bernoulli("systemic.later_share"),
    "regimen goes on": Bernoulli("adjuvant.continued_share"),
    "necrosis test": Bernoulli("necrosis_test.share_tested"),
    "BCLC stage": 0,
    "CNLC stage": 0,
    "portal vein thrombus": 0,
    "Child-Pugh points above 5": 0,
    "liver-directed on": 0,
    "liver-directed missing": 0,
    "liver-directed cycles": 0,
    "on hold": 0,
    "switched": 0,
    "cytoreduced": 0,
    "neoadjuvant": 0,
    "remnant grown": 0,
    "transplanted": 0,
    "responder": 0,
    "depth of response": 0,
    "convertible": 0,
    "converted": 0,
    "off drugs": 0,
    "months on therapy": 0,
    "tumour in place": 1,
    "treated tumour viable": 1,
    "occult disease": 0,
    "viable remnant": 0,
    "surgery ruled out": 0,
    "unfit": 0,
    "salvage": 0,
    "operated": 0,
    "major complication": 0,
    "adjuvant planned": 0,
    "on adjuvant": 0,
    "after adjuvant": 0,
    "unseen progression": 0,
    "unseen local regrowth": 0,
    "unseen outgrowth": 0,
    "unseen new primary": 0,
    "disease seen": 0,
    "marker test": 0,
    "age of relapse": 0,
    "age of outgrowth": 0,
    "age of new primary": 0,
    "older by": 0,
    "relapse treated": 0,
}

EPOCHS = (
    Epoch("birth"),
    Epoch("start of therapy"),
    Epoch("first liver-directed cycle"),
    Epoch("hold since"),
    Epoch("switch"),
    Epoch("response"),
    Epoch("conversion"),
    Epoch("last curative treatment"),
    Epoch("start of adjuvant"),
    Epoch("disease since"),
    Epoch("unseen since"),
    *(Epoch(f"{name} since") for name in EVERYTHING_UNSEEN),
)
