"""Reads and updates that share a command: each caller has its own outcome, or is told to look again."""

import asyncio

from service_kit.mongo import Database, Document
from service_kit.together import Readings, Updates


def number_of(document: Document) -> int:
    number: int = document["number"]
    return number


async def test_who_reads_together_gets_each_its_own_document_as_it_is_by_then(database: Database) -> None:
    await database["things"].insert_many([{"_id": f"id {number}", "number": number} for number in range(20)])
    readings = Readings(database["things"], {"number": 1}, number_of)
    asked = [f"id {number}" for number in (*range(25), *range(25))]
    before = await asyncio.gather(*map(readings.get, asked))
    assert before == [*range(20), *[None] * 5] * 2
    await database["things"].update_many({}, {"$inc": {"number": 100}})
    assert await asyncio.gather(*map(readings.get, asked[:3])) == [100, 101, 102]


async def test_documents_are_found_by_another_key_too(database: Database) -> None:
    await database["things"].insert_many([{"name": f"name {number}", "number": number} for number in range(5)])
    readings = Readings(database["things"], {"number": 1, "name": 1}, number_of, key="name")
    assert await asyncio.gather(*(readings.get(f"name {number}") for number in (3, 9, 3, 1))) == [3, None, 3, 1]


async def test_updates_whose_conditions_all_hold_are_told_as_made(database: Database) -> None:
    await database["things"].insert_many([{"_id": number, "version": 1} for number in range(20)])
    updates = Updates(database["things"])
    assert all(await asyncio.gather(*(_next_version(updates, number, 1) for number in range(20))))
    assert await database["things"].count_documents({"version": 2}) == 20


async def test_nobody_is_told_that_an_update_was_made_whose_condition_did_not_hold(database: Database) -> None:
    await database["things"].insert_many([{"_id": number, "version": 1} for number in range(20)])
    await database["things"].update_one({"_id": 7}, {"$set": {"version": 5}})
    updates = Updates(database["things"])
    told = await asyncio.gather(*(_next_version(updates, number, 1) for number in range(20)))
    assert told[7] is False
    found = {document["_id"]: document["version"] async for document in database["things"].find()}
    assert found == {number: 5 if number == 7 else 2 for number in range(20)}
    # Who was told False of one that was made finds its condition gone, and the change in place.
    again = await asyncio.gather(*(_next_version(updates, number, 1) for number in range(20)))
    assert not any(again)


async def _next_version(updates: Updates, number: int, version: int) -> bool:
    return await updates.apply({"_id": number, "version": version}, {"$inc": {"version": 1}})
