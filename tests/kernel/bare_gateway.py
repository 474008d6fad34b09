"""A gateway for the tests, written without any code of ibnb: many clients, orders, data, restarts.

What happens in a notebook with and without ibnb is counted here by somebody who knows neither.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

import bare_messages as messages
from framing import VERSION, ZONE, encode, notice, read_exactly, read_frame

LOOPBACK = "127.0.0.1"
PATIENCE = 30.0
"""Seconds after which what a test waits for will not come."""
A_MOMENT = 0.2
"""Seconds in which the thread of a socket that was closed before has noticed it."""
TIME_GAP = 1.0
"""Seconds between two answers to the time, of gateways that are sparing with it."""

TEXT_326 = "Unable to connect as the client id is already in use. Retry with a unique client id."
KNOWN = {"AAPL": 265598, "MSFT": 272093, "SPY": 756733, "TSLA": 76792991, "NVDA": 4815747}


@dataclass(eq=False)
class Session:
    """One client that has connected: what came from it, and how to speak to it."""

    sock: socket.socket
    client_id: int | None = None
    frames: list = field(default_factory=list)
    subscriptions: dict = field(default_factory=dict)
    """The symbol of each market data request that was not cancelled, by request ID."""
    time_told: float = 0.0
    over: bool = False
    sending: threading.Lock = field(default_factory=threading.Lock)

    def sent(self, message_id):
        """Return the fields of each message of a kind that the client sent."""
        return [fields for fields in self.frames if fields[0] == str(message_id)]

    def send(self, *parts):
        """Send frames; a client that is gone gets none."""
        with self.sending, contextlib.suppress(OSError):
            self.sock.sendall(b"".join(parts))

    def hang_up(self):
        """End the connection; the thread that reads it notices."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


