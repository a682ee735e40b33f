"""Running the job of a namespace over a range of its topic, in a process of its own, to its end."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from headrace_streaming.checkpoints import StateFolder

from headrace.settings import variable_of
from headrace.shadow.errors import ShadowError
from headrace.shadow.namespace import Namespace
from headrace.stack.child import Child
from headrace.stack.spec import ProcessSpec, ReadyFile

if TYPE_CHECKING:
    from headrace.project import Project

RUN_FILE = "run.json"
"""In the folder of a namespace: what its process has to know."""
ERROR_FILE = "error.txt"
"""There it says why it has failed."""
_LOOK_SECONDS = 0.1
_SAY_SECONDS = 10.0


def state_of(namespace: Namespace) -> StateFolder:
    """Return where the job of a namespace keeps its state: what is in its `seed`, it begins with."""
    return StateFolder(namespace.folder / "state", namespace.plan.digest)


def replay(project: Project, namespace: Namespace, ends: Mapping[int, int], *, say: Callable[[str], None]) -> float:
    """Run the job from where its seed says to these ends, and return how many seconds it took, its start included.

    The process ends when this one does, however it does.

    Args:
        project: The project.
        namespace: Where it runs; its state folder may have a seed.
        ends: Partition → first offset that is not read; nothing of others is.
        say: Called with lines about the progress.

    Raises:
        ShadowError: The job could not be started, or has failed.
    """
    (namespace.folder / RUN_FILE).write_text(
        json.dumps({"views": [view.name for view in namespace.plan.views], "ends": dict(ends)})
    )
    child = Child(_process(project, namespace), project.folders.log_file(f"shadow-{namespace.name}"))
    begun = said = time.monotonic()
    child.start(_environment(project), begun)
    try:
        while not child.has_ended():
            time.sleep(_LOOK_SECONDS)
            if time.monotonic() - said > _SAY_SECONDS:
                said = time.monotonic()
                say(f"still running, {said - begun:.0f} s")
    finally:
        child.kill()
    logs = sorted(project.folders.logs.glob(f"shadow-{namespace.name}*"))
    if child.exit_text() != "ended with 0":
        error = namespace.folder / ERROR_FILE
        reason = error.read_text().splitlines()[0] if error.exists() else child.last_log_line()
        raise ShadowError(
            f"the job {namespace.plan.group} {child.exit_text()} beside production",
            {"reason": reason or "none was given", "logs": ", ".join(map(str, logs))},
            "headrace features plan",
        )
    for log in logs:
        log.unlink(missing_ok=True)
    return time.monotonic() - begun


def _process(project: Project, namespace: Namespace) -> ProcessSpec:
    module = ("-m", "headrace.workers.replay", "--project", str(project.folder), "--folder", str(namespace.folder))
    return ProcessSpec(namespace.name, (sys.executable, *module), ReadyFile(namespace.folder / "ready"))


def _environment(project: Project) -> dict[str, str]:
    # The settings of this call may come from its flags.
    flink = project.settings.flink.model_dump(exclude_none=True)
    settings = {variable_of(("flink", name)): str(value) for name, value in flink.items()}
    servers = {variable_of(("kafka", "bootstrap_servers")): project.connection().bootstrap_servers}
    return {**os.environ, **settings, **servers, "PYTHONUNBUFFERED": "1"}
