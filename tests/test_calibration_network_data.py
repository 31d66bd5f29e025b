"""Which hazard ratios enter the network, and with what error."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scipy.stats import norm

from hcc_sim.calibration.bridges import ENDPOINTS
from hcc_sim.calibration.network_data import ASSUMED_ERROR, LogRatio, log_ratio, overlaps, select_ratios
from hcc_sim.figures import Evidence, Figure, Study

CALIBRATION = Path(__file__).parents[1] / "calibration"
OS, PFS = ENDPOINTS


def ratio(**other: object) -> Figure:
    given = {
        "id": "made.os.hazard_ratio", "document": "invented", "where": "nowhere", "regimen": "a", "comparator": "b",
        "endpoint": OS, "measure": "hazard_ratio", "value": 0.8, "interval": [0.6, 1.1], "level": 95, "unit": "ratio",
        "support": "source", "kind": "reported", "status": "use", "reason": "an example",
    }  # fmt: skip
    return Figure.model_validate(given | other)


def selected(*figures: Figure, design: str = "randomised") -> tuple[LogRatio, ...]:
    study = Study.model_validate(
        {"study": "made", "title": "made", "design": design, "population": "nobody", "figures": list(figures)}
    )
    return select_ratios(Evidence({"made": study}, {}), ENDPOINTS)[0]


def test_the_error_is_of_the_interval_at_its_own_level() -> None:
    for level, z in ((95, norm.ppf(0.975)), (90, norm.ppf(0.95))):
        mean, error, notes = log_ratio(ratio(level=level))
        assert mean == pytest.approx(math.log(0.8))
        assert error == pytest.approx(math.log(1.1 / 0.6) / 2 / z)
        assert notes == ()


def test_one_end_of_an_interval_is_enough() -> None:
    assert log_ratio(ratio(interval=[None, 1.1]))[1] == pytest.approx(math.log(1.1 / 0.8) / norm.ppf(0.975))


def test_without_interval_the_error_is_of_the_bound_of_p() -> None:
    mean, error, notes = log_ratio(ratio(value=0.43, interval=None, level=None, p="< 0.001"))
    assert 2 * norm.sf(abs(mean) / error) == pytest.approx(0.001)
    assert "p < 0.001" in notes[0]
    smaller = log_ratio(ratio(value=0.43, interval=None, level=None, p="= 0.0001"))[1]
    assert smaller < error  # the bound is the largest error that the printed p allows


def test_a_reduction_in_percent_is_converted_with_a_wide_error() -> None:
    mean, error, notes = log_ratio(ratio(value=17, unit="%", interval=None, level=None))
    assert mean == pytest.approx(math.log(0.83))
    assert error == ASSUMED_ERROR
    assert len(notes) == 2
    mean, error, _ = log_ratio(ratio(value=20, unit="%", interval=[-10, 40]))
    assert (mean, error) == pytest.approx((math.log(0.8), math.log(1.1 / 0.6) / 2 / norm.ppf(0.975)))
    with pytest.raises(ValueError, match="no hazard ratio can be taken from 100 %"):
        log_ratio(ratio(value=100, unit="%"))


def test_a_correction_is_followed_and_told() -> None:
    mean, error, notes = log_ratio(ratio(corrected_value=1.25, correction="the other arm first"))
    assert (mean, error) == pytest.approx((math.log(1.25), math.log(1.1 / 0.6) / 2 / norm.ppf(0.975)))
    assert notes == ("taken the other way round: the other arm first",)
    assert log_ratio(ratio(corrected_value=0.75, correction="a digit"))[0] == pytest.approx(math.log(0.75))


@pytest.mark.parametrize(("change", "factor"), [({"status": "down-weight"}, 2), ({"support": "memory"}, 2),
    ({"status": "down-weight", "support": "memory"}, 2)])  # fmt: skip
def test_what_is_doubted_has_twice_the_variance(change: dict[str, str], factor: float) -> None:
    (plain,), (doubted,) = selected(ratio()), selected(ratio(**change))
    assert doubted.error**2 == pytest.approx(factor * plain.error**2)
    assert len(doubted.notes) == 1


@pytest.mark.parametrize("change", [{"status": "exclude"}, {"status": "context"}, {"subset": "women"},
    {"comparator": "a"}, {"endpoint": PFS, "criterion": "RECICL"}])  # fmt: skip
def test_what_does_not_enter(change: dict[str, str]) -> None:
    assert selected(ratio(**change)) == ()


def test_progression_without_criterion_enters_unless_the_study_states_only_other_ones() -> None:
    progression = ratio(endpoint=PFS, criterion="not stated")
    response = {
        "id": "made.orr.a", "comparator": None, "endpoint": "objective response", "measure": "proportion", "value": 50,
        "interval": None, "level": None, "unit": "%",
    }  # fmt: skip
    assert len(selected(progression)) == 1
    assert len(selected(progression, ratio(**response, criterion="mRECIST"))) == 1
    assert selected(progression, ratio(**response, criterion="RECICL")) == ()


def test_of_one_pair_and_of_contrasts_that_follow_from_others_one_enters() -> None:
    doubted = ratio(id="made.os.hazard_ratio.first", status="down-weight", value=0.9)
    (kept,) = selected(doubted, ratio())
    assert kept.figure == "made.os.hazard_ratio"
    third = [ratio(id=f"made.os.hazard_ratio.{a}{b}", regimen=a, comparator=b) for a, b in ("ac", "bc", "ab")]
    assert [r.figure[-2:] for r in selected(*third)] == ["ac", "bc"]


def test_rules_on_the_evidence(evidence: Evidence) -> None:
    ratios, refused = select_ratios(evidence, ENDPOINTS)
    by = {(r.study, r.endpoint): r for r in ratios}
    assert "RECICL" in next(r.reason for r in refused if r.figure == "tactics.pfs.hazard_ratio")
    assert not any("stah" in r.figure for r in refused)
    assert by["stah", OS].error == pytest.approx(math.log(1.21 / 0.69) / 2 / norm.ppf(0.95))
    assert by["agirrezabal_2024", PFS].mean > 0  # its record argues that it is printed the other way round
    printed = math.log(0.83 / 0.47) / 2 / norm.ppf(0.975)
    assert by["chance001", OS].error == pytest.approx(printed * 2.0)  # down-weighted, and controls shared
    assert by["chance2201", OS].error == pytest.approx(math.log(0.75 / 0.53) / 2 / norm.ppf(0.975) * math.sqrt(2.0))
    assert by["imbrave150", PFS].error == pytest.approx(math.log(0.76 / 0.47) / 2 / norm.ppf(0.975))  # no cohort's debt


def test_overlaps_are_those_of_the_audit_not_taken_for_chance(evidence: Evidence) -> None:
    shared = overlaps(evidence)
    assert shared["chance001"] == {"chance2201", "chance2211"}
    assert shared["agirrezabal_2024"] == {"imbrave150"}
    assert not shared["guo_2023"]  # equal medians, taken for chance
    assert not shared["fohaic1"]


def test_shares_of_the_arms_are_of_their_sizes(evidence: Evidence) -> None:
    emerald = [r for r in select_ratios(evidence, (PFS,))[0] if r.study == "emerald1"]
    assert [r.shares for r in emerald] == [
        pytest.approx((205 / 409, 204 / 409)),
        pytest.approx((205 / 412, 207 / 412)),
    ]
