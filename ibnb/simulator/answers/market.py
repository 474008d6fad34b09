"""Answers to requests about contracts and about the market as it is now."""

from __future__ import annotations

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import data_messages, market_messages, texts
from ibnb.simulator.streams import DepthStream, QuoteStream, RealTimeBarStream, TickStream
from ibnb.simulator.world.instruments import ContractSpec
from ibnb.simulator.world.options import carry_of, greeks, implied, years_left
from ibnb.tws import wire
from ibnb.tws.wire import IncomingId, OutgoingId

from .asked import instrument_of, instrument_with, read_contract, read_legs
from .permissions import permission_for

_CUSTOM_OPTION = 53
_TICK_KINDS = frozenset({"Last", "AllLast", "BidAsk", "MidPoint"})
_BAR_KINDS = frozenset({"TRADES", "MIDPOINT", "BID", "ASK"})
_OPTION_EXCHANGES = ("SMART", "AMEX", "CBOE", "PHLX", "ISE", "BOX", "NASDAQOM")


def contract_details(client: Client, fields: tuple[str, ...]) -> None:
    """Send what is known of every instrument that a contract matches."""
    req_id = int(fields[2])
    spec, rest = read_contract(fields, 3)
    if spec.objection and not all(rest[1:3]):
        client.notify(texts.invalid(spec.objection), req_id)
        return
    if spec.objection:
        matches = client.state.world.find_by_id(rest[1], rest[2])
    else:
        matches = client.state.world.find(spec)
    if not matches:
        client.notify(texts.NO_DEFINITION, req_id)
        return
    for instrument in matches:
        client.send(
            market_messages.contract_details(
                req_id, instrument, spec, client.version, client.state.now
            )
        )
    client.send(market_messages.contract_details_end(req_id))


def matching_symbols(client: Client, fields: tuple[str, ...]) -> None:
    """Send what a part of a symbol or of a company's name may mean."""
    found = client.state.world.like(fields[2])
    client.send(market_messages.symbol_samples(int(fields[1]), found, client.version))


def market_data(client: Client, fields: tuple[str, ...]) -> None:
    """Begin a market data subscription, or send one snapshot."""
    req_id = int(fields[2])
    spec, rest = read_contract(fields, 3)
    legs, rest = read_legs(spec, rest)
    has_delta_neutral = rest.pop(0) == "1"
    if has_delta_neutral:
        del rest[:3]
    generic, snapshot, regulatory = rest[0], rest[1] == "1", rest[2] == "1"
    if snapshot and generic:
        cause = "Snapshot market data subscription is not applicable to generic ticks"
        client.notify(texts.invalid(cause), req_id)
        return
    instrument = instrument_of(client, spec, req_id, legs=legs)
    if instrument is None:
        return
    permission = permission_for(client, instrument)
    if permission.notice is not None:
        client.notify(permission.notice, req_id)
    if permission.kind is None:
        return
    client.send(market_messages.market_data_start(req_id, instrument, permission.kind))
    stream = QuoteStream(req_id, instrument, kind=permission.kind, delay=permission.delay)
    if snapshot or regulatory:
        client.send(stream.update(client.state.market_time, client.version))
        client.send(market_messages.snapshot_end(req_id))
    else:
        client.subscribe(OutgoingId.MARKET_DATA, req_id, stream)


def cancel_market_data(client: Client, fields: tuple[str, ...]) -> None:
    """End a market data subscription."""
    req_id = int(fields[2])
    if not client.unsubscribe(OutgoingId.MARKET_DATA, req_id):
        client.notify(texts.no_ticker(req_id), req_id)


def market_depth(client: Client, fields: tuple[str, ...]) -> None:
    """Begin a subscription to the market's depth."""
    req_id = int(fields[2])
    spec, rest = read_contract(fields, 3)
    rows, smart = int(rest[0] or 0), rest[1] == "1"
    instrument = instrument_of(client, spec, req_id)
    if instrument is None:
        return
    if rows <= 0:
        client.notify(texts.invalid("The number of rows must be greater than zero"), req_id)
        return
    smart = smart or spec.exchange == "SMART"
    client.subscribe(OutgoingId.MARKET_DEPTH, req_id, DepthStream(req_id, instrument, rows, smart))


