"""A figure in words: what was measured, in whom, the number as printed, where it stands."""

from __future__ import annotations

from hcc_sim.figures import Evidence, Figure, Study

DESIGNS = {
    "randomised": "Randomised trials",
    "cohort": "Cohorts",
    "single arm": "Single arms",
    "indirect comparison": "Indirect comparisons",
    "meta-analysis": "Meta-analyses",
    "review statement": "Statements of reviews, interviews and news, and conventions",
}
"""A heading for each design, in the order of their weight."""


ENDPOINTS = ("overall survival", "progression-free survival")
"""Told and drawn before all others; they have networks."""


def study_label(study: Study) -> str:
    """The trial's name, else first author and year, else the study's key."""
    return study.trial or _author(study) or study.study


def _author(study: Study) -> str:
    parts = (study.first_author, study.year) if study.first_author else ()
    return " ".join(str(part) for part in parts if part is not None)


def study_name(study: Study) -> str:
    """`LAUNCH (Peng 2023)`; the key where neither trial nor author is named."""
    author = _author(study)
    return f"{study.trial} ({author})" if study.trial and author else study_label(study)


def what(figure: Figure) -> str:
    """`overall survival, median`; `objective response (mRECIST)`."""
    parts = [figure.endpoint + (f" ({figure.criterion})" if figure.criterion not in (None, "not stated") else "")]
    if figure.subset is not None:
        parts.append(figure.subset)
    measures = {"survival_at": f"share at {figure.time_months:g} months" if figure.time_months is not None else ""}
    if figure.measure not in ("proportion", "point", "direction", "duration"):
        parts.append(measures.get(figure.measure, figure.measure.replace("_", " ")))
    elif figure.time_months is not None:
        parts.append(f"at {figure.time_months:g} months")
    return ", ".join(parts)


def whom(evidence: Evidence, figure: Figure) -> str:
    """The regimen, or the two of a contrast, by name; a dash for patients in general."""
    names = [evidence.vocabulary[key].name for key in (figure.regimen, figure.comparator) if key is not None]
    return " v ".join(names) or "–"


def number(figure: Figure) -> str:
    """`0.45 (95% 0.33 to 0.61), p < 0.001`; of a direction what it says."""
    unit = "" if figure.unit in (None, "none", "ratio") else f" {figure.unit}"
    text = figure.says or ""
    low, high = figure.interval or (None, None)
    if figure.value is not None:
        text = f"{figure.value}{unit}"
        if figure.interval is not None:
            level = f"{figure.level}% " if figure.level is not None else ""
            text += f" ({level}{_span(low, high)})"
    elif figure.interval is not None:
        text = f"{_span(low, high)}{unit}"
    if figure.events is not None:
        text += f", {figure.events} of {figure.patients}" if figure.patients is not None else f", {figure.events}"
    if figure.p is not None:
        text += f", p {figure.p}" if text else f"p {figure.p}"
    if figure.corrected_value is not None:
        text += f"; corrected: {figure.corrected_value}{unit}"
    return text


def _span(low: float | None, high: float | None) -> str:
    if low is None:
        return f"below {high}"
    return f"above {low}" if high is None else f"{low} to {high}"
