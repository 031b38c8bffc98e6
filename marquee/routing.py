"""Which service answers which request, read off the services' own routes.

One compiled expression per method: a request costs one match, however many routes there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

# Every service has these for itself; behind the gateway it answers for all.
OWN_PATHS = frozenset({"/livez", "/readyz", "/metrics", "/openapi.json"})
_ANY = "*"


@dataclass(frozen=True)
class RoutePattern:
    """One path of one service: an anchored expression without named groups, which nginx understands as well."""

    service: str
    path: str
    expression: str
    methods: frozenset[str]


def patterns_of(service: str, app: FastAPI) -> Iterator[RoutePattern]:
    """The routes of one app, included routers and mounts too."""
    for context in iter_route_contexts(app.routes):
        path: str = context.path or ""
        if path in OWN_PATHS:
            continue
        expression = re.sub(r"\?P<\w+>", "?:", context.path_regex.pattern)
        yield RoutePattern(service, path, expression, frozenset(context.methods or {_ANY}))


class RouteTable:
    """Finds the service for a method and path. Literal paths go before those with parameters."""

    def __init__(self, apps: Mapping[str, FastAPI]) -> None:
        patterns = [pattern for name, app in apps.items() for pattern in patterns_of(name, app)]
        patterns.sort(key=lambda pattern: (pattern.path.count("{"), pattern.path))
        self.patterns = tuple(patterns)
        methods = {method for pattern in patterns for method in pattern.methods} - {_ANY}
        self._by_method = {
            method: _Alternatives([p for p in patterns if p.methods & {method, _ANY}]) for method in methods
        }
        self._any_method = _Alternatives(patterns)

    def find(self, method: str, path: str) -> str | None:
        """The service whose route has this path and method; else one that has the path and will answer 405."""
        alternatives = self._by_method.get(method, self._any_method)
        return alternatives.find(path) or self._any_method.find(path)


class _Alternatives:
    """Many expressions tried in order by one match."""

    def __init__(self, patterns: list[RoutePattern]) -> None:
        self._services: dict[int, str] = {}
        group = 1
        for pattern in patterns:
            self._services[group] = pattern.service
            group += 1 + re.compile(pattern.expression).groups
        joined = "|".join(f"({pattern.expression})" for pattern in patterns)
        self._match: Any = re.compile(joined).match if patterns else None

    def find(self, path: str) -> str | None:
        found = self._match(path) if self._match else None
        return self._services[found.lastindex] if found else None
