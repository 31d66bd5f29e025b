"""Global sensitivity: closed forms, SALib as oracle, and results that are fed to the wrong design."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from hcc_sim.analyses import sobol
from hcc_sim.analyses.morris import ElementaryEffect, MorrisDesign
from hcc_sim.analyses.sobol import HALF_CELL, SobolDesign, SobolIndex, SobolPair
from hcc_sim.analyses.unit_cube import RESAMPLES
from hcc_sim.quantiles import CENTRAL

Floats = NDArray[np.float64]
Z = 4.0
THREE = ("x1", "x2", "x3")
Design = SobolDesign | MorrisDesign


def read(design: Design, model: Callable[[Floats], Floats]) -> list:
    """What a design tells of one outcome of the points."""
    points = design.points()
    return design.read(model(points)[:, None], ["y"], points)


# Ishigami's function of three uniform numbers between -pi and pi (T. Ishigami and T. Homma, 1990).


def ishigami(points: Floats, a: float = 7.0, b: float = 0.1) -> Floats:
    x = np.pi * (2.0 * points - 1.0)
    return np.sin(x[:, 0]) + a * np.sin(x[:, 1]) ** 2 + b * x[:, 2] ** 4 * np.sin(x[:, 0])


def shares_of_ishigami(a: float = 7.0, b: float = 0.1) -> tuple[Floats, Floats]:
    """First and total order."""
    alone = np.array([0.5 * (1.0 + b * np.pi**4 / 5.0) ** 2, a**2 / 8.0, 0.0])
    together = b**2 * np.pi**8 * 8.0 / 225.0
    total = alone + together * np.array([1.0, 0.0, 1.0])
    variance = alone.sum() + together
    return alone / variance, total / variance


# Sobol's g-function of uniform numbers (I. M. Sobol, Mathematics and Computers in Simulation 55 (2001) 271-280).

G = np.array([0.0, 1.0, 4.5, 9.0, 99.0])


def g_function(points: Floats) -> Floats:
    return np.prod((np.abs(4.0 * points - 2.0) + G) / (1.0 + G), axis=1)


def shares_of_g_function() -> tuple[Floats, Floats]:
    alone = 1.0 / (3.0 * (1.0 + G) ** 2)
    variance = np.prod(1.0 + alone) - 1.0
    return alone / variance, alone * np.prod(1.0 + alone) / (1.0 + alone) / variance


def assert_shares(found: Sequence[SobolIndex], first: Floats, total: Floats, smallest_error_to_catch: float) -> None:
    for one, alone, whole in zip(found, first, total, strict=True):
        for share, high, truth in (
            (one.first_order, one.first_order_high, alone),
            (one.total_order, one.total_order_high, whole),
        ):
            band = Z * (high - share) / CENTRAL
            assert band < smallest_error_to_catch, "too few draws to see such an error"
            assert abs(share - truth) < band, one


def test_shares_of_ishigami():
    found = read(SobolDesign(THREE, 8192, 1), ishigami)
    assert_shares(found, *shares_of_ishigami(), smallest_error_to_catch=0.07)
    assert [one.parameter for one in found] == list(THREE)


@pytest.mark.parametrize("wrong", [shares_of_ishigami(b=0.07), shares_of_ishigami(a=9.0), shares_of_ishigami()[::-1]])
def test_shares_of_another_function_are_seen(wrong: tuple[Floats, Floats]):
    found = read(SobolDesign(THREE, 8192, 1), ishigami)
    with pytest.raises(AssertionError, match=r"x1|x2"):
        assert_shares(found, *wrong, smallest_error_to_catch=0.07)


def test_shares_of_the_g_function():
    found = read(SobolDesign(tuple(f"p{i}" for i in range(len(G))), 8192, 2), g_function)
    assert_shares(found, *shares_of_g_function(), smallest_error_to_catch=0.07)


def test_pairs_of_ishigami():
    design = SobolDesign(THREE, 8192, 3, second_order=True)
    points = design.points()
    found = {(one.parameter, one.other): one for one in design.read_pairs(ishigami(points)[:, None], ["y"], points)}
    first, total = shares_of_ishigami()
    truth = {("x1", "x2"): 0.0, ("x1", "x3"): total[2], ("x2", "x3"): 0.0}
    assert found.keys() == truth.keys()
    for pair, share in truth.items():
        band = Z * (found[pair].second_order_high - found[pair].second_order) / CENTRAL
        assert band < 0.2 < total[2]
        assert abs(found[pair].second_order - share) < band
    assert_shares(design.read(ishigami(points)[:, None], ["y"]), first, total, 0.07)


def test_groups_of_parameters():
    design = SobolDesign(THREE, 4096, 4, groups=("mixed", "alone", "mixed"))
    assert design.draws == 4096 * 4
    first, total = shares_of_ishigami()
    found = read(design, ishigami)
    assert [one.parameter for one in found] == ["mixed", "alone"]
    whole = np.array([first[0] + total[2], first[1]])  # no interaction crosses groups, and x3 has no share alone
    assert_shares(found, whole, whole, smallest_error_to_catch=0.1)


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("groups", [None, ("b", "a", "b", "c", "a")])
def test_readings_are_those_of_salib(second_order: bool, groups: tuple[str, ...] | None):
    """Also the intervals, of the same resamples."""
    from SALib.analyze import sobol as salib

    names = tuple(f"p{i}" for i in range(len(G)))
    design = SobolDesign(names, 64, 0, groups, second_order)
    points = design.points()
    outcomes = np.stack([g_function(points), 1e4 + np.exp(points @ np.arange(5.0))], axis=1)
    ours = design.read(outcomes, ["g", "e"], points)
    pairs = design.read_pairs(outcomes, ["g", "e"], points) if second_order else []
    told = {"num_vars": 5, "names": list(names), "bounds": [[0, 1]] * 5, "groups": list(groups or ())}
    size = len(design.factors)
    for i in range(2):
        theirs = salib.analyze(
            told,
            outcomes[:, i],
            calc_second_order=second_order,
            num_resamples=RESAMPLES,
            seed=[0, sobol.BOOTSTRAP],
        )
        for j, one in enumerate(ours[i * size : (i + 1) * size]):
            reached = one.first_order_high - one.first_order, one.total_order_high - one.total_order
            expected = theirs["S1"][j], theirs["ST"][j], theirs["S1_conf"][j], theirs["ST_conf"][j]
            assert (one.first_order, one.total_order, *reached) == pytest.approx(expected, rel=1e-9, abs=1e-12)
            assert one.first_order - one.first_order_low == pytest.approx(reached[0])
            assert one.total_order - one.total_order_low == pytest.approx(reached[1])
        for one in pairs[i * len(pairs) // 2 : (i + 1) * len(pairs) // 2]:
            j, k = design.factors.index(one.parameter), design.factors.index(one.other)
            expected = theirs["S2"][j, k], theirs["S2_conf"][j, k]
            reach = one.second_order_high - one.second_order
            assert (one.second_order, reach) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_intervals_hold_the_truth_often_enough():
    """Points that are spread evenly make the bootstrap's intervals too wide, so that this is one-sided."""
    truth = np.stack(shares_of_ishigami(), axis=1)
    seeds = 60
    middle, reach = np.empty((2, seeds, 3, 2))
    for seed in range(seeds):
        for i, one in enumerate(read(SobolDesign(THREE, 64, seed), ishigami)):
            middle[seed, i] = one.first_order, one.total_order
            reach[seed, i] = one.first_order_high - one.first_order, one.total_order_high - one.total_order
    least = 0.95 - Z * np.sqrt(0.95 * 0.05 / seeds)
    off = np.abs(middle - truth) / reach
    assert (np.mean(off < 1.0, axis=0) > least).all()
    assert (np.mean(off < 0.5, axis=0) < least).any(), "intervals of half the width are seen"
    assert (np.mean(off < 0.25, axis=0) < least).all()


