"""Settings of the partners service."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from service_kit.settings import KitSettings


class Settings(KitSettings):
    """Hosts are given as `host` (then port 443 is meant) or `host:port`, separated by commas.

    The address of the venues service defaults to the common origin.
    """

    venues_url: str | None = None
    # Seals the partners' secrets in the database; must be the same in every process.
    partner_key: Annotated[SecretStr, Field(min_length=16)]
    # The one of before, while what it sealed is being sealed anew: each worker does that when it starts.
    partner_key_before: SecretStr = SecretStr("")
    # Theatres that may be called, over HTTPS and at public addresses alone. Without any, none is.
    partner_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    # The same on one's own machine or network: plain HTTP and private addresses are in order there.
    partner_private_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    # The sandbox theatre of a local stack, which is then there as the partner `sandbox`.
    partner_sandbox_url: str = ""
    partner_sandbox_secret: SecretStr = SecretStr("")

    @field_validator("partner_hosts", "partner_private_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip().lower() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @property
    def venues_address(self) -> str:
        return self.venues_url or self.public_url
