"""One OpenAPI document for all services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from marquee.routing import OWN_PATHS


def merged_openapi(apps: Mapping[str, FastAPI]) -> dict[str, Any]:
    """The services' documents joined. A component keeps its name unless two services mean different things by it."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Marquee", "version": "1", "description": "Finds shows near you and sells you the seats."},
        "paths": {},
        "components": {},
    }
    for service, app in apps.items():
        document = app.openapi()
        renamed = _clashes(merged["components"], document.get("components", {}), service)
        document = _rename(document, renamed)
        for kind, components in document.get("components", {}).items():
            known = merged["components"].setdefault(kind, {})
            known.update({renamed.get(f"#/components/{kind}/{name}", name): body for name, body in components.items()})
        for path, operations in document["paths"].items():
            if path not in OWN_PATHS:
                merged["paths"].setdefault(path, {}).update(operations)
    return merged


def _clashes(known: Mapping[str, Any], new: Mapping[str, Any], service: str) -> dict[str, str]:
    """Reference → new name, for each component that another service already defines differently.

    One that reads the same but refers to a renamed one differs too, hence the rounds.
    """
    renamed: dict[str, str] = {}
    while True:
        more = {
            f"#/components/{kind}/{name}": f"{service.title()}{name}"
            for kind, components in new.items()
            for name, body in components.items()
            if name in known.get(kind, {})
            and known[kind][name] != _rename(body, renamed)
            and f"#/components/{kind}/{name}" not in renamed
        }
        if not more:
            return renamed
        renamed |= more


def _rename(node: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(node, list):
        return [_rename(item, renamed) for item in node]
    if not isinstance(node, dict):
        # Any string that is such a reference is one: "$ref" values and the mappings of discriminators.
        if isinstance(node, str) and node in renamed:
            return f"{node.rpartition('/')[0]}/{renamed[node]}"
        return node
    return {key: _rename(value, renamed) for key, value in node.items()}
