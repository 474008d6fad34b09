"""What a program was granted: kept by a thread, and without a store it goes on as with none."""

import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from redis_server import RedisServer

from ibnb.session.client_ids.counts import HistoryRequest, Used
from ibnb.session.client_ids.grants import Refusal, StoreDownError, new_token, steady
from ibnb.session.client_ids.keeper import CONNECT_SECONDS, GrantKeeper
from ibnb.session.client_ids.lease import SharedLease, new_lease, shared
from ibnb.session.client_ids.leases import SqliteLeases
from ibnb.session.client_ids.notebook_leases import NotebookLeases
from ibnb.session.client_ids.owners import find_holders, tell_holders
from ibnb.session.client_ids.redis_grants import RedisGrants, import_client
from ibnb.session.client_ids.shared_leases import SharedLeases, place_in, probe
from ibnb.session.client_ids.sqlite_grants import SqliteGrants
from ibnb.session.client_ids.store_url import StoreUrl
from ibnb.session.client_ids.team import team_of
from ibnb.session.client_ids.trading_right import TradingRight
from ibnb.tws.target import Target
from ibnb.ui.team import team_text

GATEWAY = ("gateway.example", 4002)
SCOPE = "gateway.example:4002"
ACCOUNT = "U7654321"
SHORT = 1.0
LONGEST = 60.0


def until(holds):
    """Wait until something is so."""
    deadline = time.monotonic() + LONGEST
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A Redis server for all tests that do not hold it up."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def server(running):
    """An empty Redis server."""
    running.says("FLUSHALL")
    return running


@pytest.fixture
def own_server(tmp_path):
    """A Redis server of the test's own."""
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def keep():
    """Make keepers, as several programs have them; all are closed at the end."""
    made = []

    def keep(store, look=lambda: None, prepare=lambda: None, *, every=0.2, patience=1.0):
        # More patience than a connect has: a machine that is busy with tests may be slow.
        made.append(GrantKeeper(store, look, prepare, every=every, retry=0.1, patience=patience))
        return made[-1]

    yield keep
    for keeper in made:
        keeper.close()


@pytest.fixture
def team(server, keep, tmp_path):
    """Make lease stores of several machines that share the server."""

    def team(machine="one", ttl=SHORT, at=server):
        url = StoreUrl(at.url)
        keeper = keep(RedisGrants(url, ttl), lambda: probe(url))
        folder = tmp_path / machine
        folder.mkdir(exist_ok=True)
        keeper.start()
        # Not what these tests are about: on a busy machine its first answer takes its time.
        until(lambda: keeper.has_answered and not keeper.is_down)
        return SharedLeases(keeper, SqliteLeases(folder), place_in(folder))

    return team


def settled(leases):
    """Return leases whose server grants: one that has just started does not yet."""
    until(lambda: leases.enter(lease(9)) is None and not leases.keeper.is_down)
    leases.give_back(lease(9))
    return leases


def lease(client_id=41, notebook="a.ipynb"):
    """Return a lease of this process."""
    return new_lease(*GATEWAY, client_id, notebook)


def said(caplog):
    """Return the lines that a user sees."""
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_what_is_held_is_renewed_by_itself(kind, keep, tmp_path, request):
    """Far beyond the time for which it holds without, until it is dropped."""
    if kind == "sqlite":
        stores = [SqliteGrants(tmp_path, SHORT) for _ in range(2)]
    else:
        url = StoreUrl(request.getfixturevalue("server").url)
        stores = [RedisGrants(url, SHORT) for _ in range(2)]
    keeper, other = keep(stores[0]), stores[1]

    def granted():
        return keeper.want(SCOPE, "id:41", shared(lease())).is_held

    until(granted)
    begun = steady()
    while steady() < begun + 2 * SHORT:
        got = other.acquire(SCOPE, "id:41", shared(lease()), token=new_token())
        assert isinstance(got, Refusal)
    keeper.drop(SCOPE, "id:41")
    assert not isinstance(
        other.acquire(SCOPE, "id:41", shared(lease()), token=new_token()), Refusal
    )


