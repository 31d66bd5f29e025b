"""The sheet of parameters, whose cells the formulas of the other sheets point to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hcc_sim.parameters import KINDS
from hcc_sim.pathway.model import Amount
from hcc_sim.report.sheets.paper import GENERAL, INPUT, MONEY_EXACT, STORED, Sheet, digits, literal
from hcc_sim.units import is_money

if TYPE_CHECKING:
    from hcc_sim.parameters import Parameter
    from hcc_sim.scenario import Scenario

_FIRST = ("assumed", *(kind for kind in KINDS if kind != "assumed"))
_NAME, _VALUE = 0, 1


class Inputs:
    """Where each parameter's value stands; which of them formulas point to is noted as they ask.

    The value under the first strategy has a row of its own; one that another strategy has otherwise stands beside it.
    """

    def __init__(self, sheet: Sheet, scenario: Scenario, labels: Mapping[str, str]) -> None:
        self.sheet, self._scenario, self._labels = sheet, scenario, labels
        self._sets = {strategy.name: strategy.parameters for strategy in scenario.strategies}
        self._first = next(iter(self._sets.values()))
        self._names = sorted(self._first, key=lambda name: _FIRST.index(self._first[name].kind))
        others = [
            name
            for name, parameters in self._sets.items()
            if any(parameters[p].value != self._first[p].value for p in parameters)
        ]
        self._columns = {name: _VALUE + 1 + place for place, name in enumerate(others)}
        self._header = 4
        self._rows = {name: self._header + 1 + place for place, name in enumerate(self._names)}
        self._in_use: set[tuple[int, int]] = set()

    def refer(self, amount: Amount, strategy: str) -> str:
        """What a formula writes for an amount: a number, or the cell of the parameter that holds it."""
        if not isinstance(amount, str):
            return literal(amount)
        other = self._sets[strategy][amount].value != self._first[amount].value
        place = (self._rows[amount], self._columns[strategy] if other else _VALUE)
        self._in_use.add(place)
        return self.sheet.at(*place)

    def write(self) -> None:
        """All rows; after everybody has asked."""
        sheet, header = self.sheet, self._header
        sheet.head(
            "Inputs: every parameter of the simulation",
            (
                "Yellow cells are prices, amounts and utilities: the sheets that follow change with them. All other "
                "parameters moved the simulated patients: another value of these needs another run.",
                "Durations are in months. The sheet is protected without a password against being sorted, since "
                "formulas point at its cells; it can be filtered.",
            ),
        )
        further = self._columns.values()
        after = _VALUE + 1 + len(further)
        first = next(iter(self._labels.values()))
        sheet.text(header, _NAME, "parameter", "heading")
        sheet.text(header, _VALUE, f"value: {first}" if further else "value", "heading of numbers")
        for name, column in self._columns.items():
            sheet.text(header, column, f"value: {self._labels[name]}", "heading of numbers")
        titles = ("unit", "low", "high", "distribution", "kind", "in formulas", "meaning", "source or reason")
        sheet.texts(header, after, titles, "heading")
        for name, row in self._rows.items():
            self._write_row(row, self._first[name], after)
        sheet.widths(
            (_NAME, _NAME, 36), (_VALUE, after - 1, 14), (after, after, 14), (after + 1, after + 2, 11),
            (after + 3, after + 5, 11), (after + 6, after + 6, 40), (after + 7, after + 7, 52),
        )  # fmt: skip
        sheet.inner.autofilter(header, 0, max(self._rows.values()), after + len(titles) - 1)
        sheet.repeat(header, header, 1)
        allowed = ("autofilter", "format_cells", "format_columns", "format_rows")
        sheet.inner.protect("", dict.fromkeys(allowed, True))

    def _write_row(self, row: int, p: Parameter, after: int) -> None:
        sheet = self.sheet
        sheet.text(row, _NAME, p.name)

        def put(column: int, value: float) -> None:
            role = INPUT if (row, column) in self._in_use else STORED
            shown = MONEY_EXACT if is_money(p.unit) else GENERAL if role == INPUT else digits(value)
            sheet.number(row, column, value, shown, role)

        for name, column in ((None, _VALUE), *self._columns.items()):
            value = p.value if name is None else self._sets[name][p.name].value
            if name is None or value != p.value:
                put(column, value)
        sheet.text(row, after, p.unit)
        low, high = (p.distribution.low, p.distribution.high) if p.distribution else (math.nan, math.nan)
        put(after + 1, low)
        put(after + 2, high)
        sheet.text(row, after + 3, p.distribution.family if p.distribution else "held")
        sheet.text(row, after + 4, p.kind)
        used = any((row, column) in self._in_use for column in range(_VALUE, after))
        sheet.text(row, after + 5, "yes" if used else "no")
        sheet.text(row, after + 6, p.meaning, "wrapped")
        sheet.text(row, after + 7, self._origin(p), "wrapped")

    def _origin(self, p: Parameter) -> str:
        sources = self._scenario.calibration.sources
        cited = [sources[key].citation if key in sources else key for key in p.sources]
        told = [*cited, p.where, p.reason, p.derivation]
        set_by = "" if p.set_by == "default" else f"(set by {p.set_by})"
        return " ".join(filter(None, (". ".join(text.rstrip(". ") for text in told if text), set_by)))
