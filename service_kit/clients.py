"""Calls from one service to another: over HTTP, as the contract has them, with a service token."""

from collections.abc import Collection
from typing import Any

import httpx2

from service_kit.correlation import current_traceparent
from service_kit.errors import Conflict, DomainError, Invalid, NotFound, Unavailable
from service_kit.problems import problem_type
from service_kit.settings import KitSettings

SECONDS = 10.0


def service_client(settings: KitSettings, base_url: str) -> httpx2.AsyncClient:
    token = settings.service_token.get_secret_value()
    return httpx2.AsyncClient(
        base_url=base_url, timeout=SECONDS, headers={"Authorization": f"Bearer {token}"} if token else {}
    )


async def call(
    client: httpx2.AsyncClient,
    method: str,
    path: str,
    *,
    refusals: Collection[type[DomainError]] = (),
    **arguments: Any,
) -> Any:
    """The JSON answer of another service. Raises NotFound, Conflict, Invalid or Unavailable.

    `refusals`: errors of the caller's own by the same slugs, which are raised in their place.
    """
    headers = {"traceparent": current_traceparent(), **arguments.pop("headers", {})}
    try:
        answer = await client.request(method, path, headers=headers, **arguments)
    except httpx2.TransportError as error:
        raise Unavailable(f"{client.base_url.host} does not answer") from error
    if answer.is_success:
        return answer.json()
    problem = _problem(answer)
    detail = str(problem.get("detail", answer.reason_phrase))
    for refusal in refusals:
        if problem.get("type") == problem_type(refusal.slug):
            raise refusal(detail)
    match answer.status_code:
        case 404:
            raise NotFound(detail)
        case 409:
            raise Conflict(detail)
        case 400 | 422:
            raise Invalid(detail)
        case _:
            # 401 and 403 too: a key not fetched yet or a token about to be renewed, both passing.
            raise Unavailable(f"{path} answered {answer.status_code}: {detail}")


async def is_there(client: httpx2.AsyncClient, path: str) -> bool:
    """Whether another service has such a thing. Raises Unavailable."""
    try:
        await call(client, "GET", path)
    except NotFound:
        return False
    return True


def _problem(answer: httpx2.Response) -> dict[str, Any]:
    try:
        problem = answer.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
