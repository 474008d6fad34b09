"""What a connect takes longer because a team's store is not there: refused, mute, slow or frozen.

Each connect is the first of a process of its own, or one right after the store froze; both sides
take turns.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

from kernels import LIBRARY
from measuring import MeasuringFailedError, Row, shown

from ibnb.simulator import SimulatedGateway

LOOPBACK = "127.0.0.1"
MOST = 0.25
SLOW_NAME = "slow.example"
SLOW_SECONDS = 3.0
"""How long the name server takes, of which one is made here, until it says that it knows no name.
"""

Running = Callable[[], AbstractContextManager[tuple[str, Callable[[], None]]]]
"""Runs a server; hands out its URL, and what freezes it."""


def measure(running: Running, *, long: bool) -> list[Row]:
    """Return a row for each way in which a store is absent."""
    times = 15 if long else 5
    with SimulatedGateway() as gateway, _nobody() as refusing, _mute() as mute:
        urls = {
            "refused": f"redis://{LOOPBACK}:{refusing}/0",
            "mute": f"redis://{LOOPBACK}:{mute}/0",
            "mute, with TLS": f"rediss://{LOOPBACK}:{mute}/0",
            "its name looked up for 3 s": f"redis://{SLOW_NAME}:6379/0",
        }
        rows = [_row(name, *_first(gateway.port, url, times)) for name, url in urls.items()]
        return [*rows, _row("frozen meanwhile", *_frozen(gateway.port, running, times))]


def _row(name: str, ours: list[float], theirs: list[float]) -> Row:
    """Compare the medians, and the worst of each side: a busy machine is as slow for both."""
    usual = statistics.median(ours) - statistics.median(theirs)
    worst = max(ours) - max(theirs)
    return Row(
        f"connect without its store ({name}) against without `leases`",
        f"{shown(max(0.0, usual))} more, the worst {shown(max(0.0, worst))} more "
        f"({shown(statistics.median(ours))} against {shown(statistics.median(theirs))}, "
        f"{len(ours)} each)",
        f"at most {shown(MOST)} more",
        max(usual, worst) <= MOST,
    )


def _first(port: int, url: str, times: int) -> tuple[list[float], list[float]]:
    """Return what first connects take with a store that is not there, and without any."""
    sides: tuple[list[float], list[float]] = [], []
    for _ in range(times):
        for seconds, leases in zip(sides, (url, ""), strict=True):
            with _connecting(port, leases) as connects:
                seconds.append(next(connects))
    return sides


def _frozen(port: int, running: Running, times: int) -> tuple[list[float], list[float]]:
    """Return what second connects take after the store froze, and while it answers."""
    sides: tuple[list[float], list[float]] = [], []
    for number in range(2 * times):
        with running() as (url, freeze), _connecting(port, url) as connects:
            next(connects)
            if number % 2 == 0:
                freeze()
            sides[number % 2].append(next(connects))
    return sides


@contextmanager
def _connecting(port: int, leases: str) -> Iterator[Iterator[float]]:
    """Start a process; yield what each of its connects takes, one after the other."""
    words = [sys.executable, __file__, str(port)]
    environment = {**os.environ, "IBNB_LEASES": leases}
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            yield _seconds(process)
        finally:
            process.kill()


def _seconds(process: subprocess.Popen[str]) -> Iterator[float]:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise MeasuringFailedError("no pipes")
    while True:
        stdin.write("connect\n")
        stdin.flush()
        said = stdout.readline()
        if not said:
            raise MeasuringFailedError("a connect failed")
        yield float(said)


@contextmanager
def _nobody() -> Iterator[int]:
    """Hold a port at which nobody listens."""
    with socket.socket() as held:
        held.bind((LOOPBACK, 0))
        yield held.getsockname()[1]


@contextmanager
def _mute() -> Iterator[int]:
    """Listen at a port without ever answering: the system accepts, and nobody else."""
    with socket.create_server((LOOPBACK, 0), backlog=200) as server:
        yield server.getsockname()[1]


def _connect(port: int) -> None:
    """Connect once for each line that is read, and print what it took."""
    import ibnb

    with suppress(ImportError):
        __import__(LIBRARY)
    look_up = socket.getaddrinfo

    def slowly(host: str, *rest: object, **more: object) -> object:
        if host == SLOW_NAME:
            time.sleep(SLOW_SECONDS)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *rest, **more)  # type: ignore[arg-type]

    socket.getaddrinfo = slowly  # type: ignore[assignment]
    for _ in sys.stdin:
        begun = time.perf_counter()
        ibnb.connect(port, library=LIBRARY)
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    _connect(int(sys.argv[1]))
