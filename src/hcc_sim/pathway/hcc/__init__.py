"""The pathway of conversion therapy for hepatocellular carcinoma: from therapy to death.

What is true of the patient (is the treated tumour viable, is there occult disease elsewhere) is kept apart from what is
done and what is seen.  Tumour events are in-place exits: they mark an epoch and set an attribute, and nobody knows
until a visit shows it.  The same events, with the same luck, go on whether the patient is operated or watched; surgery
and drugs change their hazard by named parameters.  All numbers are parameters; see `calibration/parameters.yaml`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import chain

from hcc_sim.laws import PiecewiseExponential
from hcc_sim.pathway.hcc.conversion import CONVERSION
from hcc_sim.pathway.hcc.events import (
    LAWS,
    OTHER_FAMILIES,
    TUMOUR_EVENTS,
    death_of_other_causes,
    progression,
    sterilisation,
)
from hcc_sim.pathway.hcc.patient import (
    AGGRESSIVENESS,
    ATTRIBUTES,
    DEATHS,
    DERIVED_AT_START,
    EFFECT_OF_SURGERY,
    EPOCHS,
    SHOWN,
    START,
)
from hcc_sim.pathway.hcc.relapse import RELAPSE
from hcc_sim.pathway.hcc.resectable import RESECTABLE
from hcc_sim.pathway.hcc.staging import BCLC, CNLC
from hcc_sim.pathway.hcc.surgery import SURGERY
from hcc_sim.pathway.hcc.therapy import THERAPY
from hcc_sim.pathway.model import Linear, Mark, Pathway, State

__all__ = [
    "AGGRESSIVENESS",
    "ATTRIBUTES",
    "BCLC",
    "CNLC",
    "DEATHS",
    "DERIVED_AT_START",
    "EFFECT_OF_SURGERY",
    "OTHER_FAMILIES",
    "PARTS",
    "START",
    "TUMOUR_EVENTS",
    "hcc_pathway",
    "progression",
    "sterilisation",
]

PARTS: Mapping[str, tuple[State, ...]] = {
    "therapy": THERAPY,
    "conversion": CONVERSION,
    "resectable": RESECTABLE,
    "surgery": SURGERY,
    "relapse": RELAPSE,
}
"""The pathway in parts that fit on a page."""

MONTHS_BEFORE_BIRTHDAY = -12.0


def hcc_pathway(
    life_table_female: PiecewiseExponential,
    life_table_male: PiecewiseExponential,
    other_families: Collection[str] = (),
) -> Pathway:
    """The pathway with the background mortality of a population (laws on the clock of age in months).

    Laws named in `other_families` are of the family that `OTHER_FAMILIES` has for them.
    """
    others = {name: OTHER_FAMILIES[name] for name in other_families}
    return Pathway(
        title="Conversion therapy for hepatocellular carcinoma",
        start="start of therapy",
        states=(*chain.from_iterable(PARTS.values()), *(State(name, final=True) for name in DEATHS)),
        laws={**LAWS, **others, "life table, female": life_table_female, "life table, male": life_table_male},
        attributes=ATTRIBUTES,
        epochs=EPOCHS,
        at_start=(
            Mark("birth", shift=Linear({"age": MONTHS_BEFORE_BIRTHDAY})),
            Mark("start of therapy"),
            *DERIVED_AT_START,
        ),
        everywhere=(death_of_other_causes,),
        shown=SHOWN,
    )
