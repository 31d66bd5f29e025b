"""The pathway of conversion therapy for hepatocellular carcinoma: the central line, from therapy to death.

What is true of the patient (is the treated tumour viable, is there occult disease elsewhere) is kept apart from what is
done and what is seen.  Tumour events are in-place exits: they mark an epoch and set an attribute, and nobody knows
until a visit shows it.  The same events, with the same luck, go on whether the patient is operated or watched; surgery
and drugs change their hazard by named parameters.  All numbers are parameters; see `calibration/parameters.yaml`.
"""

from __future__ import annotations

from collections.abc import Mapping

from hcc_sim.laws import Exponential, LogNormal, PiecewiseExponential, Weibull
from hcc_sim.pathway.model import (
    BACK,
    Action,
    Add,
    Arm,
    Bernoulli,
    Branch,
    Delay,
    Epoch,
    Hazard,
    Law,
    Linear,
    Mark,
    Normal,
    Pathway,
    Schedule,
    Service,
    Set,
    State,
    TimedExit,
    TimeSince,
    Value,
    Visit,
    when,
)

FOREVER = float("inf")
START = "on conversion therapy"
"""Where patients start, in a scenario's words; whether they will respond is settled on the way in."""

EFFECT_OF_SURGERY = "surgery.effect"
"""The parameter that says what surgery does to disease that it leaves behind."""

AGGRESSIVENESS = "aggressiveness"
"""The attribute by which patients differ and which nobody sees; parameters of its effects have it in their names."""

DEATHS = ("dead of cancer", "dead of liver failure", "dead around an operation", "dead of other causes")

# --- what can be true of a patient ------------------------------------------------------------------------------------

converted = when("converted")
assessed = (when("convertible") & ~when("converted")).named("may become resectable")
responder = when("responder")
off_drugs = when("off drugs")
in_place = when("tumour in place")
viable = when("treated tumour viable")
occult = when("occult disease")
remnant = when("viable remnant")
tested = when("necrosis test")
planned = when("adjuvant planned")
on_adjuvant = when("on adjuvant")
operated = when("operated")

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
RELAPSE_TREATED = Set("relapse treated", 1, when=something_unseen)
MONTHS_ON_THERAPY = Set("months on therapy", TimeSince("start of therapy"), when=~off_drugs)
DRUGS_STOP: tuple[Action, ...] = (MONTHS_ON_THERAPY, Set("off drugs", 1))


SPARED: tuple[Action, ...] = (Set("surgery ruled out", 1),)
ADJUVANT_STARTS: tuple[Action, ...] = (Set("adjuvant planned", 0), Set("on adjuvant", 1), Mark("start of adjuvant"))
ADJUVANT_ENDS: tuple[Action, ...] = (
    Set("adjuvant planned", 0),
    Set("after adjuvant", 1, when=on_adjuvant),
    Set("on adjuvant", 0),
)


def _becomes_true(attribute: str) -> tuple[Action, ...]:
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
AGE_OF_WHAT_STAYS: tuple[Action, ...] = (
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


# --- tumour events ----------------------------------------------------------------------------------------------------

progression = Hazard(
    "progression",
    law="progression",
    since="start of therapy",
    when=~unseen_progression & ~when("disease seen") & ~converted,
    in_place=True,
    scaled_by={AGGRESSIVENESS: "progression.log_hazard_ratio_aggressiveness"},
    hazard_ratios={
        "responder": "progression.responder_hazard_ratio",
        "off drugs": "drugs.withdrawal_effect_on_progression",
    },
    does=_becomes_true("unseen progression"),
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
        "viable remnant": "resection.r1_effect_on_regrowth",
        "on adjuvant": "adjuvant.effect_on_outgrowth",
        "after adjuvant": "adjuvant.effect_afterwards",
    },
    does=_becomes_true("unseen local regrowth"),
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
        "on adjuvant": "adjuvant.effect_on_outgrowth",
        "after adjuvant": "adjuvant.effect_afterwards",
    },
    does=(*_becomes_true("unseen outgrowth"), Set("occult disease", 0)),
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
        "on adjuvant": "adjuvant.effect_on_new_primary",
        "after adjuvant": "adjuvant.effect_afterwards",
    },
    does=_becomes_true("unseen new primary"),
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
    hazard_ratios={
        "operated": "surgery.effect_on_decompensation",
        "major complication": "complication.effect_on_decompensation",
        "off drugs": "drugs.withdrawal_effect_on_decompensation",
        "on adjuvant": "adjuvant.effect_on_decompensation",
    },
)

