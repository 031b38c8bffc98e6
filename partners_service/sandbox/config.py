"""Settings of the sandbox theatre."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from service_kit.settings import KitSettings


class Settings(KitSettings):
    partner_sandbox_secret: Annotated[SecretStr, Field(min_length=16)]
    partner_sandbox_state: Path = Path(".marquee/partner-sandbox.sqlite")
