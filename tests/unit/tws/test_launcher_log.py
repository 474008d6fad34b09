import os
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibnb.tws import files, launcher_log
from ibnb.tws.launcher_log import LoginPhase, login_phase, read_phase

DAY = datetime(2024, 8, 29)  # noqa: DTZ001 - the log's own times have no zone
START = DAY.replace(hour=11)
PRIVATE = "203.0.113.9 00:1B:44:11:3A:B7 sessionID=6f1d2c3b"

RESTART = "------------------------------- IB GATEWAY RESTART --------------------------------"
AUTO = "Running in auto-restart mode: restoring session token and session ID [x=" + PRIVATE + "]..."
NOISE = "Updating machine info [connectionAddress=/" + PRIVATE + "]..."
ATTEMPT = "LauncherLoginThread.runLoginWithUI()[hotBackupStrategy=ON,loginAttempt=1,delay=20000]."
AUTH_START = "NS_AUTH_START version=52 pwd=1 soft=0 token(s)=[token=5, suffix=a[IB Key]]"
CHALLENGE = "Received CHALLENGE"
HEARTBEAT = "Sent NS_HEART_BEAT:#%#%0000MISC51;531;20240829-09:10:23;"
ENDED = "Authorization failed: SUPPRESS_MESSAGE_BOX. MessageType: null. FailReason: 2147483647"
WRONG = "AUTH_RESULT indicates wrong password"
INVALID = "Authorization failed: Invalid username or password. "
THROTTLE = "Too many failed login attempts. Please wait {} before attempting to re-login again."
TIMEOUT = "Authentication timeout"
DONE = "### onAuthenticationCompleted tokenProtocol=5; authenticated=true"
NOT_DONE = "### onAuthenticationCompleted tokenProtocol=5; authenticated=false"
ENCRYPTED = "Switching to a new encrypted log..."
IDLE = "instance of control is not created yet"
MEMORY = "Memory:total=786,432KB free=741,216KB HeapUsage: Max=786,432KB used=43,983KB"
CPU = "CPU:cur=0.03% avg=0.03% 30 min avg=0.03% 10 min avg=0.03% 5 min avg=0.03%"
GSTAT = "Received response [errorCode=204,contentLen=-1]."
REFUSED = "Authorization failed: This user may not log in here. MessageType: null. FailReason: 9"
EXPIRED = (
    "Authorization failed: The security tokens of your login credentials have expired. "
    "MessageType: null. FailReason: 5"
)
SOFT = AUTH_START + " initialTokenType=SOFT authenticationType=MARKET_DATA_CONNECTION"
TYPED = AUTH_START + " initialTokenType=PWD authenticationType=MARKET_DATA_CONNECTION"
COMPETITION = "Competition detected: " + PRIVATE
STACK_TRACE = (
    "java.net.SocketTimeoutException: Read timed out",
    "\tat java.base/java.net.Socket.connect(Socket.java:633) - Received CHALLENGE",
    "Caused by: 2024-08-29 11:00:03.702 - Received CHALLENGE",
)


def stamped(seconds, message, tag=""):
    time = START + timedelta(seconds=seconds)
    return f"{time:%Y-%m-%d %H:%M:%S}.702 {tag}INFO  [JTS-Main] - {message}"


def log(*entries, tag=""):
    """Write the lines of a log, of pairs of a time in seconds from the start and a message."""
    return [stamped(seconds, message, tag) for seconds, message in entries]


def at(seconds):
    return START + timedelta(seconds=seconds)


def phase_of(entries, seconds, tag=""):
    return read_phase(log(*entries, tag=tag), at(seconds))


STARTED = [(0, RESTART), (1, NOISE)]
TRYING = [*STARTED, (5, ATTEMPT), (6, AUTH_START)]
ASKED = [*TRYING, (8, CHALLENGE), (28, HEARTBEAT), (48, HEARTBEAT)]
LOGGED_IN = [*ASKED, (55, DONE), (56, ENCRYPTED)]
THROTTLED = [*TRYING, (8, WRONG), (8, INVALID), (12, THROTTLE.format("4 minutes & 55 seconds"))]