def test_ids_of_two_machines_are_apart(team):
    """Notebooks of one name on two machines, or homes, are two; on one machine they are one."""
    first, second = settled(team("one")), team("two")
    ids = {one.client_id("same.ipynb", 4711, GATEWAY) for one in (first, second)}
    assert len(ids) == 2
    assert team("one").client_id("same.ipynb", 5000, GATEWAY) == 4711


def test_the_owner_is_named_from_another_machine(team):
    """Notebook, user, host and since when; nothing of this machine has to be looked at."""
    first, second = settled(team("one")), team("two")
    away = replace(lease(), machine="desk-7", user="anna", pid=77)
    first.take(away)
    (found,) = second.find(*GATEWAY, 41)
    assert found == shared(replace(away, host="gateway.example"))
    target, begun = Target(*GATEWAY), time.monotonic()
    (told,) = tell_holders(target, 41, find_holders(target, 41, second))
    # Ten times what it may take; what it takes is measured in benchmarks/leases.py.
    assert time.monotonic() - begun < 1.0
    for word in ("a.ipynb", "anna", "desk-7", "77", "since"):
        assert word in told
    first.give_back(away)
    assert second.find(*GATEWAY, 41) == ()


def test_a_dead_holder_is_forgotten(team, keep, server):
    """After its time, when nobody renews what it had."""
    second = settled(team("two"))
    dead = RedisGrants(StoreUrl(server.url), SHORT)
    dead.acquire(SCOPE, "id:41", shared(lease()), token=new_token(), take_over=True)
    assert second.find(*GATEWAY, 41)
    until(lambda: not second.find(*GATEWAY, 41))
    assert keep


def test_without_a_server_it_goes_on_as_with_no_store(keep, tmp_path, caplog):
    """Nobody is refused anything; one line says it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        url = StoreUrl(f"redis://:hunter2@127.0.0.1:{sock.getsockname()[1]}/0")
        keeper = keep(RedisGrants(url, SHORT), lambda: probe(url))
        leases = SharedLeases(keeper, SqliteLeases(tmp_path), "here")
        notebook = NotebookLeases(lambda: "a.ipynb", lambda: leases)
        for _ in range(3):
            assert notebook.client_id(4711, gateway=GATEWAY) == 4711
            notebook.entering((*GATEWAY, 4711))
            assert notebook.enter() is None
            notebook.acquired((*GATEWAY, 4711))
        assert notebook.claim_trading((*GATEWAY, 4711), [ACCOUNT]) == ""
        assert notebook.right.allows_now([ACCOUNT])
        (line,) = until(lambda: said(caplog))
        assert f"{url!r} does not answer" in line
        assert "hunter2" not in line
        assert notebook.client_id(5000, gateway=GATEWAY) == 4711


def test_a_silent_server_delays_nobody_twice(keep, tmp_path, caplog):
    """One that accepts and says nothing is waited for once, and left alone then."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = StoreUrl(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        asked = threading.Event()

        class Store(RedisGrants):
            def client_id(self, *_args):
                asked.set()
                return 0

        keeper = keep(Store(url, SHORT), lambda: probe(url))
        leases = SharedLeases(keeper, SqliteLeases(tmp_path), "here")
        for _ in range(3):
            assert leases.client_id("a.ipynb", 4711, GATEWAY) is None
        assert not asked.is_set()
        until(lambda: said(caplog))
        assert len(said(caplog)) == 1


def test_a_name_that_is_looked_up_for_long_is_not_waited_for(keep, tmp_path, caplog):
    """As with a name server that is gone; said in one line."""
    url, answers = StoreUrl("redis://slow.example/0"), threading.Event()

    def look_up():
        answers.wait(LONGEST)
        raise StoreDownError("the name is not known")

    keeper = keep(RedisGrants(url, SHORT), look_up)
    leases = SharedLeases(keeper, SqliteLeases(tmp_path), "here")
    try:
        for _ in range(3):
            assert leases.client_id("a.ipynb", 4711, GATEWAY) is None
            assert leases.enter(lease()) is None
        assert leases.is_silent
        assert len(said(caplog)) == 1
    finally:
        answers.set()


