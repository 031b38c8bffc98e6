"""Settings of the inventory service."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SecretStr
from pydantic_settings import SettingsConfigDict

from service_kit.sealing import derived_key
from service_kit.settings import KitSettings


class HoldLimits(BaseModel):
    """What one holder may have under hold at once, and how many holds he may abandon within the window."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    holds: PositiveInt
    # A booking has up to 10 seats: below that it would be refused for ever.
    seats: Annotated[int, Field(ge=10)]
    seats_per_showtime: Annotated[int, Field(ge=10)]
    abandoned: PositiveInt


class Settings(KitSettings):
    """Addresses of the two services called over HTTP default to the common origin.

    One value of a group is given as `MARQUEE_GUEST_LIMITS__HOLDS`; the others stay as they are here.
    """

    model_config = SettingsConfigDict(env_nested_delimiter="__", nested_model_default_partial_update=True)

    venues_url: str | None = None
    payments_url: str | None = None
    # Signs the codes on tickets; must be the same in every process. Without one anybody could make tickets.
    ticket_secret: Annotated[SecretStr, Field(min_length=16)]
    default_hold_seconds: int = 600
    most_extensions: int = 3
    # From the first moment of a hold, extensions included.
    longest_hold_seconds: int = 2_700
    # How long a partner theatre has to answer for a booking that is paid for; silence is a refusal.
    partner_answer_seconds: PositiveInt = 120
    # Live seat maps: open streams of one process, and of one address where limits are on.
    most_streams: int = 2_000
    most_streams_per_address: int = 100
    stream_heartbeat_seconds: float = 15.0
    # Against hoarding, where limits are on. Many people may share one address (a mobile network, a university).
    user_limits: HoldLimits = HoldLimits(holds=8, seats=40, seats_per_showtime=20, abandoned=20)
    guest_limits: HoldLimits = HoldLimits(holds=5, seats=25, seats_per_showtime=20, abandoned=12)
    address_limits: HoldLimits = HoldLimits(holds=400, seats=1_600, seats_per_showtime=600, abandoned=600)
    # Who abandons more than that many holds within the window can't make new ones for so long.
    abandoned_within_seconds: PositiveInt = 900
    cool_down_seconds: PositiveInt = 300

    @property
    def venues_address(self) -> str:
        return self.venues_url or self.public_url

    @property
    def payments_address(self) -> str:
        return self.payments_url or self.public_url

    @property
    def idempotency_secret(self) -> bytes:
        """Requests may have access codes, which nobody should be able to try on what is kept of a request."""
        return derived_key(self.ticket_secret, b"idempotency")

    @property
    def partner_answer(self) -> timedelta:
        return timedelta(seconds=self.partner_answer_seconds)

    @property
    def longest_hold(self) -> timedelta:
        return timedelta(seconds=self.longest_hold_seconds)
