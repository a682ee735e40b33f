"""Runs one job over what its topic holds now, and ends: `run_bounded.py FOLDER BOOTSTRAP CLUSTER CONTRACT VIEW…`.

CLUSTER is `host:port` of the REST interface of a Flink cluster, or `none`: then the job runs inside this process.
"""

import os
import sys
from pathlib import Path

from flink_cluster import SHORT_LIVED
from headrace_features.resolve import load_view
from headrace_ingestion.contract import Contract
from headrace_streaming.checkpoints import StateFolder
from headrace_streaming.job import JobSettings, submit
from headrace_streaming.plan import KafkaTables, plan_job
from headrace_streaming.topics import GroupTopics

from headrace.flink import functions_jar
from headrace.stack.jars import fetch
from headrace.stack.java import java_home


def main(folder: Path, bootstrap_servers: str, cluster: str, contract_file: Path, view_files: list[Path]) -> None:
    os.environ["JAVA_HOME"] = str(java_home())
    os.environ["FLINK_LOG_DIR"] = str(folder)
    # The kernel holds one key in memory: every change of key goes through state. And what ends soon is compiled simply.
    os.environ["JVM_ARGS"] = f"-Dheadrace.kernel.share-of-heap=0 {' '.join(SHORT_LIVED)}"
    contract = Contract.load(contract_file)
    views = [load_view(file, {contract.name: contract}) for file in view_files]
    # As that of labels that come before they may be known; views by arrival of such events are refused.
    contract._progress = "told_at"
    plan = plan_job(views, GroupTopics(f"{folder.name}."))
    kafka = KafkaTables(bootstrap_servers, group_id=folder.name, transactional_id_prefix=folder.name, bounded=True)
    state = StateFolder(folder / "state", plan.digest)
    if (folder / "seed").is_dir():
        state.path.mkdir(parents=True)
        (folder / "seed").rename(state.seed)
    jars = (*fetch(["flink"]), functions_jar())
    host, _, port = cluster.partition(":")
    settings = JobSettings(
        jars,
        parallelism=1,
        checkpoint_interval_ms=300,
        # A cluster is for state that outgrows one machine.
        backend="rocksdb" if port else "heap",
        state=state,
        cluster=(host, int(port)) if port else None,
    )
    submit(plan, kafka, settings).get_job_execution_result().result()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]), [Path(name) for name in sys.argv[5:]])
