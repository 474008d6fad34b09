"""Answers to requests about the past of the market."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import data_messages, market_messages, texts
from ibnb.simulator.streams import BarStream, QuietStream
from ibnb.simulator.world.calendars import DAY, last_session, session
from ibnb.simulator.world.history import (
    MAX_BARS,
    Bar,
    BarRequest,
    bar_count,
    bars_for,
    each_bar,
    first_day,
    lacks_zone,
    parse_time,
    schedule_for,
    sessions_for,
)
from ibnb.simulator.world.instruments import ContractSpec, Instrument
from ibnb.simulator.world.market import Trade, trades_between, utc
from ibnb.tws import wire
from ibnb.tws.wire import IncomingId, OutgoingId

from .asked import instrument_of, instrument_with, read_contract, read_legs

_MOST_TICKS = 1000
_TICK_KINDS = frozenset({"TRADES", "BID_ASK", "MIDPOINT"})
_CHUNK = 60
_BARS_A_STEP, _COMBINED_A_STEP = 200, 5
_PERIOD_DAYS = {"day": 1, "days": 1, "week": 5, "weeks": 5, "month": 21, "months": 21}


def historical_data(client: Client, fields: tuple[str, ...]) -> None:
    """Send historical bars, and keep them up to date if that was asked for."""
    req_id = int(fields[1])
    spec, rest = read_contract(fields, 2)
    _, end, bar_size, duration, regular, kind, date_format = rest[:7]
    legs, rest = read_legs(spec, rest[7:])
    request = BarRequest(
        end, bar_size, duration, regular == "1", kind, int(date_format or 1), rest[0] == "1"
    )
    if request.objection:
        client.notify(texts.invalid(request.objection), req_id)
        return
    if spec.sec_type == "CONTFUT" and end:
        client.notify(texts.NO_END_FOR_CONTINUOUS, req_id)
        return
    instrument = instrument_of(client, spec, req_id, legs=legs)
    if instrument is None:
        return
    if not request.is_of(instrument):
        shown = "Last" if request.is_of_trades else request.kind.title()
        what = f"{instrument.symbol}/{instrument.sec_type}@{instrument.exchange} {shown}"
        client.notify(texts.no_data(f"{what} {request.bar_seconds}"), req_id)
        return
    now = client.state.now
    sessions = sessions_for(instrument, request, now)
    if bar_count(sessions, request) > MAX_BARS:
        client.notify(texts.TOO_MANY_BARS, req_id)
        return
    if lacks_zone(end):
        client.notify(texts.ZONE_MISSING, req_id)
    if kind == "SCHEDULE":
        planned = schedule_for(instrument, request, now)
        client.send(market_messages.schedule(req_id, instrument, planned, client.version))
        return
    if request.keep_up_to_date:
        client.subscribe(OutgoingId.HISTORICAL_DATA, req_id, QuietStream())
    client.work_off(_send_bars(client, req_id, spec, instrument, request))


def _send_bars(
    client: Client, req_id: int, spec: ContractSpec, instrument: Instrument, request: BarRequest
) -> Iterator[None]:
    """Make and send the bars; each step is so short that nobody waits for it."""
    now = client.state.now
    bars: list[Bar] = []
    for bar in each_bar(instrument, request, now):
        bars.append(bar)
        if len(bars) % (_COMBINED_A_STEP if instrument.legs else _BARS_A_STEP) == 0:
            yield
    if not bars:
        what = f"{instrument.symbol}@{spec.exchange} {request.kind.title()}"
        client.notify(texts.empty_history(what), req_id)
        return
    sessions = sessions_for(instrument, request, now)
    client.send(
        market_messages.historical_data(
            req_id,
            bars,
            sessions,
            request=request,
            instrument=instrument,
            version=client.version,
            now=now,
        )
    )
    # Unless it was cancelled before its first bars were there.
    if request.keep_up_to_date and (OutgoingId.HISTORICAL_DATA, req_id) in client.streams:
        stream = BarStream(req_id, instrument, request, bars[-1].time)
        client.streams[OutgoingId.HISTORICAL_DATA, req_id] = stream


def head_time_stamp(client: Client, fields: tuple[str, ...]) -> None:
    """Send when the prices of an instrument begin."""
    req_id = int(fields[1])
    spec, rest = read_contract(fields, 2)
    _, regular, kind, date_format = rest[:4]
    instrument = instrument_with(client, spec, req_id, kind)
    if instrument is None:
        return
    begins, _ = session(instrument.hours, first_day(instrument), regular=regular == "1")
    told = f"{utc(begins):%Y%m%d-%H:%M:%S}" if date_format != "2" else str(begins)
    client.send(wire.message(IncomingId.HEAD_TIMESTAMP, req_id, told))


def histogram(client: Client, fields: tuple[str, ...]) -> None:
    """Send how much was traded at which price."""
    req_id = int(fields[1])
    spec, rest = read_contract(fields, 2)
    _, regular, period = rest[:3]
    number, _, unit = period.strip().partition(" ")
    if not number.isdigit() or unit not in _PERIOD_DAYS:
        client.notify(texts.invalid(f"Invalid time period: {period}"), req_id)
        return
    instrument = instrument_of(client, spec, req_id)
    if instrument is None:
        return
    days = min(int(number) * _PERIOD_DAYS[unit], 21)
    request = BarRequest("", "5 mins", f"{days} D", regular == "1", "TRADES", 1, False)
    found: Counter[float] = Counter()
    for bar in bars_for(instrument, request, client.state.now):
        found[bar.close] += max(bar.volume, 1)
    client.send(data_messages.counted(IncomingId.HISTOGRAM, sorted(found.items()), req_id))


def historical_ticks(client: Client, fields: tuple[str, ...]) -> None:
    """Send ticks of the past: from a time on, or up to one."""
    req_id = int(fields[1])
    spec, rest = read_contract(fields, 2)
    _, start, end, number, kind, regular = rest[:6]
    count = int(number or 0)
    objection = _objection(start, end, count, kind)
    if objection:
        client.notify(texts.invalid(objection), req_id)
        return
    instrument = instrument_with(client, spec, req_id, kind)
    if instrument is None:
        return
    if instrument.is_valued_daily:
        client.notify(texts.no_data(f"{instrument.symbol}/{instrument.sec_type} {kind}"), req_id)
        return
    if lacks_zone(start) or lacks_zone(end):
        client.notify(texts.ZONE_MISSING, req_id)
    now = client.state.now
    begins, ends = parse_time(start), parse_time(end)
    if begins is not None:
        trades = _from(instrument, begins, min(ends or now, now), count, regular=regular == "1")
    else:
        trades = _up_to(instrument, min(ends or now, now), count, regular=regular == "1")
    client.send(data_messages.historical_ticks(req_id, trades, instrument, kind))


def _objection(start: str, end: str, count: int, kind: str) -> str | None:
    objections = (
        (not 0 < count <= _MOST_TICKS, "Please set number of ticks to a number from 1 to 1000"),
        (kind not in _TICK_KINDS, f"Historical ticks query has an unknown whatToShow: {kind}"),
        (not (start or end), "Please specify the start or the end time"),
        (bool(start) and bool(end), "Please specify the start or the end time, not both"),
        (
            any(text and parse_time(text) is None for text in (start, end)),
            "Invalid date, time, or time-zone. Use yyyymmdd hh:mm:ss, optionally with a zone",
        ),
    )
    return next((cause for applies, cause in objections if applies), None)


def _from(
    instrument: Instrument, start: float, now: float, count: int, *, regular: bool
) -> list[Trade]:
    found: list[Trade] = []
    at = start
    while len(found) < count and at < now:
        day = last_session(instrument.hours, at, regular=regular)
        _, ends = session(instrument.hours, day, regular=regular)
        if at >= ends:
            at = next_opening(instrument, at, regular=regular)
            continue
        upto = min(at + _CHUNK, ends, now)
        found += trades_between(instrument, at, upto)
        at = upto
    return found[:count]


def next_opening(instrument: Instrument, at: float, *, regular: bool) -> float:
    """Return when trading begins again after a time at which it has ended."""
    before = last_session(instrument.hours, at, regular=regular)
    day = before
    while day == before:
        at += DAY / 4
        day = last_session(instrument.hours, at, regular=regular)
    return session(instrument.hours, day, regular=regular)[0]


def _up_to(instrument: Instrument, end: float, count: int, *, regular: bool) -> list[Trade]:
    found: list[Trade] = []
    at = end
    while len(found) < count:
        day = last_session(instrument.hours, at - 0.001, regular=regular)
        begins, ends = session(instrument.hours, day, regular=regular)
        at = min(at, ends)
        start = max(at - _CHUNK, begins)
        found = trades_between(instrument, start, at) + found
        at = start
    return found[-count:]
