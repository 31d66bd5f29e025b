"""Reported figures: all of them load, and whatever is wrong with a file is told with line, key and remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from hcc_sim.errors import InputError
from hcc_sim.figures import Evidence, load_evidence, rows, study_schema

CALIBRATION = Path(__file__).parents[1] / "calibration"
DOCUMENTS = ("fu_review_2024", "wang_review_2024", "zhao_ming_2024", "zhao_haitao_2024", "radiotherapy_news", "facts")


# --- what there is ----------------------------------------------------------------------------------------------------


def test_every_document_is_read(evidence: Evidence):
    with_number = dict.fromkeys(DOCUMENTS, 0)
    for row in rows(evidence):
        with_number[row.document] += (
            row.value is not None or row.interval_low is not None or row.interval_high is not None
        )
    assert with_number == {
        "fu_review_2024": 188,
        "wang_review_2024": 68,
        "zhao_ming_2024": 2,
        "zhao_haitao_2024": 2,
        "radiotherapy_news": 28,
        "facts": 113,
    }
    assert sum(with_number.values()) - with_number["facts"] >= 250


def test_the_schema_can_be_exported():
    schema = json.loads(json.dumps(study_schema()))
    figure = schema["$defs"]["Figure"]
    assert figure["additionalProperties"] is False
    assert {"id", "document", "where", "endpoint", "measure", "support", "kind", "status", "reason"} == set(
        figure["required"]
    )
    assert "survival_at" in figure["properties"]["measure"]["enum"]


def test_known_rows(evidence: Evidence):
    """Read again from the documents by whoever wrote this test."""
    table = {row.id: row for row in rows(evidence)}
    launch = table["launch.os.median.tace_lenvatinib"]
    assert (launch.value, launch.unit, launch.n, launch.design) == (17.8, "months", 170, "randomised")
    ratio = next(
        r
        for r in table.values()
        if r.study == "stah" and r.endpoint == "overall survival" and r.measure == "hazard_ratio"
    )
    assert (ratio.value, ratio.interval_low, ratio.interval_high, ratio.interval_level) == (0.91, 0.69, 1.21, 90)
    assert ratio.n == 339
    li = [r for r in table.values() if r.study == "li_2022" and r.measure == "hazard_ratio" and r.value == 0.45]
    assert [(r.corrected_value, r.status, bool(r.flags)) for r in li] == [(0.57, "exclude", True)]


# --- what is wrong ----------------------------------------------------------------------------------------------------

SMALL = """\
study: small
title: one against the other
design: randomised
population: somebody
arms:
  - {regimen: sorafenib, patients: 80}
figures:
  - id: small.os.median.sorafenib
    document: fu_review_2024
    where: Table 1
    regimen: sorafenib
    endpoint: overall survival
    measure: median
    value: 12.5
    interval: [10.1, 14.9]
    level: 95
    unit: months
    support: source
    kind: reported
    status: use
    reason: an example
