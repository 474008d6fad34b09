"""The page on the simulated gateway, made from its code: ``ibnb sim --page``.

``docs/simulator.md`` is what it prints; a test fails when it is not.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from .knowledge import explain
from .session.library.names import NAMES
from .simulator import FAULTS, VERBS
from .simulator.answers import account, history, market, orders, reference
from .simulator.answers.coverage import Coverage, coverage
from .simulator.client import HIGHEST_VERSION, LOWEST_VERSION
from .simulator.protocol import texts
from .simulator.trading import book, checks
from .simulator.verbs import MAKING
from .tws.codes import Code

_FATES = {
    "served": "served",
    "refused": "refused, as by a real gateway",
    "not simulated": "**not simulated**",
}
_SHORTEST_TEXT = 2

BOT = '''
# bot.py
from LIBRARY import MarketOrder


def buy_the_dip(ib, contract, quantity, below):
    """Buy at the market if the last price is below a price; return the trade, or None."""
    (ticker,) = ib.reqTickers(contract)
    if not ticker.last < below:
        return None
    return ib.placeOrder(contract, MarketOrder("BUY", quantity))
'''
BOT_TEST = """
# test_bot.py
import bot
import pytest
from LIBRARY import IB, Stock


@pytest.fixture
def ib(simulated_gateway):
    ib = IB()
    ib.connect("127.0.0.1", simulated_gateway.port, clientId=1)
    yield ib
    ib.disconnect()


@pytest.fixture
def apple(ib):
    (contract,) = ib.qualifyContracts(Stock("AAPL", "SMART", "USD"))
    return contract


def until(ib, is_so):
    # ib.waitOnUpdate can miss what comes as it begins.
    for _ in range(100):
        if is_so():
            return
        ib.sleep(0.1)
    raise TimeoutError


def test_it_buys(ib, apple):
    trade = bot.buy_the_dip(ib, apple, 10, below=1_000_000)
    until(ib, trade.isDone)
    assert trade.orderStatus.status == "Filled"


def test_it_does_not_buy_at_a_higher_price(ib, apple, simulated_gateway):
    assert bot.buy_the_dip(ib, apple, 10, below=0.01) is None
    assert simulated_gateway.orders == ()


def test_it_says_so_when_orders_are_refused(ib, apple, simulated_gateway):
    simulated_gateway.set_faults(["read-only"])
    codes = []
    ib.errorEvent += lambda req_id, code, text, contract: codes.append(code)
    trade = bot.buy_the_dip(ib, apple, 10, below=1_000_000)
    until(ib, lambda: codes)
    assert codes == [321]
    assert trade.fills == []
"""
CELLS = (
    """
# NBVAL_IGNORE_OUTPUT
%load_ext ibnb
%ibconnect sim --library LIBRARY
""",
    """
from LIBRARY import LimitOrder, Stock

apple = Stock("AAPL", "SMART", "USD")
ib.qualifyContracts(apple)
apple.conId
""",
    """
trade = ib.placeOrder(apple, LimitOrder("BUY", 10, 1.0))
while trade.orderStatus.status != "Submitted":
    ib.waitOnUpdate(timeout=1)
[entry.status for entry in trade.log]
""",
    """
ib.cancelOrder(trade.order)
while not trade.isDone():
    ib.waitOnUpdate(timeout=1)
