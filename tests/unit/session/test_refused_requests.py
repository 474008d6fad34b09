"""Requests that a gateway refuses as invalid end at once, in either library."""

import asyncio
import importlib

import pytest

from ibnb.simulator import SimulatedGateway

SOON = 10.0


@pytest.fixture
async def ib(connect):
    """The session's `IB` object, connected."""
    with SimulatedGateway() as gateway:
        yield (await connect(gateway.port)).connection.ib


@pytest.fixture
def stock(library):
    """A contract that is known."""
    return importlib.import_module(library).Stock("AAPL", "SMART", "USD")


def refused(ib, stock):
    """Ask for bars of a size that there is not."""
    return ib.reqHistoricalDataAsync(stock, "", "1 D", "5 minutes", "TRADES", True)


async def test_a_refused_request_ends_without_an_answer(ib, stock, library):
    """It returns what it would have filled, empty, and does not wait for ever."""
    bars = await asyncio.wait_for(refused(ib, stock), SOON)
    assert isinstance(bars, importlib.import_module(library).BarDataList)
    assert len(bars) == 0
    chains = ib.reqSecDefOptParamsAsync("AAPL", "", "STK", 0)
    assert await asyncio.wait_for(chains, SOON) in ([], None)


async def test_a_refused_request_raises_where_that_is_wanted(ib, stock, library):
    """With `RaiseRequestErrors` it is the library's own error, with code, text and reqId."""
    wrapper = importlib.import_module(f"{library}.wrapper")
    ib.RaiseRequestErrors = True
    with pytest.raises(wrapper.RequestError) as raised:
        await asyncio.wait_for(refused(ib, stock), SOON)
    assert raised.value.code == 321
    assert "bar size" in raised.value.message
    assert raised.value.reqId > 0


async def test_others_wait_on(ib, stock):
    """Only the request that was refused ends; one beside it gets its own answer."""
    details, bars = await asyncio.wait_for(
        asyncio.gather(ib.reqContractDetailsAsync(stock), refused(ib, stock)), SOON
    )
    assert len(details) == 1
    assert len(bars) == 0