def test_a_server_that_begins_to_answer_and_stops_is_not_waited_for(keep, tmp_path):
    """As a proxy whose server is gone: it is there, and then its client waits."""
    with socket.create_server(("127.0.0.1", 0)) as stopping:
        stopping.settimeout(LONGEST)
        url = StoreUrl(f"redis://127.0.0.1:{stopping.getsockname()[1]}/0")
        store = RedisGrants(url, SHORT)
        keeper = keep(store, lambda: probe(url), import_client, patience=CONNECT_SECONDS)
        leases = SharedLeases(keeper, SqliteLeases(tmp_path), "here")
        keeper.start()
        with stopping.accept()[0] as probed:
            probed.recv(1)
            probed.sendall(b"+PONG\r\n")
        with stopping.accept()[0] as client:
            assert leases.client_id("a.ipynb", 4711, GATEWAY) is None
            # Its client waits still, and whoever asks does not.
            client.setblocking(False)
            client.recv(65536)
            with pytest.raises(BlockingIOError):
                client.recv(1)


def test_an_encrypted_server_that_stays_silent_is_not_waited_for(keep, tmp_path):
    """It is known for silent before its client is imported, which takes longer than a connect."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url, imported = StoreUrl(f"rediss://127.0.0.1:{silent.getsockname()[1]}/0"), []
        keeper = keep(RedisGrants(url, SHORT), lambda: probe(url), lambda: imported.append("redis"))
        leases = SharedLeases(keeper, SqliteLeases(tmp_path), "here")
        assert leases.client_id("a.ipynb", 4711, GATEWAY) is None
        assert leases.is_silent
        assert not imported


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes a certificate with openssl")
def test_an_encrypted_server_is_found(tmp_path):
    """Whosever its certificate is: that is looked at by its client; a closed one is not there."""
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=store", "-days", "1"]
    files = str(tmp_path / "certificate"), str(tmp_path / "key")
    made = ["openssl", "req", *words, "-out", files[0], "-keyout", files[1]]
    subprocess.run(made, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*files)
    asked = []

    def answer(server):
        with server.accept()[0] as plain, tls.wrap_socket(plain, server_side=True) as sock:
            asked.append(sock.recv(100))
            sock.sendall(b"-NOAUTH Authentication required.\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = StoreUrl(f"rediss://:hunter2@127.0.0.1:{server.getsockname()[1]}/0")
        answering = threading.Thread(target=answer, args=(server,))
        answering.start()
        probe(url)
        answering.join()
    assert asked == [b"PING\r\n"]
    with pytest.raises(StoreDownError, match="refused"):
        probe(url)


def test_a_server_that_is_held_up_meanwhile_is_left_alone(team, own_server, caplog):
    """A notebook that used it connects without it, and uses it again; one line for each."""
    leases = settled(team(at=own_server))
    notebook = NotebookLeases(lambda: "a.ipynb", lambda: leases)
    known = notebook.client_id(4711, gateway=GATEWAY)
    caplog.clear()
    own_server.pause()
    try:
        for _ in range(3):
            assert notebook.client_id(4711, gateway=GATEWAY) == known
            notebook.entering((*GATEWAY, known))
            assert notebook.enter() is None
            notebook.acquired((*GATEWAY, known))
            notebook.claim_trading((*GATEWAY, known), [ACCOUNT])
        assert leases.is_silent
    finally:
        own_server.go_on()
    until(lambda: not leases.is_silent)
    other = team("two", at=own_server)
    until(lambda: any(isinstance(one, SharedLease) for one in other.find(*GATEWAY, known)))
    lines = [line for line in said(caplog) if own_server.url in line]
    assert [("answers again" in line) for line in lines[:2]] == [False, True]


def test_a_server_that_comes_back_is_used_again(team, own_server, caplog):
    """What was wanted meanwhile is asked for then, by itself."""
    leases = settled(team(at=own_server))
    leases.take(lease(42))
    caplog.clear()
    own_server.kill()
    until(lambda: leases.keeper.is_down)
    leases.take(lease())
    assert leases.find(*GATEWAY, 41)
    own_server.start()
    until(lambda: not leases.keeper.is_down)
    other = team("two", at=own_server)
    until(lambda: any(isinstance(one, SharedLease) for one in other.find(*GATEWAY, 41)))
    assert sum("does not answer" in line for line in said(caplog)) == 1
    assert sum("answers again" in line for line in said(caplog)) == 1


def test_the_right_to_trade_has_one_holder(team):
    """A second session is told who has it, and gets it when the first gives it back."""
    first, second = settled(team("one")), team("two")
    rights = [TradingRight(one.keeper) for one in (first, second)]
    assert rights[0].claim([ACCOUNT], lease(41, "a.ipynb")) == ""
    told = rights[1].claim([ACCOUNT], lease(42, "b.ipynb"))
    assert "held by notebook a.ipynb" in told
    assert rights[0].allows_now([ACCOUNT])
    assert not rights[1].allows_now([ACCOUNT])
    assert not rights[1].allows_now([ACCOUNT, "U1111111"])
    rights[0].drop()
    until(lambda: rights[1].allows_now([ACCOUNT]))
    assert not rights[0].allows_now([ACCOUNT])


def test_nothing_is_asked_for_once_it_is_closed(team, keep, server):
    """A thread that is about to renew the right does not get it back for half a minute."""
    leases = settled(team())
    right = TradingRight(leases.keeper)
    assert right.claim([ACCOUNT], lease()) == ""
    leases.close()
    right._claim(RedisGrants(StoreUrl(server.url), SHORT))
    leases.take(lease())
    other = RedisGrants(StoreUrl(server.url), SHORT)
    assert other.held("trading") == other.held(SCOPE) == ()
    assert keep


def test_a_store_that_is_slow_at_the_wrong_moment_lets_nothing_go(team, own_server):
    """It has answered before, so somebody may have the right; it is asked for again."""
    leases = settled(team(at=own_server))
    right = TradingRight(leases.keeper)
    own_server.pause()
    try:
        assert right.claim([ACCOUNT], lease()).startswith("The team's store did not answer")
        assert not right.allows_now([ACCOUNT])
    finally:
        own_server.go_on()
    until(lambda: right.allows_now([ACCOUNT]))


def test_rights_to_several_accounts_are_apart(team):
    """Who has one account says nothing of another."""
    first, second = settled(team("one")), team("two")
    rights = [TradingRight(one.keeper) for one in (first, second)]
    assert rights[0].claim([ACCOUNT], lease()) == ""
    assert rights[1].claim(["U1111111"], lease()) == ""


def test_no_account_is_in_the_server(team, server):
    """Its name there is a hash, whatever is read."""
    import redis

    TradingRight(settled(team()).keeper).claim([ACCOUNT], lease())
    client = redis.Redis(port=server.port, decode_responses=True)
    (key,) = until(lambda: client.keys("ibnb:grant:trading:*"))
    assert ACCOUNT not in f"{key} {client.hgetall(key)} {client.keys()}"


def test_a_right_that_was_not_renewed_in_time_lets_nothing_go(team, own_server):
    """After a partition: by the clock of whoever had it, at the latest when another can have it."""
    leases = settled(team(at=own_server))
    right = TradingRight(leases.keeper)
    assert right.claim([ACCOUNT], lease()) == ""
    own_server.pause()
    try:
        until(lambda: not right.allows_now([ACCOUNT]))
        assert "expired" in right.objection([ACCOUNT])
        # A rerun does not get round it.
        assert right.claim([ACCOUNT], lease()) != ""
        assert not right.allows_now([ACCOUNT])
    finally:
        own_server.go_on()
    until(lambda: right.allows_now([ACCOUNT]))


def test_a_right_that_another_got_lets_nothing_go_at_once(team, server):
    """Judged in the store at the time of sending: also before the holder's own time is over."""
    import redis

    leases = settled(team())
    right = TradingRight(leases.keeper)
    assert right.claim([ACCOUNT], lease()) == ""
    client = redis.Redis(port=server.port, decode_responses=True)
    (key,) = client.keys("ibnb:grant:trading:*")
    # As when the store was emptied and somebody else was granted it since.
    client.hset(key, mapping={"token": "another", "fence": "9999999999999999"})
    assert not right.allows_now([ACCOUNT])


