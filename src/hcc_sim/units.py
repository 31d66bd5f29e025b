"""The clock, and how a value a person writes becomes a number in a stated unit.

Inside the program time is months, 1 month = 365.25/12 days. Durations are a number and a unit, or ``never``.
Wrong values raise ValueError with a text for the person who wrote them; whoever reads a file adds file and line.
"""

import difflib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

DAYS_PER_MONTH = 365.25 / 12

_TO_MONTHS: Mapping[str, Callable[[float], float]] = {
    "days": lambda n: n / DAYS_PER_MONTH,
    "weeks": lambda n: n * 7 / DAYS_PER_MONTH,
    "months": lambda n: n,
    "years": lambda n: n * 12,
}
_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_QUANTITY = re.compile(rf"\s*({_NUMBER}|[-+]?\.?(?:nan|inf|infinity))\s*([^\W\d]*)\s*", re.IGNORECASE)
_PERCENT = re.compile(r"\s*([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))\s*%\s*")

DURATION_PATTERN = r"^\s*(never|([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?\s*(day|week|month|year)s?)\s*$"
"""What a duration looks like, as a regular expression for JSON Schema."""

DURATION_TEXT = "a duration, which is a number and days, weeks, months or years such as '298 days', or never"


def shown(value: object) -> str:
    """A value as messages quote it: short, and recognisable to someone who wrote YAML."""
    match value:
        case None:
            return "null (nothing)"
        case bool():
            return f"{str(value).lower()} (a truth value)"
        case str():
            return f"'{value}'" if len(value) <= 60 else f"'{value[:57]}...'"
        case int() if abs(value) >= 10**40:
            return "a number of more than 40 digits"
        case int() | float():
            return str(value)
        case list() | tuple():
            return "a list"
        case Mapping():
            return "a mapping (keys with values)"
    return f"a {type(value).__name__}"


def _finite_number(value: object) -> float:
    if isinstance(value, str):
        quoted = re.fullmatch(_NUMBER, value.strip()) is not None
        raise ValueError(f"given {shown(value)}, which is text{': remove the quotes' if quoted else ''}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"given {shown(value)}, which is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"given {shown(value)}, which is not a finite number")
    return number


def _quantity(text: str, what: str) -> tuple[float, str]:
    """Number and lower-case unit word (possibly empty) of a text such as '298 days'."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is not {what}")
    number = float(match[1].lower().replace(".inf", "inf").replace(".nan", "nan"))
    if math.isnan(number):
        raise ValueError(f"given {shown(text)}, which is not a number")
    if math.isinf(number):
        raise ValueError(f"given {shown(text)}, which is not finite; write never for what does not happen")
    if number < 0:
        raise ValueError(f"given {shown(text)}, which is negative; write a duration of 0 or more")
    return number + 0.0, match[2].lower()


def parse_duration(value: object) -> float:
    """Months of a duration such as ``298 days``, ``9 weeks``, ``1 month``, ``30 years``; ``never`` is infinite.

    Raises ValueError for anything else: a bare number (it has no unit), an unknown unit, a negative or endless time.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _finite_number(value)
        raise ValueError(f"given {shown(value)} without a unit; write '{abs(number):g} months' (or days, weeks, years)")
    if not isinstance(value, str):
        raise ValueError(f"given {shown(value)}, which is not a duration")
    if value.strip() == "never":
        return math.inf
    number, word = _quantity(value, "a duration")
    if not word:
        raise ValueError(f"given {shown(value)} without a unit; write '{number:g} months' (or days, weeks, years)")
    for unit, to_months in _TO_MONTHS.items():
        if word in (unit, unit[:-1]):
            months = to_months(number)
            if math.isinf(months):
                raise ValueError(f"given {shown(value)}, which is too long; write never for what does not happen")
            return months
    match = difflib.get_close_matches(word, _TO_MONTHS, n=1, cutoff=0.5)
    hint = f" Did you mean '{number:g} {match[0]}'?" if match else ""
    raise ValueError(f"unknown unit '{word}' in {shown(value)}.{hint}")


def format_duration(months: float) -> str:
    """A duration in months in the largest unit in which it is whole, else in months to four digits."""
    if math.isinf(months):
        return "never"
    if months == 0:
        return "0 days"
    days = months * DAYS_PER_MONTH
    for unit, number in (("year", months / 12), ("month", months), ("week", days / 7), ("day", days)):
        whole = round(number)
        if whole >= 1 and math.isclose(number, whole, rel_tol=1e-9):
            return f"{whole} {unit}{'' if whole == 1 else 's'}"
    return f"{months:.4g} months"


def _parse_age(value: object) -> float:
    if not isinstance(value, str):
        return _finite_number(value)
    number, word = _quantity(value, "an age")
    if word not in ("year", "years"):
        raise ValueError(f"given {shown(value)}; write '{number:g} years', or {number:g} without quotes")
    return number


def _parse_size(value: object) -> float:
    if not isinstance(value, str):
        return _finite_number(value)
    number, word = _quantity(value, "a size")
    if word not in ("cm", "mm"):
        raise ValueError(f"given {shown(value)}; write '{number:g} cm', or {number:g} without quotes")
    return number if word == "cm" else number / 10.0


def _parse_probability(value: object) -> float:
    percent = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return float(f"{percent[1]}e-2") if percent else _finite_number(value)


def _parse_count(value: object) -> float:
    number = _finite_number(value)
    if not number.is_integer():
        raise ValueError(f"given {shown(value)}, which is not whole")
    return number


