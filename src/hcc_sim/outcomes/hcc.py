"""What is asked of a history of conversion therapy: whose outcomes, which endpoints, which shares."""

from __future__ import annotations

from hcc_sim.outcomes.definitions import Definitions, Endpoint, Population, Share, TimeIn
from hcc_sim.pathway.hcc import DEATHS

EVERYBODY = "everybody"
CONVERTED = "converted"
WITHIN_MONTHS = 120.0
"""Headlines compare life within ten years of time zero."""

SEEN = ("progression seen", "relapse seen while watched", "relapse seen after surgery", "operation abandoned")
RELAPSES = ("relapse seen while watched", "relapse seen after surgery")
BEYOND_CURE = ("next-line therapy", "supportive care")

OVERALL_SURVIVAL = Endpoint(name="OS", meaning="overall survival: death of any cause", entering=DEATHS)

HCC_OUTCOMES = Definitions(
    populations=(
        Population(CONVERTED, "all who meet resection criteria, from conversion on, operated or not", "treated tumour"),
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
            of=(CONVERTED,),
        ),
        Share(name="decompensated", meaning="liver decompensates", entering=("decompensated liver",)),
        *(Share(name=death, meaning=f"{death} before the horizon", entering=(death,)) for death in DEATHS),
        Share(name="alive at the horizon", meaning="alive when observation ends", entering=DEATHS, never=True),
    ),
    times=(
        TimeIn(
            name="time without evidence of disease",
            meaning="months alive after removal of the tumour with no relapse seen",
            states=("after surgery",),
        ),
    ),
)
