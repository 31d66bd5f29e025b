"""Files that belong together: all are made before the first takes the place of what is there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def written_together(folder: Path, names: Sequence[str] | None = None) -> Iterator[Path]:
    """A new folder in which to write files of these names (`a/b` with its folder made); then they are moved.

    Without names all files that are there in the end are moved.  An error inside, Ctrl-C included, leaves everything as
    it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".unfinished.") as temporary:
        made = Path(temporary)
        for place in {(made / name).parent for name in names or ()}:
            place.mkdir(parents=True, exist_ok=True)
        yield made
        if names is None:
            names = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
        for name in names:
            (made / name).stat()  # all are there, or none is moved
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(made / name, folder / name)
