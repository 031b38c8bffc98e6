"""Commands that meet an engine that is away say so in a line."""

import elastic_transport
import pytest

from marquee import upkeep
from marquee.faults import StackError


def test_an_engine_that_is_away_is_one_line_and_a_bug_stays_a_bug() -> None:
    async def refused() -> None:
        raise elastic_transport.ConnectionError("refused")

    async def broken() -> None:
        raise KeyError("bug")

    with pytest.raises(StackError, match="An engine does not answer"):
        upkeep._run(refused())  # what all commands go through
    with pytest.raises(KeyError):
        upkeep._run(broken())
