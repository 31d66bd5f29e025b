"""The calibrated numbers worked out again from the reported figures, and every number's support.

The figures are typed here from the documents, apart from the files that the program reads.  Each derivation is followed
as its text says, by another way where there is one: integrals and roots where the files have closed forms.  A number
agrees if it rounds to what the file shows.
"""

from __future__ import annotations

from math import exp, log, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from hcc_sim.engine import compile_pathway, simulate_all
from hcc_sim.parameters import Parameter, load_calibration
from hcc_sim.scenario import hcc_pathway_of
from hcc_sim.units import DAYS_PER_MONTH

ROOT = Path(__file__).resolve().parent.parent
CALIBRATION = load_calibration(ROOT / "calibration")
DEFAULTS = CALIBRATION.parameters


class Arm(NamedTuple):
    """What a document prints of an arm; medians in months."""

    os: float
    pfs: float
    response: float
    resected: float


FU_REVIEW = "Fu 2024, Hepatoma Research 10:42"
WANG_REVIEW = "Wang 2024, Cancer Science 115:2159"
ARMS = {
    # LAUNCH: Table 1 of FU_REVIEW, section on TACE (response by mRECIST), section on conversion (resected)
    "lenvatinib_tace": Arm(os=17.8, pfs=10.6, response=0.541, resected=0.153),
    # its control arm; resected assumed: fewer than 5% with systemic therapy alone (Zhao Ming, interview)
    "lenvatinib": Arm(os=11.5, pfs=6.4, response=0.250, resected=0.025),
    # Fu 2023: Table 2 of FU_REVIEW; resected borrowed from Ke 2022
    "haic_lenvatinib_pd1": Arm(os=26.3, pfs=11.5, response=0.573, resected=0.359),
    # Ke 2022: section 5 of WANG_REVIEW; medians borrowed from Fu 2023
    "tace_haic_tki_ici": Arm(os=26.3, pfs=11.5, response=0.606, resected=0.359),
}

HALF_SCAN_MONTHS = 4 * 7 / DAYS_PER_MONTH
RESPONDER_HAZARD_RATIO = 0.5
RESPONSE_MEDIAN_MONTHS = 50.5 / DAYS_PER_MONTH
FOUND_AT_AN_ASSESSMENT = 0.7
OPERATED_ONCE_CONVERTED = 0.76


def of(regimen: str, name: str) -> Parameter:
    return CALIBRATION.regimens[regimen].entries[name]


def rounding(shown: str) -> float:
    """Half a unit of the last digit shown."""
    return 0.5 * 10.0 ** -len(shown.partition(".")[2])


def assert_shown(value: float, shown: str) -> None:
    """The number rounds to what is shown."""
    assert abs(value - float(shown)) <= rounding(shown) * (1 + 1e-9)


# --- progression ------------------------------------------------------------------------------------------------------


def progression_free(months: float, response: float, median_of_others: float) -> float:
    """The mixture: responders progress at a fraction of the hazard of the others."""
    rate = log(2) / median_of_others
    return response * exp(-RESPONDER_HAZARD_RATIO * rate * months) + (1 - response) * exp(-rate * months)


def median_of_others(arm: Arm) -> float:
    """The root of the mixture at the reported median, less half a scan interval."""
    at = arm.pfs - HALF_SCAN_MONTHS
    return float(brentq(lambda median: progression_free(at, arm.response, median) - 0.5, 0.1, 100.0, xtol=1e-12))


MEDIANS_OF_OTHERS = {
    "lenvatinib_tace": "6.77",
    "lenvatinib": "4.68",
    "haic_lenvatinib_pd1": "7.23",
    "tace_haic_tki_ici": "7.06",
}


@pytest.mark.parametrize("regimen", ARMS)
def test_median_to_progression_of_those_who_do_not_respond(regimen: str):
    shown = MEDIANS_OF_OTHERS[regimen]
    assert of(regimen, "progression.median_of_non_responders").value == pytest.approx(float(shown), abs=1e-12)
    assert_shown(median_of_others(ARMS[regimen]), shown)


@pytest.mark.parametrize("regimen", ARMS)
def test_the_closed_form_of_the_mixture_is_its_median(regimen: str):
    """With z = sqrt(y), y the survival of the others at the median: r z + (1 - r) z^2 = 1/2."""
    arm = ARMS[regimen]
    z = (-arm.response + sqrt(arm.response**2 + 2 * (1 - arm.response))) / (2 * (1 - arm.response))
    assert (arm.pfs - HALF_SCAN_MONTHS) * log(2) / -log(z**2) == pytest.approx(median_of_others(arm), rel=1e-9)


