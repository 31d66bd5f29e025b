"""The evidence as pages: every study with its figures and what is wrong with them, the forest plot, the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

from hcc_sim.figures import Evidence, Figure, Study
from hcc_sim.figures.audit import Audit, audit
from hcc_sim.figures.rules import RULES
from hcc_sim.figures.second_reading import SecondReading
from hcc_sim.files import written_together
from hcc_sim.report.evidence import title
from hcc_sim.report.evidence_words import DESIGNS, number, study_name, what, whom
from hcc_sim.report.forest_plot import forest, forest_table
from hcc_sim.report.listing import rows_as_csv
from hcc_sim.report.markdown import plain, table
from hcc_sim.report.network_plot import network_plot, network_table
from hcc_sim.report.style import STYLE

PAGE = "evidence.md"
PICTURES = "pictures"
DOTS_PER_INCH = 150
FILES = (PAGE, *(f"{PICTURES}/{name}.{kind}" for name in ("forest", "network") for kind in ("svg", "png", "csv")))


def write_evidence_pages(
    folder: Path, evidence: Evidence, documents: Mapping[str, str], second: SecondReading | None
) -> None:
    """Write all `FILES`, in place of what is there only once all are made; documents: key -> citation."""
    with written_together(folder, FILES) as made:
        for name, text in (
            (PAGE, page(evidence, documents, second)),
            (f"{PICTURES}/forest.csv", rows_as_csv(forest_table(evidence))),
            (f"{PICTURES}/network.csv", rows_as_csv(network_table(evidence))),
        ):
            (made / name).write_text(text, encoding="utf-8")
        with mpl.rc_context(STYLE):
            for name, plot in (("forest", forest(evidence)), ("network", network_plot(evidence))):
                plot.savefig(made / PICTURES / f"{name}.svg", metadata={"Date": None})
                plot.savefig(made / PICTURES / f"{name}.png", dpi=DOTS_PER_INCH)


def page(evidence: Evidence, documents: Mapping[str, str], second: SecondReading | None) -> str:
    """The page of all studies, by design and then by name, as Markdown."""
    found = audit(evidence)
    parts = [_head(evidence, found, documents, second)]
    for design, heading in DESIGNS.items():
        studies = [study for study in evidence.studies.values() if study.design == design]
        if studies:
            parts.append(f"## {heading}")
            parts += [_study(evidence, study, found) for study in sorted(studies, key=_by_name)]
    return "\n\n".join(parts) + "\n"


def _by_name(study: Study) -> str:
    return study_name(study).casefold()


def _head(evidence: Evidence, found: Audit, documents: Mapping[str, str], second: SecondReading | None) -> str:
    figures = [figure for _, figure in evidence.figures()]
    with_number = sum(figure.has_number for figure in figures)
    flagged = sum(bool(figure.flags) for figure in figures)
    used = dict.fromkeys(figure.document for figure in figures)
    read = "\n".join(
        f"- `{key}`: {documents[key]} ({sum(figure.document == key for figure in figures)} figures)" for key in used
    )
    rules = "\n".join(
        f"- **{title(rule.__name__)}** ({sum(one.finding.rule == rule.__name__ for one in found.findings)}): "
        f"{(rule.__doc__ or '').strip()}"
        for rule in RULES
    )
    undecided = len(found.undecided) or "none"
    return f"""# The evidence, study by study

Made by `hcc-sim evidence pages` from the records of `calibration/figures/`; not written by hand.

{len(evidence.studies)} studies, {len(figures)} figures, {with_number} of them with a number.{_read_twice(second)}
Numbers stand as printed. A figure is *used*, *down-weighted*, *excluded* or kept as *context*; the reason stands beside
it. Readers flagged {flagged} figures; the audit has {len(found.findings)} findings, {undecided} of them without a
decision.

What is left out: numbers without a clinical meaning (reference, grant and registration numbers, dates of publication),
numbers in titles of the reference lists unless the text relies on them, and cell biology told without patients. What
the model does not use is kept.

The documents:

{read}

The rules of the audit, and how many findings each has:

{rules}

![Every hazard ratio as reported, with the ratio of medians beside it](pictures/forest.svg)

![What studies compare with what: the islands of the evidence](pictures/network.svg)"""


def _read_twice(second: SecondReading | None) -> str:
    if second is None:
        return ""
    return (
        f" {len(second.figures)} figures were read twice, by readers who did not see each other's work; they parted in "
        f"{len(second.differences)} places, each settled (`hcc-sim evidence readings`)."
    )


def _study(evidence: Evidence, study: Study, found: Audit) -> str:
    parts = [f"### {study_name(study)}", _about(evidence, study), _figures(evidence, study)]
    flags = [f"- `{figure.id}`: {plain(flag)}" for figure in study.figures for flag in figure.flags]
    if flags:
        parts.append("Flagged by readers:\n\n" + "\n".join(flags))
    findings = [
        f"- *{title(one.finding.rule)}*: {plain(one.finding.message)}. Decision: {plain(one.decision or 'none yet.')}"
        for one in found.findings
        if one.finding.study == study.study
    ]
    if findings:
        parts.append("Found by the audit:\n\n" + "\n".join(findings))
    return "\n\n".join(parts)


def _about(evidence: Evidence, study: Study) -> str:
    arms = "; ".join(
        f"{evidence.vocabulary[arm.regimen].name}" + (f" (n = {arm.patients})" if arm.patients is not None else "")
        for arm in study.arms
    )
    sentences = [f"{study.title[0].upper()}{study.title[1:]}", f"Population: {study.population}"]
    if arms:
        sentences.append(f"Arms: {arms}")
    if study.country:
        sentences.append(f"Country: {study.country}")
    if study.notes:
        sentences.append(study.notes)
    return plain(". ".join(sentence.rstrip(".") for sentence in sentences) + ".")


def _figures(evidence: Evidence, study: Study) -> str:
    return table(
        ("what", "in whom", "as printed", "where", "status"),
        (
            (what(figure), whom(evidence, figure), number(figure), _where(figure), _status(figure))
            for figure in study.figures
        ),
    )


def _where(figure: Figure) -> str:
    return f"{figure.document}: {figure.where}"


def _status(figure: Figure) -> str:
    return f"{figure.status}: {figure.reason}"
