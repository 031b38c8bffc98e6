"""Partners' secrets are needed as they are, to sign by; in the database they stand sealed by a key kept outside."""

import secrets

from pydantic import SecretStr

from service_kit.sealing import Seal, derived_key

PREFIX = "psk_"


def vault(key: SecretStr, *before: SecretStr) -> Seal:
    """Seals a secret for one partner: moved to another's document it can't be opened. `before`: past keys, if any."""
    return Seal(*(derived_key(each, b"partner secrets") for each in (key, *filter(None, before))))


def fresh_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)
