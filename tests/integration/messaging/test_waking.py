"""What wakes the relay: something to send, and nothing else."""

from typing import Any

import pytest
from pymongo.asynchronous.collection import AsyncCollection

from messaging import outbox
from messaging.outbox import Relay
from messaging.publisher import Publisher
from service_kit.mongo import Database
from tests.integration.messaging.events import refund
from tests.support import eventually


async def test_the_relay_looks_when_something_is_to_be_sent_and_not_at_other_changes(
    publisher: Publisher, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    things, looks, drain = database["things"], 0, outbox.drain

    async def counted(collection: AsyncCollection[dict[str, Any]], to: Publisher) -> int:
        nonlocal looks
        looks += 1
        return await drain(collection, to)

    monkeypatch.setattr(outbox, "drain", counted)
    # Longer than the test: only a change can wake it.
    monkeypatch.setattr(outbox, "POLL_SECONDS", 600.0)

    async def unsent() -> int:
        return await things.count_documents({"outbox.0": {"$exists": True}})

    await things.insert_one({"_id": 1})
    async with Relay([things], publisher).running():
        await eventually(lambda: _value(looks))
        await _until_watched(things, unsent)
        known = looks
        for number in range(50):
            await things.update_one({"_id": 1}, {"$set": {"number": number, "outboxes": number}})
        for _ in range(3):
            await things.update_one({"_id": 1}, {"$push": {"outbox": refund().to_document()}})
            await eventually(unsent, until=lambda left: left == 0)
    # Once for each that was pushed; what it pulled may have been written in between.
    assert known + 3 <= looks <= known + 10


async def _until_watched(things: AsyncCollection[dict[str, Any]], unsent: Any) -> None:
    """What was there before the stream was open wakes nobody: push until it is."""

    async def told() -> bool:
        if left := await unsent():
            await things.insert_one({"outbox": [refund().to_document()]})
        return not left

    await things.insert_one({"outbox": [refund().to_document()]})
    await eventually(told)


async def _value(number: int) -> int:
    return number
