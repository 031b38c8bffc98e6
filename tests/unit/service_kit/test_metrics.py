"""Metrics of several processes told by one, and those of a worker on a port of its own."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from tests.support import free_port

COUNTS = """
from prometheus_client import Counter, Gauge
Counter("things", "Things").inc(3)
Gauge("open_things", "Things that live", multiprocess_mode="livesum").set(2)
"""
ANSWERS = """
from service_kit.metrics import metrics_answer
print(metrics_answer().body.decode())
"""
WORKER = """
from contextlib import asynccontextmanager
from prometheus_client import Counter
from service_kit.runtime import run_worker
from service_kit.settings import KitSettings
@asynccontextmanager
async def worker():
    Counter("work", "Work done").inc(2)
    yield
run_worker(worker(), KitSettings(), name="worker")
"""


def run(code: str, directory: Path) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_each_process_tells_what_all_of_them_counted(tmp_path: Path) -> None:
    for _ in range(2):
        run(COUNTS, tmp_path)
    told = run(ANSWERS, tmp_path)
    assert "things_total 6.0" in told
    assert re.search(r"^open_things 4\.0$", told, re.MULTILINE)


def test_a_worker_that_stands_alone_answers_with_its_metrics() -> None:
    port = free_port()
    environment = {**os.environ, "MARQUEE_METRICS_ADDRESS": f"127.0.0.1:{port}"}
    environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
    worker = subprocess.Popen([sys.executable, "-c", WORKER], env=environment)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                told = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
                if "work_total 2.0" in told:
                    break
            except httpx2.TransportError:
                told = "nothing"
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
    finally:
        worker.terminate()
    assert worker.wait(10) == 0