"""


def problems(folder: Path, text: str, name: str = "small.yaml") -> list[str]:
    shutil.copy(CALIBRATION / "vocabulary.yaml", folder)
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / name).write_text(text, encoding="utf-8")
    try:
        load_evidence(folder, dict.fromkeys(DOCUMENTS))
    except InputError as error:
        return [str(problem).removeprefix(f"{folder / 'figures'}/") for problem in error.problems]
    return []


def test_a_small_file_is_right(tmp_path: Path):
    assert problems(tmp_path, SMALL) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("value: 12.5", "valu: 12.5", "small.yaml:14: figures[0].valu: unknown key 'valu'. Did you mean 'value'?"),
        (
            "value: 12.5",
            "value: 15.5",
            "small.yaml:14: figures[0].value: 15.5 lies outside its own interval 10.1 to 14.9; "
            "if it is printed so, flag it",
        ),
        (
            "    value: 12.5\n",
            "",
            "small.yaml:8: figures[0].value: missing, which a median needs; if none is printed, say so in a flag",
        ),
        (
            "document: fu_review_2024",
            "document: fu_review_2025",
            "small.yaml:9: figures[0].document: unknown document 'fu_review_2025'. Did you mean 'fu_review_2024'? "
            "See sources.yaml",
        ),
        (
            "regimen: sorafenib\n    endpoint",
            "regimen: sorafenip\n    endpoint",
            "small.yaml:11: figures[0].regimen: unknown regimen 'sorafenip'. Did you mean 'sorafenib'? "
            "See vocabulary.yaml",
        ),
        (
            "unit: months",
            "unit: ratio",
            "small.yaml:17: figures[0].unit: given 'ratio'; a median is told in months or years or days or weeks or cm "
            "or mm or cycles or % or none",
        ),
        (
            "[10.1, 14.9]",
            "[14.9, 10.1]",
            "small.yaml:15: figures[0].interval: given 14.9 to 10.1; the lower end comes first",
        ),
        (
            "id: small.os",
            "id: large.os",
            "small.yaml:8: figures[0].id: given 'large.os.median.sorafenib'; accepted: 'small.' and more",
        ),
        ("study: small", "study: tiny", "small.yaml:1: study: given 'tiny'; accepted: the file's name, small"),
        (
            "patients: 80",
            "patients: 0",
            "small.yaml:6: arms[0].patients: given 0; input should be greater than or equal to 1",
        ),
        ("design: randomised\n", "", "small.yaml:1: design: missing"),
        (
            "level: 95",
            "level: 95\n    p: NS",
            "small.yaml:17: figures[0].p: given 'NS'; accepted: = < > ≤ or ≥, a blank, and a number up to 1; "
            "else say it in a flag",
        ),
        (
            "measure: median",
            "measure: hazard_ratio",
            "small.yaml:17: figures[0].unit: given 'months'; a hazard_ratio is told in ratio or %",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_line_key_and_remedy(tmp_path: Path, old: str, new: str, told: str):
    assert old in SMALL
    found = problems(tmp_path, SMALL.replace(old, new))
    assert told in found, found


def test_a_flag_lets_a_printed_fault_pass(tmp_path: Path):
    flagged = SMALL.replace("value: 12.5", "value: 15.5\n    flags: [printed outside its interval]")
    assert problems(tmp_path, flagged) == []


def test_without_a_vocabulary_that_alone_is_told(tmp_path: Path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "small.yaml").write_text(SMALL, encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_evidence(tmp_path, dict.fromkeys(DOCUMENTS))
    assert [problem.file for problem in error.value.problems] == [str(tmp_path / "vocabulary.yaml")]
    (tmp_path / "vocabulary.yaml").write_text("- sorafenib\n", encoding="utf-8")
    with pytest.raises(InputError, match="accepted: regimens by key"):
        load_evidence(tmp_path, dict.fromkeys(DOCUMENTS))


def test_an_id_that_stands_twice(tmp_path: Path):
    figure = SMALL[SMALL.index("  - id:") :]
    found = problems(tmp_path, SMALL + figure)
    (told,) = found
    assert told.startswith("small.yaml:22: figures[1].id: 'small.os.median.sorafenib' stands at ")
    assert told.endswith("small.yaml:8 already")


def test_all_faults_of_all_files_at_once(tmp_path: Path):
    problems(tmp_path, SMALL.replace("unit: months", "unit: cm2").replace("status: use", "status: perhaps"))
    found = problems(
        tmp_path,
        SMALL.replace("study: small", "study: other").replace("small.os", "other.os").replace("level: 95", "level: 94"),
        "other.yaml",
    )
    assert [problem.partition(": ")[0] for problem in found] == ["other.yaml:16", "small.yaml:17", "small.yaml:20"]
    assert "given 'cm2'" in found[1]
    assert found[2].endswith("Accepted: use, down-weight, exclude, context")


def test_a_printed_name_is_hinted_at_its_key(tmp_path: Path):
    found = problems(tmp_path, SMALL.replace("regimen: sorafenib\n    endpoint", "regimen: T+A\n    endpoint"))
    hint = "It is printed for 'atezolizumab+bevacizumab'. See vocabulary.yaml"
    assert found == [f"small.yaml:11: figures[0].regimen: unknown regimen 'T+A'. {hint}"]


def test_a_printed_name_means_one_regimen(evidence: Evidence):
    owners: dict[str, str] = {}
    for key, term in evidence.vocabulary.items():
        for printed in term.printed:
            assert owners.setdefault(printed.casefold(), key) == key
