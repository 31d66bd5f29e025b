"""Logarithm, exponential and the normal distribution, with the same bits on every processor.

Library functions choose their code by processor and may fuse a multiplication with an addition.  Here there are only
``+ - * /`` and square roots of float64, comparisons, and integer operations on the bits of a double, in a fixed order.
All functions are scalar and compiled.  They end in selections instead of early returns where that is cheap, so that a
plain loop over an array is vectorised by the compiler and gives the bits of the scalar call.

Reductions and coefficients of log, exp, log1p and expm1 are those of fdlibm 5.3: Copyright (C) 1993 by Sun
Microsystems, Inc. All rights reserved. Developed at SunSoft, a Sun Microsystems, Inc. business.  Permission to use,
copy, modify, and distribute this software is freely granted, provided that this notice is preserved.
"""

import numpy as np
import numpy.typing as npt

from hcc_sim.compiled import compiled

FloatArray = npt.NDArray[np.float64]

LN2 = 0.6931471805599453

# ln 2 in two parts; the first ends in 32 zero bits, so that its product with an exponent is exact.
_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10
_ONE_OVER_LN2 = 1.44269504088896338700e00

_SMALLEST_NORMAL = 2.2250738585072014e-308
_TWO_52 = 4503599627370496.0
_TWO_54 = 18014398509481984.0
# Adding 1.5 * 2^52 rounds to a whole number and leaves it, two's complement, in the low bits.
_ROUNDER = 6755399441055744.0
_ROUNDER_BITS = np.uint64(0x4338000000000000)
_TWO_52_BITS = np.uint64(0x4330000000000000)
_ONE_BITS = np.uint64(0x3FF0000000000000)
_SQRT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
_FRACTION_MASK = np.uint64(0x000FFFFFFFFFFFFF)
_FRACTION_WIDTH = np.uint64(52)
_ONE = np.uint64(1)
_2048 = np.uint64(2048)

# fdlibm e_log.c, e_exp.c, s_expm1.c; highest power first.
_LOG_EVEN = (1.531383769920937332e-01, 2.222219843214978396e-01, 3.999999999940941908e-01)
_LOG_ODD = (1.479819860511658591e-01, 1.818357216161805012e-01, 2.857142874366239149e-01, 6.666666666666735130e-01)
_EXP = (
    4.13813679705723846039e-08,
    -1.65339022054652515390e-06,
    6.61375632143793436117e-05,
    -2.77777777770155933842e-03,
    1.66666666666666019037e-01,
)
_EXPM1 = (
    -2.01099218183624371326e-07,
    4.00821782732936239552e-06,
    -7.93650757867487942473e-05,
    1.58730158725481460165e-03,
    -3.33333333333331316428e-02,
    1.0,
)


@compiled
def _bits(x: float) -> np.uint64:
    """The bits of a double."""
    return np.float64(x).view(np.uint64)


@compiled
def _number(bits: np.uint64) -> float:
    """The double with these bits."""
    return np.uint64(bits).view(np.float64)


@compiled
def polynomial(coefficients: tuple[float, ...], x: float) -> float:
    """Horner's rule, coefficients of the highest power first."""
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value


# --- logarithms -------------------------------------------------------------------------------------------------------


@compiled
def _split(x: float) -> tuple[float, float]:
    """(k, m) with x = 2^k m and m in [sqrt(1/2), sqrt(2)), for normal x > 0; rubbish, never an error, for others."""
    shifted = _bits(x) + (_ONE_BITS - _SQRT_HALF_BITS)
    biased = shifted >> _FRACTION_WIDTH
    # Exponent to float through the bits of 2^52 + biased: not every processor converts int64 in vectors.
    k = _number(biased | _TWO_52_BITS) - (_TWO_52 + 1023.0)
    m = _number((shifted & _FRACTION_MASK) + _SQRT_HALF_BITS)
    return k, m


@compiled
def _log_of_parts(k: float, f: float, correction: float) -> float:
    """k ln 2 + log(1 + f) + correction, for 1 + f in [sqrt(1/2), sqrt(2)) and a small correction."""
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    tail = z * polynomial(_LOG_ODD, w) + w * polynomial(_LOG_EVEN, w)
    half_square = 0.5 * f * f
    return k * _LN2_HIGH - ((half_square - (s * (half_square + tail) + (k * _LN2_LOW + correction))) - f)


