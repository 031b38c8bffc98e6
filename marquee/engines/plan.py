"""Which engine comes from where: a URL of the environment, else Docker, else native."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from marquee.engines import docker, native, tools
from marquee.supervisor import ProcessSpec

VARIABLES = {
    "mongo": "MARQUEE_MONGO_URL",
    "amqp": "MARQUEE_AMQP_URL",
    "elasticsearch": "MARQUEE_ELASTICSEARCH_URL",
}
_Maker = Callable[[Path], tuple[str, list[ProcessSpec]]]
_NATIVE: dict[str, _Maker] = {"mongo": native.mongo, "amqp": native.amqp, "elasticsearch": native.elasticsearch}
_DOCKER: dict[str, _Maker] = {"mongo": docker.mongo, "amqp": docker.amqp, "elasticsearch": docker.elasticsearch}


@dataclass(frozen=True)
class EngineUrls:
    """Where the engines are, user and password included."""

    mongo_url: str
    amqp_url: str
    elasticsearch_url: str

    def as_env(self) -> dict[str, str]:
        """The variables that every service reads."""
        return {variable: getattr(self, f"{engine}_url") for engine, variable in VARIABLES.items()}


@dataclass(frozen=True)
class EnginePlan:
    """The addresses, and the processes to run for them (none for engines given by URL)."""

    urls: EngineUrls
    specs: list[ProcessSpec] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The processes that a service has to wait for."""
        return tuple(spec.name for spec in self.specs)


def plan_engines(home: Path, say: Callable[[str], None] = lambda _: None) -> EnginePlan:
    """Prepares every engine not given by URL: downloads, folders, ports, passwords. Starts nothing.

    Raises ToolMissing when neither Docker nor the native tools are here, StackError when a download fails.
    """
    urls = {engine: os.environ[variable] for engine, variable in VARIABLES.items() if os.environ.get(variable)}
    origins = dict.fromkeys(urls, "given by URL")
    wanted = [engine for engine in VARIABLES if engine not in urls]
    contained = _with_docker(wanted, say)
    tools.require([tool for engine in wanted if engine not in contained for tool in native.TOOLS[engine]])
    specs: list[ProcessSpec] = []
    home.mkdir(parents=True, exist_ok=True)
    for engine in wanted:
        make = _DOCKER if engine in contained else _NATIVE
        urls[engine], processes = make[engine](home)
        specs += processes
        origins[engine] = "Docker" if engine in contained else "native"
    return EnginePlan(EngineUrls(**{f"{engine}_url": urls[engine] for engine in VARIABLES}), specs, origins)


def _with_docker(engines: list[str], say: Callable[[str], None]) -> set[str]:
    """The engines that Docker can run. One whose image cannot be pulled runs natively instead."""
    if not engines or not docker.answers():
        return set()
    there = {engine for engine in engines if docker.has_image(engine)}
    for engine in engines:
        if engine not in there:
            say(f"Docker cannot pull {docker.IMAGES[engine]}: {engine} runs natively")
    return there
