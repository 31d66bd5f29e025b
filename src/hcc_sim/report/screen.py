"""What `hcc-sim run` shows: who was simulated, the primary results, what they hang on, where the files lie."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hcc_sim.report.results_table import Results, lines_of, primary_results, value_results
from hcc_sim.units import format_duration

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.layers import Regimen
    from hcc_sim.scenario import Scenario

WIDEST = 100
LONGEST = 420
"""Letters of a statement on the screen: beyond it nobody reads on."""
NOT_ADVICE = "A model for research and teaching, not advice for a patient."
ONLY_MONTE_CARLO = "Monte-Carlo error only (± is 1.96 standard errors): parameters are held at their base values."
TERMS = (
    "OS overall survival. PFS progression-free survival; surgery is ignored. Failure-free: no relapse or progression "
    "beyond cure. Futile surgery: the treated tumour was already dead. Salvaged: operated because a relapse was seen "
    "while watched. Window lost: that relapse could no longer be operated."
)

_LABEL_WIDTH = 24
_CELL_WIDTH = (11, 16)


def overview(comparison: Comparison, folder: Path | None, files: Sequence[str] = (), *, width: int = WIDEST) -> Group:
    """Everything that `run` shows after a simulation; `folder` is where the files lie."""
    return Group(
        heading(comparison),
        *(part for results in results_of(comparison) for part in _drawn(results, width)),
        _statements(comparison, folder, files),
        Text(f"\n{NOT_ADVICE}", style="italic"),
    )


def results_of(comparison: Comparison) -> Iterator[Results]:
    """All tables of a comparison, in order."""
    yield from primary_results(comparison, population_in_words(comparison))
    yield from value_results(comparison)


def heading(comparison: Comparison) -> RenderableType:
    """Title, question and who was simulated."""
    scenario = comparison.scenario
    lines = [Text(scenario.title, style="bold")]
    if scenario.question:
        lines.append(Text(scenario.question, style="italic"))
    lines.append(Text(heading_in_words(scenario)))
    return Group(*lines, "")


def heading_in_words(scenario: Scenario) -> str:
    """Who was simulated, for how long and with which seed."""
    parts = [f"{scenario.size:,} patient{'s' if scenario.size > 1 else ''} under each strategy, with the same luck"]
    if scenario.patients is not None:
        rows = scenario.patients.rows
        parts.append(f"from {scenario.patients.path.name} ({rows:,} row{'s' if rows > 1 else ''}, taken in turn)")
    if scenario.preset:
        parts.append(f"population {scenario.preset}")
    if regimens := regimens_in_words(scenario):
        parts.append(f"regimen {regimens}")
    parts.append(f"followed for {format_duration(scenario.horizon_months)}")
    parts.append(f"seed {scenario.seed}")
    return "; ".join(parts) + "."


def regimens_in_words(scenario: Scenario) -> str:
    """`haic+lenvatinib+pd1 (calibrated), ...`: the regimens in use, each with its grade; empty if there is none."""
    return ", ".join(f"{name} ({one.grade})" if one.grade else name for name, one in _regimens(scenario).items())


def _regimens(scenario: Scenario) -> dict[str, Regimen]:
    return {strategy.regimen: strategy.layers.regimen for strategy in scenario.strategies if strategy.regimen}


def population_in_words(comparison: Comparison) -> str:
    """`the 43,300 patients who convert, from conversion on`."""
    from hcc_sim.outcomes.hcc import CONVERTED, ENROLLED

    counts = {int(tally.members[comparison.primary].sum()) for tally in comparison.tallies.values()}
    count = counts.pop() if len(counts) == 1 else None
    patients = "patient" if count == 1 else "patients"
    number = "" if count is None else f"{count:,} "
    if comparison.primary == CONVERTED:
        return f"the {number}{patients} who convert{'s' if count == 1 else ''}, from conversion on"
    if comparison.primary == ENROLLED:
        return (
            f"the {number}{patients} who come{'s' if count == 1 else ''} to '{comparison.scenario.start}', from then on"
        )
    return f"{'the' if count == 1 else 'all'} {number}{patients}, from the start of therapy on"


# --- tables ---------------------------------------------------------------------------------------------------------


def _drawn(results: Results, width: int) -> Iterator[RenderableType]:
    """One table, or several below one another where the strategies do not fit side by side."""
    yield Text(results.title, style="bold")
    names = results.names
    least, most = _CELL_WIDTH
    cell = min(max(least, *(len(word) for name in names for word in name.split())), most)
    beside = max((width - _LABEL_WIDTH) // (cell + 1), 1)
    size = math.ceil(len(names) / math.ceil(len(names) / beside))
    column = min((width - _LABEL_WIDTH) // size, cell + 4)
    for first in range(0, len(names), size):
        yield _table(results, names[first : first + size], column)
        yield Text("")


def _table(results: Results, names: Sequence[str], width: int) -> Table:
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=0)
    drawn.add_column("", width=_LABEL_WIDTH)
    for name in names:
        drawn.add_column(Text(name), justify="right", overflow="fold", width=width - 1)  # and a blank between columns
    for line in lines_of(results, names):
        if line.texts:
            drawn.add_row(Text(f"  {line.label}"), *(Text(text, no_wrap=True) for text in line.texts))
        else:
            drawn.add_row(Text(line.label, style="italic"))
    return drawn


# --- statements -----------------------------------------------------------------------------------------------------


def _statements(comparison: Comparison, folder: Path | None, files: Sequence[str]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for label, text in statements(comparison):
        grid.add_row(
            Text(label), Text(text if len(text) <= LONGEST else f"{text[:LONGEST]} ... (all in manifest.json)")
        )
    if folder is not None:
        grid.add_row(Text("Files"), Text(f"in {folder}: {', '.join(files)}"))
    return grid


def statements(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """What must be said beside the tables: a label and a sentence each."""
    scenario = comparison.scenario
    yield "Answer", comparison.headline()
    if strongest := comparison.strongest_assumption():
        yield "Hangs on", strongest
    if effect := comparison.effect_of_surgery():
        yield "Unknown", effect
    if unseen := comparison.unseen_differences():
        yield "Unseen", unseen
    if value := comparison.answer_of_value():
        yield "Value", value
    if strongest := comparison.strongest_assumption_of_value():
        yield "Hangs on", strongest
    for sentence in comparison.turned_as_asked():
        yield "Turned", sentence
    for text in borrowed(scenario):
        yield "Borrowed", text
    assumed, everything = assumed_count(scenario)
    yield "Assumed", f"{assumed} of the {everything} parameters are assumed, neither reported nor calibrated."
    if scenario.overrides:
        first = scenario.strategies[0].parameters
        yield "Set", ", ".join(f"{name} = {first[name].text()}" for name in scenario.overrides) + " for all strategies."
    yield "Error", ONLY_MONTE_CARLO
    yield "Terms", TERMS
    others = [p.name for p in comparison.definitions.populations if p.name != comparison.primary]
    for note in comparison.notes():
        if not any(f"{population}: " in note for population in others):
            yield "Note", note


def borrowed(scenario: Scenario) -> list[str]:
    """What the regimens in use take from elsewhere, each named."""
    return [f"{name}: {text}" for name, regimen in _regimens(scenario).items() for text in regimen.borrowed]


def assumed_count(scenario: Scenario) -> tuple[int, int]:
    """Parameters of kind `assumed` under any strategy, and all; what strategies decide is left out of both."""
    sets = [strategy.parameters for strategy in scenario.strategies]
    names = [name for name in sets[0] if not any(parameters[name].decision for parameters in sets)]
    return sum(any(parameters[name].kind == "assumed" for parameters in sets) for name in names), len(names)


class PlainConsole(Console):
    """A console that lets a broken pipe be dealt with by whoever called."""

    def on_broken_pipe(self) -> None:
        """Called by rich while the error is handled."""
        raise