PHASES = [
    ([], 0, "unknown", None),
    ([(0, NOISE)], 0, "unknown", None),
    ([(0, NOISE)], 900_000, "unknown", None),
    (STARTED, 2, "starting", 0),
    (TRYING, 7, "logging-in", 5),
    ([*TRYING, (26, TIMEOUT)], 27, "logging-in", 5),
    ([*TRYING, (26, TIMEOUT), (30, ATTEMPT), (31, AUTH_START)], 32, "logging-in", 5),
    (ASKED, 60, "second-factor", 8),
    (ASKED, 138, "second-factor", 8),
    (ASKED, 140, "silent", 48),
    ([*ASKED, (178, ENDED)], 180, "challenge-unanswered", 178),
    ([*ASKED, (178, ENDED), (180, ATTEMPT)], 182, "logging-in", 180),
    ([*ASKED, (178, ENDED), (200, ATTEMPT), (210, CHALLENGE)], 212, "second-factor", 210),
    # The challenge's heartbeats have ended, and the process lives: nobody is asked any more.
    ([*ASKED, (300, IDLE)], 302, "challenge-unanswered", 300),
    ([*ASKED, (60, IDLE)], 62, "second-factor", 8),
    ([*TRYING, (8, ENDED)], 9, "not-logged-in", 8),
    ([*TRYING, (8, WRONG), (8, INVALID)], 9, "refused", 8),
    ([*TRYING, (8, INVALID)], 9, "refused", 8),
    ([*TRYING, (8, INVALID), (9, ENDED), (300, IDLE)], 301, "refused", 8),
    ([*TRYING, (8, "Authorization failed: something else")], 9, "not-logged-in", 8),
    ([*TRYING, (8, NOT_DONE)], 9, "not-logged-in", 8),
    (THROTTLED, 13, "throttled", 12),
    (THROTTLED, 306, "throttled", 12),
    (THROTTLED, 307, "not-logged-in", 307),
    ([*THROTTLED, (300, IDLE)], 301, "throttled", 12),
    ([*THROTTLED, (310, ATTEMPT)], 311, "logging-in", 310),
    ([*TRYING, (8, COMPETITION)], 9, "competing-session", 8),
    ([*TRYING, (8, COMPETITION), (300, IDLE)], 301, "competing-session", 8),
    ([*TRYING, (8, COMPETITION)], 8 + 660, "competing-session", 8),
    ([*TRYING, (8, COMPETITION)], 8 + 661, "silent", 8),
    (LOGGED_IN, 60, "logged-in", 55),
    (LOGGED_IN, 900_000, "logged-in", 55),
    ([(0, ENCRYPTED)], 900_000, "logged-in", 0),
    ([(0, IDLE)], 10, "not-logged-in", 0),
    ([*STARTED, (300, IDLE)], 310, "not-logged-in", 300),
    ([*STARTED, (60, IDLE)], 70, "starting", 0),
    ([*TRYING, (300, IDLE)], 310, "not-logged-in", 300),
    ([*LOGGED_IN, (900, ATTEMPT), (901, AUTH_START)], 902, "logging-in", 900),
    ([*STARTED, (300, IDLE)], 300 + 660, "not-logged-in", 300),
    ([*STARTED, (300, IDLE)], 300 + 661, "silent", 300),
    ([*TRYING, (8, INVALID)], 900_000, "silent", 8),
    # What comes by itself at fixed times is not a login, whatever its order.
    ([*STARTED, (300, MEMORY), (300, IDLE), (301, CPU)], 310, "not-logged-in", 300),
    ([*STARTED, (300, IDLE), (300, MEMORY), (301, CPU)], 310, "not-logged-in", 300),
    ([*STARTED, (180, GSTAT), (290, GSTAT), (300, MEMORY), (300, IDLE)], 310, "not-logged-in", 300),
    ([*LOGGED_IN, (900, MEMORY), (900, IDLE)], 910, "not-logged-in", 900),
    ([*ASKED, (300, MEMORY), (300, IDLE)], 302, "challenge-unanswered", 300),
    ([*ASKED, (50, MEMORY), (50, IDLE)], 52, "second-factor", 8),
    ([*TRYING, (8, REFUSED), (8, NOT_DONE)], 9, "refused", 8),
    ([*TRYING, (8, REFUSED)], 9, "not-logged-in", 8),
    ([*TRYING, (8, REFUSED), (8, NOT_DONE), (300, IDLE)], 301, "refused", 8),
    ([*TRYING, (8, NOT_DONE), (8, REFUSED)], 9, "refused", 8),
    ([*TRYING, (8, NOT_DONE), (20, ATTEMPT), (28, REFUSED)], 29, "not-logged-in", 28),
    ([*TRYING, (8, REFUSED), (8, NOT_DONE), (50, ATTEMPT)], 51, "logging-in", 50),
    ([*TRYING, (8, EXPIRED), (8, NOT_DONE)], 9, "session-expired", 8),
    ([*TRYING, (8, EXPIRED)], 9, "session-expired", 8),
    ([*TRYING, (8, EXPIRED), (50, ATTEMPT), (51, CHALLENGE)], 52, "second-factor", 51),
    # Only what follows the last header counts.
    ([*LOGGED_IN, (900, RESTART)], 901, "starting", 900),
    ([*ASKED, (900, RESTART), (901, AUTO), (902, NOISE)], 903, "starting", 900),
    ([*THROTTLED, (20, RESTART)], 21, "starting", 20),
]


