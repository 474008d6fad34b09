"""The user's own call, mended: what is put right, what is left alone, and that it can be run."""

import inspect
from importlib import import_module

import pytest
from asking import BARS, TICKS

from ibnb.diagnostics.explain.mending import CALLS, mended
from ibnb.diagnostics.explain.parameter_rules import BAR_SIZES, objection

HISTORY = ("reqHistoricalData", BARS)


@pytest.fixture
def apple(library):
    """A contract of the library."""
    return import_module(library).Stock("AAPL", "SMART", "USD")


def bars(contract, **changed):
    """Return the call that mends a request for bars."""
    return mended("reqHistoricalData", {"contract": contract, **BARS, **changed})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("7 mins", "5 mins"),
        ("5 min", "5 mins"),
        ("1 minute", "1 min"),
        ("1 mins", "1 min"),
        ("1h", "1 hour"),
        ("12 hours", "8 hours"),
        ("1 D", "1 day"),
        ("90 secs", "1 min"),
        ("1 months", "1 month"),
    ],
)
def test_a_bar_size_becomes_the_nearest_that_there_is(apple, given, meant):
    """In its exact spelling."""
    assert meant in BAR_SIZES
    assert f"barSizeSetting={meant!r}" in bars(apple, barSizeSetting=given)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("1 day", "1 D"), ("2 weeks", "2 W"), ("1 hour", "3600 S"), ("3 months", "3 M")],
)
def test_a_duration_is_spelled_as_a_gateway_wants_it(apple, given, meant):
    """Hours are seconds: there is no unit for them."""
    assert f"durationStr={meant!r}" in bars(apple, durationStr=given)


@pytest.mark.parametrize(
    ("call", "wrong", "right"),
    [
        (HISTORY, {"whatToShow": "TRADE"}, "whatToShow='TRADES'"),
        (HISTORY, {"whatToShow": "mid point"}, "whatToShow='MIDPOINT'"),
        (HISTORY, {"useRTH": "no"}, "useRTH=False"),
        (HISTORY, {"formatDate": 0}, "useRTH=True)"),
        (
            HISTORY,
            {"keepUpToDate": True, "endDateTime": "20260102 15:00:00"},
            "endDateTime=''",
        ),
        (("reqHistoricalTicks", TICKS), {"numberOfTicks": 5000}, "numberOfTicks=1000"),
        (("reqTickByTickData", {}), {"tickType": "All last"}, "tickType='AllLast'"),
        (("reqMktData", {}), {"genericTickList": "233,bid"}, "genericTickList='233'"),
    ],
)
def test_what_can_be_put_right_is(apple, library, call, wrong, right):
    """The call holds it, nothing is wrong with it any more, and the library takes it."""
    method, others = call
    module = import_module(library)
    text = mended(method, {"contract": apple, **others, **wrong})
    assert right in text
    sent = {}

    class Gateway:
        def __getattr__(self, name):
            def take(*given, **named):
                sent.update(
                    inspect.signature(getattr(module.IB, name))
                    .bind(None, *given, **named)
                    .arguments
                )

            return take

    exec(text, vars(module) | {"ib": Gateway()})  # noqa: S102 - as its reader does
    assert sent.pop("contract") == apple
    named = {name: value for name, value in sent.items() if name != "self"}
    assert not any(objection(method, name, value, named) for name, value in named.items())


def test_a_missing_exchange_is_the_one_that_finds_one(library):
    """The contract of the user stays as it is."""
    contract = import_module(library).Stock("AAPL", "", "USD")
    assert "exchange='SMART'" in bars(contract)
    assert contract.exchange == ""


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"barSizeSetting": "often"},
        {"durationStr": "for ever"},
        {"endDateTime": "yesterday"},
        {"barSizeSetting": "7 mins", "endDateTime": "yesterday"},
    ],
)
def test_what_cannot_be_put_right_for_certain_is_no_call(apple, changed):
    """Nor is what nothing is known to be wrong with: half a mend would be refused again."""
    assert bars(apple, **changed) == ""


def test_a_contract_that_is_ambiguous_is_left_alone(library):
    """Which future was meant only the user knows."""
    future = import_module(library).Future("ES", exchange="CME")
    assert bars(future, barSizeSetting="7 mins") == ""


def test_other_requests_have_no_mended_call(apple):
    """An order least of all."""
    assert "placeOrder" not in CALLS
    assert mended("placeOrder", {"contract": apple, "order": None}) == ""
