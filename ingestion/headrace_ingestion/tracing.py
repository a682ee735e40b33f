"""The trace that the application is in, where it uses OpenTelemetry."""

from __future__ import annotations

import sys


def current_traceparent() -> str | None:
    """Return the current span of OpenTelemetry as a W3C `traceparent`, or None when there is none.

    Imports nothing: where nobody has imported OpenTelemetry, no span can be current.
    """
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    context = api.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
