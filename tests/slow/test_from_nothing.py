"""The engine compiled from nothing for any processor: the same bits, and that it takes long is told once, by `run`.

    python -m pytest tests/slow/test_from_nothing.py

About half a minute.  The default run compiles again only two functions of what this machine has compiled before.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # for those who run this file by itself
from test_engine_targets import TELL, TOLD, child, hashes


def test_any_processor_and_that_compiling_is_told_once(tmp_path: Path):
    """`run` comes first in this process, with nothing compiled; a second process has it all."""
    out, err = child(TELL, "generic", tmp_path)
    assert json.loads(out) == ["generic", hashes(1, 50_000)]
    assert err.splitlines()[0] == TOLD
    assert err.count("compiling") == 1
    again, err = child(TELL, "generic", tmp_path)
    assert again == out
    assert "compiling" not in err