def test_the_mixture_stands_on_parameters_that_are_still_so():
    assert DEFAULTS.value("progression.shape") == 1.0
    assert DEFAULTS.value("progression.responder_hazard_ratio") == RESPONDER_HAZARD_RATIO
    assert DEFAULTS.value("therapy.scan_interval") == pytest.approx(2 * HALF_SCAN_MONTHS, rel=1e-12)


# --- survival after progression ---------------------------------------------------------------------------------------


def median_after(arm: Arm) -> float:
    """The median of an exponential that, added to one with the median of progression, has the median of survival."""
    first = log(2) / (arm.pfs - HALF_SCAN_MONTHS)

    def alive_at_median(median: float) -> float:
        then = log(2) / median
        both = quad(lambda t: first * exp(-first * t) * exp(-then * (arm.os - t)), 0.0, arm.os, epsabs=1e-12)[0]
        return exp(-first * arm.os) + both

    return float(brentq(lambda median: alive_at_median(median) - 0.5, 0.5, 60.0, xtol=1e-10))


MEDIANS_AFTER_PROGRESSION = {
    "lenvatinib_tace": "5.30",
    "lenvatinib": "4.07",
    "haic_lenvatinib_pd1": "11.1",
    "tace_haic_tki_ici": "11.1",
}


@pytest.mark.parametrize("regimen", ARMS)
def test_median_survival_after_progression(regimen: str):
    shown = MEDIANS_AFTER_PROGRESSION[regimen]
    assert of(regimen, "death.median_after_progression").value == pytest.approx(float(shown), abs=1e-12)
    assert_shown(median_after(ARMS[regimen]), shown)
    assert DEFAULTS.value("death.shape") == 1.0


# --- conversion -------------------------------------------------------------------------------------------------------


def reaches_assessment(regimen: str) -> float:
    """Chance that a responder responds, and is found resectable at a scan, before he progresses.

    The response is exponential; the next scan comes after half an interval, further ones until the tumour is found
    resectable; no progression in between.
    """
    progress = RESPONDER_HAZARD_RATIO * log(2) / median_of_others(ARMS[regimen])
    respond = log(2) / RESPONSE_MEDIAN_MONTHS
    before_response = quad(lambda t: respond * exp(-(respond + progress) * t), 0.0, 400.0)[0]
    p = FOUND_AT_AN_ASSESSMENT
    found = sum(p * (1 - p) ** k * exp(-progress * HALF_SCAN_MONTHS * (1 + 2 * k)) for k in range(60))
    return before_response * found


REACH = {
    "lenvatinib_tace": "0.818",
    "lenvatinib": "0.753",
    "haic_lenvatinib_pd1": "0.828",
    "tace_haic_tki_ici": "0.825",
}
CONVERTIBLE = {
    "lenvatinib_tace": "0.455",
    "lenvatinib": "0.175",
    "haic_lenvatinib_pd1": "0.995",
    "tace_haic_tki_ici": "0.945",
}


@pytest.mark.parametrize("regimen", ARMS)
def test_share_of_responders_who_can_become_resectable(regimen: str):
    arm = ARMS[regimen]
    assert_shown(reaches_assessment(regimen), REACH[regimen])
    share = arm.resected / (arm.response * reaches_assessment(regimen) * OPERATED_ONCE_CONVERTED)
    assert share == pytest.approx(float(CONVERTIBLE[regimen]), abs=1e-3)  # the factors are rounded in the derivation
    told = of(regimen, "conversion.convertible_share")
    if regimen == "haic_lenvatinib_pd1":
        assert told.value == 0.95  # held below what the division gives, and called assumed
        assert told.kind == "assumed"
    else:
        assert told.value == float(CONVERTIBLE[regimen])
    text = told.derivation + told.reason + DEFAULTS["conversion.convertible_share"].derivation
    assert REACH[regimen] in text
    assert str(OPERATED_ONCE_CONVERTED) in text