def test_intervals_are_right_for_points_that_are_independent():
    """What the bootstrap assumes: then they are neither too narrow nor too wide."""
    truth = np.stack(shares_of_ishigami(), axis=1)
    base, replicates = 256, 300
    design, numbers = SobolDesign(THREE, base, 0), np.random.default_rng(5)
    off = np.empty((replicates, 3, 2))
    for replicate in range(replicates):
        a, b = numbers.random((2, base, 3))
        rows = [a, *(np.where(np.arange(3) == j, b, a) for j in range(3)), b]
        points = np.stack(rows, axis=1).reshape(-1, 3)
        for i, one in enumerate(design.read(ishigami(points)[:, None], ["y"])):
            reach = np.array([one.first_order_high - one.first_order, one.total_order_high - one.total_order])
            off[replicate, i] = (np.array([one.first_order, one.total_order]) - truth[i]) / reach
    band = Z * np.sqrt(0.95 * 0.05 / replicates)
    covered = np.mean(np.abs(off) < 1.0, axis=0)
    assert (np.abs(covered - 0.95) < band).all(), covered
    for wrong in (0.6, 2.0):
        assert (np.abs(np.mean(np.abs(off) < wrong, axis=0) - 0.95) > 0.9 * band).all(), "such intervals are seen"


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("groups", [None, ("b", "a", "b")])
def test_points_of_a_sobol_design(second_order: bool, groups: tuple[str, ...] | None):
    design = SobolDesign(THREE, 32, 6, groups, second_order)
    points, size = design.points(), len(design.factors)
    assert points.shape == (design.draws, 3) == (32 * (size * (1 + second_order) + 2), 3)
    table = points.reshape(32, -1, 3)
    a, b = table[:, 0], table[:, -1]
    assert (a != b).all()
    for i, name in enumerate(design.factors):
        moved = [name == mine for mine in groups or THREE]
        assert np.array_equal(table[:, 1 + i], np.where(moved, b, a))
        if second_order:
            assert np.array_equal(table[:, 1 + size + i], np.where(moved, a, b))
    for column in np.hstack([a, b]).T:
        assert sorted(np.floor(32 * column)) == list(range(32)), "one point in every slice"


