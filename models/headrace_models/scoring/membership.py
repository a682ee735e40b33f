"""Whether a scorer is still in its consumer group: the client itself does not always notice that it is not."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from kafka.structs import MemberState, TopicPartition

log = logging.getLogger(__name__)

SESSION_SECONDS = 10
"""How long the broker keeps a member of which it hears nothing."""

JOINING_SECONDS = 15
"""Longest wait for the broker to let a scorer in: by then, every member that is gone has lost its session."""

UNASSIGNED_SECONDS = 30
"""Longest time in the group without a partition."""

PROOF_SECONDS = 5.0
"""How often a scorer commits where it is although nothing was scored: the broker's answer tells whether it belongs."""


class Membership:
    """Watches one consumer; made anew with it.

    kafka-python waits more than five minutes for the answer to a request to join, sends no heartbeat meanwhile, and
    goes on to call its former partitions assigned. If that request or its answer is lost, the broker takes the scorer
    out of the group after its session, and neither side does anything about it.

    Args:
        consumer: The consumer, subscribed.
        model: For the log.
        clock: Seconds of a clock that only goes forward.
    """

    def __init__(self, consumer: Any, model: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._consumer = consumer
        self._model = model
        self._clock = clock
        self._joined_at = self._assigned_at = clock()

    def is_lost(self) -> bool:
        """Tell whether another consumer should take the place of this one; says so in the log."""
        now = self._clock()
        if not self._is_stable():
            if now - self._joined_at <= JOINING_SECONDS:
                return False
            log.warning(
                "model %s: not let into its group for %d s, joining anew over new connections",
                self._model, JOINING_SECONDS,
            )  # fmt: skip
            return True
        self._joined_at = now
        if self._consumer.assignment():
            self._assigned_at = now
        elif now - self._assigned_at > UNASSIGNED_SECONDS:
            # Either there are more scorers than partitions, or the group was formed on metadata without the topic,
            # which nobody would ever mend. Joining anew is cheap in the one case and the cure in the other.
            log.info("model %s: no partition for %d s, joining anew", self._model, UNASSIGNED_SECONDS)
            return True
        return False

    def places(self) -> dict[TopicPartition, int]:
        """Return where the consumer is in its partitions, to be committed as a proof; empty while it is not sure.

        Raises:
            KafkaError: The broker does not answer.
        """
        if not self._is_stable():
            return {}
        places = {place: self._consumer.position(place, timeout_ms=0) for place in self._consumer.assignment()}
        return {place: offset for place, offset in places.items() if offset is not None}

    def _is_stable(self) -> bool:
        return bool(self._consumer.group_metadata().state is MemberState.STABLE)