def test_the_share_operated_once_converted_is_that_of_the_simulated_arm():
    """Accepts at the date for surgery, and has the treated tumour removed; salvage later is left out.  It is
    0.757, and 0.781 with the triple therapies."""
    regimen, patients = CALIBRATION.regimens["lenvatinib_tace"], 20_000
    program = compile_pathway(hcc_pathway_of(CALIBRATION), DEFAULTS.with_entries(regimen.entries).values_only())
    stays = simulate_all(program, seed=1, patients=patients, horizon_months=360.0, threads=1)

    def count(exit: str) -> int:
        return int((stays.ended_by == program.exit_names.index(exit)).sum())

    removed = sum(count(margin) for margin in ("R0", "R1", "R1 at salvage")) / (
        count("accepts surgery") + count("accepts salvage")
    )
    assert count("accepts surgery") / count("criteria met") * removed == pytest.approx(
        OPERATED_ONCE_CONVERTED, abs=0.02
    )


# --- the treated tumour and disease elsewhere -------------------------------------------------------------------------


def outgrown(months: float, hazard_ratio: float = 1.0) -> float:
    """Share of occult disease that has grown out by then: log-normal, under a hazard ratio."""
    law = NormalDist(log(DEFAULTS.value("outgrowth.median")), DEFAULTS.value("outgrowth.log_sd"))
    return float(1 - (1 - law.cdf(log(months))) ** hazard_ratio)


RECURRED, BY_MONTHS = 0.366, (12 + 16.8) / 2
"""WANG_REVIEW section 6: recurrence of up to 36.6% within 12 to 16.8 months of conversion surgery."""

RECURRENCE_FREE, WITHIN_MONTHS = 0.75, 12.0
"""Recurrence-free survival of 75% at 12 months after conversion surgery."""

DIED, OPERATED = 1 + 2, 83 + 70
"""Perioperative deaths of two series of conversion surgery, PubMed 37382760 (1 of 83) and PMC10521320 (2 of 70)."""
ALIVE_AFTER_SURGERY = 1 - DIED / OPERATED


def off_drugs_outgrown(months: float) -> float:
    return outgrown(months, DEFAULTS.value("drugs.withdrawal_effect_on_outgrowth"))


def test_share_with_occult_disease():
    new_primaries = 1 - exp(-DEFAULTS.value("new_primary.rate") * BY_MONTHS)
    off_drugs = off_drugs_outgrown(BY_MONTHS)
    assert_shown(BY_MONTHS, "14.4")
    assert_shown(100 * new_primaries, "4.2")
    assert_shown(100 * off_drugs, "72")
    share = (1 - (1 - RECURRED) / (1 - new_primaries)) / off_drugs
    assert_shown(share, "0.47")
    at = WITHIN_MONTHS
    free_of_primaries, grown = exp(-DEFAULTS.value("new_primary.rate") * at), off_drugs_outgrown(at)
    assert_shown(free_of_primaries, "0.965")
    assert_shown(ALIVE_AFTER_SURGERY, "0.980")
    assert_shown(100 * grown, "64.6")
    other = (1 - RECURRENCE_FREE / (free_of_primaries * ALIVE_AFTER_SURGERY)) / grown
    assert_shown(other, "0.32")
    assert_shown((share + other) / 2, "0.4")
    assert DEFAULTS.value("conversion.occult_share") == 0.40
    assert all(figure in DEFAULTS["conversion.occult_share"].derivation for figure in ("0.47", "0.32", "75%"))


COMPLETE_RESPONSE = (0.195, 0.391)
"""WANG_REVIEW section 6: complete pathological response of conversion resections."""


def test_share_of_dead_tumours_is_the_middle_of_the_range_less_what_sterilisation_adds():
    """What is left over is what sterilisation does in a wait within the reported observation periods."""
    dead = DEFAULTS.value("conversion.dead_share")
    assert dead == 0.27
    months = -log((1 - sum(COMPLETE_RESPONSE) / 2) / (1 - dead)) / DEFAULTS.value("sterilisation.rate")
    assert 42 / DAYS_PER_MONTH < months < 298 / DAYS_PER_MONTH


DURATION_OF_RESPONSE_MONTHS = 18.1
"""WANG_REVIEW section 4: median duration of response in IMbrave150."""


def test_median_to_regrowth():
    """By the median duration of response half are lost, some of them elsewhere; only viable tumours can regrow."""
    at = DURATION_OF_RESPONSE_MONTHS
    grown, primaries = outgrown(at), 1 - exp(-DEFAULTS.value("new_primary.rate") * at)
    assert_shown(grown, "0.659")
    assert_shown(100 * primaries, "5.3")
    free_elsewhere = (1 - DEFAULTS.value("conversion.occult_share") * grown) * (1 - primaries)
    assert_shown(free_elsewhere, "0.697")
    assert_shown(0.5 / free_elsewhere, "0.717")
    dead = DEFAULTS.value("conversion.dead_share")
    kept = (0.5 / free_elsewhere - dead) / (1 - dead)
    assert_shown(kept, "0.612")
    assert_shown(at * log(2) / -log(kept), "25.6")
    assert DEFAULTS.value("regrowth.median") == 26
    assert DEFAULTS.value("regrowth.shape") == 1.0
    derivation = DEFAULTS["regrowth.median"].derivation
    assert all(figure in derivation for figure in ("0.659", "5.3%", "0.697", "0.717", "25.6"))


