"""What market data a login may have, as far as faults take some of it away."""

from __future__ import annotations

from dataclasses import dataclass

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import texts
from ibnb.simulator.protocol.market_messages import DELAYED, LIVE, PARTIAL
from ibnb.simulator.requests import Request
from ibnb.simulator.world.instruments import Instrument
from ibnb.tws.wire import OutgoingId

DELAY_SECONDS = 900.0
"""How far delayed data is behind."""
_DELAYED_TYPES = frozenset({3, 4})
_ALWAYS_REFUSED = frozenset({"10168", "10186"})
_NEWS = frozenset({OutgoingId.HISTORICAL_NEWS, OutgoingId.NEWS_ARTICLE, OutgoingId.NEWS_PROVIDERS})
HISTORY_REQUESTS = frozenset(
    {
        OutgoingId.HISTORICAL_DATA,
        OutgoingId.HISTORICAL_TICKS,
        OutgoingId.HEAD_TIMESTAMP,
        OutgoingId.HISTOGRAM,
    }
)
_STREAMS = frozenset({OutgoingId.REAL_TIME_BARS, OutgoingId.TICK_BY_TICK, OutgoingId.MARKET_DEPTH})


@dataclass(frozen=True)
class Permission:
    """What a market data request gets: ticks of a kind or none at all, and a notice first."""

    kind: str | None = LIVE
    notice: texts.Text | None = None

    @property
    def delay(self) -> float:
        """How many seconds behind the ticks are."""
        return DELAY_SECONDS if self.kind == DELAYED else 0.0


def permission_for(client: Client, instrument: Instrument) -> Permission:
    """Return what a client gets that asks for the market data of an instrument."""
    faults = client.state.faults
    if "competing-session" in faults:
        return Permission(None, texts.COMPETING_SESSION)
    if "not-subscribed" in faults:
        (code,) = faults.words("not-subscribed")
        if client.data_type in _DELAYED_TYPES and code not in _ALWAYS_REFUSED:
            return Permission(DELAYED, texts.DELAYED_DATA)
        return Permission(None, texts.not_subscribed(int(code), _source(instrument)))
    if "partly-subscribed" in faults:
        return Permission(PARTIAL, texts.partly_subscribed(_source(instrument)))
    return Permission()


def refusal_of(client: Client, message_id: int, request: Request) -> texts.Text | None:
    """Return what is said of another request for data that a login may not have, or None."""
    faults = client.state.faults
    if message_id in _NEWS and "no-news" in faults:
        return texts.NEWS_NOT_ALLOWED
    if "competing-session" in faults:
        if message_id in HISTORY_REQUESTS:
            return texts.OTHER_SESSION
        return texts.COMPETING_SESSION if message_id in _STREAMS else None
    return _unsubscribed(message_id, request) if "not-subscribed" in faults else None


def _unsubscribed(message_id: int, request: Request) -> texts.Text | None:
    given = request.parameters
    what = f"{given.get('exchange', 'SMART')} {given.get('secType', 'STK')}"
    told = {
        **dict.fromkeys(HISTORY_REQUESTS, texts.no_history_permission(what)),
        OutgoingId.REAL_TIME_BARS: texts.no_bars_permission(what),
        OutgoingId.TICK_BY_TICK: texts.no_tick_permission(what),
        OutgoingId.MARKET_DEPTH: texts.not_subscribed(
            texts.NOT_SUBSCRIBED, f"{given.get('symbol', '')}/DEEP/ALL"
        ),
    }
    return told.get(message_id)


def _source(instrument: Instrument) -> str:
    return f"{instrument.symbol} {instrument.listed_on}.{instrument.trading_class}/TOP/ALL"
