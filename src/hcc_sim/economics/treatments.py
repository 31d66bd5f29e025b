"""What each part of a regimen stands for in money: which drugs and procedures, by the words that studies use.

A regimen is named by its parts, such as `haic+lenvatinib+pd1`.  A part of which no document tells a price is priced as
another, which is said, or as a drug of which nothing but the name is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hcc_sim.economics.doses import Packs
from hcc_sim.pathway.model import Amount
from hcc_sim.units import DAYS_PER_MONTH

DRUG, PROCEDURE = "drug", "liver-directed procedure"
ONCE = 1.0


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """Something that is given while a patient is on a regimen.

    By the month, or with `interval_months` by the cycle, at most `most` of them.  `session` marks what is given in
    sessions of liver-directed therapy: where the pathway simulates these they are counted, and not by the cycle.
    """

    name: str
    category: str
    price: Amount
    amount: Amount | Packs = 1.0
    interval_months: Amount | None = None
    most: Amount = float("inf")
    session: bool = False


LENVATINIB = Treatment(
    name="lenvatinib",
    category=DRUG,
    price="lenvatinib.price_per_4_mg",
    amount=Packs(dose="lenvatinib.mg_per_day", size=4.0, times=DAYS_PER_MONTH, shared=1.0),
)
SORAFENIB = Treatment(name="sorafenib", category=DRUG, price="sorafenib.price_per_month")
OTHER_TKI = Treatment(name="other targeted drug", category=DRUG, price="other_tki.price_per_month")
DOMESTIC_ANTIBODY = Treatment(
    name="domestic PD-1 antibody",
    category=DRUG,
    price="sintilimab.price_per_100_mg",
    amount=Packs(dose="sintilimab.mg_per_cycle", size=100.0, shared="vials.shared_share"),
    interval_months="checkpoint_inhibitor.cycle_interval",
)
IMPORTED_ANTIBODY = Treatment(
    name="imported checkpoint inhibitor",
    category=DRUG,
    price="imported_checkpoint_inhibitor.price_per_cycle",
    interval_months="checkpoint_inhibitor.cycle_interval",
)
BEVACIZUMAB = Treatment(
    name="bevacizumab",
    category=DRUG,
    price="bevacizumab.price_per_100_mg",
    amount=Packs(
        dose="bevacizumab.mg_per_kg",
        size=100.0,
        shared="vials.shared_share",
        kg_mean="body_weight.mean_kg",
        kg_sd="body_weight.sd_kg",
    ),
    interval_months="checkpoint_inhibitor.cycle_interval",
)
FOLFOX = Treatment(
    name="chemotherapy",
    category=DRUG,
    price="folfox.price_per_cycle",
    interval_months="chemotherapy.cycle_interval",
)
OTHER_DRUG = Treatment(name="drug that is not named", category=DRUG, price="other_drug.price_per_month")
TACE = Treatment(
    name="TACE",
    category=PROCEDURE,
    price="tace.price_per_session",
    interval_months="tace.interval",
    most="tace.sessions",
    session=True,
)
HAIC = Treatment(
    name="HAIC",
    category=PROCEDURE,
    price="haic.price_per_cycle",
    interval_months="haic.cycle_interval",
    most="haic.cycles",
    session=True,
)
DRUGS_OF_HAIC = Treatment(
    name="drugs of HAIC",
    category=DRUG,
    price="folfox.price_per_cycle",
    interval_months="haic.cycle_interval",
    most="haic.cycles",
    session=True,
)
TARE = Treatment(
    name="TARE", category=PROCEDURE, price="tare.price_per_procedure", interval_months=float("inf"), most=ONCE
)
RADIOTHERAPY = Treatment(
    name="radiotherapy",
    category=PROCEDURE,
    price="radiotherapy.price_per_course",
    interval_months=float("inf"),
    most=ONCE,
)

PARTS: Mapping[str, tuple[Treatment, ...]] = {
    "lenvatinib": (LENVATINIB,),
    "tki": (LENVATINIB,),
    "sorafenib": (SORAFENIB,),
    "apatinib": (OTHER_TKI,),
    "donafenib": (OTHER_TKI,),
    "targeted": (OTHER_TKI,),
    "pd1": (DOMESTIC_ANTIBODY,),
    "pdl1": (DOMESTIC_ANTIBODY,),
    "ici": (DOMESTIC_ANTIBODY,),
    "camrelizumab": (DOMESTIC_ANTIBODY,),
    "toripalimab": (DOMESTIC_ANTIBODY,),
    "pembrolizumab": (IMPORTED_ANTIBODY,),
    "nivolumab": (IMPORTED_ANTIBODY,),
    "durvalumab": (IMPORTED_ANTIBODY,),
    "tremelimumab": (IMPORTED_ANTIBODY,),
    "avelumab": (IMPORTED_ANTIBODY,),
    "atezolizumab": (IMPORTED_ANTIBODY,),
    "bevacizumab": (BEVACIZUMAB,),
    "anti_vegf": (BEVACIZUMAB,),
    "chemotherapy": (FOLFOX,),
    "systemic therapy": (OTHER_DRUG,),
    "systemic": (OTHER_DRUG,),
    "any therapy": (OTHER_DRUG,),
    "conversion therapy": (OTHER_DRUG,),
    "tace": (TACE,),
    "ctace": (TACE,),
    "tae": (TACE,),
    "local": (TACE,),
    "local therapy": (TACE,),
    "haic": (HAIC, DRUGS_OF_HAIC),
    "haic_folfox": (HAIC, DRUGS_OF_HAIC),
    "tare": (TARE,),
    "radiotherapy": (RADIOTHERAPY,),
    "sbrt": (RADIOTHERAPY,),
    "imrt": (RADIOTHERAPY,),
    "3dcrt": (RADIOTHERAPY,),
    "resection": (),
    "observation": (),
    "supportive care": (),
}
"""Part of a regimen -> what is given.  Resection and supportive care are states of the pathway and priced there."""

STAND_INS: Mapping[str, str] = {
    "tki": "lenvatinib",
    **dict.fromkeys(("pd1", "pdl1", "ici", "camrelizumab", "toripalimab"), "sintilimab"),
    "anti_vegf": "a bevacizumab biosimilar",
    **dict.fromkeys(("tae", "ctace", "local", "local therapy"), "TACE"),
    "chemotherapy": "FOLFOX",
}
"""Parts that are priced as something that a document gives the price of."""


def treatments_of(given: str) -> tuple[tuple[Treatment, ...], tuple[str, ...]]:
    """What a regimen such as `haic+lenvatinib+pd1` gives, each once, and notes on what had to be taken for another.

    Empty text is a regimen of which nothing is known.
    """
    parts = [part.strip() for part in given.split("+")] if given.strip() else []
    found: dict[str, Treatment] = {}
    notes = []
    for part in parts:
        for treatment in PARTS.get(part, (OTHER_DRUG,)):
            if treatment is IMPORTED_ANTIBODY:  # two of them are two prices
                found[f"{treatment.name} ({part})"] = treatment
            else:
                found[treatment.name] = treatment
        if part in STAND_INS:
            notes.append(f"{part} is priced as {STAND_INS[part]}")
        elif OTHER_DRUG in PARTS.get(part, (OTHER_DRUG,)):
            notes.append(f"{part} is priced as a drug that is not named, by a wide guess")
    if not parts:
        found[OTHER_DRUG.name] = OTHER_DRUG
        notes.append("no regimen says what is given: priced as a drug that is not named, by a wide guess")
    return tuple(replace(treatment, name=name) for name, treatment in found.items()), tuple(notes)
