"""Files and bytes that nobody would think of: whatever comes, nothing raises and nothing swells."""

import asyncio
import contextlib
import ipaddress
import itertools
import socket
import struct
import threading
import tracemalloc
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import ACCOUNTS, LOOPBACK, NEXT_VALID_ID, PATIENCE, encode, notice

from ibnb.tws import launcher_log, wire
from ibnb.tws.attempt import Ending, cause
from ibnb.tws.handshake import LONGEST_VERSION_REPLY, READABLE, Handshake
from ibnb.tws.jts_ini import JtsSettings, parse_jts_ini, read_jts_ini
from ibnb.tws.launcher_log import Phase, login_phase, read_phase
from ibnb.tws.probe import probe
from ibnb.tws.story import tell
from ibnb.tws.target import Target

MIB = 1 << 20
NOW = datetime(2024, 8, 29, 12)  # noqa: DTZ001 - the log's own times have no zone
PATH = Path("jts.ini")
PHASES = get_args(Phase)
ENDINGS = get_args(Ending)

# No database: what once failed belongs into a test of its own.
often = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
seldom = settings(often, max_examples=40)

MARKERS = [
    "------- IB GATEWAY RESTART -------",
    "Running in auto-restart mode: x",
    "LauncherLoginThread.runLoginWithUI()[loginAttempt=99999999999999999999999]",
    "NS_AUTH_START version=",
    "Received CHALLENGE",
    "Authorization failed: SUPPRESS_MESSAGE_BOX.",
    "Authorization failed: Invalid username or password",
    "Too many failed login attempts. Please wait 4 minutes & 55 seconds",
    "Too many failed login attempts. Please wait 9999999999999 minutes",
    "Too many failed login attempts. Please wait 999 hours & 9999 minutes & 99999 seconds",
    "Authentication timeout",
    "Authorization failed: tokens have expired",
    "Authorization failed: ",
    "NS_AUTH_START version=1 initialTokenType=SOFT",
    "Memory:total=",
    "### onAuthenticationCompleted authenticated=false",
    "### onAuthenticationCompleted authenticated=true",
    "### onAuthenticationCompleted",
    "Switching to a new encrypted log",
    "instance of control is not created yet",
    "Competition detected",
]
times = st.one_of(
    st.datetimes().map(str),
    st.integers(-4000, 4000).map(lambda seconds: str(NOW + timedelta(seconds=seconds)) + ".000"),
    st.from_regex(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", fullmatch=True),
)
log_lines = st.one_of(
    st.text(max_size=80),
    st.builds(
        "{} {}INFO  [{}] - {}{}".format,
        times,
        st.sampled_from(["", "[AB] "]),
        st.text(max_size=8),
        st.sampled_from(MARKERS),
        st.text(max_size=20),
    ),
)
ini_lines = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}={}".format,
        st.sampled_from(["TrustedIPs", "ApiOnly", "tradingMode", "Locale", "TimeZone", "Region"]),
        st.one_of(st.text(max_size=40), st.ip_addresses().map(str)),
    ),
    st.sampled_from(
        ["[IBGateway]", "[Logon]", "[Communication]", "[", "]", "[]", "%(x)s", "=", ""]
    ),
)
payloads = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.one_of(
            st.sampled_from(["4", "9", "15", "49", "2", "1", "-1", "", "9" * 5000, "DU1234567"]),
            st.text(max_size=10),
        ),
        max_size=7,
    ).map(lambda fields: b"".join(field.encode(errors="replace") + b"\0" for field in fields)),
)
frames = st.one_of(
    payloads.map(wire.frame),
    st.sampled_from(
        [
            encode(176, "20240829 12:00:00 CET"),
            encode(0, ""),
            encode("9" * 900, "zone"),
            encode(201, "zone"),
            NEXT_VALID_ID,
            ACCOUNTS,
            notice(326, "in use"),
            notice(1100, "lost"),
        ]
    ),
    st.binary(max_size=40),
    st.integers(0, 0xFFFFFFFF).map(lambda length: struct.pack(">I", length)),
)
streams = st.lists(frames, max_size=12).map(b"".join)
begun = st.tuples(st.booleans(), streams).map(
    lambda drawn: (encode(176, "zone") if drawn[0] else b"") + drawn[1]
)


