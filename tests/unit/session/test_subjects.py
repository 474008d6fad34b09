"""What a notice is about, named in a few words."""

from types import SimpleNamespace

import pytest

from ibnb.session.subjects import LONGEST, contract_name, subject


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda api: api.Stock("NOSUCH", "SMART", "USD"), "NOSUCH"),
        (lambda api: api.Forex("EURUSD"), "EURUSD"),
        (lambda api: api.Future("ES", "202001", "CME"), "ES FUT 202001"),
        (lambda api: api.Option("SPY", "20260116", 400.0, "C", "SMART"), "SPY OPT 20260116 400 C"),
        (lambda api: api.Contract(conId=265598), "conId 265598"),
        (lambda api: api.Contract(secIdType="ISIN", secId="US0378331005"), "ISIN US0378331005"),
        (lambda api: api.Contract(), "a contract without a symbol"),
        (lambda api: api.Option(localSymbol="SPY   260116C00400000"), "SPY 260116C00400000"),
        (lambda api: api.Stock("X" * 1000), "X" * LONGEST),
    ],
)
def test_a_contract_is_named_by_what_tells_it_from_others(module, make, name):
    """By its symbol, by what an option or future has besides, or else by its number."""
    assert contract_name(make(module)) == name


async def test_an_order_is_named_by_its_number_and_what_it_does(module):
    """It says more than the contract of its request."""
    ib = module.IB()
    ib.wrapper.clientId = 7
    contract = module.Stock("TSLA", "SMART", "USD")
    order = module.LimitOrder("BUY", 1.5, 100.0, orderId=5)
    ib.wrapper.trades[(7, 5)] = SimpleNamespace(order=order, contract=contract)
    assert subject(ib, 5, 201, "Order rejected") == "order 5 BUY 1.5 TSLA"
    assert subject(ib, 6, 201, "Order rejected") == ""
    assert subject(ib, 6, 200, "No security definition", contract) == "TSLA"


def test_a_farm_is_named_by_its_name():
    """And what concerns the whole connection has no subject."""
    assert subject(None, -1, 2103, "Market data farm connection is broken:usfarm") == "usfarm"
    assert subject(None, -1, 1100, "Connectivity has been lost: all of it") == ""
