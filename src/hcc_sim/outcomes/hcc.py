"""What is asked of a history of conversion therapy: whose outcomes, which endpoints, which shares."""

from __future__ import annotations

import math
from dataclasses import replace

from hcc_sim.outcomes.definitions import Definitions, Endpoint, Population, Share, TimeIn
from hcc_sim.pathway.hcc import DEATHS, START

EVERYBODY = "everybody"
CONVERTED = "converted"
ENROLLED = "enrolled"
"""Those who come into the state in which a scenario's population starts."""

WITHIN_MONTHS = 120.0
"""Headlines compare life within ten years of time zero."""

SEEN = ("progression seen", "relapse seen while watched", "relapse seen after surgery", "operation abandoned")
RELAPSES = ("relapse seen while watched", "relapse seen after surgery")
BEYOND_CURE = ("next-line therapy", "supportive care")

WITHOUT_DISEASE = "time without evidence of disease"
OVERALL_SURVIVAL = Endpoint(name="OS", meaning="overall survival: death of any cause", entering=DEATHS)

HCC_OUTCOMES = Definitions(
    populations=(
        Population(
            CONVERTED,
            "all who meet resection criteria, from conversion on, operated or not",
            "treated tumour",
            others_until="second conversion",  # what comes then is not before conversion
        ),
        Population(EVERYBODY, "all who start conversion therapy, from its start on"),
    ),
    endpoints=(
        OVERALL_SURVIVAL,
        Endpoint(
            name="PFS",
            meaning="progression-free survival: disease seen, or taken to be seen, or death; surgery is ignored",
            entering=DEATHS,
            ended_by=SEEN,
        ),
        Endpoint(
            name="failure-free",
            meaning="free of failure of strategy: relapse or progression beyond cure, or death; neutral to timing",
            entering=(*BEYOND_CURE, *DEATHS),
        ),
    ),
    shares=(
        Share(name="converted", meaning="meets resection criteria", entering=("treated tumour",), of=(EVERYBODY,)),
        Share(name="resected", meaning="treated tumour removed, at conversion or at relapse", entering=("specimen",)),
        Share(
            name="futile surgery",
            meaning="operated although the treated tumour was already dead",
            ended_by=("pathological complete response",),
        ),
        Share(
            name="salvaged",
            meaning="went to surgery because a relapse was seen, or taken to be seen, while watched",
            ended_by=("accepts salvage",),
        ),
        Share(
            name="window lost",
            meaning="relapse while watched, or found at surgery, that could no longer be operated",
            ended_by=("window lost", "unfit for salvage", "still unfit", "operation abandoned"),
        ),
        Share(
            name="spared surgery",
            meaning="not operated at the date for surgery because a test found no viable tumour",
            ended_by=("spared, the tumour being dead", "spared though viable"),
        ),
        Share(
            name="spared though viable",
            meaning="spared surgery by a test that missed viable tumour",
            ended_by=("spared though viable",),
        ),
        Share(
            name="complete response kept",
            meaning="not operated at the date for surgery because the response counts as complete",
            ended_by=("complete response kept",),
        ),
        Share(
            name="remnant too small",
            meaning="not operated because the liver remnant did not grow enough",
            ended_by=("remnant still too small",),
        ),
        Share(name="transplanted", meaning="liver transplanted instead of resected", ended_by=("liver replaced",)),
        Share(
            name="ablated",
            meaning="ablation or radiotherapy instead of resection",
            ended_by=("complete ablation", "incomplete ablation"),
        ),
        Share(
            name="second regimen",
            meaning="switched to a second regimen for want of response",
            ended_by=("no response yet",),
            of=(EVERYBODY,),
        ),
        Share(
            name="cytoreductive surgery",
            meaning="bulk of the tumour removed at the plateau of a response",
            ended_by=("bulk of the tumour removed",),
            of=(EVERYBODY,),
        ),
        Share(
            name="neoadjuvant therapy",
            meaning="neoadjuvant therapy before surgery of a tumour resectable from the start",
            ended_by=("neoadjuvant therapy first",),
            of=(EVERYBODY,),
        ),
        Share(
            name="second conversion",
            meaning="operated after a second conversion",
            ended_by=("operated after a second conversion",),
        ),
        Share(name="adjuvant therapy", meaning="starts adjuvant therapy after surgery", ended_by=("adjuvant begins",)),
        Share(
            name="pCR",
            meaning="no viable tumour in the specimen",
            ended_by=("pathological complete response",),
            among="resected",
        ),
        Share(name="R1", meaning="positive margin", ended_by=("R1", "R1 at salvage"), among="resected"),
        Share(
            name="relapsed",
            meaning="relapse after conversion seen, or taken to be seen",
            ended_by=RELAPSES,
            over_time=True,
        ),
        Share(
            name="decompensated",
            meaning="liver decompensates",
            entering=("decompensated liver",),
            over_time=True,
        ),
        *(
            Share(name=death, meaning=f"{death} before the horizon", entering=(death,), over_time=True)
            for death in DEATHS
        ),
        Share(name="alive at the horizon", meaning="alive when observation ends", entering=DEATHS, never=True),
    ),
    times=(
        TimeIn(
            name=WITHOUT_DISEASE,
            meaning="months alive after removal of the tumour with no relapse seen",
            states=("after surgery",),
        ),
    ),
)


def outcomes_from(state: str, horizon_months: float) -> Definitions:
    """The same, asked also of those who come into a state, from the first time on; not where that is the start.

    Of those, who come in time to be followed for as long as headlines look, if the horizon allows that at all.
    So a study that enrolled at conversion or at surgery is seen as it was: its patients have come so far.
    """
    if state in ("", START):
        return HCC_OUTCOMES
    latest = horizon_months - WITHIN_MONTHS
    meaning = f"all who come to '{state}'{f' within {latest:g} months' if latest > 0 else ''}, from the first time on"
    enrolled = Population(ENROLLED, meaning, state, latest if latest > 0 else math.inf)
    return replace(HCC_OUTCOMES, populations=(enrolled, *HCC_OUTCOMES.populations))
