"""Luck: known answers, an independent Philox, every corner of the address, and numbers that look like luck."""

import hashlib
import itertools
import random

import numpy as np
import pytest

from hcc_sim.compiled import compiled
from hcc_sim.luck import KINDS, luck, name_key, name_keys, philox4x32, uniform

M0, M1, W0, W1, LOW = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85, 0xFFFFFFFF
HUGE = 2**64 - 1
DRAWS = 40_000
# Kolmogorov: P(D > d) is close to 2 exp(-2 n d^2); one in 10,000 false alarms, were the seed not fixed.
KS_BAND = np.sqrt(np.log(2e4) / 2 / DRAWS)


def philox_by_hand(counter, key):
    """Philox 4x32-10 in Python integers, from the paper's definition."""
    a, b, c, d = counter
    for r in range(10):
        left, right = (key[0] + r * W0) & LOW, (key[1] + r * W1) & LOW
        a, b, c, d = (M1 * c) >> 32 ^ b ^ left, (M1 * c) & LOW, (M0 * a) >> 32 ^ d ^ right, (M0 * a) & LOW
    return a, b, c, d


def counter_for(words, key):
    """The counter at which Philox gives these words: its rounds undone, last first."""
    a, b, c, d = words
    for r in reversed(range(10)):
        left, right = (key[0] + r * W0) & LOW, (key[1] + r * W1) & LOW
        old_c, old_a = b * pow(M1, -1, 2**32) & LOW, d * pow(M0, -1, 2**32) & LOW
        a, b, c, d = old_a, (M1 * old_c) >> 32 ^ a ^ left, old_c, (M0 * old_a) >> 32 ^ c ^ right
    return a, b, c, d


