"""Draws for other programs: what is written is what was drawn, in the layout that they read."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hcc_sim.economics import CostsAndEffects
from hcc_sim.report.draws_csv import write_draws_csv

NAMES = ("watch", 'operate, "early"', "it's\n=late")
R = np.random.default_rng(3)
DRAWS = CostsAndEffects(NAMES, R.lognormal(10.0, 1.0, (50, 3)), R.normal(2.0, 1.0, (50, 3)), "USD 2021")
PARAMETERS = pd.DataFrame({"surgery.effect": R.normal(size=50), "ct.price": np.arange(50)})


def read(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    return names, np.array(rows, dtype=float)


def test_the_same_bits_come_back(tmp_path: Path):
    assert write_draws_csv(tmp_path, DRAWS, PARAMETERS) == ["psa_costs.csv", "psa_effects.csv", "psa_parameters.csv"]
    for file, names, values in (
        ("psa_costs.csv", list(NAMES), DRAWS.costs),
        ("psa_effects.csv", list(NAMES), DRAWS.effects),
        ("psa_parameters.csv", ["surgery.effect", "ct.price"], PARAMETERS.to_numpy(dtype=float)),
    ):
        told, numbers = read(tmp_path / file)
        assert told == names
        assert numbers.tobytes() == np.ascontiguousarray(values).tobytes()


def test_the_layout(tmp_path: Path):
    """No row names, no index, a header; names are quoted where they must be."""
    table = CostsAndEffects(("a", "b, c"), [[1.5, 2.0]], [[0.25, 1.0]])
    assert write_draws_csv(tmp_path, table) == ["psa_costs.csv", "psa_effects.csv"]
    assert (tmp_path / "psa_costs.csv").read_bytes() == b'a,"b, c"\n1.5,2.0\n'
    assert (tmp_path / "psa_effects.csv").read_bytes() == b'a,"b, c"\n0.25,1.0\n'


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (PARAMETERS[:-1], "49 draws of parameters and 50 of costs and effects"),
        (PARAMETERS.set_axis(["a", "a"], axis=1), "named twice: 'a'"),
        (PARAMETERS.assign(x=[np.inf] + [0.0] * 49), "'x' in draw 0 is inf"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(tmp_path: Path, parameters: pd.DataFrame, expected: str):
    with pytest.raises(ValueError, match=expected):
        write_draws_csv(tmp_path, DRAWS, parameters)
    assert list(tmp_path.iterdir()) == []
