"""Fakes for the tests of applications that send events: a broker in memory and a clock that stands still.

They stand behind the interfaces of the real ones, and one behaviour suite holds both to them.
"""

from headrace_ingestion.testing.broker import FakeBroker
from headrace_ingestion.testing.clock import FakeClock

__all__ = ["FakeBroker", "FakeClock"]