def luck_by_hand(seed, patient, name, count):
    key = int.from_bytes(hashlib.blake2b(name.encode("utf-8")).digest()[:4], "little")
    low, high, _, _ = philox_by_hand((patient % 2**32, patient // 2**32, key, count), (seed % 2**32, seed // 2**32))
    return (((high << 32 | low) >> 11) + 1) / 2**53


def words(*values):
    return tuple(np.uint64(value) for value in values)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((LOW,) * 4, (LOW,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_known_answers_of_random123(counter, key, expected):
    assert philox4x32(*words(*counter, *key)) == expected
    assert philox_by_hand(counter, key) == expected


def test_every_corner_of_the_address_agrees_with_an_independent_philox():
    draw = random.Random(7)
    corners = itertools.product(
        (0, 1, 2**32, 2**63, HUGE), (0, 1, 2**32 - 1, 2**32, 2**53 + 1, HUGE), ("event:a",), (0, 1, LOW)
    )
    anywhere = (
        (draw.getrandbits(64), draw.getrandbits(64), f"{draw.choice(KINDS)}:é {draw.random()}", draw.getrandbits(32))
        for _ in range(300)
    )
    for address in itertools.chain(corners, anywhere):
        assert luck(*address) == luck_by_hand(*address), address


def test_the_number_of_one_address_never_changes():
    assert luck(20240502, 17, "event:occult outgrowth", 3) == 0.2279025409563925


def test_key_of_a_name_is_little_endian_blake2b():
    # The first bytes of BLAKE2b-512 of this name, as b2sum of GNU coreutils prints them.
    assert name_key("event:occult outgrowth") == int.from_bytes(bytes.fromhex("7d3fc952"), "little")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0, 2.0**-53),  # never 0, so that -log U is finite
        (0x7FF, 0, 2.0**-53),  # the lowest 11 bits do not count
        (0x800, 0, 2.0**-52),
        (LOW, LOW, 1.0),
        (0, 0x80000000, 0.5 + 2.0**-53),  # word 1 is the high one
    ],
)
def test_the_top_53_bits_count_and_zero_is_left_out(low, high, expected):
    seed = 0x123456789ABCDEF0
    a, b, key, count = counter_for((low, high, 5, 6), (seed % 2**32, seed // 2**32))
    assert uniform(*words(seed, b << 32 | a, key, count)) == expected


@compiled(cache=False)
def fill(seed, patients, keys, counts, out):
    for i in range(out.size):
        out[i] = uniform(seed, patients[i], keys[i], counts[i])


def along(axis):
    """DRAWS numbers whose addresses are neighbours along one axis."""
    steps, still = np.arange(DRAWS, dtype=np.uint64), np.full(DRAWS, 3, dtype=np.uint64)
    key = np.full(DRAWS, name_key("event:progression"), dtype=np.uint64)
    out = np.empty(DRAWS)
    if axis == "patient":
        fill(np.uint64(1), steps, key, still, out)
    elif axis == "count":
        fill(np.uint64(1), still, key, steps, out)
    elif axis == "name":
        names = np.array([name_key(f"event:{i}") for i in range(DRAWS)], dtype=np.uint64)
        fill(np.uint64(1), still, names, still, out)
    else:
        out[:] = [uniform(np.uint64(i), np.uint64(3), key[0], np.uint64(3)) for i in range(DRAWS)]
    return out


def ks_distance(sample):
    ranks = np.arange(len(sample) + 1) / len(sample)
    ordered = np.sort(sample)
    return max(np.max(ranks[1:] - ordered), np.max(ordered - ranks[:-1]))


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


@pytest.mark.parametrize("axis", ["patient", "count", "name", "seed"])
def test_neighbours_are_uniform_and_independent(axis):
    u = along(axis)
    assert KS_BAND < 0.015, "too few draws to see 1.5 percentage points"
    assert ks_distance(u) < KS_BAND
    band = 4 / np.sqrt(DRAWS)
    assert band < 0.025, "too few draws to see a correlation of 0.025"
    for lag in (1, 2, 3):
        assert abs(correlation(u[:-lag], u[lag:])) < band
        assert abs(correlation((u[:-lag] - 0.5) ** 2, (u[lag:] - 0.5) ** 2)) < band


@pytest.mark.parametrize("axes", list(itertools.combinations(["patient", "count", "name"], 2)))
def test_axes_do_not_repeat_one_another(axes):
    a, b = (along(axis) for axis in axes)
    assert abs(correlation(a, b)) < 4 / np.sqrt(DRAWS)


def test_wrong_luck_would_be_seen():
    u = along("patient")
    assert ks_distance(u**1.05) > KS_BAND, "slightly bent"
    assert ks_distance(u * 0.98) > KS_BAND, "never near 1"
    leaning = 0.97 * u[1:] + 0.03 * u[:-1]
    assert abs(correlation(leaning[1:], leaning[:-1])) > 4 / np.sqrt(DRAWS), "leaning on the neighbour"


def test_a_loop_gives_the_bits_of_single_calls():
    u = along("patient")
    for i in (0, 1, 7, 8, 1000, DRAWS - 1):
        assert u[i] == luck(1, i, "event:progression", 3)


def test_names_that_collide_are_refused():
    # Among 120,000 names about 1.7 pairs share one of 2^32 keys.
    seen = {}
    for i in itertools.count():
        name = f"event:{i}"
        other = seen.setdefault(name_key(name), name)
        if other != name:
            break
    with pytest.raises(ValueError, match=f"'{other}' and '{name}'"):
        name_keys(["visit:x", other, "branch:y", name])
    assert name_keys([other, "branch:y", other]) == {other: name_key(other), "branch:y": name_key("branch:y")}


@pytest.mark.parametrize("name", ["", "event", "event:", "death:x", ":x", "Event:x"])
def test_names_without_a_known_kind_are_refused(name):
    with pytest.raises(ValueError, match="event:"):
        name_key(name)


@pytest.mark.parametrize(
    ("seed", "patient", "count", "named"),
    [
        (-1, 0, 0, "seed"),
        (2**64, 0, 0, "seed"),
        (0, -1, 0, "patient"),
        (0, 2**64, 0, "patient"),
        (0, 0, 2**32, "count"),
    ],
)
def test_addresses_out_of_range_are_refused(seed, patient, count, named):
    with pytest.raises(ValueError, match=named):
        luck(seed, patient, "event:x", count)
