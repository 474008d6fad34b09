"""The order lock at the gateway: frames are counted there, whichever way they were sent."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib
import struct
import threading

import bare_messages as messages
import pytest
from bare_gateway import BareGateway

from ibnb.session import OrdersLocked, Plan, Session
from ibnb.session.library.libraries import find_library
from ibnb.tws.target import Target

LIVE, PAPER = "U1234567", "DU1234567"
PATIENCE = 20.0


@pytest.fixture
def api(library):
    """The API library's module."""
    return importlib.import_module(library)


@pytest.fixture
def live():
    """A gateway with a live account."""
    with BareGateway(accounts=LIVE) as gateway:
        yield gateway


@pytest.fixture
def paper():
    """A gateway with a paper account."""
    with BareGateway(accounts=PAPER) as gateway:
        yield gateway


@pytest.fixture
async def connect(library):
    """Open sessions, and close them at the end."""
    sessions = []

    async def connect(gateway, client_id=41, **options):
        session = Session()
        sessions.append(session)
        target = Target("127.0.0.1", gateway.port, None)
        plan = Plan(target, client_id, find_library(library), **options)
        return (await session.connect(plan, (target,))).connection.ib

    yield connect
    for session in sessions:
        await session.disconnect()


async def until(condition):
    """Let the loop run until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 -- what a gateway's threads count has no event
            await asyncio.sleep(0.005)


def order_frames(gateway):
    """Return the frames that would be orders, what-if orders excepted."""
    numbers = {str(messages.PLACE_ORDER), str(messages.EXERCISE_OPTIONS)}
    with gateway._changed:
        frames = [fields for session in gateway._all for fields in session.frames]
    return [
        fields
        for fields in frames
        if fields and int(fields[0]) in map(int, numbers) and not is_what_if(fields)
    ]


def is_what_if(fields):
    """Say whether a placeOrder is a what-if, as this gateway reads it."""
    return fields[0] == str(messages.PLACE_ORDER) and messages.read_order(0, fields).what_if


async def everything_arrived(ib, gateway):
    """Wait until the gateway has all that was written before: it reads in order."""
    before = len(gateway.frames(messages.IDS))
    ib.client.MaxRequests = 0
    ib.client.reqIds(1)
    await until(lambda: len(gateway.frames(messages.IDS)) > before)


class Tools:
    """What a way of sending works with: the `ib`, its library, and an order in every form."""

    def __init__(self, ib, api, **order):
        self.ib = ib
        self.api = api
        self.client = ib.client
        self.conn = ib.client.conn
        self.transport = ib.client.conn.transport
        self.stock = api.Stock("AAPL", "SMART", "USD", conId=265598)
        self.option = api.Option("AAPL", "20270115", 100, "C", "SMART", conId=1)
        self.order = api.LimitOrder("BUY", 1, 1.0, orderId=77, **order)
        self.text = text_of(api, lambda client: client.placeOrder(77, self.stock, self.order))
        self.exercise = text_of(
            api, lambda client: client.exerciseOptions(78, self.option, 1, 1, "", 0)
        )
        self.fields = self.text.split("\0")[:-1]
        self.frame = framed(self.text)
        self.ids = framed("8\0001\0001\000")
        self.library_class = type(self.conn).__mro__[1]


def text_of(api, send):
    """Return the message that a library's client makes for server version 176."""
    sent = []
    client = api.IB().client
    client.connState, client._serverVersion = client.CONNECTED, 176
    client.sendMsg = sent.append
    send(client)
    client.reset()
    [text] = sent
    return text


def framed(text):
    """Return a message as it goes over the wire."""
    return struct.pack(">I", len(text.encode())) + text.encode()


def real_transport(tools):
    """Return what the event loop has as the transport."""
    transports = asyncio.get_running_loop()._transports.values()
    return next(one for one in transports if one.get_protocol() is tools.conn)


class Logging:
    """A user's own transport around the library's, which notes what is written."""

    def __init__(self, transport):
        self.inner = transport
        self.log = []

    def write(self, data):
        """Log and pass on."""
        self.log.append(data)
        self.inner.write(data)

    def __getattr__(self, name):
        """Pass everything else on."""
        return getattr(self.inner, name)


class Proxy:
    """A user's own client around the library's."""

    def __init__(self, client):
        self.inner = client

    def __getattr__(self, name):
        """Pass everything else on."""
        return getattr(self.inner, name)