@compiled
def log(x: float) -> float:
    """Natural logarithm within 1 ulp; -inf at 0, nan below."""
    x = np.float64(x)
    subnormal = x < _SMALLEST_NORMAL
    k, m = _split(x * _TWO_54 if subnormal else x)
    result = _log_of_parts(k - 54.0 if subnormal else k, m - 1.0, 0.0)
    result = -np.inf if x == 0.0 else result
    result = np.nan if x < 0.0 else result
    return result if x < np.inf else x


@compiled
def log1p(x: float) -> float:
    """log(1 + x) within 1 ulp, also for tiny x; -inf at -1, nan below."""
    x = np.float64(x)
    u = 1.0 + x
    k, m = _split(u)
    # What rounding 1 + x lost, relative to u; beyond 2^54 it no longer counts.
    lost = (1.0 - (u - x) if k >= 2.0 else x - (u - 1.0)) / u
    near = x > -0.2928932188134524 and x < 0.41421356237309503
    result = _log_of_parts(
        0.0 if near else k,
        x if near else m - 1.0,
        0.0 if near or k >= 54.0 else lost,
    )
    result = -np.inf if x == -1.0 else result
    result = np.nan if x < -1.0 else result
    return result if x < np.inf else x


# --- exponentials -----------------------------------------------------------------------------------------------------


@compiled
def _reduce(x: float) -> tuple[float, float, float, float]:
    """(high, low, a, b) with exp(x) = exp(high - low) a b, |high - low| <= ln 2 / 2, a and b powers of two; |x| <= 750.

    Two factors, because 2^k alone leaves the range of a double before the result does.
    """
    rounded = x * _ONE_OVER_LN2 + _ROUNDER
    k = rounded - _ROUNDER
    biased = _bits(rounded) - (_ROUNDER_BITS - _2048)  # k + 2048, positive
    half = biased >> _ONE
    a = _number((half - _ONE) << _FRACTION_WIDTH)
    b = _number((biased - half - _ONE) << _FRACTION_WIDTH)
    return x - k * _LN2_HIGH, k * _LN2_LOW, a, b


@compiled
def exp(x: float) -> float:
    """Exponential within 1 ulp (also of subnormal results); overflows to inf, underflows to 0."""
    x = np.float64(x)
    x = -750.0 if x < -750.0 else x
    x = 750.0 if x > 750.0 else x
    high, low, a, b = _reduce(x)
    r = high - low
    z = r * r
    c = r - z * polynomial(_EXP, z)
    return (1.0 + (r * c / (2.0 - c) - low + high)) * a * b


@compiled
def expm1(x: float) -> float:
    """exp(x) - 1 within 2 ulp, also for tiny x; -1 at -inf, overflows to inf."""
    x = np.float64(x)
    x = -50.0 if x < -50.0 else x
    x = 750.0 if x > 750.0 else x
    high, low, a, b = _reduce(x)
    r = high - low
    lost = (high - r) - low
    half_square = r * (0.5 * r)
    r1 = polynomial(_EXPM1, half_square)
    t = 3.0 - r1 * (0.5 * r)
    e = half_square * ((r1 - t) / (6.0 - r * t))
    e = (r * (e - lost) - lost) - half_square  # exp(r) - 1 = r - e
    return ((r + (1.0 - 1.0 / a / b)) - e) * a * b


# --- the normal distribution ------------------------------------------------------------------------------------------

_SQRT_HALF = 0.7071067811865476
_ONE_OVER_SQRT_PI = 0.5641895835477563
_SQRT_TWO_PI = 2.5066282746310002
LARGEST_USUAL_HAZARD = 729.0
"""Up to this cumulative hazard the normal quantile needs no iteration."""

_CENTRE = 0.66  # |z| below which erf is used instead of erfc; just under 0.46875 sqrt(2)

# W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969) 631-637,
# doi:10.1090/S0025-5718-1969-0247736-4: erf x near 0; exp(x^2) erfc(x) up to 4; the same beyond, in 1 / x^2.
_ERF_TOP = (
    1.85777706184603153e-1,
    3.16112374387056560e00,
    1.13864154151050156e02,
    3.77485237685302021e02,
    3.20937758913846947e03,
)
_ERF_BOTTOM = (
    1.0,
    2.36012909523441209e01,
    2.44024637934444173e02,
    1.28261652607737228e03,
    2.84423683343917062e03,
)
_ERFC_TOP = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e00,
    6.61191906371416295e01,
    2.98635138197400131e02,
    8.81952221241769090e02,
    1.71204761263407058e03,
    2.05107837782607147e03,
    1.23033935479799725e03,
)
_ERFC_BOTTOM = (
    1.0,
    1.57449261107098347e01,
    1.17693950891312499e02,
    5.37181101862009858e02,
    1.62138957456669019e03,
    3.29079923573345963e03,
    4.36261909014324716e03,
    3.43936767414372164e03,
    1.23033935480374942e03,
)
_ERFC_FAR_TOP = (
    1.63153871373020978e-2,
    3.05326634961232344e-1,
    3.60344899949804439e-1,
    1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)