@pytest.mark.parametrize("tag", ["", "[AB] "], ids=["new format", "old format"])
@pytest.mark.parametrize(("entries", "now", "phase", "since"), PHASES)
def test_phase_is_told_by_the_markers_and_the_silence_after_them(entries, now, phase, since, tag):
    """Each marker has its phase, from the time at which it came, in both formats of a line."""
    found = phase_of(entries, now, tag)
    assert found.phase == phase
    assert found.since == (None if since is None else at(since))
    assert found.last_line == (at(entries[-1][0]) if entries else None)


def retries(count):
    """Return attempts that found no answer, 20 seconds each."""
    begun = [(number * 20, ATTEMPT) for number in range(1, count + 1)]
    return [
        entry
        for at, _ in begun
        for entry in ((at, ATTEMPT), (at + 1, AUTH_START), (at + 20, TIMEOUT))
    ]


@pytest.mark.parametrize(
    ("count", "more", "phase"),
    [
        (2, [], "logging-in"),
        (6, [], "logging-in"),
        (7, [], "slot-taken"),
        (7, [(160, ATTEMPT), (161, AUTH_START)], "slot-taken"),
        (7, [(160, THROTTLE.format("55 seconds"))], "slot-taken"),
        (6, [(160, THROTTLE.format("55 seconds"))], "throttled"),
        (7, [(100, THROTTLE.format("20 seconds"))], "slot-taken"),
        (7, [(160, CHALLENGE)], "second-factor"),
        (7, [(160, DONE), (165, ATTEMPT)], "logging-in"),
        (6, [(130, CHALLENGE), (131, ENDED), (140, ATTEMPT), (160, TIMEOUT)], "logging-in"),
        (7, [(160, RESTART), (161, ATTEMPT)], "logging-in"),
    ],
)
def test_attempt_after_attempt_without_an_answer(count, more, phase):
    """Seven in a row mean that another session has the place; an answer ends the row."""
    found = phase_of([*STARTED, *retries(count), *more], 170)
    assert found.phase == phase
    assert (found.timeouts >= 7) == (phase == "slot-taken")


def test_the_reason_of_a_refusal_is_kept_until_the_next_attempt():
    """It is told as the gateway was told, without what follows it for programs."""
    lines = [*TRYING, (8, REFUSED), (8, NOT_DONE)]
    assert phase_of(lines, 9).reason == "This user may not log in here."
    assert phase_of([*lines, (300, IDLE)], 301).reason == "This user may not log in here."
    assert phase_of([*lines, (20, THROTTLE.format("55 seconds"))], 21).reason
    assert phase_of([*lines, (20, ATTEMPT)], 21).reason == ""
    assert phase_of([*TRYING, (8, INVALID)], 9).reason == "Invalid username or password."
    assert phase_of([*TRYING, (8, ENDED), (8, NOT_DONE)], 9).reason == ""


