"""Converted: what is true of the tumour by then, watching, and who is offered surgery."""

from __future__ import annotations

from hcc_sim.pathway.hcc.branch import branch
from hcc_sim.pathway.hcc.events import (
    CYCLES,
    DRUGS,
    TUMOUR_EVENTS,
    death_of_cancer,
    decompensation,
    planned_end,
    planned_end_while_watched,
    sterilisation,
)
from hcc_sim.pathway.hcc.patient import (
    AGGRESSIVENESS,
    DRUGS_STOP,
    MISSED_PROGRESSION,
    MONTHS_ON_THERAPY,
    SPARED,
    UNFIT_BY,
    cycles_go_on,
    off_drugs,
    tested,
    viable,
)
from hcc_sim.pathway.hcc.visits import VISITS_WHILE_WATCHED
from hcc_sim.pathway.model import Arm, Delay, Mark, Set, State, TimeSince, when

deep = when("depth of response", ">", "surgery.spared_above_depth").named("the response is complete")
stops_drugs = when("depth of response", ">", "drugs.stop_above_depth").named("drugs stop in so deep a response")
within_limits = when("PVTT type", "<=", "surgery.highest_pvtt_type").named("no thrombus too far along")

CONVERSION: tuple[State, ...] = (
    branch(
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
        on_arrival=(
            Mark("conversion"),
            Set("converted", 1),
            *MISSED_PROGRESSION,
            Set("liver-directed missing", 1, when=cycles_go_on & ~when("cycles while watched")),
            Set("liver-directed on", 0, when=~when("cycles while watched")),
            Set("months on therapy", TimeSince("start of therapy"), when=stops_drugs & ~off_drugs),
            Set("on hold", 0, when=stops_drugs),
            Set("systemic later", 0, when=stops_drugs),
            Set("off drugs", 1, when=stops_drugs),
        ),
    ),
    branch(
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
                to="candidate",
                since="conversion",
                when=~when("surgery ruled out"),
                name="date for surgery",
            ),
            *VISITS_WHILE_WATCHED,
            planned_end,
            planned_end_while_watched,
            *CYCLES,
            *TUMOUR_EVENTS,
            sterilisation,
            *DRUGS,
            decompensation,
            death_of_cancer,
        ),
    ),
    branch(
        "candidate",
        Arm("converted", 1.0, name="complete response kept", when=deep, does=SPARED),
        Arm("converted", 1.0, name="thrombus too far along", when=~deep & ~within_limits, does=SPARED),
        Arm("necrosis test", 1.0, name="to be tested", when=~deep & within_limits & tested),
        Arm("surgical decision", 1.0, name="no test", when=~deep & within_limits & ~tested),
        name="who is a candidate for surgery",
    ),
    branch(
        "necrosis test",
        Arm("test of a viable tumour", 1.0, name="viable tumour tested", when=viable),
        Arm("test of a dead tumour", 1.0, name="dead tumour tested", when=~viable),
        name="what is tested",
    ),
    branch(
        "test of a viable tumour",
        Arm("surgical decision", "necrosis_test.sensitivity", name="viable tumour found"),
        Arm("converted", name="spared though viable", does=SPARED),
    ),
    branch(
        "test of a dead tumour",
        Arm("converted", "necrosis_test.specificity", name="spared, the tumour being dead", does=SPARED),
        Arm("surgical decision", name="taken for viable"),
    ),
    branch(
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
            shifted_by=UNFIT_BY,
            does=(Set("surgery ruled out", 1), Set("unfit", 1)),
        ),
        Arm("wash-out", name="accepts surgery", does=DRUGS_STOP),
        on_arrival=(MONTHS_ON_THERAPY,),
    ),
)