def place_many(tools):
    for order in tools.ib.bracketOrder("BUY", 1, 10, 12, 9):
        tools.ib.placeOrder(tools.stock, order)


def copied_ib(tools):
    tools.kept = copy.copy(tools.ib)
    tools.kept.placeOrder(tools.stock, tools.order)


def copied_connection(tools):
    tools.client.conn = copy.copy(tools.conn)
    tools.client.conn.sendMsg(tools.frame)


def second_client(tools):
    client = tools.api.client.Client(tools.ib.wrapper)
    client.conn = tools.conn
    client.connState, client._serverVersion = client.CONNECTED, 176
    tools.kept, tools.ib.client = tools.client, client
    client.placeOrder(77, tools.stock, tools.order)


def proxied_client(tools):
    tools.ib.client = Proxy(tools.client)
    tools.ib.placeOrder(tools.stock, tools.order)


def subclassed_client(tools):
    own = type("Own", (type(tools.client),), {"sendMsg": type(tools.client).sendMsg})
    tools.client.__class__ = own
    del tools.client.sendMsg
    tools.ib.placeOrder(tools.stock, tools.order)


def wrapped_write(tools):
    write = tools.transport.write
    tools.transport.write = write
    type(tools.conn).sendMsg(tools.conn, tools.frame)


def wrapped_transport(tools):
    tools.conn.transport = Logging(tools.transport)
    type(tools.conn).sendMsg(tools.conn, tools.frame)


def in_bytes(tools):
    for number in tools.frame:
        tools.transport.write(bytes([number]))


def in_lines(tools):
    tools.transport.writelines([tools.frame[:9], memoryview(tools.frame)[9:]])


def by_a_stream(tools):
    loop = asyncio.get_running_loop()
    protocol = asyncio.StreamReaderProtocol(asyncio.StreamReader())
    # Kept: what is collected closes.
    tools.kept = asyncio.StreamWriter(tools.transport, protocol, None, loop)
    tools.kept.write(tools.frame)


def in_the_queue(tools):
    tools.client._msgQ.append(tools.text)
    type(tools.client).sendMsg(tools.client, None)


def by_itself_in_a_handler(tools):
    tools.ib.errorEvent.clear()
    tools.ib.errorEvent += lambda *_: tools.ib.placeOrder(tools.stock, tools.order)
    tools.ib.errorEvent.emit(-1, 2104, "", None)


def later(tools):
    loop = asyncio.get_running_loop()
    loop.call_soon(tools.ib.placeOrder, tools.stock, tools.order)
    loop.call_later(0.01, type(tools.client).sendMsg, tools.client, tools.text)


def in_a_task(tools):
    async def bot():
        tools.client.send(*tools.fields)

    tools.task = asyncio.ensure_future(bot())


def on_a_thread(tools):
    def write():
        with contextlib.suppress(OrdersLocked):
            tools.transport.write(tools.frame)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()


def called_by_a_thread(tools):
    loop = asyncio.get_running_loop()
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(tools.ib.placeOrder, tools.stock, tools.order)
    )
    thread.start()
    thread.join()


