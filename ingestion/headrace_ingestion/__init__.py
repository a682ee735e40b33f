"""The first stage of the way of an event: contracts, the producer, and the codec of the event topics.

It owns what other teams install, and must know nothing of lake, features, streaming, models or the command line. Names
are imported when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace_ingestion.async_producer import AsyncDelivery, AsyncProducer
    from headrace_ingestion.codec import compile_encoder, compile_parser
    from headrace_ingestion.contract import Contract, Field, load_contracts
    from headrace_ingestion.delivery import Counters, Delivery, FlushResult
    from headrace_ingestion.durations import Duration, format_duration, parse_duration
    from headrace_ingestion.errors import (
        AccessDeniedError,
        BrokerRefusedError,
        BrokerUnavailableError,
        DeclarationError,
        DeliveryError,
        EventDroppedError,
        EventError,
        EventSpilledError,
        HeadraceError,
        ProducerClosedError,
        QueueFullError,
        RecordTooLargeError,
        RetryableError,
        SettingsError,
        UnknownEventError,
        UnknownTopicError,
    )
    from headrace_ingestion.ids import EventIds
    from headrace_ingestion.metrics import prometheus_text
    from headrace_ingestion.pii import PiiSecret
    from headrace_ingestion.producer import Producer
    from headrace_ingestion.records import Encoded, Parsed, Record, Refused, StoredRecord
    from headrace_ingestion.settings import KafkaConnection
    from headrace_ingestion.transport import DeliveryReport, OutgoingRecord, Transport

_HOMES = {
    "AccessDeniedError": "errors",
    "AsyncDelivery": "async_producer",
    "AsyncProducer": "async_producer",
    "BrokerRefusedError": "errors",
    "BrokerUnavailableError": "errors",
    "Contract": "contract",
    "Counters": "delivery",
    "DeclarationError": "errors",
    "Delivery": "delivery",
    "DeliveryError": "errors",
    "DeliveryReport": "transport",
    "Duration": "durations",
    "Encoded": "records",
    "EventDroppedError": "errors",
    "EventError": "errors",
    "EventIds": "ids",
    "EventSpilledError": "errors",
    "Field": "contract",
    "FlushResult": "delivery",
    "HeadraceError": "errors",
    "KafkaConnection": "settings",
    "OutgoingRecord": "transport",
    "Parsed": "records",
    "PiiSecret": "pii",
    "Producer": "producer",
    "ProducerClosedError": "errors",
    "QueueFullError": "errors",
    "Record": "records",
    "RecordTooLargeError": "errors",
    "Refused": "records",
    "RetryableError": "errors",
    "SettingsError": "errors",
    "StoredRecord": "records",
    "Transport": "transport",
    "UnknownEventError": "errors",
    "UnknownTopicError": "errors",
    "compile_encoder": "codec",
    "compile_parser": "codec",
    "format_duration": "durations",
    "load_contracts": "contract",
    "parse_duration": "durations",
    "prometheus_text": "metrics",
}

__all__ = [
    "AccessDeniedError",
    "AsyncDelivery",
    "AsyncProducer",
    "BrokerRefusedError",
    "BrokerUnavailableError",
    "Contract",
    "Counters",
    "DeclarationError",
    "Delivery",
    "DeliveryError",
    "DeliveryReport",
    "Duration",
    "Encoded",
    "EventDroppedError",
    "EventError",
    "EventIds",
    "EventSpilledError",
    "Field",
    "FlushResult",
    "HeadraceError",
    "KafkaConnection",
    "OutgoingRecord",
    "Parsed",
    "PiiSecret",
    "Producer",
    "ProducerClosedError",
    "QueueFullError",
    "Record",
    "RecordTooLargeError",
    "Refused",
    "RetryableError",
    "SettingsError",
    "StoredRecord",
    "Transport",
    "UnknownEventError",
    "UnknownTopicError",
    "compile_encoder",
    "compile_parser",
    "format_duration",
    "load_contracts",
    "parse_duration",
    "prometheus_text",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