def test_a_reason_may_have_several_lines():
    """They belong to it as far as its end; a stack trace has none, and does not."""
    first = log(*TRYING, (8, "Authorization failed: The security"))
    rest = ["tokens have expired.", "Log in by hand. MessageType: null. FailReason: 5"]
    found = read_phase([*first, *rest], at(9))
    assert found.reason == "The security tokens have expired. Log in by hand."
    assert found.phase == "session-expired"
    assert read_phase([*first, *STACK_TRACE, *log((9, NOT_DONE))], at(9)).reason == "The security"
    assert "expired" not in repr(found).replace("session-expired", "")


@pytest.mark.parametrize(
    ("entries", "is_saved"),
    [
        ([(0, RESTART), (1, AUTO), (5, ATTEMPT), (6, AUTH_START)], True),
        ([(0, RESTART), (1, AUTO), (5, ATTEMPT), (6, SOFT)], True),
        ([(0, RESTART), (5, ATTEMPT), (6, SOFT)], True),
        ([(0, RESTART), (5, ATTEMPT), (6, TYPED)], False),
        ([(0, RESTART), (5, ATTEMPT), (6, AUTH_START)], False),
        ([(0, RESTART), (1, AUTO), (5, ATTEMPT), (6, INVALID), (7, ATTEMPT), (7, TYPED)], False),
        ([(0, RESTART), (1, AUTO), (5, ATTEMPT), (6, INVALID), (7, ATTEMPT), (7, SOFT)], True),
        ([(0, RESTART), (1, AUTO), (5, ATTEMPT), (6, WRONG), (7, ATTEMPT)], False),
        ([(0, RESTART), (1, AUTO), (5, ATTEMPT), (6, DONE), (7, ATTEMPT), (7, TYPED)], False),
    ],
)
def test_whose_refusal_it_is(entries, is_saved):
    """Of a process that continues a saved session it is that; after it somebody may have typed."""
    found = phase_of([*entries, (8, WRONG), (8, INVALID)], 9)
    assert (found.phase, found.is_saved_session) == ("refused", is_saved)


def test_silence_tells_what_it_interrupted():
    """Whether the person was being asked when the process went matters to the person."""
    assert phase_of(ASKED, 1000).before_silence == "second-factor"
    assert phase_of(STARTED, 1000).before_silence == "starting"
    assert phase_of(ASKED, 60).before_silence is None
    assert phase_of(THROTTLED, 5000).before_silence == "not-logged-in"


def test_a_log_is_compared_with_the_start_of_a_process():
    """A last line from before the process started is of an earlier one; without any none is."""
    now = 1_000_000.0
    found = phase_of(ASKED, 60)
    assert found.quiet_seconds == 60 - 48
    assert not found.is_older_than(now - 100, now)
    assert not found.is_older_than(now - 12, now)
    assert found.is_older_than(now - 1, now)
    assert not phase_of([], 60).is_older_than(now, now)


def test_attempts_are_those_of_this_process():
    """Retries count, those of an earlier process do not."""
    again = [(100, ATTEMPT), (120, ATTEMPT)]
    assert phase_of([], 0).attempts == 0
    assert phase_of([*TRYING, *again], 121).attempts == 3
    assert phase_of([*TRYING, *again, (200, RESTART)], 201).attempts == 0
    assert phase_of([*TRYING, *again, (200, RESTART), (210, ATTEMPT)], 211).attempts == 1


def test_kind_of_restart():
    """A saved session is continued, or a login begins afresh; it is not always in the log."""
    assert phase_of([*STARTED, (1, AUTO), *TRYING[2:]], 7).restart == "auto"
    assert phase_of(TRYING, 7).restart == "fresh"
    assert phase_of([(0, ATTEMPT)], 7).restart is None
    assert phase_of([(0, RESTART), (1, AUTO), (9, RESTART)], 10).restart == "fresh"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("4 minutes & 55 seconds", 295),
        ("1 minute & 1 second", 61),
        ("5 minutes", 300),
        ("1 minute", 60),
        ("45 seconds", 45),
        ("1 second", 1),
        ("1 hour & 2 minutes & 3 seconds", 3723),
        ("0 minutes & 9 seconds", 9),
    ],
)
def test_wait_is_counted_down_from_its_line(text, seconds):
    """However the time is put, what is left of it at present is told, until it is over."""
    entries = [*TRYING, (8, INVALID), (12, THROTTLE.format(text))]
    assert phase_of(entries, 12).wait_seconds == seconds
    assert phase_of(entries, 12 + seconds - 0.5).wait_seconds == 0.5
    over = phase_of([*entries, (11 + seconds, IDLE)], 12 + seconds)
    assert (over.phase, over.wait_seconds, over.since) == ("not-logged-in", None, at(12 + seconds))


