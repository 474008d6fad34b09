"""Answers to requests for what changes rarely: rules, exchanges, scanners, news, the advisor's."""

from __future__ import annotations

from collections.abc import Mapping

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import data_messages, texts
from ibnb.simulator.streams import QuietStream
from ibnb.simulator.world.calendars import last_session, session
from ibnb.simulator.world.history import first_day, parse_time
from ibnb.simulator.world.instruments import MARKET_RULES, Instrument
from ibnb.simulator.world.market import Quote, prices_between, quote_at, utc
from ibnb.tws import wire
from ibnb.tws.wire import IncomingId, OutgoingId

_DEPTH_EXCHANGES = (
    ("NASDAQ", "STK", "NASDAQ", "Deep2", 2147483647),
    ("ARCA", "STK", "", "Deep2", 2147483647),
    ("BATS", "STK", "", "Deep2", 2147483647),
    ("IEX", "STK", "", "Deep2", 2147483647),
    ("NYSE", "STK", "NYSE", "Deep", 2147483647),
    ("CME", "FUT", "", "Deep", 2147483647),
    ("CME", "FOP", "", "Deep", 2147483647),
    ("IDEALPRO", "CASH", "", "Deep", 4),
    ("IBIS", "STK", "IBIS", "Deep", 2147483647),
    ("PAXOS", "CRYPTO", "", "Deep", 2147483647),
)
_LETTERS = (
    *((0, "AMEX", "A"), (1, "BATS", "Z"), (2, "ARCA", "P"), (3, "NASDAQ", "Q"), (4, "NYSE", "N")),
    *((5, "IEX", "V"), (6, "MEMX", "U"), (7, "CBOE", "C"), (8, "ISLAND", "T")),
)
_PROVIDERS = (("BRFG", "Briefing.com General Market Columns"), ("DJNL", "Dow Jones Newsletters"))
_DEFAULT_ROWS = 50
_SCANS = {
    "TOP_PERC_GAIN": "Top % Gainers",
    "TOP_PERC_LOSE": "Top % Losers",
    "MOST_ACTIVE": "Most Active",
    "HOT_BY_VOLUME": "Hot Contracts by Volume",
}
_LOCATIONS = ("STK.US", "STK.US.MAJOR", "STK.NASDAQ", "STK.NYSE")
_FILTERS = (
    *(("PRICE", "priceAbove", "priceBelow"), ("VOLUME", "volumeAbove", "volumeBelow")),
    ("CHANGEPERC", "changePercAbove", "changePercBelow"),
)
_FILTER_FIELD = 23
_NEWS_DAYS = 60


def market_rule(client: Client, fields: tuple[str, ...]) -> None:
    """Send the steps of a price."""
    rule = int(fields[1])
    if rule not in MARKET_RULES:
        client.notify(texts.invalid(f"Invalid market rule id: {rule}"))
        return
    client.send(data_messages.counted(IncomingId.MARKET_RULE, [(0, MARKET_RULES[rule])], rule))


