"""Nobody pays for nothing though processes die: a small soak; the full one is `make soak` (docs/soak.md)."""

import logging
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from marquee.engines import EngineUrls
from marquee.engines.plan import VARIABLES
from tests.servers.engines import remove_namespace
from tests.servers.stack import running_stack
from tests.soak.plan import Plan, Shares
from tests.soak.soak import soak

log = logging.getLogger(__name__)
# That nothing went wrong says something only where enough went on. A busy machine sells less in the time.
LEAST = {"confirmed", "refunded", "expired", "failed"}
LEAST_WAYS = {"paid", "declined", "late", "3-D Secure", "gave back", "gave some back", "by code"}


@pytest.fixture
def own_namespace(engine_urls: EngineUrls, namespace: str) -> Iterator[str]:
    yield f"{namespace}soak"
    remove_namespace(engine_urls, f"{namespace}soak")


@pytest.mark.timeout(300)
async def test_money_and_seats_agree_to_the_cent_after_sales_in_which_processes_die(
    engine_urls: EngineUrls, own_namespace: str, tmp_path: Path
) -> None:
    seed = int(os.environ.get("MARQUEE_SOAK_SEED", "0")) or random.randrange(1, 1 << 32)
    plan = Plan(
        seed,
        bookings=300,
        most_seconds=40,
        at_once=12,
        halls=10,
        rows=10,
        late_hold=8,
        answer_seconds=8,
        kill_every=3.0,
        engines=False,
        quiet_seconds=150,
        shares=Shares(codes=0.2, disputes=0.1, parts=0.15),
    )
    urls = {variable: getattr(engine_urls, f"{name}_url") for name, variable in VARIABLES.items()}
    env = {
        **urls,
        **plan.settings,
        "MARQUEE_NAMESPACE": own_namespace,
        "MARQUEE_RECONCILE_AFTER_SECONDS": "6",
        "MARQUEE_RECONCILE_EVERY_SECONDS": "1",
    }
    with running_stack(tmp_path, env, "--workers", "2", "--limits", "off") as stack:
        verdict = await soak(stack, plan, env)
    told = f"{verdict.figures} {dict(verdict.outcomes)} {dict(verdict.ways)} {dict(verdict.kills)}"
    log.info(told)
    assert not verdict.faults, "\n".join([f"{len(verdict.faults)} faults, {told}", *verdict.faults[:10]])
    assert verdict.kills.total() >= 5, told
    assert verdict.outcomes.total() >= 60, told
    assert not LEAST - verdict.outcomes.keys(), told
    assert not LEAST_WAYS - verdict.ways.keys(), told
