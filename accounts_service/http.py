"""Routes of accounts: `/api/v1/users/…` and the published keys."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, Field

from accounts_service.domain import (
    LONGEST_EMAIL,
    LONGEST_PASSWORD,
    SHORTEST_PASSWORD,
    User,
    normal_email,
    normal_password,
    normal_phone,
)
from accounts_service.handlers import Accounts, Tokens
from service_kit.auth import Caller
from service_kit.etags import answer_304, etag, not_modified, require_match
from service_kit.idempotency import IdempotentRoute, resource_id
from service_kit.limits import caller_address
from service_kit.models import Model, Moment, Name
from service_kit.tokens import Role

# Verifiers ask anew every five minutes at the latest (service_kit.auth), so a cache may keep keys as long.
JWKS_CACHING = "public, max-age=300"
PRIVATE = {"Cache-Control": "no-store"}


class GuestRoute(IdempotentRoute):
    """A guest sends neither a name nor a secret, so his Idempotency-Key is all that keeps others from the answer.

    Keys that could be guessed are therefore ignored: the worst is one guest too many.
    """

    shortest_key = 16


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


def _private(response: Response) -> None:
    response.headers.update(PRIVATE)


Handlers = Annotated[Accounts, Depends(_accounts)]
router = APIRouter(prefix="/api/v1/users", tags=["accounts"], dependencies=[Depends(_private)])
creating = APIRouter(route_class=IdempotentRoute)
guests = APIRouter(route_class=GuestRoute)
keys = APIRouter(tags=["accounts"])

Email = Annotated[str, Field(max_length=LONGEST_EMAIL, examples=["ada@example.com"]), AfterValidator(normal_email)]
Phone = Annotated[str, Field(max_length=40, examples=["+4930901820"]), AfterValidator(normal_phone)]
NewPassword = Annotated[
    str, Field(min_length=SHORTEST_PASSWORD, max_length=LONGEST_PASSWORD), AfterValidator(normal_password)
]
GivenPassword = Annotated[str, Field(min_length=1, max_length=LONGEST_PASSWORD), AfterValidator(normal_password)]


class Registration(Model):
    email: Email
    password: NewPassword
    name: Name
    phone: Phone | None = None


class Credentials(Model):
    email: Email
    password: GivenPassword


class RefreshRequest(Model):
    refresh_token: Annotated[str, Field(min_length=1, max_length=200)]


class GuestRequest(Model):
    """Nothing: a guest is nobody in particular."""


class ProfileChanges(Model):
    """Fields left out stay as they are; a phone of null is removed."""

    name: Name = ""
    phone: Phone | None = None


class TokensAnswer(Model):
    """`expires_in`: seconds until the access token ends. Each refresh token can be used once."""

    access_token: str
    refresh_token: str
    expires_in: int


class Profile(Model):
    user_id: str
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    role: Role
    created_at: Moment


class NewAccount(Profile, TokensAnswer):
    pass


@creating.post("/register", status_code=201, response_model_exclude_none=True)
async def register(body: Registration, request: Request, response: Response, accounts: Handlers) -> NewAccount:
    user, tokens = await accounts.register(
        resource_id(request),
        email=body.email,
        password=body.password,
        name=body.name,
        phone=body.phone,
        address=caller_address(request),
    )
    return _new_account(user, tokens, response)


@guests.post("/guest", status_code=201, response_model_exclude_none=True)
async def guest(
    request: Request, response: Response, accounts: Handlers, body: GuestRequest | None = None
) -> NewAccount:
    """A token of role `guest`. An Idempotency-Key of fewer than 16 characters is ignored here."""
    user, tokens = await accounts.guest(resource_id(request), address=caller_address(request))
    return _new_account(user, tokens, response)


@creating.post("/refresh")
async def refresh(body: RefreshRequest, accounts: Handlers) -> TokensAnswer:
    return _tokens(await accounts.refresh(body.refresh_token))


@router.post("/login")
async def login(body: Credentials, request: Request, accounts: Handlers) -> TokensAnswer:
    return _tokens(await accounts.login(email=body.email, password=body.password, address=caller_address(request)))


@router.post("/logout", status_code=204)
async def logout(body: RefreshRequest, accounts: Handlers) -> None:
    await accounts.logout(body.refresh_token)


@router.get("/me", response_model=Profile, response_model_exclude_none=True)
async def me(caller: Caller, request: Request, response: Response, accounts: Handlers) -> Any:
    user = await accounts.me(caller.subject)
    tag = etag(user.version)
    if not_modified(request, tag):
        return answer_304(tag, **PRIVATE)
    response.headers["ETag"] = tag
    return _profile(user)


@router.patch("/me", response_model_exclude_none=True)
async def change_me(
    body: ProfileChanges, caller: Caller, request: Request, response: Response, accounts: Handlers
) -> Profile:
    user = await accounts.me(caller.subject)
    require_match(request, etag(user.version))
    user = await accounts.change_me(user, body.model_dump(exclude_unset=True), fenced="if-match" in request.headers)
    response.headers["ETag"] = etag(user.version)
    return _profile(user)


@router.delete("/me", status_code=204)
async def erase_me(caller: Caller, request: Request, accounts: Handlers) -> None:
    """Unregister. What was booked stays, but nobody's name is on it any more."""
    user = await accounts.me(caller.subject)
    require_match(request, etag(user.version))
    await accounts.erase_me(user, fenced="if-match" in request.headers)


@keys.get("/.well-known/jwks.json")
async def jwks(response: Response, accounts: Handlers) -> dict[str, list[dict[str, str]]]:
    """The public keys by which every service verifies tokens (RFC 7517)."""
    response.headers["Cache-Control"] = JWKS_CACHING
    return {"keys": [accounts.key.jwk]}


def _new_account(user: User, tokens: Tokens, response: Response) -> NewAccount:
    response.headers["Location"] = "/api/v1/users/me"
    response.headers["ETag"] = etag(user.version)
    return NewAccount(**_profile(user).model_dump(), **_tokens(tokens).model_dump())


def _tokens(tokens: Tokens) -> TokensAnswer:
    return TokensAnswer(
        access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in
    )


def _profile(user: User) -> Profile:
    created_at: datetime = user.created_at
    return Profile(
        user_id=user.user_id, email=user.email, name=user.name, phone=user.phone, role=user.role, created_at=created_at
    )


router.include_router(creating)
router.include_router(guests)
