"""Lists in an address, in both ways in which people write them."""

import re
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

BRACKETS = re.compile(rb"((?:^|&)[^=&]*)(?:\[|%5B)(?:\]|%5D)(?==)", re.IGNORECASE)


class BracketRoute(APIRoute):
    """`category[]=a&category[]=b` is read as `category=a&category=b`; both are in use for lists."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def unbracketed(request: Request) -> Response:
            query = BRACKETS.sub(rb"\1", request.scope["query_string"])
            return await handle(Request({**request.scope, "query_string": query}, request.receive))

        return unbracketed
