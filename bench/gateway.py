"""What the gateway adds to a request: finding the service among all routes. `python -m bench.gateway`."""

from __future__ import annotations

import timeit
from functools import partial

from marquee.routing import RouteTable
from marquee.services import apps_to_read

ROUNDS = 200_000
HOT = ("POST", "/api/v1/showtimes/0193b1f2-7c00-7000-8000-000000000000/seats/reserve")
UNKNOWN = ("GET", "/api/v1/nothing/of/that/name")


def main() -> None:
    """Prints microseconds per look-up."""
    table = RouteTable(apps_to_read())
    for name, request in (("hold", HOT), ("unknown path", UNKNOWN)):
        seconds = timeit.timeit(partial(table.find, *request), number=ROUNDS)
        print(f"{name}: {seconds / ROUNDS * 1e6:.2f} µs among {len(table.patterns)} routes")


if __name__ == "__main__":
    main()