def test_after_a_restart_the_holder_has_its_right_still(team, own_server):
    """The server forgot it; nobody else gets it, and the holder says that it has it."""
    first, second = settled(team("one", 8.0, own_server)), settled(team("two", 8.0, own_server))
    rights = [TradingRight(one.keeper) for one in (first, second)]
    assert rights[0].claim([ACCOUNT], lease(41, "a.ipynb")) == ""
    assert rights[1].claim([ACCOUNT], lease(42, "b.ipynb")) != ""
    own_server.restart()
    until(lambda: not first.keeper.is_down and not second.keeper.is_down)
    seen = set()
    deadline = steady() + 4.0
    while steady() < deadline:
        seen.add((rights[0].allows_now([ACCOUNT]), rights[1].allows_now([ACCOUNT])))
    assert (True, True) not in seen
    assert rights[0].allows_now([ACCOUNT])


def test_seats_are_counted_and_named(team):
    """With whoever has them, from any machine."""
    first, second = settled(team("one")), team("two")
    for client_id in (41, 42):
        first.take(lease(client_id, f"{client_id}.ipynb"))
    assert [(one.client_id, one.notebook) for one in second.seats(*GATEWAY)] == [
        (41, "41.ipynb"),
        (42, "42.ipynb"),
    ]


def test_who_asks_for_a_seat_too_many_waits(team):
    """Until one of the 32 is given back; what the same session holds it keeps in a rerun."""
    first, second = settled(team("one", ttl=10.0)), team("two", ttl=10.0)
    for client_id in range(100, 132):
        assert first.enter(lease(client_id)) is None
    assert second.enter(lease(41)) == Refusal("full", ahead=0)
    assert first.enter(lease(100)) is None
    first.give_back(lease(131))
    assert second.enter(lease(41)) is None


