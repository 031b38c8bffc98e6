"""Settings of the sandbox gateway."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from payment_service.config import GatewaySettings


class Settings(GatewaySettings):
    webhook_url: str | None = None
    sandbox_state: Path = Path(".marquee/sandbox.sqlite")

    @property
    def webhook_address(self) -> str:
        return self.webhook_url or f"{self.public_url}/api/v1/payments/webhook"

    @model_validator(mode="after")
    def _has_a_secret(self) -> Self:
        if not self.webhook_secrets:
            raise ValueError("the sandbox needs MARQUEE_WEBHOOK_SECRETS")
        return self
