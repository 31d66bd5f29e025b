"""Scenarios and parameters, listed for somebody who is about to write a scenario file."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hcc_sim.units import UNITS, format_duration

if TYPE_CHECKING:
    from hcc_sim.parameters import Parameter, Parameters
    from hcc_sim.scenario import Scenario


def scenario_table(entries: Iterable[tuple[str, str, str]]) -> Table:
    """The shipped scenarios: name, title, question."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("scenario", no_wrap=True, style="bold")
    table.add_column("title")
    table.add_column("question")
    for entry in entries:
        table.add_row(*map(Text, entry))
    return table


def describe(scenario: Scenario) -> RenderableType:
    """Title, question, who is simulated, what each strategy sets, and the files."""
    strategies = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    strategies.add_column("strategy", style="bold")
    strategies.add_column("regimen")
    strategies.add_column("sets")
    for strategy in scenario.strategies:
        sets = list(strategy.around_surgery.values())
        sets += [f"{name} = {strategy.parameters[name].text()}" for name in strategy.given]
        strategies.add_row(Text(strategy.name), Text(strategy.regimen), Text("\n".join(sets) or "nothing"))
    facts = [
        f"{scenario.size:,} patients, followed for {format_duration(scenario.horizon_months)}, seed {scenario.seed}"
        + (f"; population {scenario.preset}" if scenario.preset else ""),
        f"files: {', '.join(map(str, scenario.files))}",
    ]
    texts = [Text(scenario.title, style="bold")]
    texts += [Text(text) for text in (scenario.question, scenario.description, *facts) if text]
    return Group(*texts, "", strategies)


# --- parameters -----------------------------------------------------------------------------------------------------


def parameter_list(parameters: Parameters) -> Group:
    """Every parameter: value with unit, kind, interval; under its name what it means and where it comes from."""
    parts: list[RenderableType] = []
    for p in parameters.values():
        remark = ", a decision" if p.decision else ", each regimen has its own" if p.of_arm else ""
        parts.append(Text.assemble((p.name, "bold"), f" = {_with_unit(p)}  ({p.kind}{remark}; {_interval(p)})"))
        parts.append(Padding(Text(f"{p.meaning}.\n{origin_text(p)}"), (0, 0, 1, 4)))
    return Group(*parts)


def origin_text(parameter: Parameter) -> str:
    """Where a parameter comes from: sources, place, derivation, reason."""
    parts = [", ".join(parameter.sources), parameter.where, parameter.derivation, parameter.reason]
    return "; ".join(part.rstrip(".") for part in parts if part) + "."


def _with_unit(parameter: Parameter) -> str:
    return parameter.text() if parameter.unit == "months" else f"{parameter.text()} {parameter.unit}"


def _interval(parameter: Parameter) -> str:
    distribution = parameter.distribution
    if distribution is None or distribution.family == "fixed":
        return "held"
    low, high = (UNITS[parameter.unit].format(end) for end in (distribution.low, distribution.high))
    return f"95% {low} to {high}"


def parameter_rows(parameters: Parameters) -> Iterator[dict[str, Any]]:
    """Every parameter as a row for a program; numbers are in the unit, a value held has no interval."""
    for p in parameters.values():
        varies = p.distribution is not None and p.distribution.family != "fixed"
        yield {
            "name": p.name,
            "value": p.value,
            "unit": p.unit,
            "kind": p.kind,
            "low": p.distribution.low if p.distribution and varies else None,
            "high": p.distribution.high if p.distribution and varies else None,
            "distribution": p.distribution.family if p.distribution else "held",
            "decision": p.decision,
            "meaning": p.meaning,
            "source": "; ".join(p.sources),
            "where": p.where,
            "derivation": p.derivation,
            "reason": p.reason,
        }


def rows_as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Rows with equal keys as CSV, empty where a value is None; columns: their keys, needed where there is no row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0] if rows else ()), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def rows_as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """A list of rows; `never`, which JSON has no number for, is the text `never`, and what is not a number null."""
    told = [{key: _for_json(value) for key, value in row.items()} for row in rows]
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _for_json(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else "never"