@dataclass(frozen=True)
class Unit:
    """A unit a parameter may have: how a YAML value is read, the range, and what is accepted in words.

    ``low`` and ``high`` are in the unit; ``above_low`` says that ``low`` itself is out of range.
    ``schema`` is the JSON Schema of a value as it is written in a file.
    """

    name: str
    parse: Callable[[object], float]
    low: float
    high: float
    accepted: str
    above_low: bool = False
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "number"})

    def read(self, value: object) -> float:
        """The number, in this unit, of a value from a file; ValueError says what was given and what is accepted."""
        try:
            number = self.parse(value)
            if not self.holds(number):
                raise ValueError(f"given {shown(value)}, which is out of range")
        except ValueError as error:
            raise ValueError(f"{error}; accepted: {self.accepted}".replace("?;", "?").replace(".;", ".")) from None
        return number

    def holds(self, number: float) -> bool:
        """Whether a number in this unit lies in its range (NaN never does)."""
        return self.low < number <= self.high if self.above_low else self.low <= number <= self.high

    def format(self, number: float) -> str:
        """A number of this unit for a reader: durations and money with their unit, the others to six digits."""
        if self.name == "months":
            return format_duration(number)
        return f"{number:.6g} {self.name}" if is_money(self.name) else f"{number:.6g}"


_BIGGEST = 1.7976931348623157e308  # the largest finite float: these units exclude infinity

MONEY = re.compile(r"[A-Z]{3} [12][0-9]{3}")
"""Money of a year, such as 'USD 2021': the code of a currency (ISO 4217) and a price year."""

_AMOUNT = re.compile(rf"\s*({_NUMBER})\s*([A-Za-z]{{3}})?\s*([0-9]{{4}})?\s*")


def is_money(unit: str) -> bool:
    """Whether a unit is money of a year, such as 'USD 2021'."""
    return MONEY.fullmatch(unit) is not None


def parse_money(value: object) -> tuple[float, str]:
    """Amount and unit of a text such as '1929 USD 2021'.

    Raises:
        ValueError: the currency or the price year is missing, or it is no such text.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = _finite_number(value)
        raise ValueError(f"given {shown(value)} without currency and price year; write '{number:g} USD 2021'")
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"given {shown(value)}, which is not an amount of money")
    amount, currency, year = float(match[1]), match[2], match[3]
    if currency is None or year is None:
        lacks = " and ".join(what for what, there in (("currency", currency), ("price year", year)) if there is None)
        raise ValueError(f"given {shown(value)} without {lacks}; write '{amount:g} {(currency or 'USD').upper()} 2021'")
    unit = f"{currency} {year}"
    if not is_money(unit):
        raise ValueError(f"given {shown(value)}; a currency is three capital letters, such as USD or CNY")
    return amount, unit


def _money_unit(name: str) -> Unit:
    def parse(value: object) -> float:
        amount, unit = parse_money(value)
        if unit != name:
            raise ValueError(f"given {shown(value)}, which is not in {name}")
        return amount

    accepted = f"an amount of money of 0 or more with currency and price year, such as '100 {name}'"
    schema = {"type": "string", "pattern": rf"^\s*{_NUMBER}\s*{name}\s*$", "examples": [f"100 {name}"]}
    return Unit(name, parse, 0, _BIGGEST, accepted, schema=schema)


class _Units(dict[str, Unit]):
    """Units by name; money of any currency and year is made when it is asked for."""

    def __missing__(self, name: str) -> Unit:
        if not is_money(name):
            raise KeyError(name)
        return _money_unit(name)


UNITS: Mapping[str, Unit] = _Units(
    (unit.name, unit)
    for unit in (
        Unit("months", parse_duration, 0, math.inf, DURATION_TEXT,
             schema={"type": "string", "pattern": DURATION_PATTERN}),
        Unit("years", _parse_age, 0, 120, "an age in years from 0 to 120, such as 55 or '55 years'",
             schema={"type": ["number", "string"], "minimum": 0, "maximum": 120}),
        Unit("cm", _parse_size, 0, 100, "a size in centimetres from 0 to 100, such as 5 or '5 cm'",
             schema={"type": ["number", "string"], "minimum": 0, "maximum": 100}),
        Unit("probability", _parse_probability, 0, 1, "a probability from 0 to 1, such as 0.359 or 35.9%",
             schema={"type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": r"%\s*$"}),
        Unit("hazard ratio", _finite_number, 0, _BIGGEST, "a hazard ratio, a number above 0", True,
             {"type": "number", "exclusiveMinimum": 0}),
        Unit("odds ratio", _finite_number, 0, _BIGGEST, "an odds ratio, a number above 0", True,
             {"type": "number", "exclusiveMinimum": 0}),
        Unit("log hazard ratio", _finite_number, -_BIGGEST, _BIGGEST, "the logarithm of a hazard ratio, a number"),
        Unit("log odds", _finite_number, -_BIGGEST, _BIGGEST, "log odds, a number"),
        Unit("per month", _finite_number, 0, _BIGGEST, "a rate per month, a number of 0 or more",
             schema={"type": "number", "minimum": 0}),
        Unit("number", _finite_number, -_BIGGEST, _BIGGEST, "a number"),
        Unit("positive number", _finite_number, 0, _BIGGEST, "a number above 0", True,
             {"type": "number", "exclusiveMinimum": 0}),
        Unit("count", _parse_count, 0, 2.0**53, "a whole number of 0 or more",
             schema={"type": "integer", "minimum": 0}),
        Unit("utility", _finite_number, -1, 1, "a utility from -1 to 1 (1 is full health, 0 is death), such as 0.76",
             schema={"type": "number", "minimum": -1, "maximum": 1}),
    )
)  # fmt: skip
"""The units a parameter may have, by name; money of any currency and year, such as 'USD 2021', is among them."""