trade.orderStatus.status, trade.orderStatus.filled
""",
)
"""The cells of the example, which run in this order; LIBRARY is the name of the API library."""


def page() -> str:
    """Return the whole page, in Markdown."""
    parts = (
        _HEAD.format(lowest=LOWEST_VERSION, highest=HIGHEST_VERSION, **_counts()),
        _table(("", "request", "", "what it does", "since"), map(_row, coverage())),
        _CODES,
        _table(("code", "text", "page"), _codes()),
        _FAULTS,
        _table(("fault", "the gateway"), ((f"`{name}`", what) for name, what in FAULTS.items())),
        _VERBS.format(words=", ".join(f"`{word}`" for word in MAKING.parameters)),
        _table(("verb", "what it does", "takes"), _verbs()),
        _EXAMPLES.format(
            bot=_example(BOT),
            test=_example(BOT_TEST),
            cells="\n```\n\n```python\n".join(map(_example, CELLS)),
        ),
    )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _example(code: str) -> str:
    # The last one: the one that is maintained.
    return code.replace("LIBRARY", NAMES[-1]).strip()


def _counts() -> dict[str, int]:
    fates = [one.fate for one in coverage()]
    return {
        "requests": len(fates),
        "served": fates.count("served"),
        "refused": fates.count("refused"),
        "missing": fates.count("not simulated"),
    }


def _row(one: Coverage) -> tuple[str, ...]:
    since = str(one.since) if one.since > LOWEST_VERSION else ""
    return str(one.message_id), f"`{one.name}`", _FATES[one.fate], one.about, since


def _codes() -> Iterator[tuple[str, ...]]:
    for code, text in sorted(_texts().items()):
        found = explain(code)
        yield str(code), _cell(text), f"`{found.entry.id}`"


def _texts() -> dict[int, str]:
    """Return what is said with each code: as the module of the texts has it, or who uses it."""
    found: dict[int, str] = {}
    for module in (texts, account, history, market, orders, reference, book, checks):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            for code, text in _pairs(node, plain=module is texts):
                found.setdefault(code, text)
    return found


def _pairs(node: ast.AST, *, plain: bool) -> Iterator[tuple[int, str]]:
    """Return the codes and texts that stand side by side; `plain` numbers may be codes, too."""
    pairs: list[tuple[ast.expr | None, ast.expr]] = []
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:  # noqa: PLR2004 - code and text
        pairs = [(node.elts[0], node.elts[1])]
    elif isinstance(node, ast.Dict):
        pairs = list(zip(node.keys, node.values, strict=True))
    for key, value in pairs:
        code, text = _number(key, plain=plain), _shown(value)
        if code is not None and len(text) >= _SHORTEST_TEXT:
            yield code, text


def _number(node: ast.expr | None, *, plain: bool) -> int | None:
    found: Any = None
    match node:
        case ast.Constant(value=int() as found) if plain:
            pass
        case ast.Name(id=name) if plain:
            found = getattr(texts, name, None)
        case ast.Attribute(value=ast.Name(id="Code"), attr=name):
            found = getattr(Code, name)
        case ast.Attribute(value=ast.Name(id="texts"), attr=name):
            found = getattr(texts, name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _shown(node: ast.expr) -> str:
    """Return a text as the page shows it: what varies as three dots."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_shown, parts))
        case ast.Name(id=name) | ast.Attribute(attr=name):
            known = getattr(texts, name, None)
            return known if isinstance(known, str) else ""
        case ast.FormattedValue(value=value):
            return _shown(value) or "..."
    return ""


def _verbs() -> Iterator[tuple[str, ...]]:
    for verb in VERBS.values():
        takes = ", ".join(f"`{name}`" for name in verb.parameters)
        yield f"`{verb.name}`", _cell(verb.about), takes


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


_HEAD = """
# The simulated gateway

This page is made from the code by `ibnb sim --page`.

`ibnb sim`, `%ibconnect sim`, `SimulatedGateway` and the pytest fixture `simulated_gateway` are a
gateway that listens on 127.0.0.1 and speaks the real protocol at server versions {lowest} to
{highest}. A client gets the highest version that both speak; one that begins above {highest} or
ends below {lowest} is closed, as by a real gateway.

Nobody waits in vain: a request is served, or refused as a real gateway refuses it, or, if it is
not simulated, ended with code 90001.

## Requests

Of the {requests} requests that there are up to server version {highest}, {served} are served,
{refused} refused as by a gateway whose login lacks the permission, and {missing} not simulated.
`since` is the server version from which on clients send it, if that is above {lowest}.
"""
_CODES = """
## Codes

What it says through the error channel, and the page of `ibnb explain` on it. Texts are in the
shape of the real ones; three dots stand for what varies. 90001 to 90003 are ibnb's own.
"""
_FAULTS = """
## Faults

The ways in which it can be broken: `ibnb sim --fault NAME`, `%ibconnect sim --fault NAME`,
`SimulatedGateway(faults=[...])`, and `faults([...])` while it runs; some take a value, as in
`NAME:VALUE`. In brackets are the codes that a client sees.
"""
_VERBS = """
## Verbs

What can be done to it while it runs: by methods of `SimulatedGateway` and of the pytest fixture,
by words of the marker `simulated_gateway`, over HTTP with `ibnb sim --control PORT`, where `GET /`
describes what each takes, and by the steps of a file with `ibnb sim --scenario FILE`.

The marker also says how the gateway is made, in the words of `SimulatedGateway` and `ibnb sim`:
{words}. Scenarios are its plain arguments, or `scenario`. So
`@pytest.mark.simulated_gateway("crash.toml", clock="now x60", strict=True, cash=5000)` begins now,
goes sixty times as fast, keeps a real gateway's limits, plays a file, and sets the cash.

`clock` is the same in all of them: `TIME [ZONE] [xSPEED]`, `now`, seconds since 1970, or `off`.
With it, from the beginning or once it is set, markets have their hours: outside them quotes stand
still and orders wait. Without it, and after `off`, it is now and every market is always open.
"""
_EXAMPLES = """
## A bot and its test

```python
{bot}
```

```python
{test}
```

`pytest` is all that it takes: the fixture comes with ibnb. `set_faults` breaks the gateway while
the test runs, and `simulated_gateway.orders` has every order that was placed.

## A notebook and its test

The cells of a notebook, each in a block of its own; a notebook for your own gateway has the same,
but for `sim`:

```python
{cells}
```

Run it once, so that its outputs are stored, and look at them. From then on

```
pytest --nbval notebook.ipynb
```

runs it from the beginning, and fails where a cell shows something else. The simulated gateway is
the notebook's own and ends with its kernel. What depends on prices is better compared on a
[recording](recordings.md): `%ibreplay FILE` in place of `sim`.
"""