_ERFC_FAR_BOTTOM = (
    1.0,
    2.56852019228982242e00,
    1.87295284992346725e00,
    5.27905102951428412e-1,
    6.05183413124413191e-2,
    2.33520497626869185e-3,
)

# M. J. Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied Statistics 37 (1988)
# 477-484, doi:10.2307/2347330, PPND16: |p - 1/2| <= 0.425; r = sqrt(-log tail) up to 5; up to 27.
_QUANTILE_TOP = (
    2.5090809287301226727e03,
    3.3430575583588128105e04,
    6.7265770927008700853e04,
    4.5921953931549871457e04,
    1.3731693765509461125e04,
    1.9715909503065514427e03,
    1.3314166789178437745e02,
    3.3871328727963666080e00,
)
_QUANTILE_BOTTOM = (
    5.2264952788528545610e03,
    2.8729085735721942674e04,
    3.9307895800092710610e04,
    2.1213794301586595867e04,
    5.3941960214247511077e03,
    6.8718700749205790830e02,
    4.2313330701600911252e01,
    1.0,
)
_TAIL_TOP = (
    7.74545014278341407640e-4,
    2.27238449892691845833e-2,
    2.41780725177450611770e-1,
    1.27045825245236838258e00,
    3.64784832476320460504e00,
    5.76949722146069140550e00,
    4.63033784615654529590e00,
    1.42343711074968357734e00,
)
_TAIL_BOTTOM = (
    1.05075007164441684324e-9,
    5.47593808499534494600e-4,
    1.51986665636164571966e-2,
    1.48103976427480074590e-1,
    6.89767334985100004550e-1,
    1.67638483018380384940e00,
    2.05319162663775882187e00,
    1.0,
)
_FAR_TAIL_TOP = (
    2.01033439929228813265e-7,
    2.71155556874348757815e-5,
    1.24266094738807843860e-3,
    2.65321895265761230930e-2,
    2.96560571828504891230e-1,
    1.78482653991729133580e00,
    5.46378491116411436990e00,
    6.65790464350110377720e00,
)
_FAR_TAIL_BOTTOM = (
    2.04426310338993978564e-15,
    1.42151175831644588870e-7,
    1.84631831751005468180e-5,
    7.86869131145613259100e-4,
    1.48753612908506148525e-2,
    1.36929880922735805310e-1,
    5.99832206555887937690e-1,
    1.0,
)


@compiled(forceinline=True)
def _half_erf(z: float) -> float:
    """Phi(z) - 1/2 for |z| <= 0.66."""
    x = z * _SQRT_HALF
    y = x * x
    return 0.5 * x * polynomial(_ERF_TOP, y) / polynomial(_ERF_BOTTOM, y)


@compiled(forceinline=True)
def _scaled_tail(z: float) -> float:
    """(1 - Phi(z)) exp(z^2 / 2) for z >= 0.66: neither over- nor underflows."""
    x = z * _SQRT_HALF
    middle = 0.5 * polynomial(_ERFC_TOP, x) / polynomial(_ERFC_BOTTOM, x)
    y = 1.0 / (x * x)
    rest = y * polynomial(_ERFC_FAR_TOP, y) / polynomial(_ERFC_FAR_BOTTOM, y)
    far = 0.5 * (_ONE_OVER_SQRT_PI - rest) / x
    return middle if x <= 4.0 else far


@compiled(forceinline=True)
def _tail(z: float) -> float:
    """1 - Phi(z) for z >= 0.66, with relative accuracy."""
    z = min(z, 40.0)  # 0 from there on; keeps inf - inf away
    # The square of a number with few bits is exact, and the exponential of the small rest loses nothing.
    head = ((z * 16.0 + _ROUNDER) - _ROUNDER) / 16.0
    return exp(-0.5 * head * head) * exp(-0.5 * (z - head) * (z + head)) * _scaled_tail(z)


