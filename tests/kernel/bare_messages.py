"""What a gateway of server version 176 reads and writes about contracts, orders, ticks and bars.

Written from what is known of the wire, without any code of ibnb.
"""

from __future__ import annotations

from dataclasses import dataclass

from framing import encode, notice

UNSET = "1.7976931348623157E308"

START_API = 71
MARKET_DATA, CANCEL_MARKET_DATA = 1, 2
PLACE_ORDER, CANCEL_ORDER, EXERCISE_OPTIONS = 3, 4, 21
OPEN_ORDERS, ALL_OPEN_ORDERS, COMPLETED_ORDERS = 5, 16, 99
ACCOUNT, ACCOUNT_MULTI, ACCOUNT_SUMMARY = 6, 76, 62
EXECUTIONS, CONTRACT_DETAILS, MATCHING_SYMBOLS = 7, 9, 81
HISTORY, CANCEL_HISTORY = 20, 25
IDS, CURRENT_TIME, POSITIONS = 8, 49, 61
"""Message ids of what a client sends."""
SYNCHRONISING = frozenset(
    {POSITIONS, OPEN_ORDERS, COMPLETED_ORDERS, ACCOUNT, ACCOUNT_MULTI, EXECUTIONS}
)
"""What a library asks for when a session begins."""

BID, ASK, LAST = 1, 2, 4


@dataclass(frozen=True)
class PlacedOrder:
    """An order, or an exercise of options, as it came over the wire."""

    message_id: int
    client_id: int
    order_id: int
    contract: tuple[str, ...]
    """The contract's twelve fields, as placeOrder has them."""
    action: str
    quantity: float
    kind: str = ""
    limit: str = ""
    aux: str = ""
    tif: str = ""
    account: str = ""
    reference: str = ""
    transmit: bool = True
    what_if: bool = False

    @property
    def symbol(self):
        """The symbol that it is about."""
        return self.contract[1]


def read_order(client_id, fields):
    """Read a placeOrder; `fields` begins with its message id."""
    take = iter(fields).__next__

    def skip(count):
        for _ in range(count):
            take()

    message_id, order_id = int(take()), int(take())
    contract = tuple(take() for _ in range(12))
    skip(2)
    action, quantity, kind, limit, aux, tif, _ = (take() for _ in range(7))
    account, _, _, reference, transmit = (take() for _ in range(5))
    skip(7)
    if contract[2] == "BAG":
        skip(8 * int(take()))
        skip(int(take()))
        skip(2 * int(take()))
    skip(30)
    delta_neutral, _ = take(), take()
    if delta_neutral:
        skip(8)
    skip(6)
    increment = take()
    if increment and float(increment) > 0:
        skip(7)
    skip(3)
    hedge = take()
    if hedge:
        skip(1)
    skip(4)
    if take() == "1":
        skip(3)
    algo = take()
    if algo:
        skip(2 * int(take()))
    skip(1)
    return PlacedOrder(
        message_id,
        client_id,
        order_id,
        contract,
        action,
        float(quantity),
        kind,
        limit,
        aux,
        tif,
        account,
        reference,
        transmit == "1",
        take() == "1",
    )


def read_exercise(client_id, fields):
    """Read an exerciseOptions; `fields` begins with its message id."""
    message_id, _, req_id, *contract, action, quantity, account, _ = fields
    # Without the primary exchange, which placeOrder has in the ninth place.
    contract.insert(8, "")
    return PlacedOrder(
        int(message_id),
        client_id,
        int(req_id),
        tuple(contract),
        f"EXERCISE {action}",
        float(quantity),
        account=account,
    )


