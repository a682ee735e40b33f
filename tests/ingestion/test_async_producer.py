"""The producer for asyncio: order, errors and waits are those of the other one, and the loop goes on meanwhile."""

import asyncio
from datetime import datetime, timezone
from typing import Any

import pytest
from headrace_ingestion import (
    AsyncDelivery,
    AsyncProducer,
    BrokerUnavailableError,
    Contract,
    Delivery,
    EventError,
    ProducerClosedError,
)
from headrace_ingestion.testing import FakeBroker

NOW = datetime.now(timezone.utc)
CALL = {"subscriber_id": "s1", "started_at": NOW, "duration_s": 12.5, "country": "NO"}


def test_events_are_awaited_one_by_one_or_together(broker: Any, call_contract: Contract) -> None:
    prefix = f"{broker.fresh_topic('async')}."
    broker.create_topic(f"{prefix}events.call")
    connection = broker.connection.model_copy(update={"topic_prefix": prefix})

    async def main() -> None:
        told: list[Delivery] = []
        async with AsyncProducer(call_contract, connection, on_delivery=told.append) as producer:
            delivery = await producer.send("call", CALL, event_id="first")
            assert (await delivery).offset == 0
            assert (delivery.event_id, delivery.done) == ("first", True)
            deliveries = [await producer.send("call", CALL) for _ in range(500)]
            reports = await asyncio.gather(*deliveries)
            assert [report.offset for report in reports] == list(range(1, 501))
            result = await producer.flush()
            assert (result.failed, result.pending) == (0, 0)
            with pytest.raises(EventError):
                await producer.send("call", {**CALL, "duration_s": -1})
            counters = producer.counters
        assert (counters.sent, counters.delivered, counters.refused) == (501, 501, 1)
        assert len(told) == 501

    asyncio.run(main())


def test_a_full_queue_waits_in_order_and_the_loop_goes_on(fake: FakeBroker, call_contract: Contract) -> None:
    async def main() -> None:
        fake.go_away()
        async with AsyncProducer(call_contract, transport=fake.transport(), queue_max_events=4) as producer:
            sends = [asyncio.ensure_future(producer.send("call", CALL, event_id=str(n))) for n in range(40)]
            done, waiting = await asyncio.wait(sends, timeout=0.1)
            assert (len(done), len(waiting)) == (4, 36)
            # The loop has come here while they wait; so has whoever lets the broker come back.
            fake.come_back()
            deliveries: list[AsyncDelivery] = await asyncio.wait_for(asyncio.gather(*sends), 30)
            await asyncio.gather(*deliveries)

    asyncio.run(main())
    assert [dict(record.headers)["event_id"] for record in fake.records("events.call")] == [
        str(number).encode() for number in range(40)
    ]


def test_an_event_that_nobody_takes_raises_where_it_is_awaited(fake: FakeBroker, call_contract: Contract) -> None:
    async def main() -> None:
        fake.go_away()
        async with AsyncProducer(call_contract, transport=fake.transport(), delivery_timeout_seconds=0.05) as producer:
            delivery = await producer.send("call", CALL)
            with pytest.raises(BrokerUnavailableError):
                await asyncio.wait_for(delivery.result(), 30)

    asyncio.run(main())


def test_closing_answers_those_that_wait(fake: FakeBroker, call_contract: Contract) -> None:
    async def main() -> None:
        fake.be_slow()
        producer = AsyncProducer(call_contract, transport=fake.transport())
        delivery = await producer.send("call", CALL)
        waiting = asyncio.ensure_future(delivery.result())
        await asyncio.sleep(0)
        assert (await producer.close(timeout_seconds=0.05)).pending == 1
        with pytest.raises(ProducerClosedError):
            await asyncio.wait_for(waiting, 30)

    asyncio.run(main())


def test_without_an_event_loop_there_is_no_such_producer(fake: FakeBroker, call_contract: Contract) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncProducer(call_contract, transport=fake.transport())
