"""Settings of the payment service."""

from datetime import timedelta
from typing import Annotated

from pydantic import SecretStr, field_validator
from pydantic_settings import NoDecode

from service_kit.settings import KitSettings


class GatewaySettings(KitSettings):
    """What the service and the sandbox gateway must agree on. Nothing secret has a default."""

    stripe_api_key: SecretStr = SecretStr("")
    # Separated by commas. Any of them verifies a webhook, so that a secret can be replaced without a gap; with none
    # every webhook is refused.
    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = ()

    @field_validator("webhook_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(GatewaySettings):
    # Stripe itself, unless another address that speaks its API is given.
    stripe_base_url: str = "https://api.stripe.com"
    stripe_timeout_seconds: float = 4.0
    # How long a payment may be pending before the gateway is asked, and how often such payments are looked for.
    reconcile_after_seconds: float = 15.0
    reconcile_every_seconds: float = 5.0

    # Whether a webhook is only a reason to ask the gateway, whose answer is then taken in. It costs a call for each.
    webhooks_are_hints: bool = False

    @property
    def reconcile_after(self) -> timedelta:
        return timedelta(seconds=self.reconcile_after_seconds)
