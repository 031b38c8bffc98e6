"""People who register and log in, for the tests beside."""

from typing import Any

import httpx2

from service_kit.ids import new_id

PASSWORD = "correct horse battery"


def registration(**fields: Any) -> dict[str, Any]:
    return {"email": f"{new_id()}@example.com", "password": PASSWORD, "name": "Ada Lovelace", **fields}


async def registered(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A fresh user as the answer to his registration tells."""
    answer = await client.post("/api/v1/users/register", json=registration(**fields))
    assert answer.status_code == 201, answer.text
    user: dict[str, Any] = answer.json()
    return user


async def logged_in(client: httpx2.AsyncClient, email: str, password: str = PASSWORD) -> httpx2.Response:
    return await client.post("/api/v1/users/login", json={"email": email, "password": password})


async def refreshed(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await client.post("/api/v1/users/refresh", json={"refreshToken": token})


def bearer(user: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {user['accessToken']}"}


def kind(answer: httpx2.Response) -> str:
    """The last part of a problem's type."""
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["type"]).rpartition("/")[2]
