"""Expressions of update pipelines. Values from outside are always `$literal`: a title may well begin with a `$`."""

from datetime import datetime, timedelta
from typing import Any

from indexer.domain import Push

Expression = dict[str, Any]

# What Elasticsearch refuses is tried again, in case a later release can write it.
REFUSED_PAUSE = timedelta(minutes=1)


def older(field: str, version: int) -> Expression:
    """Whether `field` is missing or below `version`."""
    return {"$lt": [{"$ifNull": [field, -1]}, version]}


def choose(condition: str, new: Any, old: str) -> Expression:
    return {"$cond": [condition, {"$literal": new}, old]}


def touch(now: datetime, changed: Any, *, at_once: Any = False) -> Expression:
    """Fields that have a changed document pushed: when its pause is over, or `at_once`."""
    waiting = {"$ifNull": ["$pushAt", {"$max": [now, {"$ifNull": ["$nextPushAt", now]}]}]}
    soonest = {"$cond": [at_once, {"$min": [now, {"$ifNull": ["$pushAt", now]}]}, waiting]}
    return {
        "revision": {"$add": [{"$ifNull": ["$revision", 0]}, {"$cond": [changed, 1, 0]}]},
        "pushAt": {"$cond": [changed, soonest, "$pushAt"]},
    }


def note(push: Push, now: datetime, pause: timedelta) -> list[Expression]:
    """What Elasticsearch has now. What has changed meanwhile is due again after its pause."""
    if push.error is not None:
        return [{"$set": {"pushError": {"$literal": push.error}, "pushAt": now + REFUSED_PAUSE}}]
    again = now + pause
    return [
        {
            "$set": {
                "indexedRevision": push.revision,
                "listed": push.listed,
                "nextPushAt": again,
                "pushAt": {"$cond": [{"$eq": ["$revision", push.revision]}, "$$REMOVE", again]},
                "pushError": "$$REMOVE",
                **{name: {"$literal": value} for name, value in push.noted.items()},
            }
        }
    ]
