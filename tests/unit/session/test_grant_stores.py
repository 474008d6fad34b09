"""One contract, two stores: grants, client IDs, seats and queues in SQLite and in Redis."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from redis_server import RedisServer

from ibnb.session.client_ids.counts import OPEN_LIMIT, HistoryRequest, Turn, Used, tally
from ibnb.session.client_ids.grants import Grant, Refusal, StoreDownError, new_token
from ibnb.session.client_ids.ids import HIGHEST, LOWEST
from ibnb.session.client_ids.lease import new_lease, shared
from ibnb.session.client_ids.redis_grants import RedisGrants
from ibnb.session.client_ids.sqlite_grants import SqliteGrants
from ibnb.session.client_ids.store_url import StoreUrl

SHORT = 1.0
"""Seconds that a grant holds in these tests, unless it is renewed."""
LONGEST = 60.0
SCOPE = "gateway.example:4002"
LEASE = shared(new_lease("gateway.example", 4002, 41, "a.ipynb"))


def until(holds):
    """Wait until something is so."""
    deadline = time.monotonic() + LONGEST
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def settle(store):
    """Wait until a server that has just started grants."""

    def grants():
        got = store.acquire("settling", "any", LEASE, token=new_token())
        return isinstance(got, Grant) and not store.release(got)

    until(grants)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Redis server."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture(params=["sqlite", "redis"])
def open_store(request, tmp_path):
    """Open a store again and again, as several programs do."""
    opened = []
    if request.param == "redis":
        server = request.getfixturevalue("server")
        server.says("FLUSHALL")
        settle(RedisGrants(StoreUrl(server.url), SHORT))

    def open_store(ttl=SHORT):
        if request.param == "sqlite":
            opened.append(SqliteGrants(tmp_path, ttl))
        else:
            opened.append(RedisGrants(StoreUrl(server.url), ttl))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store):
    """An empty store."""
    return open_store()


def acquire(store, name="id:41", token=None, **more):
    """Ask for something."""
    return store.acquire(SCOPE, name, LEASE, token=token or new_token(), **more)


def test_a_notebook_keeps_its_id(open_store):
    """Whatever is preferred later, and whichever program asks."""
    assert open_store().client_id(SCOPE, "a.ipynb", 4711) == 4711
    assert open_store().client_id(SCOPE, "a.ipynb", 5000) == 4711


def test_no_two_notebooks_share_an_id(store):
    """The next free one is given, round the end of the range."""
    assert store.client_id(SCOPE, "a.ipynb", HIGHEST) == HIGHEST
    assert store.client_id(SCOPE, "b.ipynb", HIGHEST) == LOWEST
    assert store.client_id(SCOPE, "c.ipynb", HIGHEST) == LOWEST + 1


def test_another_gateway_has_ids_of_its_own(store):
    """The same number may be given once for each gateway."""
    assert store.client_id(SCOPE, "a.ipynb", 4711) == 4711
    assert store.client_id("other:4002", "b.ipynb", 4711) == 4711


def test_many_at_once_get_ids_of_their_own(open_store):
    """Programs that prefer the same ID at the same moment do not end with the same one."""
    stores = [open_store() for _ in range(8)]

    def choose(number):
        return stores[number % 8].client_id(SCOPE, f"{number}.ipynb", 2000)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(choose, range(64)))) == 64


def test_what_is_held_is_refused_with_the_name_of_its_holder(open_store):
    """Until it is released."""
    first, second = open_store(), open_store()
    grant = acquire(first)
    refusal = acquire(second)
    assert refusal == Refusal("held", holder=LEASE)
    first.release(grant)
    assert acquire(second).fence > grant.fence


def test_a_released_grant_does_not_count(store):
    """Nor can it be renewed."""
    grant = acquire(store)
    assert store.is_held(grant)
    store.release(grant)
    assert not store.is_held(grant)
    assert store.renew(grant, LEASE) is None


def test_what_is_not_renewed_ends(open_store):
    """After its time it is another's, and the first holder is told so."""
    first, second = open_store(), open_store()
    grant = acquire(first)
    got = until(lambda: isinstance(got := acquire(second), Grant) and got)
    assert got.fence > grant.fence
    assert not grant.holds
    assert not first.is_held(grant)
    assert first.renew(grant, LEASE) is None
    first.release(grant)
    assert second.is_held(got)


