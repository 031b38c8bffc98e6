"""Where webhooks may go, and the many ways to ask for somewhere else."""

import pytest

from webhooks_service.domain.targets import Rules, TargetRefused, parse_address, parse_private, parse_url

PUBLIC = ["93.184.216.34", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001:81b::200e"]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_let_through(text: str) -> None:
    Rules().check(parse_url("https://hooks.example.com/"), [parse_address(text)])


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_addresses_that_are_not_public_are_refused_even_beside_a_public_one(text: str) -> None:
    target = parse_url("https://hooks.example.com/")
    for addresses in (["1.1.1.1", text], [text], [text, "1.1.1.1"]):
        with pytest.raises(TargetRefused, match="not public"):
            Rules().check(target, [parse_address(each) for each in addresses])


def test_a_host_without_an_address_is_refused() -> None:
    with pytest.raises(TargetRefused, match="no address"):
        Rules().check(parse_url("https://hooks.example.com/"), [])


@pytest.mark.parametrize(
    "url",
    [
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://127.0.0.1./",
        "https://127.0.0.01/",
        "https://1.2.3.4.5/",
        "https://256.1.1.1/",
        "https://hooks.0x1/",
        "https://hooks.example.com./",
        "https://[::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[v1.a]/",
        "https://::1/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://127\u30020\u30020\u30021/",
        "https://\u24d4xample.com/",
        "https://user@hooks.example.com/",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com:443@10.0.0.1/",
        "https://hooks.example.com#@10.0.0.1/",
        "https://hooks.example.com\\@10.0.0.1/",
        "https://hooks.example.com /",
        "https://hooks.example.com/\r\nHost: evil",
        "https://hooks.example.com/\x00",
        "https://hooks.example.com/a b",
        "https://hooks.example.com/é",
        "https://hooks%2eexample.com/",
        "https://hooks..example.com/",
        "https://-hooks.example.com/",
        "https://" + "a" * 64 + ".example.com/",
        "https://" + "a." * 130 + "com/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:65536/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:x/",
        "https://hooks.example.com:/",
        "https:///path",
        "https://",
        "https:hooks.example.com",
        "//hooks.example.com/",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "javascript:alert(1)",
        " https://hooks.example.com/",
        "https://hooks.example.com/\n",
        "https://hooks.example.com/" + "a" * 2_000,
        "",
    ],
)
def test_odd_spellings_credentials_and_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(TargetRefused) as refusal:
        parse_url(url)
    assert refusal.value.faults[0][0] == "/url"


@pytest.mark.parametrize(
    ("url", "spelled", "host", "port"),
    [
        ("https://Hooks.Example.com", "https://hooks.example.com/", "hooks.example.com", 443),
        ("HTTPS://hooks.example.com:8443?a=b", "https://hooks.example.com:8443/?a=b", "hooks.example.com", 8443),
        ("https://xn--bcher-kva.example/a%20b", "https://xn--bcher-kva.example/a%20b", "xn--bcher-kva.example", 443),
        ("https://1.1.1.1/x", "https://1.1.1.1/x", "1.1.1.1", 443),
        ("https://[2606:2800::1]:9000/", "https://[2606:2800::1]:9000/", "2606:2800::1", 9000),
        ("https://a_b.example.com/@x", "https://a_b.example.com/@x", "a_b.example.com", 443),
    ],
)
def test_a_url_has_one_spelling(url: str, spelled: str, host: str, port: int) -> None:
    target = parse_url(url)
    assert (target.url, target.host, target.port) == (spelled, host, port)


def test_plain_http_is_refused_before_anybody_is_asked_for_an_address() -> None:
    with pytest.raises(TargetRefused, match="https"):
        Rules().read("http://hooks.example.com/")


@pytest.mark.parametrize("port", [22, 25, 80, 444, 1023])
def test_privileged_ports_are_refused_but_that_of_https(port: int) -> None:
    with pytest.raises(TargetRefused, match="port"):
        Rules().check(parse_url(f"https://hooks.example.com:{port}/"), [parse_address("1.1.1.1")])
    Rules().check(parse_url("https://hooks.example.com:1024/"), [parse_address("1.1.1.1")])


def test_a_private_target_lets_through_its_own_network_and_port_alone() -> None:
    rules = Rules((parse_private("127.0.0.1:9000"), parse_private("10.1.0.0/16"), parse_private("[fd00::/8]:9000")))
    here = parse_url("http://localhost:9000/")
    for reached in ("127.0.0.1", "10.1.2.3", "fd00::5"):
        rules.check(here, [parse_address(reached)])
    rules.check(parse_url("http://localhost:80/"), [parse_address("10.1.2.3")])
    for url, addresses in [
        ("http://localhost:9001/", ["127.0.0.1"]),
        ("https://localhost:9000/", ["127.0.0.2"]),
        ("https://localhost:9000/", ["10.2.0.1"]),
        ("https://localhost:9001/", ["fd00::5"]),
        ("https://localhost:9000/", ["127.0.0.1", "169.254.169.254"]),
        ("http://localhost:9000/", ["127.0.0.1", "1.1.1.1"]),
    ]:
        with pytest.raises(TargetRefused):
            rules.check(parse_url(url), [parse_address(each) for each in addresses])


@pytest.mark.parametrize("text", ["", "localhost", "127.0.0.1:x", "10.0.0.1/8", "[::1]9000", "1.2.3.4/33"])
def test_a_private_target_that_is_none_stops_the_service_at_start(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each parser has its own words
        parse_private(text)
