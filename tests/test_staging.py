"""Stages of BCLC and CNLC by rule, on a table of cases drawn up from the published staging systems."""

from __future__ import annotations

import pandas as pd
import pytest
from test_hcc_pathway import PATHWAY, SEED, values_of

from hcc_sim.engine import attributes_at_start, compile_pathway
from hcc_sim.pathway.hcc import BCLC, CNLC
from hcc_sim.patients import COLUMNS

PROGRAM = compile_pathway(PATHWAY, values_of())
HEALTHY = {"ECOG": 0, "Child-Pugh score": 5, "PVTT type": 0, "extrahepatic spread": 0}

CASES = {
    # tumours, their size in cm, what else differs: BCLC, CNLC
    "one of 2 cm": (1, 2.0, {}, "0", "Ia"),
    "one of 2.1 cm": (1, 2.1, {}, "A", "Ia"),
    "one of 5 cm": (1, 5.0, {}, "A", "Ia"),
    "one of 5.1 cm": (1, 5.1, {}, "A", "Ib"),
    "one of 12 cm": (1, 12.0, {}, "A", "Ib"),
    "two of 3 cm": (2, 3.0, {}, "A", "Ib"),
    "three of 3 cm": (3, 3.0, {}, "A", "Ib"),
    "three of 3.1 cm": (3, 3.1, {}, "B", "IIa"),
    "two of 8 cm": (2, 8.0, {}, "B", "IIa"),
    "four of 1 cm": (4, 1.0, {}, "B", "IIb"),
    "four of 9 cm": (4, 9.0, {}, "B", "IIb"),
    "thrombus of type I": (1, 4.0, {"PVTT type": 1}, "C", "IIIa"),
    "thrombus of type IV": (4, 9.0, {"PVTT type": 4}, "C", "IIIa"),
    "spread": (1, 1.5, {"extrahepatic spread": 1}, "C", "IIIb"),
    "spread and thrombus": (3, 2.0, {"extrahepatic spread": 1, "PVTT type": 3}, "C", "IIIb"),
    "ECOG 1": (1, 1.5, {"ECOG": 1}, "C", "Ia"),
    "ECOG 2": (3, 4.0, {"ECOG": 2}, "C", "IIa"),
    "ECOG 3": (1, 1.5, {"ECOG": 3}, "D", "IV"),
    "Child-Pugh B9": (2, 2.0, {"Child-Pugh score": 9}, "A", "Ib"),
    "Child-Pugh C10": (1, 1.5, {"Child-Pugh score": 10}, "D", "IV"),
    "spread and Child-Pugh C": (4, 9.0, {"Child-Pugh score": 12, "extrahepatic spread": 1}, "D", "IV"),
}


@pytest.mark.parametrize("case", CASES)
def test_stages_of(case: str):
    number, size, more, bclc, cnlc = CASES[case]
    given = pd.DataFrame([HEALTHY | {"tumour number": number, "tumour size": size} | more], dtype=float)
    found = attributes_at_start(PROGRAM, seed=SEED, patient=3, attributes=given)
    assert (BCLC[int(found["BCLC stage"])], CNLC[int(found["CNLC stage"])]) == (bclc, cnlc)
    assert {name: found[name] for name in given} == given.iloc[0].to_dict(), "what is given stays"
    assert found["portal vein thrombus"] == (found["PVTT type"] > 0)
    assert found["Child-Pugh points above 5"] == found["Child-Pugh score"] - 5


def test_every_column_of_a_file_is_an_attribute_that_is_drawn():
    assert {column.attribute for column in COLUMNS} <= set(PROGRAM.attribute_names)
    assert not {column.attribute for column in COLUMNS} & {"BCLC stage", "CNLC stage", "portal vein thrombus"}