def cancel_market_depth(client: Client, fields: tuple[str, ...]) -> None:
    """End a subscription to the market's depth."""
    req_id = int(fields[2])
    if not client.unsubscribe(OutgoingId.MARKET_DEPTH, req_id):
        client.notify((texts.NO_DEPTH, f"{texts.DEPTH_NOT_FOUND}{req_id}"), req_id)


def real_time_bars(client: Client, fields: tuple[str, ...]) -> None:
    """Begin a subscription to bars of five seconds."""
    req_id = int(fields[2])
    spec, rest = read_contract(fields, 3)
    kind = rest[1]
    if kind not in _BAR_KINDS:
        client.notify(
            texts.invalid(f"Real time bars query has an unknown whatToShow: {kind}"), req_id
        )
        return
    instrument = instrument_with(client, spec, req_id, kind, "Last 5")
    if instrument is None:
        return
    begins = int(client.state.now) // 5 * 5
    client.subscribe(
        OutgoingId.REAL_TIME_BARS, req_id, RealTimeBarStream(req_id, instrument, kind, begins)
    )


def tick_by_tick(client: Client, fields: tuple[str, ...]) -> None:
    """Begin a subscription to every single tick."""
    req_id = int(fields[1])
    spec, rest = read_contract(fields, 2)
    kind = rest[0]
    if kind not in _TICK_KINDS:
        client.notify(texts.invalid(f"Invalid tick type: {kind}"), req_id)
        return
    instrument = instrument_of(client, spec, req_id)
    if instrument is None:
        return
    if kind in {"Last", "AllLast"} and not instrument.has_trades:
        client.notify(texts.no_ticks(instrument.symbol), req_id)
        return
    stream = TickStream(req_id, instrument, kind, client.state.now - 1)
    client.subscribe(OutgoingId.TICK_BY_TICK, req_id, stream)


def option_parameters(client: Client, fields: tuple[str, ...]) -> None:
    """Send the expirations and strikes of the options on an instrument."""
    req_id, symbol, _, sec_type, con_id = int(fields[1]), *fields[2:6]
    if not int(con_id or 0):
        client.notify(texts.invalid("Invalid contract id"), req_id)
        return
    world = client.state.world
    spec = ContractSpec(con_id=int(con_id))
    known = [one for one in world.find(spec) if (one.symbol, one.sec_type) == (symbol, sec_type)]
    if not known:
        client.notify(texts.NO_DEFINITION, req_id)
        return
    (underlying,) = known
    for one in world.underlyings(underlying):
        strikes = world.strikes(one)
        exchanges = (one.exchange,) if one.sec_type == "FUT" else _OPTION_EXCHANGES
        for exchange in exchanges:
            for group, dates in world.option_classes(one).items():
                client.send(
                    data_messages.option_parameters(
                        req_id, exchange, one, group=group, dates=dates, strikes=strikes
                    )
                )
    client.send(wire.message(IncomingId.OPTION_PARAMETERS_END, req_id))


def implied_volatility(client: Client, fields: tuple[str, ...]) -> None:
    """Send the volatility at which an option has a price."""
    _calculate(client, fields, by_price=True)


def option_price(client: Client, fields: tuple[str, ...]) -> None:
    """Send the price that an option has at a volatility."""
    _calculate(client, fields, by_price=False)


def _calculate(client: Client, fields: tuple[str, ...], *, by_price: bool) -> None:
    req_id = int(fields[2])
    spec, rest = read_contract(fields, 3)
    given, spot = float(rest[0]), float(rest[1])
    option = instrument_of(client, spec, req_id, exchange=False)
    if option is None:
        return
    if not option.right or given <= 0 or spot <= 0:
        client.notify(texts.invalid("Option calculation needs an option and two prices"), req_id)
        return
    years = years_left(option, client.state.now)
    volatility = given
    if by_price:
        found = implied(option.right, option.strike, spot, years, given, carry=carry_of(option))
        if found is None:
            client.notify(texts.invalid("No volatility gives this price"), req_id)
            return
        volatility = found
    worth = greeks(option.right, option.strike, spot, years, volatility, carry=carry_of(option))
    client.send(data_messages.option_computation(req_id, _CUSTOM_OPTION, worth, client.version))
