"""The audit: each rule finds the fault planted for it, stays silent without, and every finding asks for a decision."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path

import pytest

from hcc_sim.figures import Evidence, load_evidence
from hcc_sim.figures.audit import Audit, audit
from hcc_sim.figures.rules import RULES, half_unit
from hcc_sim.parameters import load_calibration

CALIBRATION = Path(__file__).parents[1] / "calibration"


# --- a small study, right in every respect ----------------------------------------------------------------------------

HEAD = """\
study: small
title: one against the other
trial: {trial}
first_author: {author}
design: {design}
country: China
population: somebody
arms:
  - {{regimen: tace, patients: 80}}
  - {{regimen: sorafenib, patients: 75}}
headings: {{fu_review_2024: [tace, sorafenib]}}
figures:
"""

RIGHT = {
    "os.median.tace": "regimen: tace, endpoint: overall survival, measure: median, value: 20.0, unit: months, place: 1",
    "os.median.sorafenib": "regimen: sorafenib, endpoint: overall survival, measure: median, value: 14.0, unit: months,"
    " place: 2",
    "os.hazard_ratio": "regimen: tace, comparator: sorafenib, endpoint: overall survival, measure: hazard_ratio,"
    " value: 0.70, interval: [0.50, 0.98], level: 95, p: '= 0.038', unit: ratio",
    "os.survival_at.12": "regimen: tace, endpoint: overall survival, measure: survival_at, value: 68, unit: '%',"
    " time_months: 12",
    "os.survival_at.24": "regimen: tace, endpoint: overall survival, measure: survival_at, value: 41, unit: '%',"
    " time_months: 24",
    "pfs.median.tace": "regimen: tace, endpoint: progression-free survival, measure: median, value: 9.0, unit: months",
    "orr.proportion.tace": "regimen: tace, endpoint: objective response, criterion: mRECIST, measure: proportion,"
    " value: 57.5, unit: '%'",
    "orr.range.tace": "regimen: tace, endpoint: objective response, criterion: RECIST 1.1, measure: range,"
    " interval: [40, 60], unit: '%', members: [small.orr.proportion.tace]",
}
SAME = "document: fu_review_2024, where: Table 1, support: source, kind: reported, status: use, reason: an example"


def study(changes: dict[str, tuple[str, str]] | None = None, more: dict[str, str] | None = None, **head: str) -> str:
    """The small study; in each figure named in `changes` the first text is replaced by the second."""
    figures = dict(RIGHT)
    for name, (old, new) in (changes or {}).items():
        assert old in figures[name]
        figures[name] = figures[name].replace(old, new)
    lines = [f"  - {{id: small.{name}, {text}, {SAME}}}" for name, text in {**figures, **(more or {})}.items()]
    top = HEAD.format(**{"trial": "ANY", "author": "Li", "design": "randomised"} | head)
    return top + "\n".join(lines) + "\n"


def audited(folder: Path, *texts: str) -> Audit:
    """The audit of studies; the first is called small, the next other."""
    shutil.copy(CALIBRATION / "vocabulary.yaml", folder)
    (folder / "figures").mkdir(exist_ok=True)
    for name, text in zip(("small", "other"), texts, strict=False):
        named = text.replace("small.", f"{name}.").replace("study: small", f"study: {name}")
        (folder / "figures" / f"{name}.yaml").write_text(named, encoding="utf-8")
    return audit(load_evidence(folder, {"fu_review_2024": 1, "wang_review_2024": 2}))


def found(folder: Path, *texts: str) -> list[tuple[str, str]]:
    return [(one.finding.rule, one.finding.message) for one in audited(folder, *texts).findings]


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path):
    assert found(tmp_path, study()) == []


# --- a fault for each rule --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "rule", "told"),
    [
        (
            {"os.hazard_ratio": ("value: 0.70", "value: 0.50")},
            "hazard_ratio_outside_its_interval",
            "0.5 against 0.5 to 0.98",  # at its end
        ),
        ({"os.hazard_ratio": ("0.50, 0.98", "0.60, 0.98")}, "interval_not_symmetric", "middle of 0.6 to 0.98 is 0.77"),
        (
            {"os.hazard_ratio": ("= 0.038", "= 0.019")},
            "p_value_that_does_not_belong",
            "printed p = 0.019; estimate and 95% interval give 0.03 to 0.046; one-sided it would fit",
        ),
        ({"os.hazard_ratio": ("= 0.038", "< 0.001")}, "p_value_that_does_not_belong", "printed p < 0.001"),
        (
            {"os.hazard_ratio": ("level: 95", "level: 90")},
            "p_value_that_does_not_belong",
            "90% interval give 0.069 to 0.095; one-sided or of a 95% interval it would fit",
        ),
        (
            {"os.median.tace": ("20.0", "29.0")},
            "medians_against_hazard_ratio",
            f"medians 14.0 / 29.0 = 0.48, hazard ratio 0.7 (0.5 to 0.98): outside the interval; "
            f"shape {math.log(0.7) / math.log(14 / 29):.2f} would reconcile them",
        ),
        (
            {"os.median.tace": ("20.0", "13.0")},
            "medians_against_hazard_ratio",
            "medians 14.0 / 13.0 = 1.08, hazard ratio 0.7 (0.5 to 0.98): across 1; no shape reconciles them",
        ),
        (
            {"orr.proportion.tace": ("57.5", "57")},
            "percentage_of_no_whole_number",
            "57% of 80; 45 of 79 or 46 of 81 or 47 of 82 would give it",
        ),
        (
            {"orr.proportion.tace": ("value: 57.5", "value: 57.5, events: 47, patients: 80")},
            "percentage_of_no_whole_number",
            "47 of 80 is 58.75%, printed 57.5%",
        ),
        ({"os.survival_at.24": ("value: 41", "value: 69")}, "survival_that_rises", "50% at 20 months, then 69% at 24"),
        ({"os.survival_at.12": ("value: 68", "value: 49")}, "survival_that_rises", "49% at 12 months, then 50% at 20"),
        (
            {"pfs.median.tace": ("value: 9.0", "value: 21.0")},
            "event_free_beyond_survival",
            "progression-free survival 21.0 above overall survival 20.0",
        ),
        (
            {"orr.range.tace": ("[40, 60]", "[40, 57]")},
            "range_without_its_members",
            "40 to 57 %, and 57.5 of small.orr.proportion.tace",
        ),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(tmp_path: Path, changes: dict[str, tuple[str, str]], rule: str, told: str):
    messages = [message for name, message in found(tmp_path, study(changes)) if name == rule]
    assert len(messages) == 1
    assert told in messages[0]


def test_arms_swapped_are_found_twice(tmp_path: Path):
    swapped = study({"os.median.tace": ("20.0", "14.0"), "os.median.sorafenib": ("14.0", "20.0")})
    swapped = swapped.replace("place: 1", "place: 3").replace("place: 2", "place: 1").replace("place: 3", "place: 2")
    rules = [rule for rule, _ in found(tmp_path, swapped)]
    assert rules == ["medians_against_hazard_ratio", "values_against_the_heading"]


def test_a_value_printed_for_the_other_arm(tmp_path: Path):
    """As in a table whose heading names the other arm first."""
    text = study().replace("[tace, sorafenib]", "[sorafenib, tace]")
    ((rule, message),) = found(tmp_path, text)
    assert rule == "values_against_the_heading"
    assert message == "20.0 is printed first and is of tace, which the heading names later"


def test_two_values_of_one_quantity(tmp_path: Path):
    second = RIGHT["os.median.tace"].replace("20.0", "20.5").replace(", place: 1", "")
    more = {"os.median.tace.text": second}
    rules = found(tmp_path, study(more=more))
    assert ("one_quantity_with_two_values", "20.0 and 20.5 months") in rules
    apart = {"os.median.tace.text": second.replace("measure", "subset: men, measure")}
    assert found(tmp_path, study(more=apart)) == []


def test_two_studies_with_one_control(tmp_path: Path):
    here = [rule for rule, _ in found(tmp_path, study(), study(trial="ELSE", author="Wu"))]
    assert here == ["same_median_in_two_studies"] * 3  # both arms, and progression


def test_cohorts_of_one_name_or_one_author(tmp_path: Path):
    def rules(first: dict[str, str], second: dict[str, str]) -> set[str]:
        return {rule for rule, _ in found(tmp_path, study(**first), study(**second))}

    cohort = {"design": "cohort"}
    assert "cohorts_that_may_overlap" in rules(cohort | {"trial": "SET01"}, cohort | {"trial": "SET22", "author": "Wu"})
    assert "cohorts_that_may_overlap" in rules(cohort, cohort | {"trial": "ELSE"})
    assert "cohorts_that_may_overlap" not in rules(cohort, cohort | {"trial": "ELSE", "author": "Wu"})
    assert "cohorts_that_may_overlap" not in rules({}, {"trial": "ELSE"})


def test_a_trial_in_two_documents(tmp_path: Path):
    text = study(more={"orr.proportion.sorafenib": RIGHT["orr.proportion.tace"].replace("tace", "sorafenib")})
    before, _, last = text.rpartition("document: fu_review_2024")
    ((_, first), (rule, message)) = found(tmp_path, before + "document: wang_review_2024" + last)
    assert "57.5% of 75" in first
    assert (rule, message) == ("one_trial_in_two_documents", "fu_review_2024 and wang_review_2024")


def test_every_rule_has_its_fault_in_this_file():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [rule.__name__ for rule in RULES if text.count(f'"{rule.__name__}"') == 0] == []
    assert all(rule.__doc__ for rule in RULES)


@pytest.mark.parametrize(("sign", "found_so"), [(">", True), ("≥", True), ("≤", False), ("<", False)])
def test_a_p_told_as_a_bound(tmp_path: Path, sign: str, found_so: bool):
    """p is 0.038: no more than 0.05, and not above it."""
    rules = [rule for rule, _ in found(tmp_path, study({"os.hazard_ratio": ("= 0.038", f"{sign} 0.05")}))]
    assert ("p_value_that_does_not_belong" in rules) == found_so


def test_a_percentage_with_many_decimals_of_many_patients(tmp_path: Path):
    text = study({"orr.proportion.tace": ("57.5", "57.1234567")}).replace("patients: 80", "patients: 3000000")
    messages = [message for rule, message in found(tmp_path, text) if rule == "percentage_of_no_whole_number"]
    assert messages == [
        "57.1234567% of 3000000; 1713666 of 2999934 or 1713662 of 2999927 or 1714083 of 3000664 would give it"
    ]
    assert half_unit(1e-05) == 5e-06


@pytest.mark.parametrize(("printed", "half"), [((17.8,), 0.05), ((57,), 0.5), ((25.0,), 0.05), ((0.3, 0.55), 0.005)])
def test_rounding_is_taken_from_what_is_printed(printed: tuple[float, ...], half: float):
    assert half_unit(*printed) == half


def test_rounding_alone_is_no_fault(tmp_path: Path):
    """0.745 rounds to 0.74 or 0.75, and its interval 0.65 to 0.85 is printed so in a document."""
    right = study({"os.hazard_ratio": ("0.70, interval: [0.50, 0.98]", "0.74, interval: [0.65, 0.85]")})
    assert "interval_not_symmetric" not in [rule for rule, _ in found(tmp_path, right)]


# --- decisions --------------------------------------------------------------------------------------------------------

DECISION = """\
decisions:
  - rule: percentage_of_no_whole_number
    figures: [small.orr.proportion.tace]
    found: 57% of 80; 45 of 79 or 46 of 81 or 47 of 82 would give it
    decision: stays
