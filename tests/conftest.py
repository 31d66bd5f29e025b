"""What several tests share."""

import pytest


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the answer hangs on, which takes longest."""
    from hcc_sim.analyses import turning

    monkeypatch.setattr(turning, "TIMING_ASSUMPTIONS", ())