@pytest.mark.parametrize("seed", range(6))
def test_points_of_a_morris_design(seed: int):
    design = MorrisDesign(THREE, 10, 6, seed)
    points = design.points()
    assert points.shape == (design.draws, 3) == (40, 3)
    levels = 5.0 * (points - 0.025) / 0.95
    assert np.abs(levels - np.round(levels)).max() < 1e-12
    assert {0, 5} <= set(np.round(levels).ravel().astype(int)) <= set(range(6))
    moves = np.diff(points.reshape(10, 4, 3), axis=1)
    assert (np.count_nonzero(moves, axis=2) == 1).all(), "one parameter at a time"
    assert (np.count_nonzero(moves, axis=1) == 1).all(), "each once"
    assert np.abs(moves[moves != 0.0]) == pytest.approx(0.95 * 3.0 / 5.0)


STORED_SOBOL = [
    [226519647, 225138036],
    [349437468, 225138036],
    [226519647, 668822860],
    [349437468, 668822860],
    [845509085, 869288252],
    [927922823, 869288252],
    [845509085, 464258001],
    [927922823, 464258001],
]
STORED_MORRIS = [[1, 3], [3, 3], [3, 1], [3, 3], [1, 3], [1, 1]]


def test_points_have_the_bits_they_had():
    """A study that is resumed under other libraries would mix two designs."""
    assert (SobolDesign(("a", "b"), 2, 20240502).points() * 2**30).tolist() == STORED_SOBOL
    levels = (MorrisDesign(("a", "b"), 2, 4, 20240502).points() - 0.025) / 0.95 * 3.0
    assert np.round(levels).astype(int).tolist() == STORED_MORRIS


@pytest.mark.parametrize(
    "design", [SobolDesign(THREE, 16, 0), SobolDesign(THREE, 16, 8, ("a", "b", "a")), MorrisDesign(THREE, 8, 4, 0)]
)
def test_nothing_hangs_on_luck_that_others_share(design: Design):
    """Nor is it changed; seed 0 is a seed."""
    found = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        before = np.random.get_state()  # noqa: NPY002
        points = design.points()
        found.append((points.tobytes(), design.read(ishigami(points)[:, None], ["y"], points)))
        after = np.random.get_state()  # noqa: NPY002
        assert before[2:] == after[2:]
        assert np.array_equal(before[1], after[1])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "kind", [lambda seed: SobolDesign(THREE, 16, seed), lambda seed: MorrisDesign(THREE, 8, 4, seed)]
)
def test_another_seed_is_another_design(kind: Callable[[int], Design]):
    assert not np.array_equal(kind(0).points(), kind(1).points())


