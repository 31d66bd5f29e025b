"""Under conversion therapy: response, a second regimen, cytoreductive surgery, and the road to being resectable."""

from __future__ import annotations

from collections.abc import Mapping

from hcc_sim.pathway.hcc.branch import branch
from hcc_sim.pathway.hcc.events import CYCLES, DRUGS, death_of_cancer, decompensation, planned_end, progression
from hcc_sim.pathway.hcc.patient import AGGRESSIVENESS, assessed, nothing_unseen, resectable, responder
from hcc_sim.pathway.hcc.visits import scan, therapy_scans
from hcc_sim.pathway.model import BACK, Add, Arm, Delay, Hazard, Linear, Mark, Normal, Set, State, Visit, when

_ON_DRUGS: Mapping[str | None, float | str] = {
    "off drugs": "drugs.withdrawal_effect_on_response",
    "liver-directed missing": "liver_directed.effect_of_stopping_on_response",
}
response = Hazard(
    "response",
    law="response",
    to="depth of response",
    since="start of therapy",
    when=responder & ~when("switched"),
    hazard_ratios=_ON_DRUGS,
)
response_after_switch = Hazard(
    "response after the switch",
    law="response",
    to="depth of response",
    since="switch",
    when=responder & when("switched"),
    hazard_ratios=_ON_DRUGS,
)

THERAPY: tuple[State, ...] = (
    branch(
        "start of therapy",
        Arm(
            "on conversion therapy",
            "response.probability",
            name="will respond",
            when=~resectable,
            shifted_by={AGGRESSIVENESS: "response.log_odds_aggressiveness"},
            does=(Set("responder", 1),),
        ),
        Arm("resectable tumour", 1.0, name="is resectable already", when=resectable),
        Arm("on conversion therapy", name="will not respond", when=~resectable),
        name="does the tumour respond",
    ),
    State(
        "on conversion therapy",
        (
            response,
            response_after_switch,
            scan("therapy scan", therapy_scans),
            Delay(
                "switch.after",
                to="second regimen",
                since="start of therapy",
                when=nothing_unseen & ~when("switched"),
                name="no response yet",
            ),
            planned_end,
            *CYCLES,
            progression,
            *DRUGS,
            decompensation,
            death_of_cancer,
        ),
    ),
    branch(
        "depth of response",
        Arm(
            "responding",
            "conversion.convertible_share",
            name="can become resectable",
            shifted_by={
                "depth of response": "conversion.log_odds_depth",
                "portal vein thrombus": "conversion.log_odds_thrombus",
                "extrahepatic spread": "conversion.log_odds_spread",
            },
            does=(Set("convertible", 1),),
        ),
        Arm("responding", name="stays unresectable"),
        name="can it become resectable",
        on_arrival=(
            Mark("response"),
            Set("depth of response", Normal(0.0, 1.0)),
            Add("depth of response", Linear({AGGRESSIVENESS: "response.depth_per_aggressiveness"})),
        ),
    ),
    State(
        "responding",
        (
            scan("therapy scan", therapy_scans),
            Visit("assessment", therapy_scans, to="resection criteria", when=assessed & nothing_unseen),
            Delay(
                "cytoreduction.after",
                to="cytoreductive surgery",
                since="response",
                when=~when("convertible") & ~when("cytoreduced"),
                name="the response has come to a plateau",
            ),
            planned_end,
            *CYCLES,
            progression,
            *DRUGS,
            decompensation,
            death_of_cancer,
        ),
    ),
    branch(
        "second regimen",
        Arm(
            "on conversion therapy",
            "switch.response_probability",
            name="will respond to the second regimen",
            shifted_by={AGGRESSIVENESS: "response.log_odds_aggressiveness"},
            does=(Set("responder", 1),),
        ),
        Arm("on conversion therapy", name="will not respond to it either", does=(Set("responder", 0),)),
        name="does the tumour respond to the second regimen",
        on_arrival=(Set("switched", 1), Mark("switch")),
    ),
    branch(
        "cytoreductive surgery",
        Arm("dead around an operation", "cytoreduction.death", name="death around cytoreductive surgery"),
        Arm("responding", name="bulk of the tumour removed", does=(Set("cytoreduced", 1),)),
        name="is cytoreductive surgery survived",
    ),
    branch(
        "resection criteria",
        Arm(
            "treated tumour",
            "conversion.probability_per_assessment",
            name="criteria met",
            when=when("depth of response", ">=", "conversion.least_depth"),
        ),
        Arm(BACK, name="not yet"),
    ),
)
