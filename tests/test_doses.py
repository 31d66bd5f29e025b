"""Vials for a dose by weight: by hand, and against many drawn weights."""

from __future__ import annotations

import numpy as np
import pytest

from hcc_sim.economics.doses import Packs


@pytest.mark.parametrize(
    ("dose", "size", "expected"), [(200.0, 100.0, 2.0), (201.0, 100.0, 3.0), (0.0, 100.0, 0.0), (10.0, 4.0, 3.0)]
)
def test_whole_packs_by_hand(dose: float, size: float, expected: float):
    assert Packs(dose=dose, size=size).number({}) == expected
    assert Packs(dose=dose, size=size, times=30.0).number({}) == 30.0 * expected
    assert Packs(dose=dose, size=size, shared=1.0).number({}) == dose / size
    assert Packs(dose=dose, size=size, shared=0.5).number({}) == pytest.approx((expected + dose / size) / 2)


def test_a_dose_by_weight_takes_the_mean_of_whole_vials():
    """15 mg/kg at 62 (10) kg is 9.3 vials of 100 mg; rounded up for each patient it is more, by nearly a half."""
    packs = Packs(dose="dose", size=100.0, kg_mean="mean", kg_sd="sd")
    values = {"dose": 15.0, "mean": 62.0, "sd": 10.0}
    weights = np.random.default_rng(20240502).normal(62.0, 10.0, 1_000_000)
    vials = np.ceil(15.0 * weights / 100.0)
    band = 4.0 * vials.std() / 1_000.0
    assert band < 0.01, "too few draws to see such an error"
    assert abs(packs.number(values) - vials.mean()) < band
    assert packs.number(values) > 15.0 * 62.0 / 100.0 + 0.4, "as if vials could be divided"
    assert packs.number(values | {"sd": 0.0}) == 10.0


def test_a_broad_weight_has_no_weights_below_nothing():
    """Of a normal weight cut at 0 the mean is above that of the whole."""
    packs = Packs(dose=1.0, size=1.0, kg_mean=1.0, kg_sd=2.0)
    weights = np.random.default_rng(1).normal(1.0, 2.0, 2_000_000)
    vials = np.ceil(weights[weights > 0.0])
    assert abs(packs.number({}) - vials.mean()) < 4.0 * vials.std() / np.sqrt(len(vials))


@pytest.mark.parametrize("wrong", [{"dose": -1.0}, {"shared": 1.5}, {"kg_mean": 0.0}, {"kg_sd": -1.0}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]):
    given = {"dose": 1.0, "kg_mean": 60.0, "kg_sd": 10.0} | wrong
    with pytest.raises(ValueError, match="needs a dose of at least 0"):
        Packs(**given, size=100.0).number({})
