"""The evidence on the screen: figures in a list, one in full, what the audit finds."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hcc_sim.figures import Evidence, Figure, Row, Study
from hcc_sim.figures.audit import Audit, Audited
from hcc_sim.figures.rules import RULES
from hcc_sim.figures.second_reading import SecondReading
from hcc_sim.report.evidence_words import number, study_name, what, whom


def figure_list(evidence: Evidence, chosen: Sequence[tuple[Study, Figure]]) -> RenderableType:
    """Figures by study: id, what in whom, number, status, how many flags."""
    parts: list[RenderableType] = []
    for study, group in groupby(chosen, key=lambda pair: pair[0]):
        parts.append(Text.assemble((study_name(study), "bold"), f"  {study.design}; {study.title}"))
        for _, figure in group:
            flags = f", {len(figure.flags)} flag{'s' if len(figure.flags) > 1 else ''}" if figure.flags else ""
            head = Text.assemble((figure.id, "bold"), f"  [{figure.status}{flags}]")
            told = Text(f"{what(figure)}; {whom(evidence, figure)}: {number(figure)}")
            parts += [Padding(head, (0, 0, 0, 2)), Padding(told, (0, 0, 0, 6))]
        parts.append("")
    parts.append(Text(f"{len(chosen)} figures. `hcc-sim evidence show ID` tells all of one."))
    return Group(*parts)


def figure_in_full(
    evidence: Evidence, study: Study, figure: Figure, found: Audit, citation: str, second: SecondReading | None
) -> RenderableType:
    """Everything about a figure: its study, its record, its flags, what the audit and the second reading say of it."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    lines = {
        "Figure": figure.id,
        "What": what(figure),
        "In whom": whom(evidence, figure),
        "As printed": number(figure),
        "Where": f"{figure.document}, {figure.where}",
        "Document": citation,
        "Study": f"{study_name(study)}, {study.design}: {study.title}",
        "Population": study.population,
        "Arms": "; ".join(_arm(evidence, arm) for arm in study.arms),
        "Time zero": figure.time_zero,
        "Surgery": figure.variant or "",
        "Adjusted": "yes" if figure.adjusted else "no",
        "Support": f"{figure.support}; {figure.kind}",
        "Status": f"{figure.status}: {figure.reason}",
        "Correction": figure.correction or "",
        "Note": figure.note or "",
    }
    for label, text in lines.items():
        if text:
            grid.add_row(Text(label), Text(text))
    for flag in figure.flags:
        grid.add_row(Text("Flag"), Text(flag))
    for one in found.findings:
        if figure.id in one.finding.figures:
            grid.add_row(Text("Audit"), Text(f"{title(one.finding.rule)}: {one.finding.message}"))
            grid.add_row(Text("Decision"), Text(one.decision or "none yet"))
    if second is not None and figure.has_number:
        grid.add_row(Text("Read twice"), Text("yes" if figure.id in second.figures else "no"))
        for difference in second.of(figure.id):
            told = f"{difference.field}: '{difference.first}', then '{difference.second}'; {difference.settled}"
            grid.add_row(Text("Difference"), Text(told))
    return grid


def _arm(evidence: Evidence, arm: Any) -> str:
    name = evidence.vocabulary[arm.regimen].name
    return name if arm.patients is None else f"{name} (n = {arm.patients}, {arm.counts})"


# --- the audit --------------------------------------------------------------------------------------------------------


def title(rule: str) -> str:
    """`hazard ratio outside its interval`."""
    return rule.replace("_", " ")


def audit_report(found: Audit, flags: int) -> RenderableType:
    """Every rule with its formula and what it found: figures, what does not fit, the decision."""
    parts: list[RenderableType] = []
    for rule in RULES:
        ones = [one for one in found.findings if one.finding.rule == rule.__name__]
        parts.append(Text.assemble((title(rule.__name__), "bold"), f": {len(ones) or 'nothing'} found"))
        parts.append(Padding(Text(textwrap.dedent(rule.__doc__ or "").strip(), style="italic"), (0, 0, 0, 2)))
        parts += [part for one in ones for part in _finding(one)]
        parts.append("")
    for study, name, figures in found.decisions_without_finding:
        parts.append(Text(f"Decision without a finding, in {study}: {title(name)}, {', '.join(figures)}"))
    undecided = len(found.undecided)
    parts.append(
        Text(
            f"{len(found.findings)} findings, {undecided or 'none'} without a decision. Readers flagged {flags} more "
            "things that only a reader can see: `hcc-sim evidence show ID`, docs/evidence.md."
        )
    )
    return Group(*parts)


def _finding(one: Audited) -> Iterator[RenderableType]:
    statuses = ", ".join(f"{name} [{status}]" for name, status in one.statuses.items())
    yield Padding(Text(statuses), (0, 0, 0, 2))
    yield Padding(Text(one.finding.message), (0, 0, 0, 6))
    yield Padding(Text.assemble(("Decision: ", "bold"), one.decision or "none yet"), (0, 0, 0, 6))


def readings_report(evidence: Evidence, second: SecondReading) -> RenderableType:
    """How many figures were read twice, and every difference with how it was settled."""
    with_number = {figure.id for _, figure in evidence.figures() if figure.has_number}
    parts: list[RenderableType] = [
        Text(
            f"{len(second.figures & with_number)} of {len(with_number)} figures with a number were read twice, in "
            f"{second.rows} rows, by readers who did not see each other's work. They parted in "
            f"{len(second.differences)} places, each settled from the document:\n"
        )
    ]
    for difference in second.differences:
        parts.append(Text.assemble((difference.figure or "no record", "bold"), f"  {difference.field}"))
        told = f"first '{difference.first}', second '{difference.second}'"
        parts += [Padding(Text(told), (0, 0, 0, 4)), Padding(Text(difference.settled), (0, 0, 1, 4))]
    return Group(*parts)


# --- for programs -----------------------------------------------------------------------------------------------------


FIGURE_COLUMNS = (*Row._fields, "findings")
AUDIT_COLUMNS = ("rule", "study", "figures", "statuses", "found", "decision")


def figure_rows(table: Sequence[Row], found: Audit) -> list[dict[str, Any]]:
    """A row for each figure, by column, and the rules of the audit that found something in it."""
    rules: dict[str, list[str]] = {row.id: [] for row in table}
    for one in found.findings:
        for name in one.finding.figures:
            if name in rules and one.finding.rule not in rules[name]:
                rules[name].append(one.finding.rule)
    return [row._asdict() | {"findings": " ".join(rules[row.id])} for row in table]


def audit_rows(found: Audit) -> list[dict[str, Any]]:
    """A row for each finding: rule, study, figures, statuses, what was found, decision."""
    return [
        {
            "rule": one.finding.rule,
            "study": one.finding.study,
            "figures": " ".join(one.finding.figures),
            "statuses": " ".join(one.statuses.values()),
            "found": one.finding.message,
            "decision": one.decision,
        }
        for one in found.findings
    ]
