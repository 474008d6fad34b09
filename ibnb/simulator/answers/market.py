"""Answers to requests about contracts and the market."""

from __future__ import annotations

import time

from ibnb.simulator.client import BarSubscription, Client, MarketSubscription
from ibnb.simulator.protocol import market_messages, texts
from ibnb.simulator.world.history import BarRequest, bars_for
from ibnb.simulator.world.instruments import CONTRACT_FIELDS, ContractSpec, Instrument, find, like
from ibnb.simulator.world.market import quote_at

_COMBO_LEG_FIELDS = 4


def contract_details(client: Client, fields: tuple[str, ...]) -> None:
    """Send what is known of every instrument that a contract matches."""
    req_id = int(fields[2])
    spec = ContractSpec.read(fields[3:])
    if spec.objection and not all(fields[4 + CONTRACT_FIELDS : 6 + CONTRACT_FIELDS]):
        client.notify(texts.invalid(spec.objection), req_id)
        return
    matches = find(client.state.instruments, spec)
    if not matches or spec.objection:
        client.notify(texts.NO_DEFINITION, req_id)
        return
    for instrument in matches:
        client.send(
            market_messages.contract_details(
                req_id, instrument, spec, client.version, client.state.clock
            )
        )
    client.send(market_messages.contract_details_end(req_id))


def matching_symbols(client: Client, fields: tuple[str, ...]) -> None:
    """Send what a part of a symbol or of a company's name may mean."""
    found = like(client.state.instruments, fields[2])
    client.send(market_messages.symbol_samples(int(fields[1]), found, client.version))


def market_data(client: Client, fields: tuple[str, ...]) -> None:
    """Begin a market data subscription, or send one snapshot."""
    req_id = int(fields[2])
    spec = ContractSpec.read(fields[3:])
    rest = list(fields[3 + CONTRACT_FIELDS :])
    if spec.sec_type == "BAG":
        del rest[: 1 + _COMBO_LEG_FIELDS * int(rest[0] or 0)]
    has_delta_neutral = rest.pop(0) == "1"
    if has_delta_neutral:
        del rest[:3]
    snapshot, regulatory = rest[1] == "1", rest[2] == "1"
    instrument = _instrument(client, spec, req_id)
    if instrument is None:
        return
    quote = quote_at(instrument, time.time())
    client.send(market_messages.market_data_start(req_id, instrument))
    client.send(market_messages.ticks(req_id, instrument, quote, None))
    if snapshot or regulatory:
        client.send(market_messages.snapshot_end(req_id))
    else:
        client.market[req_id] = MarketSubscription(instrument, quote)


def cancel_market_data(client: Client, fields: tuple[str, ...]) -> None:
    """End a market data subscription."""
    req_id = int(fields[2])
    if client.market.pop(req_id, None) is None:
        client.notify(texts.no_ticker(req_id), req_id)


def historical_data(client: Client, fields: tuple[str, ...]) -> None:
    """Send historical bars, and keep them up to date if that was asked for."""
    req_id = int(fields[1])
    spec = ContractSpec.read(fields[2:])
    rest = fields[2 + CONTRACT_FIELDS :]
    _, end, bar_size, duration, regular, kind, date_format = rest[:7]
    rest = rest[7:]
    if spec.sec_type == "BAG":
        rest = rest[1 + _COMBO_LEG_FIELDS * int(rest[0] or 0) :]
    request = BarRequest(
        end, bar_size, duration, regular == "1", kind, int(date_format or 1), rest[0] == "1"
    )
    if request.objection:
        client.notify(texts.invalid(request.objection), req_id)
        return
    instrument = _instrument(client, spec, req_id)
    if instrument is None:
        return
    if request.too_long:
        client.notify(texts.TOO_MANY_BARS, req_id)
        return
    now = time.time()
    bars = bars_for(instrument, request, now)
    client.send(market_messages.historical_data(req_id, bars, request, client.version, now))
    if request.keep_up_to_date:
        client.bars[req_id] = BarSubscription(instrument, request)


def cancel_historical_data(client: Client, fields: tuple[str, ...]) -> None:
    """Keep a request's bars up to date no longer."""
    client.bars.pop(int(fields[2]), None)


def _instrument(client: Client, spec: ContractSpec, req_id: int) -> Instrument | None:
    """The one instrument that a contract means; if there is none, the client is told why."""
    objection = spec.objection or (None if spec.exchange else texts.NO_EXCHANGE)
    if objection:
        client.notify(texts.invalid(objection), req_id)
        return None
    matches = find(client.state.instruments, spec)
    if len(matches) != 1:
        client.notify(texts.NO_DEFINITION, req_id)
        return None
    return matches[0]
