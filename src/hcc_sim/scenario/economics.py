"""What is checked of the economics of a scenario file: the money of results, thresholds, items of the analyst's own."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import ValidationError

from hcc_sim.economics.conversion import converted_amount, in_money_of
from hcc_sim.economics.items import CATEGORIES, Item, PerCycle, PerEvent, PerMonth
from hcc_sim.economics.terms import Terms
from hcc_sim.errors import nearest
from hcc_sim.parameters import Calibration
from hcc_sim.pathway.model import Branch, Pathway
from hcc_sim.scenario.background import hcc_pathway_of
from hcc_sim.scenario.chain import Chain, at
from hcc_sim.scenario.shape import Economics, OwnItem, ScenarioFile
from hcc_sim.strict_yaml import Keys
from hcc_sim.units import UNITS, is_money, parse_duration, parse_money, shown

SECTION = "economics"
KEYS_OF = {"month": (), "cycle": ("every", "most"), "event": ("entering", "ended_by", "most")}
"""What may be said of an item, besides states and attributes, by what it is counted per."""


def terms_of(file: ScenarioFile | None, chain: Chain, calibration: Calibration) -> Terms | None:
    """The terms of the analysis; None if the file says nothing of economics, or they are wrong, which is noted."""
    given = _section(file, chain)
    if given is None:
        return None
    if not any(parameter.economic for parameter in calibration.parameters.values()):
        told = f"{calibration.folder} holds no economics.yaml with prices and utilities; leave economics out"
        chain.problem((SECTION,), told)
        return None
    before = len(chain.problems.found)
    _check_conversions(given, chain)
    _check_inherited(given, chain)
    terms = Terms(
        given.currency,
        given.price_year,
        given.discount.costs,
        given.discount.effects,
        _thresholds(given, chain),
        given.perspective,
        given.conversions,
    )
    try:
        in_money_of(terms, calibration.parameters)
    except ValueError as error:
        chain.problem((SECTION, "currency"), str(error))
    if len(chain.problems.found) > before or not given.items:
        return None if len(chain.problems.found) > before else terms
    items = _Items(chain, hcc_pathway_of(calibration), terms)
    own = tuple(filter(None, (items.read(name, item) for name, item in given.items.items())))
    return Terms(**{**vars(terms), "items": own})


def _section(file: ScenarioFile | None, chain: Chain) -> Economics | None:
    """The section as it stands; where another part of the file is wrong, this one may be right."""
    if file is not None:
        return file.economics
    try:
        return Economics.model_validate(at(chain.data, (SECTION,)))
    except ValidationError:  # told with the shape of the file
        return None


def _check_conversions(given: Economics, chain: Chain) -> None:
    for name, factor in given.conversions.items():
        if name == f"{given.currency} {given.price_year}":
            chain.problem((SECTION, "conversions", name), "is the money of the results; leave it out")
        elif not is_money(name) or not 0.0 < factor < math.inf:
            told = (
                f"given {shown(name)}: {shown(factor)}; accepted: money and a number above 0, such as 'CNY 2022: 0.149'"
            )
            chain.problem((SECTION, "conversions", name), told)


def _check_inherited(given: Economics, chain: Chain) -> None:
    """Numbers of a file below, written for its own money, mean nothing in that of a file above."""
    money_of = min(chain.depth_of((SECTION, key)) for key in ("currency", "price_year"))
    bare = any(not isinstance(threshold, str) for threshold in given.thresholds)
    for key, numbers in (("thresholds", bare), ("conversions", bool(given.conversions))):
        if numbers and chain.depth_of((SECTION, key)) > money_of:
            money = f"{given.currency} {given.price_year}"
            chain.problem((SECTION, key), f"are those of another file, written for its money; say them anew in {money}")


def _thresholds(given: Economics, chain: Chain) -> tuple[float, ...]:
    """Numbers in the money of the results, or text that says so."""
    money, found = f"{given.currency} {given.price_year}", []
    for place, written in enumerate(given.thresholds):
        try:
            if isinstance(written, str):
                value, unit = parse_money(written)
                if unit != money:
                    raise ValueError(f"given {shown(written)}, but results are in {money}")
            else:
                value = UNITS["positive number"].read(written)
            if not value > 0.0:
                raise ValueError(f"given {shown(written)}")
            found.append(value)
        except ValueError as error:
            chain.problem(
                (SECTION, "thresholds", place),
                f"{error}; accepted: a number above 0 in {money}",
            )
    if found != sorted(set(found)):
        chain.problem((SECTION, "thresholds"), "thresholds must rise, each named once")
    return tuple(found)


class _Items:
    """Reads the analyst's own items, whose states, exits and attributes must be those of the pathway."""

    def __init__(self, chain: Chain, pathway: Pathway, terms: Terms) -> None:
        self._chain, self._terms = chain, terms
        self._states = [state.name for state in pathway.states]
        exits = [exit for state in pathway.states for exit in (*state.exits, *pathway.everywhere)]
        parts = [part for exit in exits for part in (exit.arms if isinstance(exit, Branch) else (exit,))]
        self._exits = list(dict.fromkeys(part.name for part in parts))
        self._shown = list(pathway.shown)

    def read(self, name: str, given: OwnItem) -> Item | None:
        """The item; None, and problems noted, if it cannot be."""
        keys: Keys = (SECTION, "items", name)
        before = len(self._chain.problems.found)
        self._among((*keys, "category"), [given.category], CATEGORIES, "category")
        self._among((*keys, "per"), [given.per], tuple(KEYS_OF), "word for what is counted")
        for key, known, what in (
            ("states", self._states, "state"),
            ("entering", self._states, "state"),
            ("ended_by", self._exits, "exit"),
            ("shown", self._shown, "attribute that stays show"),
        ):
            self._among((*keys, key), list(getattr(given, key)), known, what)
        price = self._price((*keys, "price"), given.price)
        every = self._every((*keys, "every"), given.every) if given.every else 0.0
        self._check_kind(keys, given)
        if len(self._chain.problems.found) > before:
            return None
        common: dict[str, Any] = {"name": name, "category": given.category, "price": price, "amount": given.amount}
        common["shown"] = given.shown
        most = math.inf if given.most is None else float(given.most)
        if given.per == "month":
            return PerMonth(**common, states=tuple(given.states))
        if given.per == "cycle":
            return PerCycle(**common, states=tuple(given.states), interval_months=every, most=most)
        return PerEvent(**common, entering=tuple(given.entering), ended_by=tuple(given.ended_by), most=most)

    def _check_kind(self, keys: Keys, given: OwnItem) -> None:
        """What must be said of an item counted so, and what cannot be."""
        if given.per not in KEYS_OF:
            return
        of_all = {key for keys_of in KEYS_OF.values() for key in keys_of} | {"states"}
        allowed = {*KEYS_OF[given.per], *(() if given.per == "event" else ("states",))}
        for key in sorted(of_all - allowed):
            if key in (at(self._chain.data, keys) or {}):
                self._chain.problem((*keys, key), f"means nothing for what is counted per {given.per}; leave it out")
        if given.per == "cycle" and not given.every:
            self._chain.problem(keys, "every missing: from one cycle to the next, such as '3 weeks'")
        if given.per == "event" and not given.entering and not given.ended_by:
            self._chain.problem(keys, "entering or ended_by missing: the states or exits that are the event")

    def _among(self, keys: Keys, names: Sequence[str], known: Collection[str], what: str) -> None:
        for place, name in enumerate(names):
            if name not in known:
                few = f" Accepted: {', '.join(known)}" if len(known) < 12 else ""
                told = f"unknown {what} {shown(name)}. {nearest(name, known)}{few}"
                where = (
                    keys if what.startswith(("category", "word")) else (*keys, name if "attribute" in what else place)
                )
                self._chain.problem(where, " ".join(told.split()))

    def _price(self, keys: Keys, given: object) -> float:
        try:
            price = converted_amount(given, self._terms)
            if not 0.0 <= price < math.inf:
                raise ValueError(f"given {shown(given)}")
            return price
        except ValueError as error:
            accepted = f"money of 0 or more with currency and price year, such as '100 {self._terms.money}'"
            self._chain.problem(keys, f"{error}; accepted: {accepted}")
            return 0.0

    def _every(self, keys: Keys, given: str) -> float:
        try:
            months = parse_duration(given)
            if not 0.0 < months < math.inf:
                raise ValueError(f"given {shown(given)}")
            return months
        except ValueError as error:
            self._chain.problem(keys, f"{error}; accepted: a duration above 0, such as '3 weeks'")
            return 1.0
