import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import psutil
import pytest

from ibnb.tws import sockets
from ibnb.tws.sockets import SocketsUnreadableError, clients_of, listeners, port_use

LOOPBACK = "127.0.0.1"
CONNECTING = """
import socket, sys
socks = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(2)]
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def listener():
    """Listen on a free port of the loopback."""
    with socket.create_server((LOOPBACK, 0)) as sock:
        yield sock


@pytest.fixture
def denied(monkeypatch):
    """Refuse the system-wide view, as macOS does to everyone but root."""

    def net_connections(**_):
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", net_connections)


@contextmanager
def connected_process(port):
    """Run another process that holds two connections to a port."""
    with subprocess.Popen(
        [sys.executable, "-c", CONNECTING, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "connected\n"
            yield process
        finally:
            process.stdin.close()
            process.wait(20)


def port_of(sock):
    return sock.getsockname()[1]


def free_port():
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        return port_of(sock)


def test_listener_is_found_with_its_owner(listener):
    """Who listens, where, and under which name."""
    (found,) = listeners([port_of(listener)])
    assert found.port == port_of(listener)
    assert found.address == LOOPBACK
    assert found.pid == os.getpid()
    assert found.name == psutil.Process().name()


def test_all_listeners_without_a_choice_of_ports(listener):
    """Without ports, all of them, in order."""
    ports = [one.port for one in listeners()]
    assert port_of(listener) in ports
    assert ports == sorted(ports)


def test_only_the_ports_asked_for(listener):
    """A port on which nobody listens has no listener, and another port's does not count."""
    with socket.create_server((LOOPBACK, 0)) as other:
        assert {one.port for one in listeners([port_of(listener)])} == {port_of(listener)}
        assert port_of(other) != port_of(listener)
    assert listeners([free_port()]) == ()
    assert listeners([]) == ()


def test_bound_is_not_listening():
    """A socket that was only bound accepts nobody."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        assert listeners([port_of(sock)]) == ()


def test_client_is_found_with_what_it_is(listener):
    """Another process with two connections is one client that holds two."""
    with connected_process(port_of(listener)) as process:
        (found,) = clients_of(port_of(listener))
        assert found.pid == process.pid
        assert found.connections == 2
        assert found.started == psutil.Process(process.pid).create_time()
        assert found.label == found.name == psutil.Process(process.pid).name()
    assert clients_of(port_of(listener)) == ()


def test_server_side_is_no_client(listener):
    """The gateway's own end of a connection does not make it a client of itself."""
    with connected_process(port_of(listener)) as process:
        accepted = [listener.accept()[0] for _ in range(2)]
        assert {one.pid for one in clients_of(port_of(listener))} == {process.pid}
        for sock in accepted:
            sock.close()


def test_clients_are_ordered_by_age(listener):
    """The one that was there first comes first: it is the likely holder."""
    port = port_of(listener)
    with socket.create_connection((LOOPBACK, port)), connected_process(port) as process:
        assert [one.pid for one in clients_of(port)] == [os.getpid(), process.pid]


@pytest.mark.parametrize(
    ("near", "far", "own"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::ffff:127.0.0.1", True),
        ("192.0.2.5", "192.0.2.5", True),
        ("fe80::1%eth0", "fe80::1%eth0", True),
        ("192.0.2.5", "192.0.2.9", False),
        ("2001:db8::1", "2001:db8::2", False),
    ],
)
def test_own_ports_are_told_from_those_of_other_machines(monkeypatch, near, far, own):
    """A connection to another machine's port of that number is not a client of ours."""
    connection = SimpleNamespace(
        laddr=SimpleNamespace(ip=near, port=50000),
        raddr=SimpleNamespace(ip=far, port=4002),
        status="ESTABLISHED",
        pid=os.getpid(),
    )
    monkeypatch.setattr(psutil, "net_connections", lambda **_: [connection])
    assert bool(clients_of(4002)) is own


