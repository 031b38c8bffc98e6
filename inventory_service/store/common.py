"""What the stores share."""

from collections.abc import Mapping
from typing import Any

from pymongo.errors import BulkWriteError

Document = dict[str, Any]
DUPLICATE_KEY = 11000


def is_known_already(fault: Mapping[str, Any]) -> bool:
    """Whether one write of a bulk failed only because its document is there."""
    return bool(fault["code"] == DUPLICATE_KEY)


def only_known_already(error: BulkWriteError) -> bool:
    """Whether nothing failed but writes of documents that are there."""
    return all(map(is_known_already, error.details["writeErrors"]))
