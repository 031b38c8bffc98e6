"""The inventory service as it runs in earnest: several API processes and a worker, which a test may kill."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from inventory_service.config import Settings
from marquee.engines import EngineUrls
from marquee.supervisor import tie_to_parent
from messaging.envelope import new_event
from messaging.events import Pricing, ShowtimeState
from messaging.outbox import outbox_entry
from messaging.publisher import Publisher
from messaging.topology import Topology
from service_kit.clock import SystemClock
from tests.chaos.crowd import Hall
from tests.component.inventory.stage import Neighbours, neighbours, showtime_state
from tests.support import TokenMint, eventually, token_mint

READY_SECONDS = 60
SEATS_A_ROW = 20
FEE = 150


class Program:
    """One process of ours, which can be killed without warning and started again as it was."""

    def __init__(self, name: str, argv: Sequence[str], env: dict[str, str], logs: Path) -> None:
        self.name = name
        self._argv = argv
        self._env = env
        self._log = logs / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, **streams: int) -> asyncio.subprocess.Process:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self._argv,
                env={**os.environ, **self._env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=streams.get("stdout", log),
                stderr=log,
                preexec_fn=tie_to_parent(),
            )
        return self._process

    async def kill(self) -> None:
        """SIGKILL: nothing of the process has a chance to finish what it began."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")


@dataclass
class House:
    settings: Settings
    mint: TokenMint
    near: Neighbours
    ports: list[int]
    apis: list[Program]
    worker: Program
    halls: list[Hall] = field(default_factory=list)

    async def ready(self, number: int) -> None:
        async def answers() -> bool:
            async with httpx2.AsyncClient() as client:
                try:
                    return (await client.get(f"http://127.0.0.1:{self.ports[number]}/readyz")).status_code == 200
                except httpx2.TransportError:
                    return False

        await eventually(answers, seconds=READY_SECONDS)

    async def kill_and_restart(self, number: int) -> None:
        """Returns once the process serves again."""
        await self.apis[number].kill()
        await self.apis[number].start()
        await self.ready(number)

    async def open(self, seats: int, count: int, *, hot: bool, price: int) -> None:
        """So many showtimes in halls of so many seats; told by their events, as the venues service does."""
        publisher = Publisher(self.settings.amqp_url.get_secret_value(), Topology(self.settings.namespace))
        try:
            for _ in range(count):
                state = _showtime(seats, price)
                self.near.layouts[state.venue.venue_id, state.hall_id, "1"] = _layout(seats)
                self.near.showtimes.add(state.showtime_id)
                event = new_event(
                    "ShowtimeCreated",
                    source="venues",
                    subject=state.showtime_id,
                    version=1,
                    data=state,
                    clock=SystemClock(),
                )
                await publisher.publish(outbox_entry(event))
                self.halls.append(Hall(state.showtime_id, seats, hot, price))
        finally:
            await publisher.close()

    async def maps(self) -> list[dict[str, Any]]:
        """Every seat map as a service sees it."""
        headers = self.mint.headers("service")
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.ports[0]}", timeout=30) as client:
            paths = [f"/api/v1/showtimes/{hall.showtime}/inventory" for hall in self.halls]
            answers = [await client.get(path, headers=headers) for path in paths]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json() for answer in answers]


def _layout(seats: int) -> dict[str, Any]:
    rows = [
        {
            "label": str(first // SEATS_A_ROW + 1),
            "seats": [
                {
                    "id": f"s{seat}",
                    "label": str(seat - first + 1),
                    "coordinates": {"x": seat - first, "y": first // SEATS_A_ROW},
                    "seatType": "standard",
                }
                for seat in range(first, min(first + SEATS_A_ROW, seats))
            ],
        }
        for first in range(0, seats, SEATS_A_ROW)
    ]
    return {"sections": [{"id": "stalls", "name": "Stalls", "rows": rows}]}


def _showtime(seats: int, price: int) -> ShowtimeState:
    pricing = Pricing(currency="EUR", tiers={"standard": price}, fee=FEE if price else 0)
    return showtime_state(SystemClock().now(), seat_count=seats, pricing=pricing, single_seat_rule=False)


@asynccontextmanager
async def open_house(urls: EngineUrls, namespace: str, logs: Path, processes: int) -> AsyncIterator[House]:
    """The service on real engines, with a payments and a venues service to talk to."""
    ports = _free_ports(processes)
    async with token_mint() as mint, neighbours() as near:
        values = {
            "mongo_url": urls.mongo_url,
            "amqp_url": urls.amqp_url,
            "namespace": namespace,
            "jwks_url": mint.jwks_url,
            "service_token": mint.token("service", "inventory"),
            "venues_url": near.url,
            "payments_url": near.url,
            "ticket_secret": "a secret for tests only",
            "limits": "off",
            "log_level": "WARNING",
        }
        env = {f"MARQUEE_{name.upper()}": value for name, value in values.items()}
        apis = [
            Program(f"api-{number}", ["inventory_service", "api", "--port", str(port)], env, logs)
            for number, port in enumerate(ports)
        ]
        worker = Program("worker", ["inventory_service", "worker"], env, logs)
        house = House(Settings.model_validate(values), mint, near, ports, apis, worker)
        try:
            for program in (*apis, worker):
                await program.start()
            for number in range(processes):
                await house.ready(number)
            yield house
        finally:
            for program in (*apis, worker):
                await program.kill()


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; all different."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports
