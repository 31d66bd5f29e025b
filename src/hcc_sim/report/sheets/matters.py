"""The sheets of what matters: shares of variance, effects, and what it is worth to know more."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hcc_sim.analyses.morris import ElementaryEffect
from hcc_sim.analyses.sobol import SobolIndex
from hcc_sim.analyses.voi import EVERYTHING
from hcc_sim.economics.partial_information import DEFINITIONS
from hcc_sim.report.sheets.paper import INPUT, MONEY, QALYS, SHARE, WHOLE, Sheet, fixed, near, span
from hcc_sim.report.sheets.turned import ranks, shown_as

if TYPE_CHECKING:
    from hcc_sim.analyses.screening import Screening
    from hcc_sim.analyses.voi import Information


def write_sobol(sheet: Sheet, reading: Screening) -> None:
    """Indices of the headline's outcome, the strongest first; interactions and ranks are worked out here."""
    rows = [one for one in reading.ranked() if isinstance(one, SobolIndex)]
    header = sheet.head(
        f"Shares of the variance of the {reading.headline}",
        (
            "First order: what a parameter explains alone. Total order: what would be left if all others were known. "
            "Interactions: their difference. Low and high: 95% intervals of so few draws. Other outcomes: sobol.csv.",
        ),
    )
    sheet.text(header, 0, "parameter", "heading")
    titles = ("first order", "low", "high", "total order", "low", "high", "interactions", "rank")
    sheet.texts(header, 1, titles, "heading of numbers")
    first, last = header + 1, header + len(rows)
    for row, one in enumerate(rows, first):
        sheet.text(row, 0, one.parameter)
        for column, value in enumerate(one[2:], 1):
            sheet.number(row, column, value, QALYS)
        if math.isfinite(one.total_order):
            sheet.formula(row, 7, f"{near(row, 4)}-{near(row, 1)}", one.total_order - one.first_order, QALYS)
            rank = sum(other.total_order > one.total_order for other in rows) + 1
            sheet.formula(row, 8, ranks(row, 4, first, last), rank, "0")
    sheet.widths((0, 0, 46), (1, 8, 13))
    sheet.repeat(header, header, 1)


def write_morris(sheet: Sheet, reading: Screening) -> None:
    """Effects on the headline's outcome, the strongest first; how uneven they are, and ranks, are worked out here."""
    rows = [one for one in reading.ranked() if isinstance(one, ElementaryEffect)]
    unit = reading.objectives[0].unit
    header = sheet.head(
        f"Effects on the {reading.headline} ({unit}), across the central 95% of each parameter",
        (
            "Uneven: the spread of effects from place to place as a share of their mean size; near 0 where the outcome "
            "is a straight line in the parameter and nothing interacts with it. Other outcomes: morris.csv.",
        ),
    )
    sheet.text(header, 0, "parameter", "heading")
    titles = ("mean absolute effect", "low", "high", "mean effect", "standard deviation", "uneven", "rank")
    sheet.texts(header, 1, titles, "heading of numbers")
    first, last, shown = header + 1, header + len(rows), shown_as(unit)
    for row, one in enumerate(rows, first):
        sheet.text(row, 0, one.parameter)
        of = (one.mean_absolute, one.mean_absolute_low, one.mean_absolute_high, one.mean, one.standard_deviation)
        for column, value in enumerate(of, 1):
            sheet.number(row, column, value, shown)
        if math.isfinite(one.standard_deviation):
            uneven = one.standard_deviation / one.mean_absolute if one.mean_absolute > 0.0 else math.nan
            sheet.formula(row, 6, f'IF({near(row, 1)}>0,{near(row, 5)}/{near(row, 1)},"")', uneven, "0.00")
        if math.isfinite(one.mean_absolute):
            rank = sum(other.mean_absolute > one.mean_absolute for other in rows) + 1
            sheet.formula(row, 7, ranks(row, 1, first, last), rank, "0")
    sheet.widths((0, 0, 46), (1, 7, 15))
    sheet.repeat(header, header, 1)