@pytest.mark.usefixtures("denied")
def test_without_the_system_wide_view_each_process_is_asked(listener):
    """Where the system-wide call is refused, what this user may see is still found."""
    (found,) = listeners([port_of(listener)])
    assert found.pid == os.getpid()
    with connected_process(port_of(listener)) as process:
        (client,) = clients_of(port_of(listener))
        assert (client.pid, client.connections) == (process.pid, 2)


@pytest.mark.usefixtures("denied")
def test_nobody_is_never_claimed_unseen(monkeypatch, listener):
    """When a process could not be looked at, an empty answer would be a guess: it is an error."""
    look = sockets._of_process

    def look_at_own(process):
        if process.pid != os.getpid():
            raise psutil.AccessDenied(process.pid)
        return look(process)

    monkeypatch.setattr(sockets, "_of_process", look_at_own)
    assert listeners([port_of(listener)])[0].pid == os.getpid()
    for question in (
        lambda: listeners([free_port()]),
        lambda: clients_of(1),
        lambda: port_use(free_port()),
    ):
        with pytest.raises(SocketsUnreadableError, match="another user"):
            question()


@pytest.mark.usefixtures("denied")
def test_each_port_is_vouched_for_by_itself(monkeypatch, listener):
    """That one port has a visible listener says nothing of another one, whose owner is hidden."""
    look = sockets._of_process

    def look_at_own(process):
        if process.pid != os.getpid():
            raise PermissionError(13, "Permission denied")
        return look(process)

    monkeypatch.setattr(sockets, "_of_process", look_at_own)
    visible, unseen = port_of(listener), free_port()
    with pytest.raises(SocketsUnreadableError, match="another user"):
        listeners([visible, unseen])
    seen = sockets.listening([visible, unseen])
    assert [one.port for one in seen.found] == [visible]
    assert (len(seen.on(visible)), seen.on(unseen), seen.complete) == (1, (), False)


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), psutil.Error()])
def test_a_system_that_lists_no_sockets(monkeypatch, error):
    """Whatever the system says instead of its sockets, it is told as that and as nothing else."""

    def net_connections(**_):
        raise error

    monkeypatch.setattr(psutil, "net_connections", net_connections)
    for question in (listeners, lambda: clients_of(1), lambda: port_use(1)):
        with pytest.raises(SocketsUnreadableError, match="the system does not list them"):
            question()


@pytest.mark.usefixtures("denied")
def test_processes_that_vanish_are_passed_over(monkeypatch, listener):
    """A process that ended while it was looked at holds no socket any more."""
    look = sockets._of_process

    def look_at_own(process):
        if process.pid != os.getpid():
            raise psutil.NoSuchProcess(process.pid)
        return look(process)

    monkeypatch.setattr(sockets, "_of_process", look_at_own)
    assert listeners([free_port()]) == ()
    assert listeners([port_of(listener)])[0].pid == os.getpid()
    unused = free_port()
    assert port_use(unused) == sockets.PortUse(unused, 0, 0, ())


