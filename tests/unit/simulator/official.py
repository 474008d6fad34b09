"""The official API client as tests drive it: callbacks in a queue, messages read in a thread."""

import contextlib
import logging
import queue
import threading

from ibapi import client as ibapi_client
from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.order import Order
from ibapi.wrapper import EWrapper

MAX_WAIT = 20


class App(EWrapper, EClient):
    """Puts each callback of these names into a queue."""

    def __init__(self, callbacks):
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.calls = queue.Queue()
        for name in callbacks:
            setattr(self, name, self._recorder(name))

    def _recorder(self, name):
        return lambda *arguments: self.calls.put((name, *arguments))

    def wait(self, name):
        """Return the arguments of every call up to and with the first one of this name."""
        seen = []
        while not seen or seen[-1][0] != name:
            seen.append(self.calls.get(timeout=MAX_WAIT))
        return seen


@contextlib.contextmanager
def connected(app, port, version, monkeypatch, caplog):
    """Connect a client at a server version; nothing that its reading raised may be left."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(ibapi_client, "MAX_CLIENT_VER", version)
    app.connect("127.0.0.1", port, 9)
    assert app.serverVersion() == version
    reader = threading.Thread(target=app.run, daemon=True)
    reader.start()
    yield app
    app.disconnect()
    reader.join(MAX_WAIT)
    assert not reader.is_alive()
    assert [record.getMessage() for record in caplog.records if record.levelno >= 40] == []


def contract(symbol="AAPL", kind="STK", exchange="SMART"):
    """Return a contract as the official library describes it."""
    made = Contract()
    made.symbol, made.secType, made.exchange, made.currency = symbol, kind, exchange, "USD"
    return made


def order(kind, quantity, price=None):
    """Return an order as the official library describes it."""
    made = Order()
    made.action, made.orderType, made.totalQuantity = "BUY", kind, quantity
    if price is not None:
        made.lmtPrice = price
    return made
