"""Costs as sums that can be followed: price x amount x how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_sim.economics.doses import Packs
from hcc_sim.economics.items import CATEGORIES, Item
from hcc_sim.economics.quantities import DISCOUNTED
from hcc_sim.pathway.model import Amount
from hcc_sim.report.sheets.inputs import Inputs
from hcc_sim.report.sheets.paper import (
    INPUT,
    MONEY,
    MONEY_EXACT,
    STORED,
    Cells,
    Sheet,
    letters,
    near,
    span,
)

if TYPE_CHECKING:
    from hcc_sim.analyses.valuation import Valuation

MOST_PACKS = 200
"""Of a dose by body weight: no more are looked at in its formula."""

_COUNT, _PRICE, _AMOUNT, _BEFORE = 5, 3, 4, 6


@dataclass(frozen=True)
class Line:
    """An item with one price and one amount, and the strategies that have it at these."""

    item: Item
    price: str
    amount: str
    strategies: tuple[str, ...]


def write_costs(sheet: Sheet, valuation: Valuation, inputs: Inputs, labels: Mapping[str, str]) -> Cells:
    """The costs of every item and category; where each strategy's total stands."""
    names = list(valuation.strategies)
    lines = _lines(valuation, inputs)
    found = next(iter(valuation.strategies.values()))
    header = 1 + sheet.head(
        f"Costs per patient, {valuation.terms.money}, discounted at {found.rates[0]:.3g} a year",
        (
            "cost = price x amount each time x how often, which counts each time with its discount factor. Prices and "
            "amounts point to Inputs; how often is a result of the simulation, per patient who starts.",
        ),
    )
    first = _BEFORE + len(names)
    sheet.headings(header, ("category", "item", "price is parameter", "unit price", "amount each time", "counted in"))
    sheet.groups(header, (("how often, discounted", _BEFORE), ("cost", first)), [labels[name] for name in names])
    categories = list(dict.fromkeys(line.item.category for line in lines))
    totals, errors = header + 1 + len(categories), header + 2 + len(categories)
    item_rows = errors + 2
    last_row = max(item_rows + len(lines) - 1, item_rows)
    for row, category in enumerate(categories, header + 1):
        sheet.text(row, 0, category)
        for column, name in enumerate(names, first):
            of_items = f"{letters(column)}${item_rows + 1}:{letters(column)}${last_row + 1}"
            formula = f"SUMIF({span(item_rows, 0, last_row, 0)},$A{row + 1},{of_items})"
            value = valuation.strategies[name].category(category).value
            sheet.formula(row, column, formula, value, MONEY)
    sheet.text(totals, 0, "all costs", "bold", top=1)
    sheet.text(errors, 0, "Monte-Carlo standard error of all costs, at the prices of the run", "note")
    for column, name in enumerate(names, first):
        formula = f"SUM({near(header + 1, column)}:{near(totals - 1, column)})" if categories else "0"
        cost = valuation.strategies[name].cost()
        sheet.formula(totals, column, formula, cost.value, MONEY, bold=True, top=1)
        sheet.number(errors, column, cost.mc_se, MONEY)
    sheet.text(item_rows - 1, 0, "By item", "section")
    for column in range(1, first + len(names)):
        sheet.text(item_rows - 1, column, "", "section")
    for row, line in enumerate(lines, item_rows):
        _write_line(sheet, row, line, valuation, len(lines_of(lines, line.item.name)) > 1, labels)
    sheet.widths(
        (0, 0, 22), (1, 1, 42), (2, 2, 34), (_PRICE, _AMOUNT, 11), (_COUNT, _COUNT, 9),
        (_BEFORE, first + len(names) - 1, 13),
    )  # fmt: skip
    sheet.repeat(header - 1, header, 2)
    return {name: sheet.at(totals, column) for column, name in enumerate(names, first)}


