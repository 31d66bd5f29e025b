"""Uniform numbers looked up by address: (seed, patient, name, count).

Nothing is consumed in order, so an address has the same number whatever else is simulated.  The generator is Philox
4x32-10: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3, SC '11,
doi:10.1145/2063384.2063405.  Key = (seed low, seed high); counter = (patient low, patient high, key of the name,
count), each 32 bits.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from hcc_sim.compiled import compiled

UInt64s = npt.NDArray[np.uint64]

KINDS = ("event", "branch", "attribute", "visit", "parameter")

# In compiled code an int64 beside a uint64 becomes float64: every constant is a uint64.
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_11 = np.uint64(11)
_ONE = np.uint64(1)
_TWO_TO_MINUS_53 = 1.0 / 9007199254740992.0


# Inlined by force: the compiler finds ten rounds too long to inline by itself, and only what is inlined is vectorised
# (1.2 instead of 9 ns a number).
@compiled(forceinline=True)
def philox4x32(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Philox 4x32 with ten rounds: four random words for counter (c0..c3) and key (k0, k1).

    All are 32-bit words held in uint64, and so are the results.
    """
    # Known to be short, two words multiply in one instruction instead of three.
    c0, c1, c2, c3 = c0 & _LOW, c1 & _LOW, c2 & _LOW, c3 & _LOW
    for _ in range(10):
        even, odd = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (odd >> _32) ^ c1 ^ k0, odd & _LOW, (even >> _32) ^ c3 ^ k1, even & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@compiled(forceinline=True)
def uniform(seed: np.uint64, patient: np.uint64, name_key: np.uint64, count: np.uint64) -> float:
    """The uniform number in (0, 1] at an address; all four are uint64, name_key and count below 2^32.

    (top 53 of 64 bits + 1) / 2^53: never 0, so that -log of it is finite, and every step is exact.
    """
    seed, patient = np.uint64(seed), np.uint64(patient)
    name_key, count = np.uint64(name_key), np.uint64(count)
    low, high, _, _ = philox4x32(patient & _LOW, patient >> _32, name_key, count, seed & _LOW, seed >> _32)
    top = ((high << _32) | low) >> _11
    return np.float64(top + _ONE) * _TWO_TO_MINUS_53


@compiled
def uniforms(
    seed: np.uint64, patient: UInt64s, name_key: np.uint64, count: UInt64s, out: npt.NDArray[np.float64]
) -> None:
    """Fill `out` with the uniform numbers at the addresses of as many patients and counts."""
    for i in range(out.size):
        out[i] = uniform(seed, patient[i], name_key, count[i])


def name_key(name: str) -> int:
    """The 32-bit word that stands for a name: first 4 bytes, little-endian, of BLAKE2b of its UTF-8.

    A name is ``kind:rest`` with a kind of `KINDS`, such as ``event:occult outgrowth``.  ValueError for any other.
    """
    kind, _, rest = name.partition(":")
    if kind not in KINDS or not rest:
        accepted = ", ".join(f"'{known}:...'" for known in KINDS)
        raise ValueError(f"luck has no address for {name!r}: a name is one of {accepted}")
    return int.from_bytes(hashlib.blake2b(name.encode()).digest()[:4], "little")


def name_keys(names: Iterable[str]) -> dict[str, int]:
    """The key of every name.  ValueError if two different names share one, for they would share their luck."""
    keys: dict[str, int] = {}
    owners: dict[int, str] = {}
    for name in names:
        key = name_key(name)
        owner = owners.setdefault(key, name)
        if owner != name:
            raise ValueError(f"{owner!r} and {name!r} would share their luck (both have key {key}): rename one of them")
        keys[name] = key
    return keys


def luck(seed: int, patient: int, name: str, count: int) -> float:
    """The uniform number in (0, 1] at an address, for people; compiled code calls `uniform`.

    For names of kind ``parameter`` the number of the draw stands in the patient's place.  ValueError outside
    0 <= seed, patient < 2^64 and 0 <= count < 2^32, or for a name without a known kind.
    """
    for what, value, bits in (("seed", seed, 64), ("patient", patient, 64), ("count", count, 32)):
        if not 0 <= value < 2**bits:
            raise ValueError(f"{what} must be a whole number from 0 to 2^{bits} - 1, not {value}")
    return float(uniform(np.uint64(seed), np.uint64(patient), np.uint64(name_key(name)), np.uint64(count)))