def test_owner_that_is_hidden_or_gone(monkeypatch):
    """A socket whose owner cannot be named is still reported."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(20)
    far = SimpleNamespace(ip=LOOPBACK, port=4002)
    near = SimpleNamespace(ip=LOOPBACK, port=50000)
    found = [
        SimpleNamespace(laddr=far, raddr=(), status="LISTEN", pid=None),
        SimpleNamespace(laddr=near, raddr=far, status="ESTABLISHED", pid=None),
        SimpleNamespace(laddr=near, raddr=far, status="ESTABLISHED", pid=gone.pid),
    ]
    monkeypatch.setattr(psutil, "net_connections", lambda **_: found)
    assert listeners([4002]) == (sockets.Listener(4002, LOOPBACK, None, None),)
    assert {client.pid for client in clients_of(4002)} == {None, gone.pid}
    assert {client.label for client in clients_of(4002)} == {sockets.UNSEEN}
    assert port_use(4002).established == 0
    assert {client.pid for client in port_use(4002).clients} == {None, gone.pid}


def test_use_of_a_port_counts_what_the_listener_holds(listener):
    """Both ends of a connection are here: the listener's counts, the client's tells who it is."""
    port = port_of(listener)
    with connected_process(port) as process:
        accepted = [listener.accept()[0] for _ in range(2)]
        use = port_use(port)
        assert (use.port, use.established, use.close_wait) == (port, 2, 0)
        assert use.clients == clients_of(port)
        assert [(one.pid, one.connections) for one in use.clients] == [(process.pid, 2)]
        assert use.complete
        for sock in accepted:
            sock.close()


def test_connections_that_only_the_client_has_closed_wait_for_the_listener(listener):
    """They are what a stuck gateway piles up; they go when it closes them."""
    port = port_of(listener)
    clients = [socket.create_connection((LOOPBACK, port)) for _ in range(3)]
    accepted = [listener.accept()[0] for _ in clients]
    for sock in clients[:2]:
        sock.close()
    # The end of the stream has come: from here on it is the listener's turn to close.
    assert [sock.recv(1) for sock in accepted[:2]] == [b"", b""]
    use = port_use(port)
    assert (use.established, use.close_wait) == (1, 2)
    assert [(one.pid, one.connections) for one in use.clients] == [(os.getpid(), 1)]
    for sock in [*accepted, clients[2]]:
        sock.close()
    after = port_use(port)
    assert (after.established, after.close_wait, after.clients) == (0, 0, ())


def test_an_unused_port_has_no_connections(listener):
    """A listener that nobody is connected to, and a port without one, are as empty."""
    for port in (port_of(listener), free_port()):
        assert port_use(port) == sockets.PortUse(port, 0, 0, ())


def test_use_of_a_port_is_one_look_at_the_sockets(monkeypatch, listener):
    """The numbers are of one moment, and looking is slow where there are many sockets."""
    looks = []
    look = psutil.net_connections

    def net_connections(**options):
        looks.append(options)
        return look(**options)

    monkeypatch.setattr(psutil, "net_connections", net_connections)
    port_use(port_of(listener))
    assert len(looks) == 1


@pytest.mark.usefixtures("denied")
def test_use_of_a_port_as_far_as_it_can_be_seen(monkeypatch, listener):
    """Without the view of the whole system the numbers are lower bounds, and say so."""
    port = port_of(listener)
    with connected_process(port) as process:
        accepted = [listener.accept()[0] for _ in range(2)]
        look = sockets._of_process

        def look_at_own(looked_at):
            if looked_at.pid != os.getpid():
                raise psutil.AccessDenied(looked_at.pid)
            return look(looked_at)

        assert [one.pid for one in port_use(port).clients] == [process.pid]
        monkeypatch.setattr(sockets, "_of_process", look_at_own)
        assert port_use(port) == sockets.PortUse(port, 2, 0, (), complete=False)
        for sock in accepted:
            sock.close()


def test_use_of_a_port_whose_users_are_hidden(monkeypatch):
    """Where the system tells no owner, the connections still count, and so do other machines'."""
    here, there = SimpleNamespace(ip=LOOPBACK, port=4002), SimpleNamespace(ip=LOOPBACK, port=50000)
    far = SimpleNamespace(ip="192.0.2.9", port=50001)
    found = [
        SimpleNamespace(laddr=here, raddr=(), status="LISTEN", pid=None),
        SimpleNamespace(laddr=here, raddr=there, status="ESTABLISHED", pid=None),
        SimpleNamespace(laddr=there, raddr=here, status="ESTABLISHED", pid=None),
        SimpleNamespace(laddr=here, raddr=far, status="CLOSE_WAIT", pid=None),
        SimpleNamespace(laddr=here, raddr=far, status="TIME_WAIT", pid=None),
        SimpleNamespace(laddr=there, raddr=here, status="CLOSE_WAIT", pid=None),
    ]
    monkeypatch.setattr(psutil, "net_connections", lambda **_: found)
    use = port_use(4002)
    assert (use.established, use.close_wait) == (1, 1)
    assert [client.label for client in use.clients] == [sockets.UNSEEN]
