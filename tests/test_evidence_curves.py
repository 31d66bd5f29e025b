"""`hcc-sim evidence curves`: known answers, how far families part, which figures inform, and how it fails."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.special import gamma, gammainc
from scipy.stats import norm

from hcc_sim.calibration import arm_curves
from hcc_sim.calibration.arm_curves import (
    BEYOND,
    ENDPOINTS,
    QUANTITIES,
    ArmCurves,
    FamilyCurve,
    Spread,
    arms_of,
    curves_of,
    restricted_mean,
    spread_of,
    with_shape,
)
from hcc_sim.calibration.curves import FamilyFit, Landmark, Median, Range, fit_curves
from hcc_sim.calibration.shapes import Shapes, shapes_of
from hcc_sim.calibration.targets import MONTHS_IN
from hcc_sim.cli import main
from hcc_sim.figures import Evidence, Figure, Study
from hcc_sim.laws import Exponential, Gompertz, Law, LogNormal, Weibull

CALIBRATION = Path(__file__).parents[1] / "calibration"
OS, PFS = "overall survival", "progression-free survival"
TWO_PARAMETERS = ("weibull", "gompertz", "log-logistic", "log-normal")


@pytest.fixture(scope="module")
def shapes(evidence: Evidence) -> dict[str, Shapes]:
    return {OS: shapes_of(evidence, OS)}


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(["evidence", "curves", *arguments])
        out, error = capsys.readouterr()
        return code, out, error

    return command


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def figure(name: str, measure: str = "median", value: float | None = 12.0, **other: object) -> Figure:
    """An invented figure of 100 patients."""
    unit = {"median": "months", "survival_at": "%", "hazard_ratio": "ratio"}.get(measure, "months")
    given = {"id": f"made.os.{name}", "document": "invented", "where": "nowhere", "regimen": "a", "endpoint": OS}
    given |= {"measure": measure, "value": value, "unit": unit, "patients": 100, "support": "memory"}
    given |= {"kind": "reported", "status": "use", "reason": "an example"}
    return Figure.model_validate(given | other)


def at(months: float, percent: float, **other: object) -> Figure:
    return figure(f"at.{months:g}", "survival_at", percent, time_months=months, **other)


def all_curves(*figures: Figure) -> list[ArmCurves]:
    study = Study(study="made", title="made", design="cohort", population="nobody", figures=list(figures))
    return [curves_of(arm) for arm in arms_of(Evidence({"made": study}, {}))]


def curves(*figures: Figure) -> ArmCurves:
    (one,) = all_curves(*figures)
    return one


# --- known answers ----------------------------------------------------------------------------------------------------


def check_exponential(median: float) -> None:
    one = curves(figure("median", value=median))
    (family,) = one.families
    assert (family.family, family.weight, one.times, one.spread) == ("exponential", 1.0, 1, None)
    mean = median / math.log(2.0)
    assert family.told["median_months"] == pytest.approx(median)
    assert family.told["mean_months"] == pytest.approx(mean)
    for years in (5, 10):
        assert family.told[f"rmst_{years}y_months"] == pytest.approx(mean * (1.0 - 0.5 ** (12.0 * years / median)))
    for years in (1, 3, 5, 10):
        assert family.told[f"survival_{years}y_percent"] == pytest.approx(100.0 * 0.5 ** (12.0 * years / median))


@pytest.mark.parametrize("median", [0.7, 12.0, 62.0, 400.0])
def test_one_median_gives_the_exponential_in_closed_form(median: float) -> None:
    check_exponential(median)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("rmst_5y_months", partial(restricted_mean, months=5.0)),
        ("rmst_10y_months", Law.mean),
        ("survival_3y_percent", lambda law: law.survival(36.0)),
        ("median_months", Law.mean),
    ],
)
def test_a_wrong_quantity_is_found_out(name: str, wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arm_curves, "QUANTITIES", {**QUANTITIES, name: wrong})
    with pytest.raises(AssertionError):
        check_exponential(62.0)


@pytest.mark.parametrize("months", [60.0, 120.0])
@pytest.mark.parametrize(("shape", "scale"), [(0.3, 20.0), (1.5, 20.0), (6.0, 90.0), (40.0, 50.0)])
def test_restricted_mean_of_a_weibull_law(shape: float, scale: float, months: float) -> None:
    h, k = (months / scale) ** shape, 1.0 / shape
    exact = scale * k * gamma(k) * gammainc(k, h)  # the integral of exp(-(t / scale)^shape)
    assert restricted_mean(Weibull(shape, scale), months) == pytest.approx(exact, rel=1e-9)


def test_restricted_mean_of_a_log_normal_law() -> None:
    mu, sigma, months = 3.0, 1.2, 120.0
    law, z = LogNormal(mu, sigma), (math.log(months) - mu) / sigma
    exact = math.exp(mu + 0.5 * sigma**2) * norm.cdf(z - sigma) + months * norm.sf(z)
    assert restricted_mean(law, months) == pytest.approx(exact, rel=1e-9)


# --- how far families part --------------------------------------------------------------------------------------------


def of(law: Law, weight: float) -> tuple[FamilyFit, FamilyCurve]:
    family = FamilyCurve("made", weight, {name: tell(law) for name, tell in QUANTITIES.items()})
    return FamilyFit("made", law, (), 0.0, 1, weight), family


def spread(*pairs: tuple[FamilyFit, FamilyCurve]) -> Spread:
    return spread_of([fit for fit, _ in pairs], [family for _, family in pairs])


def test_a_mixture_by_hand() -> None:
    found = spread(of(Exponential(0.1), 0.75), of(Exponential(0.02), 0.25), of(Exponential(5.0), 0.0))
    assert found.mixture["mean_months"] == pytest.approx(0.75 * 10.0 + 0.25 * 50.0)
    assert found.deviation["mean_months"] == pytest.approx(math.sqrt(0.75 * 0.25) * 40.0)
    assert (found.lowest["mean_months"], found.highest["mean_months"]) == pytest.approx((10.0, 50.0))
    median = found.mixture["median_months"]
    assert 0.75 * math.exp(-0.1 * median) + 0.25 * math.exp(-0.02 * median) == pytest.approx(0.5)
    weighted = 0.75 * found.lowest["median_months"] + 0.25 * found.highest["median_months"]
    assert abs(median - weighted) > 3.0, "the median of a mixture is no mean of medians"


def test_a_family_without_weight_to_speak_of_is_no_extreme() -> None:
    found = spread(of(Exponential(0.1), 0.991), of(Exponential(0.02), 0.009))
    assert found.highest["mean_months"] == pytest.approx(10.0)
    assert found.mixture["mean_months"] == pytest.approx(10.36)


def test_what_is_not_finite_has_no_deviation() -> None:
    defective = Gompertz(-0.1, 0.05)
    assert defective.median() == math.inf
    found = spread(of(Exponential(0.1), 0.5), of(defective, 0.5))
    assert found.mixture["mean_months"] == found.highest["mean_months"] == math.inf
    assert math.isnan(found.deviation["mean_months"])
    assert found.lowest["mean_months"] == pytest.approx(10.0)
    median = found.mixture["median_months"]
    assert 0.5 * (math.exp(-0.1 * median) + defective.survival(median)) == pytest.approx(0.5)
    assert spread(of(Exponential(0.1), 0.1), of(defective, 0.9)).mixture["median_months"] == math.inf


def test_at_two_times_families_of_two_parameters_weigh_alike_and_part_only_beyond() -> None:
    one = curves(figure("median", value=24.0), at(60.0, 20.0))
    assert {family.family: family.weight for family in one.families} == {
        "exponential": 0.0,
        **dict.fromkeys(TWO_PARAMETERS, 0.25),
    }
    assert (one.times, one.left_out) == (2, ("generalised gamma",))
    assert one.spread is not None
    assert one.spread.deviation["median_months"] == pytest.approx(0.0, abs=1e-9)
    assert one.spread.deviation["survival_5y_percent"] == pytest.approx(0.0, abs=1e-9)
    apart = one.spread.highest["survival_10y_percent"] - one.spread.lowest["survival_10y_percent"]
    assert apart > 3.0


def test_three_times_separate_families() -> None:
    truth = LogNormal(3.0, 1.0)
    months = (3.0, 9.0, 24.0, 60.0)
    one = curves(*(at(m, round(100.0 * truth.survival(m), 2), patients=5000) for m in months))
    weights = {family.family: family.weight for family in one.families}
    assert one.times == 4
    assert sum(weights.values()) == pytest.approx(1.0)
    assert max(weights, key=lambda name: weights[name]) == "log-normal"
    assert weights["weibull"] < 0.001


# --- which figures inform ---------------------------------------------------------------------------------------------


def points(*figures: Figure) -> tuple[object, ...]:
    return curves(*figures).of.points


def test_what_figures_say_of_a_curve() -> None:
    interval = {"interval": [300, 500], "level": 95, "unit": "days"}
    (days,) = points(figure("days", value=400, **interval))
    assert isinstance(days, Median)
    assert (days.months, days.interval) == (400 * MONTHS_IN["days"], (300 * MONTHS_IN["days"], 500 * MONTHS_IN["days"]))
    (share,) = points(at(36.0, 71.0, status="down-weight"))
    assert share == Landmark("made.os.at.36", 36.0, 71.0, patients=100, inflation=2.0)
    span = {"value": None, "interval": [6.5, 9.1]}
    assert points(figure("span", "range", **span)) == (Range("made.os.span", 6.5, 9.1),)
    of_share = {"value": None, "interval": [20, 50], "unit": "%", "time_months": 60, "status": "down-weight"}
    assert points(figure("five", "range", **of_share)) == (Range("made.os.five", 20.0, 50.0, 60.0, 2.0),)


def test_a_median_without_size_has_an_assumed_one_unless_an_interval_tells_its_error() -> None:
    bare = curves(figure("median", patients=None))
    assert [point.patients for point in bare.of.points if isinstance(point, Median)] == [100]
    assert bare.of.notes == ("no size printed: 100 assumed",)
    told = curves(figure("median", patients=None, interval=[9, 16], level=95))
    assert [point.patients for point in told.of.points if isinstance(point, Median)] == [None]
    assert told.of.notes == ()
    printed = curves(figure("median", patients=80, interval=[9, 16], level=95))
    assert [point.patients for point in printed.of.points if isinstance(point, Median)] == [80]


def test_excluded_figures_and_context_do_not_inform() -> None:
    one = curves(figure("median"), at(24.0, 40.0, status="exclude"), at(36.0, 30.0, status="context"))
    assert [f.id for f in one.of.figures] == ["made.os.median"]
    one = curves(at(24.0, 40.0, status="exclude"))
    assert one.missing == "a median or survival at a time (1 printed, but excluded or context)"


THREE = (figure("median", value=20.0), at(12.0, 75.0), at(48.0, 20.0))


def check_down_weight() -> None:
    """Half the patients of an arm without censoring have twice the variance."""
    halved = curves(*(one.model_copy(update={"patients": 50}) for one in THREE))
    down = curves(*(one.model_copy(update={"status": "down-weight"}) for one in THREE))
    assert [f.weight for f in down.families] == pytest.approx([f.weight for f in halved.families])
    assert down.of.notes == ("down-weighted",)


def test_down_weight_doubles_the_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    check_down_weight()
    monkeypatch.setattr(arm_curves, "DOWN_WEIGHT", 1.0)
    with pytest.raises(AssertionError):
        check_down_weight()


def test_a_number_told_twice_counts_once_with_its_interval() -> None:
    one = curves(figure("first"), figure("second", interval=[10, 15], level=95, time_zero="randomisation"))
    assert [f.id for f in one.of.figures] == ["made.os.second"]


def test_parts_of_an_arm_and_other_criteria_are_apart() -> None:
    found = all_curves(
        figure("all"),
        figure("early", value=8.0, subset="early recurrence"),
        figure("mrecist", value=9.0, endpoint=PFS, criterion="mRECIST"),
        figure("recist", value=7.0, endpoint=PFS, criterion="RECIST 1.1"),
        figure("response", "proportion", 30.0, endpoint="objective response", unit="%"),
    )
    assert [(one.of.endpoint, one.of.detail) for one in found] == [
        (OS, ""),
        (OS, "early recurrence"),
        (PFS, "criterion mRECIST"),
        (PFS, "criterion RECIST 1.1"),
    ]


def test_what_makes_no_curve_is_told() -> None:
    ratio = figure("ratio", "hazard_ratio", 0.7, comparator="b", interval=[0.5, 0.98], level=95)
    found = all_curves(ratio, figure("open", "range", None, interval=[12, None], regimen="c"))
    assert {one.of.regimen: one.missing for one in found} == {
        "a": "a median or survival at a time (a contrast with another arm is printed)",
        "b": "a median or survival at a time (a contrast with another arm is printed)",
        "c": "a median or survival at a time (made.os.open: one end of a range only)",
    }
    one = curves(at(12.0, 40.0), at(24.0, 45.0))
    assert one.families == ()
    assert "survival rises, 40% at 12 months, then 45% at 24" in one.missing


# --- the slope at a median --------------------------------------------------------------------------------------------


def test_a_shape_is_the_slope_at_the_median_in_every_family(evidence: Evidence, shapes: dict[str, Shapes]) -> None:
    (arm, *_) = [arm for arm in arms_of(evidence) if (arm.study, arm.endpoint) == ("launch", OS)]
    shape = shapes[OS].studies["launch"].mean
    found = with_shape(arm, shapes)
    assert found.notes[-1] == f"shape {shape:.2f} of this study"
    (median,) = arm.points
    assert isinstance(median, Median)
    fits = {fit.family: fit for fit in fit_curves(found.points).fits}
    for family in TWO_PARAMETERS:
        hazards = fits[family].law.cumulative_hazard(np.array([median.months, BEYOND * median.months]))
        assert math.log(hazards[1] / hazards[0]) / math.log(BEYOND) == pytest.approx(shape, rel=1e-6)
        assert fits[family].weight == 0.25


def test_a_shape_is_borrowed_only_by_a_median_that_stands_alone(shapes: dict[str, Shapes]) -> None:
    alone = curves(figure("median")).of
    assert with_shape(alone, shapes).notes == (f"shape {shapes[OS].new_study.mean:.2f} of a new study",)
    for arm in (
        curves(figure("median"), at(60.0, 5.0)).of,
        curves(at(60.0, 5.0)).of,
        curves(figure("median", endpoint=PFS)).of,
        curves(figure("median", subset="early recurrence")).of,
        curves(figure("median", status="exclude")).of,
    ):
        assert with_shape(arm, shapes) == arm
    assert with_shape(replace(alone, endpoint="disease-free survival"), shapes).points == alone.points


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def rows(told) -> list[dict[str, str]]:
    code, out, error = told("--format", "csv")
    assert (code, error) == (0, "")
    return rows_of(out)


def test_every_arm_with_a_usable_median_or_landmark_has_a_curve(evidence: Evidence, rows: list[dict[str, str]]) -> None:
    def usable(one: Figure) -> bool:
        survival = "survival" in one.endpoint or one.endpoint in (
            "duration of response",
            "time to untreatable progression",
        )
        return survival and one.value is not None and one.measure in ("median", "survival_at")

    expected = {
        (study.study, one.regimen or "", one.endpoint)
        for study, one in evidence.figures()
        if usable(one) and one.status in ("use", "down-weight")
    }
    having = {(row["study"], row["regimen"], row["endpoint"]) for row in rows if row["row"] == "family"}
    assert len(expected) > 100
    assert expected <= having


def test_every_figure_with_a_number_has_its_arm_told(evidence: Evidence, rows: list[dict[str, str]]) -> None:
    told = {(row["study"], row["regimen"], row["endpoint"]) for row in rows}
    for study, one in evidence.figures():
        if one.has_number and one.endpoint in ENDPOINTS:
            assert (study.study, one.regimen or "", one.endpoint) in told
    missing = [row for row in rows if row["row"] == "missing"]
    assert {row["study"] for row in missing} >= {"keynote_937", "storm", "qin_2021"}
    assert all(row["remark"].startswith("a median or survival at a time") for row in missing)


def test_weights_of_every_arm_add_up_to_one(rows: list[dict[str, str]]) -> None:
    totals: dict[tuple[str, ...], float] = {}
    for row in rows:
        if row["row"] == "family":
            arm = tuple(row[name] for name in ("study", "regimen", "endpoint", "detail"))
            totals[arm] = totals.get(arm, 0.0) + float(row["weight"])
            median, low, high = (float(row[name]) for name in ("median_months", "rmst_5y_months", "rmst_10y_months"))
            assert 0.0 < low <= high < float(row["mean_months"]) + 1e-6
            assert low <= 60.0
            assert median > 0.0
    assert len(totals) > 100
    assert set(totals.values()) == {1.0}


def test_rows_of_one_arm(told) -> None:
    _, out, _ = told("--study", "Zhang_2016", "--endpoint", "os", "--format", "csv")
    rows = [row for row in rows_of(out) if row["regimen"] == "tace"]
    assert [row["family"] or row["row"] for row in rows] == [
        "exponential",
        *TWO_PARAMETERS,
        *("mixture", "deviation", "lowest", "highest"),
    ]
    assert {(row["figures"], row["times"]) for row in rows} == {
        ("zhang_2016.os.median.tace zhang_2016.os.survival_at.60.tace", "2")
    }
    assert {(row["study"], row["endpoint"], row["remark"]) for row in rows} == {
        ("zhang_2016", OS, "no size printed: 100 assumed; down-weighted")
    }
    weibull = next(row for row in rows if row["family"] == "weibull")
    law = Weibull.from_median_and_landmark(31.0, 60.0, 0.1)
    assert float(weibull["rmst_10y_months"]) == pytest.approx(restricted_mean(law, 120.0))
    assert float(weibull["survival_3y_percent"]) == pytest.approx(100.0 * law.survival(36.0))


def test_csv_and_json_say_the_same(told) -> None:
    rows = rows_of(told("--study", "neoadjuvant_imrt_2022", "--format", "csv")[1])
    same = json.loads(told("--study", "neoadjuvant_imrt_2022", "--format", "json")[1])
    words = {None: "", "never": "inf"}
    assert [{k: words.get(v, str(v)) for k, v in row.items()} for row in same] == rows
    gompertz = next(row for row in same if row["family"] == "gompertz")
    assert gompertz["mean_months"] == "never"


def test_on_the_screen(told) -> None:
    code, out, _ = told("--study", "LAUNCH")
    assert code == 0
    assert out.startswith(
        "LAUNCH (Peng 2023)\n  overall survival; TACE with lenvatinib\n    1 informative figure: launch."
    )
    assert "mixture" not in out
    assert "4 informed at one time: the exponential alone" in out
    _, out, _ = told("--study", "LAUNCH", "--shapes")
    assert "2 informative figures: launch.os.median.tace_lenvatinib.facts; shape 1.61 of" in out
    for line in ("mixture", "± between them", "lowest", "highest"):
        assert f"    {line} " in out
    assert "4 informed at two times: fewer than three do not separate families" in " ".join(out.split())
    assert "…" not in out
    _, out, _ = told("--study", "keynote_937")
    assert out.count("no curve; missing: a median or survival at a time") == 2
    assert "2 arms. 2 without a curve." in out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--study", "lunch"), "--study: given 'lunch', which no curve has. Did you mean 'launch'?"),
        (
            ("--endpoint", "overal survival"),
            "--endpoint: given 'overal survival', which no curve has. Did you mean 'ov",
        ),
        (("--endpoint", "objective response"), "--endpoint: given 'objective response', which no curve has. "),
        (("--format", "xml"), "xml"),
    ],
)
def test_unknown_names_are_told_with_the_nearest(told, given: tuple[str, str], message: str) -> None:
    code, out, error = told(*given)
    assert (code, out) == (2, "")
    assert message in error


def test_all_that_is_wrong_is_told_at_once(told) -> None:
    code, _, error = told("--study", "lunch", "--endpoint", "overal survival")
    assert code == 2
    assert "'launch'" in error
    assert "'overall survival'" in error


def test_a_study_without_that_endpoint_has_a_heading_alone(told) -> None:
    code, out, _ = told("--study", "storm", "--endpoint", "overall survival", "--format", "csv")
    assert code == 0
    assert rows_of(out) == []
    assert out.startswith("study,regimen,endpoint,")
    _, out, _ = told("--study", "storm", "--endpoint", "overall survival")
    assert "0 arms." in out
