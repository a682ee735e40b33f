"""An online writer as a process of its own, to be killed: `writer_process.py BROKER PROJECT GROUP STORE`."""

import sys
import threading
from pathlib import Path

from headrace_features.online import GuardedSqlite, OnlineWriter
from headrace_features.resolve import load_views
from headrace_ingestion.contract import load_contracts
from headrace_ingestion.settings import KafkaConnection

bootstrap_servers, project, group, store = sys.argv[1:]
connection = KafkaConnection(bootstrap_servers=bootstrap_servers, topic_prefix=f"{group}.")
views = load_views(Path(project) / "features", load_contracts(Path(project) / "events"))
OnlineWriter(connection, GuardedSqlite(Path(store)), views.values(), group).run(threading.Event())
