"""How much memory there is: the least that machine, container and shell allow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hcc_sim import memory

MEGABYTE = 2**20


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files in which a Linux of our making tells its limits: 300 MB free, 100 MB of swap, no control group."""
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CONTROL_GROUP", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "_of_the_address_space", lambda: iter(()))
    text = "MemTotal:  900000 kB\nMemFree:  1 kB\nMemAvailable:  307200 kB\nSwapFree:       102400 kB\nHugetlb: 0 kB\n"
    (tmp_path / "meminfo").write_text(text, encoding="utf-8")
    return tmp_path


def test_what_the_machine_has(system: Path):
    assert memory.memory_within_reach() == 400 * MEGABYTE
    (system / "meminfo").write_text("something else\n", encoding="utf-8")
    everything = memory.memory_within_reach()
    assert everything is not None
    assert everything > 400 * MEGABYTE, "all there is on the machine of this test"


def limit(system: Path, group: str, text: str) -> None:
    (system / "groups" / group).mkdir(parents=True, exist_ok=True)
    (system / "groups" / group / "memory.max").write_text(text, encoding="utf-8")


def test_what_a_container_or_batch_system_allows(system: Path):
    (system / "cgroup").write_text("4:memory:/old\n0::/jobs/mine\n", encoding="utf-8")
    limit(system, "jobs/mine", "max\n")
    assert memory.memory_within_reach() == 400 * MEGABYTE
    limit(system, "jobs/mine", f"{50 * MEGABYTE}\n")
    assert memory.memory_within_reach() == 50 * MEGABYTE
    limit(system, "jobs", f"{40 * MEGABYTE}\n")
    assert memory.memory_within_reach() == 40 * MEGABYTE, "a group has no more than the one it is in"
    limit(system, "jobs/others", f"{MEGABYTE}\n")
    assert memory.memory_within_reach() == 40 * MEGABYTE
    (system / "cgroup").write_text("0::/\n", encoding="utf-8")
    limit(system, "", f"{30 * MEGABYTE}\n")
    assert memory.memory_within_reach() == 30 * MEGABYTE, "as it is seen from inside a container"


def test_a_system_that_tells_nothing(system: Path, monkeypatch: pytest.MonkeyPatch):
    (system / "meminfo").unlink()
    monkeypatch.delattr(memory.os, "sysconf")
    assert memory.memory_within_reach() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is not kept elsewhere")
def test_what_the_shell_allows():
    code = "from hcc_sim.memory import memory_within_reach; print(memory_within_reach())"
    command = f"ulimit -v 300000; exec '{sys.executable}' -c '{code}'"
    left = int(subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout)
    assert 100_000_000 < left < 300_000 * 1024, "less what is used already"
