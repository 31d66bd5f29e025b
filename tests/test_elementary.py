"""Elementary functions against mpmath, at their edges, and bit for bit between scalar calls and loops."""

import hashlib
import math
from pathlib import Path

import mpmath
import numpy as np
import pytest

from hcc_sim import elementary
from hcc_sim.compiled import compiled
from hcc_sim.elementary import (
    exp,
    expm1,
    log,
    log1p,
    log_normal_survival,
    normal_cdf,
    normal_quantile,
    normal_upper_quantile_from_hazard,
)

INF, NAN = math.inf, math.nan
FUNCTIONS = (
    exp,
    expm1,
    log,
    log1p,
    log_normal_survival,
    normal_cdf,
    normal_quantile,
    normal_upper_quantile_from_hazard,
)


@pytest.fixture(autouse=True)
def _sixty_digits():
    with mpmath.workdps(60):
        yield


def true_log_survival(z):
    z = mpmath.mpf(z)
    return mpmath.log1p(-mpmath.ncdf(z)) if z < 0 else mpmath.log(mpmath.erfc(z / mpmath.sqrt(2)) / 2)


def ulps(function, truth, x):
    exact = truth(mpmath.mpf(x))
    return abs(mpmath.mpf(function(x)) - exact) / mpmath.mpf(float(np.spacing(abs(float(exact)))))


def spread(low, high, n=600, seed=1):
    return [float(x) for x in np.random.default_rng(seed).uniform(low, high, n)]


def powers(low, high, sign=1, n=600, seed=2):
    """Numbers whose logarithm is uniform."""
    return [float(x) for x in sign * np.exp(np.random.default_rng(seed).uniform(low, high, n))]


ULP_CASES = {
    "log everywhere": (log, mpmath.log, powers(-745, 709), 1),
    "log near 1": (log, mpmath.log, spread(0.5, 2) + spread(0.9999, 1.0001), 1),
    "exp everywhere": (exp, mpmath.exp, spread(-745, 709.78), 1),
    "exp near 0": (exp, mpmath.exp, spread(-1, 1), 1),
    "log1p large": (log1p, mpmath.log1p, powers(0, 709), 1),
    "log1p near 0": (log1p, mpmath.log1p, powers(-700, -0.1) + powers(-700, -0.1, sign=-1), 1),
    "log1p mid": (log1p, mpmath.log1p, spread(-0.9999, 4), 1),
    "expm1 large": (expm1, mpmath.expm1, spread(-60, 709.78), 1.25),
    "expm1 near 0": (expm1, mpmath.expm1, powers(-700, 1) + powers(-700, 1, sign=-1), 1.25),
    "expm1 mid": (expm1, mpmath.expm1, spread(-2, 2), 1.25),
}


@pytest.mark.parametrize("case", ULP_CASES)
def test_within_ulps_of_mpmath(case):
    function, truth, points, bound = ULP_CASES[case]
    assert max(ulps(function, truth, x) for x in points) <= bound


def test_two_ulps_off_would_be_seen():
    assert max(ulps(lambda x: np.nextafter(np.nextafter(log(x), INF), INF), mpmath.log, x) for x in powers(-5, 5)) > 1


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (log, 0.0, -INF),
        (log, -0.0, -INF),
        (log, 1.0, 0.0),
        (log, INF, INF),
        (log, -1.0, NAN),
        (log, -INF, NAN),
        (log, NAN, NAN),
        (log, 5e-324, -744.4400719213812),
        (exp, 0.0, 1.0),
        (exp, -0.0, 1.0),
        (exp, INF, INF),
        (exp, -INF, 0.0),
        (exp, NAN, NAN),
        (exp, 709.782712893384, 1.7976931348622732e308),
        (exp, 709.7827128933841, INF),
        (exp, 1e308, INF),
        (exp, -745.1332191019411, 5e-324),
        (exp, -745.1332191019412, 0.0),
        (exp, -1e308, 0.0),
        (log1p, 0.0, 0.0),
        (log1p, 5e-324, 5e-324),
        (log1p, -1.0, -INF),
        (log1p, -1.0000000000000002, NAN),
        (log1p, -INF, NAN),
        (log1p, INF, INF),
        (log1p, NAN, NAN),
        (expm1, 0.0, 0.0),
        (expm1, 5e-324, 5e-324),
        (expm1, -INF, -1.0),
        (expm1, -1e300, -1.0),
        (expm1, INF, INF),
        (expm1, 709.7827128933841, INF),
        (expm1, NAN, NAN),
        (normal_cdf, INF, 1.0),
        (normal_cdf, -INF, 0.0),
        (normal_cdf, 0.0, 0.5),
        (normal_cdf, NAN, NAN),
        (log_normal_survival, INF, -INF),
        (log_normal_survival, -INF, 0.0),
        (log_normal_survival, 1e200, -INF),
        (log_normal_survival, NAN, NAN),
        (normal_quantile, 0.0, -INF),
        (normal_quantile, 0.5, 0.0),
        (normal_quantile, 1.0, INF),
        (normal_quantile, -0.1, NAN),
        (normal_quantile, 1.1, NAN),
        (normal_quantile, INF, NAN),
        (normal_quantile, NAN, NAN),
        (normal_upper_quantile_from_hazard, 0.0, -INF),
        (normal_upper_quantile_from_hazard, INF, INF),
        (normal_upper_quantile_from_hazard, -1.0, NAN),
        (normal_upper_quantile_from_hazard, NAN, NAN),
    ],
)
def test_edges(function, x, expected):
    assert function(x) == expected or (math.isnan(expected) and math.isnan(function(x)))


