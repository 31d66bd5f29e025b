"""The parameter book: every parameter with value, interval, kind, origin, and what uses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hcc_sim.files import written_together
from hcc_sim.report.listing import origin_text
from hcc_sim.report.markdown import table
from hcc_sim.units import UNITS, is_money

if TYPE_CHECKING:
    from hcc_sim.fit_in_use import FitInUse
    from hcc_sim.parameters import Parameter, Parameters

FILES = ("parameters.md",)

HEAD = """# Every parameter

Made by `hcc-sim scenarios book --out DIR` from the files in `calibration/`; not written by hand.

No number that shapes a result lives in code. `reported` is printed in a source, `calibrated` fitted to the figures of
all studies at once ([how](calibration.md)), `assumed` neither: those come first where a result is read. Intervals are
central 95%; what is held has none. A `decision` is what strategies choose. Prices, doses and utilities
(`economics.yaml`) belong to no fit: changing them needs no calibration."""


def write_book(folder: Path, parameters: Parameters, uses: Mapping[str, Sequence[str]], fit: FitInUse | None) -> None:
    """Write all `FILES`."""
    with written_together(folder, FILES) as made:
        (made / FILES[0]).write_text(book(parameters, uses, fit), encoding="utf-8")


def book(parameters: Parameters, uses: Mapping[str, Sequence[str]], fit: FitInUse | None) -> str:
    """The page: parameters by what they are of (the part of the name before the dot), then regimens."""
    parts = [HEAD, _counts(parameters.values())]
    groups: dict[str, list[Parameter]] = {}
    for parameter in parameters.values():
        groups.setdefault(parameter.name.partition(".")[0], []).append(parameter)
    columns = ("parameter", "value", "95%", "kind", "meaning", "origin", "used by")
    for group, members in groups.items():
        parts.append(f"## {group.replace('_', ' ').capitalize()}")
        parts.append(table(columns, (_row(parameter, uses.get(parameter.name, ())) for parameter in members)))
    if fit is not None:
        parts += _regimens(parameters, fit)
    return "\n\n".join(parts) + "\n"


def _counts(parameters: Iterable[Parameter]) -> str:
    count: dict[str, int] = {}
    for parameter in parameters:
        kind = "decisions" if parameter.decision else parameter.kind
        count[kind] = count.get(kind, 0) + 1
    return ", ".join(f"{number} {kind}" for kind, number in sorted(count.items())) + "."


def _row(parameter: Parameter, uses: Sequence[str]) -> tuple[str, ...]:
    kind = "decision" if parameter.decision else parameter.kind
    value = "each regimen has its own" if parameter.of_arm else _value(parameter)
    return (
        f"`{parameter.name}`",
        value,
        _interval(parameter),
        kind,
        parameter.meaning,
        origin_text(parameter),
        ", ".join(uses),
    )


def _value(parameter: Parameter) -> str:
    """Three digits and the unit; durations as a reader would write them."""
    number = _short(parameter, parameter.value)
    return (
        number
        if parameter.unit in ("months", "number", "probability") or is_money(parameter.unit)
        else f"{number} {parameter.unit}"
    )


def _interval(parameter: Parameter) -> str:
    distribution = parameter.distribution
    if distribution is None or distribution.family == "fixed":
        return "held"
    return f"{_short(parameter, distribution.low)} to {_short(parameter, distribution.high)}"


def _short(parameter: Parameter, value: float) -> str:
    return UNITS[parameter.unit].format(float(f"{value:.3g}"))


def _regimens(parameters: Parameters, fit: FitInUse) -> list[str]:
    """What each regimen has for itself, by grade."""
    own = [name for name, parameter in parameters.items() if parameter.of_arm]
    found = {key: fit.of_arm(key, parameters, {}, "") for key in fit.regimens}
    around = list(dict.fromkeys(name for entries in found.values() for name in entries if name not in own))
    without = [f"`{key}`" for key, entries in found.items() if not entries]
    return [
        "## Regimens",
        _values_of(own, found, fit),
        "## Therapies around surgery",
        "Fitted to trials of patients who were resectable from the start.",
        _values_of(around, found, fit),
        f"Named, without a figure that a simulation could use: {', '.join(without)}.",
    ]


def _values_of(names: Sequence[str], found: Mapping[str, Mapping[str, Parameter]], fit: FitInUse) -> str:
    """A line for each regimen that has any of these parameters for itself."""
    lines = []
    for key, entries in found.items():
        if any(name in entries for name in names):
            cells = (f"{_value(entries[n])} ({_interval(entries[n])})" if n in entries else "" for n in names)
            lines.append((f"`{key}`", fit.regimens[key].name, fit.regimens[key].grade, *cells))
    return table(("regimen", "", "grade", *(f"`{name}`" for name in names)), lines)
