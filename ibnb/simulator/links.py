"""The gateway's links to IBKR: the one to its servers, and those to the data farms.

`LinkState` is how they are; `Links` changes it as the faults in force want, at once and in time,
and tells every client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .faults import FARMS, Faults
from .protocol import texts
from .streams import BarStream, Stream

HISTORY = "ushmds"
_OF_TYPE = {
    **dict.fromkeys(("FUT", "CONTFUT", "FOP"), "usfuture"),
    **dict.fromkeys(("CASH", "CMDTY", "CRYPTO"), "cashfarm"),
}
_FLAPPING = "usfarm"
_SHORTEST = 0.01


@dataclass
class LinkState:
    """Whether there is a link to IBKR, and how each farm is: ok, broken, connecting or asleep."""

    is_up: bool = True
    farms: dict[str, str] = field(default_factory=lambda: dict.fromkeys(FARMS, "ok"))

    def serves(self, farm: str | None) -> bool:
        """Say whether data of a farm comes; None is none's."""
        return farm is None or self.farms[farm] == "ok"

    @property
    def farm_notices(self) -> list[texts.Text]:
        """What is told of the farms."""
        return [texts.farm(name, FARMS[name], state) for name, state in self.farms.items()]


def farm_for(sec_type: str) -> str:
    """Return the farm that the market data of a type of instrument comes from."""
    return _OF_TYPE.get(sec_type, "usfarm")


def farm_of(stream: Stream) -> str | None:
    """Return the farm that a subscription's data comes from; None if it needs none."""
    if isinstance(stream, BarStream):
        return HISTORY
    instrument = getattr(stream, "instrument", None)
    return farm_for(instrument.sec_type) if instrument is not None else None


class Links:
    """What happens to the links. To be used on the gateway's thread only.

    Args:
        state: how they are.
        clients: returns the clients, who are told of every change.
        history_is_back: is called once the farm of the history serves again.
    """

    def __init__(
        self,
        state: LinkState,
        clients: Callable[[], list[Any]],
        history_is_back: Callable[[], None],
    ) -> None:
        self._state = state
        self._clients = clients
        self._history_is_back = history_is_back
        self._timers: list[asyncio.TimerHandle] = []

    def begin(self, faults: Faults) -> None:
        """Be as the faults have it from the start; what happens once waits for a session."""
        self._state.is_up = "connectivity-lost" not in faults
        self._state.farms = _farms(faults, {})
        self._flap(faults)

    def follow(self, before: Faults, now: Faults) -> None:
        """Be as other faults have it, and tell what has changed."""
        self.stop()
        was_up, had = self._state.is_up, self._state.farms
        if "connectivity-lost" in now:
            self._lose()
        elif not was_up and "data-lost" not in now:
            self._restore()
        self._state.farms = _farms(now, had if "farms-asleep" in before else {})
        self._tell_farms(had)
        self._flap(now)
        if "data-lost" in now:
            self.lose_data(now)

    def lose_data(self, faults: Faults) -> None:
        """Lose the link, and be back in time without any subscription."""
        self._lose()
        if "connectivity-lost" not in faults:
            self._later(faults.seconds("data-lost") or 0.0, self._restore_without_data)

    def wake(self, farm: str | None) -> None:
        """Connect to a farm that is asleep, because somebody wants its data."""
        if farm is None or self._state.farms[farm] != "asleep":
            return
        if FARMS[farm] == "market":
            self._set_farm(farm, "connecting")
        self._set_farm(farm, "ok")

    def stop(self) -> None:
        """Let nothing more happen by itself."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _flap(self, faults: Faults) -> None:
        link, farm = faults.seconds("link-flaps"), faults.seconds("farm-flaps")
        if link is not None:
            self._later(link, self._flap_link, link)
        if farm is not None:
            self._later(farm, self._flap_farm, farm)

    def _flap_link(self, seconds: float) -> None:
        if self._state.is_up:
            self._lose()
        else:
            self._restore()
        self._later(seconds, self._flap_link, seconds)

    def _flap_farm(self, seconds: float) -> None:
        follows = {"ok": "broken", "broken": "connecting", "connecting": "ok", "asleep": "broken"}
        self._set_farm(_FLAPPING, follows[self._state.farms[_FLAPPING]])
        self._later(seconds, self._flap_farm, seconds)

    def _lose(self) -> None:
        if self._state.is_up:
            self._state.is_up = False
            self._tell(texts.LINK_LOST)

    def _restore(self) -> None:
        self._state.is_up = True
        self._tell(texts.LINK_RESTORED)

    def _restore_without_data(self) -> None:
        self._state.is_up = True
        for client in self._clients():
            client.lose_subscriptions()
        self._tell(texts.LINK_RESTORED_WITHOUT_DATA)

    def _set_farm(self, name: str, state: str) -> None:
        before = dict(self._state.farms)
        self._state.farms[name] = state
        self._tell_farms(before)

    def _tell_farms(self, before: dict[str, str]) -> None:
        for name, state in self._state.farms.items():
            if before[name] != state:
                self._tell(texts.farm(name, FARMS[name], state))
        if self._state.farms[HISTORY] == "broken" != before[HISTORY]:
            for client in self._clients():
                client.lose_live_bars()
        if self._state.serves(HISTORY):
            self._history_is_back()

    def _tell(self, text: texts.Text) -> None:
        for client in self._clients():
            client.notify(text)

    def _later(self, seconds: float, work: Callable[..., None], *args: Any) -> None:
        # A flap of no seconds would leave time for nothing else.
        loop = asyncio.get_running_loop()
        self._timers = [timer for timer in self._timers if timer.when() > loop.time()]
        self._timers.append(loop.call_later(max(seconds, _SHORTEST), work, *args))


def _farms(faults: Faults, woken: dict[str, str]) -> dict[str, str]:
    """How the farms are by the faults in force; `woken` is how they were while they slept."""
    farms = dict.fromkeys(FARMS, "ok")
    if "farms-asleep" in faults:
        farms.update({name: "asleep" for name, kind in FARMS.items() if kind != "definitions"})
        farms.update({name: "ok" for name, state in woken.items() if state == "ok"})
    if "farms-down" in faults:
        farms = dict.fromkeys(FARMS, "broken")
    farms.update(dict.fromkeys(faults.words("farm-down"), "broken"))
    return farms
