"""The command line: the stack's own commands. Those that tend a running one are in `upkeep.py`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from rich.console import Console
from rich.table import Table

from marquee import upkeep
from marquee.faults import StackError
from marquee.stack import Home, StackInfo, StackOptions, run_stack
from marquee.upkeep import HomeOption
from service_kit.tokens import ROLES, Role

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Finds shows near you and sells you the seats.")
console = Console()


app.add_typer(upkeep.queues, name="queues")
app.command()(upkeep.reindex)
app.command()(upkeep.audit)
app.command()(upkeep.admin)


class OnOff(StrEnum):
    on = "on"
    off = "off"


PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Where to listen on 127.0.0.1; 0 picks a free port.")]
WorkersOption = Annotated[int, typer.Option(min=1, max=64, help="Number of API processes.")]
LimitsOption = Annotated[OnOff, typer.Option(help="Rate and hoarding limits; off for load tests only.")]


@app.command()
def up(home: HomeOption, port: PortOption = 8000, workers: WorkersOption = 1, limits: LimitsOption = OnOff.on) -> None:
    """Starts the engines and every service; Ctrl-C or SIGTERM stops all of it."""

    async def announce(stack: StackInfo) -> bool:
        print(f"ready {stack.url}", flush=True)
        return True

    run_stack(StackOptions(home, port, workers, limits.value), announce)


@app.command()
def demo(
    home: HomeOption,
    port: PortOption = 8000,
    workers: WorkersOption = 1,
    limits: LimitsOption = OnOff.on,
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything at the end instead of staying up.")] = False,
) -> None:
    """Starts everything, loads the real data and walks search → seats → hold → payment → ticket."""
    from marquee import demo as story

    async def tell(stack: StackInfo) -> bool:
        addresses = story.Addresses(stack.url, stack.sandbox_url, stack.admin_token)
        await story.load(addresses, console)
        await story.walk(addresses, console)
        if not leave:
            print(f"ready {stack.url}", flush=True)
        return not leave

    run_stack(StackOptions(home, port, workers, limits.value), tell)


@app.command()
def seed(
    home: HomeOption,
    path: Annotated[Path | None, typer.Argument(help="A folder like data/; default: the data that is shipped.")] = None,
) -> None:
    """Loads venues, halls, events and showtimes into the running stack; again is harmless."""
    from marquee.seed import main as load_data

    load_data(path, home)


@app.command()
def token(home: HomeOption, role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")] = "user") -> None:
    """Prints a token for the local stack."""
    known: dict[str, Role] = {name: name for name in ROLES}
    if role not in known:
        raise typer.BadParameter(f"one of {', '.join(ROLES)}", param_hint="--role")
    if not Home(home).signing_key.exists():
        raise StackError(f"No stack has run on {home.absolute()} yet: `marquee up` makes its keys.")
    print(Home(home).token(known[role]))


@app.command()
def status(home: HomeOption) -> None:
    """Shows what runs and whether it is ready; exit code 1 when the stack is not running."""
    stack = Home(home).running_stack()
    processes = Table("process", "pid", title=stack["url"])
    for name, pid in sorted(stack["pids"].items()):
        processes.add_row(name, str(pid))
    console.print(processes)
    readiness = Table("dependency", "state")
    try:
        answer = httpx2.get(f"{stack['url']}/readyz", timeout=5)
        for name, state in answer.json()["dependencies"].items():
            readiness.add_row(name, state)
        ready = answer.status_code == 200
    except (httpx2.HTTPError, ValueError) as fault:
        readiness.add_row("api", f"does not answer: {fault}")
        ready = False
    console.print(readiness)
    if not ready:
        raise typer.Exit(1)


def main() -> None:
    """Entry point: a fault we know is one message and an exit code, never a traceback."""
    try:
        app(prog_name="marquee")
    except StackError as fault:
        print(f"marquee: {fault}", file=sys.stderr)
        sys.exit(fault.exit_code)
    except OSError as fault:
        where = f": {fault.filename}" if fault.filename else ""
        print(f"marquee: {fault.strerror or fault}{where}", file=sys.stderr)
        sys.exit(1)
