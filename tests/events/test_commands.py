"""`headrace events` as it is typed: answers, exact messages and exit statuses."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from headrace.project import Project
from headrace.settings import load_settings  # noqa: F401  # the settings that --set overrides
from headrace_ingestion.settings import KafkaConnection


class FakeBrokerOfTheSession:
    """Placeholder."""
