"""Memory of this process: how much it can get, so that a run which cannot fit is refused; keeping what it has."""

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CONTROL_GROUP = Path("/proc/self/cgroup")
_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


def memory_within_reach() -> int | None:
    """Bytes that this process can get at most, by all limits that this system tells of; None if it tells of none."""
    return min((max(0, limit) for limit in _limits()), default=None)


def keep_freed_memory() -> None:
    """Have the C library keep up to 500 MB that are given back, for what is asked next; where it is not glibc, nothing.

    Work that asks for the same arrays again and again else gets them from the system each time, page by page, which
    took a sixth of the time of draws of 10,000 patients.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_TRIM_THRESHOLD, 500_000_000)
        mallopt(_MMAP_THRESHOLD, 32_000_000)


def _limits() -> Iterator[int]:
    with suppress(OSError, ValueError, AttributeError):
        yield _of_the_machine()
    with suppress(OSError, ValueError):
        yield from _of_the_control_group()
    with suppress(OSError, ValueError, ImportError):
        yield from _of_the_address_space()


def _of_the_machine() -> int:
    """Memory that is free or can be made so, and swap; where that is not told, all there is."""
    if _MEMINFO.exists():
        free = {
            name: int(kilobytes) for name, kilobytes in re.findall(r"^(\w+): +(\d+) kB", _MEMINFO.read_text(), re.M)
        }
        if "MemAvailable" in free:
            return 1024 * (free["MemAvailable"] + free.get("SwapFree", 0))
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _of_the_control_group() -> Iterator[int]:
    """Limits of containers and batch systems under Linux (control groups version 2), of the group and those above."""
    group = next(line for line in [*_CONTROL_GROUP.read_text().splitlines(), "0::/"] if line.startswith("0::"))
    inner = _CONTROL_GROUPS / group.removeprefix("0::").strip("/")
    for folder in (inner, *inner.parents):
        file = folder / "memory.max"
        if file.exists() and (limit := file.read_text().strip()) != "max":
            yield int(limit)
        if folder == _CONTROL_GROUPS:
            return


def _of_the_address_space() -> Iterator[int]:
    """What `ulimit -v` leaves."""
    import resource  # not on every system

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY:
        pages = int(Path("/proc/self/statm").read_text().split()[0]) if _MEMINFO.exists() else 0
        yield limit - pages * resource.getpagesize()