def test_nobody_waits_behind_who_got_in_without_a_seat(team):
    """Whom the gateway let in waits no more, and the next in the queue comes first."""
    first, second, third = settled(team("one", ttl=10.0)), team("two", 10.0), team("three", 10.0)
    for client_id in range(100, 132):
        assert first.enter(lease(client_id)) is None
    assert second.enter(lease(41)) == Refusal("full", ahead=0)
    assert third.enter(lease(42)) == Refusal("full", ahead=1)
    second.take(lease(41))
    assert third.enter(lease(42)) == Refusal("full", ahead=0)


def test_a_rerun_keeps_its_seat_and_id(team):
    """What is about to be connected again is not given to whoever waits for it."""
    leases = settled(team())
    notebook = NotebookLeases(lambda: "a.ipynb", lambda: leases)
    address = (*GATEWAY, 4711)
    notebook.entering(address)
    assert notebook.enter() is None
    notebook.acquired(address)
    fence = until(lambda: leases.keeper.get(SCOPE, "id:4711").grant).fence
    notebook.entering(address)
    notebook.released(address)
    assert notebook.enter() is None
    notebook.acquired(address)
    assert leases.keeper.get(SCOPE, "id:4711").grant.fence == fence
    notebook.entering(None)
    notebook.released(address)
    until(lambda: leases.keeper.get(SCOPE, "id:4711") is None)


def test_what_did_not_connect_gives_its_seat_back(team):
    """A failed opening leaves nothing in the store."""
    leases = settled(team())
    notebook = NotebookLeases(lambda: "a.ipynb", lambda: leases)
    notebook.entering((*GATEWAY, 4711))
    assert notebook.enter() is None
    notebook.entering(None)
    until(lambda: leases.seats(*GATEWAY) == ())


def test_an_account_in_a_notebooks_name_is_masked(team):
    """What others read has none."""
    leases = settled(team())
    leases.take(lease(41, "/home/U7654321/DU1234567 plan.ipynb"))
    (found,) = leases.seats(*GATEWAY)
    assert "7654321" not in found.notebook
    assert "1234567" not in found.notebook


def test_the_names_of_all_are_known(team):
    """A support bundle takes them out, whatever machine they are of."""
    first, second = settled(team("one")), team("two")
    first.take(replace(lease(), machine="desk-7", user="anna"))
    assert {one.user for one in second.newest(10)} == {"anna"}


