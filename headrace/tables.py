"""Which tables a project's lake has: one for each topic, from the declarations."""

from pathlib import Path

from headrace_features.view import View
from headrace_lake.catalog import Lake
from headrace_lake.object_store import SCHEME, ObjectPlace, ObjectStore
from headrace_lake.place import Place, local_folder
from headrace_lake.tables import TableSpec, events_table, features_table, ops_tables, scores_table

from headrace.project import Project


def project_tables(project: Project) -> list[TableSpec]:
    """Return every table of the project's lake."""
    prefix = project.settings.kafka.topic_prefix
    read = {view.contract.stream for view in project.views.values()}
    tables = [
        # Without a view there is no job that would refuse the event's bad records: the writer does.
        events_table(contract, prefix, dead_letters_here=contract.stream not in read)
        for contract in project.contracts.values()
    ]
    copied = (*project.derived.values(), *project.rekeyed.values())
    tables += [events_table(contract, prefix, committed_only=True) for contract in copied]
    tables += [view_table(view, prefix) for view in project.views.values()]
    tables += [scores_table(model, prefix) for model in project.model_declarations]
    return [*tables, *ops_tables(prefix)]


def open_lake(project: Project) -> Lake:
    """Return the project's lake; its declared tables can be asked for before their first row."""
    from headrace.external import external_tables

    return Lake(
        lake_path(project), project_tables(project), project.settings.upkeep.target_bytes, external_tables(project)
    )


def lake_path(project: Project) -> Place:
    """Return the folder of the project's lake, or its place on object storage."""
    settings = project.settings.lake
    if settings.path is None:
        return project.folders.lake
    if not settings.path.startswith(SCHEME):
        return Path(settings.path)
    secret = settings.secret_access_key
    store = ObjectStore(
        settings.endpoint, settings.region, settings.access_key_id, secret.get_secret_value() if secret else None
    )
    return ObjectPlace.of(settings.path, store)


def local_lake(project: Project, what: str) -> Path:
    """Return the folder of the project's lake.

    Args:
        project: The project.
        what: What needs it to be one: `headrace lake rebuild`.

    Raises:
        LakeError: It is on object storage.
    """
    return local_folder(lake_path(project), what)


def view_table(view: View, prefix: str) -> TableSpec:
    """Return the table of a view's rows.

    Args:
        view: The view.
        prefix: What stands before its topic.
    """
    columns = [(column.name, column.type) for column in view.columns]
    return features_table(view.name, view.key, view.contract.fields[view.key].type, columns, prefix)