def test_points_stay_off_the_sides(monkeypatch: pytest.MonkeyPatch):
    """0 comes up once in 2^30 numbers; here always."""
    from SALib.sample import sobol as salib

    monkeypatch.setattr(salib, "sample", lambda problem, base, **_: np.tile([0.0, 0.5, 1.0], (5 * base, 1)))
    points = SobolDesign(THREE, 2, 0).points()
    assert points[0].tolist() == [HALF_CELL, 0.5, 1.0 - HALF_CELL]
    assert NormalDist().inv_cdf(points[0, 0]) == pytest.approx(-6.12, abs=0.005)


def test_points_are_multiples_of_two_half_cells():
    cells = SobolDesign(tuple(f"p{i}" for i in range(30)), 64, 7).points() / (2.0 * HALF_CELL)
    assert np.array_equal(cells, np.round(cells))
    assert (np.round(cells) % 2 == 1).any(), "no coarser"


def test_morris_levels_reach_where_they_are_told_to():
    points = MorrisDesign(THREE, 10, 4, 0, central=0.5).points()
    assert (points.min(), points.max()) == pytest.approx((0.25, 0.75))


SLOPES = np.array([3.0, -2.0, 0.0])


@pytest.mark.parametrize(("levels", "central"), [(2, 0.95), (4, 0.95), (8, 0.95), (4, 0.5)])
def test_effects_on_a_plane_are_its_slopes(levels: int, central: float):
    for one, slope in zip(
        read(MorrisDesign(THREE, 5, levels, 9, central=central), lambda points: 7.0 + points @ SLOPES),
        SLOPES,
        strict=True,
    ):
        assert one.mean == pytest.approx(slope * central, abs=1e-12)
        assert one.mean_absolute == pytest.approx(abs(slope) * central, abs=1e-12)
        assert one.standard_deviation == pytest.approx(0.0, abs=1e-12)
        assert (one.mean_absolute_low, one.mean_absolute_high) == pytest.approx((one.mean_absolute,) * 2, abs=1e-12)


def assert_effect(one: ElementaryEffect, mean: float, absolute: float, spread: float, trajectories: int) -> None:
    """The spread of a spread is no more than that of a normal number's."""
    band = Z * spread / np.sqrt(trajectories)
    assert band < 0.1, "too few trajectories"
    assert abs(one.mean - mean) < band
    assert abs(one.mean_absolute - absolute) < band
    assert abs(one.standard_deviation - spread) < band


def test_effects_that_interact():
    """At the four levels of the other: a mean of half, a standard deviation of sqrt(5) / 6 of the interval."""
    found = read(MorrisDesign(THREE, 400, 4, 10), lambda points: points[:, 0] * points[:, 1])
    for one in found[:2]:
        assert_effect(one, 0.95 * 0.5, 0.95 * 0.5, 0.95**2 * np.sqrt(5.0) / 6.0, 400)
        assert one.standard_deviation > 0.3
    assert found[2] == ("y", "x3", 0.0, 0.0, 0.0, 0.0, 0.0)


def test_effects_of_both_signs():
    """Of a parabola around the middle, with two of four levels to start from."""
    found = read(MorrisDesign(THREE, 400, 4, 11), lambda points: (points[:, 0] - 0.5) ** 2)[0]
    size = 0.95 * (0.95 - 0.95 * 2.0 / 3.0)
    assert_effect(found, 0.0, size, size, 400)
    assert found.mean_absolute == pytest.approx(size), "the same wherever it starts"
    assert (found.mean_absolute_low, found.mean_absolute_high) == pytest.approx((size, size))


def test_effects_of_a_group():
    """Two of one slope move together or against each other."""
    design = MorrisDesign(THREE, 400, 4, 12, groups=("pair", "pair", "x3"))
    assert design.draws == 400 * 3
    pair, alone = read(design, lambda points: points @ [1.0, 1.0, 5.0])
    assert np.isnan([pair.mean, pair.standard_deviation]).all()
    assert abs(pair.mean_absolute - 0.95) < Z * 0.95 / np.sqrt(400)
    assert alone.parameter == "x3"
    assert (alone.mean, alone.standard_deviation) == pytest.approx((5.0 * 0.95, 0.0), abs=1e-12)


