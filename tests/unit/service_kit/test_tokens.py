"""Which tokens are let in, and by which keys."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from service_kit import auth
from service_kit.auth import TokenVerifier
from service_kit.clock import ManualClock, SystemClock
from service_kit.errors import Unauthenticated, Unavailable
from service_kit.settings import KitSettings
from service_kit.tokens import SigningKey, issue_token, load_or_create_key
from tests.support import TokenMint, token_mint
from tests.unit.service_kit.app import serving


class KeyServer:
    """Stands for the accounts service's key set; it can be changed, and it can be down."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys)
        self.down = False
        self.body: Any = None
        self.asked = 0

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.down:
            raise httpx2.ConnectError("refused", request=request)
        return httpx2.Response(200, json=self.body or {"keys": [key.jwk for key in self.keys]})


@asynccontextmanager
async def verifying(server: KeyServer) -> AsyncIterator[TokenVerifier]:
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(server)) as client:
        yield TokenVerifier("http://accounts/.well-known/jwks.json", client)


@pytest.fixture
def key() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate())


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the verifier's sense of how old its keys are."""
    moved = 0.0

    def move(seconds: float) -> None:
        nonlocal moved
        moved += seconds

    # Only for that module: the event loop sleeps by the same clock.
    monkeypatch.setattr(auth, "time", SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + moved))
    return move


def token(key: SigningKey, **changes: Any) -> str:
    claims: dict[str, Any] = {
        "iss": "marquee", "aud": "marquee", "sub": "ada", "role": "user",
        "iat": int(time.time()), "exp": int(time.time()) + 600, **changes,
    }  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid})


async def test_a_good_token_says_who_is_calling(key: SigningKey) -> None:
    async with verifying(KeyServer(key)) as verifier:
        issued = issue_token(key, subject="ada", role="admin", ttl=timedelta(minutes=1), clock=SystemClock())
        principal = await verifier.verify(issued)
    assert (principal.subject, principal.role, principal.privileged) == ("ada", "admin", True)


def forged(key: SigningKey, algorithm: str, secret: str | bytes) -> str:
    """A token signed by `algorithm` whose header claims the real key's id."""
    claims = jwt.decode(token(key), options={"verify_signature": False})
    header = jwt.utils.base64url_encode(json.dumps({"alg": algorithm, "typ": "JWT", "kid": key.kid}).encode())
    signed = header + b"." + jwt.utils.base64url_encode(json.dumps(claims).encode())
    if algorithm == "none":
        return (signed + b".").decode()
    import hashlib  # noqa: PLC0415 - PyJWT itself refuses to make this forgery
    import hmac  # noqa: PLC0415

    secret = secret.encode() if isinstance(secret, str) else secret
    return (signed + b"." + jwt.utils.base64url_encode(hmac.digest(secret, signed, hashlib.sha256))).decode()


def public_forms(key: SigningKey) -> list[bytes]:
    public = key.private.public_key()
    return [
        public.public_bytes_raw(),
        key.jwk["x"].encode(),
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    ]


async def test_a_token_can_not_choose_how_it_is_checked(key: SigningKey) -> None:
    async with verifying(KeyServer(key)) as verifier:
        for fake in [forged(key, "none", b""), *(forged(key, "HS256", form) for form in public_forms(key))]:
            with pytest.raises(Unauthenticated):
                await verifier.verify(fake)
        assert (await verifier.verify(token(key))).subject == "ada"


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"iat": int(time.time()) + 3600},
        {"nbf": int(time.time()) + 3600},
        {"iat": None},
        {"aud": "another"},
        {"aud": None},
        {"iss": "another"},
        {"iss": None},
        {"sub": None},
        {"role": None},
        {"role": "root"},
        {"role": ["admin"]},
        {"role": {"$ne": 1}},
    ],
)
async def test_a_token_with_a_wrong_claim_is_refused(key: SigningKey, changes: dict[str, Any]) -> None:
    async with verifying(KeyServer(key)) as verifier:
        with pytest.raises(Unauthenticated):
            await verifier.verify(token(key, **changes))


async def test_a_changed_token_is_refused(key: SigningKey) -> None:
    head, claims, signature = token(key).split(".")
    other = jwt.utils.base64url_encode(
        json.dumps({**json.loads(jwt.utils.base64url_decode(claims)), "role": "admin"}).encode()
    ).decode()
    async with verifying(KeyServer(key)) as verifier:
        with pytest.raises(Unauthenticated):
            await verifier.verify(f"{head}.{other}.{signature}")


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "....", "eyJhbGciOiJub25lIn0.e30.", "ä.ö.ü", "\x00", "x" * 10_000])
async def test_what_is_no_token_is_refused(key: SigningKey, text: str) -> None:
    async with verifying(KeyServer(key)) as verifier:
        with pytest.raises(Unauthenticated):
            await verifier.verify(text)


