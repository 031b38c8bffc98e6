"""Signatures, against what the specification's own projects publish and by their verifier."""

import base64
import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from webhooks_service.domain.signing import PREFIX, new_secret, signature, signed_headers


@pytest.mark.parametrize(
    ("secret", "message_id", "timestamp", "body", "expected"),
    [
        (
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1614265330,
            b'{"test": 2432232314}',
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
        (
            "whsec_plJ3nmyCDGBKInavdOK15jsl",
            "msg_loFOjxBNrRLzqYUf",
            1731705121,
            b'{"event_type":"ping","data":{"success":true}}',
            "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
        ),
    ],
)
def test_signatures_are_those_of_the_published_vectors(
    secret: str, message_id: str, timestamp: int, body: bytes, expected: str
) -> None:
    assert signature(secret, message_id, timestamp, body) == expected


def test_a_secret_is_32_random_bytes_in_base64_behind_its_prefix() -> None:
    secret = new_secret()
    assert secret.startswith(PREFIX)
    assert len(base64.b64decode(secret.removeprefix(PREFIX), validate=True)) == 32
    assert new_secret() != secret


def test_the_reference_verifier_accepts_either_secret_while_both_sign_and_no_third() -> None:
    new, old, other = new_secret(), new_secret(), new_secret()
    body = json.dumps({"type": "webhook.test", "data": {"name": "Käthe"}}, ensure_ascii=False).encode()
    headers = signed_headers([new, old], "0192-id", datetime.now(UTC), body)
    for secret in (new, old):
        assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(body, headers | {"webhook-id": "0192-di"})