def test_the_team_is_one_document(team):
    """By gateway: seats, who has them, who trades, and what is used, as JSON has it."""
    leases = settled(team())
    leases.take(lease(41, "a.ipynb"))
    leases.take(lease(42, "b.ipynb"))
    right = TradingRight(leases.keeper)
    assert right.claim([ACCOUNT], lease(42, "b.ipynb")) == ""
    used = Used(
        "me",
        history=(HistoryRequest(1.0, 2, "x"),),
        lines=frozenset({"AAPL"}),
        opened=frozenset({"1"}),
    )
    leases.keeper.store.use(SCOPE, used)
    document = team_of(team("two")).to_dict()
    assert (document["schema"], document["store"], document["answers"]) == (1, "redis", True)
    (gateway,) = document["gateways"]
    assert (gateway["host"], gateway["port"]) == GATEWAY
    assert gateway["seats"] == {"taken": 2, "limit": 32}
    assert gateway["history"] == {
        "used": 2,
        "limit": 60,
        "window_s": 600,
        "identical": 0,
        "burst": 0,
        "open": 1,
        "open_limit": 50,
    }
    assert gateway["lines"] == {"used": 1}
    told = [(one["client_id"], one["notebook"], one["trades"]) for one in gateway["leases"]]
    assert told == [(41, "a.ipynb", False), (42, "b.ipynb", True)]
    assert set(gateway["leases"][0]) == {
        *("client_id", "notebook", "user", "host", "pid", "since", "trades")
    }
    text = team_text(team_of(team("three")))
    for words in (
        "2 of 32 seats",
        "ID 42  b.ipynb",
        "trades",
        "2 of 60",
        "open now: 1 of 50",
        "lines: 1",
    ):
        assert words in text


def test_without_a_team_this_machines_notebooks_are_shown(tmp_path):
    """What is not counted is not told."""
    store = SqliteLeases(tmp_path)
    store.take(lease(41, "a.ipynb"))
    store.take(replace(lease(42, "dead.ipynb"), started=1.0))
    document = team_of(store).to_dict()
    (gateway,) = document["gateways"]
    assert document["store"] == "sqlite"
    assert [one["notebook"] for one in gateway["leases"]] == ["a.ipynb"]
    assert gateway["history"]["used"] is gateway["lines"]["used"] is None
    assert "nothing is shared" in team_text(team_of(store))


def test_a_silent_store_is_said(team, own_server):
    """Not that nobody is connected."""
    leases = settled(team(at=own_server))
    leases.take(lease())
    own_server.kill()
    until(lambda: leases.is_silent)
    assert "does not answer" in team_text(team_of(leases))
    document = team_of(leases).to_dict()
    assert (document["answers"], document["gateways"]) == (False, [])


def test_whoever_looks_waits_longer_than_a_connect(keep, server, tmp_path):
    """A busy store is not called silent for it."""

    class Busy(RedisGrants):
        def held(self, scope):
            time.sleep(2 * CONNECT_SECONDS)
            return super().held(scope)

    keeper = keep(Busy(StoreUrl(server.url), SHORT), patience=CONNECT_SECONDS)
    leases = SharedLeases(keeper, SqliteLeases(tmp_path), "here")
    keeper.start()
    until(lambda: keeper.has_answered and not leases.is_silent)
    leases.take(lease())
    found = team_of(leases)
    assert not found.is_silent
    assert [one.client_id for gateway in found.gateways for one in gateway.leases] == [41]


def test_a_place_is_one_number(tmp_path):
    """The same for all who look, however many look first; another for another folder."""
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    assert len({place_in(first) for _ in range(3)}) == 1
    assert place_in(first) != place_in(second)
    assert [one.name for one in first.iterdir()] == ["place"]


def test_a_probe_says_what_is_wrong(server):
    """A server that asks for a password is there; a port without one is not."""
    probe(StoreUrl(server.url))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        with pytest.raises(StoreDownError, match="refused"):
            probe(StoreUrl(f"redis://127.0.0.1:{sock.getsockname()[1]}/0"))
