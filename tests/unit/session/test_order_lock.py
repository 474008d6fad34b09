"""The order lock's door: which of the libraries' own messages it takes for orders."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibnb.session.library import instrument, order_lock
from ibnb.session.library.libraries import SPEAKS
from ibnb.tws.outgoing import READABLE_VERSIONS, is_what_if, may_be_order
from ibnb.tws.wire import frame

often = settings(
    max_examples=100,
    deadline=None,
    database=None,
    # The library is the same for all examples.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXTS = st.one_of(st.sampled_from(["", "0", "1", "BAG", "STK"]), st.text("ab01 .", max_size=4))
PRICES = st.one_of(
    st.just(1.7976931348623157e308), st.floats(-5, 5), st.integers(-5, 5), st.just(math.inf)
)
FIELDS = {
    "orderRef": TEXTS,
    "account": TEXTS,
    "ocaGroup": TEXTS,
    "algoId": TEXTS,
    "clearingAccount": TEXTS,
    "modelCode": TEXTS,
    "lmtPrice": PRICES,
    "auxPrice": PRICES,
    "trailStopPrice": PRICES,
    "totalQuantity": PRICES,
    "transmit": st.booleans(),
    "outsideRth": st.booleans(),
    "hidden": st.booleans(),
    "allOrNone": st.booleans(),
    "notHeld": st.booleans(),
    "solicited": st.booleans(),
    "deltaNeutralOrderType": st.sampled_from(["", "MKT"]),
    "scalePriceIncrement": st.sampled_from([1.7976931348623157e308, 0.0, -1.0, 0.25, 3]),
    "hedgeType": st.sampled_from(["", "D", "B"]),
    "hedgeParam": TEXTS,
    "algoStrategy": st.sampled_from(["", "Vwap"]),
    "orderType": st.sampled_from(["LMT", "MKT", "PEG BENCH", "PEG BEST", "PEG MID", "VOL"]),
}


def message_of(module, version, contract, order):
    """Return the placeOrder that the library makes, as its client of a server version sends it."""
    sent = []
    client = module.IB().client
    client.connState, client._serverVersion = client.CONNECTED, version
    client.sendMsg = sent.append
    try:
        client.placeOrder(5, contract, order)
    finally:
        client.reset()
    (text,) = sent
    return frame(text.encode())


def drawn(module, data, **fixed):
    """Return a contract and an order with fields of all kinds."""
    given_fields = data.draw(st.fixed_dictionaries({}, optional=FIELDS))
    order = module.Order(**{"action": "BUY", "totalQuantity": 1, **given_fields, **fixed})
    tags = data.draw(st.lists(TEXTS, max_size=3))
    order.algoParams = [module.TagValue("a", tag) for tag in tags]
    contract = module.Stock("AAPL", data.draw(st.sampled_from(["SMART", "IBKRATS"])), "USD")
    if data.draw(st.booleans()):
        legs = [module.ComboLeg(conId=1, ratio=1) for _ in range(data.draw(st.integers(0, 3)))]
        contract = module.Bag(symbol="SPY", comboLegs=legs)
        order.smartComboRoutingParams = [module.TagValue("NonGuaranteed", "1")]
        order.orderComboLegs = [module.OrderComboLeg(price=1.0) for _ in legs]
    if data.draw(st.booleans()):
        contract.deltaNeutralContract = module.DeltaNeutralContract(1, 0.5, 2.0)
    order.conditions = [module.PriceCondition(price=1)] * data.draw(st.integers(0, 2))
    return contract, order


def test_every_version_that_the_libraries_speak_can_be_read():
    """Of another one a what-if order would be refused on a locked account."""
    for lowest, highest in SPEAKS.values():
        assert lowest in READABLE_VERSIONS
        assert highest in READABLE_VERSIONS


@often
@given(data=st.data())
def test_a_what_if_is_told_from_an_order(module, library, data):
    """Combos, scales, hedges, algorithms and texts of every kind between make no difference."""
    lowest, highest = SPEAKS[library]
    version = data.draw(st.integers(lowest, highest))
    what_if = data.draw(st.booleans())
    contract, order = drawn(module, data, whatIf=what_if)
    message = message_of(module, version, contract, order)
    assert is_what_if(message, version) is what_if
    assert may_be_order(message)


@often
@given(data=st.data())
def test_of_another_version_it_may_be_an_order(module, library, data):
    """What cannot be read for certain is none of the what-ifs that pass."""
    contract, order = drawn(module, data, whatIf=True)
    message = message_of(module, SPEAKS[library][1], contract, order)
    for version in (0, READABLE_VERSIONS.start - 1, READABLE_VERSIONS.stop, 201):
        assert not is_what_if(message, version)


@often
@given(data=st.data())
def test_what_is_cut_short_may_be_an_order(module, library, data):
    """Without its last fields, or with one field less, it is not certain what it is."""
    version = SPEAKS[library][1]
    contract, order = drawn(module, data, whatIf=True)
    message = message_of(module, version, contract, order)
    before_what_if = data.draw(st.integers(1, 60))
    text = message[4:]
    fields = text.split(b"\0")
    assert not is_what_if(frame(b"\0".join(fields[:before_what_if]) + b"\0"), version)
    assert not is_what_if(frame(text.removesuffix(b"\0") + b"x"), version)
    assert not is_what_if(b"\1" + message[1:], version)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scalePriceIncrement", math.nan),
        ("scalePriceIncrement", math.inf),
        ("algoStrategy", 0),
        ("hedgeType", 0),
        ("deltaNeutralOrderType", 0),
        ("notHeld", "no"),
        ("solicited", "no"),
    ],
)
def test_odd_values_leave_doubt(module, field, value):
    """If the library and a gateway may disagree on the fields that follow, it is an order."""
    contract = module.Stock("AAPL", "SMART", "USD")
    order = module.Order(action="BUY", totalQuantity=1, whatIf=True)
    setattr(order, field, value)
    assert not is_what_if(message_of(module, 176, contract, order), 176)


@pytest.mark.parametrize("kind", ["bag", " BAG", "Bag"])
def test_a_combo_by_another_name_leaves_doubt(module, kind):
    """The library leaves the legs out, a gateway may expect them."""
    contract = module.Contract(secType=kind, symbol="SPY")
    order = module.Order(action="BUY", totalQuantity=1, whatIf=True)
    assert not is_what_if(message_of(module, 176, contract, order), 176)


def test_an_object_is_locked_once(module):
    """Locking it again leaves one door, of the class that it has."""
    ib = module.IB()
    order_lock.lock_orders(ib, lambda _host, _port: AssertionError())
    kind = type(ib.client.conn)
    assert kind.__mro__[1] is module.connection.Connection
    order_lock.lock_orders(ib, lambda _host, _port: AssertionError())
    assert type(ib.client.conn) is kind
    assert order_lock.orders_locked(ib)
    assert not order_lock.orders_locked(module.IB())
    assert repr(ib.client.conn.order_lock) == "<OrderLock: locked>"


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        *((True, True), (1, True), ("1", True)),
        *(
            (False, False),
            ("0", False),
            ("false", False),
            ("True", False),
            (2, False),
            (1.0, False),
        ),
    ],
)
def test_an_objection_asks_what_is_written_too(module, value, passes):
    """Code that may send no orders may ask what one would do; a text that Python finds true is one.

    Without a connection the library refuses what passes.
    """
    ib = module.IB()
    instrument.check_orders(ib, lambda: PermissionError("objected"))
    order = module.MarketOrder("BUY", 1, whatIf=value)
    with pytest.raises(ConnectionError if passes else PermissionError):
        ib.client.placeOrder(5, module.Stock("AAPL", "SMART", "USD"), order)