_PATIENTS, _YEARS, _RATE = range(3)


def write_information(sheet: Sheet, reading: Information) -> None:
    """The value of knowing at each threshold; shares of knowing everything, ranks and values for all worked out."""
    money = reading.worths[0].currency
    definition = DEFINITIONS["expected value of partial perfect information"]
    top = sheet.head(
        f"What it is worth to know more, {money} per patient",
        (f"{definition[:1].upper()}{definition[1:]}.", "Many that do not matter come out above 0, by less than their "
         "standard errors; what is known of several together is not the sum."),
    )  # fmt: skip
    patients = "" if reading.population is None else _write_population(sheet, top, reading)
    header = top + (5 if patients else 0)
    sheet.text(header, 0, "threshold", "heading of numbers")
    sheet.texts(header, 1, ("what is known", "kind"), "heading")
    titles = ["parameters", "value", "standard error", "share of everything", "rank of its kind"]
    sheet.texts(header, 3, [*titles, *(["for all", "standard error"] if patients else [])], "heading of numbers")
    first, last = header + 1, header + len(reading.worths)
    everything: dict[float, int] = {
        one.threshold: row for row, one in enumerate(reading.worths, first) if one.kind == EVERYTHING
    }
    at, kinds, values = (span(first, column, last, column) for column in (0, 2, 4))
    for row, one in enumerate(reading.worths, first):
        sheet.number(row, 0, one.threshold, MONEY)
        sheet.texts(row, 1, (one.known, one.kind))
        sheet.number(row, 3, one.parameters, WHOLE)
        sheet.number(row, 4, one.value, "#,##0.0")
        sheet.number(row, 5, one.standard_error, "#,##0.0")
        all_of_it = fixed(everything[one.threshold], 4)
        formula = f'IF({all_of_it}>0,{near(row, 4)}/{all_of_it},"")'
        sheet.formula(row, 6, formula, one.share_of_perfect, SHARE)
        like = f"({at}={near(row, 0)})*({kinds}={near(row, 2)})"
        rank = 1 + sum(
            other.value > one.value for other in reading.worths
            if (other.threshold, other.kind) == (one.threshold, one.kind)
        )  # fmt: skip
        sheet.formula(row, 7, f"SUMPRODUCT({like}*({values}>{near(row, 4)}))+1", rank, "0")
        if patients:
            sheet.formula(row, 8, f"{near(row, 4)}*{patients}", one.population_value, MONEY)
            sheet.formula(row, 9, f"{near(row, 5)}*{patients}", one.population_standard_error, MONEY)
    sheet.widths((0, 0, 22), (1, 1, 46), (2, 2, 14), (3, 9, 14))
    sheet.inner.autofilter(header, 0, last, 9 if patients else 7)
    sheet.repeat(header, header, 2)


def _write_population(sheet: Sheet, top: int, reading: Information) -> str:
    """Whom the decision concerns, to be changed; where their discounted number stands."""
    terms, population = reading.psa.study.scenario.terms, reading.population
    assert terms is not None
    assert population is not None
    rate, years = terms.discount_costs, population.years
    for place, (label, value, shown) in enumerate(
        (("patients a year", population.patients_per_year, WHOLE), ("years", years, WHOLE),
         ("discount rate a year", rate, SHARE))
    ):  # fmt: skip
        sheet.text(top + place, 0, label, "bold")
        sheet.number(top + place, 1, value, shown, INPUT)
    many, long, per_year = (fixed(top + place, 1) for place in (_PATIENTS, _YEARS, _RATE))
    formula = f"IF({per_year}>0,{many}*(1-(1+{per_year})^-{long})/{per_year},{many}*{long})"
    discounted = population.patients_per_year * math.fsum((1.0 + rate) ** -t for t in range(1, years + 1))
    sheet.text(top + 3, 0, "patients, discounted", "bold")
    sheet.formula(top + 3, 1, formula, discounted, WHOLE)
    return fixed(top + 3, 1)