toxicity = Hazard("toxicity", law="toxicity", since="start of therapy", when=~off_drugs, in_place=True, does=DRUGS_STOP)

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

death_of_other_causes = Hazard(
    "death of other causes",
    law=("life table, female", "life table, male"),
    law_by="male",
    to="dead of other causes",
    since="birth",
    hazard_ratios={None: "other_causes.hazard_ratio"},
)

# --- visits -----------------------------------------------------------------------------------------------------------

therapy_scans = Schedule("therapy scans", "therapy.scan_interval", "start of therapy", "visits.scatter")
watching_scans = Schedule("watching scans", "watching.interval", "conversion", "visits.scatter")
marker_tests = Schedule("marker tests", "watching.marker_interval", "conversion", "visits.scatter")
follow_up_scans = Schedule(
    "follow-up scans",
    (("follow_up.early_months", "follow_up.early_interval"), (FOREVER, "follow_up.late_interval")),
    "last curative treatment",
    "visits.scatter",
)

BY_SCAN: tuple[Action, ...] = (Set("marker test", 0),)
BY_MARKER: tuple[Action, ...] = (Set("marker test", 1),)
SHOWN = "what the visit shows"


def _scan(name: str, schedule: Schedule) -> Visit:
    return Visit(name, schedule, to=SHOWN, when=something_unseen, does=BY_SCAN)


def _false_alarm(name: str, schedule: Schedule, probability: str) -> Visit:
    return Visit(name, schedule, to="confirmation", when=nothing_unseen, probability=probability)


VISITS_WHILE_WATCHED: tuple[TimedExit, ...] = (
    _scan("watching scan", watching_scans),
    Visit("marker test", marker_tests, to=SHOWN, when=something_unseen, does=BY_MARKER),
    _false_alarm("false alarm of a scan", watching_scans, "imaging.false_positive_rate"),
    _false_alarm("false alarm of a marker", marker_tests, "marker.false_positive_rate"),
)
VISITS_AFTER_SURGERY: tuple[TimedExit, ...] = (
    _scan("follow-up scan", follow_up_scans),
    _false_alarm("false alarm in follow-up", follow_up_scans, "imaging.false_positive_rate"),
)

# --- states -----------------------------------------------------------------------------------------------------------


def _branch(state: str, *arms: Arm, name: str = "", on_arrival: tuple[Action, ...] = ()) -> State:
    return State(state, (Branch(name or state, arms),), on_arrival=on_arrival)


THERAPY: tuple[State, ...] = (
    _branch(
        "start of therapy",
        Arm(
            "on conversion therapy",
            "response.probability",
            name="will respond",
            shifted_by={AGGRESSIVENESS: "response.log_odds_aggressiveness"},
            does=(Set("responder", 1),),
        ),
        Arm("on conversion therapy", name="will not respond"),
        name="does the tumour respond",
    ),
    State(
        "on conversion therapy",
        (
            Hazard("response", law="response", to="depth of response", since="start of therapy", when=responder),
            _scan("therapy scan", therapy_scans),
            planned_end,
            progression,
            toxicity,
            decompensation,
            death_of_cancer,
        ),
    ),
    _branch(
        "depth of response",
        Arm(
            "responding",
            "conversion.convertible_share",
            name="can become resectable",
            shifted_by={"depth of response": "conversion.log_odds_depth"},
            does=(Set("convertible", 1),),
        ),
        Arm("responding", name="stays unresectable"),
        name="can it become resectable",
        on_arrival=(
            Set("depth of response", Normal(0.0, 1.0)),
            Add("depth of response", Linear({AGGRESSIVENESS: "response.depth_per_aggressiveness"})),
        ),
    ),
    State(
        "responding",
        (
            _scan("therapy scan", therapy_scans),
            Visit("assessment", therapy_scans, to="resection criteria", when=assessed & nothing_unseen),
            planned_end,
            progression,
            toxicity,
            decompensation,
            death_of_cancer,
        ),
    ),
    _branch(
        "resection criteria",
        Arm("treated tumour", "conversion.probability_per_assessment", name="criteria met"),
        Arm(BACK, name="not yet"),
    ),
)