def test_what_is_renewed_does_not_end(open_store):
    """Longer than it would hold without."""
    first, second = open_store(), open_store()
    grant = acquire(first)
    begun = time.monotonic()
    while time.monotonic() < begun + 2 * SHORT:
        grant = first.renew(grant, LEASE)
        assert isinstance(acquire(second), Refusal)
        time.sleep(SHORT / 10)
    assert first.is_held(grant)


def test_a_holder_never_believes_longer_than_the_store(store):
    """What is held by its own clock is held by the store's, also at the very end."""
    grant, looks = acquire(store), 0
    while grant.holds:
        assert store.is_held(grant) or not grant.holds
        looks += 1
    assert looks


def test_asking_again_with_the_same_token_changes_nothing(store):
    """As after an answer that was lost: the same grant, with the same number."""
    token = new_token()
    assert acquire(store, token=token).fence == acquire(store, token=token).fence


def test_another_token_renews_and_releases_nothing(store):
    """Only who was granted something can end it."""
    grant = acquire(store)
    foreign = replace(grant, token=new_token())
    assert store.renew(foreign, LEASE) is None
    store.release(foreign)
    assert not store.is_held(foreign)
    assert store.is_held(grant)


def test_who_was_let_in_by_the_gateway_takes_over(open_store):
    """The gateway is the authority: the grant of whoever had the ID before has ended."""
    first, second = open_store(), open_store()
    before = acquire(first)
    after = acquire(second, take_over=True)
    assert after.fence > before.fence
    assert not first.is_held(before)
    assert first.renew(before, LEASE) is None


def test_all_of_a_scope_are_listed(store):
    """By name, with who has them; nothing of another scope."""
    acquire(store)
    acquire(store, "id:42")
    store.acquire("other:4002", "id:43", LEASE, token=new_token())
    assert {one.name for one in store.held(SCOPE)} == {"id:41", "id:42"}
    assert store.find(SCOPE, "id:42").lease == LEASE
    assert store.find(SCOPE, "id:43") is None
    assert set(store.scopes()) >= {SCOPE, "other:4002"}


def test_there_are_only_so_many_seats(store):
    """One more is told that it is full, until one is released."""
    grants = [acquire(store, f"id:{number}", limit=3) for number in range(3)]
    assert all(isinstance(one, Grant) for one in grants)
    late = new_token()
    assert acquire(store, "id:9", late, limit=3) == Refusal("full", ahead=0)
    store.release(grants[0])
    assert isinstance(acquire(store, "id:9", late, limit=3), Grant)


def test_a_queue_is_fair(store):
    """Who came first is let in first, and nobody who comes later gets past those who wait."""
    grant = acquire(store, "id:1", limit=1)
    tokens = [new_token() for _ in range(3)]
    for place, token in enumerate(tokens):
        assert acquire(store, f"id:{10 + place}", token, limit=1) == Refusal("full", ahead=place)
    store.release(grant)
    assert acquire(store, "id:99", limit=1) == Refusal("full", ahead=3)
    assert acquire(store, "id:12", tokens[2], limit=1) == Refusal("full", ahead=2)
    first = acquire(store, "id:10", tokens[0], limit=1)
    assert isinstance(first, Grant)
    assert acquire(store, "id:11", tokens[1], limit=1) == Refusal("full", ahead=0)


def test_who_leaves_the_queue_holds_nobody_up(store):
    """The next one moves up."""
    grant = acquire(store, "id:1", limit=1)
    gone, waits = new_token(), new_token()
    acquire(store, "id:2", gone, limit=1)
    assert acquire(store, "id:3", waits, limit=1) == Refusal("full", ahead=1)
    store.leave(SCOPE, gone)
    store.release(grant)
    assert isinstance(acquire(store, "id:3", waits, limit=1), Grant)


