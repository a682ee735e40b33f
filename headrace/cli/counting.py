"""A bar of what has been read and how many events were sent; on a terminal alone, on standard error."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnProgress = Callable[[int, int, int], None]


@contextmanager
def counting(title: str) -> Iterator[OnProgress]:
    """Yield a callback of bytes read, bytes in all, and events sent."""
    if not sys.stderr.isatty():
        yield lambda done_bytes, total_bytes, events: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(title),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[events]:,} events"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, events=0)
        yield lambda done, total, events: bar.update(task, completed=done, total=total, events=events)