CONVERSION: tuple[State, ...] = (
    _branch(
        "treated tumour",
        Arm(
            "elsewhere",
            "conversion.dead_share",
            name="treated tumour dead",
            shifted_by={"depth of response": "conversion.dead_log_odds_depth"},
            does=(Set("treated tumour viable", 0),),
        ),
        Arm("elsewhere", name="treated tumour viable"),
        name="is the treated tumour viable",
        on_arrival=(Mark("conversion"), Set("converted", 1), *MISSED_PROGRESSION),
    ),
    _branch(
        "elsewhere",
        Arm(
            "converted",
            "conversion.occult_share",
            name="occult disease",
            shifted_by={AGGRESSIVENESS: "conversion.occult_log_odds_aggressiveness"},
            does=(Set("occult disease", 1),),
        ),
        Arm("converted", name="no occult disease"),
        name="is there occult disease",
    ),
    State(
        "converted",
        (
            Delay(
                "surgery.delay",
                to="surgical decision",
                since="conversion",
                when=~when("surgery ruled out") & ~tested,
                name="date for surgery",
            ),
            Delay(
                "surgery.delay",
                to="necrosis test",
                since="conversion",
                when=~when("surgery ruled out") & tested,
                name="date for a necrosis test",
            ),
            *VISITS_WHILE_WATCHED,
            planned_end,
            planned_end_while_watched,
            *TUMOUR_EVENTS,
            sterilisation,
            toxicity,
            decompensation,
            death_of_cancer,
        ),
    ),
    _branch(
        "necrosis test",
        Arm("test of a viable tumour", 1.0, name="viable tumour tested", when=viable),
        Arm("test of a dead tumour", 1.0, name="dead tumour tested", when=~viable),
        name="what is tested",
    ),
    _branch(
        "test of a viable tumour",
        Arm("surgical decision", "necrosis_test.sensitivity", name="viable tumour found"),
        Arm("converted", name="spared though viable", does=SPARED),
    ),
    _branch(
        "test of a dead tumour",
        Arm("converted", "necrosis_test.specificity", name="spared, the tumour being dead", does=SPARED),
        Arm("surgical decision", name="taken for viable"),
    ),
    _branch(
        "surgical decision",
        Arm(
            "converted",
            "surgery.declined_share",
            name="declines surgery",
            shifted_by={"depth of response": "surgery.declined_log_odds_depth"},
            does=(Set("surgery ruled out", 1),),
        ),
        Arm(
            "converted",
            "surgery.unfit_share",
            name="unfit for surgery",
            shifted_by={"months on therapy": "surgery.unfit_log_odds_per_month_on_therapy"},
            does=(Set("surgery ruled out", 1), Set("unfit", 1)),
        ),
        Arm("wash-out", name="accepts surgery", does=DRUGS_STOP),
        on_arrival=(MONTHS_ON_THERAPY,),
    ),
)

