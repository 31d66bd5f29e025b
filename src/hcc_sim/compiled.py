"""The one decorator for compiled functions, with a disk cache that notices every change.

Numba's own cache looks only at the file a function is written in, not at the functions it calls elsewhere, and raises
at import where it finds no place to write.  Here the cache folder is named by a hash of all source files that hold
compiled functions, and caching is off where nothing can be written.

A compiled function freezes the module constants it reads: keep such constants in a file that itself holds a compiled
function, or the hash does not see them change.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, overload

import numba
import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parent


@overload
def compiled(function: Function) -> Function: ...
@overload
def compiled(*, allocates: bool = False, **options: Any) -> Callable[[Function], Function]: ...
def compiled(function: Any = None, *, allocates: bool = False, **options: Any) -> Any:
    """Compile a function on its first call, keeping the result on disk for the next process.

    Used bare, ``@compiled``, or with further options of ``numba.njit``, ``@compiled(forceinline=True)``.  Division by
    zero gives inf or nan as in NumPy, the interpreter lock is released, and arithmetic keeps the order in which it is
    written (no ``fastmath``: it would change bits and drop NaN).

    Only with ``allocates=True`` may the function, or one that it calls, make arrays or return them: Numba then counts
    references to all that it is given.  Without, that cost is saved (a third of the time of the five-state model).
    """
    if function is None:
        return lambda later: _translated(later, allocates, options)
    return _translated(function, allocates, options)


def inner(function: Function) -> Function:
    """As ``@compiled``, for functions that only compiled code calls: without the entry for Python, which takes time."""
    return cast(Function, _translated(function, False, {"no_cpython_wrapper": True}))


def merged(function: Function) -> Function:
    """As ``@inner``, for large functions with a single caller, which they become part of.

    What a compiled function calls is translated again with it, and so once for each function above it.
    """
    return cast(Function, _translated(function, False, {"no_cpython_wrapper": True, "inline": "always"}))


def _translated(function: Callable[..., Any], allocates: bool, options: dict[str, Any]) -> Any:
    folder = cache_folder()
    settings: dict[str, Any] = {
        "error_model": "numpy",
        "nogil": True,
        "cache": folder is not None,
        "no_cfunc_wrapper": True,  # nobody calls it from C
        "_nrt": allocates,
    } | options
    config: Any = numba.config  # its attributes are made at run time
    before = config.CACHE_DIR
    config.CACHE_DIR = "" if folder is None else str(folder)
    try:
        return numba.njit(**settings)(function)
    finally:
        config.CACHE_DIR = before


@cache
def cache_folder() -> Path | None:
    """Folder of this version's compiled code; None where no folder can be written (then nothing is kept)."""
    try:
        folder = _cache_root() / "hcc_sim" / _fingerprint(_PACKAGE.rglob("*.py"))
        folder.mkdir(parents=True, exist_ok=True)
        # Permission bits do not tell (root, read-only mounts, quotas): write something.
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
    except (OSError, RuntimeError):  # RuntimeError: no home directory is known
        return None
    return folder


def cache_is_cold() -> bool:
    """True if nothing compiled is on disk yet, so that the first run will take seconds longer."""
    folder = cache_folder()
    return folder is None or next(folder.rglob("*.nbi"), None) is None


def _cache_root() -> Path:
    """Where this user's caches live on this system, without ``hcc_sim``."""
    for variable in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        if chosen := os.environ.get(variable):
            return Path(chosen).absolute()
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def _fingerprint(sources: Iterable[Path]) -> str:
    """Hash of names and contents of the sources with compiled functions, and of the versions that translate them."""
    digest = hashlib.blake2b(f"numba {numba.__version__}, numpy {np.__version__}".encode(), digest_size=10)
    for source in sorted(sources):
        content = source.read_bytes()
        if any(decorator in content for decorator in (b"@compiled", b"@inner", b"@merged")):
            digest.update(f"\0{source.relative_to(_PACKAGE).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
