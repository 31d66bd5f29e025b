"""The clock, durations and units."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hcc_sim.units import DAYS_PER_MONTH, DURATION_PATTERN, UNITS, Unit, format_duration, parse_duration, shown


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("0 days", 0.0),
        ("1 day", 12 / 365.25),
        ("298 days", 298 * 12 / 365.25),
        ("9 weeks", 63 * 12 / 365.25),
        ("1 month", 1.0),
        ("6.5 months", 6.5),
        ("30 years", 360.0),
        ("1 Year", 12.0),
        ("  2  weeks ", 14 / DAYS_PER_MONTH),
        ("1e2 months", 100.0),
        (".5 years", 6.0),
        ("3months", 3.0),
        ("never", math.inf),
        ("+2 years", 24.0),
    ],
)
def test_durations(text: str, months: float):
    assert parse_duration(text) == pytest.approx(months, rel=1e-15)
    if not text.startswith("+") and "Year" not in text:
        assert re.search(DURATION_PATTERN, text)


def test_a_year_is_twelve_months_of_the_clock():
    assert DAYS_PER_MONTH == 30.4375
    assert parse_duration("365.25 days") == parse_duration("1 year") == 12
    assert parse_duration("-0 days") == 0
    assert math.copysign(1, parse_duration("-0 days")) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (12, "given 12 without a unit; write '12 months' (or days, weeks, years)"),
        ("12", "given '12' without a unit; write '12 months' (or days, weeks, years)"),
        (1.5, "given 1.5 without a unit"),
        ("3 dayz", "unknown unit 'dayz' in '3 dayz'. Did you mean '3 days'?"),
        ("3 mo", "unknown unit 'mo' in '3 mo'."),
        ("-3 days", "which is negative"),
        ("nan days", "which is not a number"),
        ("inf months", "which is not finite; write never"),
        ("-.inf days", "not finite"),
        ("1e999 days", "not finite"),
        ("1e308 years", "too long"),
        (True, "given true (a truth value), which is not a duration"),
        (None, "given null (nothing), which is not a duration"),
        ([1], "given a list, which is not a duration"),
        ("", "'' is not a duration"),
        ("soon", "'soon' is not a duration"),
        ("3 days 2 weeks", "is not a duration"),
        ("days", "'days' is not a duration"),
        ("1,5 days", "is not a duration"),
        (math.nan, "which is not a finite number"),
        ("٣ days", "is not a duration"),
        ("Never ever", "is not a duration"),
        ({}, "given a mapping"),
    ],
)
def test_durations_refused(value: object, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_duration(value)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.integers()))
def test_whatever_is_written_is_a_time_or_a_value_error(value: object):
    for unit in UNITS.values():
        result = attempt(unit, value)
        if isinstance(result, ValueError):
            assert f" accepted: {unit.accepted}" in str(result)
        else:
            assert unit.holds(result)
            assert not math.isnan(result)


def attempt(unit: Unit, value: object) -> float | ValueError:
    try:
        return unit.read(value)
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("months", "text"),
    [
        (0, "0 days"),
        (math.inf, "never"),
        (12, "1 year"),
        (360, "30 years"),
        (6, "6 months"),
        (1, "1 month"),
        (298 / DAYS_PER_MONTH, "298 days"),
        (63 / DAYS_PER_MONTH, "9 weeks"),
        (1 / DAYS_PER_MONTH, "1 day"),
        (7.123456, "7.123 months"),
        (0.001, "0.001 months"),
    ],
)
def test_durations_for_a_reader(months: float, text: str):
    assert format_duration(months) == text
    assert parse_duration(text) == pytest.approx(months, rel=1e-4)


@given(st.integers(0, 40_000), st.sampled_from(["days", "weeks", "months", "years"]))
def test_what_is_formatted_reads_back(number: int, unit: str):
    months = parse_duration(f"{number} {unit}")
    assert parse_duration(format_duration(months)) == pytest.approx(months, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "value", "number"),
    [
        ("months", "6 months", 6.0),
        ("months", "never", math.inf),
        ("years", 55, 55.0),
        ("years", "55 years", 55.0),
        ("cm", 5, 5.0),
        ("cm", "5 cm", 5.0),
        ("cm", "55 mm", 5.5),
        ("probability", 0.359, 0.359),
        ("probability", "35.9%", 0.359),
        ("probability", "100 %", 1.0),
        ("probability", 0, 0.0),
        ("hazard ratio", 0.7, 0.7),
        ("odds ratio", 2, 2.0),
        ("log hazard ratio", -0.5, -0.5),
        ("log odds", 0, 0.0),
        ("per month", 0, 0.0),
        ("number", -3, -3.0),
        ("positive number", 1.2, 1.2),
        ("count", 6, 6.0),
    ],
)
def test_units(unit: str, value: object, number: float):
    assert UNITS[unit].read(value) == number


@pytest.mark.parametrize(
    ("unit", "value", "message"),
    [
        ("months", 6, "without a unit; write '6 months' (or days, weeks, years); accepted: a duration"),
        ("months", "6 moons", "unknown unit 'moons' in '6 moons'. Did you mean '6 months'? accepted: a duration"),
        ("cm", "2 inches", "given '2 inches'; write '2 cm', or 2 without quotes; accepted: a size in centimetres"),
        ("cm", 101, "given 101, which is out of range; accepted: a size in centimetres from 0 to 100"),
        ("years", 121, "given 121, which is out of range; accepted: an age in years from 0 to 120"),
        ("years", "660 months", "given '660 months'; write '660 years', or 660 without quotes"),
        ("probability", 1.0000001, "out of range; accepted: a probability"),
        ("probability", -0.1, "out of range"),
        ("probability", "101%", "out of range"),
        ("probability", "half", "which is text; accepted"),
        ("probability", "0.5", "which is text: remove the quotes"),
        ("hazard ratio", 0, "out of range"),
        ("odds ratio", -1, "out of range"),
        ("per month", -1e-9, "out of range"),
        ("positive number", 0, "out of range"),
        ("count", 1.5, "which is not whole"),
        ("count", -1, "out of range"),
        ("number", math.inf, "not a finite number"),
        ("number", math.nan, "not a finite number"),
        ("number", True, "given true (a truth value), which is not a number"),
        ("number", None, "given null (nothing)"),
        ("number", 10**400, "not a finite number"),
        ("log odds", "35%", "is text"),
    ],
)
def test_units_refuse(unit: str, value: object, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        UNITS[unit].read(value)


def test_values_as_messages_show_them():
    assert shown("x" * 100) == "'" + "x" * 57 + "...'"
    assert shown(10**5000) == "a number of more than 40 digits"
    assert shown({}) == "a mapping (keys with values)"
