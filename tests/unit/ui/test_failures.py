"""Exceptions of the API libraries, and the page that each is explained by."""

import importlib

import pytest
from commands import python

from ibnb.app import App
from ibnb.options import ConnectOptions
from ibnb.settings import IbSettings
from ibnb.simulator import SimulatedGateway
from ibnb.ui.failures import explain_failure

LOOP_GONE = """
import asyncio
import threading
from ibnb.app import the_app
from ibnb.ui.failures import explain_failure
import {library} as api

async def work():
    return 1

def tried(call):
    try:
        call()
    except RuntimeError as error:
        print(explain_failure(error, the_app()).entry.id)
    else:
        print("nothing")

def connect():
    ib = api.IB()
    ib.connect("127.0.0.1", {port}, clientId=7)
    ib.disconnect()

asyncio.set_event_loop(asyncio.new_event_loop())
tried(connect)
asyncio.run(work())
tried(connect)
asyncio.set_event_loop(asyncio.new_event_loop())
tried(connect)
thread = threading.Thread(target=tried, args=[connect])
thread.start()
thread.join()
"""


@pytest.fixture
async def app(library, gateway):
    """An app that is connected to the gateway."""
    made = App(IbSettings(library=library))
    await made.connect_async(ConnectOptions(gateway.port))
    yield made
    await made.session.disconnect()


def test_asyncio_run_took_the_loop(library, tmp_path):
    """The main thread's missing loop is told as that, and what its page says mends it.

    Of any other thread it is the page on threads.
    """
    script = tmp_path / "script.py"
    with SimulatedGateway() as gateway:
        script.write_text(LOOP_GONE.format(library=library, port=gateway.port))
        ended = python(script, IBNB_STATE_DIR=str(tmp_path / "state"))
    # The fork makes a loop itself where there is none.
    makes_one = library == "ib_async"
    gone, thread = ("nothing",) * 2 if makes_one else ("main-loop-gone", "blocking-on-thread")
    assert ended.stdout.splitlines() == ["nothing", gone, "nothing", thread], ended.stderr


async def test_an_order_that_is_done_for_the_library(app, library, gateway):
    """The page says that the order was sent before the library refused: so it was."""
    module, ib = importlib.import_module(library), app.session.connection.ib
    contract = module.Stock("AAPL", "SMART", "USD", conId=1)
    trade = ib.placeOrder(contract, module.LimitOrder("BUY", 1, 1.0))
    trade.orderStatus.status = "Cancelled"
    with pytest.raises(AssertionError) as raised:
        ib.placeOrder(contract, trade.order)
    explanation = explain_failure(raised.value, app)
    assert explanation.entry.id == "order-done"
    assert "reqAllOpenOrders" in explanation.steps[0]
    await ib.reqCurrentTimeAsync()
    assert sum(fields[0] == "3" for _, fields in gateway.messages) == 2


async def test_an_assertion_of_the_users_own_has_no_page(app):
    """Only what `placeOrder` of the library raises is explained, not what a handler does."""

    def placeOrder():  # noqa: N802 - as a user may call his own
        raise AssertionError

    with pytest.raises(AssertionError) as raised:
        placeOrder()
    assert explain_failure(raised.value, app) is None
