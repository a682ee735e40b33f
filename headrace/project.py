"""A headrace project: a folder of declarations, its settings, and the way to its running stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from headrace_features.resolve import load_views
from headrace_features.view import View
from headrace_ingestion.contract import Contract, load_contracts
from headrace_ingestion.derived import DerivedContract, load_derived
from headrace_ingestion.documents import load_folder
from headrace_ingestion.errors import DeclarationError, closest
from headrace_ingestion.rekeyed import RekeyedContract
from headrace_ingestion.settings import KafkaConnection
from headrace_models.declaration import ModelDeclaration
from headrace_models.lookups import model_lookups
from headrace_models.view import feature_view
from headrace_streaming.plan import JobPlan, plan_groups
from headrace_streaming.topics import GroupTopics

from headrace.settings import FILE_NAME, Settings, load_settings
from headrace.sinks.declaration import SinkDeclaration, load_sinks
from headrace.stack.errors import NotRunningError
from headrace.stack.folders import StackFolders
from headrace.stack.state import running_state

if TYPE_CHECKING:
    from headrace_lake.catalog import Lake

    from headrace.events import Events
    from headrace.features.project_features import Features
    from headrace.models import Models


@dataclass(frozen=True)
class Project:
    """A project folder that was found and whose settings are valid. Declarations are read when they are asked for.

    Attributes:
        folder: The project folder, absolute.
        settings: Its settings.
    """

    folder: Path
    settings: Settings

    @property
    def folders(self) -> StackFolders:
        """Where the project's stack keeps things."""
        return StackFolders(self.folder)

    @cached_property
    def contracts(self) -> dict[str, Contract]:
        """The events that are sent, by name, from `events/*.yaml`.

        Raises:
            DeclarationError: A contract is wrong.
        """
        return load_contracts(self.folder / "events", root=self.folder)

    @cached_property
    def derived(self) -> dict[str, DerivedContract]:
        """The events that are made of others by name, from `events/*.yaml`, each after those it is made of.

        Raises:
            DeclarationError: A declaration is wrong.
        """
        return load_derived(self.folder / "events", self.contracts, root=self.folder)

    @cached_property
    def readable(self) -> dict[str, Contract]:
        """All events by name: those that are sent, and those that are made of them.

        Raises:
            DeclarationError: A declaration is wrong.
        """
        return {**self.contracts, **self.derived}

    @cached_property
    def views(self) -> dict[str, View]:
        """The feature views by name, from `features/*.yaml`, resolved against their events.

        Raises:
            DeclarationError: A view is wrong.
        """
        return load_views(self.folder / "features", self.readable, root=self.folder)

    @cached_property
    def model_declarations(self) -> dict[str, ModelDeclaration]:
        """The models by name, from `models/*.yaml`.

        Raises:
            DeclarationError: A model is wrong.
        """
        return load_folder(self.folder / "models", self._model, "model", root=self.folder)

    def _model(self, path: Path) -> ModelDeclaration:
        model = ModelDeclaration.load(path, root=self.folder)
        if model.view not in self.views:
            raise DeclarationError(
                f"{path.relative_to(self.folder)}: the model {model.name!r} reads the view {model.view!r}, "
                "which the project does not declare",
                {"views": ", ".join(self.views) or "none: features/*.yaml is empty"},
                f"view: {closest(model.view, self.views) or next(iter(self.views), 'subscriber')}",
            )
        model_lookups(model, feature_view(self.views[model.view]), self.views)
        return model

    @cached_property
    def sinks(self) -> dict[str, SinkDeclaration]:
        """The sinks by name, from `sinks/*.yaml`.

        Raises:
            DeclarationError: A sink is wrong.
        """
        return load_sinks(self.folder / "sinks", root=self.folder)

    @cached_property
    def plans(self) -> dict[str, JobPlan]:
        """The feature jobs by group, `call.subscriber_id`: one for each event and key that views read.

        Raises:
            DeclarationError: A view is wrong.
        """
        return plan_groups(list(self.views.values()), GroupTopics(self.settings.kafka.topic_prefix))

    @property
    def rekeyed(self) -> dict[str, RekeyedContract]:
        """Events that views read by another key than their own, by the names of their streams."""
        read = (view.contract for view in self.views.values())
        return {contract.stream: contract for contract in read if isinstance(contract, RekeyedContract)}

    @property
    def job_groups(self) -> tuple[str, ...]:
        """Names of the feature jobs."""
        return tuple(self.plans)

    @cached_property
    def events(self) -> "Events":
        """Check, send, replay and read events."""
        from headrace.events import Events

        return Events(self)

    @cached_property
    def features(self) -> "Features":
        """Plan, verify and read features."""
        from headrace.features.project_features import Features

        return Features(self)

    @cached_property
    def lake(self) -> "Lake":
        """SQL over all that has happened."""
        from headrace.tables import open_lake

        return open_lake(self)

    @cached_property
    def models(self) -> "Models":
        """Train, compare and promote models."""
        from headrace.models import Models

        return Models(self)

    def connection(self) -> KafkaConnection:
        """Return the connection to the brokers: those of the settings, or the embedded one of the running stack.

        Raises:
            NotRunningError: The settings name no brokers, and the stack of this project is down.
        """
        kafka = self.settings.kafka
        servers = kafka.bootstrap_servers
        if servers is None:
            state = running_state(self.folders)
            if state is None or not state.bootstrap_servers:
                raise not_running(self.folder)
            servers = state.bootstrap_servers
        return kafka.connection(servers)


def open_project(
    folder: str | Path | None = None,
    *,
    flags: Mapping[str, str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Project:
    """Return the project in `folder`, or in the nearest folder above the current one.

    Args:
        folder: The project folder. None looks for `headrace.yaml` from the current folder upward, as git does.
        flags: Dotted name of a setting → its text; stronger than environment and file.
        environ: The environment; the process's own when None.

    Raises:
        DeclarationError: There is no `headrace.yaml`, or it is wrong.
        SettingsError: A flag or a variable of the environment is wrong.
    """
    found = _project_above(Path.cwd()) if folder is None else Path(folder).absolute()
    if not (found / FILE_NAME).is_file():
        # `init` makes a project where nothing is yet; what is there becomes one by its name.
        is_used = found.is_dir() and any(found.iterdir())
        raise DeclarationError(
            f"{folder} is no headrace project",
            {"expected": f"the file {FILE_NAME} in it", "where": str(found)},
            f"echo 'name: mine' > {quote(str(found / FILE_NAME))}"
            if is_used
            else f"headrace init {quote(str(folder))}",
        )
    return Project(found, load_settings(found, flags=flags, environ=environ))


def _project_above(start: Path) -> Path:
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder
    raise DeclarationError(
        "no headrace project is here",
        {"expected": f"the file {FILE_NAME} in this folder or in one above", "where": str(start)},
        "headrace init DIR, or --project DIR",
    )


def not_running(folder: Path) -> NotRunningError:
    """Return the error of what needs a running stack when there is none."""
    return NotRunningError(
        "the stack of this project is not running",
        {"where": str(folder)},
        f"headrace up --detach --project {folder}",
    )
