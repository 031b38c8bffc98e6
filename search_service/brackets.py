"""Lists in an address, in both ways in which people write them."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class BracketRoute(APIRoute):
    """`category[]=a&category[]=b` is read as `category=a&category=b`; both are in use for lists."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def unbracketed(request: Request) -> Response:
            query: bytes = request.scope["query_string"]
            if b"[]=" in query or b"%5B%5D=" in query or b"%5b%5d=" in query:
                for brackets in (b"[]=", b"%5B%5D=", b"%5b%5d="):
                    query = query.replace(brackets, b"=")
                request = Request({**request.scope, "query_string": query}, request.receive)
            return await handle(request)

        return unbracketed