def test_intervals_of_effects_hold_the_truth_often_enough():
    replicates, inside = 300, np.zeros((300, 2, 3))
    for seed in range(replicates):
        found = read(MorrisDesign(THREE, 50, 4, seed), lambda points: points[:, 0] * points[:, 1])
        for i, one in enumerate(found[:2]):
            off = abs(one.mean_absolute - 0.95 * 0.5) / (one.mean_absolute_high - one.mean_absolute)
            inside[seed, i] = off < 1.0, off < 0.6, off < 2.0
    band = Z * np.sqrt(0.95 * 0.05 / replicates)
    right, narrow, wide = np.moveaxis(np.mean(inside, axis=0), 1, 0)
    assert (np.abs(right - 0.95) < band).all(), right
    assert (narrow < 0.95 - band).all()
    assert (wide > 0.95 + 0.9 * band).all()


def test_an_interval_of_absolute_effects_stays_above_0():
    found = read(MorrisDesign(THREE, 4, 4, 3), lambda points: (points > 0.9).all(axis=1).astype(float))
    assert any(one.mean_absolute_low == 0.0 < one.mean_absolute for one in found)


@pytest.mark.parametrize("design", [SobolDesign(THREE, 64, 13, second_order=True), MorrisDesign(THREE, 64, 4, 13)])
def test_outcomes_are_read_each_for_itself_and_without_noise(design: Design):
    points = design.points()
    y = ishigami(points)
    broken, endless = y.copy(), np.full(len(y), np.inf)
    broken[3] = np.nan
    rounded = 12516.0 * (1.0 + 1e-15 * points[:, 0])
    columns = {"y": y, "same": np.full(len(y), 0.1), "rounded": rounded, "nan": broken, "inf": endless, "-2y": -2.0 * y}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = design.read(np.stack(list(columns.values()), axis=1), list(columns), points)
        pairs = (
            design.read_pairs(np.stack([y, broken], axis=1), ["y", "nan"]) if isinstance(design, SobolDesign) else []
        )
    assert [one[:2] for one in found] == [(outcome, parameter) for outcome in columns for parameter in THREE]
    told = np.array([one[2:] for one in found]).reshape(len(columns), 3, -1)
    assert np.array_equal(told[0], [one[2:] for one in design.read(y[:, None], ["y"])])
    assert np.isfinite(told[0]).all()
    assert np.isnan(told[[3, 4]]).all()
    if isinstance(design, SobolDesign):
        assert np.isnan(told[[1, 2]]).all()
        assert told[5] == pytest.approx(told[0], rel=1e-9), "shares know no unit and no sign"
        assert [np.isnan(one[3:]).all() for one in pairs] == [False] * 3 + [True] * 3
    else:
        assert (told[1] == 0.0).all()
        assert told[5][:, :2] == pytest.approx(told[0][:, :2] * [-2.0, 2.0])


def test_shares_do_not_hang_on_the_level_of_an_outcome():
    found = read(SobolDesign(THREE, 64, 13), ishigami), read(SobolDesign(THREE, 64, 13), lambda p: 1e6 + ishigami(p))
    assert np.array([one[2:] for one in found[0]]) == pytest.approx(np.array([one[2:] for one in found[1]]), rel=1e-6)


def test_an_outcome_that_differs_in_one_draw_has_no_intervals():
    design = SobolDesign(THREE, 8, 14)
    outcomes = np.zeros((design.draws, 1))
    outcomes[5] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = design.read(outcomes, ["rare"])[0]
    assert np.isfinite([one.first_order, one.total_order]).all()
    assert np.isnan([one.first_order_low, one.first_order_high, one.total_order_low, one.total_order_high]).all()


# The wrong pairings.


def test_results_of_another_shape_are_refused():
    design = SobolDesign(THREE, 64, 0)
    told = r"parameters or groups and base 64 \(64 x 5 = 320 draws\) reads outcomes of shape \(320, 1\)"
    for shape in ((319, 1), (320, 2), (320,), (512, 1), (1, 320)):
        with pytest.raises(ValueError, match=told):
            design.read(np.zeros(shape), ["y"])
    with pytest.raises(
        ValueError, match=r"20 trajectories \(20 x \(3 \+ 1\) = 80 draws\) reads outcomes of shape \(80, 1\)"
    ):
        MorrisDesign(THREE, 20, 4, 0).read(np.zeros((81, 1)), ["y"])
    with pytest.raises(ValueError, match="interactions too"):
        SobolDesign(THREE, 64, 0, second_order=True).read(np.zeros((320, 1)), ["y"])
    with pytest.raises(ValueError, match="second_order=True"):
        design.read_pairs(np.zeros((320, 1)), ["y"])


