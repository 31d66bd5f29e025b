"""The one decorator for compiled functions, with a disk cache that notices every change and trusts no file.

Numba's own cache looks only at the file a function is written in, not at the functions it calls elsewhere; it numbers
its files, so that two processes which compile at once for different processors can take each other's code; it raises
at import where it finds no place to write, and during a run where a file is damaged or the disk is full.  Here a
folder is named by a hash of all sources that hold compiled functions, a file in it by function, signature, processor
and settings.  Files are written whole and read only if their checksum is right.  What cannot be read is compiled again,
what cannot be written is not kept.

A compiled function freezes the module constants it reads: keep such constants in a file that itself holds a compiled
function, or the hash does not see them change.
"""

import functools
import hashlib
import os
import pickle
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast, overload

import llvmlite
import numba
import numpy as np
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

Function = TypeVar("Function", bound=Callable[..., Any])

KEPT_DAYS = 90
"""Days after which the code of a version that is not used any more is removed, when another version is compiled."""

_PACKAGE = Path(__file__).resolve().parent
_SETTINGS: dict[str, Any] = {
    "error_model": "numpy",
    "nogil": True,
    "no_cfunc_wrapper": True,  # nobody calls it from C
}
_DECORATORS = (b"@compiled", b"@inner", b"@merged")
_SWITCHES = ("OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "LOOP_VECTORIZE", "SLP_VECTORIZE")
"""Numba's settings for the whole process that change the code."""
_CHECKSUM_BYTES = 16

_waiting: list[Callable[[], None]] = []


@overload
def compiled(function: Function) -> Function: ...
@overload
def compiled(*, allocates: bool = ..., cache: bool = ..., **options: Any) -> Callable[[Function], Function]: ...
def compiled(function: Any = None, *, allocates: bool = False, cache: bool = True, **options: Any) -> Any:
    """Compile a function on its first call, keeping the result on disk for the next process.

    Used bare, ``@compiled``, or with further options of ``numba.njit``, ``@compiled(forceinline=True)``.  Division by
    zero gives inf or nan as in NumPy, the interpreter lock is released, and arithmetic keeps the order in which it is
    written (no ``fastmath``: it would change bits and drop NaN).  Only functions of this package are kept, and those
    with ``cache=False`` are not.

    Only with ``allocates=True`` may the function, or one that it calls, make arrays or return them: Numba then counts
    references to all that it is given.  Without, that cost is saved (a third of the time of the five-state model).
    """
    if function is None:
        return lambda later: _translated(later, allocates, cache, options)
    return _translated(function, allocates, cache, options)


def inner(function: Function) -> Function:
    """As ``@compiled``, for functions that only compiled code calls: without the entry for Python, which takes time."""
    return cast(Function, _translated(function, False, True, {"no_cpython_wrapper": True}))


def merged(function: Function) -> Function:
    """As ``@inner``, for large functions with a single caller, which they become part of.

    What a compiled function calls is translated again with it, and so once for each function above it.
    """
    return cast(Function, _translated(function, False, True, {"no_cpython_wrapper": True, "inline": "always"}))


def _translated(function: Callable[..., Any], allocates: bool, cache: bool, options: dict[str, Any]) -> Any:
    settings: dict[str, Any] = _SETTINGS | {"_nrt": allocates} | options
    made: Any = numba.njit(**settings)(function)
    ours = function.__module__.partition(".")[0] == __package__
    if cache and ours and made is not function:  # NUMBA_DISABLE_JIT leaves functions as they are
        made._cache = _CodeOnDisk(function, settings)
    return made


def before_compiling(tell: Callable[[], None]) -> None:
    """Have `tell` called once, when this process next finds a function that it has to compile; never if all are kept.

    Replaces whoever was waiting to be told.
    """
    _waiting[:] = [tell]


@functools.cache
def cache_folder() -> Path | None:
    """Where the code of this version is kept, whether there already or not; None if this user has no home folder."""
    try:
        return _cache_root() / "hcc_sim" / _fingerprint(_PACKAGE.rglob("*.py"))
    except RuntimeError:
        return None


def why_nothing_is_kept() -> str | None:
    """What hinders the disk cache, for people; None if it can be written."""
    folder = cache_folder()
    if folder is None:
        return "no home folder is known"
    try:
        _make(folder)
        # Permission bits do not tell (root, read-only mounts, quotas): write something.
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
    except OSError as error:
        return f"{folder}: {error.strerror or error}"
    return None


class _CodeOnDisk:
    """What numba asks of a dispatcher's cache, for one function: a file for each signature and processor."""

    def __init__(self, function: Callable[..., Any], settings: dict[str, Any]) -> None:
        self._name = f"{function.__module__.partition('.')[2]}.{function.__qualname__}"
        self._settings = settings

    @property
    def cache_path(self) -> str | None:
        folder = cache_folder()
        return None if folder is None else str(folder)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The code for a signature as it was kept; None if there is none that is whole."""
        target.refresh()
        file = self._file(signature, target.codegen())
        content = None if file is None else _read(file)
        if content is not None:
            # A checksum says that the file is as it was written, not that it was written by a numba like this one.
            with suppress(Exception):
                code = CompileResult._rebuild(target, *pickle.loads(content))
                _mark_as_used()
                return code
        while _waiting:
            _waiting.pop()()
        return None

    def save_overload(self, signature: Any, code: Any) -> None:
        """Keep the code for a signature, if it can be kept: a cache is no reason for a run to fail."""
        with suppress(Exception):
            file = self._file(signature, code.library.codegen)
            if file is not None and not code.lifted and not code.library.has_dynamic_globals:
                _make(file.parent)
                _write(file, dumps(code._reduce()))

    def flush(self) -> None:
        """Forget this function's code, for `Dispatcher.recompile`."""
        folder = cache_folder()
        for file in folder.glob(f"{self._name}-*.code") if folder else ():
            file.unlink(missing_ok=True)

    def _file(self, signature: Any, codegen: Any) -> Path | None:
        folder = cache_folder()
        switches = [getattr(numba.config, name, None) for name in _SWITCHES]
        key = repr((signature, codegen.magic_tuple(), sorted(self._settings.items()), switches))
        digest = hashlib.blake2b(key.encode(), digest_size=10).hexdigest()
        return None if folder is None else folder / f"{self._name}-{digest}.code"


# --- files ------------------------------------------------------------------------------------------------------------


def _read(file: Path) -> bytes | None:
    """What was written into a file; None if it cannot be read or is not as it was written."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    checksum, payload = content[:_CHECKSUM_BYTES], content[_CHECKSUM_BYTES:]
    return payload if checksum == _checksum(payload) else None


def _write(file: Path, payload: bytes) -> None:
    """Write a file whole or not at all, whoever else writes it at the same time."""
    temporary = file.with_name(f"{file.name}.{secrets.token_hex(4)}.unfinished")
    try:
        temporary.write_bytes(_checksum(payload) + payload)
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _checksum(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=_CHECKSUM_BYTES).digest()


# --- folders ----------------------------------------------------------------------------------------------------------


def _cache_root() -> Path:
    """Where this user's caches live on this system, without ``hcc_sim``; RuntimeError if no home is known."""
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        if chosen := os.environ.get(variable):
            return Path(chosen).absolute()
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def _fingerprint(sources: Iterable[Path]) -> str:
    """Hash of names and contents of the sources with compiled functions, and of the versions that translate them.

    The place where they are installed and the dates of the files are left out: the same release installed again, or
    beside the first, finds its code.
    """
    versions = f"{sys.implementation.cache_tag}, numba {numba.__version__}, llvmlite {llvmlite.__version__}"
    digest = hashlib.blake2b(f"{versions}, numpy {np.__version__}".encode(), digest_size=10)
    for source in sorted(sources):
        content = source.read_bytes()
        if any(decorator in content for decorator in _DECORATORS):
            digest.update(f"\0{source.relative_to(_PACKAGE).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def _make(folder: Path) -> None:
    """Make the folder of this version; if it is new, this is the time to look for old ones."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unused(folder.parent, time.time() - KEPT_DAYS * 86_400)


def _remove_unused(root: Path, since: float) -> None:
    """Remove the code of versions that nobody has used since then."""
    with suppress(OSError):
        for folder in root.iterdir():
            if re.fullmatch("[0-9a-f]{20}", folder.name) and folder.stat().st_mtime < since:
                shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _mark_as_used() -> None:
    """Date this version's folder today."""
    folder = cache_folder()
    if folder is not None:
        with suppress(OSError):
            os.utime(folder)
