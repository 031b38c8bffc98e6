"""JSON Web Tokens signed with Ed25519 (EdDSA): making keys, issuing and reading tokens."""

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from service_kit.clock import Clock
from service_kit.ids import new_id

ALGORITHM = "EdDSA"
ISSUER = "marquee"
AUDIENCE = "marquee"
Role = Literal["guest", "user", "admin", "service"]
ROLES: tuple[Role, ...] = ("guest", "user", "admin", "service")


@dataclass(frozen=True)
class SigningKey:
    """A private key with the id under which its public half is published."""

    private: Ed25519PrivateKey

    @property
    def jwk(self) -> dict[str, str]:
        """The public half as a JWK (RFC 8037), its `kid` the RFC 7638 thumbprint."""
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        required = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}
        digest = hashlib.sha256(json.dumps(required, separators=(",", ":"), sort_keys=True).encode()).digest()
        return {**required, "kid": _base64url(digest), "use": "sig", "alg": ALGORITHM}

    @property
    def kid(self) -> str:
        return self.jwk["kid"]

    def derive(self, purpose: bytes) -> bytes:
        """A secret of 32 bytes for another `purpose`, which tells nothing of the key itself."""
        return HKDF(hashes.SHA256(), 32, salt=None, info=purpose).derive(self.private.private_bytes_raw())


def load_or_create_key(path: Path) -> SigningKey:
    """Read the PEM key at `path`; make one, readable by its owner alone, where there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # Written aside and linked, so that of two processes both end up with the same key.
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        aside.touch(mode=0o600)
        aside.write_bytes(pem)
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    return load_key(path)


def load_key(path: Path) -> SigningKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} holds no Ed25519 key")
    return SigningKey(key)


def issue_token(
    key: SigningKey, *, subject: str, role: Role, ttl: timedelta, clock: Clock, extra: dict[str, Any] | None = None
) -> str:
    """A signed access token for `subject`, valid for `ttl` from now."""
    now = clock.now()
    claims = {
        **(extra or {}),
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "role": role,
        "iat": int(now.timestamp()),
        "exp": int((now + ttl).timestamp()),
        "jti": new_id(),
    }
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


def read_token(token: str, public: Ed25519PublicKey) -> dict[str, Any]:
    """Claims of a valid token; raises `jwt.InvalidTokenError` otherwise. Only EdDSA is accepted."""
    claims: dict[str, Any] = jwt.decode(
        token,
        public,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        issuer=ISSUER,
        leeway=5,
        options={"require": ["exp", "iat", "sub", "iss", "aud"]},
    )
    if claims.get("role") not in ROLES:
        raise jwt.InvalidTokenError("unknown role")
    return claims


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