@compiled
def normal_cdf(z: float) -> float:
    """Phi(z), the standard normal distribution function, within 1e-14 relative, also in the lower tail."""
    if not abs(z) > _CENTRE:
        return 0.5 + _half_erf(z)
    return _tail(-z) if z < 0.0 else 1.0 - _tail(z)


@compiled(forceinline=True)
def log_normal_survival(z: float) -> float:
    """log(1 - Phi(z)), the log of the normal survival, within 1e-14 relative; 0 at -inf, -inf at inf."""
    scaled = _scaled_tail(abs(z))
    upper = log(scaled if z > _CENTRE else 0.5 - _half_erf(z))
    upper = upper - 0.5 * z * z if z > _CENTRE else upper
    return log1p(-_tail(-z)) if z < -_CENTRE else upper


@compiled(forceinline=True)
def _central_quantile(q: float) -> float:
    """Phi^-1(1/2 + q) for |q| <= 0.425."""
    r = 0.180625 - q * q
    return q * polynomial(_QUANTILE_TOP, r) / polynomial(_QUANTILE_BOTTOM, r)


@compiled(forceinline=True)
def _tail_quantile(h: float) -> float:
    """The z > 0 with -log(1 - Phi(z)) = h, for -log(0.075) <= h <= `LARGEST_USUAL_HAZARD`, and at inf."""
    r = np.sqrt(h)
    near = polynomial(_TAIL_TOP, r - 1.6) / polynomial(_TAIL_BOTTOM, r - 1.6)
    far = polynomial(_FAR_TAIL_TOP, r - 5.0) / polynomial(_FAR_TAIL_BOTTOM, r - 5.0)
    z = near if r <= 5.0 else far
    return z if h < np.inf else h


@compiled
def _enormous_quantile(h: float) -> float:
    """The z with -log(1 - Phi(z)) = h beyond Wichura's range, which ends where probabilities underflow."""
    # 1 - Phi(z) ~ exp(-z^2 / 2) / (z sqrt(2 pi)) starts Newton's method, whose error is then squared and divided by z
    # in each step.
    z = np.sqrt(2.0 * h)
    z = np.sqrt(2.0 * (h - log(z * _SQRT_TWO_PI)))
    for _ in range(2):
        z += (h + log_normal_survival(z)) * (_SQRT_TWO_PI * _scaled_tail(z))
    return z


@compiled
def normal_quantile(p: float) -> float:
    """Phi^-1(p), within 1e-14 relative away from p = 1/2; -inf at 0, inf at 1, nan outside [0, 1]."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return _central_quantile(q)
    return -_tail_quantile(-log(p)) if q < 0.0 else _tail_quantile(-log(1.0 - p))


@compiled
def normal_quantiles(p: FloatArray, out: FloatArray, places: npt.NDArray[np.int32], room: FloatArray) -> None:
    """Fill out[i] with the bits of `normal_quantile` at p[i]; all four as long as p.

    The centre of the distribution is found for all, and put right for the few beyond it, whose `places` and distances
    from the nearer end (in `room`) are put side by side first: both loops then vectorise.
    """
    for i in range(p.size):
        out[i] = _central_quantile(p[i] - 0.5)
    tails = 0
    for i in range(p.size):
        q = p[i] - 0.5
        places[tails], room[tails] = i, p[i] if q < 0.0 else 1.0 - p[i]
        tails += not abs(q) <= 0.425
    for i in range(tails):
        room[i] = _tail_quantile(-log(room[i]))
    for i in range(tails):
        out[places[i]] = -room[i] if p[places[i]] - 0.5 < 0.0 else room[i]


@compiled(forceinline=True)
def usual_normal_quantile_from_hazard(h: float) -> float:
    """`normal_upper_quantile_from_hazard`, for h up to `LARGEST_USUAL_HAZARD` and at inf: without branches."""
    upper = h > 2.5902671654458267  # -log(0.075)
    lower = h < 0.07796154146971182  # -log(0.925)
    tail = _tail_quantile(h if upper else -log(-expm1(-h)))
    tail = tail if upper else -tail
    return tail if upper or lower else _central_quantile(0.5 - exp(-h))


@compiled
def normal_upper_quantile_from_hazard(h: float) -> float:
    """The z with -log(1 - Phi(z)) = h, within 1e-14 relative away from z = 0; -inf at 0, inf at inf, nan below 0.

    Starting from the cumulative hazard h, neither tail is ever rounded away: h may be 1e-300 or 1e300.
    """
    if LARGEST_USUAL_HAZARD < h < np.inf:
        return _enormous_quantile(h)
    return usual_normal_quantile_from_hazard(h)
