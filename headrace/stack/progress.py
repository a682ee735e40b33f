"""A progress bar on a terminal, silence elsewhere; always on stderr, so that stdout stays data."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, from any thread."""


def silent(done_bytes: int, total_bytes: int) -> None:
    """Report nothing."""


@contextmanager
def terminal_progress(title: str) -> Iterator[Progress]:
    """Yield a progress callback that draws a bar when stderr is a terminal."""
    if not sys.stderr.isatty():
        yield silent
        return
    # rich costs 0.1 s to import and is not needed when nothing has to be fetched.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(title), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done_bytes, total_bytes: bar.update(task, completed=done_bytes, total=total_bytes)
