"""Users and sessions in MongoDB.

users:    {_id, role, createdAt, version, email?, name?, phone?, password?, lastLoginAt?, guestUntil?, erasedAt?,
           outbox[]}
sessions: {_id: hash of the token's session part, turn: hash of its present turn, userId, expiresAt}
"""

from datetime import datetime
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from accounts_service.domain import EmailTaken, RefreshToken, User
from messaging.envelope import Event
from messaging.outbox import outbox_entry
from service_kit.mongo import Database, Document

ALIVE = {"erasedAt": {"$exists": False}}


class AccountStore:
    """All reads and writes of the accounts service."""

    def __init__(self, database: Database) -> None:
        self._users = database["users"]
        self._sessions = database["sessions"]

    async def prepare(self) -> None:
        # One account per address; guests and erased accounts have none.
        await self._users.create_index("email", unique=True, partialFilterExpression={"email": {"$exists": True}})
        # Guests who don't come back are dropped by MongoDB itself, like sessions that ran out.
        await self._users.create_index("guestUntil", expireAfterSeconds=0)
        await self._sessions.create_index("expiresAt", expireAfterSeconds=0)
        await self._sessions.create_index("userId")  # ending all sessions of a user

    async def add_user(self, user: User, *, password: str, event: Event[Any]) -> User:
        """Raises EmailTaken. Adding the same id again (a retry after a crash) gives the user who is there."""
        document = _document(user) | {"password": password, "outbox": [outbox_entry(event)]}
        try:
            await self._users.insert_one(document)
        except DuplicateKeyError as error:
            known = await self._users.find_one({"_id": user.user_id, "email": user.email})
            if known is None:
                raise EmailTaken from error
            return _user(known)
        return user

    async def add_guest(self, user: User, until: datetime) -> None:
        await self._users.update_one(
            {"_id": user.user_id}, {"$setOnInsert": _document(user) | {"guestUntil": until}}, upsert=True
        )

    async def user(self, user_id: str) -> User | None:
        document = await self._users.find_one({"_id": user_id, **ALIVE})
        return _user(document) if document else None

    async def credentials(self, email: str) -> tuple[User, str] | None:
        """The user of an address and his password's hash."""
        document = await self._users.find_one({"email": email, **ALIVE})
        return (_user(document), document["password"]) if document else None

    async def note_login(self, user_id: str, *, at: datetime, event: Event[Any], password: str | None) -> bool:
        """False when the account was erased meanwhile. `password` is a renewed hash, if any."""
        renewed = {"password": password} if password else {}
        done = await self._users.update_one(
            {"_id": user_id, **ALIVE},
            {"$set": {"lastLoginAt": at, **renewed}, "$push": {"outbox": outbox_entry(event)}},
        )
        return done.matched_count == 1

    async def change_user(self, user_id: str, changes: Document, version: int | None) -> User | None:
        """Set these fields (None removes one), if the user is still at `version`. None when nothing matched."""
        update: Document = {"$inc": {"version": 1}}
        if kept := {name: value for name, value in changes.items() if value is not None}:
            update["$set"] = kept
        if removed := dict.fromkeys((name for name, value in changes.items() if value is None), ""):
            update["$unset"] = removed
        document = await self._users.find_one_and_update(
            _at(user_id, version), update, return_document=ReturnDocument.AFTER
        )
        return _user(document) if document else None

    async def erase_user(self, user: User, *, fenced: bool, at: datetime, event: Event[Any]) -> bool:
        """Leave nothing but the id, also in events not sent yet; end all sessions. False when nothing matched."""
        nameless = {"$mergeObjects": ["$$this.data", {"email": None, "name": None}]}
        waiting = {
            "$map": {
                "input": {"$ifNull": ["$outbox", []]},
                "in": {"$mergeObjects": ["$$this", {"data": nameless}]},
            }
        }
        tombstone = {
            "_id": "$_id",
            "role": "$role",
            "createdAt": "$createdAt",
            "version": {"$add": ["$version", 1]},
            "erasedAt": at,
            "outbox": {"$concatArrays": [waiting, [{"$literal": outbox_entry(event)}]]},
        }
        done = await self._users.update_one(
            _at(user.user_id, user.version if fenced else None), [{"$replaceWith": tombstone}]
        )
        if not done.matched_count:
            return False
        # A crash before this leaves sessions that are of no use: refreshing asks for the user.
        await self._sessions.delete_many({"userId": user.user_id})
        return True

    async def add_session(self, token: RefreshToken, user_id: str, until: datetime) -> None:
        await self._sessions.insert_one(
            {"_id": token.session_hash, "turn": token.turn_hash, "userId": user_id, "expiresAt": until}
        )

    async def turn_session(self, old: RefreshToken, new: RefreshToken, *, now: datetime, until: datetime) -> str | None:
        """Move a session on by one turn and give its user's id.

        None when there is no such session; one that has moved on from `old` already is ended.
        """
        turned = await self._sessions.find_one_and_update(
            {"_id": old.session_hash, "turn": old.turn_hash, "expiresAt": {"$gt": now}},
            {"$set": {"turn": new.turn_hash, "expiresAt": until}},
        )
        if turned is None:
            await self._sessions.delete_one({"_id": old.session_hash})
            return None
        user_id: str = turned["userId"]
        return user_id

    async def keep_guest(self, user_id: str, until: datetime) -> None:
        await self._users.update_one({"_id": user_id, **ALIVE}, {"$set": {"guestUntil": until}})

    async def end_session(self, token: RefreshToken) -> None:
        await self._sessions.delete_one({"_id": token.session_hash})


def _at(user_id: str, version: int | None) -> Document:
    return {"_id": user_id, **ALIVE, **({} if version is None else {"version": version})}


def _document(user: User) -> Document:
    fields = {"email": user.email, "name": user.name, "phone": user.phone}
    return {
        "_id": user.user_id,
        "role": user.role,
        "createdAt": user.created_at,
        "version": user.version,
        **{name: value for name, value in fields.items() if value is not None},
    }


def _user(document: Document) -> User:
    return User(
        user_id=document["_id"],
        role=document["role"],
        created_at=document["createdAt"],
        version=document["version"],
        email=document.get("email"),
        name=document.get("name"),
        phone=document.get("phone"),
    )
