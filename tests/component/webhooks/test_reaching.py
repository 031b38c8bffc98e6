"""The connection itself: to the address that was checked, with TLS for the name, past no proxy, to nobody else."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.component.webhooks.stage import Json, Stage, states
from tests.servers.receiver import receiving
from webhooks_service.app import worker

PUBLIC = "93.184.216.34"


async def _made(stage: Stage, url: str) -> Json:
    """An endpoint whose name led to a public address when it was made."""
    answer = await stage.call("POST", json={"url": url, "eventTypes": ["*"]})
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


@pytest.mark.parametrize(
    "later",
    [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], []],
)
async def test_a_name_that_leads_inside_later_on_is_refused_at_delivery(working: Stage, later: list[str]) -> None:
    async with receiving() as inside:
        working.names.lead_in_turn("rebound.example.com", [PUBLIC], later)
        endpoint = await _made(working, f"https://rebound.example.com:{inside.port}/")
        await working.tell()
        (delivery,) = await working.until(endpoint, lambda log: log and log[0]["attempts"])
        assert delivery["state"] == "pending"
        assert delivery["attempts"][0]["statusCode"] is None
        assert "address" in delivery["attempts"][0]["error"]
        assert inside.connections == 0


async def test_the_connection_goes_to_the_address_that_was_checked_and_the_name_is_asked_once(working: Stage) -> None:
    port = working.receiver.port
    async with receiving() as elsewhere:
        # A second look-up would lead to nobody.
        working.names.lead_in_turn("once.example.com", ["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"])
        endpoint = await _made(working, f"http://once.example.com:{port}/pinned")
        asked = len(working.names.asked)
        await working.tell()
        (request,) = await working.received("/pinned")
        assert request.headers["host"] == f"once.example.com:{port}"
        assert len(working.names.asked) == asked + 1
        assert elsewhere.connections == 0
        await working.until(endpoint, lambda log: states(log) == ["delivered"])


async def test_loopback_is_closed_but_for_the_port_that_a_setting_names(stage: Stage) -> None:
    async with receiving() as other:
        for url in (other.url, f"http://[::1]:{other.port}/", f"https://127.0.0.1:{other.port}/"):
            answer = await stage.call("POST", json={"url": url, "eventTypes": ["*"]})
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["pointer"] == "/url"
        assert other.connections == 0


async def test_proxies_of_the_environment_are_not_used(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        endpoint = await stage.endpoint()
        async with stage.working():
            await stage.tell()
            await stage.until(endpoint, lambda log: states(log) == ["delivered"])
        assert proxy.connections == 0


@pytest.mark.parametrize(
    ("host", "trusted", "ok"),
    [
        ("tls.example.com", True, True),
        ("other.example.com", True, False),
        ("tls.example.com", False, False),
    ],
)
async def test_tls_is_verified_for_the_name_whatever_address_it_has(
    stage: Stage, tmp_path: Path, host: str, trusted: bool, ok: bool
) -> None:
    ours, theirs = _authority(tmp_path, "tls.example.com")
    async with receiving(theirs) as secure:
        settings = stage.settings.model_copy(update={"hooks_private_targets": (f"127.0.0.1:{secure.port}",)})
        # Made while the name was public; its address then is of no more use.
        stage.names.lead_in_turn(host, [PUBLIC], ["127.0.0.1"])
        endpoint = await _made(stage, f"https://{host}:{secure.port}/safe")
        async with worker(settings, stage.clock, stage.names.resolve, ours if trusted else None):
            await stage.tell()
            (delivery,) = await stage.until(endpoint, lambda log: log and log[0]["attempts"])
        assert (delivery["state"] == "delivered") is ok
        assert bool(secure.of("/safe")) is ok
        if not ok:
            assert "certificate verify failed" in delivery["attempts"][0]["error"]


def _authority(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A client's context that trusts a certificate of its own making for `name`, and the server's with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address(PUBLIC))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    chain = folder / "chain.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return ssl.create_default_context(cafile=str(chain)), server
