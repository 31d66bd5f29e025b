"""Stages of BCLC and CNLC, derived by rule from tumour, liver and performance."""

from __future__ import annotations

from hcc_sim.pathway.model import Action, Set, when

single, few, small = when("tumour number", "==", 1), when("tumour number", "<=", 3), when("tumour size", "<=", 3)
thrombus, spread = when("PVTT type", ">", 0), when("extrahepatic spread")

BCLC = ("0", "A", "B", "C", "D")
CNLC = ("", "Ia", "Ib", "IIa", "IIb", "IIIa", "IIIb", "IV")
"""Names of stages by the numbers that stand for them."""

# By tumour, liver and performance: each rule overrules those before it.
STAGES: tuple[Action, ...] = (
    # M. Reig and others, Journal of Hepatology 76 (2022) 681-693,
    # doi:10.1016/j.jhep.2021.11.018.
    Set("BCLC stage", 2),
    Set("BCLC stage", 1, when=single | (few & small)),
    Set("BCLC stage", 0, when=single & when("tumour size", "<=", 2)),
    Set("BCLC stage", 3, when=thrombus | spread | when("ECOG", ">", 0)),
    Set("BCLC stage", 4, when=when("ECOG", ">", 2) | when("Child-Pugh score", ">", 9)),
    # J. Zhou and others, Liver Cancer 9 (2020) 682-720,
    # doi:10.1159/000509424.
    Set("CNLC stage", 4),
    Set("CNLC stage", 3, when=few),
    Set("CNLC stage", 2, when=single | (few & small)),
    Set("CNLC stage", 1, when=single & when("tumour size", "<=", 5)),
    Set("CNLC stage", 5, when=thrombus),
    Set("CNLC stage", 6, when=spread),
    Set("CNLC stage", 7, when=when("ECOG", ">", 2) | when("Child-Pugh score", ">", 9)),
)
