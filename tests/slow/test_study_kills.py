"""A study that is killed twenty times at random instants ends with the bytes of an unbroken run.

    python -m pytest tests/slow/test_study_kills.py

About a minute.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))  # for those who run this file by itself
from studies import folder_of, kill_at_random, parts, run_whole, small_study, started

from hcc_sim.analyses.study.execute import Local
from hcc_sim.analyses.study.folder import locked

DRAWS, AT_ONCE, KILLS = 240, 2, 20


@pytest.mark.parametrize("seed", [20240502])
def test_killed_twenty_times(tmp_path: Path, seed: int):
    study = small_study(DRAWS)
    expected = run_whole(study, tmp_path / "whole", AT_ONCE)
    chance, path, seen = random.Random(seed), tmp_path / "killed", [0]
    for kill in range(KILLS):
        kill_at_random(started(path, DRAWS, 1 + kill % 2, AT_ONCE), chance)
        seen.append(len(parts(path)))
    assert 0 < seen[-1] < len(expected), "killed in between"
    assert seen == sorted(seen), "nothing was lost"
    with locked(path):
        study.run(folder_of(study, path, AT_ONCE), Local(2))
    assert parts(path) == expected
