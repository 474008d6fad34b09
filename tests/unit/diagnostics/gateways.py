"""Broken gateways, written from what is known of the wire, with the verdict on each."""

import time

import servers
from servers import ACCOUNTS, NEXT_VALID_ID, TEXT_326, encode, notice

BROKEN = "Market data farm connection is broken:eufarm"
BACK = "Market data farm connection is OK:eufarm"
WARNINGS = {"data-farm-down", "clock-skew"}

OF_A_FAULT = {
    "silent": "handshake-silent",
    "close": "closed-before-version",
    "garbage": "not-a-gateway",
    "stall-ready": "not-ready",
    "no-accounts": "no-accounts",
    "disclaimer": "paper-disclaimer",
    "closed-after-start": "closed-after-start",
    "old-version": "version-too-old",
    "id-held": "client-id-in-use",
    "connectivity-lost": "connectivity-lost",
    "farms-down": "data-farm-down",
    "clock-skew": "clock-skew",
    "live-account": "wrong-environment",
    "max-clients": "too-many-clients",
    **dict.fromkeys(("drop-after", "half-open", "slow", "restart", "read-only"), "healthy"),
    "farm-down": "data-farm-down",
    **dict.fromkeys(("data-lost", "link-flaps", "farm-flaps", "farms-asleep"), "healthy"),
    **dict.fromkeys(("strict", "message-rate", "history-pacing", "history-open"), "healthy"),
    **dict.fromkeys(("lines", "no-duplicates", "time-throttled"), "healthy"),
    **dict.fromkeys(("not-subscribed", "partly-subscribed", "competing-session"), "healthy"),
    **dict.fromkeys(("no-news", "market-closed", "jitter", "bandwidth"), "healthy"),
    **dict.fromkeys(("split-frames", "cut-frame", "lost-end", "nightly-restart"), "healthy"),
    **dict.fromkeys(("silent-stream", "language", "tif-preset"), "healthy"),
}
"""The verdict on each fault of the simulated gateway."""
LASTING = {"link-flaps": "link-flaps:60", "farm-flaps": "farm-flaps:60"}
"""How a fault that comes and goes is staged: nothing changes while somebody looks."""
SLOW = {"slow"}
"""Faults that want more time for a handshake than a test usually gives."""


def healthy_with(*frames):
    """Return a healthy gateway that sends these frames, too."""
    return lambda client: servers.healthy(client, *frames)


def with_wrong_clock(client):
    """Be a healthy gateway whose clock is an hour behind."""
    servers.with_clock(int(time.time()) - 3600)(client)


def with_right_clock(client):
    """Be a healthy gateway whose clock is right."""
    servers.with_clock(int(time.time()))(client)


BY_FACTS = {
    "healthy": (servers.healthy, "healthy"),
    "byte by byte": (servers.byte_by_byte, "healthy"),
    "silent": (servers.silent, "handshake-silent"),
    "three zero bytes": (servers.speaking(b"\0\0\0"), "handshake-silent"),
    "closing": (servers.closing, "closed-before-version"),
    "resetting": (servers.resetting, "closed-before-version"),
    "HTTP": (servers.speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n", close=True), "not-a-gateway"),
    "TLS": (servers.speaking(b"\x15\x03\x01\x00\x02\x02\x46"), "not-a-gateway"),
    "frame of 2 GiB": (servers.speaking(b"\x7f\xff\xff\xff"), "not-a-gateway"),
    "too old": (servers.too_old, "version-too-old"),
    "326": (servers.refusing(326, TEXT_326), "client-id-in-use"),
    "326 without close": (servers.refusing(326, TEXT_326, close=False), "client-id-in-use"),
    "10141": (servers.refusing(10141, "nicht akzeptiert"), "paper-disclaimer"),
    "357": (servers.refusing(357, "veraltet"), "client-too-old"),
    "357 without close": (servers.refusing(357, "veraltet", close=False), "not-ready"),
    "502": (servers.refusing(502, "keine Verbindung"), "too-many-clients"),
    "506": (servers.refusing(506, "nicht unterst\u00fctzt"), "version-too-old"),
    "507": (servers.refusing(507, "falsche L\u00e4nge"), "client-socket-507"),
    "399": (servers.refusing(399, "Auftrag"), "closed-after-start"),
    "close after start": (servers.closing_after_start, "closed-after-start"),
    "reset after start": (servers.resetting_after_start, "closed-after-start"),
    "close after ready": (
        servers.starting_with(ACCOUNTS, NEXT_VALID_ID, close=True),
        "closed-after-start",
    ),
    "no accounts message": (servers.starting_with(NEXT_VALID_ID), "not-ready"),
    "no order ID": (servers.starting_with(ACCOUNTS), "not-ready"),
    "no account": (servers.starting_with(NEXT_VALID_ID, encode(15, 1, "")), "no-accounts"),
    "live account": (
        servers.starting_with(encode(15, 1, "U1234567"), NEXT_VALID_ID),
        "wrong-environment",
    ),
    "1100": (healthy_with(notice(1100, "verloren")), "connectivity-lost"),
    "1100 and farms": (
        healthy_with(notice(2103, BROKEN), notice(1100, "verloren")),
        "connectivity-lost",
    ),
    "1100, then 1102": (healthy_with(notice(1100, "lost"), notice(1102, "back")), "healthy"),
    "2110": (healthy_with(notice(2110, "lost")), "connectivity-lost"),
    "2110, then a farm": (healthy_with(notice(2110, "lost"), notice(2104, BACK)), "healthy"),
    "farm broken": (healthy_with(notice(2103, BROKEN)), "data-farm-down"),
    "farm back": (healthy_with(notice(2103, BROKEN), notice(2104, BACK)), "healthy"),
    "clock behind": (with_wrong_clock, "clock-skew"),
    "clock right": (with_right_clock, "healthy"),
}