def test_wait_without_a_time_is_over():
    """A wording that is not known names no time to wait for."""
    assert phase_of([*TRYING, (9, THROTTLE.format("a while"))], 10).phase == "not-logged-in"


def test_wait_is_never_longer_than_announced():
    """A clock that was set back does not add to it."""
    assert phase_of(THROTTLED, -3600).wait_seconds == 295


def test_unknown_lines_and_stack_traces_tell_nothing():
    """Continuation lines may hold the words of a marker, and mean none."""
    lines = log(*TRYING)
    expected = read_phase(lines, at(10))
    assert read_phase([*lines, *STACK_TRACE, "", "\0", "garbage"], at(10)) == expected
    assert read_phase([line + "\r\n" for line in lines], at(10)) == expected


@pytest.mark.parametrize(
    "line",
    [
        "2024-13-45 99:99:99.999 INFO  [JTS-Main] - Received CHALLENGE",
        "0001-01-01 00:00:00.000 INFO  [JTS-Main] - Received CHALLENGE",
        "9999-12-31 23:59:59.999 INFO  [JTS-Main] - " + THROTTLE.format("9999 minutes"),
        "\u0662\u0660\u0662\u0664-08-29 11:00:00.000 INFO  [JTS-Main] - Received CHALLENGE",
        "2024-08-29 11:00:00.000 INFO  [JTS-Main - Received CHALLENGE",
        "2024-08-29T11:00:00Z Received CHALLENGE",
        "9" * 100_000,
    ],
)
def test_lines_with_times_that_cannot_be_are_no_lines(line):
    """A time that no gateway can have written is not reckoned with."""
    assert read_phase([line], at(0)) == LoginPhase()


def test_nothing_of_a_line_leaves_but_times_and_numbers():
    """Addresses, session ids and hashes are all over the log."""
    entries = [*STARTED, (2, AUTO), (5, ATTEMPT), (6, NOISE), (8, COMPETITION)]
    shown = repr(phase_of(entries, 9))
    for secret in PRIVATE.split():
        assert secret not in shown
    assert "JTS-Main" not in shown


def test_now_may_have_a_zone():
    """A time with a zone is taken as the same moment of this machine's clock."""
    now = at(60)
    assert read_phase(log(*ASKED), now.astimezone(UTC)) == read_phase(log(*ASKED), now)


def save(folder, name, lines, modified=None):
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if modified is not None:
        os.utime(folder / name, (modified.timestamp(), modified.timestamp()))


def test_log_of_a_folder_is_read(tmp_path):
    """The file of the settings folder, at the present time when none is given."""
    assert login_phase(tmp_path) is None
    save(tmp_path, "launcher.log", log(*LOGGED_IN))
    assert login_phase(tmp_path).phase == "logged-in"
    save(tmp_path, "launcher.log", log(*ASKED))
    assert login_phase(tmp_path, at(60)).phase == "second-factor"
    assert login_phase(tmp_path).phase == "silent"


def test_what_is_no_log_is_none_or_unknown(tmp_path):
    """No folder, a folder of that name, an empty file, and bytes of no encoding."""
    assert login_phase(tmp_path / "absent") is None
    assert login_phase(Path("nul\0inside")) is None
    (tmp_path / "launcher.log").mkdir()
    assert login_phase(tmp_path) is None
    (tmp_path / "launcher.log").rmdir()
    for content in (b"", b"\xff\xfe\x00\n" * 1000, "\n".join(log(*ASKED)).encode("utf-16")):
        (tmp_path / "launcher.log").write_bytes(content)
        assert login_phase(tmp_path) == LoginPhase()


