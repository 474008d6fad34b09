import socket
from types import SimpleNamespace

import psutil
import pytest

from ibnb.tws import own
from ibnb.tws.target import BadTargetError, Target, parse_port, parse_target


def test_paper_tries_gateway_then_tws():
    """`paper` is the Gateway's port, then TWS's, on the IPv4 loopback."""
    assert parse_target("paper") == (
        Target("127.0.0.1", 4002, "paper"),
        Target("127.0.0.1", 7497, "paper"),
    )


def test_live_tries_gateway_then_tws():
    """`live` is the Gateway's port, then TWS's."""
    assert parse_target("live") == (
        Target("127.0.0.1", 4001, "live"),
        Target("127.0.0.1", 7496, "live"),
    )


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("4002", Target("127.0.0.1", 4002, "paper")),
        ("7496", Target("127.0.0.1", 7496, "live")),
        ("5000", Target("127.0.0.1", 5000, None)),
        ("1", Target("127.0.0.1", 1, None)),
        ("65535", Target("127.0.0.1", 65535, None)),
        ("gateway.lan:4001", Target("gateway.lan", 4001, "live")),
        ("[::1]:4002", Target("::1", 4002, "paper")),
        ("  10.0.0.5:4002\n", Target("10.0.0.5", 4002, "paper")),
    ],
)
def test_port_and_host_with_port(text, target):
    """A port alone is on the loopback; the well-known ports say what to expect."""
    assert parse_target(text) == (target,)


def test_expect_overrides_the_port():
    """What the user expects beats what the port suggests, for each address."""
    assert parse_target("4002", "live") == (Target("127.0.0.1", 4002, "live"),)
    assert {target.expects for target in parse_target("paper", "live")} == {"live"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "paperr",
        "Paper",
        "host",
        "host:",
        ":4002",
        ":",
        "::1:4002",
        "::1",
        "[::1]",
        "[]:4002",
        "[host:4002",
        "host]:4002",
        "0",
        "65536",
        "99999999999999999999",
        "-1",
        "+4002",
        "4_002",
        "40.02",
        "host:0",
        "host:65536",
        "host:99999999999999999999",
        "host:x",
        "host: 4002",
        "my host:4002",
        "\tx y:4002",
        "ho\0st:4002",
        "ho\u200bst:4002",
        "http://host:4002",
        "user@host:4002",
        "host/path:4002",
        "\uff14\uff10\uff10\uff12",
        "²",
        "host:٤٠٠٢",
    ],
)
def test_bad_target_is_one_line_that_says_what_to_give(text):
    """Whatever is not a target is refused in one line that says what would be one."""
    with pytest.raises(BadTargetError) as caught:
        parse_target(text)
    message = str(caught.value)
    assert "\n" not in message
    assert "give" in message or "write" in message


def test_hint_for_a_bare_ipv6_address():
    """An IPv6 address without brackets is told how to be written; a URL is not."""
    with pytest.raises(BadTargetError, match=r"\[::1\]:4002"):
        parse_target("::1:4002")
    with pytest.raises(BadTargetError, match="unknown target"):
        parse_target("http://host:4002")


def test_parse_port_bounds():
    """Ports go from 1 to 65535."""
    assert parse_port("65535") == 65535
    for text in ("0", "65536", "", " 1", "1e3"):
        with pytest.raises(BadTargetError):
            parse_port(text)


def test_a_target_reads_back_as_it_is_written():
    """Its text is what a user may write, with brackets where they are needed."""
    for text in ("127.0.0.1:4002", "[::1]:4001", "gateway.lan:5000"):
        assert str(parse_target(text)[0]) == text


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("localhost", True),
        ("LocalHost", True),
        ("localhost.", True),
        ("::ffff:127.0.0.1", True),
        ("ip6-localhost", True),
        ("::ffff:10.0.0.1", False),
        ("0.0.0.0", True),  # noqa: S104 - nothing is bound to it
        ("::", True),
        ("127.example.com", False),
        ("10.0.0.1", False),
        ("gateway.lan", False),
    ],
)
def test_is_local_knows_the_loopback(host, local):
    """The loopback is local, by each of its names; a name that merely begins like it is not."""
    assert Target(host, 4002).is_local is local
    assert Target(host, 4002).is_loopback is local


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LOCALHOST.", True),
        ("127.0.0.1", "::1", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("127.0.0.1", "::FFFF:7f00:1", True),
        ("ip6-localhost", "localhost", True),
        ("Gateway.LAN", "gateway.lan.", True),
        ("2001:DB8::1", "2001:db8:0:0::1", True),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("127.0.0.1", "localhost.example", False),
        ("gateway.lan", "gateway", False),
    ],
)
def test_one_address_has_many_ways_to_write_it(one, other, same):
    """Targets are compared by what they mean, on the same port."""
    assert (Target(one, 4002).address == Target(other, 4002).address) is same
    assert Target(one, 4002).address != Target(other, 4001).address


@pytest.fixture
def machine(monkeypatch):
    """Make this a machine with a name and two interfaces, whose name service must not be asked."""

    def row(family, address):
        return SimpleNamespace(family=family, address=address)

    def asked(*_args, **_kwargs):
        raise AssertionError("the name service was asked")

    interfaces = {
        "eth0": [row(socket.AF_INET, "192.0.2.5"), row(psutil.AF_LINK, "00:1a:2b:3c:4d:5e")],
        "wlan0": [row(socket.AF_INET6, "fe80::5%wlan0")],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: interfaces)
    monkeypatch.setattr(socket, "gethostname", lambda: "Desk.example.org")
    monkeypatch.setattr(socket, "getaddrinfo", asked)
    own._addresses_at.cache_clear()
    yield monkeypatch
    own._addresses_at.cache_clear()


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("192.0.2.5", True),
        ("::ffff:192.0.2.5", True),
        ("fe80::5%wlan0", True),
        ("desk.example.org", True),
        ("DESK.example.org.", True),
        ("desk", True),
        ("desk.local", True),
        ("192.0.2.6", False),
        ("desk.example.com", False),
        ("desk2", False),
    ],
)
@pytest.mark.usefixtures("machine")
def test_is_local_knows_this_machine(host, local):
    """Its own addresses and names are local too, and no name service is asked for that."""
    assert Target(host, 4002).is_local is local
    assert not Target(host, 4002).is_loopback


def test_a_system_that_does_not_tell_its_addresses(machine):
    """Then only the loopback is known to be local, and nothing breaks."""

    def refused():
        raise PermissionError

    machine.setattr(psutil, "net_if_addrs", refused)
    assert not Target("192.0.2.5", 4002).is_local
    assert Target("127.0.0.1", 4002).is_local
