"""The figures as one table: a row for each figure of an arm, of a contrast or of patients in general."""

from __future__ import annotations

from typing import NamedTuple

from hcc_sim.figures.reading import Evidence
from hcc_sim.figures.schema import Figure, Study


class Row(NamedTuple):
    """A figure with what its study says of it; None where nothing is printed."""

    id: str
    document: str
    study: str
    where: str
    design: str
    regimen: str | None
    comparator: str | None
    n: int | None
    endpoint: str
    subset: str | None
    variant: str | None
    criterion: str | None
    measure: str
    time_months: float | None
    value: float | None
    corrected_value: float | None
    interval_low: float | None
    interval_high: float | None
    interval_level: int | None
    p: str | None
    unit: str | None
    time_zero: str
    adjusted: bool
    support: str
    kind: str
    status: str
    reason: str
    says: str | None
    flags: str


def rows(evidence: Evidence) -> list[Row]:
    """One row for each figure, study by study, in the order of the files."""
    return [_row(study, figure) for study, figure in evidence.figures()]


def _row(study: Study, figure: Figure) -> Row:
    low, high = figure.interval if figure.interval is not None else (None, None)
    return Row(
        id=figure.id,
        document=figure.document,
        study=study.study,
        where=figure.where,
        design=study.design,
        regimen=figure.regimen,
        comparator=figure.comparator,
        n=patients_of(study, figure),
        endpoint=figure.endpoint,
        subset=figure.subset,
        variant=figure.variant,
        criterion=figure.criterion,
        measure=figure.measure,
        time_months=figure.time_months,
        value=figure.value,
        corrected_value=figure.corrected_value,
        interval_low=low,
        interval_high=high,
        interval_level=figure.level,
        p=figure.p,
        unit=figure.unit,
        time_zero=figure.time_zero,
        adjusted=figure.adjusted,
        support=figure.support,
        kind=figure.kind,
        status=figure.status,
        reason=figure.reason,
        says=figure.says,
        flags="; ".join(figure.flags),
    )


def patients_of(study: Study, figure: Figure) -> int | None:
    """The figure's own number of patients, else that of its arm; of a contrast both together, if both are known."""
    if figure.patients is not None:
        return figure.patients
    sizes = {arm.regimen: arm.patients for arm in study.arms}
    arms = [regimen for regimen in (figure.regimen, figure.comparator) if regimen is not None]
    known = [sizes.get(arm) for arm in arms]
    return None if not arms or None in known else sum(size for size in known if size is not None)
