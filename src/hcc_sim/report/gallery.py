"""The gallery: every shipped scenario with its question, its answer, and what the answer hangs on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from hcc_sim.analyses.compare import Comparison
from hcc_sim.files import written_together
from hcc_sim.report.markdown import plain, table
from hcc_sim.report.numbers import FEWEST_DECIMALS, STANDARD_ERRORS, with_error
from hcc_sim.report.screen import borrowed, population_in_words, regimens_in_words

FILES = ("gallery.md",)

HEAD = """# The gallery

Made by `hcc-sim scenarios gallery --out DIR --patients {patients}`; not written by hand.

One scenario for each question that the source documents leave open and the pathway can express. Errors are
Monte-Carlo errors (1.96 standard errors): parameters are held at the fit's base case, so an answer is that of the model
at its most central values, and what it hangs on is said beside it."""

OUTCOMES: Mapping[str, str] = {
    "OS: median": "OS median, months",
    "OS: restricted mean to 120 months": "months alive of 120",
    "time without evidence of disease: to 120 months": "of these without evidence of disease",
    "resected": "resected, %",
    "salvaged": "salvaged, %",
    "window lost": "window lost, %",
    "complete response kept": "complete response kept, %",
    "second regimen": "second regimen, %",
    "cytoreductive surgery": "cytoreductive surgery, %",
    "neoadjuvant therapy": "neoadjuvant therapy, %",
    "remnant too small": "remnant too small, %",
    "transplanted": "transplanted, %",
    "ablated": "ablated, %",
    "dead around an operation": "perioperative death, %",
}


def write_gallery(folder: Path, patients: int, comparisons: Iterable[tuple[str, Comparison]]) -> None:
    """Write all `FILES`; comparisons come with the names of their scenarios."""
    parts = [HEAD.format(patients=patients), *(section(name, comparison) for name, comparison in comparisons)]
    with written_together(folder, FILES) as made:
        (made / FILES[0]).write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def section(name: str, comparison: Comparison) -> str:
    """What the gallery says of one scenario: question, strategies, answer, what that hangs on, numbers."""
    scenario = comparison.scenario
    lines = [f"## {plain(scenario.title)}", f"*{plain(scenario.question)}*", f"`hcc-sim run scenarios/{name}.yaml`"]
    lines.append(
        table(
            ("strategy", "regimen", "sets"),
            (
                (
                    strategy.name,
                    strategy.regimen,
                    "; ".join(
                        list(strategy.around_surgery.values())
                        + [f"`{key}` {strategy.parameters[key].text()}" for key in strategy.given]
                    ),
                )
                for strategy in scenario.strategies
            ),
        )
    )
    lines.append(f"**{plain(comparison.headline())}**")
    if value := comparison.answer_of_value():
        lines.append(plain(value))
    hangs = (
        comparison.strongest_assumption(),
        comparison.strongest_assumption_of_value(),
        comparison.effect_of_surgery(),
        comparison.unseen_differences(),
        *comparison.turned_as_asked(),
    )
    lines.append(
        "\n".join(f"- {plain(text)}" for text in (*hangs, *map("Borrowed: {}".format, borrowed(scenario))) if text)
    )
    lines.append(f"Of {population_in_words(comparison)}; {regimens_in_words(scenario)}; seed {scenario.seed}:")
    lines.append(_numbers(comparison))
    return "\n\n".join(lines)


def _numbers(comparison: Comparison) -> str:
    cells = {
        (row.outcome, row.strategy): (row.value, row.mc_se, row.unit)
        for row in comparison.tables.summary.rows
        if row.population == comparison.primary
    }
    names = [strategy.name for strategy in comparison.scenario.strategies]
    rows = (
        (label, *(_cell(cells.get((outcome, name))) for name in names))
        for outcome, label in OUTCOMES.items()
        if any(cells.get((outcome, name), (0.0,))[0] for name in names)
    )
    return table(("", *names), rows)


def _cell(cell: tuple[float, float, str] | None) -> str:
    if cell is None:
        return ""
    value, error, unit = cell
    scale = 100.0 if unit == "share" else 1.0
    return with_error(scale * value, STANDARD_ERRORS * scale * error, FEWEST_DECIMALS)
