"""The audit: what the rules find, and what was decided about each finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hcc_sim.figures.reading import Evidence
from hcc_sim.figures.rules import RULES, Finding
from hcc_sim.figures.schema import Status


@dataclass(frozen=True)
class Audited:
    """A finding, the status of each of its figures, and the decision about it; None if there is none."""

    finding: Finding
    statuses: Mapping[str, Status]
    decision: str | None


@dataclass(frozen=True)
class Audit:
    """Every finding of every rule, and decisions (study, rule, figures) about what no rule finds any more."""

    findings: tuple[Audited, ...]
    decisions_without_finding: tuple[tuple[str, str, tuple[str, ...]], ...]

    @property
    def undecided(self) -> tuple[Audited, ...]:
        """The findings that nobody has decided about."""
        return tuple(one for one in self.findings if one.decision is None)

    @property
    def holds(self) -> bool:
        """Whether every finding has a decision and every decision a finding."""
        return not self.undecided and not self.decisions_without_finding


def audit(evidence: Evidence) -> Audit:
    """Apply every rule; a decision belongs to a finding of its study with the same rule, figures and words."""
    decisions = {
        (study.study, one.rule, frozenset(one.figures), one.found): one.decision
        for study in evidence.studies.values()
        for one in study.decisions
    }
    status = {figure.id: figure.status for _, figure in evidence.figures()}
    findings = [finding for rule in RULES for finding in rule(evidence)]
    audited = []
    for finding in findings:
        decision = decisions.pop((finding.study, finding.rule, frozenset(finding.figures), finding.message), None)
        audited.append(Audited(finding, {name: status[name] for name in finding.figures}, decision))
    left = ((study, rule, tuple(sorted(figures))) for study, rule, figures, _ in decisions)
    return Audit(tuple(audited), tuple(left))