def test_many_at_once_get_no_more_than_there_is(open_store):
    """Of 64 that ask for one of 32 seats at the same moment, 32 get one."""
    stores = [open_store(5 * SHORT) for _ in range(8)]
    settle(stores[0])

    def ask(number):
        return acquire(stores[number % 8], f"id:{number}", limit=32)

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(ask, range(64)))
    assert sum(isinstance(one, Grant) for one in got) == 32


def test_fencing_numbers_only_grow(open_store):
    """Whoever is granted something, under whatever name, has a higher number than all before."""
    stores = [open_store() for _ in range(4)]

    def ask(number):
        return acquire(stores[number % 4], f"id:{number}").fence

    with ThreadPoolExecutor(4) as pool:
        fences = list(pool.map(ask, range(40)))
    assert len(set(fences)) == 40
    assert ask(99) > max(fences)


def test_the_secret_is_one_for_all(open_store):
    """Each program hashes names with the same."""
    assert len({open_store().secret() for _ in range(3)}) == 1


def test_history_is_counted_over_all_sessions(open_store):
    """BID_ASK twice, what is older than ten minutes not at all, and repeats as such."""
    first, second = open_store(), open_store()
    first.use(SCOPE, Used("a", history=(HistoryRequest(601.0, 1, "x"), HistoryRequest(5, 2, "y"))))
    second.use(SCOPE, Used("b", history=(HistoryRequest(0.0, 1, "y"), HistoryRequest(0, 1, "z"))))
    counts = first.counts(SCOPE)
    assert (counts.history, counts.identical, counts.next_in) == (4, 1, 0.0)
    assert first.counts("other:4002").history == 0


def test_a_full_history_says_when_there_is_room(store):
    """When the oldest of the requests is ten minutes old."""
    requests = [HistoryRequest(500.0 - number, 1, f"{number}") for number in range(60)]
    store.use(SCOPE, Used("a", history=tuple(requests)))
    counts = store.counts(SCOPE)
    assert counts.history == counts.history_limit == 60
    assert 90 < counts.next_in <= 100


def take(store, session, what="", *, weight=1, series="", scope=SCOPE, name="mine"):
    """Ask whether a historical request may go; it is open then."""
    request = HistoryRequest(0.0, weight, what, series or what)
    return store.take_turn(scope, session, request, name)


def test_a_request_takes_its_turn(open_store):
    """Until the limit is reached, and not within 15 seconds of the same; others count it."""
    first, second = open_store(), open_store()
    assert take(first, "a", "x").has_come
    early = take(second, "b", "x")
    assert 14 < early.seconds <= 15
    assert early.limit == "identical"
    assert take(second, "b", "x", scope="other:4002").has_come
    for number in range(29):
        assert take(second, "b", f"{number}", weight=2).has_come
    late = take(first, "a", "y", weight=2)
    assert 590 < late.seconds <= 600
    assert late.limit == "history"
    assert take(first, "a", "y").has_come
    assert first.counts(SCOPE).history == 60


def test_a_turn_comes_when_the_oldest_are_ten_minutes_old(store):
    """Of as many as have to go first."""
    requests = [HistoryRequest(500.0 - number, 1, f"{number}") for number in range(60)]
    store.use(SCOPE, Used("a", history=tuple(requests)))
    assert 99 < take(store, "a", "y").seconds <= 100
    assert 100 < take(store, "a", "y", weight=2).seconds <= 101


def test_many_at_once_take_no_more_turns_than_there_are(open_store):
    """Of 100 requests at the same moment 60 go."""
    stores = [open_store() for _ in range(4)]

    def go(number):
        store, session = stores[number % 4], f"{number % 4}"
        turn = take(store, session, f"{number}", name=f"{number}")
        store.use(SCOPE, Used(session, ended=frozenset({f"{number}"})))
        return turn.has_come

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(go, range(100))) == 60


