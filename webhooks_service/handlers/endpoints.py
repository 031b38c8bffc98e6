"""Use cases of endpoints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from service_kit.clock import Clock
from service_kit.errors import Conflict, NotFound
from service_kit.ids import new_id
from service_kit.logs import get_logger
from service_kit.sealing import Seal
from webhooks_service.clients import Venues
from webhooks_service.domain.endpoints import MOST_ENDPOINTS, Endpoint, Secret, TooManyEndpoints, UnknownVenues
from webhooks_service.domain.signing import new_secret
from webhooks_service.sender import Sender
from webhooks_service.store.deliveries import Deliveries
from webhooks_service.store.endpoints import Endpoints

log = get_logger(__name__)
ATTEMPTS = 5
# Raises PreconditionFailed where the caller knows another version than the present one.
Precondition = Callable[[int], None]


class ChangedMeanwhile(Conflict):
    slug, title = "changed-meanwhile", "Others changed it again and again; try once more"


@dataclass(frozen=True, slots=True)
class Draft:
    """What an admin says of an endpoint."""

    url: str
    event_types: tuple[str, ...]
    venue_ids: tuple[str, ...] | None
    description: str
    active: bool


class EndpointHandlers:
    def __init__(
        self,
        *,
        endpoints: Endpoints,
        deliveries: Deliveries,
        seal: Seal,
        sender: Sender,
        venues: Venues,
        clock: Clock,
    ) -> None:
        self._endpoints = endpoints
        self._seal = seal
        self._deliveries = deliveries
        self._sender = sender
        self._venues = venues
        self._clock = clock

    async def create(self, endpoint_id: str, draft: Draft) -> Endpoint:
        """Under an id that is there already it is the one made before.

        Raises TargetRefused, UnknownVenues, TooManyEndpoints, Unavailable.
        """
        made = await self._endpoints.find(endpoint_id)
        if made:
            return made
        target = await self._sender.check(draft.url)
        await self._require_known(draft.venue_ids or ())
        # Two at the same moment may both be let in; the limit is against thousands.
        if await self._endpoints.count() >= MOST_ENDPOINTS:
            raise TooManyEndpoints(most=MOST_ENDPOINTS)
        now = self._clock.now()
        endpoint = Endpoint(
            id=endpoint_id,
            version=1,
            url=target.url,
            event_types=draft.event_types,
            venue_ids=draft.venue_ids,
            description=draft.description,
            active=draft.active,
            secrets=(self._new_secret(new_id(), endpoint_id),),
            created_at=now,
            updated_at=now,
        )
        return endpoint if await self._endpoints.add(endpoint) else await self.get(endpoint_id)

    async def get(self, endpoint_id: str) -> Endpoint:
        """Raises NotFound."""
        endpoint = await self._endpoints.find(endpoint_id)
        if endpoint is None:
            raise NotFound("There is no such webhook endpoint")
        return endpoint

    async def page(self, position: Sequence[Any] | None, limit: int) -> tuple[list[Endpoint], str | None]:
        return await self._endpoints.page(position, limit)

    async def change(self, endpoint_id: str, changes: dict[str, Any], precondition: Precondition) -> Endpoint:
        """Set fields of the draft.

        Raises NotFound, PreconditionFailed, TargetRefused, UnknownVenues, ChangedMeanwhile, Unavailable.
        """
        target = await self._sender.check(changes["url"]) if "url" in changes else None
        if changes.get("venue_ids"):
            # One that is named already may be gone since: the endpoint may keep it.
            named = (await self.get(endpoint_id)).venue_ids or ()
            await self._require_known([venue_id for venue_id in changes["venue_ids"] if venue_id not in named])
        rest = {name: value for name, value in changes.items() if name not in {"url", "active"}}

        def changed(endpoint: Endpoint) -> Endpoint:
            if target:
                endpoint = endpoint.moved(target.url)
            if "active" in changes:
                endpoint = endpoint.switched(active=changes["active"])
            return replace(endpoint, **rest)

        return await self._update(endpoint_id, changed, precondition)

    async def rotate(self, endpoint_id: str, secret_id: str) -> Endpoint:
        """Sign by a new secret, and for a day by the old one too. Raises NotFound, TooManySecrets, ChangedMeanwhile.

        A secret of that id is made once.
        """
        secret = self._new_secret(secret_id, endpoint_id)

        def rotated(endpoint: Endpoint) -> Endpoint:
            if any(each.id == secret_id for each in endpoint.secrets):
                return endpoint
            return endpoint.with_secret(secret, self._clock.now())

        return await self._update(endpoint_id, rotated, lambda _: None)

    async def delete(self, endpoint_id: str, precondition: Precondition) -> None:
        """With its log. Raises NotFound, PreconditionFailed, ChangedMeanwhile."""
        for _ in range(ATTEMPTS):
            endpoint = await self.get(endpoint_id)
            precondition(endpoint.version)
            if await self._endpoints.delete(endpoint_id, endpoint.version):
                await self._deliveries.delete_all(endpoint_id)
                return
        raise ChangedMeanwhile

    def newest_secret(self, endpoint: Endpoint) -> str:
        """Raises Unsealable."""
        return self._seal.open(endpoint.newest_secret.sealed, endpoint.id)

    async def _require_known(self, venue_ids: Sequence[str]) -> None:
        if missing := await self._venues.missing(venue_ids):
            raise UnknownVenues(missing)

    def _new_secret(self, secret_id: str, endpoint_id: str) -> Secret:
        return Secret(secret_id, self._seal.close(new_secret(), endpoint_id))

    async def _update(
        self, endpoint_id: str, change: Callable[[Endpoint], Endpoint], precondition: Precondition
    ) -> Endpoint:
        for _ in range(ATTEMPTS):
            endpoint = await self.get(endpoint_id)
            precondition(endpoint.version)
            after = change(endpoint)
            if after == endpoint:
                return endpoint
            after = replace(after, updated_at=self._clock.now())
            if await self._endpoints.save(after):
                return replace(after, version=endpoint.version + 1)
        raise ChangedMeanwhile


async def seal_anew(endpoints: Endpoints, seal: Seal) -> None:
    """Have every secret lie under the present key, so that the one of before can go. Repeats are harmless."""
    renewed = 0
    for endpoint in await endpoints.all():
        current: Endpoint | None = endpoint
        while current:
            secrets = tuple(replace(each, sealed=seal.renewed(each.sealed, current.id)) for each in current.secrets)
            if secrets == current.secrets:
                break
            renewed += await endpoints.save(replace(current, secrets=secrets))
            current = await endpoints.find(current.id)
    if renewed:
        log.info("secrets_sealed_anew", endpoints=renewed)
