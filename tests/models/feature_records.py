"""Records of a feature topic, and models that do as they are told; shared by the tests of scoring."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson
from headrace_models.recipes.detector import Reason
from headrace_models.serving import Prediction


@dataclass
class Record:
    """A Kafka record that no broker has seen."""

    topic: str = "features.subscriber"
    partition: int = 0
    offset: int = 7
    timestamp: int = 1_772_409_600_000
    key: bytes | None = b"s-1"
    value: bytes | None = b""
    headers: Sequence[tuple[str, bytes | None]] = ()


def feature_value(event_id: str, **values: object) -> bytes:
    """Return the value of a feature record of the small lake's view."""
    row: dict[str, object] = {
        "event_id": event_id,
        "subscriber_id": "s-1",
        "event_time_ms": 1_772_409_600_000,
        "clock_ms": 1_772_409_600_001,
        "generation": 0,
        "source_partition": 2,
        "source_offset": 41,
        "revision": 0,
        "declaration": "abcdef012345",
        "ingested_at_ms": 1_772_409_600_010,
        "emitted_at_ms": 1_772_409_600_020,
        "amount": 1.0,
        "count_1h": 1,
        "abroad": False,
        "device_lag_1": None,
        "noise": None,
    }
    return orjson.dumps({**row, **values})


class AmountModel:
    """The score is the amount, cut to [0, 1]; alerts from 0.5; fails on amounts below zero."""

    features = ("amount", "abroad", "noise")

    def predict(self, x: npt.NDArray[np.float64]) -> Prediction:
        if (x[:, 0] < 0).any():
            raise ArithmeticError("negative amount")
        scores = np.clip(np.nan_to_num(x[:, 0]), 0, 1)
        alerts = scores >= 0.5
        return Prediction(
            scores, 0.5, alerts, tuple((Reason("amount", 1.0, 1.0),) if alert else () for alert in alerts)
        )


class SumModel(AmountModel):
    """The score is what was looked up of a subscriber; 0 where that is null."""

    features = ("subscriber__duration_s_sum_1h", "abroad", "noise")


class BrokenModel(AmountModel):
    """Fails on every batch."""

    def predict(self, x: npt.NDArray[np.float64]) -> Prediction:
        raise RuntimeError("out of order")
