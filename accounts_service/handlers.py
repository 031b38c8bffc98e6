"""The use cases of accounts: one method each."""

from dataclasses import dataclass, replace
from typing import Any

from accounts_service.domain import (
    ACCESS_LIFETIME,
    GUESTS_PER_ADDRESS,
    LOGINS_PER_ADDRESS,
    LOGINS_PER_EMAIL,
    REGISTRATIONS_PER_ADDRESS,
    SESSION_LIFETIME,
    AccountGone,
    RefreshRefused,
    User,
    WrongCredentials,
    new_refresh_token,
    read_refresh_token,
)
from accounts_service.passwords import Passwords
from accounts_service.store import AccountStore
from messaging.envelope import Event, new_event
from messaging.events import UserState
from service_kit.clock import Clock
from service_kit.errors import PreconditionFailed
from service_kit.limits import Limiter
from service_kit.tokens import Role, SigningKey, issue_token


@dataclass(frozen=True)
class Tokens:
    """What a client keeps: a short access token and the refresh token for the next one."""

    access_token: str
    refresh_token: str
    expires_in: int = int(ACCESS_LIFETIME.total_seconds())


@dataclass(frozen=True)
class Accounts:
    store: AccountStore
    passwords: Passwords
    limiter: Limiter
    key: SigningKey
    clock: Clock

    async def register(
        self, user_id: str, *, email: str, password: str, name: str, phone: str | None, address: str
    ) -> tuple[User, Tokens]:
        """A new user with his first tokens. Raises EmailTaken, TooManyRequests."""
        await self.limiter.spend(REGISTRATIONS_PER_ADDRESS, address)
        wanted = User(user_id, "user", self.clock.now(), email=email, name=name, phone=phone)
        user = await add_user(self.store, self.passwords, self.clock, wanted, password)
        return user, await self._new_session(user)

    async def login(self, *, email: str, password: str, address: str) -> Tokens:
        """Raises WrongCredentials, TooManyRequests.

        An unknown address takes the same path as a wrong password, so neither answer nor time tells them apart.
        """
        spent = ((LOGINS_PER_ADDRESS, address), (LOGINS_PER_EMAIL, email))
        for limit, key in spent:
            await self.limiter.spend(limit, key)
        known = await self.store.credentials(email)
        fits, renewed = await self.passwords.check(password, known[1] if known else None)
        if known is None or not fits:
            raise WrongCredentials
        user, now = known[0], self.clock.now()
        event = user_event("UserLoggedIn", replace(user, email=None, name=None), self.clock)
        if not await self.store.note_login(user.user_id, at=now, event=event, password=renewed):
            raise WrongCredentials
        for limit, key in spent:
            await self.limiter.refund(limit, key)
        return await self._new_session(user)

    async def guest(self, user_id: str, *, address: str) -> tuple[User, Tokens]:
        """An account without a name, so that one can book without registering. Raises TooManyRequests."""
        await self.limiter.spend(GUESTS_PER_ADDRESS, address)
        user = User(user_id, "guest", self.clock.now())
        await self.store.add_guest(user, self.clock.now() + SESSION_LIFETIME)
        return user, await self._new_session(user)

    async def refresh(self, text: str) -> Tokens:
        """The next tokens of a session. Raises RefreshRefused; a token shown twice ends its session."""
        old = read_refresh_token(text)
        new, now = old.next(), self.clock.now()
        until = now + SESSION_LIFETIME
        user_id = await self.store.turn_session(old, new, now=now, until=until)
        user = await self.store.user(user_id) if user_id else None
        if user is None:
            raise RefreshRefused
        if user.role == "guest":
            await self.store.keep_guest(user.user_id, until)
        return Tokens(self._access_token(user), new.text)

    async def logout(self, text: str) -> None:
        """End the session of a refresh token. Unknown ones are ended already (RFC 7009)."""
        try:
            token = read_refresh_token(text)
        except RefreshRefused:
            return
        await self.store.end_session(token)

    async def me(self, user_id: str) -> User:
        """Raises AccountGone."""
        user = await self.store.user(user_id)
        if user is None:
            raise AccountGone
        return user

    async def change_me(self, read: User, changes: dict[str, Any], *, fenced: bool) -> User:
        """Change a profile, if it is still as `read` when `fenced`. Raises AccountGone, PreconditionFailed."""
        if not changes:
            return read
        changed = await self.store.change_user(read.user_id, changes, read.version if fenced else None)
        if changed is None:
            await self._explain_miss(read, fenced=fenced)
            raise AccountGone
        return changed

    async def erase_me(self, read: User, *, fenced: bool) -> None:
        """Erase what is personal and end all sessions. Raises AccountGone, PreconditionFailed."""
        gone = User(read.user_id, read.role, read.created_at, read.version + 1)
        event = user_event("UserUnregistered", gone, self.clock)
        if not await self.store.erase_user(read, fenced=fenced, at=self.clock.now(), event=event):
            await self._explain_miss(read, fenced=fenced)

    async def _explain_miss(self, read: User, *, fenced: bool) -> None:
        present = await self.me(read.user_id)
        if fenced:
            raise PreconditionFailed(f'The present version is "{present.version}"')

    async def _new_session(self, user: User) -> Tokens:
        token = new_refresh_token()
        await self.store.add_session(token, user.user_id, self.clock.now() + SESSION_LIFETIME)
        return Tokens(self._access_token(user), token.text)

    def _access_token(self, user: User) -> str:
        return issue_token(self.key, subject=user.user_id, role=user.role, ttl=ACCESS_LIFETIME, clock=self.clock)


async def add_user(store: AccountStore, passwords: Passwords, clock: Clock, user: User, password: str) -> User:
    """Keep a new user with his password's hash. Raises EmailTaken."""
    hashed = await passwords.hash(password)
    return await store.add_user(user, password=hashed, event=user_event("UserRegistered", user, clock))


def user_event(type_: str, user: User, clock: Clock) -> Event[UserState]:
    role: Role = user.role
    state = UserState(user_id=user.user_id, version=user.version, email=user.email, name=user.name, role=role)
    return new_event(type_, source="accounts", subject=user.user_id, version=user.version, data=state, clock=clock)