def test_whole_numbers_are_numbers():
    assert (log(2), exp(1), log1p(1), expm1(1)) == (log(2.0), exp(1.0), log1p(1.0), expm1(1.0))


NORMAL_POINTS = [*spread(-37.5, -5, 200), *spread(-5, 5, 400), *spread(5, 60, 200), *powers(4, 200, n=50), -0.66, 0.66]


def test_log_normal_survival_against_mpmath():
    for z in NORMAL_POINTS:
        assert abs(log_normal_survival(z) / true_log_survival(z) - 1) < 1e-14, z


def test_normal_cdf_against_mpmath():
    for z in NORMAL_POINTS:
        assert abs(normal_cdf(z) / mpmath.ncdf(z) - 1) < 1e-14, z


def error_of_quantile(z, hazard):
    """Relative error of z, by one Newton step in 60 digits; absolute where |z| < 0.1."""
    z = mpmath.mpf(z)
    survival = mpmath.exp(true_log_survival(z))
    step = (-true_log_survival(z) - hazard) * survival / mpmath.npdf(z)
    return abs(step) / max(abs(z), mpmath.mpf("0.1"))


def test_normal_upper_quantile_from_hazard_against_mpmath():
    # 2.59, 25 and 729 are where approximations meet.
    borders = [0.0779, 0.078, 2.59, 2.5903, 24.999, 25.001, 728.9, 729.1]
    for h in [*powers(-705, 12, n=500), *powers(-4, 4, n=300), *borders]:
        assert error_of_quantile(normal_upper_quantile_from_hazard(h), mpmath.mpf(h)) < 1e-14, h


def test_normal_upper_quantile_for_enormous_hazards():
    for h in powers(12, 690, n=50):
        z = mpmath.sqrt(2 * mpmath.mpf(h))
        for _ in range(60):  # fixed point of the asymptotic series, exact to 60 digits for such h
            tail = mpmath.log1p(-1 / z**2 + 3 / z**4 - 15 / z**6 + 105 / z**8)
            z = mpmath.sqrt(2 * (h - mpmath.log(z * mpmath.sqrt(2 * mpmath.pi)) + tail))
        assert abs(normal_upper_quantile_from_hazard(h) / z - 1) < 1e-14, h


def test_normal_quantile_against_mpmath():
    for p in [*powers(-700, -0.01), *spread(0, 1)]:
        assert error_of_quantile(normal_quantile(p), -mpmath.log1p(-mpmath.mpf(p))) < 1e-14, p


def test_a_wrong_thirteenth_digit_would_be_seen():
    z = normal_upper_quantile_from_hazard(3.0) * (1 + 1e-13)
    assert error_of_quantile(z, mpmath.mpf(3)) > 1e-14


def loop_of(function):
    @compiled(cache=False)
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return loop


def many_numbers():
    """Doubles of every exponent, and many near 0 and 1; the same on every machine."""
    rng = np.random.default_rng(3)
    everywhere = rng.integers(0, 2**64, 4000, dtype=np.uint64, endpoint=False).view(np.float64)
    return np.concatenate([everywhere[np.isfinite(everywhere)], 8 * rng.random(4000) - 4, rng.random(4001)])


# Equal on AVX-512, on AVX2 with fused multiply-add at hand, and on SSE2.
DIGESTS = {
    "exp": "e38fda506dec4c15",
    "expm1": "788b24e03d76ee32",
    "log": "83a87f468a0871bc",
    "log1p": "156fd18b45163c9c",
    "log_normal_survival": "d02f80686d6e324c",
    "normal_cdf": "9dbf4efc8de005d2",
    "normal_quantile": "f52d9a3d27065540",
    "normal_upper_quantile_from_hazard": "7656febe81099650",
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_loops_give_the_bits_of_scalar_calls_and_every_machine_those_stored_here(function):
    x = many_numbers()
    out = np.empty_like(x)
    loop_of(function)(x, out)
    one_by_one = np.array([function(value) for value in x])
    out[np.isnan(out)] = one_by_one[np.isnan(one_by_one)] = NAN  # a nan's own bits mean nothing
    assert out.tobytes() == one_by_one.tobytes()
    assert hashlib.blake2b(out.tobytes(), digest_size=8).hexdigest() == DIGESTS[function.__name__]


def test_nothing_here_calls_a_mathematical_library():
    source = Path(elementary.__file__).read_text(encoding="utf-8")
    assert "math" not in source.replace("Math. Comp.", "")
    assert {word for word in ("np.exp", "np.log", "np.expm1", "np.log1p", "**") if word in source} == set()