RAISING = {
    "ib": lambda t: t.ib.placeOrder(t.stock, t.order),
    "bracket": place_many,
    "ib exercise": lambda t: t.ib.exerciseOptions(t.option, 1, 1, LIVE, 0),
    "class IB": lambda t: t.api.IB.placeOrder(t.ib, t.stock, t.order),
    "client": lambda t: t.client.placeOrder(77, t.stock, t.order),
    "client exercise": lambda t: t.client.exerciseOptions(78, t.option, 1, 1, "", 0),
    "class client": lambda t: type(t.client).placeOrder(t.client, 77, t.stock, t.order),
    "class exercise": lambda t: type(t.client).exerciseOptions(t.client, 78, t.option, 1, 1, "", 0),
    "send": lambda t: t.client.send(*t.fields),
    "send numbers": lambda t: t.client.send(3, *t.fields[1:]),
    "class send": lambda t: type(t.client).send(t.client, *t.fields),
    "client sendMsg": lambda t: t.client.sendMsg(t.text),
    "client sendMsg exercise": lambda t: t.client.sendMsg(t.exercise),
    "class sendMsg": lambda t: type(t.client).sendMsg(t.client, t.text),
    "conn": lambda t: t.conn.sendMsg(t.frame),
    "class conn": lambda t: type(t.conn).sendMsg(t.conn, t.frame),
    "library's own conn": lambda t: t.library_class.sendMsg(t.conn, t.frame),
    "conn exercise": lambda t: t.conn.sendMsg(framed(t.exercise)),
    "transport": lambda t: t.transport.write(t.frame),
    "bytearray": lambda t: t.transport.write(bytearray(t.frame)),
    "memoryview": lambda t: t.transport.write(memoryview(t.frame)),
    "class transport": lambda t: type(t.transport).write(t.transport, t.frame),
    "lines": in_lines,
    "class lines": lambda t: type(t.transport).writelines(t.transport, [t.frame]),
    "the loop's transport": lambda t: real_transport(t).write(t.frame),
    "the loop's transport, lines": lambda t: real_transport(t).writelines([t.frame]),
    "a method's transport": lambda t: t.transport.close.__self__.write(t.frame),
    "vars": lambda t: vars(t.conn)["door"].write(t.frame),
    "in bytes": in_bytes,
    "behind another": lambda t: t.transport.write(t.ids + t.frame),
    "before another": lambda t: t.transport.write(t.frame + t.ids),
    "by a stream": by_a_stream,
    "copied ib": copied_ib,
    "copied client": lambda t: copy.copy(t.client).placeOrder(77, t.stock, t.order),
    "copied conn": copied_connection,
    "copied transport": lambda t: copy.copy(t.transport).write(t.frame),
    "second client": second_client,
    "proxied client": proxied_client,
    "subclassed client": subclassed_client,
    "wrapped write": wrapped_write,
    "wrapped transport": wrapped_transport,
    "in the queue": in_the_queue,
}
LATER = {
    "handler": by_itself_in_a_handler,
    "timers": later,
    "task": in_a_task,
    "thread": on_a_thread,
    "called by a thread": called_by_a_thread,
}


@pytest.mark.parametrize("way", RAISING)
async def test_no_order_leaves_a_locked_session(api, connect, live, way):
    """The call raises OrdersLocked, no order arrives, and what else is sent arrives."""
    ib = await connect(live)
    tools = Tools(ib, api)
    with pytest.raises(OrdersLocked, match=f"%ibconnect {live.port} --expect live"):
        RAISING[way](tools)
    await everything_arrived(ib, live)
    assert order_frames(live) == []


@pytest.mark.parametrize("way", LATER)
async def test_no_order_leaves_later(api, connect, live, way, caplog):
    """What sends by itself, later or elsewhere, sends no order either."""
    ib = await connect(live)
    tools = Tools(ib, api)
    LATER[way](tools)
    await asyncio.sleep(0.05)
    await everything_arrived(ib, live)
    assert order_frames(live) == []
    if way == "task":
        assert isinstance(tools.task.exception(), OrdersLocked)
    elif way in {"timers", "called by a thread"}:
        assert "OrdersLocked" in caplog.text


@pytest.mark.parametrize("way", [name for name in RAISING if name != "bracket"])
async def test_every_way_leads_to_the_gateway_on_paper(api, connect, paper, way):
    """Nothing is locked there; so each of these ways is one that would send an order."""
    ib = await connect(paper)
    RAISING[way](Tools(ib, api))
    await until(lambda: len(order_frames(paper)) == 1)


@pytest.mark.parametrize("way", LATER)
async def test_what_acts_later_reaches_the_gateway_on_paper(api, connect, paper, way):
    """The same of the ways that send later, or on a thread."""
    ib = await connect(paper)
    LATER[way](Tools(ib, api))
    await until(lambda: order_frames(paper))


@pytest.mark.parametrize("way", ["ib", "class client", "class sendMsg", "conn", "transport"])
async def test_with_trade_nothing_is_locked(api, connect, live, way):
    """A session that was opened for trading has no lock, and no door."""
    ib = await connect(live, trade=True)
    RAISING[way](Tools(ib, api))
    await until(lambda: len(order_frames(live)) == 1)
    assert type(ib.client.conn) is api.connection.Connection


class Truthy:
    """What is true in Python, and nothing that the wire knows; as a NumPy bool is."""

    def __bool__(self):
        """Be true."""
        return True

    def __str__(self):
        """Say so in no word of the wire's."""
        return "True"

    def __repr__(self):
        """Be named alike in every process."""
        return "Truthy()"


LIES = ["0", "false", "False", "True", "yes", "", "1 ", 2, 1.0, None, Truthy()]


