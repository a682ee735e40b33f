"""A scorer in a process of its own, to be killed: `python scorer_process.py SERVERS PREFIX`. Says `ready` when it is."""

import sys
import threading

from feature_records import AmountModel
from headrace_ingestion.settings import KafkaConnection
from headrace_models.scoring.live import LiveModels
from headrace_models.scoring.loading import LoadedModel
from headrace_models.scoring.scorer import Scorer, ScorerOptions
from small_lake import VIEW


def main(servers: str, prefix: str) -> None:
    live = LiveModels(
        "m", lambda name, alias: "1" if alias == "champion" else None, lambda m, v: LoadedModel(m, v, AmountModel())
    )
    # Small batches and rare commits: a kill always finds something that is written and not committed.
    options = ScorerOptions(instance="scorer-0", batch_rows=50, commit_every_seconds=0.1)
    connection = KafkaConnection(bootstrap_servers=servers, topic_prefix=prefix)
    Scorer(connection, VIEW, live, options).run(threading.Event(), lambda: print("ready", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