def test_five_of_one_series_go_at_once(open_store):
    """The sixth within two seconds waits, one for BID_ASK counts twice, and others are free."""
    first, second = open_store(), open_store()
    for number in range(3):
        assert take(first, "a", f"{number}", series="AAPL TRADES").has_come
    assert take(second, "b", "3", weight=2, series="AAPL TRADES").has_come
    sixth = take(second, "b", "4", series="AAPL TRADES")
    assert 0 < sixth.seconds <= 2
    assert (sixth.limit, sixth.is_full) == ("burst", False)
    assert take(second, "b", "5", series="MSFT TRADES").has_come
    assert take(second, "b", "6", series="AAPL TRADES", scope="other:4002").has_come
    until(lambda: take(second, "b", "7", series="AAPL TRADES").has_come)
    assert first.counts(SCOPE).burst == 0


def test_the_sixth_of_a_series_is_counted(open_store):
    """As are those after it, over all sessions; what came later than two seconds is not one."""
    ages = {"a": (9.0, 8.9, 8.8), "b": (8.7, 8.6, 8.5, 8.4, 6.0)}
    for session, sent in ages.items():
        requests = [HistoryRequest(age, 1, f"{age}", "AAPL TRADES") for age in sent]
        open_store().use(SCOPE, Used(session, history=tuple(requests)))
    assert open_store().counts(SCOPE).burst == 2


def test_what_comes_when_its_turn_has_come_is_not_early():
    """Two seconds after the first of five, or fifteen after the same, to the millisecond."""
    for begun in (1_795_799_900.123, 1_795_799_900.001, 0.7):
        five = [(begun, 1, f"{number}", "AAPL TRADES") for number in range(5)]
        sixth = (begun + 2, 1, "5", "AAPL TRADES")
        again = (begun + 15, 1, "0", "AAPL TRADES")
        now = begun + 20
        counts = tally(now, [*five, sixth, again], (), {}, 0)
        assert (counts.burst, counts.identical) == (0, 0)
        early = [(begun + 1.998, 1, "5", "AAPL TRADES"), (begun + 14.998, 1, "0", "AAPL TRADES")]
        counts = tally(now, [*five, *early], (), {}, 0)
        assert (counts.burst, counts.identical) == (1, 1)


def test_only_so_many_are_open_at_once(open_store):
    """Over all sessions, whatever the size of their bars; one goes when another has ended."""
    first, second = open_store(LONGEST), open_store(LONGEST)
    first.use(SCOPE, Used("a", opened=frozenset(map(str, range(OPEN_LIMIT - 1)))))
    assert take(second, "b", weight=0).has_come
    assert first.counts(SCOPE).open == OPEN_LIMIT
    for weight in (0, 1):
        assert take(first, "a", "x", weight=weight, name="x") == Turn(is_full=True)
    assert take(first, "a", weight=0, scope="other:4002").has_come
    second.use(SCOPE, Used("b", ended=frozenset({"mine"})))
    assert first.counts(SCOPE).open == OPEN_LIMIT - 1
    assert take(first, "a", "x", name="x").has_come
    assert first.counts(SCOPE).open == OPEN_LIMIT
    assert first.counts(SCOPE).history == 1


def test_what_is_open_is_another_sessions_own(open_store):
    """Two that use the same name have one each, and end one each."""
    for session in ("a", "b"):
        open_store(LONGEST).use(SCOPE, Used(session, opened=frozenset({"1"})))
    store = open_store(LONGEST)
    assert store.counts(SCOPE).open == 2
    store.use(SCOPE, Used("a", ended=frozenset({"1"})))
    assert store.counts(SCOPE).open == 1


def test_what_a_dead_session_had_open_is_given_back(store):
    """After its time, as nobody says any more that it is open; what took its turn, too."""
    store.use(SCOPE, Used("a", opened=frozenset(map(str, range(OPEN_LIMIT - 1)))))
    assert take(store, "a", weight=0).has_come
    assert take(store, "b", weight=0).is_full
    until(lambda: take(store, "b", weight=0).has_come)
    # What took its turn goes a moment after what was said to be open: it was counted later.
    until(lambda: store.counts(SCOPE).open == 1)


