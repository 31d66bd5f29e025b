"""What a record of a reported figure is: the fields of a study, its arms and its figures, and what each may hold.

A file of `calibration/figures/` is one `Study`.  Values stand as printed; what a reader would correct stands beside.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

Text = Annotated[StrictStr, Field(min_length=1, pattern=r"\S")]
Number = StrictInt | StrictFloat
Patients = Annotated[StrictInt, Field(ge=1)]

Design = Literal[
    "randomised", "cohort", "single arm", "indirect comparison", "meta-analysis", "review statement"
]  # fmt: skip
Counts = Literal["randomised", "matched", "weighted", "evaluable", "enrolled", "treated", "not stated"]
Variant = Literal["ignored", "censored", "an event", "not stated"]
Criterion = Literal["RECIST 1.1", "mRECIST", "RECICL", "not stated"]
Measure = Literal[
    "median", "hazard_ratio", "survival_at", "proportion", "count", "duration", "point", "range", "bound", "direction"
]
Unit = Literal[
    "months", "years", "days", "weeks", "hours", "%", "patients", "ratio", "cm", "mm", "cycles", "mg", "per year",
    "% per year", "CNY", "USD", "QALY", "CNY per QALY", "USD per QALY", "GDP per capita per QALY", "none",
]  # fmt: skip
TimeZero = Literal[
    "treatment start", "randomisation", "conversion", "progression", "resection", "recurrence", "diagnosis", "birth",
    "not stated",
]  # fmt: skip
Support = Literal["source", "seen", "memory"]
Kind = Literal["reported", "derived"]
Status = Literal["use", "down-weight", "exclude", "context"]
Says = Annotated[StrictStr, Field(pattern=r"^(higher|lower|no difference|association)(: .*\S)?$")]
"""What a statement without a number says: which way, then what, in the reader's words."""

Endpoint = Literal[
    "overall survival", "progression-free survival", "recurrence-free survival", "disease-free survival",
    "disease-specific survival", "survival after progression", "time to untreatable progression",
    "objective response", "complete response", "partial response", "stable disease", "disease control",
    "duration of response", "time to response", "conversion", "resection", "curative treatment",
    "complete pathological response", "major pathological response", "recurrence", "time to recurrence",
    "perioperative death", "complication", "serious complication", "adverse event", "serious adverse event",
    "R0 resection", "drug-free", "eligibility", "disease burden", "incidence", "stage share", "age", "sex share",
    "time to surgery", "observation before surgery", "follow-up", "tumour size", "therapy schedule", "cost", "utility",
    "cost-effectiveness threshold", "discount rate", "test accuracy", "mortality rate", "other",
]  # fmt: skip

UNITS_OF: dict[str, tuple[str, ...]] = {
    "median": ("months", "years", "days", "weeks", "cm", "mm", "cycles", "%", "none"),
    "hazard_ratio": ("ratio", "%"),
    "survival_at": ("%",),
    "proportion": ("%",),
    "count": ("patients", "cycles", "none"),
    "duration": ("months", "years", "days", "weeks", "hours"),
}
"""The units that fit a measure (a hazard ratio in % is printed as a reduction); any fits the measures left out."""
Compares = Literal["all", "converted"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Arm(_Record):
    """An arm of a study, with how many patients and what that number counts."""

    regimen: Text
    patients: Patients | None = None
    counts: Counts = "not stated"
    printed: Text | None = None


class Figure(_Record):
    """One figure: of an arm, of a contrast between two, or of patients in general."""

    id: Annotated[StrictStr, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_+]+)+$")]
    document: Text
    where: Text
    regimen: Text | None = None
    comparator: Text | None = None
    endpoint: Endpoint
    subset: Text | None = None
    """Which patients, kind of event or analysis, where the figure is not of all of the arm."""
    variant: Variant | None = None
    criterion: Criterion | None = None
    measure: Measure
    value: Number | None = None
    interval: Annotated[list[Number | None], Field(min_length=2, max_length=2)] | None = None
    level: Literal[90, 95] | None = None
    p: Text | None = None
    unit: Unit | None = None
    time_months: Annotated[Number, Field(ge=0)] | None = None
    patients: Patients | None = None
    events: Annotated[StrictInt, Field(ge=0)] | None = None
    time_zero: TimeZero = "not stated"
    adjusted: StrictBool = False
    support: Support
    kind: Kind
    status: Status
    reason: Text
    corrected_value: Number | None = None
    correction: Text | None = None
    flags: list[Text] = []
    place: Annotated[StrictInt, Field(ge=1)] | None = None
    """Where the value stands among those printed side by side for the arms: 1 is leftmost."""
    members: list[Text] = []
    """Ids of figures that a range says it covers."""
    says: Says | None = None
    note: Text | None = None
    waits_for: Text | None = None
    """What the pathway has no state for yet, without which it cannot be simulated."""

    @property
    def has_number(self) -> bool:
        """Whether a value or an interval is printed."""
        return self.value is not None or self.interval is not None


class Decision(_Record):
    """What is done about something that a rule of the audit found."""

    rule: Text
    figures: Annotated[list[Text], Field(min_length=1)]
    found: Text
    """In the rule's words: once it finds something else, the decision is about nothing any more."""
    decision: Text


class Study(_Record):
    """An original study, or a document speaking for itself, with all figures that were read of it."""

    study: Annotated[StrictStr, Field(pattern=r"^[a-z0-9_]+$")]
    title: Text
    trial: Text | None = None
    registration: Text | None = None
    first_author: Text | None = None
    year: Annotated[StrictInt, Field(ge=1900, le=2100)] | None = None
    references: dict[Text, StrictInt] = {}
    country: Text | None = None
    design: Design
    population: Text
    arms: list[Arm] = []
    headings: dict[Text, list[Text]] = {}
    """By document: the regimens in the order in which the heading of the study's row names them."""
    notes: Text | None = None
    compares: Compares | None = None
    """Where its groups are those operated and those not, whatever made them differ: among whom."""
    taken_for: Text | None = None
    """Whose patients its own are taken for, though they are others."""
    stands_in: StrictBool = False
    """Whether its converted patients stand in for studies that tell nothing of the therapy before surgery."""
    figures: Annotated[list[Figure], Field(min_length=1)]
    decisions: list[Decision] = []


class Term(_Record):
    """A regimen of the controlled vocabulary: its name in words, and how documents print it."""

    name: Text
    printed: list[Text] = []


def study_schema() -> dict[str, Any]:
    """JSON Schema of a file of `calibration/figures/`."""
    return Study.model_json_schema()
