"""Run what a study lacks on a cluster, through Dask: rows of values go out, what is kept of each draw comes back.

The scheduler keeps the task, so that workers that come later, or that begin anew, are given it like all others.  It
needs no hcc-sim of its own; workers need the very same program.
"""

from __future__ import annotations

import logging
import os
import pickle
import platform
import re
import threading
import time
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from hcc_sim.analyses.study.folder import KEPT
from hcc_sim.analyses.study.runs import Done, Rows, Runner, Task
from hcc_sim.errors import InputError, MachineError, Problem
from hcc_sim.memory import keep_freed_memory

if TYPE_CHECKING:
    from distributed import Client, Future

LOCAL = "local"
"""The address that stands for a cluster of this machine's processors."""

AHEAD = 2
"""Parts that are handed out for each thread of a worker: one is run, one waits there already."""

ANSWER_SECONDS = 10.0
"""In which the scheduler answers, or is given up."""

WORKER_SECONDS = 60.0
"""How long a cluster may have no worker at all."""

LOOK_SECONDS = 1.0
"""How often somebody looks whether all are still there."""

DEAF = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
"""Read by workers of our own as they begin: Ctrl-C is for this process to handle."""


@dataclass(frozen=True)
class Cluster:
    """The workers of a Dask scheduler at `tcp://host:port`, or of a cluster on this machine, `local`."""

    address: str

    def __post_init__(self) -> None:
        if self.address != LOCAL and not re.fullmatch(r"(tcp|tls)://\S+:[0-9]{1,5}", self.address):
            told = f"accepted: the address of a Dask scheduler, such as tcp://10.0.0.1:8786, or {LOCAL}"
            raise InputError(Problem("--dask", None, self.address, told))

    def run(self, task: Task, waiting: Iterator[Rows], stop: Callable[[], bool]) -> Generator[Done, None, None]:
        """As `Workers.run`.

        Raises:
            InputError: Dask is not installed.
            MachineError: the scheduler cannot be reached, or was lost; no worker comes; too many die; one of another
                version.
        """
        with _connected(self.address) as client:
            yield from _Work(client, self.address, task).results(waiting, stop)


