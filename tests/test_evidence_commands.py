"""`hcc-sim evidence`: lists, one figure, the audit, the readings, rows for programs, pages; and how each fails."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest

from hcc_sim.cli import main
from hcc_sim.figures import load_evidence
from hcc_sim.figures.second_reading import load_second_reading
from hcc_sim.parameters import load_calibration
from hcc_sim.report.evidence_pages import page

ROOT = Path(__file__).parents[1]
CALIBRATION = ROOT / "calibration"
COLUMNS = [
    "id", "document", "study", "where", "design", "regimen", "comparator", "n", "endpoint", "criterion", "measure",
    "time_months", "value", "corrected_value", "interval_low", "interval_high", "interval_level", "unit", "time_zero",
    "support", "status", "flags",
]  # fmt: skip
FIVE = ("fu_review_2024", "wang_review_2024", "zhao_ming_2024", "zhao_haitao_2024", "radiotherapy_news")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    def command(*arguments: object) -> tuple[int, str, str]:
        code = main(["evidence", *map(str, arguments)])
        out, error = capsys.readouterr()
        return code, out, error

    return command


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# --- export and list --------------------------------------------------------------------------------------------------


def test_export_has_the_columns_and_at_least_250_numbers_of_the_five_documents(told):
    code, out, _ = told("export", "--format", "csv")
    rows = rows_of(out)
    assert code == 0
    assert set(COLUMNS) <= set(rows[0])
    numbers = [r for r in rows if r["document"] in FIVE and (r["value"] or r["interval_low"] or r["interval_high"])]
    assert len(numbers) == 288
    assert len({row["id"] for row in rows}) == len(rows) == 637
    found = {row["id"]: row["findings"] for row in rows}
    assert found["stah.os.hazard_ratio"] == "p_value_that_does_not_belong"
    assert found["stah.pfs.hazard_ratio"] == ""


def test_csv_and_json_say_the_same(told):
    rows = rows_of(told("export")[1])
    same = json.loads(told("export", "--format", "json")[1])
    assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in same] == rows


def test_list_takes_conditions_together(told):
    _, out, _ = told("list", "--study", "launch", "--endpoint", "pfs", "--regimen", "LEN-TACE", "--format", "csv")
    assert [row["id"] for row in rows_of(out)] == [
        "launch.pfs.median.tace_lenvatinib",
        "launch.pfs.hazard_ratio",
        "launch.pfs.median.tace_lenvatinib.facts",
    ]
    _, out, _ = told("list", "--status", "exclude", "--document", "fu_review_2024", "--format", "json")
    rows = json.loads(out)
    assert rows
    assert {(row["status"], row["document"]) for row in rows} == {("exclude", "fu_review_2024")}


def test_list_on_the_screen(told):
    code, out, _ = told("list", "--study", "LAUNCH")
    assert code == 0
    assert out.startswith("LAUNCH (Peng 2023)")
    assert "launch.os.hazard_ratio  [use, 1 flag]" in out
    assert "0.45" in out


def test_a_list_of_nothing(told):
    code, out, _ = told("list", "--study", "launch", "--endpoint", "cost")
    assert code == 0
    assert out.strip().startswith("0 figures.")
    code, header, _ = told("list", "--study", "launch", "--endpoint", "cost", "--format", "csv")
    assert (code, header) == (0, told("export")[1].partition("\n")[0] + "\n")
    assert told("list", "--study", "launch", "--endpoint", "cost", "--format", "json")[:2] == (0, "[]\n")


def test_conditions_that_no_figure_could_meet_are_all_told(told):
    code, out, error = told("list", "--study", "lanch", "--endpoint", "survivel", "--status", "used", "--regimen", "zz")
    assert (code, out) == (2, "")
    lines = error.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["--study", "--endpoint", "--regimen", "--status"]
    assert "Did you mean 'launch'?" in lines[0]
    assert "Did you mean 'use'?" in lines[3]


# --- show -------------------------------------------------------------------------------------------------------------


def test_show_tells_all_of_a_figure(told):
    code, out, _ = told("show", "li_2022.pfs.hazard_ratio.table")
    text = " ".join(out.split())
    assert code == 0
    for part in (
        "0.45 (95% 0.45 to 0.72)",
        "corrected: 0.57",
        "exclude:",
        "Hepatoma Res 2024;10:42",
        "hazard ratio outside its interval",
        "Decision The table's value is excluded",
        "Read twice yes",
    ):
        assert part in text, part


def test_show_tells_how_the_readings_differ(told):
    text = " ".join(told("show", "zhu_2021.pcr.proportion.tki_pd1")[1].split())
    assert "Difference arm: 'tki+pd1', then 'lenvatinib (TKI) with ICI, resected'; the record was changed" in text


def test_show_of_what_is_not_there(told):
    code, out, error = told("show", "launch.os.hazard")
    assert (code, out) == (2, "")
    assert "Did you mean 'launch.os.hazard_ratio'?" in error
    assert told("show", "launch")[2] == "launch: is a study: hcc-sim evidence list --study launch\n"


# --- audit and readings -----------------------------------------------------------------------------------------------


def test_audit_on_the_screen_tells_formula_finding_and_decision(told):
    code, out, _ = told("audit", "--strict")
    text = " ".join(out.split())
    assert code == 0
    assert "hazard ratio outside its interval: 1 found" in text
    assert "0.45 against 0.45 to 0.72 Decision: The table's value is excluded" in text
    assert "survival that rises: nothing found" in text
    assert "51 findings, none without a decision" in text


def test_audit_for_programs(told):
    rows = rows_of(told("audit", "--format", "csv")[1])
    assert list(rows[0]) == ["rule", "study", "figures", "statuses", "found", "decision"]
    assert rows == json.loads(told("audit", "--format", "json")[1])
    assert all(row["decision"] for row in rows)


def test_strict_exits_with_3_while_a_finding_has_no_decision(told, tmp_path: Path):
    folder = tmp_path / "calibration"
    shutil.copytree(CALIBRATION, folder)
    path = folder / "figures" / "launch.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("value: 0.45\n", "value: 0.65\n"), encoding="utf-8")
    code, out, error = told("audit", "--strict", "--calibration", folder)
    assert code == 3
    assert "none yet" in out
    assert re.fullmatch(
        r"hcc-sim: the check did not hold: \d findings without a decision, \d decisions without a finding\n", error
    )
    assert told("audit", "--calibration", folder)[0] == 0  # not strict


def test_readings(told):
    code, out, _ = told("readings")
    assert code == 0
    assert "393 of 401 figures with a number were read twice" in " ".join(out.split())
    rows = rows_of(told("readings", "--format", "csv")[1])
    assert len(rows) == 52
    assert all(row["settled"] for row in rows)


# --- network and shapes -----------------------------------------------------------------------------------------------


def test_network_tells_islands_ratios_and_bridges(told):
    code, out, _ = told("network")
    text = " ".join(out.split())
    assert code == 0
    assert "Island 1: " in text
    assert "inconsistency is not assessable" in text
    assert "lenvatinib+pd1: 0.79" in text
    assert "over the bridge lenvatinib+pd1 v lenvatinib+pembrolizumab" in text
    rows = rows_of(told("network", "--format", "csv")[1])
    adjuvant = next(row for row in rows if row["regimen"] == "adjuvant ici")
    assert (adjuvant["related"], adjuvant["hazard_ratio"]) == ("false", "")
    over = next(row for row in rows if row["regimen"] == "haic+lenvatinib+pd1")
    assert float(over["low"]) < float(over["hazard_ratio"]) < float(over["high"])
    assert over["bridges"]


def test_without_bridges_islands_stay_apart(told):
    rows = rows_of(told("network", "--no-bridges", "--format", "csv")[1])
    assert {row["bridges"] for row in rows} == {""}
    assert next(row for row in rows if row["regimen"] == "lenvatinib+pd1")["related"] == "false"


def test_network_against_another_regimen(told):
    there = json.loads(told("network", "--versus", "lenvatinib", "--format", "json")[1])
    back = json.loads(told("network", "--format", "json")[1])
    one = next(r for r in there if r["regimen"] == "sorafenib" and r["endpoint"] == "overall survival")
    other = next(r for r in back if r["regimen"] == "lenvatinib" and r["endpoint"] == "overall survival")
    assert one["log_mean"] == pytest.approx(-other["log_mean"])
    code, _, error = told("network", "--versus", "lenvatinip")
    assert code == 2
    assert "Did you mean 'lenvatinib'?" in error


def test_shapes(told):
    code, out, _ = told("shapes")
    assert code == 0
    assert "Overall survival: shape 1.4" in out
    rows = rows_of(told("shapes", "--format", "csv")[1])
    typical = {row["endpoint"]: float(row["shape"]) for row in rows if row["study"] == "typical"}
    assert 0.9 < typical["progression-free survival"] < 1.1 < 1.3 < typical["overall survival"] < 1.6


# --- regimens ---------------------------------------------------------------------------------------------------------


def test_every_regimen_has_its_grade(told):
    rows = rows_of(told("regimens", "--format", "csv")[1])
    grades = {row["regimen"]: row["grade"] for row in rows}
    known = load_calibration(CALIBRATION)
    assert set(grades) == set(load_evidence(CALIBRATION, known.sources).vocabulary)
    assert (grades["tace+lenvatinib"], grades["donafenib"], grades["nivolumab"]) == (
        "calibrated",
        "network",
        "described",
    )
    code, out, _ = told("regimens", "--grade", "network")
    assert code == 0
    assert "donafenib" in out
    assert "nivolumab" not in out
    assert told("regimens", "--grade", "good")[0] == 2


# --- pages and schema -------------------------------------------------------------------------------------------------


def test_pages_are_written_and_kept(told, tmp_path: Path):
    code, _, error = told("pages", "--out", tmp_path / "new")
    assert code == 0
    assert "evidence.md" in error
    (tmp_path / "new" / "evidence.md").write_text("mine", encoding="utf-8")
    code, _, error = told("pages", "--out", tmp_path / "new")
    assert code == 2
    assert "--force replaces" in error
    assert (tmp_path / "new" / "evidence.md").read_text(encoding="utf-8") == "mine"
    assert told("pages", "--out", tmp_path / "new", "--force")[0] == 0
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert told("pages", "--out", tmp_path / "file")[0] == 2


def test_the_page_in_the_documentation_is_that_of_the_records():
    """After a change of the records: hcc-sim evidence pages --out docs --force."""
    known = load_calibration(CALIBRATION)
    citations = {key: source.citation for key, source in known.sources.items()}
    new = page(load_evidence(CALIBRATION, known.sources), citations, load_second_reading(CALIBRATION))
    assert (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8") == new


def test_the_readme_counts_what_there_is():
    known = load_calibration(CALIBRATION)
    evidence, second = load_evidence(CALIBRATION, known.sources), load_second_reading(CALIBRATION)
    figures = [figure for _, figure in evidence.figures()]
    with_number = [figure for figure in figures if figure.has_number]
    assert second is not None
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for sentence in (
        f"{len(figures)} figures of {len(evidence.studies)} studies",
        f"{len(with_number)} of them with a number",
        f"{sum(figure.document != 'facts' for figure in with_number)} of these from the five source documents",
        f"{len(second.figures & {figure.id for figure in with_number})} were read twice",
        f"each of their {len(second.differences)} differences",
    ):
        assert sentence in readme


def test_the_schema_is_json(told):
    assert json.loads(told("schema")[1])["title"] == "Study"


# --- folders that are not right ---------------------------------------------------------------------------------------


def test_a_folder_without_figures(told, tmp_path: Path):
    folder = tmp_path / "calibration"
    shutil.copytree(CALIBRATION, folder)
    shutil.rmtree(folder / "figures")
    code, _, error = told("list", "--calibration", folder)
    assert code == 2
    assert "holds no figures" in error


def test_a_second_reading_that_is_torn(told, tmp_path: Path):
    folder = tmp_path / "calibration"
    shutil.copytree(CALIBRATION, folder)
    settled = folder / "second_reading" / "settled.csv"
    settled.write_text("figure,document\nx,y\n", encoding="utf-8")
    code, _, error = told("readings", "--calibration", folder)
    assert code == 2
    assert error == f"{settled}:1: lacks the columns field, first, second, settled\n"
    settled.write_bytes(b"\xff\xfe")
    assert "cannot be read" in told("readings", "--calibration", folder)[2]
    shutil.rmtree(folder / "second_reading")
    assert told("readings", "--calibration", folder)[0] == 2
    assert told("show", "launch.os.hazard_ratio", "--calibration", folder)[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "told_of"),
    [
        ("place: 1", "place: 0", "place: given 0"),
        ("headings: {fu_review_2024: [tace+lenvatinib, ", "headings: {fu_review_2024: [", "name no 'tace+lenvatinib'"),
        ("headings: {fu_review_2024", "headings: {fu_review_2042", "unknown document 'fu_review_2042'"),
        ("figures: [launch.os.hazard_ratio,", "figures: [launch.os.hazard,", "unknown figure 'launch.os.hazard'"),
        ("  - rule: one_trial", "  - rul: one_trial", "unknown key 'rul'. Did you mean 'rule'?"),
    ],
)
def test_faults_of_the_new_fields(told, tmp_path: Path, old: str, new: str, told_of: str):
    folder = tmp_path / "calibration"
    shutil.copytree(CALIBRATION, folder)
    path = folder / "figures" / "launch.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    code, _, error = told("list", "--calibration", folder)
    assert code == 2
    assert told_of in error
    assert f"{path}:" in error
