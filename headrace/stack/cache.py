"""The cache folder of a user: jars and compiled Java, shared by all projects."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile


def cache_folder() -> Path:
    """Return the folder that holds fetched jars and compiled Java; it may not exist yet.

    `$HEADRACE_CACHE`, else `$XDG_CACHE_HOME/headrace`, else `~/.cache/headrace`.
    """
    own = os.environ.get("HEADRACE_CACHE")
    if own:
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared).expanduser() if shared else Path.home() / ".cache") / "headrace"


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield a new file beside `target` and rename it to `target` when the block ends well.

    Two processes that make the same file both succeed, and a reader sees a whole file or none.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as handle:
        part = Path(handle.name)
    try:
        yield part
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
