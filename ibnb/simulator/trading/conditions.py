"""The conditions that an order may wait for: prices, times, volumes, and others' fills."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ibnb.simulator.world.history import parse_time
from ibnb.simulator.world.instruments import Instrument
from ibnb.simulator.world.market import Market

from .orders import Execution

_PRICE, _TIME, _EXECUTION, _VOLUME, _CHANGE = "1", "3", "5", "6", "7"
_OR = "o"


class Conditions:
    """What decides whether an order's conditions hold.

    Args:
        market: where prices and volumes are looked at.
        find: returns the instrument with a conId, or None.
        executions: every fill so far.
    """

    def __init__(
        self,
        market: Market,
        find: Callable[[int], Instrument | None],
        executions: Sequence[Execution],
    ) -> None:
        self._market = market
        self._find = find
        self._executions = executions

    def hold(self, conditions: Sequence[tuple[str, ...]], since: float, now: float) -> bool:
        """Say whether conditions hold together, each joined to the next one by AND or OR.

        A condition of a kind that is not simulated (of margin) does not hold.
        `since` is when the order was placed.
        """
        result = True
        joined_by_or = False
        for kind, joint, *rest in conditions:
            holds = self._holds(kind, rest, since, now)
            result = (result or holds) if joined_by_or else (result and holds)
            joined_by_or = joint == _OR
        return result

    def _holds(self, kind: str, rest: Sequence[str], since: float, now: float) -> bool:
        if kind == _TIME:
            asked = parse_time(rest[1])
            return asked is not None and _compares(rest[0], now, asked)
        if kind == _EXECUTION:
            return any(
                fill.time >= since and fill.order.instrument.symbol == rest[2]
                for fill in self._executions
            )
        if kind not in {_PRICE, _VOLUME, _CHANGE}:
            return False
        instrument = self._find(int(rest[2] or 0))
        if instrument is None:
            return False
        quote = self._market.quote(instrument, now)
        measured = {
            _PRICE: quote.last,
            _VOLUME: quote.volume,
            _CHANGE: (quote.last / quote.close - 1) * 100,
        }
        return _compares(rest[0], measured[kind], float(rest[1]))


def _compares(is_more: str, value: float, limit: float) -> bool:
    return value >= limit if is_more == "1" else value <= limit