class _Work:
    """One task on a cluster: what is handed out, and who is there."""

    def __init__(self, client: Client, address: str, task: Task) -> None:
        from hcc_sim.analyses.study.study import source_digest

        self._client, self._address = client, address
        self._run, self._program = _run_there(), source_digest()
        self._workers: Mapping[str, int] = {}
        self._looked = self._somebody = time.monotonic()
        self._finished: SimpleQueue[Future] = SimpleQueue()
        self._running: set[Future] = set()
        self._look()
        packed = zlib.compress(pickle.dumps(task, protocol=5))
        self._task = client.submit(bytes, packed, pure=False)  # unlike data, what is worked out can be made again

    def results(self, waiting: Iterator[Rows], stop: Callable[[], bool]) -> Generator[Done, None, None]:
        """All, as they come."""
        more = True
        while True:
            if time.monotonic() >= self._looked + LOOK_SECONDS:
                self._look()
            while more and not stop() and len(self._running) < AHEAD * sum(self._workers.values()):
                rows = next(waiting, None)
                if rows is None:
                    more = False
                else:
                    self._hand_out(rows)
            if not self._running and (stop() or not more):
                return
            for one in self._those_finished():
                done = self._result(one)
                if done is None:
                    one.add_done_callback(self._finished.put)
                    continue
                self._running.remove(one)
                yield done

    def _hand_out(self, rows: Rows) -> None:
        with self._answering():
            one = self._client.submit(self._run, self._task, self._program, tuple(rows), pure=False)
            one.add_done_callback(self._finished.put)
        self._running.add(one)

    def _those_finished(self) -> Iterator[Future]:
        """At least one, if any is within the time to look again."""
        try:
            yield self._finished.get(timeout=LOOK_SECONDS)
            while True:
                yield self._finished.get_nowait()
        except Empty:
            return

    def _result(self, one: Future) -> Done | None:
        """None where the worker that had it died, so that it is made again."""
        from concurrent.futures import CancelledError

        from distributed import KilledWorker

        try:
            other, told = one.result(timeout=ANSWER_SECONDS)
        except KilledWorker:
            told = "several workers died (killed, or for want of memory) at the same draws"
            raise MachineError(f"{self._address}: {told}; {KEPT}") from None
        except CancelledError:
            raise self._lost() from None
        except OSError as error:
            if one.status == "error":  # of the run itself
                raise
            if not isinstance(error, TimeoutError):
                raise self._lost() from None
            self._look()
            return None
        if other:
            raise _refused([f"{other} has {_version(told)}"])
        return Done(*told)

    def _look(self) -> None:
        """See who is there; MachineError if the scheduler is not, if nobody comes, or one that may not work here."""
        self._looked = time.monotonic()
        try:
            with self._answering():
                there = self._client.sync(self._client.scheduler.ncores, callback_timeout=ANSWER_SECONDS)
                if new := [address for address in there if address not in self._workers]:
                    _check_programs(self._client, new, self._program)
        except TimeoutError:
            raise self._lost() from None
        self._workers = dict(there)
        if there:
            self._somebody = self._looked
        elif self._looked - self._somebody > WORKER_SECONDS:
            told = f"the cluster at {self._address} has had no worker for {WORKER_SECONDS:g} seconds"
            raise MachineError(f"{told} (`dask worker {self._address}` starts one); {KEPT}")

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            raise
        except OSError:  # of the connection
            raise self._lost() from None

    def _lost(self) -> MachineError:
        return MachineError(f"the scheduler at {self._address} was lost, or does not answer; {KEPT}")


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    """A client, and a cluster of its own if it is to be local; closed in the end whatever happens."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        told = "needs Dask, which is not installed: pip install 'hcc-sim[cluster]'"
        raise InputError(Problem("--dask", None, address, told)) from None
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)  # what matters of it is said by our errors
    cluster = client = None
    try:
        with dask.config.set({"distributed.comm.timeouts.connect": f"{ANSWER_SECONDS:g}s"}):
            where: Any = address
            if address == LOCAL:
                where = cluster = LocalCluster(
                    n_workers=os.cpu_count() or 1,
                    threads_per_worker=1,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                    preload=[DEAF],
                )
            try:
                client = Client(where, timeout=ANSWER_SECONDS, set_as_default=False)
            except (OSError, ValueError) as error:
                told = f"no Dask scheduler answers at {address} within {ANSWER_SECONDS:g} seconds"
                raise MachineError(f"{told} ({type(error).__name__})") from None
        yield client
    finally:
        for one in (client, cluster):
            with suppress(Exception):  # they are not needed any more, and may be dead
                if one is not None:
                    one.close(timeout=ANSWER_SECONDS)
        log.setLevel(level)


def _check_programs(client: Client, workers: Sequence[str], program: str) -> None:
    """MachineError naming those of some workers that run another version; those that do not answer are left out."""
    ask = partial(client.sync, callback_timeout=ANSWER_SECONDS)
    python = ".".join(platform.python_version_tuple()[:2])
    try:
        pythons = {at: told["host"]["python"] for at, told in ask(client.get_versions)["workers"].items()}
        if others := [f"{at} has Python {pythons[at]}" for at in workers if not pythons[at].startswith(f"{python}.")]:
            raise _refused(others)  # functions that travel would not run there
        answers = ask(client.run, _program_there(), workers=list(workers), on_error="return")
    except (TimeoutError, KeyError):
        return  # of a worker that is slow or gone; with each part it is asked again
    digests = {at: answer for at, answer in answers.items() if isinstance(answer, str)}
    if others := [f"{at} has {_version(digest)}" for at, digest in digests.items() if digest != program]:
        raise _refused(others)


def _refused(others: Sequence[str]) -> MachineError:
    told = "; ".join(others[:5]) + (f"; and {len(others) - 5} more" if len(others) > 5 else "")
    return MachineError(f"workers must run the same program as this process: {told}; {KEPT}")


def _version(digest: str) -> str:
    return f"another version of hcc-sim (source {digest[:12]})" if digest else "no hcc-sim"


def _program_there() -> Callable[[], str]:
    """What tells the program of a worker, empty if it has none; inside a function, so that it travels as a whole."""

    def program() -> str:
        try:
            from hcc_sim.analyses.study.study import source_digest
        except ImportError:
            return ""
        return source_digest()

    return program


def _run_there() -> Callable[[bytes, str, tuple[Any, ...]], tuple[str, Any]]:
    """What runs rows on a worker, and tells whether it could: the worker and its program where that is not ours."""
    asked = _program_there()

    def run(task: bytes, program: str, rows: tuple[Any, ...]) -> tuple[str, Any]:
        from distributed import get_worker

        there = asked()
        if there != program:
            return get_worker().address, there
        from hcc_sim.analyses.study.cluster import run_rows

        return "", run_rows(task, rows)

    return run


_of_thread = threading.local()


def run_rows(packed: bytes, rows: tuple[Any, ...]) -> tuple[Any, ...]:
    """On a worker: run rows of a task; each thread keeps what it has made of the latest task."""
    if getattr(_of_thread, "packed", None) != packed:
        keep_freed_memory()
        _of_thread.runner, _of_thread.packed = Runner(pickle.loads(zlib.decompress(packed))), packed
    runner: Runner = _of_thread.runner
    return tuple(runner.run(Rows(*rows), threads=1))
