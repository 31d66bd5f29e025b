"""Curves of study arms on the screen and as rows: every family with what it says, and how far families part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hcc_sim.calibration.arm_curves import COUNTED, QUANTITIES, ArmCurves
from hcc_sim.figures import Evidence
from hcc_sim.report.evidence_words import study_name
from hcc_sim.report.numbers import plain

CURVE_COLUMNS = (
    "study", "regimen", "endpoint", "detail", "figures", "times", "row", "family", "weight", *QUANTITIES, "remark",
)  # fmt: skip
"""Of the rows of an arm `row` says which: family, mixture, deviation, lowest, highest, or missing."""

HEADINGS = ("weight", "median", "mean", "RMST\n5 y", "RMST\n10 y", "S\n1 y", "S\n3 y", "S\n5 y", "S\n10 y")
LEGEND = (
    "Months, and percent surviving (S) at years. RMST: restricted mean survival time, months lived of the first 5 and "
    "10 years. Families alone: no other causes of death are added, no cure."
)
OF_SPREAD = (
    " Mixture: families by weight; below it the standard deviation between them, lowest and highest of those that "
    f"weigh {COUNTED:g} or more."
)


def curve_rows(curves: Sequence[ArmCurves]) -> list[dict[str, Any]]:
    """For each arm a row for each family, then for how far they part; one that says what is missing, if no curve."""
    rows = []
    for one in curves:
        of = one.of
        common = dict.fromkeys(CURVE_COLUMNS) | {
            "study": of.study,
            "regimen": of.regimen,
            "endpoint": of.endpoint,
            "detail": of.detail or None,
            "figures": " ".join(figure.id for figure in of.figures),
            "times": one.times,
            "remark": "; ".join(of.notes) or None,
        }
        for family in one.families:
            told = {"row": "family", "family": family.family, "weight": family.weight}
            rows.append(common | told | _finite(family.told))
        rows += [common | {"row": name} | _finite(told) for name, told in _spread(one)]
        if one.missing:
            rows.append(common | {"row": "missing", "remark": one.missing})
    return rows


def _finite(told: Mapping[str, float]) -> dict[str, float | None]:
    """Without nan."""
    return {name: None if math.isnan(value) else value for name, value in told.items()}


def _spread(one: ArmCurves) -> list[tuple[str, Mapping[str, float]]]:
    if one.spread is None:
        return []
    spread = one.spread
    return [
        ("mixture", spread.mixture),
        ("deviation", spread.deviation),
        ("lowest", spread.lowest),
        ("highest", spread.highest),
    ]


# --- on the screen ----------------------------------------------------------------------------------------------------


def curves_report(evidence: Evidence, curves: Sequence[ArmCurves]) -> RenderableType:
    """Arms by study: what informs each, its families, how far they part; then how many arms have how much."""
    parts: list[RenderableType] = []
    for study, group in groupby(curves, key=lambda one: one.of.study):
        parts.append(Text(study_name(evidence.studies[study]), style="bold"))
        for one in group:
            parts += [Padding(part, (0, 0, 0, 2)) for part in _arm(evidence, one)]
        parts.append("")
    legend = LEGEND + (OF_SPREAD if any(one.spread for one in curves) else "")
    return Group(*parts, Text(legend), Text(f"\n{_counts(curves)}"))


def _arm(evidence: Evidence, one: ArmCurves) -> Iterator[RenderableType]:
    of = one.of
    regimen = "patients in general" if of.regimen is None else evidence.vocabulary[of.regimen].name
    yield Text(", ".join(filter(None, (of.endpoint, of.detail))) + f"; {regimen}", style="italic")
    if one.missing:
        yield Padding(Text(f"no curve; missing: {one.missing}"), (0, 0, 0, 2))
        return
    informative = f"{_count(len(of.points), 'informative figure')}"
    if one.times < len(of.points):
        informative += f" at {_count(one.times, 'time')}"
    informs = "; ".join((", ".join(figure.id for figure in of.figures), *of.notes))
    yield Padding(Text(f"{informative}: {informs}"), (0, 0, 0, 2))
    yield Padding(_table(one), (0, 0, 0, 2))


def _table(one: ArmCurves) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True, min_width=17)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True, min_width=5)
    for family in one.families:
        table.add_row(family.family, _weight(family.weight), *_numbers(family.told))
    names = {"deviation": "± between them"}
    for name, told in _spread(one):
        table.add_row(names.get(name, name), "", *_numbers(told), style="bold" if name == "mixture" else None)
    return table


def _weight(weight: float) -> str:
    return "<0.01" if 0.0 < weight < 0.005 else f"{weight:.2f}"


def _numbers(told: Mapping[str, float]) -> list[str]:
    """One decimal below 1,000; `never` for a median not reached, a dash for what has no value."""
    words = {"median_months": "never"}
    return [
        "-" if math.isnan(value) else words.get(name, "∞") if math.isinf(value) else plain(value, int(value < 999.95))
        for name, value in told.items()
    ]


def _counts(curves: Sequence[ArmCurves]) -> str:
    """How many arms are informed at how many times, and what that means for the weights."""
    without = sum(bool(one.missing) for one in curves)
    once, twice = (sum(one.times == times for one in curves) for times in (1, 2))
    more = len(curves) - without - once - twice
    meanings = {
        "informed at one time: the exponential alone, so nothing tells what extrapolation does. Missing is a second "
        "time, or `--shapes`, the slope at the median of overall and progression-free survival that `evidence shapes` "
        "takes from medians with hazard ratios.": once,
        "informed at two times: fewer than three do not separate families, so those of two parameters keep equal "
        "weights, and the exponential, a special case of them, has none.": twice,
        "informed at three or more times: weights by fit.": more,
        "without a curve.": without,
    }
    told = [f"{count} {meaning}" for meaning, count in meanings.items() if count]
    return " ".join((f"{_count(len(curves), 'arm')}.", *told))


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