@pytest.mark.parametrize("lie", LIES, ids=repr)
@pytest.mark.parametrize("way", ["ib", "class client", "class sendMsg", "transport"])
async def test_what_only_python_takes_for_a_what_if_is_locked(api, connect, live, lie, way):
    """What counts is what the library writes: only 1 is a what-if order."""
    ib = await connect(live)
    with pytest.raises(OrdersLocked):
        RAISING[way](Tools(ib, api, whatIf=lie))
    await everything_arrived(ib, live)
    assert live.orders == []


@pytest.mark.parametrize("truth", [True, 1, "1"], ids=repr)
@pytest.mark.parametrize(
    "way", [name for name in RAISING if name != "bracket" and "exercise" not in name]
)
async def test_a_true_what_if_passes(api, connect, live, way, truth):
    """Whichever way it is sent, as it sends no order."""
    ib = await connect(live)
    tools = Tools(ib, api, whatIf=truth)
    RAISING[way](tools)
    await until(lambda: len(live.orders) == 1)
    assert live.orders[0].what_if
    assert order_frames(live) == []


@pytest.mark.parametrize("field", ["orderRef", "algoId", "account", "clearingAccount"])
async def test_fields_out_of_step_make_no_what_if(api, connect, live, field):
    """A text that ends its own field shifts the others; what the gateway then reads counts."""
    ib = await connect(live)
    for count in range(1, 4):
        tools = Tools(ib, api, whatIf=True, **{field: "x" + "\0000" * count})
        with pytest.raises(OrdersLocked):
            tools.ib.placeOrder(tools.stock, tools.order)
        with pytest.raises(OrdersLocked):
            tools.transport.write(tools.frame)
    await everything_arrived(ib, live)
    assert live.orders == []


@pytest.mark.parametrize("number", ["03", "+3", " 3", "3 ", "\uff13", "\u0663", "3_", "021", "0x3"])
async def test_a_number_that_may_be_read_as_3_is_locked(api, connect, live, number):
    """What is not plainly the number of another message does not leave."""
    ib = await connect(live)
    tools = Tools(ib, api)
    for kind in (number + tools.text[1:], number):
        with pytest.raises(OrdersLocked):
            tools.client.sendMsg(kind)
        with pytest.raises(OrdersLocked):
            tools.transport.write(framed(kind))
    await everything_arrived(ib, live)
    assert order_frames(live) == []


async def test_cancels_pass_at_once(api, connect, live):
    """Whichever way they are sent; they need no account to be known."""
    ib = await connect(live)
    tools = Tools(ib, api)
    cancel = framed("4\0001\00077\000\000")
    ib.reqGlobalCancel()
    ib.cancelOrder(tools.order)
    type(ib.client).cancelOrder(ib.client, 77)
    ib.client.conn.sendMsg(cancel)
    with pytest.raises(OrdersLocked):
        tools.transport.write(tools.frame + cancel)
    await everything_arrived(ib, live)
    assert len(live.frames(4)) == 4
    assert len(live.frames(58)) == 1
    assert live.orders == []


async def test_the_librarys_queue_goes_on(api, connect, live):
    """An order in the library's throttle is refused when its turn comes; the rest is sent."""
    ib = await connect(live)
    tools = Tools(ib, api)
    before = len(live.frames(messages.IDS))
    ib.client.RequestsInterval = 0.2
    ib.client.MaxRequests = len(ib.client._timeQ) + 2
    for _ in range(3):
        ib.client.reqIds(1)
    type(ib.client).sendMsg(ib.client, tools.text)
    for _ in range(2):
        ib.client.reqIds(1)
    await until(lambda: len(live.frames(messages.IDS)) == before + 5)
    assert order_frames(live) == []
    assert not ib.client._msgQ
    await until(lambda: not ib.client._isThrottling)


async def test_a_throttled_order_raises_at_once(api, connect, live):
    """The caller hears of it, and the library keeps no trade that was never sent."""
    ib = await connect(live)
    tools = Tools(ib, api)
    ib.client.MaxRequests = 1
    ib.client.reqIds(1)
    ib.client.reqIds(1)
    assert ib.client._msgQ
    with pytest.raises(OrdersLocked):
        ib.placeOrder(tools.stock, tools.order)
    assert ib.trades() == []


async def test_a_throttled_what_if_passes(api, connect, live):
    """Also when it is sent later than it was asked for."""
    ib = await connect(live)
    tools = Tools(ib, api, whatIf=True)
    ib.client.RequestsInterval = 0.2
    ib.client.MaxRequests = 1
    ib.client.reqIds(1)
    ib.client.placeOrder(77, tools.stock, tools.order)
    assert ib.client._msgQ
    await until(lambda: len(live.orders) == 1)
    assert order_frames(live) == []


