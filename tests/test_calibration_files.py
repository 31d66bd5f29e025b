"""What stands behind every number of the calibration files, and the life table against the published one."""

from __future__ import annotations

from math import exp
from pathlib import Path

import pytest
from scipy.integrate import quad

from hcc_sim.parameters import Parameter, load_calibration
from hcc_sim.scenario import hcc_pathway_of

CALIBRATION = load_calibration(Path(__file__).resolve().parent.parent / "calibration")


def every_parameter() -> dict[str, Parameter]:
    found = dict(CALIBRATION.parameters)
    for sets in (CALIBRATION.regimens, CALIBRATION.populations):
        found |= {f"{name}: {n}": p for name, one in sets.items() for n, p in one.entries.items()}
    return found


def test_every_number_has_a_source_or_a_reason():
    for name, parameter in every_parameter().items():
        assert parameter.sources or parameter.reason, name
        assert parameter.kind != "reported" or (parameter.where and parameter.support), name
        assert set(parameter.sources) <= set(CALIBRATION.sources), name


def test_what_is_fitted_states_its_prior_and_no_number_of_its_own():
    fitted = [parameter for parameter in CALIBRATION.parameters.values() if parameter.kind == "calibrated"]
    assert {p.name for p in fitted if p.of_arm} == {
        "response.probability", "progression.median_of_non_responders", "conversion.convertible_share",
    }  # fmt: skip
    for parameter in fitted:
        assert parameter.distribution is not None, parameter.name
        assert parameter.reason, parameter.name
        assert (parameter.sources, parameter.derivation) == ((), ""), parameter.name


def test_every_borrowed_number_is_told():
    """A regimen whose numbers come from several arms says so where a headline can show it."""
    for name, regimen in CALIBRATION.regimens.items():
        assert (len(set(regimen.fitted.values())) > 1) == bool(regimen.borrowed), name


CENTRAL_DEATH_RATES = {  # age: (male, female) per year; UN World Population Prospects 2022, China, 2020-2025
    30: (0.00098, 0.00058),
    35: (0.00115, 0.00067),
    40: (0.00189, 0.00100),
    45: (0.00306, 0.00151),
    50: (0.00523, 0.00246),
    55: (0.00769, 0.00358),
    60: (0.01363, 0.00643),
    65: (0.02144, 0.01068),
    70: (0.03466, 0.01927),
    75: (0.05588, 0.03415),
    80: (0.09736, 0.06546),
    85: (0.16234, 0.11454),
    90: (0.27209, 0.19634),
    95: (0.46676, 0.32540),
    100: (0.64336, 0.48601),
}


def test_the_life_table_is_the_published_one():
    table = CALIBRATION.life_table
    rows = zip(table.ages_years, zip(table.male_per_year, table.female_per_year, strict=True), strict=True)
    assert dict(rows) == CENTRAL_DEATH_RATES


@pytest.mark.parametrize(("sex", "years"), [("male", 19.9), ("female", 24.0)])
def test_life_expectancy_at_sixty(sex: str, years: float):
    """Of the pathway's own law, on the clock of age in months."""
    law = hcc_pathway_of(CALIBRATION).laws[f"life table, {sex}"]
    alive_at_60 = law.cumulative_hazard(720.0)
    expected = sum(
        quad(lambda age: exp(alive_at_60 - law.cumulative_hazard(age)), start, start + 60.0)[0]
        for start in range(720, 1800, 60)
    )
    assert expected / 12 == pytest.approx(years, abs=0.05)
