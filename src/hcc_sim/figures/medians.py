"""The medians that a document prints beside a hazard ratio."""

from __future__ import annotations

from hcc_sim.figures.schema import Figure, Study


def medians_of(study: Study, ratio: Figure) -> tuple[Figure, Figure] | None:
    """The medians of regimen and comparator beside a hazard ratio: same endpoint, document, criterion, subset and unit.

    None unless each of two different regimens has exactly one that is not excluded.
    """
    if ratio.regimen == ratio.comparator:
        return None
    of_arms = []
    for regimen in (ratio.regimen, ratio.comparator):
        medians = [
            other
            for other in study.figures
            if (other.measure, other.regimen, other.comparator) == ("median", regimen, None)
            and (other.endpoint, other.document) == (ratio.endpoint, ratio.document)
            and (other.variant, other.criterion, other.subset) == (ratio.variant, ratio.criterion, ratio.subset)
            and other.status != "exclude"
            and other.value
        ]
        of_arms.append(medians)
    first, second = of_arms
    if len(first) != 1 or len(second) != 1 or first[0].unit != second[0].unit:
        return None
    return first[0], second[0]
