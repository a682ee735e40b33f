"""What a producer has done, told at regular times, and as the text that Prometheus reads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from headrace_ingestion.delivery import Counters

logger = logging.getLogger(__name__)

_HELP = {
    "sent": "Events accepted by send.",
    "delivered": "Events that the broker acknowledged.",
    "failed": "Events that were given up.",
    "queued": "Events without an answer.",
    "refused": "Events that break their contract.",
    "dropped": "Events that made place for newer ones.",
    "spilled": "Events that went to disk.",
    "replayed": "Events of the disk that the broker acknowledged.",
}
_GAUGES = {"queued"}


def prometheus_text(counters: Counters, labels: Mapping[str, str] | None = None) -> str:
    """Return the counters in the text format of Prometheus, version 0.0.4.

    Args:
        counters: What `Producer.counters` returned.
        labels: Put on every line, for a process with several producers.

    >>> print(prometheus_text(Counters(2, 1, 0, 1, 0), {"team": "billing"}).splitlines()[2])
    headrace_events_sent_total{team="billing"} 2
    """
    text = ",".join(f'{name}="{_escaped(value)}"' for name, value in (labels or {}).items())
    suffix = f"{{{text}}}" if text else ""
    lines = []
    for name, value in counters._asdict().items():
        metric = f"headrace_events_{name}" if name in _GAUGES else f"headrace_events_{name}_total"
        lines.append(f"# HELP {metric} {_HELP[name]}")
        lines.append(f"# TYPE {metric} {'gauge' if name in _GAUGES else 'counter'}")
        lines.append(f"{metric}{suffix} {value}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class MetricsReporter:
    """Calls a hook with the counters at regular times, and once more at the end."""

    def __init__(self, counters: Callable[[], Counters], hook: Callable[[Counters], None], seconds: float) -> None:
        """Start its thread."""
        self._counters = counters
        self._hook = hook
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headrace-metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after a last call."""
        self._over.set()
        self._thread.join(self._seconds)

    def _run(self) -> None:
        over = False
        while not over:
            over = self._over.wait(self._seconds)
            try:
                self._hook(self._counters())
            except Exception:
                # The hook is the application's: its failure must not end the report.
                logger.exception("on_metrics failed")