def depth_exchanges(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - every answer takes them
    """Send which exchanges show their depth."""
    client.send(data_messages.counted(IncomingId.DEPTH_EXCHANGES, _DEPTH_EXCHANGES))


def smart_components(client: Client, fields: tuple[str, ...]) -> None:
    """Send the letters of the exchanges behind a best price."""
    client.send(data_messages.counted(IncomingId.SMART_COMPONENTS, _LETTERS, int(fields[1])))


def soft_dollar_tiers(client: Client, fields: tuple[str, ...]) -> None:
    """Send the soft dollar tiers, of which an individual's account has none."""
    client.send(data_messages.counted(IncomingId.SOFT_DOLLAR_TIERS, [], int(fields[1])))


def family_codes(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send the accounts' family codes, of which an individual's has none."""
    rows = [(account, "") for account in client.state.accounts]
    client.send(data_messages.counted(IncomingId.FAMILY_CODES, rows))


def user_info(client: Client, fields: tuple[str, ...]) -> None:
    """Send the user's white branding, of which there is none."""
    client.send(wire.message(IncomingId.USER_INFO, int(fields[1]), ""))


def advisor(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Refuse what only a financial advisor's login has."""
    client.notify(texts.NO_ADVISOR)


def replace_advisor(client: Client, fields: tuple[str, ...]) -> None:
    """Refuse the change of what only a financial advisor's login has."""
    client.notify(texts.NO_ADVISOR, int(fields[4]))


def fundamentals(client: Client, fields: tuple[str, ...]) -> None:
    """Refuse fundamental data, which recent gateways do not have any more."""
    client.notify(texts.FUNDAMENTALS_NOT_ALLOWED, int(fields[2]))


def event_calendar(client: Client, fields: tuple[str, ...]) -> None:
    """Refuse the event calendar, which needs a subscription of its own."""
    client.notify(texts.NEWS_NOT_ALLOWED, int(fields[1]))


def display_groups(client: Client, fields: tuple[str, ...]) -> None:
    """Send the groups of linked windows."""
    client.send(wire.message(IncomingId.DISPLAY_GROUPS, 1, int(fields[2]), "1|2|3|4|5|6|7"))


def group_events(client: Client, fields: tuple[str, ...]) -> None:
    """Send what a group of linked windows shows, which at first is nothing."""
    client.send(wire.message(IncomingId.DISPLAY_GROUP_UPDATED, 1, int(fields[2]), "none"))


def update_group(client: Client, fields: tuple[str, ...]) -> None:
    """Let a group of linked windows show a contract."""
    client.send(wire.message(IncomingId.DISPLAY_GROUP_UPDATED, 1, int(fields[2]), fields[3]))


def news_providers(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send who sends news."""
    client.send(data_messages.counted(IncomingId.NEWS_PROVIDERS, _PROVIDERS))


def historical_news(client: Client, fields: tuple[str, ...]) -> None:
    """Send the headlines of an instrument: one for each day of trading, newest first."""
    req_id, con_id = int(fields[1]), int(fields[2] or 0)
    providers, start, end, total = fields[3:7]
    instrument = client.state.world.by_con_id(con_id)
    wanted = providers.replace("+", " ").split()
    if instrument is None:
        client.notify(texts.NO_DEFINITION, req_id)
        return
    if not set(wanted) <= {code for code, _ in _PROVIDERS} or not wanted:
        client.notify(texts.NEWS_NOT_ALLOWED, req_id)
        return
    now = client.state.now
    since, until = _news_time(start), min(_news_time(end) or now, now)
    most = int(total or 10)
    day = last_session(instrument.hours, until, regular=True)
    sent = 0
    for back in range(_NEWS_DAYS):
        told = _headline(instrument, day - back, until)
        if told is None:
            continue
        time, text = told
        if sent >= most or (since is not None and time < since):
            break
        code = wanted[sent % len(wanted)]
        client.send(
            wire.message(
                IncomingId.HISTORICAL_NEWS,
                req_id,
                f"{utc(time):%Y-%m-%d %H:%M:%S}.0",
                code,
                f"{code}${con_id:x}-{day - back:x}",
                text,
            )
        )
        sent += 1
    client.send(wire.message(IncomingId.HISTORICAL_NEWS_END, req_id, sent >= most))


def news_article(client: Client, fields: tuple[str, ...]) -> None:
    """Send the text of a piece of news."""
    req_id, article = int(fields[1]), fields[3]
    con_id, _, day = article.rpartition("$")[2].partition("-")
    try:
        instrument = client.state.world.by_con_id(int(con_id, 16))
        told = _headline(instrument, int(day, 16), client.state.now) if instrument else None
    except (OverflowError, ValueError):
        told = None
    if told is None:
        client.notify(texts.invalid(f"Invalid article id: {article}"), req_id)
        return
    client.send(wire.message(IncomingId.NEWS_ARTICLE, req_id, 0, f"{told[1]}."))


def scanner_parameters(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send what scanners there are, and what they may be asked."""
    scans = "".join(
        f"<ScanType><displayName>{name}</displayName><scanCode>{code}</scanCode>"
        "<instruments>STK</instruments></ScanType>"
        for code, name in _SCANS.items()
    )
    places = "".join(
        f"<Location><displayName>{code}</displayName><locationCode>{code}</locationCode></Location>"
        for code in _LOCATIONS
    )
    filters = "".join(
        f"<RangeFilter><id>{name}</id><AbstractField><code>{above}</code></AbstractField>"
        f"<AbstractField><code>{below}</code></AbstractField></RangeFilter>"
        for name, above, below in _FILTERS
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?><ScanParameterResponse><InstrumentList><Instrument>'
        "<name>US Stocks</name><type>STK</type></Instrument></InstrumentList>"
        f"<LocationTree>{places}</LocationTree><ScanTypeList>{scans}</ScanTypeList>"
        f"<FilterList>{filters}</FilterList></ScanParameterResponse>"
    )
    client.send(wire.message(IncomingId.SCANNER_PARAMETERS, 1, xml))


def scanner(client: Client, fields: tuple[str, ...]) -> None:
    """Send the stocks that a scanner finds, best first."""
    req_id = int(fields[1])
    rows, instrument, location, code, above, below, volume = fields[2:9]
    if instrument != "STK" or location not in _LOCATIONS or code not in _SCANS:
        asked = " ".join(filter(None, (instrument, location, code))) or "without a code"
        client.notify(texts.not_simulated(f"the scanner {asked}"), req_id)
        return
    limits = _filters(fields[_FILTER_FIELD])
    now = client.state.now
    found = []
    for one in client.state.world.well_known:
        quote = quote_at(one, now)
        change = (quote.last / quote.close - 1) * 100
        measured = {"price": quote.last, "volume": quote.volume, "changePerc": change}
        asked_for = [
            *((_limit(above), "priceAbove"), (_limit(below), "priceBelow")),
            *((_limit(volume), "volumeAbove"), *((value, tag) for tag, value in limits.items())),
        ]
        if all(_fits(measured, tag, value) for value, tag in asked_for if value is not None):
            found.append((_rank(code, quote), one))
    found.sort(key=lambda each: each[0])
    wanted = int(rows or -1)
    most = wanted if wanted > 0 else _DEFAULT_ROWS
    table = [
        (
            *(position, one.con_id, one.symbol, one.sec_type, "", "0", "", "SMART"),
            *(one.currency, one.local_symbol, one.market_name, one.trading_class, "", "", "", ""),
        )
        for position, (_, one) in enumerate(found[:most])
    ]
    client.send(data_messages.counted(IncomingId.SCANNER_DATA, table, 3, req_id))
    client.subscribe(OutgoingId.SCANNER, req_id, QuietStream())


def cancel_scanner(client: Client, fields: tuple[str, ...]) -> None:
    """End a scanner's subscription, with the notice that real gateways send."""
    req_id = int(fields[2])
    if client.unsubscribe(OutgoingId.SCANNER, req_id):
        client.notify(texts.scanner_cancelled(req_id), req_id)


def _filters(text: str) -> dict[str, float]:
    """The limits that a scanner's filter options name: tags and values."""
    pairs = (part.partition("=") for part in text.split(";") if part)
    return {tag: float(value) for tag, _, value in pairs if value}


def _fits(measured: Mapping[str, float], tag: str, limit: float) -> bool:
    """Say whether a stock keeps a limit; of what is not simulated, every one does."""
    value = measured.get(tag.removesuffix("Above").removesuffix("Below"))
    if value is None:
        return True
    return value >= limit if tag.endswith("Above") else value <= limit


def _rank(code: str, quote: Quote) -> float:
    """What a scanner sorts by; the lowest comes first."""
    change = quote.last / quote.close - 1
    return {"TOP_PERC_GAIN": -change, "TOP_PERC_LOSE": change}.get(code, -quote.volume)


def _limit(text: str) -> float | None:
    value = float(text) if text else None
    return value if value is not None and value < 1e300 else None  # noqa: PLR2004 - means unset


def _news_time(text: str) -> float | None:
    """A time as requests for news write it: with dashes between year, month and day, too."""
    if not text:
        return None
    plain = text.partition(".")[0]
    if plain[4:5] == "-" and plain[7:8] == "-":
        plain = plain.replace("-", "", 2)
    return parse_time(plain)


def _headline(instrument: Instrument, day: int, until: float) -> tuple[float, str] | None:
    """What a day of trading has brought, told at its end."""
    if day < first_day(instrument):
        return None
    begins, ends = session(instrument.hours, day, regular=True)
    if last_session(instrument.hours, begins, regular=True) != day or ends > until:
        return None
    was = prices_between(instrument, begins, ends)
    change = (was.close / was.open - 1) * 100
    way = "rises" if change >= 0 else "falls"
    return ends, f"{instrument.long_name.title()} {way} {abs(change):.1f}% to {was.close:g}"
