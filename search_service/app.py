"""The search service's wiring."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from search_index.client import open_elasticsearch, ping
from search_service import http, http_exports, http_pages, http_sitemaps
from search_service.config import Settings
from search_service.cursor import CursorSigner
from search_service.entry_store import EntryStore
from search_service.exports.links import Links
from search_service.handlers import SearchHandlers
from search_service.pages.render import Pages
from search_service.sitemaps import MOST_URLS, Sitemaps
from search_service.store import SEARCH_SECONDS, ShowStore
from service_kit.app import open_kit, service_app
from service_kit.clock import Clock
from service_kit.gazetteer import gazetteer


def create_app(settings: Settings, clock: Clock | None = None, *, urls_per_sitemap: int = MOST_URLS) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_elasticsearch(settings.elasticsearch_url, seconds=SEARCH_SECONDS) as client,
            open_kit(settings, checks={"elasticsearch": partial(ping, client)}, clock=clock) as kit,
        ):
            app.state.kit = kit
            app.state.links = Links(settings.public_url.rstrip("/"))
            app.state.pages = Pages(app.state.links)
            app.state.gazetteer = await asyncio.to_thread(gazetteer)
            entries = EntryStore(client, settings.namespace)
            app.state.sitemaps = Sitemaps(entries, app.state.links, urls_per_sitemap)
            signer = CursorSigner(settings.cursor_key())
            store = ShowStore(client, settings.namespace)
            app.state.handlers = SearchHandlers(store, entries, app.state.gazetteer, signer, kit.clock)
            yield
            await store.close()

    app = service_app(name="search", title="Marquee search", lifespan=lifespan)
    app.include_router(http.router)
    app.include_router(http_exports.router)
    app.include_router(http_pages.router)
    app.include_router(http_sitemaps.router)
    return app