def open_order(order, status):
    """Return the openOrder of an order; of a what-if, with the margins asked for."""
    con_id, symbol, sec_type, expiry, strike, right, multiplier, exchange, _, *rest = order.contract
    currency, local_symbol, trading_class = rest
    margins = ["100.0"] * 9 if order.what_if else [UNSET] * 9
    return encode(
        *(5, order.order_id, con_id, symbol, sec_type, expiry, strike, right, multiplier, exchange),
        *(currency, local_symbol, trading_class),
        *(order.action, order.quantity, order.kind, order.limit, order.aux, order.tif),
        # From the OCA group to the permanent ID; outside hours, hidden, discretionary amount.
        *("", order.account or "DU1234567", "", 0, order.reference, order.client_id),
        *(perm_id(order), 0, 0, 0),
        # From the time that it is good after to the settling firm; short sale, exempt code.
        *("",) * 11,
        *(0, "", -1),
        # From the auction's strategy to the range; display size, flags, OCA type.
        *(0, "", "", "", "", "", 2147483647, 0, 0, 0, "", 3),
        # From e-trade only to the delta neutral order; trailing and basis points; no legs.
        *(0, 0, "", 0, 0, "", 0, "", ""),
        *(0, "", "", "", "", "", ""),
        *(0, 0, 0),
        # Scale and hedge; smart routing, clearing; algo.
        *("", "", "", ""),
        *(0, "", "IB", 0, 0),
        "",
        *(0, int(order.what_if), status, *margins, "", "", "", "", "", 0, 0),
        # No conditions; what is adjusted; soft dollars; amounts and flags.
        0,
        *("None", UNSET, UNSET, UNSET, UNSET, UNSET, UNSET, 0),
        *("", "", "", "", 0, 0, "", 0),
        *("", "", 0, "", "", "", "", ""),
    )


def order_status(order, status):
    """Return the orderStatus of an order of which nothing is filled."""
    return encode(
        *(3, order.order_id, status, 0, order.quantity, 0, perm_id(order), 0, 0),
        *(order.client_id, "", 0),
    )


def perm_id(order):
    """Return the ID that the broker gives an order."""
    return 1_000_000 + 1_000 * order.client_id + order.order_id


def contract_details(req_id, con_id, symbol, asked):
    """Return the details of one contract; `asked` are the twelve fields that were asked for."""
    _, _, sec_type, expiry, strike, right, multiplier, exchange, primary, currency, *_ = asked
    return encode(
        *(10, req_id, symbol, sec_type, expiry, strike, right, exchange or "SMART"),
        *(currency or "USD", symbol, symbol, symbol, con_id, 0.01, multiplier),
        *("LMT,MKT", "SMART", 1, 0, f"{symbol} Inc", primary or "NASDAQ", "", "", "", ""),
        *("US/Eastern", "", "", "", "", 0),
        *(1, "", "", "26", "", "COMMON", 1, 1, 100),
    )


def tick(req_id, kind, price, size=100):
    """Return a price with its size."""
    return encode(1, 6, req_id, kind, price, size, 0)


def position(account, symbol, quantity):
    """Build a row of the answer to the request for positions."""
    contract = (con_id_of(symbol), symbol, "STK", "", 0.0, "", "", "", "USD", symbol, symbol)
    return encode(61, 3, account, *contract, quantity, 100.0)


def portfolio(account, symbol, quantity):
    """Build a row of the portfolio of an account."""
    contract = (con_id_of(symbol), symbol, "STK", "", 0.0, "", "", "", "USD", symbol, symbol)
    values = (quantity, 100.0, 100.0 * quantity, 100.0, 0.0, 0.0)
    return encode(7, 8, *contract, *values, account)


def con_id_of(symbol):
    """Return a contract ID for any symbol."""
    return sum(map(ord, symbol))


def bars(req_id):
    """Return two hourly bars."""
    rows = [
        (f"20260828  {hour}:00:00", 100, 101, 99, 100.5, 1000, 100.2, 12) for hour in ("15", "16")
    ]
    span = ("20260828  15:00:00", "20260828  17:00:00")
    return encode(17, req_id, *span, len(rows), *(value for row in rows for value in row))


def cancelled_history(req_id):
    """Return the notice by which a gateway confirms that a request for bars was cancelled."""
    text = "Historical Market Data Service error message:API historical data query cancelled: "
    return notice(162, f"{text}{req_id}", req_id)