"""


def test_a_finding_needs_a_decision_and_a_decision_a_finding(tmp_path: Path):
    wrong = study({"orr.proportion.tace": ("57.5", "57")})
    undecided = audited(tmp_path, wrong)
    assert not undecided.holds
    assert len(undecided.undecided) == 1
    decided = audited(tmp_path, wrong + DECISION)
    assert decided.holds
    assert [one.decision for one in decided.findings] == ["stays"]
    elsewhere = audited(tmp_path, study({"orr.proportion.tace": ("57.5", "58")}) + DECISION)
    assert [one.decision for one in elsewhere.findings] == []  # 46 of 80 is 57.5%, which may be rounded up
    changed = audited(tmp_path, study({"orr.proportion.tace": ("57.5", "57.4")}) + DECISION)
    assert [one.decision for one in changed.findings] == [None]  # decided about another number
    stale = audited(tmp_path, study() + DECISION)
    assert not stale.holds
    assert stale.decisions_without_finding == (
        ("small", "percentage_of_no_whole_number", ("small.orr.proportion.tace",)),
    )


def test_everything_found_in_the_documents_is_decided(evidence: Evidence):
    result = audit(evidence)
    assert result.undecided == ()
    assert result.decisions_without_finding == ()
    count = {rule.__name__: 0 for rule in RULES}
    for one in result.findings:
        count[one.finding.rule] += 1
    assert count == {
        "hazard_ratio_outside_its_interval": 1,
        "interval_not_symmetric": 2,
        "p_value_that_does_not_belong": 4,
        "medians_against_hazard_ratio": 10,
        "percentage_of_no_whole_number": 11,
        "survival_that_rises": 0,
        "event_free_beyond_survival": 0,
        "one_quantity_with_two_values": 1,
        "values_against_the_heading": 2,
        "range_without_its_members": 2,
        "same_median_in_two_studies": 4,
        "cohorts_that_may_overlap": 4,
        "one_trial_in_two_documents": 10,
    }


# --- faults planted in copies of the real files -----------------------------------------------------------------------


def planted(folder: Path, name: str, *changes: tuple[str, str]) -> list[str]:
    """The rules that find something without a decision once a file is changed."""
    shutil.copytree(CALIBRATION, folder / "calibration")
    path = folder / "calibration" / "figures" / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        text, count = re.subn(old, new, text, count=1, flags=re.DOTALL)
        assert count == 1, old
    path.write_text(text, encoding="utf-8")
    evidence = load_evidence(folder / "calibration", load_calibration(CALIBRATION).sources)
    return [one.finding.rule for one in audit(evidence).undecided]


def test_a_hazard_ratio_moved_outside_its_interval(tmp_path: Path):
    """Loading stops already, unless a reader flagged it, as this one is."""
    rules = planted(tmp_path, "launch", (r"value: 0\.45\n", "value: 0.65\n"))
    assert {"hazard_ratio_outside_its_interval", "interval_not_symmetric"} <= set(rules)


def test_arms_swapped_in_a_real_study(tmp_path: Path):
    medians = ((r"value: 13\.9\n", "value: X\n"), (r"value: 8\.2\n", "value: 13.9\n"), (r"value: X\n", "value: 8.2\n"))
    assert planted(tmp_path, "fohaic1", *medians) == ["medians_against_hazard_ratio"]
    places = (
        (r"(id: zheng_2022\.os\.median\.haic_sorafenib.*?)place: 1", r"\1place: 2"),
        (r"(id: zheng_2022\.os\.median\.sorafenib.*?)place: 2", r"\1place: 1"),
    )
    assert planted(tmp_path / "again", "zheng_2022", *places) == ["values_against_the_heading"]


def test_57_percent_of_80_patients(tmp_path: Path):
    """Printed so by a trial of the documents: 46 of 80 is 57.5%, which no rounding makes 57."""
    assert planted(tmp_path, "tactics", (r"decisions:.*", "")) == ["percentage_of_no_whole_number"]
    whole = (r"value: 57\n", "value: 57.5\n")
    assert planted(tmp_path / "again", "tactics", whole, (r"decisions:.*", "")) == []
    assert planted(tmp_path / "more", "guo_2023", (r"value: 52\n", "value: 53\n")) == ["percentage_of_no_whole_number"]