def test_what_is_said_to_be_open_stays_so(store):
    """Longer than it would without."""
    begun = time.monotonic()
    while time.monotonic() < begun + 2 * SHORT:
        store.use(SCOPE, Used("a", opened=frozenset({"1"})))
        assert store.counts(SCOPE).open == 1
        time.sleep(SHORT / 10)


def test_many_at_once_open_no_more_than_may_be(open_store):
    """Of 100 requests at the same moment 50 go."""
    stores = [open_store(LONGEST) for _ in range(4)]

    def go(number):
        return take(stores[number % 4], f"{number % 4}", weight=0, name=f"{number}").has_come

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(go, range(100))) == OPEN_LIMIT


def test_a_line_counts_once_however_many_stream_it(open_store):
    """A session's lines are those that it named last, until it is not heard any more."""
    first, second = open_store(), open_store()
    first.use(SCOPE, Used("a", lines=frozenset({"AAPL", "MSFT"})))
    second.use(SCOPE, Used("b", lines=frozenset({"AAPL", "IBM"})))
    assert first.counts(SCOPE).lines == 3
    second.use(SCOPE, Used("b", lines=frozenset({"AAPL"})))
    assert first.counts(SCOPE).lines == 2
    until(lambda: first.counts(SCOPE).lines == 0)


def test_messages_are_added_up_by_second(open_store):
    """The most in one second of the last minute, over all sessions."""
    for name, sent in (("a", {3: 30, 2: 5}), ("b", {3: 1, 2: 26, 100: 500})):
        open_store().use(SCOPE, Used(name, messages=sent))
    assert 31 <= open_store().counts(SCOPE).messages_peak <= 56


HOLDER = """
import sys
from ibnb.session.client_ids.grants import new_token
from ibnb.session.client_ids.lease import new_lease, shared
exec(sys.argv[1])
lease = shared(new_lease("gateway.example", 4002, 41, "dead.ipynb"))
store.acquire("gateway.example:4002", "id:41", lease, token=new_token())
print("held", flush=True)
input()
"""


def test_what_a_killed_program_held_is_free_after_its_time(store, tmp_path, request):
    """Nobody has to clear up after it."""
    if isinstance(store, SqliteGrants):
        opening = (
            "from pathlib import Path\n"
            "from ibnb.session.client_ids.sqlite_grants import SqliteGrants\n"
            f"store = SqliteGrants(Path({str(tmp_path)!r}), {SHORT})"
        )
    else:
        url = request.getfixturevalue("server").url
        opening = (
            "from ibnb.session.client_ids.redis_grants import RedisGrants\n"
            "from ibnb.session.client_ids.store_url import StoreUrl\n"
            f"store = RedisGrants(StoreUrl({url!r}), {SHORT})"
        )
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDER, opening], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"held\n"
    child.kill()
    child.communicate()
    assert store.find(SCOPE, "id:41").lease.notebook == "dead.ipynb"
    until(lambda: isinstance(acquire(store), Grant))


def test_after_the_machines_start_nothing_is_held(tmp_path):
    """The clock began anew: what seems to hold for days is of before."""
    before = SqliteGrants(tmp_path, SHORT, clock=lambda: 500_000.0)
    grant = acquire(before)
    after = SqliteGrants(tmp_path, SHORT, clock=lambda: 10.0)
    assert acquire(after).fence > grant.fence


@pytest.fixture
def own_server(tmp_path):
    """Start servers of a test's own."""
    started = []

    def start(*options):
        started.append(RedisServer(tmp_path, *options))
        return started[-1]

    yield start
    for server in started:
        server.kill()


