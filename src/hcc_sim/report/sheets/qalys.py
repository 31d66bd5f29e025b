"""QALYs as sums that can be followed: utility x years, less what ageing and events take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hcc_sim.economics.quantities import DISCOUNTED
from hcc_sim.report.sheets.inputs import Inputs
from hcc_sim.report.sheets.paper import GENERAL, QALYS, YEARS, Cells, Sheet, letters, near

if TYPE_CHECKING:
    from hcc_sim.analyses.valuation import Valuation


def write_qalys(sheet: Sheet, valuation: Valuation, inputs: Inputs, labels: Mapping[str, str]) -> Cells:
    """Years and QALYs of every health state, and losses; where each strategy's total stands."""
    names = list(valuation.strategies)
    one = next(iter(valuation.strategies.values()))
    told = {(row.strategy, row.health): row for row in valuation.tables.qalys.rows}
    aged = any(other.lost_share_per_year for other in valuation.strategies.values())
    header = 1 + sheet.head(
        f"QALYs per patient, discounted at {one.rates[1]:.3g} a year",
        (
            "QALYs = utility x (years - share lost by ageing a year x years weighted by the time since the start); of "
            "a loss: - utility lost x years. Utilities point to Inputs; years are results of the simulation.",
        ),
    )
    years, weighted = 3, 3 + len(names)
    first = weighted + (len(names) if aged else 0)
    groups = [("years, discounted", years), ("QALYs", first)]
    if aged:
        groups.insert(1, ("years x time since the start", weighted))
    sheet.headings(header, ("health state or loss", "utility is parameter", "utility"))
    sheet.groups(header, groups, [labels[name] for name in names])
    lines = _health_lines(valuation, inputs)
    ageing, begin = header + 1, header + 2
    losses = begin + sum(not line.lost for line in lines)
    totals = begin + len(lines)
    sheet.text(ageing, 0, "lost by ageing: share of utility a year")
    share = one.rules.lost_share_per_year
    sheet.text(ageing, 1, share if isinstance(share, str) else "")
    for place, name in enumerate(names):
        value = valuation.strategies[name].lost_share_per_year
        if value:
            sheet.formula(ageing, first + place, inputs.refer(share, name), value, GENERAL)
        else:
            sheet.number(ageing, first + place, value, GENERAL)
    for row, line in enumerate(lines, begin):
        sheet.text(row, 0, line.label(labels), "wrapped")
        sheet.text(row, 1, line.parameter)
        sheet.formula(row, 2, line.utility, line.value, GENERAL)
        for place, name in enumerate(names):
            if name not in line.strategies:
                continue
            lived = told[name, line.health]
            sheet.number(row, years + place, lived.years, YEARS)
            product = f"$C{row + 1}*{near(row, years + place)}"
            if line.lost:
                product = f"-{product}"
            elif aged:
                weights = float(valuation.strategies[name].lived[line.health].aged_years[DISCOUNTED, 0])
                sheet.number(row, weighted + place, weights, YEARS)
                by_age = f"{letters(first + place)}${ageing + 1}*{near(row, weighted + place)}"
                product = f"$C{row + 1}*({near(row, years + place)}-{by_age})"
            sheet.formula(row, first + place, product, lived.qalys, QALYS)
    sheet.text(totals, 0, "all", "bold", top=1)
    sheet.text(totals + 1, 0, "Monte-Carlo standard error, at the utilities of the run", "note")
    for place, name in enumerate(names):
        valued = valuation.strategies[name]
        for column, last, estimate, shown in (
            (years + place, losses - 1, valued.life_year(), YEARS),
            (first + place, totals - 1, valued.qaly(), QALYS),
        ):
            formula = f"SUM({near(begin, column)}:{near(last, column)})"
            sheet.formula(totals, column, formula, estimate.value, shown, bold=True, top=1)
            sheet.number(totals + 1, column, estimate.mc_se, shown)
    sheet.widths((0, 0, 40), (1, 1, 34), (2, 2, 9), (years, first + len(names) - 1, 13))
    sheet.repeat(header - 1, header, 1)
    return {name: sheet.at(totals, first + place) for place, name in enumerate(names)}


@dataclass(frozen=True)
class _HealthLine:
    """A health state or a loss with one utility, and the strategies that have it at this."""

    health: str
    parameter: str
    utility: str
    value: float
    lost: bool
    several: bool
    strategies: tuple[str, ...]

    def label(self, labels: Mapping[str, str]) -> str:
        return self.health + (f" ({', '.join(labels[name] for name in self.strategies)})" if self.several else "")


def _health_lines(valuation: Valuation, inputs: Inputs) -> list[_HealthLine]:
    """Health states first, then losses."""
    of: dict[tuple[bool, str, str, str], list[str]] = {}
    values = {}
    for name, one in valuation.strategies.items():
        states = [(False, h.name, h.utility, one.lived[h.name].utility) for h in one.rules.health]
        losses = [(True, f"lost: {d.name}", d.loss, one.lost[d.name].loss) for d in one.rules.decrements]
        for lost, health, amount, value in (*states, *losses):
            key = (lost, health, amount if isinstance(amount, str) else "", inputs.refer(amount, name))
            of.setdefault(key, []).append(name)
            values[key] = value
    often = [key[1] for key in of]
    return [
        _HealthLine(health, parameter, utility, values[key], lost, often.count(health) > 1, tuple(strategies))
        for key, strategies in sorted(of.items(), key=lambda one: one[0][0])
        for lost, health, parameter, utility in [key]
    ]
