"""A small programme with all that is hard to write down: names, currencies, hours, seats that are gone or not known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from indexer.config import Settings as IndexerSettings
from marquee.engines import EngineUrls
from messaging.events import Address, EventMetadata, Pricing
from search_service.app import create_app
from search_service.config import Settings
from service_kit.clock import ManualClock
from service_kit.ids import new_id
from tests.component.search.conftest import Programme, load, venue
from tests.integration.indexer.conftest import open_bench
from tests.support import running

ORIGIN = "https://marquee.example"
HOSTILE = (
    "</script><script>alert(1)</script><!-- \"two\" 'one' & &amp; <b>\nsecond; line, \\ \u2028\u2029 \u202eمسرح 🎭"
)
HOSTILE_VENUE = 'Zoë\'s "Hall" <img src=x onerror=alert(2)> & Söhne'
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
EVENING = NOW + timedelta(days=3, hours=10)
SUMMER = datetime(2027, 7, 1, 18, tzinfo=UTC)
# The second half past two of that night, when clocks are set back from three.
TWICE = datetime(2027, 10, 31, 1, 30, tzinfo=UTC)


def compose(programme: Programme) -> None:
    champo = venue(
        "Le Champo",
        "Paris",
        48.8499,
        2.3435,
        address=Address(street="51 rue des Écoles", postal_code="75005", state="Île-de-France", country="FR"),
    )
    hostile = venue(HOSTILE_VENUE, "Paris", 48.86, 2.35).model_copy(update={"venue_id": "venue-hostile"})
    tokyo = venue("Kino Tokyo", "Tokyo", 35.69, 139.70, timezone="Asia/Tokyo", country="JP")
    kuwait = venue("Kino Kuwait", "Kuwait City", 29.37, 47.98, timezone="Asia/Kuwait", country="KW")
    film = {
        "event_id": "event-amelie",
        "image_url": "https://images.example/amelie.jpg",
        "metadata": EventMetadata(
            genre="Comedy|Romance",
            language="fr",
            duration_minutes=122,
            certificate="12",
            release_date="2001-04-25",
            people=["Audrey Tautou"],
            alternate_names=["Amelie"],
        ),
    }
    programme.add("amelie", "Amélie", champo, EVENING, event=film)
    programme.seat("amelie", standard=(10, 4, 1250), premium=(0, 0, 2500))
    programme.add(
        "amelie in tokyo", "Amélie", tokyo, EVENING + timedelta(hours=1), event=film, pricing=_of("JPY", 1900)
    )
    programme.add("sold out", "Sold", champo, EVENING, event={"category": "concert"})
    programme.seat("sold out", standard=(0, 0, 1000))
    programme.add("hostile", HOSTILE, hostile, EVENING, event={"event_id": "event ho?stile"})
    programme.add("dinars", "Dinars", kuwait, EVENING, event={"category": "theatre"}, pricing=_of("KWD", 1250))
    programme.add("twice", "Twice", champo, TWICE, event={"category": "Puppets"})
    programme.add("summer", "Summer", champo, SUMMER)
    for number in range(60):
        programme.add(f"long run {number}", "Long Run", champo, EVENING + timedelta(days=number))


def _of(currency: str, standard: int) -> Pricing:
    return Pricing(currency=currency, tiers={"standard": standard})


@pytest.fixture(scope="session")
def published_settings(engine_urls: EngineUrls, namespace: str) -> Settings:
    return Settings.model_validate(
        {
            "mongo_url": engine_urls.mongo_url,
            "elasticsearch_url": engine_urls.elasticsearch_url,
            "namespace": f"{namespace}_{new_id()[-8:]}",
            "public_url": f"{ORIGIN}/",
        }
    )


@pytest.fixture(scope="session")
async def published(published_settings: Settings) -> AsyncIterator[Programme]:
    """Loaded once; tests only read."""
    made = Programme(ManualClock(NOW))
    compose(made)
    settings = IndexerSettings.model_validate(published_settings.model_dump())
    async with open_bench(settings, made.clock) as bench:
        await load(bench, made)
        yield made


@pytest.fixture(scope="session")
async def reader(published_settings: Settings, published: Programme) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks under a name that is not ours, as whoever sends a request may."""
    async with running(create_app(published_settings, published.clock)) as client:
        client.headers["Host"] = "evil.example"
        yield client


@pytest.fixture
async def away(published_settings: Settings, published: Programme) -> AsyncIterator[httpx2.AsyncClient]:
    """The service while Elasticsearch is away."""
    values: dict[str, Any] = published_settings.model_dump() | {"elasticsearch_url": "http://127.0.0.1:9"}
    async with running(create_app(Settings.model_validate(values), published.clock)) as client:
        yield client
