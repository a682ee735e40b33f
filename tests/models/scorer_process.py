"""A scorer in a process of its own, to be killed: `python scorer_process.py SERVERS PREFIX`."""

import sys
import threading
import time

import numpy as np
import numpy.typing as npt
from feature_records import AmountModel
from headrace_ingestion.settings import KafkaConnection
from headrace_models.scoring.live import LiveModels
from headrace_models.scoring.loading import LoadedModel
from headrace_models.scoring.scorer import Scorer, ScorerOptions
from headrace_models.serving import Prediction
from small_lake import VIEW


class SlowModel(AmountModel):
    """Takes its time, so that a kill finds it at work."""

    def predict(self, x: npt.NDArray[np.float64]) -> Prediction:
        time.sleep(0.02)
        return super().predict(x)


def main(servers: str, prefix: str) -> None:
    live = LiveModels(
        "m", lambda name, alias: "1" if alias == "champion" else None, lambda m, v: LoadedModel(m, v, SlowModel())
    )
    # Small batches and rare commits: a kill always finds something that is written and not committed.
    options = ScorerOptions(instance="scorer-0", batch_rows=50, commit_every_seconds=0.1)
    connection = KafkaConnection(bootstrap_servers=servers, topic_prefix=prefix)
    Scorer(connection, VIEW, live, options).run(threading.Event(), lambda: print("ready", flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
