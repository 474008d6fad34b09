"""Blocking requests in handlers and on threads: an explained error where they hung for ever."""

import asyncio
import importlib
import threading

import pytest

from ibnb.session import BlockingInHandler, BlockingOnThread
from ibnb.session.library.blocking_calls import BlockingCalls, unwatch_handlers, watch_handlers
from ibnb.simulator import SimulatedGateway

PATIENCE = 30.0


@pytest.fixture
def api(library):
    """The API library's module, with blocking calls looked after."""
    module = importlib.import_module(library)
    calls = BlockingCalls()
    calls.enter()
    yield module
    calls.leave()


@pytest.fixture
async def ib(api):
    """A connected object whose handlers are looked after."""
    from ibnb.session.notebook.event_loop import patch_loop

    patch_loop()
    made = api.IB()
    with SimulatedGateway() as gateway:
        await made.connectAsync("127.0.0.1", gateway.port, 5)
        watch_handlers(made)
        yield made
        made.disconnect()
        await asyncio.sleep(0)


async def handled(ib, work):
    """Do something inside a handler that runs when bytes came; return what it came to."""
    came = asyncio.get_running_loop().create_future()

    def handler(*_args):
        if not came.done():
            try:
                came.set_result(work())
            except BaseException as error:  # noqa: BLE001 - handed to the test
                came.set_exception(error)

    ib.updateEvent.connect(handler)
    try:
        ib.client.reqCurrentTime()
        return await asyncio.wait_for(came, PATIENCE)
    finally:
        ib.updateEvent.disconnect(handler)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda _api, ib: ib.reqPositions(),
        lambda api, ib: ib.qualifyContracts(api.Stock("AAPL", "SMART", "USD")),
        lambda api, ib: api.IB.run(ib.reqContractDetailsAsync(api.Stock("AAPL", "SMART", "USD"))),
    ],
    ids=["a future", "a coroutine", "run"],
)
async def test_a_blocking_request_in_a_handler_is_refused(api, ib, request_of):
    """Its error says what to do in place of hanging, and the connection goes on working."""
    with pytest.raises(BlockingInHandler, match="inside an event handler") as raised:
        await handled(ib, lambda: request_of(api, ib))
    assert raised.value.verdict == "blocking-in-handler"
    assert raised.value.explanation.entry.resolution
    assert len(await ib.reqPositionsAsync()) > 0


async def test_blocking_by_hand_in_a_handler_is_refused(ib):
    """On the loop itself, as where somebody patched it and calls `run_until_complete`."""
    loop = asyncio.get_running_loop()
    calls = BlockingCalls(loop)
    calls.enter()
    try:
        with pytest.raises(BlockingInHandler):
            await handled(ib, lambda: loop.run_until_complete(ib.reqPositionsAsync()))
        slept = await handled(ib, lambda: loop.run_until_complete(asyncio.sleep(0, "slept")))
    finally:
        calls.leave()
    assert slept == "slept"
    assert "run_until_complete" not in vars(loop)


async def test_a_wait_for_an_update_in_a_handler_is_refused(ib):
    """What is waited for could only come once the handler is over."""
    with pytest.raises(BlockingInHandler):
        await handled(ib, ib.waitOnUpdate)


async def test_a_wait_with_a_limit_is_let_through(ib):
    """It ends by itself, so it is the user's own business."""
    assert await handled(ib, lambda: ib.waitOnUpdate(timeout=0.05)) is False


async def test_sleeping_in_a_handler_is_let_through(api, ib):
    """The libraries' own sleep needs nothing from the socket."""
    assert await handled(ib, lambda: api.IB.sleep(0.01)) is True


async def test_a_task_begun_in_a_handler_is_let_through(ib):
    """A request that is awaited gets its answer when the handler is over."""
    task = await handled(ib, lambda: asyncio.ensure_future(ib.reqPositionsAsync()))
    assert len(await asyncio.wait_for(task, PATIENCE)) > 0


