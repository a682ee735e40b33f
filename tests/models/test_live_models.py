"""Live models: which version scores, and what happens when the registry or a version fails."""

import logging
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from headrace_models.registry import Alias
from headrace_models.scoring.live import LiveModels
from headrace_models.scoring.loading import LoadedModel
from headrace_models.serving import Prediction


class Constant:
    """Scores every row the same."""

    features = ("amount",)

    def __init__(self, score: float = 0.5) -> None:
        self.value = score

    def predict(self, x: npt.NDArray[np.float64]) -> Prediction:
        scores = np.full(len(x), self.value)
        return Prediction(scores, 0.9, scores >= 0.9, ((),) * len(x))


@dataclass
class Shelf:
    """A registry in memory that counts what is loaded."""

    aliases: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    loaded: list[str] = field(default_factory=list)
    away: bool = False

    def version_of(self, name: str, alias: Alias) -> str | None:
        if self.away:
            raise ConnectionError("connection refused")
        return self.aliases.get(alias)

    def load(self, name: str, version: str) -> LoadedModel:
        self.loaded.append(version)
        if version in self.broken:
            raise OSError("no such file")
        return LoadedModel(name, version, Constant())

    def live(self) -> LiveModels:
        return LiveModels("m", self.version_of, self.load)


def versions(live: LiveModels) -> dict[str, str]:
    return {variant: model.version for variant, model in live.current.items()}


def test_nothing_is_live_before_the_first_champion() -> None:
    shelf = Shelf()
    live = shelf.live()
    live.refresh()
    assert versions(live) == {}
    shelf.aliases["champion"] = "1"
    live.refresh()
    assert versions(live) == {"champion": "1"}


def test_a_version_is_loaded_once_and_kept_while_its_alias_stays() -> None:
    shelf = Shelf({"champion": "1", "challenger": "2"})
    live = shelf.live()
    for _ in range(3):
        live.refresh()
    assert shelf.loaded == ["1", "2"]


def test_a_promoted_challenger_is_not_loaded_again() -> None:
    shelf = Shelf({"champion": "1", "challenger": "2"})
    live = shelf.live()
    live.refresh()
    shelf.aliases = {"champion": "2"}
    live.refresh()
    assert versions(live) == {"champion": "2"}
    assert shelf.loaded == ["1", "2"]


def test_a_batch_that_took_the_models_before_a_swap_keeps_them() -> None:
    shelf = Shelf({"champion": "1"})
    live = shelf.live()
    live.refresh()
    taken = live.current
    shelf.aliases = {"champion": "2"}
    live.refresh()
    assert taken["champion"].version == "1"
    with pytest.raises(TypeError):
        taken["challenger"] = taken["champion"]  # type: ignore[index]  # that it is frozen is the point


def test_a_version_that_cannot_be_loaded_leaves_the_live_one_and_is_not_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf({"champion": "1"}, broken={"2"})
    live = shelf.live()
    live.refresh()
    shelf.aliases["champion"] = "2"
    with caplog.at_level(logging.ERROR):
        live.refresh()
        live.refresh()
    assert versions(live) == {"champion": "1"}
    assert shelf.loaded == ["1", "2"]
    assert caplog.messages == ["model m version 2 cannot be loaded, the live version stays: no such file"]


def test_a_registry_that_is_away_leaves_the_live_versions_and_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    shelf = Shelf({"champion": "1"})
    live = shelf.live()
    live.refresh()
    shelf.away = True
    with caplog.at_level(logging.WARNING):
        live.refresh()
        live.refresh()
    assert versions(live) == {"champion": "1"}
    assert caplog.messages == ["model m: the registry does not answer, the live versions stay: connection refused"]
    shelf.away = False
    shelf.aliases["champion"] = "3"
    live.refresh()
    assert versions(live) == {"champion": "3"}


def test_a_removed_alias_takes_the_challenger_away() -> None:
    shelf = Shelf({"champion": "1", "challenger": "2"})
    live = shelf.live()
    live.refresh()
    del shelf.aliases["challenger"]
    live.refresh()
    assert versions(live) == {"champion": "1"}
