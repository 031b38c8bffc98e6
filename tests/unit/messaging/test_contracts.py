"""The registry, the envelope, the topology and the description generated from them agree."""

import re
from datetime import datetime
from typing import Any

import jsonschema
import pytest
import yaml

from messaging import asyncapi
from messaging.consumer import Subscription
from messaging.envelope import UnreadableEvent, decode, encode, new_event
from messaging.events import REGISTRY, RefundRequest, UserState
from messaging.topology import SUBSCRIPTIONS, Topology
from service_kit.clock import ManualClock
from service_kit.correlation import correlated

# What AsyncAPI 3.0 asks of a document, as far as we use it.
REFERENCE = {"type": "object", "required": ["$ref"], "properties": {"$ref": {"pattern": "^#/"}}}
ESSENTIAL: dict[str, Any] = {
    "type": "object",
    "required": ["asyncapi", "info", "channels", "operations", "components"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {"type": "object", "required": ["title", "version"]},
        "servers": {"additionalProperties": {"required": ["host", "protocol"]}},
        "channels": {
            "propertyNames": {"pattern": r"^[A-Za-z0-9_\-]+$"},
            "additionalProperties": {
                "required": ["address", "messages"],
                "properties": {"messages": {"minProperties": 1, "additionalProperties": REFERENCE}},
            },
        },
        "operations": {
            "propertyNames": {"pattern": r"^[A-Za-z0-9_\-]+$"},
            "additionalProperties": {
                "required": ["action", "channel"],
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": REFERENCE,
                    "messages": {"type": "array", "items": REFERENCE},
                },
            },
        },
        "components": {
            "required": ["messages", "schemas"],
            "properties": {"messages": {"additionalProperties": {"required": ["name", "contentType", "payload"]}}},
        },
    },
    "additionalProperties": False,
    "patternProperties": {"^(servers|defaultContentType)$": {}},
}


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(asyncapi.TARGET.read_text())
    return document


def test_the_committed_description_is_current() -> None:
    assert asyncapi.TARGET.read_text() == asyncapi.text(), "run: python -m messaging.asyncapi"


def test_the_description_has_the_structure_of_asyncapi_3(committed: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(ESSENTIAL).validate(committed)
    for schema in committed["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(committed: dict[str, Any]) -> None:
    references = re.findall(r"\$ref: '(#/[^']+)'", asyncapi.text())
    assert len(references) > 100
    for reference in set(references):
        place: Any = committed
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_every_event_and_every_subscription_is_described(committed: dict[str, Any]) -> None:
    assert set(committed["components"]["messages"]) == set(REGISTRY)
    assert set(committed["channels"]["events"]["messages"]) == set(REGISTRY)
    for name, types in SUBSCRIPTIONS.items():
        assert list(committed["channels"][name.replace(".", "_")]["messages"]) == list(types)
        assert committed["operations"][f"consume_{name.replace('.', '_')}"]["action"] == "receive"


def test_an_event_as_sent_fits_its_description(committed: dict[str, Any]) -> None:
    user = UserState(user_id="u1", version=3, email="ada@example.com", name="Ada", role="user")
    event = new_event("UserRegistered", source="accounts", subject="u1", version=3, data=user, clock=ManualClock())
    described = committed["components"]["messages"]["UserRegistered"]["payload"]
    validator = jsonschema.Draft202012Validator({**described, "components": committed["components"]})
    validator.validate(event.to_document())
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(event.to_document() | {"type": "UserUnregistered"})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(event.to_document() | {"data": {"email": 1}})


def test_all_that_is_subscribed_to_is_in_the_registry() -> None:
    assert {type_ for types in SUBSCRIPTIONS.values() for type_ in types} <= set(REGISTRY)


def test_an_event_comes_out_of_the_wire_as_it_went_in() -> None:
    with correlated(None):
        data = RefundRequest(refund_id="r", booking_id="b", payment_id="p", amount=1, currency="EUR", reason="é")
        event = new_event("RefundRequested", source="test", subject="r", version=1, data=data, clock=ManualClock())
    assert decode(encode(event.to_document())) == event
    sent = event.to_document()
    assert datetime.fromisoformat(sent["time"]).tzinfo is not None
    assert sent["specversion"] == "1.0"


def test_what_a_newer_publisher_adds_is_let_through() -> None:
    data = RefundRequest(refund_id="r", booking_id="b", payment_id="p", amount=1, currency="EUR", reason="x")
    event = new_event("RefundRequested", source="test", subject="r", version=1, data=data, clock=ManualClock())
    sent = event.to_document()
    newer = {**sent, "newattribute": 1, "data": {**sent["data"], "newField": 1}}
    assert decode(encode(newer)) == event


def test_an_event_with_the_payload_of_another_is_refused_where_it_is_made() -> None:
    data = UserState(user_id="u", role="user")
    with pytest.raises(TypeError, match="RefundRequested carries RefundRequest"):
        new_event("RefundRequested", source="test", subject="r", version=1, data=data, clock=ManualClock())


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{", b"\xff", b'{"specversion":"0.3"}', b"[" * 100_000, b'{"type":["x"]}', b"1" * 5_000],
)
def test_any_bytes_are_an_event_or_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableEvent):
        decode(body)


def test_two_namespaces_share_no_name() -> None:
    assert not set(Topology("one").all_queues()) & set(Topology("two").all_queues())


def test_other_delays_are_other_queues() -> None:
    short = Topology("one", retry_delays_ms=(5,))
    assert short.queue("payments.refunds") == Topology("one").queue("payments.refunds")
    assert short.retry_queue("payments.refunds", 0) not in Topology("one").all_queues()


async def _ignore(*_: Any) -> None:
    return None


def test_a_subscription_must_handle_exactly_what_its_queue_gets() -> None:
    with pytest.raises(ValueError, match="must handle exactly"):
        Subscription("indexer.availability", handlers={"SeatMapOpened": _ignore})
    with pytest.raises(ValueError, match="handlers or batch"):
        Subscription("indexer.availability")
    with pytest.raises(ValueError, match="handlers or batch"):
        Subscription("payments.refunds", handlers={"RefundRequested": _ignore}, batch=_ignore)
