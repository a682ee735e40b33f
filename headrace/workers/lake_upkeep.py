"""Upkeep of the lake: roll-ups kept current, small files merged, old rows retained or deleted, old files removed."""

import os
import sys

from headrace_lake.upkeep.schedule import Upkeep

from headrace.tables import lake_path, project_tables
from headrace.upkeep.quality import quality_rules
from headrace.upkeep.rollups import project_rollups
from headrace.upkeep.tables import upkeep_policy
from headrace.workers.runtime import Worker, run

_NICE = 15


def body(worker: Worker) -> None:
    """Look after the lake until the worker is told to stop."""
    # After everything else, the lake writer included: nobody waits for upkeep.
    os.nice(_NICE)
    project = worker.project
    policy, rules, rollups = upkeep_policy(project), quality_rules(project), project_rollups(project)
    upkeep = Upkeep(lake_path(project), project_tables(project), policy, rules=rules, rollups=rollups)
    upkeep.run(worker.stop, worker.ready)


if __name__ == "__main__":
    sys.exit(run("lake_upkeep", body))