OWN = {"sobol": SobolDesign(THREE, 64, 0), "morris": MorrisDesign(THREE, 80, 4, 0)}


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("sobol", OWN["morris"]),
        ("morris", OWN["sobol"]),
        ("sobol", SobolDesign(THREE, 64, 1)),
        ("morris", MorrisDesign(THREE, 80, 4, 1)),
        ("morris", MorrisDesign(THREE, 80, 6, 0)),
        ("morris", MorrisDesign(THREE, 80, 4, 0, central=0.9)),
    ],
)
def test_results_of_another_design_are_refused(own: str, other: Design):
    """Of the same shape, so that only the points tell."""
    points = other.points()
    outcomes = ishigami(points)[:, None]
    OWN[own].read(outcomes, ["y"])
    with pytest.raises(ValueError, match=r"not the points of a (Sobol|Morris) design.*\d of 320 rows differ"):
        OWN[own].read(outcomes, ["y"], points)


@pytest.mark.parametrize("own", OWN)
def test_rows_out_of_order_are_refused(own: str):
    design = OWN[own]
    points = design.points()
    swapped = np.arange(len(points))
    swapped[[7, 8]] = 8, 7
    with pytest.raises(ValueError, match="2 of 320 rows differ, the first is row 7"):
        design.read(ishigami(points[swapped])[:, None], ["y"], points[swapped])
    with pytest.raises(ValueError, match=r"points of shape \(320, 3\), not \(320, 2\)"):
        design.read(ishigami(points)[:, None], ["y"], points[:, :2])


def test_what_other_results_would_look_like():
    """Nothing explains anything alone, everything together: what is told where points are not compared."""
    design = SobolDesign(THREE, 1024, 0)
    order = np.random.default_rng(1).permutation(design.draws)
    found = design.read(ishigami(design.points())[order][:, None], ["y"])
    assert_shares(found, np.zeros(3), np.ones(3), smallest_error_to_catch=0.3)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: SobolDesign(THREE, 1000, 0), "not 1000; the nearest are 512 and 1024"),
        (lambda: SobolDesign(THREE, 1025, 0), "not 1025; the nearest are 1024 and 2048"),
        (lambda: SobolDesign(THREE, 1, 0), "2 at least, not 1"),
        (lambda: SobolDesign(THREE, -8, 0), "2 at least, not -8"),
        (lambda: SobolDesign((), 8, 0), "needs parameters"),
        (lambda: SobolDesign(("a", "b", "a"), 8, 0), "more than once: a"),
        (lambda: SobolDesign(THREE, 8, 0, groups=("a", "b")), "one group for each of the 3 parameters"),
        (lambda: SobolDesign(THREE, 8, 0, groups=("a", "a", "a")), "all parameters are in the group 'a'"),
        (lambda: SobolDesign(THREE, 8, -1), "a seed is 0 or more"),
        (lambda: MorrisDesign(THREE, 1, 4, 0), "2 trajectories or more, not 1"),
        (lambda: MorrisDesign(THREE, 10, 5, 0), "even number of levels, 2 or more, not 5"),
        (lambda: MorrisDesign(THREE, 10, 0, 0), "even number of levels, 2 or more, not 0"),
        (lambda: MorrisDesign(THREE, 10, 4, 0, central=1.0), "between 0 and 1, not 1.0"),
        (lambda: MorrisDesign(("a", "a"), 10, 4, 0), "more than once: a"),
    ],
)
def test_designs_that_cannot_be_are_refused(make: Callable[[], Design], told: str):
    with pytest.raises(ValueError, match=told):
        make()


@pytest.mark.parametrize("kind", [lambda n: SobolDesign(n, 8, 0), lambda n: MorrisDesign(n, 8, 4, 0)])
def test_one_parameter_is_enough(kind: Callable[[tuple[str, ...]], Design]):
    (one,) = read(kind(("only",)), lambda points: points[:, 0])
    assert one.parameter == "only"


def test_rows_name_their_columns():
    orders = [f"{order}_order{end}" for order in ("first", "total") for end in ("", "_low", "_high")]
    assert SobolIndex._fields == ("outcome", "parameter", *orders)
    assert SobolPair._fields[:3] == ("outcome", "parameter", "other")


def test_salib_is_imported_when_it_is_needed():
    modules = "hcc_sim.analyses.sobol, hcc_sim.analyses.morris"
    code = f"import sys, {modules}; print({{'SALib', 'pandas', 'scipy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