async def test_unknown_key_ids_do_not_make_us_ask_again_and_again(key: SigningKey) -> None:
    server = KeyServer(key)
    async with verifying(server) as verifier:
        for _ in range(20):
            with pytest.raises(Unauthenticated):
                await verifier.verify(token(SigningKey(Ed25519PrivateKey.generate())))
    assert server.asked == 1


async def test_a_new_key_is_learned_and_a_withdrawn_one_forgotten(
    key: SigningKey, wait: Callable[[float], None]
) -> None:
    server, new = KeyServer(key), SigningKey(Ed25519PrivateKey.generate())
    async with verifying(server) as verifier:
        await verifier.verify(token(key))
        server.keys = [new]
        wait(auth.REFETCH_SECONDS + 1)
        assert (await verifier.verify(token(new))).subject == "ada"
        with pytest.raises(Unauthenticated):
            await verifier.verify(token(key, sub="another"))
    assert server.asked == 2


async def test_known_keys_outlive_an_outage_of_the_accounts_service(
    key: SigningKey, wait: Callable[[float], None]
) -> None:
    server = KeyServer(key)
    async with verifying(server) as verifier:
        await verifier.verify(token(key))
        server.down = True
        wait(auth.KEYS_FRESH_SECONDS + 1)
        assert (await verifier.verify(token(key, sub="grace"))).subject == "grace"


async def test_without_any_key_the_answer_is_503_at_once_for_all_who_wait(
    key: SigningKey, wait: Callable[[float], None]
) -> None:
    server = KeyServer(key)
    server.down = True
    async with verifying(server) as verifier:
        outcomes = await asyncio.gather(*(verifier.verify(token(key)) for _ in range(30)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        assert server.asked == 1
        server.down = False
        wait(auth.RETRY_SECONDS)
        assert (await verifier.verify(token(key))).subject == "ada"


@pytest.mark.parametrize("body", [["no", "object"], {"keys": "none"}, {"keys": [{"kty": "OKP"}]}, {"other": 1}])
async def test_a_key_set_that_can_not_be_read_counts_as_down(key: SigningKey, body: Any) -> None:
    server = KeyServer(key)
    server.body = body
    async with verifying(server) as verifier:
        with pytest.raises(Unavailable):
            await verifier.verify(token(key))


async def test_a_remembered_token_is_forgotten_when_it_runs_out(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with verifying(KeyServer(key)) as verifier:
        text = token(key, iat=int(time.time()) - 60, exp=int(time.time()) + 5)
        await verifier.verify(text)
        late = time.time() + 60
        monkeypatch.setattr("service_kit.auth.time.time", lambda: late)
        monkeypatch.setattr("jwt.api_jwt.datetime", _Later)
        with pytest.raises(Unauthenticated):
            await verifier.verify(text)


class _Later:
    """The clock that PyJWT reads, a minute ahead."""

    @staticmethod
    def now(tz: Any = None) -> Any:
        from datetime import datetime  # noqa: PLC0415 - the name is what is replaced

        return datetime.now(tz) + timedelta(minutes=1)


async def test_roles_open_what_they_should_and_nothing_else() -> None:
    async with token_mint() as mint:
        settings = KitSettings(jwks_url=mint.jwks_url)
        async with serving(settings=settings) as client:
            assert (await client.get("/me")).status_code == 401
            assert (await client.get("/me", headers={"Authorization": "Basic YTpi"})).status_code == 401
            assert (await client.get("/me", headers={"Authorization": "Bearer "})).status_code == 401
            guest = await client.get("/me", headers=mint.headers("guest", "g1"))
            assert guest.json() == "guest g1"
            assert {role: await status(client, mint, role) for role in ("guest", "user", "service", "admin")} == {
                "guest": 403, "user": 403, "service": 403, "admin": 200,
            }  # fmt: skip


async def status(client: httpx2.AsyncClient, mint: TokenMint, role: Any) -> int:
    return (await client.get("/office", headers=mint.headers(role))).status_code


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    made = load_or_create_key(path)
    assert load_or_create_key(path).kid == made.kid
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["signing.pem"]


def test_a_derived_secret_depends_on_key_and_purpose(key: SigningKey) -> None:
    other = SigningKey(Ed25519PrivateKey.generate())
    assert key.derive(b"a") == key.derive(b"a")
    assert len({key.derive(b"a"), key.derive(b"b"), other.derive(b"a")}) == 3


def test_a_token_lives_from_the_injected_now(key: SigningKey) -> None:
    clock = ManualClock()
    claims = jwt.decode(
        issue_token(key, subject="ada", role="user", ttl=timedelta(minutes=15), clock=clock),
        options={"verify_signature": False},
    )
    assert claims["exp"] - claims["iat"] == 900
    assert claims["iat"] == int(clock.now().timestamp())
