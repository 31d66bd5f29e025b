"""Declared bridges: the file as shipped, and every fault told with its line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from hcc_sim.calibration.bridges import ENDPOINTS, load_bridges
from hcc_sim.calibration.network_data import select_ratios
from hcc_sim.errors import InputError
from hcc_sim.figures import Evidence
from hcc_sim.figures.network import islands

CALIBRATION = Path(__file__).parents[1] / "calibration"

GOOD = """\
bridges:
  - regimen: lenvatinib+pd1
    comparator: lenvatinib+pembrolizumab
    endpoint: overall survival
    hazard_ratio: 1.0
    low: 0.75
    high: 1.33
    kind: assumed
    reason: one class of drugs
"""


def refused(tmp_path: Path, evidence: Evidence, text: str) -> list[str]:
    path = tmp_path / "bridges.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_bridges(path, evidence)
    return str(caught.value).replace(f"{path}:", "").splitlines()


def test_the_shipped_bridges_join_every_island_but_those_of_adjuvant_therapy(evidence: Evidence) -> None:
    bridges = load_bridges(CALIBRATION / "bridges.yaml", evidence)
    assert all(bridge.kind == "assumed" and len(bridge.reason) > 80 for bridge in bridges)
    for endpoint in ENDPOINTS:
        ratios = [ratio.contrast for ratio in select_ratios(evidence, (endpoint,))[0]]
        joined = islands([*ratios, *(bridge.log_ratio.contrast for bridge in bridges if bridge.endpoint == endpoint)])
        assert all(name.startswith(("adjuvant", "observation")) for island in joined[1:] for name in island)
    assert not any("adjuvant" in bridge.name or "observation" in bridge.name for bridge in bridges)


def test_a_bridge_is_a_log_hazard_ratio_with_the_error_of_its_interval(tmp_path: Path, evidence: Evidence) -> None:
    path = tmp_path / "bridges.yaml"
    path.write_text(GOOD, encoding="utf-8")
    (bridge,) = load_bridges(path, evidence)
    ratio = bridge.log_ratio
    assert (ratio.mean, ratio.design) == (0.0, "bridge")
    assert ratio.error == pytest.approx((math.log(1.33) - math.log(0.75)) / 3.919927969)
    assert ratio.notes == ("assumed: one class of drugs",)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("regimen: lenvatinib+pd1", "regimen: lenvatinib+pd2", "2: bridges[0].regimen: unknown regimen"
         " 'lenvatinib+pd2'. Did you mean 'lenvatinib+pd1'? See vocabulary.yaml"),
        ("endpoint: overall survival", "endpoint: survival", "4: bridges[0].endpoint: unknown endpoint 'survival'."),
        ("    reason: one class of drugs\n", "", "2: bridges[0].reason: reason is missing; accepted: text"),
        ("reason: one class of drugs", "reason: '  '", "9: bridges[0].reason: given '  '; accepted: text"),
        ("low: 0.75", "low: 1.5", "6: bridges[0].low: given 1.5, above high, 1.33; the lower end comes first"),
        ("low: 0.75", "low: 1.1", "5: bridges[0].hazard_ratio: given 1, which is not inside 1.1 to 1.33"),
        ("low: 0.75", "low: -1", "6: bridges[0].low: given -1; accepted: a number above 0"),
        ("hazard_ratio: 1.0", "hazard_ratio: true", "5: bridges[0].hazard_ratio: given true (a truth value); accepted"),
        ("kind: assumed", "kind: reported", "8: bridges[0].kind: given 'reported'; accepted: assumed."),
        ("kind: assumed", "kinds: assumed", "8: bridges[0].kinds: unknown key 'kinds'. Did you mean 'kind'?"),
        ("comparator: lenvatinib+pembrolizumab", "comparator: lenvatinib+pd1", "3: bridges[0].comparator: is the reg"),
        ("comparator: lenvatinib+pembrolizumab", "comparator: haic+lenvatinib", "2: bridges[0].regimen: joins no"
         " islands: overall survival is compared on the way lenvatinib+pd1 - haic+lenvatinib+pd1 - haic+lenvatinib"),
        ("comparator: lenvatinib+pembrolizumab", "comparator: pembrolizumab", "3: bridges[0].comparator: no study"
         " compares 'pembrolizumab' for overall survival"),
        ("bridges:", "bridge:", "1: accepted: one key, 'bridges', with a list of bridges"),
    ],
)  # fmt: skip
def test_a_faulty_bridge_is_refused_with_its_line(
    tmp_path: Path, evidence: Evidence, before: str, after: str, expected: str
) -> None:
    assert before in GOOD
    assert any(line.startswith(expected) for line in refused(tmp_path, evidence, GOOD.replace(before, after)))


def test_all_faults_are_told_at_once(tmp_path: Path, evidence: Evidence) -> None:
    text = GOOD.replace("lenvatinib+pd1", "nothing").replace("low: 0.75", "low: 2") + GOOD.removeprefix(
        "bridges:\n"
    ).replace("kind: assumed", "kind: seen")
    lines = refused(tmp_path, evidence, text)
    assert [line.split(":")[0] for line in lines] == ["2", "6", "16"]


def test_a_second_bridge_between_the_same_islands_is_refused(tmp_path: Path, evidence: Evidence) -> None:
    second = GOOD.removeprefix("bridges:\n").replace("comparator: lenvatinib+pembrolizumab", "comparator: tace")
    (line,) = refused(tmp_path, evidence, GOOD + second)
    assert line.startswith("10: bridges[1].regimen: joins no islands")
    assert "nor two against each other" in line
