"""Prices in the money in which results are told."""

from __future__ import annotations

from dataclasses import replace

from hcc_sim.economics.terms import Terms
from hcc_sim.parameters import Parameter, Parameters
from hcc_sim.units import is_money, parse_money


def in_money_of(terms: Terms, parameters: Parameters) -> Parameters:
    """All parameters, prices in the money of the terms, each with a note of what it was.

    Raises:
        ValueError: prices in money of which the terms do not say what it is worth.
    """
    missing = {p.unit for p in parameters.values() if is_money(p.unit)} - {terms.money, *terms.conversions}
    if missing:
        raise ValueError(_says_nothing_of(", ".join(sorted(missing)), terms))
    return parameters.with_entries(
        {name: _converted(p, terms) for name, p in parameters.items() if is_money(p.unit) and p.unit != terms.money}
    )


def read_value(parameter: Parameter, value: object, terms: Terms | None) -> float:
    """The number, in the parameter's unit, that somebody wrote: a price may be in any money that can be converted.

    Raises:
        ValueError: for the person who wrote it.
    """
    if terms is None or not is_money(parameter.unit) or isinstance(value, int | float):
        return parameter.read(value)
    return parameter.read(f"{converted_amount(value, terms)!r} {parameter.unit}")


def converted_amount(value: object, terms: Terms) -> float:
    """An amount of money that somebody wrote, in the money of the terms.

    Raises:
        ValueError: for the person who wrote it.
    """
    amount, money = parse_money(value)
    if money == terms.money:
        return amount
    if money not in terms.conversions:
        raise ValueError(f"given '{value}'; {_says_nothing_of(money, terms)}")
    return amount * terms.conversions[money]


def _converted(parameter: Parameter, terms: Terms) -> Parameter:
    factor = terms.conversions[parameter.unit]
    prior = parameter.distribution
    note = f"{parameter.value:g} {parameter.unit}, at {factor:g} {terms.money} for one"
    return replace(
        parameter,
        value=parameter.value * factor,
        unit=terms.money,
        derivation="; ".join(filter(None, (parameter.derivation, note))),
        distribution=prior and replace(prior, low=prior.low * factor, high=prior.high * factor),
    )


def _says_nothing_of(money: str, terms: Terms) -> str:
    return (
        f"results are in {terms.money}, and nothing says what one {money} is worth in it: write it under "
        f"economics.conversions, such as '{money.split(', ')[0]}: 1.05' (price index and exchange rate in one number)"
    )