class BareGateway:
    """A gateway on a port of the loopback, from the beginning of a block to its end.

    How it answers can be given to the constructor and changed at any time, as attributes.

    Args:
        accounts: the accounts of each session.
        known: the symbols that have contract details, with their contract IDs.
        unknown: what a request for another symbol gets: "200", or "end" for the end frame alone;
            or one of the two for each of some symbols, and "200" for the rest.
        unanswered: the message ids that get no answer, of `bare_messages`.
        time_gap: seconds in which a second request for the time gets no answer.
        orders: "accept", "reject" (with `rejection`) or "silent".
        cancels: "cancel", "silent", or code and text of the notice that cancels get; the cancel of
            an order that is not alive gets 10147.
        rejection: code and text of a rejected order.
        data: "ticks", "silent", or code and text of the notice that market data requests get.
        delay: seconds between an order or a request for data, and what it gets.
        stuck: whether clients are not even told the version, until `unstick`.
        positions: quantity by symbol; by account and symbol if the accounts differ.
        sync_delay: seconds until what a session begins with is answered: positions, orders, ...
        first_id: the order ID that a session begins with; 0 for one above those it used.
        version: the server version.
        held_for: so many of the next clients find their ID in use.
        lost_at_once: so many of the next sessions are lost with the last answer of a connect.
    """

    def __init__(
        self,
        *,
        accounts="DU1234567",
        known=KNOWN,
        unknown="200",
        unanswered=(),
        time_gap=0.0,
        orders="accept",
        cancels="cancel",
        rejection=(201, "Order rejected - reason:No trading permissions."),
        data="ticks",
        delay=0.0,
        stuck=False,
        positions=(),
        sync_delay=0.0,
        first_id=0,
        version=VERSION,
        held_for=0,
        lost_at_once=0,
    ):
        self.accounts = accounts
        self.known = dict(known)
        self.unknown = unknown
        self.unanswered = set(unanswered)
        self.time_gap = time_gap
        self.orders_mode = orders
        self.cancels_mode = cancels
        self.rejection = rejection
        self.data = data
        self.delay = delay
        self.positions = dict(positions)
        self.sync_delay = sync_delay
        self.first_id = first_id
        self.version = version
        self.held_for = held_for
        self.lost_at_once = lost_at_once
        self.stuck = stuck

        self.connections = 0
        """Sockets that were accepted, whatever came of them."""
        self.opened = 0
        """Sessions that were started."""
        self.refused_326 = 0
        self.most_open = 0
        self.orders = []
        """Each placeOrder and exerciseOptions that came, as `PlacedOrder`."""
        self.told = []
        """Each notice that was sent: client ID of the session, code, request ID, text."""
        self.failures = []
        self._all = []
        self._holders = {}
        self._live_orders = {}
        self._price = 100.0
        self._changed = threading.Condition()
        self._threads = []
        self._timers = []
        self._accepting = False
        self._accepting_thread = None
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        """Start to accept."""
        return self.start()

    def __exit__(self, *_):
        """Close all that is open, and wait until it is over."""
        self.stop()
        self._listener.close()
        assert not self.failures, self.failures

    # What a test does to it.

    def start(self):
        """Listen, for the first time or again after `stop`."""
        self._accepting = True
        self._listener.listen(64)
        self._accepting_thread = self._start_thread(self._accept, self._listener)
        return self

    def stop(self):
        """Refuse connections and lose all clients; the port stays this gateway's own."""
        if not self._accepting:
            return
        with self._changed:
            self._accepting = False
            self._changed.notify_all()
        # Closing a socket does not wake its accept everywhere; a connection does.
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, self.port), PATIENCE).close()
        self._join(self._accepting_thread)
        self._listener.close()
        # Bound without listening: connections are refused, and nobody else gets the port.
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((LOOPBACK, self.port))
        for timer in self._timers:
            timer.cancel()
        with self._changed:
            sessions = list(self._all)
        for session in sessions:
            session.hang_up()
        for thread in [*self._threads, *self._timers]:
            self._join(thread)
        self._threads.clear()
        self._timers.clear()

    def unstick(self):
        """Go on with the clients that wait, and with those that come."""
        with self._changed:
            self.stuck = False
            self._changed.notify_all()

    def drop(self, client_id=None):
        """Lose the sockets of all clients, or of one; wait until their IDs are free."""
        with self._changed:
            gone = [one for one in self._holders.values() if client_id in {None, one.client_id}]
        for session in gone:
            session.hang_up()
        self.wait_for(lambda: not any(one in gone for one in self._holders.values()))

    def notice(self, code, text, req_id=-1, client_id=None):
        """Send a notice to all clients, or to one."""
        for session in self._sessions(client_id):
            self._tell(session, code, text, req_id)

    def tick(self, symbol=None):
        """Send the next price to all who subscribed to a symbol, or to any."""
        for session in self._sessions():
            for req_id, subscribed in list(session.subscriptions.items()):
                if symbol in {None, subscribed}:
                    self._send_tick(session, req_id)

    def send(self, *parts, client_id=None):
        """Send bytes to all clients, or to one."""
        for session in self._sessions(client_id):
            session.send(*parts)

    def forget_orders(self):
        """Have no working orders any more, as if they had ended while nobody was connected."""
        with self._changed:
            self._live_orders.clear()

    # What a test asks.

    @property
    def open_clients(self):
        """The client IDs of the sessions that are open, in order."""
        with self._changed:
            return tuple(sorted(self._holders))

    @property
    def sockets_open(self):
        """How many clients are connected, those that never started a session too."""
        with self._changed:
            return sum(not one.over for one in self._all)

    @property
    def sessions(self):
        """All sessions that were started, those that are over too, in order."""
        with self._changed:
            return [one for one in self._all if one.client_id is not None]

    def frames(self, message_id, client_id=None):
        """Return the fields of each message of a kind that came, session by session."""
        with self._changed:
            sessions = [one for one in self._all if client_id in {None, one.client_id}]
            return [fields for one in sessions for fields in one.sent(message_id)]

    def codes_told(self):
        """Return the codes of all notices that were sent, in order."""
        with self._changed:
            return [code for _, code, _, _ in self.told]

    def comes_true(self, condition, seconds=PATIENCE):
        """Wait until a condition on this gateway holds, and say whether it does in time."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def wait_for(self, condition):
        """Wait until a condition on this gateway holds; fail if it does not in a good while."""
        assert self.comes_true(condition), self

    def wait_for_orders(self, count):
        """Wait until so many orders came."""
        self.wait_for(lambda: len(self.orders) >= count)

    def wait_for_frames(self, message_id, count=1):
        """Wait until so many messages of a kind came."""
        self.wait_for(lambda: len(self.frames(message_id)) >= count)

    def wait_for_told(self, code, count=1):
        """Wait until a notice was sent so many times."""
        self.wait_for(lambda: self.codes_told().count(code) >= count)

    def wait_for_clients(self, *client_ids):
        """Wait until these client IDs, and no others, are open."""
        self.wait_for(lambda: self.open_clients == tuple(sorted(client_ids)))

    def __repr__(self):
        """Say what came of it, for a test that fails."""
        failed = f", failed {self.failures}" if self.failures else ""
        return (
            f"<BareGateway {self.port}: open {self.open_clients}, {self.opened} opened, "
            f"{self.refused_326} refused, {len(self.orders)} orders, told {self.codes_told()}"
            f"{failed}>"
        )

    # Its threads.

    def _start_thread(self, target, *args):
        thread = threading.Thread(target=self._guarded, args=(target, *args), daemon=True)
        with self._changed:
            self._threads.append(thread)
        thread.start()
        return thread

    @staticmethod
    def _join(thread):
        thread.join(PATIENCE)
        assert not thread.is_alive()

    def _guarded(self, target, *args):
        try:
            target(*args)
        except Exception as error:  # noqa: BLE001 -- shown by the test itself, at the end
            self.failures.append(error)

    def _accept(self, listener):
        while True:
            sock, _ = listener.accept()
            if not self._accepting:
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(sock)
            with self._changed:
                self.connections += 1
                self._all.append(session)
                self._changed.notify_all()
            self._start_thread(self._serve, session)

    def _serve(self, session):
        try:
            if self._opens(session):
                while True:
                    self._take(session)
        except (EOFError, OSError):
            pass
        finally:
            with self._changed:
                if self._holders.get(session.client_id) is session:
                    del self._holders[session.client_id]
                session.over = True
                self._changed.notify_all()
            # Freed before: whoever sees the end of the socket may have the ID.
            session.sock.close()

    def _opens(self, session):
        """Take a client to where its session has started; say whether it may stay."""
        read_exactly(session.sock, 4)
        read_frame(session.sock)
        with self._changed:
            self._changed.wait_for(lambda: not (self.stuck and self._accepting))
        session.send(encode(self.version, ZONE))
        fields = self._take(session)
        assert fields[0] == str(messages.START_API), fields
        client_id = int(fields[2])
        with self._changed:
            is_free = self._changed.wait_for(lambda: client_id not in self._holders, A_MOMENT)
            if self.held_for:
                self.held_for -= 1
                is_free = False
            if is_free:
                session.client_id = client_id
                self._holders[client_id] = session
                self.opened += 1
                self.most_open = max(self.most_open, len(self._holders))
            else:
                self.refused_326 += 1
            self._changed.notify_all()
        if not is_free:
            self._tell(session, 326, TEXT_326)
            return False
        session.send(encode(15, 1, self.accounts), self._next_id(client_id))
        return True

    def _take(self, session):
        fields = read_frame(session.sock).decode(errors="replace").split("\0")[:-1]
        with self._changed:
            session.frames.append(fields)
            self._changed.notify_all()
        message_id = int(fields[0])
        answer = self._ANSWERS.get(message_id)
        if answer is not None and message_id not in self.unanswered:
            delay = self.sync_delay if message_id in messages.SYNCHRONISING else 0.0
            self._later(lambda: answer(self, session, fields), delay)
        return fields

    def _held_in(self, account):
        """Return quantity by symbol of an account."""
        found = self.positions
        return found.get(account, {}) if any(isinstance(v, dict) for v in found.values()) else found

    def _positions(self, session, _fields):
        rows = [
            messages.position(account, symbol, quantity)
            for account in self.accounts.split(",")
            for symbol, quantity in self._held_in(account).items()
        ]
        session.send(*rows, encode(62, 1))

    def _account(self, session, fields):
        account = fields[3]
        if fields[2] == "1":
            rows = [messages.portfolio(account, *one) for one in self._held_in(account).items()]
            session.send(*rows, encode(54, 1, account))

    def _executions(self, session, fields):
        session.send(encode(55, 1, fields[2]))
        if self.lost_at_once:
            self.lost_at_once -= 1
            session.hang_up()

    def _summary(self, session, fields):
        for account in self.accounts.split(","):
            session.send(encode(63, 1, fields[2], account, "NetLiquidation", 1000, "USD"))
        session.send(encode(64, 1, fields[2]))

    def _sessions(self, client_id=None):
        with self._changed:
            return [one for one in self._holders.values() if client_id in {None, one.client_id}]

    def _tell(self, session, code, text, req_id=-1):
        session.send(notice(code, text, req_id))
        with self._changed:
            self.told.append((session.client_id, code, int(req_id), text))
            self._changed.notify_all()

    def _later(self, action, delay=None):
        delay = self.delay if delay is None else delay
        if not delay:
            action()
            return
        timer = threading.Timer(delay, self._guarded, (action,))
        timer.daemon = True
        with self._changed:
            self._timers.append(timer)
        timer.start()

    # What it answers.

    def _next_id(self, client_id):
        if self.first_id:
            return encode(9, 1, self.first_id)
        used = [one.order_id for one in self.orders if one.client_id == client_id]
        return encode(9, 1, max(used, default=0) + 1)

    def _send_tick(self, session, req_id):
        with self._changed:
            self._price = round(self._price + 0.01, 2)
            price = self._price
        session.send(
            messages.tick(req_id, messages.BID, price),
            messages.tick(req_id, messages.ASK, round(price + 0.01, 2)),
            messages.tick(req_id, messages.LAST, price),
        )

    def _current_time(self, session, _fields):
        now = time.monotonic()
        if now - session.time_told >= self.time_gap:
            session.time_told = now
            session.send(encode(49, 1, int(time.time())))

    def _open_orders(self, session, _fields):
        with self._changed:
            orders = [one for one in self._live_orders.values() if is_of(one, session)]
        for order in orders:
            session.send(
                messages.open_order(order, "Submitted"), messages.order_status(order, "Submitted")
            )
        session.send(encode(53, 1))

    def _details(self, session, fields):
        req_id, symbol = fields[2], fields[4]
        if symbol in self.known:
            con_id = self.known[symbol]
            session.send(messages.contract_details(req_id, con_id, symbol, fields[3:15]))
        elif (self.unknown if isinstance(self.unknown, str) else self.unknown.get(symbol)) != "end":
            text = "No security definition has been found for the request"
            self._tell(session, 200, text, req_id)
            return
        session.send(encode(52, 1, req_id))

    def _market_data(self, session, fields):
        req_id, symbol = fields[2], fields[4]

        def answer():
            if self.data == "ticks":
                with self._changed:
                    session.subscriptions[req_id] = symbol
                self._send_tick(session, req_id)
            elif self.data != "silent":
                self._tell(session, *self.data, req_id)

        self._later(answer)

    def _cancel_market_data(self, session, fields):
        with self._changed:
            session.subscriptions.pop(fields[2], None)

    def _place(self, session, fields):
        order = messages.read_order(session.client_id, fields)

        def answer():
            if order.what_if:
                session.send(messages.open_order(order, "PreSubmitted"))
            elif self.orders_mode == "reject":
                self._tell(session, *self.rejection, order.order_id)
            elif self.orders_mode == "accept" and order.transmit:
                with self._changed:
                    self._live_orders[order.client_id, order.order_id] = order
                session.send(
                    messages.open_order(order, "Submitted"),
                    messages.order_status(order, "Submitted"),
                )

        self._note(order)
        self._later(answer)

    def _exercise(self, session, fields):
        self._note(messages.read_exercise(session.client_id, fields))

    def _note(self, order):
        with self._changed:
            self.orders.append(order)
            self._changed.notify_all()

    def _cancel(self, session, fields):
        order_id = int(fields[2])

        def answer():
            if self.cancels_mode == "silent":
                return
            if self.cancels_mode != "cancel":
                self._tell(session, *self.cancels_mode, order_id)
                return
            key = session.client_id, order_id
            order = self._live_orders.get(key)
            if order is None:
                text = f"OrderId {order_id} that needs to be cancelled is not found."
                self._tell(session, 10147, text, order_id)
                return
            with self._changed:
                del self._live_orders[key]
            session.send(messages.order_status(order, "Cancelled"))
            self._tell(session, 202, "Order Canceled - reason:", order_id)

        self._later(answer)

    def _history(self, session, fields):
        session.send(messages.bars(fields[1]))

    def _cancel_history(self, session, fields):
        req_id = int(fields[2])
        session.send(messages.cancelled_history(req_id))
        with self._changed:
            self.told.append((session.client_id, 162, req_id, ""))
            self._changed.notify_all()

    _ANSWERS = {  # noqa: RUF012 -- never changed
        messages.POSITIONS: _positions,
        messages.OPEN_ORDERS: _open_orders,
        messages.ALL_OPEN_ORDERS: _open_orders,
        messages.COMPLETED_ORDERS: lambda _, session, __: session.send(encode(102)),
        messages.ACCOUNT: _account,
        messages.ACCOUNT_MULTI: lambda _, session, fields: session.send(encode(74, 1, fields[2])),
        messages.ACCOUNT_SUMMARY: _summary,
        messages.EXECUTIONS: _executions,
        messages.IDS: lambda self, session, _: session.send(self._next_id(session.client_id)),
        messages.CURRENT_TIME: _current_time,
        messages.CONTRACT_DETAILS: _details,
        messages.MATCHING_SYMBOLS: lambda _, session, f: session.send(encode(79, f[1], 0)),
        messages.MARKET_DATA: _market_data,
        messages.CANCEL_MARKET_DATA: _cancel_market_data,
        messages.HISTORY: _history,
        messages.CANCEL_HISTORY: _cancel_history,
        messages.PLACE_ORDER: _place,
        messages.EXERCISE_OPTIONS: _exercise,
        messages.CANCEL_ORDER: _cancel,
    }


def is_of(order, session):
    """Say whether an order is one of a session's client ID."""
    return order.client_id == session.client_id