def test_bytes_that_are_no_utf8_do_not_hide_the_rest(tmp_path):
    """A zone's name in a code page of old is one line of many."""
    lines = "\n".join(log(*STARTED, (2, "Zeitzone Größe"), (5, ATTEMPT)))
    (tmp_path / "launcher.log").write_bytes(lines.encode("latin-1"))
    assert login_phase(tmp_path, at(6)).phase == "logging-in"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_a_pipe_of_that_name_is_not_waited_for(tmp_path):
    """To open a pipe without a writer would never return."""
    os.mkfifo(tmp_path / "launcher.log")
    assert login_phase(tmp_path) is None


def test_a_missing_log_is_looked_for_among_the_rotated(tmp_path):
    """Just after a rotation there may be no current file: the newest of the old ones counts."""
    save(tmp_path, "launcher.20240827.log", log(*LOGGED_IN))
    save(tmp_path, "launcher.20240828.log", log(*TRYING))
    save(tmp_path, "launcher.notadate.log", log(*LOGGED_IN))
    save(tmp_path, "launcher.20240829.log.bak", log(*LOGGED_IN))
    assert login_phase(tmp_path, at(7)).phase == "logging-in"


def test_a_process_that_started_before_the_rotation_is_followed_back(tmp_path):
    """Where the current file has no header, those before it are read until one has."""
    save(tmp_path, "launcher.20240826.log", log((-9000, RESTART), (-8999, ATTEMPT)))
    save(tmp_path, "launcher.20240827.log", log((-200, RESTART), (-199, AUTO), (-198, ATTEMPT)))
    save(tmp_path, "launcher.20240828.log", log((-100, ATTEMPT), (-50, CHALLENGE)))
    save(tmp_path, "launcher.log", log((-30, HEARTBEAT)))
    found = login_phase(tmp_path, at(0))
    assert (found.phase, found.since, found.last_line) == ("second-factor", at(-50), at(-30))
    assert (found.attempts, found.restart) == (2, "auto")


def test_rotated_logs_do_not_count_after_a_header(tmp_path):
    """A process that started in the current file has no past."""
    save(tmp_path, "launcher.20240828.log", log(*TRYING))
    save(tmp_path, "launcher.log", log((100, RESTART)))
    found = login_phase(tmp_path, at(101))
    assert (found.phase, found.attempts, found.restart) == ("starting", 0, "fresh")


def test_only_the_end_of_a_huge_log_is_read(tmp_path, monkeypatch):
    """Several MB without a line break, or with many: what is read and kept has a bound."""
    monkeypatch.setattr(launcher_log, "LIMIT", 4 << 20)
    with (tmp_path / "launcher.log").open("w") as file:
        file.writelines(line + "\n" for line in log(*LOGGED_IN))
        file.write("x" * 5_000_000 + stamped(2, CHALLENGE) + "\n")
        filler = stamped(57, NOISE) + "\n"
        file.writelines([filler] * 10_000)
        file.writelines(line + "\n" for line in log((70, ATTEMPT), (71, CHALLENGE)))
    save(tmp_path, "launcher.20240828.log", ["y" * 5_000_000])
    tracemalloc.start()
    found = login_phase(tmp_path, at(72))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * files.BLOCK
    assert (found.phase, found.since, found.attempts) == ("second-factor", at(71), 1)
    # The header is out of reach, so how the process started is not known.
    assert found.restart is None


def test_half_a_line_at_the_cut_is_dropped(tmp_path, monkeypatch):
    """What is left of a line whose beginning was not read may look like a line of its own."""
    monkeypatch.setattr(launcher_log, "LIMIT", 400)
    rest = stamped(60, CHALLENGE) + "\n"
    filler = "z" * (400 - len(rest) - 1) + "\n"
    (tmp_path / "launcher.log").write_text(stamped(5, ATTEMPT) + "\n" + "x: " + rest + filler)
    assert login_phase(tmp_path, at(61)) == LoginPhase()


