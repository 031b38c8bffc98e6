"""A process that serves HTTP on a listening socket it has inherited, as those of the local stack do."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest

from marquee.supervisor import tie_to_parent

SERVER = """
import socket, sys
from fastapi import FastAPI, Request
from service_kit.runtime import run_api
from service_kit.settings import KitSettings

app = FastAPI()

@app.get("/")
async def answer(request: Request) -> dict:
    return {"client": request.client.host if request.client else None}

run_api(app, KitSettings(), name="test", fd=int(sys.argv[1]))
"""
CALLS = 20


@pytest.fixture
def address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            preexec_fn=tie_to_parent(),  # noqa: PLW1509  # the main thread of the tests
        )
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait(20)


def test_callers_have_their_address_and_wait_for_no_acknowledgement(address: str) -> None:
    with httpx2.Client(base_url=address, timeout=30) as client:
        assert client.get("/").json() == {"client": "127.0.0.1"}
        took = sorted(client.get("/").elapsed.total_seconds() for _ in range(CALLS))
    assert took[CALLS // 2] < 0.03  # a delayed acknowledgement takes 40 ms
