"""Which figures the pathway is held against, how they are read, how sure they are: a small study, then the evidence."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from hcc_sim.calibration import sampling, statistics
from hcc_sim.calibration.targets import (
    ASSUMED_PATIENTS,
    BORROWED_ERROR,
    MONTHS_IN,
    LeftOut,
    Target,
    arms_of,
    targets_of,
)
from hcc_sim.calibration.trial import Arm
from hcc_sim.figures import Evidence, load_evidence

CALIBRATION = Path(__file__).parents[1] / "calibration"
INF = math.inf
Z95 = 1.959963984540054


def logit(share: float) -> float:
    return math.log(share / (1.0 - share))


def cloglog(share: float) -> float:
    return math.log(-math.log(share))


# --- a small study ----------------------------------------------------------------------------------------------------

HEAD = """\
study: {name}
title: one against the other
design: randomised
population: somebody
arms:
{arms}
figures:
"""
STANDS_IN = """\
study: reference
title: whose converted patients stand in
design: cohort
population: somebody
arms:
  - {regimen: local+tki+ici}
stands_in: true
figures:
  - {id: reference.0.x, regimen: local+tki+ici, endpoint: other, measure: count, value: 7, unit: patients,
     status: context, document: fu_review_2024, where: Table 1, support: source, kind: reported, reason: an example}
"""
REFERENCE, OF_EVIDENCE = "reference/local+tki+ici", "ke_2022/local+tki+ici"
ARMS = {"tace": "80", "sorafenib": "75", "resection+tace": "20"}
SAME = "support: source, kind: reported, reason: an example"

OS, PFS = "endpoint: overall survival", "endpoint: progression-free survival"
MEDIAN = f"regimen: tace, {OS}, measure: median, value: 20.0, unit: months"
RATIO = f"regimen: tace, comparator: sorafenib, {OS}, measure: hazard_ratio, value: 0.7, unit: ratio"
RATIO += ", interval: [0.5, 0.98], level: 95"
RESPONSE = "regimen: tace, endpoint: objective response, criterion: {}, measure: proportion, value: 40, unit: '%'"
TACE = "regimen: tace, "
SURVIVAL = f"regimen: tace, {OS}, measure: survival_at, value: 64, unit: '%', time_months: 12"


def read(
    folder: Path, *figures: str, name: str = "small", arms: Mapping[str, str] = ARMS, about: str = ""
) -> tuple[list[Target], list[LeftOut]]:
    """Targets of figures written as `key: value, ...`; status and document unless they say themselves."""
    shutil.copy(CALIBRATION / "vocabulary.yaml", folder)
    (folder / "figures").mkdir(exist_ok=True)
    lines = []
    for number, figure in enumerate(figures):
        status = "" if "status:" in figure else ", status: use"
        document = "" if "document:" in figure else ", document: fu_review_2024, where: Table 1"
        lines.append(f"  - {{id: {name}.{number}.x, {figure}{status}{document}, {SAME}}}")
    sizes = "\n".join(f"  - {{regimen: {arm}, patients: {n}}}" for arm, n in arms.items())
    (folder / "figures" / "reference.yaml").write_text(STANDS_IN, encoding="utf-8")
    text = about + HEAD.format(name=name, arms=sizes or "  []") + "\n".join(lines) + "\n"
    (folder / "figures" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return targets_of(load_evidence(folder, {"fu_review_2024": 1, "wang_review_2024": 2}))


def one(folder: Path, figure: str, *others: str, **more: object) -> Target:
    """The target of the first figure."""
    targets, left = read(folder, figure, *others, **more)  # type: ignore[arg-type]
    assert left == []
    return targets[0]


def why(folder: Path, figure: str, **more: object) -> str:
    """Why a figure is no target."""
    targets, left = read(folder, figure, **more)  # type: ignore[arg-type]
    assert targets == []
    (single,) = left
    return single.why


def arm(patients: int, **times: list[float]) -> Arm:
    names = ("death", "progression", "response", "conversion", "operation", "resection", "recurrence", "repeat")
    columns = {name: np.array(times.get(name, [INF] * patients)) for name in names}
    nobody = np.zeros(patients, dtype=bool)
    return Arm(**columns, complete_pathological_response=nobody, of_other_causes=nobody)


SOME = arm(
    6,
    death=[10.0, 6.0, 61.0, INF, 40.0, 20.0],
    progression=[4.0, INF, 30.0, INF, 12.0, 15.0],
    response=[INF, 2.0, 1.0, 2.5, 3.0, 3.0],
    conversion=[INF, 4.0, 3.0, 8.0, 5.0, 6.0],
    operation=[INF, 6.0, 5.0, 9.0, 13.0, INF],
    resection=[INF, INF, 5.0, 9.0, 13.0, INF],
    recurrence=[INF, INF, 30.0, INF, 37.0, INF],
)
NO_SHIFT = {"trial.follow_up": 24.0, "trial.recist_log_odds": 0.0}


def same_statistic(target: Target, expected: statistics.Statistic) -> bool:
    """Whether both read the same off an arm."""
    arms = (SOME, SOME) if expected.contrast else (SOME,)
    return target.statistic.contrast == expected.contrast and target.statistic(NO_SHIFT, *arms) == expected(
        NO_SHIFT, *arms
    )


# --- how a figure is read ---------------------------------------------------------------------------------------------


def test_a_median_without_interval_is_as_sure_as_its_arm_is_large(tmp_path: Path):
    target = one(tmp_path, MEDIAN)
    assert (target.study, target.arm, target.versus, target.arms) == ("small", "small/tace", None, ("small/tace",))
    assert target.reading == sampling.of_median(20.0, patients=80, shape=1.5)
    assert same_statistic(target, statistics.median(statistics.overall_survival, 20.0, 1.5))
    assert target.note == ""


def test_a_median_with_its_interval(tmp_path: Path):
    target = one(tmp_path, MEDIAN + ", interval: [15, 26], level: 95")
    assert target.reading.error == pytest.approx(math.log(26 / 15) / (2 * Z95))
    assert target.reading.basis == "interval"


def test_the_shape_goes_with_the_endpoint(tmp_path: Path):
    target = one(tmp_path, MEDIAN.replace("overall", "progression-free"))
    assert target.reading == sampling.of_median(20.0, patients=80, shape=1.0)
    assert same_statistic(target, statistics.median(statistics.progression_free_survival, 20.0, 1.0))


@pytest.mark.parametrize(("unit", "value"), [("days", 365.25), ("weeks", 365.25 / 7), ("months", 12.0), ("years", 1)])
def test_months_whatever_the_unit(tmp_path: Path, unit: str, value: float):
    target = one(tmp_path, MEDIAN.replace("20.0", str(value)).replace("months", unit))
    assert target.reading.value == pytest.approx(math.log(12.0))
    assert value * MONTHS_IN[unit] == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("endpoint", "times"),
    [
        ("duration of response", statistics.duration_of_response),
        ("survival after progression", statistics.survival_after_progression),
    ],
)
def test_medians_of_other_times(tmp_path: Path, endpoint: str, times: statistics.Times):
    target = one(tmp_path, MEDIAN.replace("overall survival", endpoint))
    assert same_statistic(target, statistics.median(times, 20.0, 1.0))


def test_times_that_visits_make_are_read_by_their_middle(tmp_path: Path):
    target = one(tmp_path, MEDIAN.replace("overall survival", "time to response"))
    assert same_statistic(target, statistics.middle(statistics.time_to_response))


def test_survival_at_a_time(tmp_path: Path):
    target = one(tmp_path, SURVIVAL)
    assert target.reading == sampling.of_survival_at(64, 80)
    assert target.reading.value == pytest.approx(cloglog(0.64))
    assert same_statistic(target, statistics.landmark(statistics.overall_survival, 12.0))


def test_a_hazard_ratio(tmp_path: Path):
    target = one(tmp_path, RATIO, MEDIAN, MEDIAN.replace("tace", "sorafenib"))
    assert (target.arm, target.versus) == ("small/tace", "small/sorafenib")
    assert target.arms == ("small/tace", "small/sorafenib")
    assert target.reading.value == pytest.approx(math.log(0.7))
    assert target.reading.error == pytest.approx(math.log(0.98 / 0.5) / (2 * Z95))
    assert same_statistic(target, statistics.contrast(statistics.overall_survival))


def test_a_hazard_ratio_with_its_p_alone(tmp_path: Path):
    target = one(tmp_path, RATIO.replace("interval: [0.5, 0.98], level: 95", "p: '= 0.05'"))
    assert target.reading.error == pytest.approx(abs(math.log(0.7)) / Z95)
    assert target.note == "error from its p (= 0.05)"


@pytest.mark.parametrize(("criterion", "shifted"), [("mRECIST", False), ("RECIST 1.1", True), ("not stated", False)])
def test_only_recist_1_1_is_shifted(tmp_path: Path, criterion: str, shifted: bool):
    target = one(tmp_path, RESPONSE.format(criterion))
    assert target.reading.value == pytest.approx(logit(0.4))
    assert target.reading.error == pytest.approx(math.sqrt(1 / 32 + 1 / 48))
    here = target.statistic(NO_SHIFT, SOME).working
    there = target.statistic(NO_SHIFT | {"trial.recist_log_odds": -0.4}, SOME).working
    assert here == pytest.approx(logit(5 / 6))
    assert there - here == pytest.approx(-0.4 if shifted else 0.0)
    assert ("criterion not stated, taken as mRECIST" in target.note) == (criterion == "not stated")


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("resection", statistics.share(statistics.operated)),
        ("curative treatment", statistics.share(statistics.operated)),
        ("conversion", statistics.share(statistics.converted)),
    ],
)
def test_shares_of_an_arm(tmp_path: Path, endpoint: str, expected: statistics.Statistic):
    target = one(tmp_path, RESPONSE.format("mRECIST").replace("objective response", endpoint))
    assert same_statistic(target, expected)
    assert target.reading == sampling.of_proportion(80, percent=40)


def test_a_count_is_of_its_patients(tmp_path: Path):
    count = "regimen: resection+tace, endpoint: perioperative death, measure: count, value: 2, unit: patients"
    own = one(tmp_path, count + ", patients: 50")
    assert own.reading == sampling.of_proportion(50, count=2)
    of_arm = one(tmp_path, count)
    assert of_arm.reading == sampling.of_proportion(20, count=2)
    assert of_arm.note.startswith("of 20 who were operated")
    by_share = one(
        tmp_path,
        count.replace("resection+tace", "tace"),
        RESPONSE.format("mRECIST").replace("objective response", "resection"),
    )
    assert by_share.reading == sampling.of_proportion(32, count=2)  # 40% of 80
    unknown = why(tmp_path, count.replace("resection+tace", "tace"))
    assert unknown == "a count without the number of patients that it is of"


# --- ranges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "value", "error"),
    [
        (
            "regimen: tace, endpoint: objective response, criterion: mRECIST, measure: range, interval: [40, 60],"
            " unit: '%'",
            0.0,
            math.log(1.5),
        ),
        (
            f"regimen: tace, {OS}, measure: range, interval: [6, 24], unit: months",
            math.log(12),
            math.log(2),
        ),
        (
            f"regimen: tace, {OS}, measure: range, interval: [1, 2], unit: years",
            math.log(12 * math.sqrt(2)),
            math.log(2) / 2,
        ),
        (
            f"regimen: tace, {OS}, measure: range, interval: [25, 57], unit: '%', time_months: 60",
            (cloglog(0.25) + cloglog(0.57)) / 2,
            (cloglog(0.25) - cloglog(0.57)) / 2,
        ),
    ],
)
def test_a_range_is_its_middle_with_half_its_width(tmp_path: Path, figure: str, value: float, error: float):
    target = one(tmp_path, figure)
    assert target.reading.value == pytest.approx(value, abs=1e-12)
    assert target.reading.error == pytest.approx(error)
    assert target.note == "a span over series: its middle, half its width as error"


def test_a_range_of_survival_is_a_landmark_at_its_time(tmp_path: Path):
    target = one(tmp_path, f"regimen: tace, {OS}, measure: range, interval: [25, 57], unit: '%', time_months: 30")
    assert same_statistic(target, statistics.landmark(statistics.overall_survival, 30.0))


@pytest.mark.parametrize(
    ("figure", "scale"),
    [
        ("endpoint: conversion, measure: range, interval: [40, 60], unit: '%'", "logit"),
        (f"{OS}, measure: range, interval: [25, 57], unit: '%', time_months: 60", "complementary log-log"),
    ],
)
def test_a_range_knows_its_scale(tmp_path: Path, figure: str, scale: str):
    assert one(tmp_path, f"regimen: tace, {figure}").reading.scale == scale


@pytest.mark.parametrize(
    "figure",
    [
        pytest.param("endpoint: conversion, measure: range, interval: [0, 5], unit: '%'", id="from none"),
        pytest.param(f"{OS}, measure: range, interval: [80, 100], unit: '%', time_months: 6", id="up to all"),
        pytest.param(f"{OS}, measure: median, value: 20, interval: [15, 26], unit: months", id="no level"),
        pytest.param(f"{SURVIVAL}, interval: [50, 76]".removeprefix(TACE), id="no level at a time"),
        pytest.param(
            "endpoint: conversion, measure: count, value: 90, unit: patients, patients: 80", id="more than all"
        ),
    ],
)
def test_what_tells_no_error_is_left_out_with_a_reason(tmp_path: Path, figure: str):
    assert why(tmp_path, TACE + figure)


def test_a_range_without_width_tells_no_error(tmp_path: Path):
    figure = "regimen: tace, endpoint: conversion, measure: range, interval: [40, 40], unit: '%'"
    targets, left = read(tmp_path, figure)
    assert targets == []
    assert [one.why for one in left] == ["tells no error: a range without width"]


# --- how sure a figure is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("figure", [MEDIAN, SURVIVAL, RESPONSE.format("mRECIST"), RATIO])
def test_down_weight_doubles_the_variance(tmp_path: Path, figure: str):
    full = one(tmp_path, figure).reading
    less = one(tmp_path, figure + ", status: down-weight").reading
    assert less.error**2 == pytest.approx(2.0 * full.error**2)
    assert less.value == full.value


def test_context_is_neither_a_target_nor_left_out(tmp_path: Path):
    assert read(tmp_path, f"{MEDIAN}, status: context") == ([], [])


def test_what_is_excluded_is_shown_and_not_fitted(tmp_path: Path):
    assert not one(tmp_path, f"{MEDIAN}, status: exclude").fitted
    assert one(tmp_path, f"{MEDIAN}").fitted


def test_patients_of_the_figure_come_before_those_of_its_arm(tmp_path: Path):
    assert one(tmp_path, MEDIAN + ", patients: 33").reading == sampling.of_median(20.0, patients=33, shape=1.5)


def test_patients_from_the_interval_of_the_hazard_ratio(tmp_path: Path):
    """An error of ln HR is sqrt(1 / d + 1 / d) with d events in each of two equal arms, two thirds of the patients."""
    error = math.log(0.98 / 0.5) / (2 * Z95)
    patients = 2.0 / error**2 * 1.5
    target = one(tmp_path, MEDIAN, RATIO, arms={"lenvatinib": "9"})
    assert target.reading.error == pytest.approx(sampling.of_median(20.0, patients=patients, shape=1.5).error)
    assert target.note == "size from the interval of the hazard ratio"
    of_control = one(tmp_path, MEDIAN.replace("tace", "sorafenib"), RATIO, arms={"lenvatinib": "9"})
    assert of_control.reading.error == target.reading.error


@pytest.mark.parametrize(
    "ratio",
    [
        RATIO.replace("overall", "progression-free"),
        RATIO.replace("tace", "lenvatinib"),
        RATIO.replace("interval: [0.5, 0.98], level: 95", "p: '= 0.05'"),
    ],
)
def test_no_size_follows_from_other_ratios(tmp_path: Path, ratio: str):
    target = one(tmp_path, MEDIAN, ratio, arms={"lenvatinib": "9"})
    assert target.reading == sampling.of_median(20.0, patients=ASSUMED_PATIENTS, shape=1.5)
    assert target.note == "no size printed: 100 assumed"


def test_an_interval_needs_no_patients(tmp_path: Path):
    target = one(tmp_path, MEDIAN + ", interval: [15, 26], level: 95", arms={"lenvatinib": "9"})
    assert (target.reading.basis, target.note) == ("interval", "")


def test_a_share_of_the_operated_is_as_sure_as_they_are_many(tmp_path: Path):
    """40% of 80 were resected: half of 32."""
    pcr = RESPONSE.format("not stated").replace("objective response", "complete pathological response")
    resected = RESPONSE.format("not stated").replace("objective response", "resection")
    target = one(tmp_path, pcr.replace("value: 40", "value: 50"), resected)
    assert target.reading.error == pytest.approx(math.sqrt(1 / 16 + 1 / 16))


# --- one figure in two documents --------------------------------------------------------------------------------------

ELSEWHERE = ", document: wang_review_2024, where: text"
INTERVAL = ", interval: [15, 26], level: 95"


@pytest.mark.parametrize("kept", [0, 1])
def test_a_figure_told_twice_counts_once_with_its_interval(tmp_path: Path, kept: int):
    figures = [MEDIAN, MEDIAN + ELSEWHERE]
    figures[kept] += INTERVAL
    targets, left = read(tmp_path, *figures)
    (target,) = targets
    (other,) = left
    assert (target.figure.id, target.reading.basis) == (f"small.{kept}.x", "interval")
    assert (other.figure.id, other.why) == (f"small.{1 - kept}.x", f"counts once, as small.{kept}.x")


@pytest.mark.parametrize("interval", ["", INTERVAL])
def test_of_two_alike_the_first_is_kept(tmp_path: Path, interval: str):
    targets, left = read(tmp_path, MEDIAN + interval, MEDIAN + interval + ELSEWHERE, MEDIAN + ELSEWHERE)
    assert [target.figure.id for target in targets] == ["small.0.x"]
    assert [(one.figure.id, one.why) for one in left] == [
        ("small.1.x", "counts once, as small.0.x"),
        ("small.2.x", "counts once, as small.0.x"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("20.0", "20.1"),
        ("tace", "sorafenib"),
        ("overall", "progression-free"),
        ("measure", "subset: men, measure"),
    ],
)
def test_what_differs_counts_twice(tmp_path: Path, old: str, new: str):
    targets, left = read(tmp_path, MEDIAN, MEDIAN.replace(old, new) + ELSEWHERE)
    assert (len(targets), left) == (2, [])


def test_one_value_by_two_criteria_counts_twice(tmp_path: Path):
    targets, _ = read(tmp_path, RESPONSE.format("mRECIST"), RESPONSE.format("RECIST 1.1"))
    assert len(targets) == 2


def test_one_number_of_two_units_counts_twice(tmp_path: Path):
    targets, _ = read(tmp_path, MEDIAN, MEDIAN.replace("months", "weeks"))
    assert len(targets) == 2


def test_two_studies_with_one_value_count_twice(tmp_path: Path):
    read(tmp_path, MEDIAN)
    targets, left = read(tmp_path, MEDIAN, name="other")
    assert ([target.study for target in targets], left) == (["other", "small"], [])


# --- arms -------------------------------------------------------------------------------------------------------------

OF_RESECTED = MEDIAN.replace("regimen: tace", "regimen: resection+tace")


def test_the_resected_of_an_arm_come_from_it(tmp_path: Path):
    target = one(tmp_path, OF_RESECTED, MEDIAN)
    assert (target.arm, target.of_operated) == ("small/tace", True)
    assert same_statistic(target, statistics.median(statistics.survival_after_resection, 20.0, 1.5))
    assert target.reading == sampling.of_median(20.0, patients=20, shape=1.5)
    assert target.note == ""
    recurrence = one(tmp_path, OF_RESECTED.replace("overall", "recurrence-free"), MEDIAN)
    assert same_statistic(recurrence, statistics.median(statistics.recurrence_free_survival, 20.0, 1.0))


def test_the_resected_alone_borrow_the_therapy_of_the_reference(tmp_path: Path):
    target = one(tmp_path, OF_RESECTED)
    assert (target.arm, target.note) == (REFERENCE, f"converted as in {REFERENCE}")
    assert list(arms_of([target])) == [REFERENCE]


def test_shares_of_the_operated_alone_tell_nothing_of_therapy(tmp_path: Path):
    pcr = RESPONSE.format("not stated").replace("objective response", "complete pathological response")
    targets, _ = read(tmp_path, pcr, OF_RESECTED)
    assert [target.arm for target in targets] == [REFERENCE, REFERENCE]
    targets, _ = read(tmp_path, pcr, OF_RESECTED, RESPONSE.format("mRECIST"))
    assert {target.arm for target in targets} == {"small/tace"}


def test_a_contrast_of_resected_does_not_borrow_half(tmp_path: Path):
    """Nothing tells of either therapy: both arms would be the reference, and the ratio is about nothing."""
    ratio = RATIO.replace(": tace", ": resection+tace").replace(": sorafenib", ": resection+tki+pd1")
    targets, _ = read(tmp_path, ratio)
    assert all("small/" not in arm for target in targets for arm in target.arms)


def test_arms_are_simulated_once_each(tmp_path: Path):
    targets, _ = read(tmp_path, MEDIAN, RATIO, SURVIVAL, OF_RESECTED)
    assert list(arms_of(targets)) == ["small/tace", "small/sorafenib"]


def test_what_is_borrowed_is_less_sure(tmp_path: Path):
    about = "taken_for: others\n"
    after = "subset: early recurrence, time_zero: recurrence, measure: median"
    target = one(tmp_path, MEDIAN.replace("measure: median", after).replace(": tace", ": resection"), about=about)
    plain = sampling.of_median(20.0, patients=ASSUMED_PATIENTS, shape=1.5)
    assert target.reading.error == pytest.approx(math.hypot(plain.error, BORROWED_ERROR))
    assert target.arm == REFERENCE
    assert target.note.split("; ") == ["no size printed: 100 assumed", "others", f"converted as in {REFERENCE}"]
    less = one(
        tmp_path,
        MEDIAN.replace("measure: median", after).replace(": tace", ": resection") + ", status: down-weight",
        about=about,
    )
    assert less.reading.error == pytest.approx(math.hypot(math.sqrt(2.0) * plain.error, BORROWED_ERROR))


@pytest.mark.parametrize(("whom", "among"), [("converted", True), ("all", False)])
def test_operated_against_not_operated(tmp_path: Path, whom: str, among: bool):
    targets, left = read(tmp_path, OF_RESECTED, MEDIAN.replace("20.0", "11.0"), about=f"compares: {whom}\n")
    assert left == []
    for target, operated, months in zip(targets, (True, False), (20.0, 11.0), strict=True):
        assert (target.arm, target.compares) == ("small/tace", whom)

        def times(arm: Arm, operated: bool = operated) -> tuple[statistics.Floats, statistics.Flags]:
            return statistics.survival_by_operation(arm, operated=operated, among_converted=among)

        assert same_statistic(target, statistics.median(times, months, 1.5))


# --- figures that cannot both be right --------------------------------------------------------------------------------


def test_figures_that_contradict_each_other_both_stay_out(tmp_path: Path):
    targets, left = read(tmp_path, MEDIAN, MEDIAN.replace("20.0", "44.0"), SURVIVAL)
    assert [target.figure.measure for target in targets] == ["survival_at"]
    assert [one.why.partition(":")[0] for one in left] == ["contradicts small.1.x", "contradicts small.0.x"]


def test_figures_that_differ_by_chance_both_count(tmp_path: Path):
    targets, left = read(tmp_path, MEDIAN, MEDIAN.replace("20.0", "22.0"))
    assert (len(targets), left) == (2, [])


# --- what is left out -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figure", "told"),
    [
        (MEDIAN.removeprefix(TACE), "of patients in general"),
        (
            MEDIAN.replace("20.0", "130.0"),
            "a median beyond the follow-up of simulated trials (130 of 120 months)",
        ),
        (RATIO.replace(": sorafenib", ": observation"), "its arms start at different places"),
        (
            MEDIAN.replace(": tace", ": adjuvant sorafenib").replace("overall survival", "time to response"),
            "time to response of the resected is not read off the pathway",
        ),
        (
            MEDIAN.replace("overall survival", "disease-free survival"),
            "disease-free survival is not read off the pathway",
        ),
        (
            OF_RESECTED.replace("overall", "progression-free"),
            "progression-free survival of the resected is not read off the pathway",
        ),
        (
            RESPONSE.format("mRECIST").replace("objective", "complete"),
            "complete response is not read off the pathway",
        ),
        (RESPONSE.format("mRECIST") + ", subset: men", "of a part of the arm (men)"),
        (RATIO + ", subset: men", "a contrast of parts of an arm"),
        (
            f"regimen: tace, {OS}, measure: bound, interval: [10, null], unit: months",
            "a bound of overall survival is not read off the pathway",
        ),
        (
            RATIO.replace("0.7,", "30,").replace("ratio, interval: [0.5, 0.98], level: 95", "'%'"),
            "enters the network only: no ratio is printed",
        ),
        (
            RATIO.replace(", interval: [0.5, 0.98], level: 95", ""),
            "a hazard ratio needs its interval, the events or p",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why(tmp_path: Path, figure: str, told: str):
    assert why(tmp_path, figure) == told


# --- the evidence -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(evidence: Evidence) -> tuple[list[Target], list[LeftOut]]:
    return targets_of(evidence)


def test_every_figure_becomes_one_target_or_is_left_out(
    evidence: Evidence, found: tuple[list[Target], list[LeftOut]]
):  # fmt: skip
    targets, left = found
    expected = Counter(
        (study.study, figure.id)
        for study, figure in evidence.figures()
        if figure.status != "context" and (figure.value is not None or figure.interval is not None)
    )
    told = Counter((one.study, one.figure.id) for one in (*targets, *left))
    assert told == expected
    assert set(told.values()) == {1}
    assert all(one.why.strip() for one in left)
    assert len(targets) > 150


def test_every_reading_is_a_number_with_an_error(found: tuple[list[Target], list[LeftOut]]):
    for target in found[0]:
        assert math.isfinite(target.reading.value), target.figure.id
        assert 0.01 < target.reading.error < 2.0, target.figure.id


def test_every_statistic_reads_an_arm(found: tuple[list[Target], list[LeftOut]]):
    for target in found[0]:
        arms = (SOME,) * len(target.arms)
        assert target.statistic.contrast == (target.versus is not None) == (target.figure.measure == "hazard_ratio")
        assert len(target.statistic(NO_SHIFT, *arms)) == 2, target.figure.id


def test_an_arm_is_one_of_its_study_or_the_reference(evidence: Evidence, found: tuple[list[Target], list[LeftOut]]):
    for target in found[0]:
        for name, regimen in zip(target.arms, (target.figure.regimen, target.figure.comparator), strict=False):
            assert regimen is not None
            own = f"{target.study}/{regimen.removeprefix('resection+')}"
            assert name == own or (name == OF_EVIDENCE and f"converted as in {OF_EVIDENCE}" in target.note)
            assert "resection+" not in name
    told_by_therapy = {arm for target in found[0] if not target.of_operated for arm in target.arms}
    assert set(arms_of(found[0])) <= told_by_therapy
    assert OF_EVIDENCE in told_by_therapy


def test_what_counts_once_is_told_by_a_target(found: tuple[list[Target], list[LeftOut]]):
    by_id = {target.figure.id: target.figure for target in found[0]}
    twice = [one for one in found[1] if one.why.startswith("counts once, as ")]
    assert len(twice) >= 5
    for one in twice:
        kept = by_id[one.why.removeprefix("counts once, as ")]
        same = ("regimen", "comparator", "endpoint", "measure", "value", "unit", "time_months")
        assert all(getattr(kept, field) == getattr(one.figure, field) for field in same)
        assert kept.interval is not None or one.figure.interval is None
        assert "not stated" in (kept.criterion, one.figure.criterion) or kept.criterion == one.figure.criterion


def test_down_weight_in_the_evidence(evidence: Evidence, found: tuple[list[Target], list[LeftOut]]):
    """Read again as if every figure were used in full."""
    studies = {
        name: study.model_copy(
            update={
                "figures": [
                    f.model_copy(update={"status": "use"}) if f.status == "down-weight" else f for f in study.figures
                ]
            }
        )
        for name, study in evidence.studies.items()
    }
    full = {target.figure.id: target.reading.error for target in targets_of(Evidence(studies, evidence.vocabulary))[0]}
    factors = Counter()
    for target in found[0]:
        other = BORROWED_ERROR if target.taken_for else 0.0
        factor = (target.reading.error**2 - other**2) / (full[target.figure.id] ** 2 - other**2)
        assert factor == pytest.approx(2.0 if target.figure.status == "down-weight" else 1.0)
        factors[round(factor)] += 1
    assert min(factors[1], factors[2]) > 50


def test_response_by_criterion_in_the_evidence(found: tuple[list[Target], list[LeftOut]]):
    shifted = Counter()
    for target in found[0]:
        if target.figure.endpoint == "objective response":
            here = target.statistic(NO_SHIFT, SOME).working
            moved = target.statistic(NO_SHIFT | {"trial.recist_log_odds": -0.4}, SOME).working - here
            assert moved == pytest.approx(-0.4 if target.figure.criterion == "RECIST 1.1" else 0.0)
            shifted[target.figure.criterion] += 1
    assert min(shifted["RECIST 1.1"], shifted["mRECIST"]) >= 10


def test_known_targets(found: tuple[list[Target], list[LeftOut]]):
    """Worked out from the files of the figures by whoever wrote this test."""
    by_id = {target.figure.id: target for target in found[0]}
    launch = by_id["launch.os.median.tace_lenvatinib.facts"].reading
    assert (launch.value, launch.basis) == (math.log(17.8), "patients or events")
    assert math.log(19.5 / 16.1) / (2 * Z95) < launch.error  # the interval claims more than 170 patients can tell
    assert launch == sampling.of_median(17.8, patients=170, shape=1.5)
    pcr = by_id["launch.complete_pathological_response.count.tace_lenvatinib"]
    assert pcr.arm == "launch/tace+lenvatinib"
    assert pcr.reading.value == pytest.approx(logit(2 / 26))  # 15.3% of 170 were resected
    stah = by_id["stah.os.hazard_ratio"].reading
    assert stah.error == pytest.approx(math.log(1.21 / 0.69) / (2 * 1.6448536269514722))  # its interval is of 90%
    death = by_id["pmc10521320.perioperative_death.count"]
    assert (death.arm, death.reading) == (OF_EVIDENCE, sampling.of_proportion(70, count=2))
    resected = by_id["zhang_2016.os.median.resection_tace"]
    assert (resected.arm, resected.of_operated) == ("zhang_2016/tace", True)
    early = by_id["hbsn_21_288.curative.proportion.early"]
    assert early.arm == OF_EVIDENCE
    assert "resected patients in general" in early.note
    assert early.reading.error > BORROWED_ERROR
    days = by_id["zhang_2021.time_to_response.median.haic_tki_ici"]
    assert days.reading.value == pytest.approx(math.log(50.5 / 365.25 * 12))
