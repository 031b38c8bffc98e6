"""Partners' secrets are needed as they are, to sign by; in the database they stand sealed by a key kept outside."""

import hmac
import secrets

from pydantic import SecretStr

from service_kit.sealing import Seal

PREFIX = "psk_"


def vault(key: SecretStr, *before: SecretStr) -> Seal:
    """Seals a secret for one partner: moved to another's document it can't be opened. `before`: past keys, if any."""
    return Seal(_derived(key), *(_derived(each) for each in before if each))


def _derived(key: SecretStr) -> bytes:
    return hmac.digest(key.get_secret_value().encode(), b"partner secrets", "sha256")


def fresh_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)
