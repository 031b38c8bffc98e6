"""The page for organisers says what is so."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from webhooks_service.domain.payloads import PUBLIC_TYPES
from webhooks_service.domain.schedule import DELAYS
from webhooks_service.domain.signing import new_secret, signed_headers

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()


def test_its_code_verifies_what_we_sign_and_nothing_else() -> None:
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    scope: dict[str, Any] = {}
    exec(block[1], scope)
    verify: Callable[[str, dict[str, str], bytes], bool] = scope["verify"]
    now, body, old, new = datetime.now(UTC), b'{"type":"webhook.test"}', new_secret(), new_secret()
    headers = signed_headers([new, old], "an-id", now, body)
    assert verify(old, headers, body)
    assert verify(new, headers, body)
    assert not verify(new_secret(), headers, body)
    assert not verify(new, headers, body + b" ")
    assert not verify(new, headers | {"webhook-id": "another"}, body)
    assert not verify(new, signed_headers([new], "an-id", now - timedelta(minutes=6), body), body)


def test_it_names_every_type_and_every_pause() -> None:
    for type_ in PUBLIC_TYPES.values():
        assert f"`{type_}`" in PAGE
    hours = [f"{delay.total_seconds() / 3600:g} h" for delay in DELAYS[3:]]
    assert "5 s, 5 min, 30 min, " + ", ".join(hours[:-1]) + f" and {hours[-1]}" in PAGE
