"""Identifiers: UUIDv7 strings (RFC 9562), so that ids sort by the time they were made."""

import uuid_utils


def new_id() -> str:
    """A fresh UUIDv7 as a lower-case string."""
    return str(uuid_utils.uuid7())