SURGERY: tuple[State, ...] = (
    State(
        "wash-out",
        (
            Delay("surgery.wash_out", to="awaiting surgery", name="drugs washed out"),
            *TUMOUR_EVENTS,
            decompensation,
            death_of_cancer,
        ),
    ),
    State(
        "awaiting surgery",
        (
            Service("theatre slot", "surgery.theatre_wait", to="resection"),
            *TUMOUR_EVENTS,
            decompensation,
            death_of_cancer,
        ),
    ),
    _branch(
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
    _branch(
        "what the surgeon finds",
        Arm("margin", 1.0, name="nothing unseen elsewhere", when=~unseen_elsewhere),
        Arm(
            "margin",
            "resection.found_and_resected",
            name="found and resected too",
            when=unseen_elsewhere,
            does=(Set("unseen outgrowth", 0), Set("unseen new primary", 0)),
        ),
        Arm("beyond cure", "resection.found_and_abandoned", name="operation abandoned", when=unseen_elsewhere),
        Arm("margin", name="stays hidden"),
    ),
    _branch(
        "margin",
        Arm(
            "specimen",
            "resection.r1_share",
            name="R1",
            when=~when("salvage"),
            does=(Set("viable remnant", 1, when=viable),),
        ),
        Arm(
            "specimen",
            "salvage.r1_share",
            name="R1 at salvage",
            when="salvage",
            does=(Set("viable remnant", 1, when=viable),),
        ),
        Arm("specimen", name="R0"),
        on_arrival=(
            Mark("last curative treatment"),
            Set("operated", 1),
            Set("tumour in place", 0),
            Set("unseen local regrowth", 0),
            Set("disease seen", 0),
            *AGE_OF_WHAT_STAYS,
        ),
    ),
    _branch(
        "specimen",
        Arm("recovery", 1.0, name="pathological complete response", when=~viable),
        Arm("recovery", 1.0, name="viable tumour in the specimen", when=viable),
    ),
    _branch(
        "recovery",
        Arm(
            "adjuvant decision",
            "resection.major_complication",
            name="major complication",
            does=(Set("major complication", 1),),
        ),
        Arm("adjuvant decision", name="no major complication"),
    ),
    _branch(
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
    _branch(
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
    _branch(
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

RELAPSE: tuple[State, ...] = (
    _branch(
        SHOWN,
        Arm("disease seen", "imaging.sensitivity", name="seen on the scan", when=~when("marker test")),
        Arm("disease seen", "marker.sensitivity", name="seen by the marker", when="marker test"),
        Arm("nothing shown", name="missed"),
    ),
    _branch(
        "nothing shown",
        Arm("resection criteria", 1.0, name="assessed as if free of progression", when=assessed),
        Arm(BACK, name="all goes on"),
        name="what follows a visit that shows nothing",
    ),
    _branch(
        "confirmation",
        Arm("disease seen", "imaging.false_alarm_believed", name="false alarm believed"),
        Arm(BACK, name="false alarm cleared"),
    ),
    _branch(
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
    _branch(
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
    _branch(
        "salvage decision",
        Arm("beyond cure", 1.0, name="still unfit", when="unfit"),
        Arm("beyond cure", "salvage.declined_share", name="declines salvage", when=~when("unfit")),
        Arm(
            "beyond cure",
            "surgery.unfit_share",
            name="unfit for salvage",
            when=~when("unfit"),
            shifted_by={"months on therapy": "surgery.unfit_log_odds_per_month_on_therapy"},
        ),
        Arm("wash-out", name="accepts salvage", does=(Set("salvage", 1), *DRUGS_STOP)),
        on_arrival=(MONTHS_ON_THERAPY,),
    ),
    _branch(
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
    _branch(
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
    _branch(
        "beyond cure",
        Arm("supportive care", "relapse.supportive_share", name="too ill for more"),
        Arm("next-line therapy", name="next line"),
        name="what follows disease beyond cure",
        on_arrival=DISEASE_SEEN,
    ),
    State(
        "next-line therapy",
        (*TUMOUR_EVENTS, decompensation, death_of_cancer),
        on_arrival=(Set("off drugs", 0),),
    ),
    State(
        "supportive care",
        (*TUMOUR_EVENTS, decompensation, _death_of_cancer(supportive=True)),
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

ATTRIBUTES: Mapping[str, Value] = {
    "age": Normal("population.age_mean", "population.age_sd", "population.age_low", "population.age_high"),
    "male": Bernoulli("population.male_share"),
    AGGRESSIVENESS: Normal(0.0, 1.0),
    "necrosis test": Bernoulli("necrosis_test.share_tested"),
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
    Epoch("conversion"),
    Epoch("last curative treatment"),
    Epoch("start of adjuvant"),
    Epoch("disease since"),
    Epoch("unseen since"),
    *(Epoch(f"{name} since") for name in EVERYTHING_UNSEEN),
)

MONTHS_BEFORE_BIRTHDAY = -12.0


def hcc_pathway(life_table_female: PiecewiseExponential, life_table_male: PiecewiseExponential) -> Pathway:
    """The pathway with the background mortality of a population (laws on the clock of age in months)."""
    return Pathway(
        title="Conversion therapy for hepatocellular carcinoma",
        start="start of therapy",
        states=(*THERAPY, *CONVERSION, *SURGERY, *RELAPSE, *(State(name, final=True) for name in DEATHS)),
        laws={**LAWS, "life table, female": life_table_female, "life table, male": life_table_male},
        attributes=ATTRIBUTES,
        epochs=EPOCHS,
        at_start=(
            Mark("birth", shift=Linear({"age": MONTHS_BEFORE_BIRTHDAY})),
            Mark("start of therapy"),
        ),
        everywhere=(death_of_other_causes,),
    )