@pytest.mark.parametrize("persists", [False, True])
def test_a_server_that_restarts_takes_nothing_from_whoever_holds_it(own_server, persists):
    """With and without what it knew: others wait until holders have had the time to say so."""
    options = ["--appendonly", "yes", "--appendfsync", "always"] if persists else []
    server = own_server(*options)
    first, second = (RedisGrants(StoreUrl(server.url), 3.0) for _ in range(2))
    settle(first)
    grant = acquire(first)
    assert isinstance(grant, Grant)
    server.restart()
    assert isinstance(acquire(second), Refusal)
    kept = first.renew(grant, LEASE)
    assert kept.fence == grant.fence
    assert first.is_held(kept)

    def settled():
        nonlocal kept
        kept = first.renew(kept, LEASE)
        got = acquire(second)
        assert isinstance(got, Refusal)
        other = acquire(second, "id:77")
        return isinstance(other, Grant) and other

    later = until(settled)
    assert later.fence > grant.fence
    assert first.is_held(kept)


def test_after_a_restart_without_memory_numbers_go_on(own_server):
    """A fencing number is never given twice."""
    server = own_server()
    store = RedisGrants(StoreUrl(server.url), SHORT)
    settle(store)
    grant = acquire(store)
    server.restart()
    settle(store)
    assert acquire(store, "id:42").fence > grant.fence


def test_a_secret_that_the_server_forgot_is_told_by_who_knows_it(own_server):
    """Nobody makes another while there may be some who know it."""
    server = own_server()
    first, second = (RedisGrants(StoreUrl(server.url), SHORT) for _ in range(2))
    settle(first)
    known = first.secret()
    server.restart()
    assert second.secret() == ""
    assert first.secret(known) == known
    assert second.secret() == known


def test_a_server_that_is_not_there_says_so_without_its_password(own_server):
    """What is raised names the trouble, and no credentials."""
    server = own_server("--requirepass", "right horse")
    for url in (
        f"redis://:battery%20staple@127.0.0.1:{server.port}/0",
        "redis://anna:battery%20staple@127.0.0.1:1/0",
    ):
        store = RedisGrants(StoreUrl(url), SHORT)
        with pytest.raises(StoreDownError) as raised:
            store.scopes()
        assert "battery" not in f"{raised.value!r} {store!r} {raised.value.__cause__!r}"
    good = RedisGrants(StoreUrl(f"redis://:right%20horse@127.0.0.1:{server.port}/0"), SHORT)
    assert good.scopes() == ()


def test_nothing_secret_is_in_the_server(server):
    """No token, and no account in the name of a notebook."""
    server.says("FLUSHALL")
    store = RedisGrants(StoreUrl(server.url), SHORT)
    settle(store)
    token = new_token()
    lease = shared(new_lease("gateway.example", 4002, 41, "/home/DU1234567/u7654321 plan.ipynb"))
    store.client_id(SCOPE, "/home/DU1234567/a.ipynb", 4711)
    store.acquire(SCOPE, "id:41", lease, token=token)
    import redis

    client = redis.Redis(port=server.port, decode_responses=True)
    kept = [*client.keys()]
    kept += [json.dumps(client.hgetall(key)) for key in client.keys("*grant*")]
    kept += [client.get(key) for key in client.keys("*client-id*")]
    text = " ".join(kept).upper()
    assert hashlib.sha1(token.encode(), usedforsecurity=False).hexdigest().upper() in text
    for secret in (token, "DU1234567", "U7654321"):
        assert secret.upper() not in text


def test_a_server_that_is_held_up_is_given_up(own_server, monkeypatch):
    """Whoever asks is told after a while, and served when it goes on."""
    server = own_server()
    monkeypatch.setattr("ibnb.session.client_ids.redis_grants.ANSWER_SECONDS", 0.2)
    store = RedisGrants(StoreUrl(server.url), SHORT)
    settle(store)
    server.pause()
    try:
        with pytest.raises(StoreDownError):
            store.scopes()
    finally:
        server.go_on()
    until(lambda: isinstance(acquire(store), Grant))
    assert threading.active_count() < 50
