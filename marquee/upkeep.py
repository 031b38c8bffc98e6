"""Commands that tend a running stack: parked messages, the search index, the first admin.

Each imports what it needs when it runs: every `marquee` command would wait for all of it otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from aio_pika.abc import AbstractChannel
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from indexer.config import Settings
from marquee.faults import StackError
from marquee.stack import Home
from messaging.topology import SUBSCRIPTIONS, Topology
from service_kit.errors import DomainError

T = TypeVar("T")

queues = typer.Typer(no_args_is_help=True, help="Messages that wait, retry or were parked with their error.")
console = Console()


def _default_home() -> Path:
    return Path(os.environ.get("MARQUEE_HOME") or ".marquee")


HomeOption = Annotated[
    Path, typer.Option("--home", default_factory=_default_home, help="The stack's directory.", show_default=".marquee")
]
QueueArgument = Annotated[str, typer.Argument(help=f"One of {', '.join(SUBSCRIPTIONS)}.")]


@queues.command("list")
def list_(home: HomeOption) -> None:
    """Counts per queue."""
    from messaging import queues as broker

    table = Table("queue", "ready", "retrying", "parked")
    for counts in _on_broker(home, broker.count):
        table.add_row(counts.name, str(counts.ready), str(counts.retrying), str(counts.parked))
    console.print(table)


@queues.command()
def show(queue: QueueArgument, home: HomeOption, limit: Annotated[int, typer.Option(min=1, max=1000)] = 20) -> None:
    """The oldest parked messages of a queue and why they were parked, one JSON object a line; they stay there."""
    from messaging import queues as broker

    _known(queue)
    for message in _on_broker(home, lambda channel, topology: broker.parked(channel, topology, queue, limit)):
        told = {"id": message.message_id, "type": message.type, "tries": message.tries, "error": message.error}
        print(json.dumps({**told, "body": message.body}))


@queues.command()
def replay(
    queue: QueueArgument,
    home: HomeOption,
    message: Annotated[str | None, typer.Option("--id", help="Only the message of this id.")] = None,
) -> None:
    """Puts parked messages back on their queue."""
    from messaging import queues as broker

    _known(queue)
    count = _on_broker(home, lambda channel, topology: broker.replay(channel, topology, queue, message))
    print(f"{count} put back on {queue}")
    if message is not None and not count:
        raise typer.Exit(1)


def reindex(home: HomeOption) -> None:
    """Fills a new search index beside the served one, then changes over to it."""
    from indexer.rebuild import rebuild

    with Progress(console=console) as progress:
        bar = progress.add_task("showtimes", total=None)
        filling = rebuild(_settings(home), lambda done, total: progress.update(bar, completed=done, total=total))
        filled = _run(filling)
    print(f"{filled} showtimes are in the new index")


def audit(
    home: HomeOption,
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Ask the payment gateway too what it took and gave back.")
    ] = False,
) -> None:
    """Checks that seat maps, bookings, payments and search agree, and adds up the money; exit code 1 where not."""
    from indexer.audit import audit as check_search
    from inventory_service.app import open_inventory
    from inventory_service.config import Settings as InventorySettings
    from inventory_service.handlers.audit import audit as check_seats
    from marquee.audit import MoneyAudit, Verdict, parked_money
    from marquee.venue_audit import without_theatre
    from partners_service.store.partners import Partners
    from payment_service.audit import open_books
    from payment_service.config import Settings as PaymentSettings
    from service_kit.mongo import open_database
    from venues_service.store.venues import Venues

    stack = Home(home).running_stack()
    given = {"mongo_url": stack["mongoUrl"], "amqp_url": stack["amqpUrl"], "public_url": stack["url"]}
    settings = InventorySettings.model_validate(
        {**given, "service_token": stack["serviceToken"], "ticket_secret": Home(home).secret("ticket-secret")}
    )
    payments = PaymentSettings.model_validate(
        {
            **given,
            "stripe_api_key": Home(home).secret("stripe-key", "sk_test_"),
            "stripe_base_url": stack["sandboxUrl"],
        }
    )

    async def run() -> Verdict:
        async with (
            open_database(settings, "inventory") as database,
            open_database(settings, "venues") as catalogue,
            open_database(settings, "partners") as theatres,
            open_inventory(settings, database) as inventory,
            open_books(payments) as books,
        ):
            seats = await check_seats(inventory)
            stranded = await without_theatre(Venues(catalogue), Partners(theatres))
            verdict = await MoneyAudit(inventory.bookings, books).run(gateway=gateway)
        parked = await parked_money(stack["amqpUrl"], Topology(payments.namespace))
        verdict.findings[:0] = [*seats, *stranded]
        verdict.findings += [*parked, *await check_search(_settings(home))]
        return verdict

    verdict = _run(run())
    for line in (*verdict.findings, *verdict.balance.lines(), *verdict.gateway):
        print(line)
    if verdict.findings:
        raise typer.Exit(1)
    print("every seat map agrees with its bookings, every booking with its payment, and search with its sources")


def admin(
    home: HomeOption,
    email: Annotated[str, typer.Option()],
    name: Annotated[str, typer.Option()] = "Admin",
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
) -> None:
    """Makes an account of role admin, which cannot be had over HTTP. Asks for the password."""
    from accounts_service.admin import create_admin

    try:
        print(_run(create_admin(_settings(home), email, password, name)))
    except (ValueError, DomainError) as fault:
        raise StackError(str(fault)) from fault


def _settings(home: Path) -> Settings:
    stack = Home(home).running_stack()
    return Settings(mongo_url=stack["mongoUrl"], amqp_url=stack["amqpUrl"], elasticsearch_url=stack["elasticsearchUrl"])


def _known(queue: str) -> None:
    if queue not in SUBSCRIPTIONS:
        raise typer.BadParameter(f"one of {', '.join(SUBSCRIPTIONS)}", param_hint="QUEUE")


def _on_broker(home: Path, work: Callable[[AbstractChannel, Topology], Awaitable[T]]) -> T:
    from messaging import queues as broker

    settings = _settings(home)
    topology = Topology(settings.namespace)

    async def run() -> T:
        async with broker.open_channel(settings.amqp_url.get_secret_value(), topology) as channel:
            return await work(channel, topology)

    return _run(run())


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except DomainError as fault:
        raise StackError(fault.detail) from fault
    except Exception as fault:
        from service_kit.problems import is_outage

        if not is_outage(fault):
            raise
        raise StackError(f"An engine does not answer ({type(fault).__name__}). Is the stack up?") from None
