"""Settings of the webhooks service."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from service_kit.sealing import derived_key
from service_kit.settings import KitSettings


class Settings(KitSettings):
    """The addresses of inventory and venues default to the common origin."""

    inventory_url: str | None = None
    venues_url: str | None = None
    # Seals signing secrets in the database; must be the same in every process. A database alone signs nothing.
    hooks_secret: Annotated[SecretStr, Field(min_length=16)]
    # The one of before, while what it sealed is being sealed anew: each worker does that when it starts.
    hooks_secret_before: SecretStr = SecretStr("")
    # Networks that are not public and may be reached all the same, by plain http too, separated by commas:
    # `10.1.0.0/16`, `127.0.0.1:9000`, `[fd00::/8]:9000`. For receivers in one's own network, and for tests.
    hooks_private_targets: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("hooks_private_targets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @property
    def inventory_address(self) -> str:
        return self.inventory_url or self.public_url

    @property
    def venues_address(self) -> str:
        return self.venues_url or self.public_url

    def key(self, purpose: bytes) -> bytes:
        return derived_key(self.hooks_secret, purpose)

    def keys_before(self, purpose: bytes) -> list[bytes]:
        """The same of the past."""
        return [derived_key(self.hooks_secret_before, purpose)] if self.hooks_secret_before else []
