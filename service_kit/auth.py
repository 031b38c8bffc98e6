"""Who is calling: bearer tokens verified by the published keys, and roles."""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import Depends, Request

from service_kit.errors import Forbidden, Unauthenticated, Unavailable
from service_kit.tokens import Role, read_token

CACHED_TOKENS = 20_000
REFETCH_SECONDS = 5.0
RETRY_SECONDS = 0.5
KEYS_FRESH_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: `subject` is a user id (or the name of a service), `role` what it may do."""

    subject: str
    role: Role

    @property
    def privileged(self) -> bool:
        """Admins and services see what belongs to others."""
        return self.role in {"admin", "service"}


class TokenVerifier:
    """Verifies tokens against a JWKS address, fetched when an unknown key id turns up.

    A token that was verified once is remembered until it expires: signature checks are the
    dearest part of a small request. Keys outlive an outage of the accounts service. Who issues tokens gives its
    `own_keys` and asks nobody.
    """

    def __init__(
        self, jwks_url: str, client: httpx2.AsyncClient, own_keys: Mapping[str, Ed25519PublicKey] | None = None
    ) -> None:
        self._jwks_url = jwks_url
        self._client = client
        self._own_keys = own_keys
        self._refused_until = float("-inf")
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()
        self._verified: dict[bytes, tuple[float, Principal]] = {}

    async def verify(self, token: str) -> Principal:
        """The principal of a valid token. Raises Unauthenticated, or Unavailable without keys."""
        digest = hashlib.blake2b(token.encode(), digest_size=16).digest()
        known = self._verified.get(digest)
        if known and known[0] > time.time():
            return known[1]
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            claims = read_token(token, await self._key(kid))
        except jwt.InvalidTokenError as error:
            raise Unauthenticated(f"The token is not valid: {error}") from error
        principal = Principal(str(claims["sub"]), claims["role"])
        if len(self._verified) >= CACHED_TOKENS:
            self._verified.clear()
        # A withdrawn key must stop working within minutes, so no entry outlives the keys' freshness.
        self._verified[digest] = (min(float(claims["exp"]), time.time() + KEYS_FRESH_SECONDS), principal)
        return principal

    async def _key(self, kid: Any) -> Ed25519PublicKey:
        if not isinstance(kid, str):
            raise jwt.InvalidTokenError("no key id")
        if self._own_keys is None:
            await self._refresh(kid)
        keys = self._keys if self._own_keys is None else self._own_keys
        if kid not in keys:
            raise jwt.InvalidTokenError("unknown key")
        return keys[kid]

    async def _refresh(self, kid: str) -> None:
        age = time.monotonic() - self._fetched_at
        if age > KEYS_FRESH_SECONDS or (kid not in self._keys and age > REFETCH_SECONDS):
            async with self._lock:
                if time.monotonic() - self._fetched_at > REFETCH_SECONDS:
                    await self._fetch()

    async def _fetch(self) -> None:
        if time.monotonic() < self._refused_until:
            raise Unavailable("The signing keys can't be read")
        try:
            answer = await self._client.get(self._jwks_url, timeout=5)
            answer.raise_for_status()
            jwks = jwt.PyJWKSet.from_dict(answer.json())
        except (httpx2.HTTPError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
            if self._keys:
                self._fetched_at = time.monotonic()
                return
            # Those who queued up behind this attempt are told at once, instead of each trying in turn.
            self._refused_until = time.monotonic() + RETRY_SECONDS
            raise Unavailable("The signing keys can't be read") from error
        self._keys = {key.key_id: key.key for key in jwks.keys if key.key_id and isinstance(key.key, Ed25519PublicKey)}
        self._fetched_at = time.monotonic()


async def optional_principal(request: Request) -> Principal | None:
    """The caller, or None without a token. A token that is sent must be valid."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send `Authorization: Bearer <token>`")
    verifier: TokenVerifier = request.app.state.kit.verifier
    return await verifier.verify(token.strip())


async def any_principal(request: Request) -> Principal:
    """The caller, of whatever role. Raises Unauthenticated without a valid token."""
    principal = await optional_principal(request)
    if principal is None:
        raise Unauthenticated
    return principal


class RequireRole:
    """A dependency that lets only the named roles through."""

    def __init__(self, *roles: Role) -> None:
        self.roles = roles

    async def __call__(self, request: Request) -> Principal:
        principal = await any_principal(request)
        if principal.role not in self.roles:
            raise Forbidden(f"This needs the role {' or '.join(self.roles)}")
        return principal


Caller = Annotated[Principal, Depends(any_principal)]
MaybeCaller = Annotated[Principal | None, Depends(optional_principal)]
Admin = Annotated[Principal, Depends(RequireRole("admin"))]
ServiceOnly = Annotated[Principal, Depends(RequireRole("service"))]
AdminOrService = Annotated[Principal, Depends(RequireRole("admin", "service"))]
