"""The scorer of one model: feature rows to scores and alerts."""

import sys
from argparse import ArgumentParser
from contextlib import nullcontext

from headrace_models.scoring.live import LiveModels
from headrace_models.scoring.lookups import OnlineLookups
from headrace_models.scoring.scorer import Scorer, ScorerOptions

from headrace.features.online import open_online_store
from headrace.topics import make_topics
from headrace.workers.runtime import Worker, run
from headrace.workers.stillness import end_when_still


def body(worker: Worker) -> None:
    """Score until the worker is told to stop."""
    project = worker.project
    make_topics(project)
    models = project.models
    name = worker.arguments.model
    settings = project.settings.scorer
    options = ScorerOptions(
        group=f"{project.settings.kafka.topic_prefix}headrace-scorer.{project.settings.name}.{name}",
        instance=worker.instance,
        batch_rows=settings.batch_rows,
        poll_alias_seconds=settings.poll_alias_seconds,
    )
    models.declaration(name)
    live = LiveModels.of_store(name, models.store)
    lookups = models.lookups(name)
    with open_online_store(project) if lookups else nullcontext() as store:
        online = None if store is None else OnlineLookups(store, lookups)
        scorer = Scorer(project.connection(), models.view(name), live, options, online)
        end_when_still(lambda: scorer.turned_at, worker.stop, f"the scorer of {name}")
        scorer.run(worker.stop, worker.ready)


if __name__ == "__main__":
    parser = ArgumentParser(prog="headrace.workers.scorer")
    parser.add_argument("--model", required=True, help="name of the declared model")
    sys.exit(run("scorer", body, parser=parser))