async def test_the_lock_goes_along(api, connect, live, paper):
    """The account at hand counts: open on paper, locked again on the live account after it."""
    ib = await connect(live)
    for gateway, passes in ((paper, True), (live, False), (paper, True), (live, False)):
        ib.disconnect()
        await ib.connectAsync("127.0.0.1", gateway.port, 55)
        before = len(order_frames(gateway))
        for way in ("ib", "class sendMsg", "transport", "the loop's transport"):
            with contextlib.nullcontext() if passes else pytest.raises(OrdersLocked):
                RAISING[way](Tools(ib, api))
        await everything_arrived(ib, gateway)
        assert len(order_frames(gateway)) == before + 4 * passes
        await asyncio.sleep(0)
    assert order_frames(live) == []


@pytest.mark.parametrize("account", [LIVE, PAPER])
@pytest.mark.parametrize("way", ["ib", "client", "class client"])
async def test_not_connected_is_said_as_that(api, connect, way, account):
    """As the plain library does, for a new order and for one that is changed."""
    with BareGateway(accounts=account) as gateway:
        ib = await connect(gateway)
        tools = Tools(ib, api)
        gone = asyncio.Event()
        ib.disconnectedEvent += gone.set
        await asyncio.to_thread(gateway.drop)
        async with asyncio.timeout(PATIENCE):
            await gone.wait()
        with pytest.raises(ConnectionError, match=r"^Not connected$"):
            RAISING[way](tools)
        new = api.MarketOrder("BUY", 1)
        with pytest.raises(ConnectionError, match=r"^Not connected$"):
            ib.placeOrder(tools.stock, new)
        assert gateway.orders == []


@pytest.mark.parametrize("way", ["ib", "class client", "class sendMsg", "conn", "transport"])
async def test_before_it_is_ready_it_is_not_connected(api, connect, live, way):
    """Before the account is known no order leaves, and nobody says that it is live."""
    ib = await connect(live)
    ib.disconnect()
    with BareGateway(accounts="") as gateway:
        opening = asyncio.ensure_future(ib.connectAsync("127.0.0.1", gateway.port, 55, timeout=0))
        await until(ib.client.isConnected)
        with pytest.raises(ConnectionError, match=r"^Not connected$"):
            RAISING[way](Tools(ib, api))
        ib.client.reqIds(1)
        await until(lambda: gateway.frames(messages.IDS))
        assert order_frames(gateway) == []
        opening.cancel()
        await asyncio.wait({opening})


async def test_a_door_is_the_transport_to_whoever_uses_it(connect, live):
    """It closes, tells its address and its state, and says what it is."""
    ib = await connect(live)
    conn = ib.client.conn
    assert isinstance(conn, asyncio.Protocol)
    assert type(conn).__name__ == "Connection"
    assert type(conn).__module__ == type(conn).__mro__[1].__module__
    assert conn.transport.get_extra_info("peername") == ("127.0.0.1", live.port)
    assert not conn.transport.is_closing()
    assert conn.transport.get_protocol() is conn
    assert "_SelectorSocketTransport" in repr(conn.transport)
    assert not hasattr(conn.transport, "_sock")
    with pytest.raises(TypeError):
        conn.transport.write("text")
    sent = conn.numMsgSent
    ib.client.reqIds(1)
    assert conn.numMsgSent == sent + 1
    conn.transport.close()
    await until(lambda: conn.transport is None)
    await until(lambda: live.open_clients == ())


async def test_a_connection_of_the_same_class_is_locked_too(api, connect, live):
    """A connection that somebody makes in its image has a door as well."""
    ib = await connect(live)
    ib.disconnect()
    await until(lambda: ib.client.conn.transport is None)
    fresh = type(ib.client.conn)()
    fresh.hasData += ib.client._onSocketHasData
    ib.client.conn = fresh
    await ib.connectAsync("127.0.0.1", live.port, 55)
    tools = Tools(ib, api)
    with pytest.raises(OrdersLocked):
        RAISING["ib"](tools)
    for way in ("class sendMsg", "conn", "transport"):
        with pytest.raises(ConnectionError):
            RAISING[way](tools)
    await everything_arrived(ib, live)
    assert order_frames(live) == []
