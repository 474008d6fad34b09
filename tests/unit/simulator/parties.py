"""Clients of different makes that do the same and note what they decode, in one form for all."""

import datetime as dt
import inspect
import math
import threading
import types

WAIT = 20.0
ALIASES = {
    "wap": "average",
    "size": "count",
    "barCount": "count",
    "commissionAndFees": "commission",
    "commissionAndFeesReport": "commissionReport",
}
COMPARED = "".join(
    "conId symbol secType lastTradeDateOrContractMonth strike right multiplier exchange "
    "currency localSymbol tradingClass contract marketName minTick longName timeZoneId "
    "tradingHours liquidHours validExchanges underConId underSymbol underSecType "
    "contractMonth industry category subcategory priceMagnifier marketRuleIds "
    "realExpirationDate stockType secIdList tag value date open high low close volume average "
    "count wap barCount time price size priceBid priceAsk sizeBid sizeAsk execId side shares "
    "cumQty avgPrice orderId clientId commission realizedPNL commissionAndFees action "
    "totalQuantity orderType lmtPrice auxPrice tif account status lowEdge increment "
    "exchangeLetter bitNumber code name derivativeSecTypes "
).split()
"""The attributes that are compared, of whatever has them."""
NOT_ANSWERS = {"connectAck", "connectionClosed", "winError", "updateAccountTime", "setEventsDone"}
UNSET = {2**31 - 1, 2**63 - 1, 2**127 - 1, 1.7976931348623157e308}


def plain(value):
    """Return a decoded value in a form that is the same for every client."""
    match value:
        case None | bool():
            return value
        case dt.datetime():
            return round(value.timestamp(), 3)
        case str():
            return _read(value)
        case set() | frozenset():
            return sorted(plain(one) for one in value)
        case list() | tuple() if not hasattr(value, "_fields"):
            return [plain(one) for one in value]
    return _counted(value) if hasattr(value, "__float__") else _taken_apart(value)


def _counted(value):
    number = float(value)
    return None if number in UNSET or math.isnan(number) else round(number, 6)


def _taken_apart(value):
    found = {
        ALIASES.get(name, name): plain(getattr(value, name))
        for name in COMPARED
        # What has `count` may be a tuple.
        if not callable(getattr(value, name, len))
    }
    return found or None


def _read(text):
    try:
        return plain(float(text))
    except ValueError:
        return " ".join(text.split())


def call(name, values):
    """Return a callback as all clients note it: its name, and what it was told."""
    name = ALIASES.get(name, name)
    if name == "error":
        # The newest client has the time of the notice between its request and its code.
        req_id, *_, code = values[:3] if isinstance(values[2], int) else values[:2]
        return name, [req_id, code]
    if name == "historicalDataEnd":
        # Where it begins and ends is told with a zone or without, by server version.
        return name, values[:1]
    if name == "tickOptionComputation":
        return name, [*plain(values[:2]), *plain(values[-8:])]
    if name in {"tickPrice", "tickSize"}:
        return name, plain(values[:3])
    return name, plain([one for one in values if not type(one).__name__.startswith("TickAttrib")])


class Party:
    """A client, and what it was told.

    Args:
        api: where its classes are: Contract, Order and so on.
        client: what has the methods that send requests.
    """

    def __init__(self, api, client=None):
        self.api, self.client = api, client
        self.calls = []

    def note(self, name, *values):
        """Note one callback."""
        if name == "priceSizeTick":
            # Both libraries make one call of a price and its size.
            self.note("tickPrice", *values[:3])
            sizes = {1: 0, 2: 3, 4: 5}
            if values[1] in sizes and values[3]:
                self.note("tickSize", values[0], sizes[values[1]], values[3])
            return
        if name not in NOT_ANSWERS:
            self.calls.append(call(name, values))

    def make(self, kind, **values):
        """Return an object of the client's own, with these attributes."""
        made = getattr(self.api, kind)()
        for name, value in values.items():
            setattr(made, name, value)
        return made

    def has(self, method):
        """Say whether the client can send a request."""
        return hasattr(self.client, method)

    def send(self, method, *arguments):
        """Send a request; what the newest client wants besides is left empty."""
        function = getattr(self.client, method)
        wanted = [
            one
            for one in inspect.signature(function).parameters.values()
            if one.default is one.empty
        ]
        extra = {
            "orderCancel": getattr(self.api, "OrderCancel", None),
            "professionalCustomer": bool,
        }
        missing = [extra.get(one.name, str)() for one in wanted[len(arguments) :]]
        function(*arguments, *missing)

    def close(self):
        """Disconnect."""
        self.client.disconnect()


class _Wrapper:
    """What the libraries' own client calls: anything is noted."""

    def __init__(self, party):
        self.ib = types.SimpleNamespace(TimezoneTWS="")
        self.defaultTimezone = dt.UTC
        self._party = party

    def __getattr__(self, name):
        if name.startswith(("_", "tcp")):
            raise AttributeError(name)
        return lambda *values: self._party.note(name, *values)


async def library_party(library, port, client_id):
    """Return a client of ib_insync or ib_async without anything above it, connected."""
    party = Party(library)
    party.client = library.client.Client(_Wrapper(party))
    await party.client.connectAsync("127.0.0.1", port, client_id, timeout=WAIT)
    return party


class OfficialParty(Party):
    """The official client, of either age, with its messages read in a thread."""

    def __init__(self, port, client_id):
        from ibapi import client, contract, execution, order, scanner, tag_value, wrapper

        members = {}
        for module in (contract, execution, order, scanner, tag_value):
            members.update(vars(module))
        try:
            from ibapi.order_cancel import OrderCancel
        except ImportError:
            OrderCancel = None  # noqa: N806 - it is a class elsewhere
        members["OrderCancel"] = OrderCancel
        members["ComboLeg"] = contract.ComboLeg
        super().__init__(types.SimpleNamespace(**members))
        party = self

        def recorder(name):
            return lambda _self, *values: party.note(name, *values)

        names = [name for name, _ in inspect.getmembers(wrapper.EWrapper, inspect.isfunction)]
        noted = {
            name: recorder(name)
            for name in names
            if not name.startswith("_") and "roto" not in name and name != "logAnswer"
        }
        kind = type("Noting", (wrapper.EWrapper,), noted)
        self.client = client.EClient(kind())
        self.client.connect("127.0.0.1", port, client_id)
        self.reader = threading.Thread(target=self.client.run, daemon=True)
        self.reader.start()

    def close(self):
        """Disconnect, and wait for the thread."""
        alive = self.reader.is_alive()
        self.client.disconnect()
        self.reader.join(WAIT)
        assert alive, "the official client gave up reading"
