"""Settings shared by every service, read once from the environment (prefix `MARQUEE_`)."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class KitSettings(BaseSettings):
    """The part of the settings that all services have. Each service's `config.py` adds its own.

    Addresses carry their credentials and are therefore secrets: `repr` and logs show them masked.
    """

    model_config = SettingsConfigDict(env_prefix="MARQUEE_", frozen=True, extra="ignore")

    mongo_url: SecretStr = SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0")
    amqp_url: SecretStr = SecretStr("amqp://127.0.0.1:5672/")
    # Prefix of database names, exchanges, queues and indices: two namespaces never meet on one engine.
    namespace: str = "marquee"
    public_url: str = "http://127.0.0.1:8000"
    jwks_url: str | None = None
    service_token: SecretStr = SecretStr("")
    limits: Literal["on", "off"] = "on"
    log_format: Literal["json", "console"] = "json"
    log_level: str = "INFO"
    # Where a worker that stands alone answers with its metrics, `host:port`. Services over HTTP have `/metrics`.
    metrics_address: str = Field("", pattern=r"^([^:]+:\d{1,5})?$")

    @property
    def jwks_address(self) -> str:
        return self.jwks_url or f"{self.public_url}/.well-known/jwks.json"

    @property
    def limited(self) -> bool:
        return self.limits == "on"

    def database(self, service: str) -> str:
        """The name of a service's own database."""
        return f"{self.namespace}_{service}"
