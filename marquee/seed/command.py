"""`marquee seed`: options, progress and the summary."""

import asyncio
import json
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import TimeRemainingColumn as TimeLeft
from rich.text import Text

from marquee.faults import StackError
from marquee.seed.loader import REQUEST_SECONDS, Loader, SeedReport, Watch
from marquee.seed.plan import steps
from marquee.seed.records import read_collection
from service_kit.clock import SystemClock

SHIPPED_DATA = Path(__file__).resolve().parents[2] / "data"
DEFAULT_HOME = Path(".marquee")
DEFAULT_VENUES, DEFAULT_SHOWTIMES = 1_000, 20_000


@dataclass(frozen=True)
class SeedOptions:
    """Where from, where to, and how much; `showtimes` counts 14 whole days."""

    url: str
    token: str
    now: datetime
    data: Path = SHIPPED_DATA
    venues: int = DEFAULT_VENUES
    showtimes: int = DEFAULT_SHOWTIMES


async def seed(options: SeedOptions, watch: Watch | None = None) -> SeedReport:
    """Loads what is not there yet. Raises DataFault (nothing was sent) or SeedFailed."""
    started = time.monotonic()
    collection = read_collection(options.data)
    headers = {"Authorization": f"Bearer {options.token}"}
    async with httpx2.AsyncClient(base_url=options.url, headers=headers, timeout=REQUEST_SECONDS) as client:
        loader = Loader(client, watch or Silent())
        for step in steps(collection, venues=options.venues, showtimes=options.showtimes, now=options.now):
            await loader.load(step)
    loader.report.seconds = time.monotonic() - started
    return loader.report


def main(
    path: Path | None = None,
    home: Path | None = None,
    *,
    url: str | None = None,
    token: str | None = None,
    venues: int = DEFAULT_VENUES,
    showtimes: int = DEFAULT_SHOWTIMES,
) -> SeedReport:
    """Runs `seed` with a progress bar; raises StackError with the message for the user."""
    if url is None or token is None:
        stack = read_stack(home or Path(os.environ.get("MARQUEE_HOME") or DEFAULT_HOME))
        url, token = url or stack["url"], token or stack["adminToken"]
    options = SeedOptions(url, token, SystemClock().now(), path or SHIPPED_DATA, venues, showtimes)
    console = Console()
    with Bars(console) as bars:
        report = asyncio.run(seed(options, bars))
    for kind, count in report.counts.items():
        console.print(f"{kind}s: {count.created} loaded, {count.existing} there already, {count.failed} failed")
    console.print(f"in {report.seconds:.1f} s")
    if report.failed:
        raise StackError("\n".join([f"{report.failed} items were refused, the first of them:", *report.failures]))
    return report


def read_stack(home: Path) -> dict[str, str]:
    """What `marquee up` wrote about the stack that runs from this home."""
    file = home / "stack.json"
    try:
        stack: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StackError(f"{file} is not there: start the stack by `marquee up`") from None
    except (OSError, ValueError) as error:
        raise StackError(f"{file} cannot be read: {error}") from error
    return stack


class Silent:
    """Watches and says nothing."""

    def begins(self, kind: str, total: int) -> None:
        pass

    def goes_on(self, kind: str, count: int) -> None:
        pass


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "")


class Bars(Progress):
    """One bar per kind, with counts, rate and time left."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeLeft())
        super().__init__(*columns, console=console)
        self._task_ids: dict[str, TaskID] = {}

    def begins(self, kind: str, total: int) -> None:
        self._task_ids[kind] = self.add_task(f"{kind}s", total=total)

    def goes_on(self, kind: str, count: int) -> None:
        self.advance(self._task_ids[kind], count)
