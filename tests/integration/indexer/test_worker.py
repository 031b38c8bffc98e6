"""The whole worker: from the broker to what searches see."""

import asyncio

from indexer.app import worker
from indexer.config import Settings
from messaging.publisher import Publisher
from messaging.queues import count, open_channel
from messaging.topology import Topology
from service_kit.clock import SystemClock
from tests.integration.indexer.conftest import documents_become, open_bench
from tests.integration.indexer.programme import cinema, film, published, seats, showtime
from tests.support import eventually


async def test_published_showtimes_are_found_with_their_seats_and_a_poison_message_is_parked(
    settings: Settings,
) -> None:
    topology, url = Topology(settings.namespace), settings.amqp_url.get_secret_value()
    publisher = Publisher(url, topology)
    states = [showtime(film(), cinema()) for _ in range(50)]
    async with open_bench(settings, SystemClock()) as bench, open_channel(url, topology) as channel:
        try:
            async with worker(settings):
                events = [published("ShowtimeCreated", state) for state in states]
                events += [published("SeatMapOpened", seats(state.showtime_id)) for state in states]
                poison = {**events[0].to_document(), "data": {"showtimeId": 7}}
                await asyncio.gather(*(publisher.publish(event.to_document()) for event in reversed(events)))
                await publisher.publish(poison)
                await documents_become(bench, {state.showtime_id for state in states})
                await eventually(
                    bench.documents,
                    until=lambda found: all(one["view"]["availability"] for one in found.values()),
                )
                parked = await eventually(
                    lambda: count(channel, topology), until=lambda queues: sum(one.parked for one in queues) == 1
                )
                assert {one.name for one in parked if one.parked} == {"indexer.catalogue"}
        finally:
            await publisher.close()
            for queue in topology.all_queues():
                await channel.queue_delete(queue)
            await channel.exchange_delete(topology.exchange)
