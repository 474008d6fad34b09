import pytest

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
    """Whatever is no target is refused in one line that says what would be one."""
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
        ("127.example.com", False),
        ("10.0.0.1", False),
        ("gateway.lan", False),
    ],
)
def test_is_local_knows_the_loopback(host, local):
    """Only the loopback is local, and a name that merely begins like it is not."""
    assert Target(host, 4002).is_local is local


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