def test_rotated_logs_share_the_bound(tmp_path, monkeypatch):
    """However many there are and whatever their size, no more is read of all of them."""
    monkeypatch.setattr(launcher_log, "LIMIT", 1 << 20)
    read = []
    look = files.from_last

    def counted(path, mark, is_telling, limit):
        log = look(path, mark, is_telling, limit)
        if log is not None:
            read.append(log.size)
        return log

    monkeypatch.setattr(files, "from_last", counted)
    save(tmp_path, "launcher.log", log((60, HEARTBEAT)))
    for day in range(10, 29):
        save(tmp_path, f"launcher.202408{day}.log", [stamped(1, NOISE)] * 2500)
    assert login_phase(tmp_path, at(61)).phase == "unknown"
    assert (1 << 20) - 200 < sum(read) <= 1 << 20
    assert len(read) < 6


@pytest.mark.parametrize("block", [64, 1000, 1 << 20])
def test_the_last_start_is_found_wherever_it_stands(tmp_path, monkeypatch, block):
    """A log is searched block by block from its end, and no line is lost between two."""
    monkeypatch.setattr(files, "BLOCK", block)
    for before in range(0, 300, 7):
        entries = [(0, RESTART), (1, CHALLENGE), (2, "x" * before), (100, RESTART), (101, AUTO)]
        quoted = [(102, f"He said {RESTART}"), *((103 + n, NOISE) for n in range(9))]
        save(tmp_path, "launcher.log", log(*entries, *quoted))
        found = login_phase(tmp_path, at(115))
        assert (found.phase, found.since, found.restart) == ("starting", at(100), "auto")


def months(entries, days):
    """Return entries, and after them what a gateway writes while nobody logs in."""
    begin = entries[-1][0]
    times = range(begin + 300, begin + days * 86400, 300)
    quiet = [[(at, MEMORY), (at, IDLE), (at + 1, CPU), (at + 180, GSTAT)] for at in times]
    return [*entries, *(entry for one in quiet for entry in one)]


@pytest.mark.parametrize(
    ("since", "phase"),
    [
        ([], "session-expired"),
        ([(90_000, RESTART)], "not-logged-in"),
        (
            [(90_000, ATTEMPT), (90_010, CHALLENGE), (90_020, DONE), (90_020, ENCRYPTED)],
            "logged-in",
        ),
        ([(90_000, ATTEMPT), (90_010, CHALLENGE), (90_200, ENDED)], "challenge-unanswered"),
    ],
)
def test_a_refusal_of_days_ago(tmp_path, since, phase):
    """It is found behind days of what comes by itself, unless something came of it since."""
    entries = months([*TRYING, (8, EXPIRED), (8, NOT_DONE)], 1) + since
    if phase != "logged-in":
        entries = months(entries, 9)
    save(tmp_path, "launcher.log", log(*entries), at(entries[-1][0]))
    found = login_phase(tmp_path, at(entries[-1][0] + 60))
    assert found.phase == phase
    assert ("tokens" in found.reason) == (phase == "session-expired")


@pytest.mark.parametrize("hours", [-10, -2, 0, 5.5, 9])
def test_a_log_in_another_zone_is_read_on_its_own_clock(tmp_path, hours):
    """A container that has UTC writes into a folder of a machine that has not."""
    here = timedelta(hours=hours)
    save(tmp_path, "launcher.log", log(*ASKED), at(49) + here)
    assert login_phase(tmp_path, at(60) + here).phase == "second-factor"
    assert login_phase(tmp_path, at(160) + here).phase == "silent"
    save(tmp_path, "launcher.log", log(*THROTTLED), at(13) + here)
    assert login_phase(tmp_path, at(22) + here).wait_seconds == 285


def test_a_log_written_to_at_no_zones_distance_is_taken_as_it_is(tmp_path):
    """A file that was copied later has the time of the copy, which tells nothing of a zone."""
    for minutes in (7, 188, 60 * 24 * 7):
        save(tmp_path, "launcher.log", log(*ASKED), at(49) + timedelta(minutes=minutes))
        assert login_phase(tmp_path, at(60)).phase == "second-factor"
        assert login_phase(tmp_path, at(160)).phase == "silent"