@st.composite
def chunked(draw, streams):
    """Cut a stream of bytes anywhere."""
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    ends = [0, *cuts, len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(ends)]


@contextlib.contextmanager
def traced(limit):
    """Hold what is allocated inside of the block to a number of bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@often
@given(st.lists(log_lines, max_size=30), st.datetimes())
def test_any_lines_have_a_phase(lines, now):
    """Whatever the lines of a log and the clock, a phase comes out, and it holds together."""
    found = read_phase(lines, now)
    assert found.phase in PHASES
    assert (found.since is None) == (found.phase == "unknown")
    assert (found.wait_seconds is not None) == (found.phase == "throttled")
    assert (found.before_silence is not None) == (found.phase == "silent")
    assert found.wait_seconds is None or found.wait_seconds > 0
    assert 0 <= found.attempts <= len(lines)


@often
@given(st.binary(max_size=2000), st.lists(log_lines, max_size=10), st.integers(0, 2**33))
def test_any_log_file_has_a_phase(tmp_path_factory, garbage, lines, modified):
    """Whatever the bytes of the file are, and whenever it was written."""
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    data = garbage + "\n".join(lines).encode(errors="replace")
    (folder / "launcher.log").write_bytes(data)
    (folder / "launcher.20240828.log").write_bytes(data[::-1])
    assert login_phase(folder, NOW).phase in PHASES
    assert launcher_log._on_clock_of(NOW, float(modified), NOW) is not None


@often
@given(st.one_of(st.text(), st.binary(), st.lists(ini_lines, max_size=20).map("\r\n".join)))
def test_any_settings_file_is_read(content):
    """Text or bytes: what cannot be understood is not known, and nothing foreign gets through."""
    found = parse_jts_ini(content, PATH)
    assert isinstance(found, JtsSettings)
    assert all(found.is_trusted(address) for address in found.trusted_ips)
    assert found.trading_mode in {None, "paper", "live"}
    for text in (found.time_zone, found.locale, found.region, found.remote_order_routing):
        assert text is None or (text.isascii() and text.isprintable() and len(text) < 260)


@often
@given(st.text())
def test_any_text_can_be_asked_for_as_an_address(text):
    """Nothing but an address, in one of its spellings, is trusted."""
    settings = parse_jts_ini("[IBGateway]\nTrustedIPs=127.0.0.1", PATH)
    if settings.is_trusted(text):
        assert text == LOOPBACK or ipaddress.IPv6Address(text).ipv4_mapped is not None


@seldom
@given(st.binary(max_size=3000))
def test_any_settings_bytes_on_disk_are_read(tmp_path_factory, data):
    """The same from a file."""
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    folder.mkdir(exist_ok=True)
    (folder / "jts.ini").write_bytes(data)
    assert read_jts_ini(folder) is not None


@often
@given(chunked(streams))
def test_frame_reader_takes_any_bytes_however_they_are_cut(chunks):
    """The cuts change nothing, and what comes out and what waits is what went in."""
    stream = b"".join(chunks)

    def read(data):
        reader, found = wire.FrameReader(), []
        for chunk in data:
            try:
                found.extend(reader.feed(chunk))
            except wire.ImpossibleFrameError as impossible:
                return [*found, *impossible.payloads]
        assert b"".join(map(wire.frame, found)) + reader.pending == stream
        return found

    assert read(chunks) == read([stream])


@often
@given(chunked(begun))
def test_handshake_takes_any_bytes_however_they_are_cut(chunks):
    """Nothing raises, the cuts change nothing, and little of foreign bytes is kept."""

    def shaken(data):
        handshake = Handshake()
        for chunk in data:
            handshake.feed(chunk)
        handshake.close()
        assert len(handshake.foreign) <= READABLE
        seen = [(one.code, one.text, one.req_id) for one in handshake.notices]
        return (
            handshake.server_version,
            handshake.next_valid_id,
            handshake.accounts,
            handshake.is_foreign,
            handshake.ready,
            seen,
        )

    assert shaken(chunks) == shaken([b"".join(chunks)])


@pytest.mark.parametrize("length", [LONGEST_VERSION_REPLY + 1, wire.MAX_FRAME, 0x7FFFFFFF])
def test_a_claimed_length_allocates_nothing(length):
    """What a peer announces costs nothing until it comes: neither 16 MB nor 2 GB."""
    with traced(MIB):
        for begin in (b"", encode(176, "zone")):
            handshake = Handshake()
            handshake.feed(begin + struct.pack(">I", length) + b"some of it")
            handshake.close()


def test_a_flood_of_notices_is_kept_in_part():
    """A peer that never stops to send notices does not fill the memory."""
    floods = notice(2104, "x" * 1000) * 1000, notice(2104, "x" * MIB)
    handshake = Handshake()
    handshake.feed(encode(176, "zone"))
    with traced(12 * MIB):
        for flood in floods:
            for _ in range(20):
                handshake.feed(flood)
    assert handshake.notices[0].code == 2104
    handshake.feed(NEXT_VALID_ID + ACCOUNTS)
    assert handshake.ready


class Speaker:
    """A server that sends the same bytes to each who connects, and closes."""

    def __init__(self):
        self.data = b""
        self.clients = 0
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            sock, _ = self._listener.accept()
            with sock:
                if self._stopping:
                    return
                self.clients += 1
                sock.settimeout(PATIENCE)
                # The client may hang up on what it hears before it has heard all of it.
                with contextlib.suppress(OSError):
                    sock.sendall(self.data)
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(4096):
                        pass

    def stop(self):
        """Stop to accept; a connection that does not count ends the waiting."""
        self._stopping = True
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, self.port), 1).close()
        self._thread.join(PATIENCE)
        self._listener.close()


@pytest.fixture(scope="module")
def speaker():
    """Run one such server for all examples."""
    speaker = Speaker()
    yield speaker
    speaker.stop()


def probed(port, timeout=5.0):
    return asyncio.run(
        probe(
            Target(LOOPBACK, port, "paper"),
            7,
            min_version=157,
            max_version=176,
            timeout=timeout,
            linger=0.0,
        )
    )


@seldom
@given(data=begun)
def test_probe_survives_any_peer(speaker, data):
    """Whatever a peer sends before it closes, the probe ends within its time and says how."""
    speaker.data = data
    attempt = probed(speaker.port)
    assert attempt.ending in ENDINGS
    assert attempt.ending != "timeout"
    assert attempt.total < 2 * 5.0
    assert tell(attempt)
    assert (cause(attempt) is None) <= (attempt.ending == "ready")


def test_probe_of_a_peer_that_claims_a_frame_of_2_gb(speaker):
    """The claim is foreign to every gateway, and nothing is set aside for it."""
    speaker.data = encode(176, "zone") + b"\x7f\xff\xff\xff" + b"x" * 1000
    probed(speaker.port)  # what is imported and set up once is not of the peer's making
    with traced(4 * MIB):
        attempt = probed(speaker.port)
    assert attempt.ending == "foreign"
    assert len(attempt.foreign) <= READABLE


def test_probe_of_a_peer_that_sends_a_frame_of_the_longest_kind(speaker):
    """16 MB is what a frame may have: it is taken once, and ends with the rest."""
    speaker.data = encode(176, "zone") + wire.frame(b"x" * (wire.MAX_FRAME - 1))
    with traced(8 * wire.MAX_FRAME):
        attempt = probed(speaker.port)
    assert attempt.ending == "closed"
    assert attempt.server_version == 176