async def test_a_task_of_before_is_let_through(ib, api):
    """A task that runs while a handler sleeps may request: only what blocks is refused."""
    go = asyncio.Event()

    async def later():
        await go.wait()
        return await ib.reqPositionsAsync()

    task = asyncio.ensure_future(later())

    def work():
        go.set()
        return api.IB.sleep(0.05)

    assert await handled(ib, work) is True
    assert len(await asyncio.wait_for(task, PATIENCE)) > 0


BLOCKING = {
    "a future": lambda _api, ib: ib.reqPositions(),
    "a coroutine": lambda api, ib: ib.qualifyContracts(api.Stock("AAPL", "SMART", "USD")),
    "a wait": lambda _api, ib: ib.waitOnUpdate(),
}


@pytest.mark.parametrize("way", list(BLOCKING))
async def test_a_blocking_request_on_another_thread_is_refused(api, ib, way):
    """With the loop patched it would hang for ever; the connection goes on working."""

    def work():
        loop = asyncio.new_event_loop()
        # As the patch of nest-asyncio2 does for a thread that has none.
        asyncio.set_event_loop(loop)
        try:
            BLOCKING[way](api, ib)
        finally:
            loop.close()

    with pytest.raises(BlockingOnThread, match=r"on the thread '.*none would have come") as raised:
        await asyncio.wait_for(asyncio.to_thread(work), PATIENCE)
    assert isinstance(raised.value, RuntimeError)
    assert raised.value.verdict == "blocking-on-thread"
    assert await ib.reqContractDetailsAsync(api.Stock("AAPL", "SMART", "USD"))


async def test_a_thread_may_hand_a_request_over(ib):
    """As the page on it advises: the request is made on the loop, and the thread waits."""
    loop = asyncio.get_running_loop()

    async def ask():
        return await ib.reqPositionsAsync()

    def work():
        return asyncio.run_coroutine_threadsafe(ask(), loop).result(PATIENCE)

    assert len(await asyncio.to_thread(work)) > 0


def test_a_loop_that_moved_to_another_thread_may_be_blocked_on(api):
    """Where the connection's own loop runs on the thread that asks, its answers are read."""
    from ibnb.session.notebook.event_loop import patch_loop

    loop, ib, found = asyncio.new_event_loop(), api.IB(), []

    async def open_it():
        patch_loop()
        await ib.connectAsync("127.0.0.1", gateway.port, 5)
        watch_handlers(ib)

    async def ask():
        found.extend(ib.reqPositions())
        ib.disconnect()

    def work(main):
        asyncio.set_event_loop(loop)
        loop.run_until_complete(main())

    with SimulatedGateway() as gateway:
        for main in (open_it, ask):
            thread = threading.Thread(target=work, args=(main,))
            thread.start()
            thread.join(PATIENCE)
    loop.close()
    assert len(found) > 0


async def test_another_connection_may_be_asked(api, ib):
    """A handler of one connection may block on another: that one's socket is read meanwhile."""
    other = api.IB()
    await other.connectAsync("127.0.0.1", ib.client.port, 6)
    watch_handlers(other)
    try:
        assert len(await handled(ib, other.reqPositions)) > 0
    finally:
        other.disconnect()


async def test_blocking_outside_of_handlers_is_as_before(ib):
    """A cell's blocking request is what the libraries are for."""
    assert len(ib.reqPositions()) > 0


async def test_everything_is_restored(api, ib):
    """Leaving puts back what the library had, on its module, its class and the object."""
    calls = BlockingCalls()
    before = api.util.run, vars(api.IB)["run"]
    calls.enter()
    assert api.util.run is not before[0]
    calls.leave()
    assert (api.util.run, vars(api.IB)["run"]) == before
    unwatch_handlers(ib)
    assert "startReq" not in vars(ib.wrapper)
    assert "waitOnUpdate" not in vars(ib)