MONTHS_ON_THERAPY_AT_SURGERY = 4.8


def test_perioperative_death_without_therapy():
    """The odds of the series, less what the months on therapy behind them add; at those months it is theirs again."""
    odds = DIED / (OPERATED - DIED)
    assert_shown(odds, "0.0200")
    worn = exp(DEFAULTS.value("resection.death_log_odds_per_month_on_therapy") * MONTHS_ON_THERAPY_AT_SURGERY)
    assert_shown(odds / worn, "0.0173")
    assert_shown(odds / worn / (1 + odds / worn), "0.0170")
    value = DEFAULTS.value("resection.death")
    assert value == 0.0170
    assert_shown(1 / (1 + (1 - value) / (value * worn)), "0.0196")
    assert DEFAULTS.value("salvage.death") == value  # assumed as at conversion


def test_median_after_relapse():
    """Crude medians after early and late recurrence, HBSN-21-288."""
    assert_shown(13.5**0.6 * 36.6**0.4, "20.1")
    assert DEFAULTS.value("death.median_after_relapse") == 20


# --- every number has its support -------------------------------------------------------------------------------------


def every_parameter() -> dict[str, Parameter]:
    sets = {**CALIBRATION.regimens, **CALIBRATION.populations}
    named = {f"{set_}: {name}": p for set_, entries in sets.items() for name, p in entries.entries.items()}
    return {**dict(DEFAULTS), **named}


CALIBRATED = {
    "progression.median_of_non_responders",
    "conversion.convertible_share",
    "conversion.dead_share",
    "conversion.occult_share",
    "regrowth.median",
    "resection.death",
    "death.median_after_progression",
    "death.median_after_relapse",
}


def test_every_calibrated_number_is_worked_out_here():
    found = {name.partition(": ")[2] or name for name, p in every_parameter().items() if p.kind == "calibrated"}
    assert found == CALIBRATED


def test_the_defaults_are_those_of_the_regimen_they_name():
    for name, parameter in CALIBRATION.regimens["lenvatinib_tace"].entries.items():
        assert parameter.value == DEFAULTS.value(name), name


def test_every_number_has_a_source_or_a_reason():
    for name, parameter in every_parameter().items():
        assert parameter.sources or parameter.reason, name
        assert parameter.kind != "calibrated" or parameter.derivation, name
        assert parameter.kind != "reported" or (parameter.where and parameter.support), name
        assert set(parameter.sources) <= set(CALIBRATION.sources), name


def test_every_borrowed_number_is_told():
    """A regimen whose numbers come from elsewhere says so where a headline can show it."""
    for name, regimen in CALIBRATION.regimens.items():
        assumed = [n for n, parameter in regimen.entries.items() if parameter.kind == "assumed"]
        assert bool(assumed) == bool(regimen.borrowed), name


class Figure(NamedTuple):
    value: float
    document: str
    where: str
    as_printed: str


READ = {
    "response.probability": Figure(0.541, FU_REVIEW, "section on TACE with tyrosine kinase inhibitors", "54.1%"),
    "response.median_time": Figure(50.5 / DAYS_PER_MONTH, WANG_REVIEW, "section 5, study 55", "50.5 days"),
    "lenvatinib_tace: response.probability": Figure(0.541, FU_REVIEW, "section on TACE", "54.1%"),
    "lenvatinib: response.probability": Figure(0.250, FU_REVIEW, "section on TACE", "25.0%"),
    "haic_lenvatinib_pd1: response.probability": Figure(0.573, FU_REVIEW, "Table 2, study 51", "57.3%"),
    "tace_haic_tki_ici: response.probability": Figure(0.606, WANG_REVIEW, "section 5, study 59", "60.6%"),
}
"""Every reported number, compared by eye with the page on which it is printed."""


def test_every_reported_number_was_found_in_its_document():
    reported = {name: p for name, p in every_parameter().items() if p.kind == "reported"}
    assert set(reported) == set(READ)
    for name, parameter in reported.items():
        assert parameter.value == pytest.approx(READ[name].value, abs=5e-5), name


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