def lines_of(lines: Sequence[Line], item: str) -> list[Line]:
    """Those of an item: more than one where strategies differ in its price or amount."""
    return [line for line in lines if line.item.name == item]


def _lines(valuation: Valuation, inputs: Inputs) -> list[Line]:
    """In order of category; an item once for each price and amount that it has."""
    of: dict[tuple[str, str, str], list[str]] = {}
    items: dict[tuple[str, str, str], Item] = {}
    for name, one in valuation.strategies.items():
        for item in one.rules.items:
            key = (item.name, inputs.refer(item.price, name), _amount(item.amount, inputs, name))
            of.setdefault(key, []).append(name)
            items.setdefault(key, item)
    found = [Line(items[key], key[1], key[2], tuple(strategies)) for key, strategies in of.items()]
    order = list(dict.fromkeys(line.item.name for line in found))
    return sorted(found, key=lambda line: (CATEGORIES.index(line.item.category), order.index(line.item.name)))


def _write_line(
    sheet: Sheet, row: int, line: Line, valuation: Valuation, several: bool, labels: Mapping[str, str]
) -> None:
    item, names = line.item, list(valuation.strategies)
    one = valuation.strategies[line.strategies[0]]
    own = STORED if isinstance(item.price, str) else INPUT
    under = f" ({', '.join(labels[name] for name in line.strategies)})" if several else ""
    sheet.text(row, 0, item.category)
    sheet.text(row, 1, item.name + under, "wrapped")
    sheet.text(row, 2, item.price if isinstance(item.price, str) else "own item of the scenario")
    if isinstance(item.price, str):
        sheet.formula(row, _PRICE, line.price, one.prices[item.name], MONEY_EXACT)
    else:
        sheet.number(row, _PRICE, one.prices[item.name], MONEY_EXACT, own)
    if isinstance(item.amount, (str, Packs)):
        sheet.formula(row, _AMOUNT, line.amount, one.amounts[item.name], "0.00##")
    else:
        sheet.number(row, _AMOUNT, one.amounts[item.name], "0.00##", own)
    sheet.text(row, _COUNT, item.unit, indent=1)
    for place, name in enumerate(names):
        if name not in line.strategies:
            continue
        told = valuation.strategies[name]
        counted, cost = _BEFORE + place, _BEFORE + len(names) + place
        sheet.number(row, counted, float(told.counted[item.name][DISCOUNTED, 0]), "0.0000")
        product = f"${letters(_PRICE)}{row + 1}*${letters(_AMOUNT)}{row + 1}*{near(row, counted)}"
        sheet.formula(row, cost, product, told.item(item.name).value, MONEY)


def _amount(amount: Amount | Packs, inputs: Inputs, strategy: str) -> str:
    if not isinstance(amount, Packs):
        return inputs.refer(amount, strategy)

    def refer(one: Amount) -> str:
        return inputs.refer(one, strategy)

    dose, size, shared = refer(amount.dose), refer(amount.size), refer(amount.shared)
    if amount.kg_mean is None:
        exact = f"{dose}/{size}"
        whole = f"ROUNDUP({exact},0)"
    else:
        mean, sd = refer(amount.kg_mean), refer(amount.kg_sd)
        exact = f"{dose}*{mean}/{size}"
        # P(more than k packs) summed over k = 1, 2, ...: what `Packs` does
        k = f"(ROW($A$1:$A${MOST_PACKS})-ROW($A$1)+1)"
        more = f"SUMPRODUCT(1-NORMSDIST(({k}*{size}/{dose}-{mean})/{sd}))/(1-NORMSDIST(-{mean}/{sd}))"
        whole = f"IF(OR({sd}=0,{dose}=0),ROUNDUP({exact},0),1+{more})"
    times = "" if amount.times == 1.0 else f"{refer(amount.times)}*"
    if shared == "1":
        return f"{times}{exact}"
    if shared == "0":
        return f"{times}{whole}"
    return f"{times}({shared}*{exact}+(1-{shared})*{whole})"
