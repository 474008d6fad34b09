"""What may be asked of a simulated gateway, and done to it, while it runs: its verbs.

They are defined here once. Python calls them as methods; the control port, scenarios and the
marker of the pytest fixture reach them by name, through `ibnb.simulator.verbs`.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from ibnb.tws.codes import NO_REQUEST

from . import actions
from .naming import ContractName, VerbError, account_names, find_instrument
from .protocol import texts
from .requests import Request, check_request
from .state import State
from .stubs import Stub

_T = TypeVar("_T")
Scalar = str | int | float | bool
"""A value of a request's parameter."""


class Handle(ABC):
    """The verbs of a simulated gateway. Each has been done when its call returns.

    An instrument is named by the symbol of a stock in US dollars, by a pair such as ``EURUSD``, by
    its conId, or by fields such as ``{"symbol": "ES", "secType": "FUT"}``.

    Raises:
        VerbError: what was asked for makes no sense, or cannot be done now. One line.
    """

    _state: State

    @abstractmethod
    def _on_loop(self, work: Callable[[], _T]) -> _T:
        """Do something where nothing else changes meanwhile."""

    @abstractmethod
    def _close_clients(self, client_id: int | None = None) -> None:
        """Close every connection, or that of one client ID."""

    @abstractmethod
    def _start_again(self, seconds: float) -> None:
        """Close all, refuse for a while, and be back."""

    @abstractmethod
    def _forget(self, seed: int | None) -> None:
        """Begin the world anew, without clients."""

    def set_quote(
        self,
        contract: ContractName,
        bid: float | None = None,
        ask: float | None = None,
        *,
        last: float | None = None,
        bid_size: int | None = None,
        ask_size: int | None = None,
    ) -> dict[str, Any]:
        """Hold an instrument's quote until it is set again; without prices, let it go.

        Ticks, bars, orders and positions see it at once, also while the market is closed, and
        options and combinations follow what they are on. What closes the market to orders stays.

        Args:
            contract: the instrument.
            bid: what is bid; by default one step below `last` or two below `ask`.
            ask: what is asked; by default one step above `last` or two above `bid`.
            last: the last trade's price; by default in the middle.
            bid_size: how much is bid; by default what it would be.
            ask_size: how much is asked; by default what it would be.
        """

        def work() -> dict[str, Any]:
            instrument = find_instrument(self._state.world, contract)
            actions.hold_quote(self._state, instrument, (bid, ask, last), (bid_size, ask_size))
            return actions.quote(self._state, instrument)

        return self._on_loop(work)

    def add_instrument(
        self,
        symbol: str,
        price: float,
        *,
        sec_type: str = "STK",
        currency: str = "USD",
        exchange: str = "NASDAQ",
        name: str = "",
        min_tick: float = 0.01,
        multiplier: str = "",
        expiry: str = "",
        con_id: int | None = None,
    ) -> dict[str, Any]:
        """Make an instrument that can be traded, in place of one with its type and symbol.

        Args:
            symbol: its symbol.
            price: where its price is at home.
            sec_type: STK, IND, FUT, CFD, CASH, CRYPTO, CMDTY or BOND.
            currency: what it is traded in.
            exchange: where it is listed.
            name: its long name; by default the symbol.
            min_tick: the step of its price.
            multiplier: what one contract is worth per point of price.
            expiry: when a future ends, as YYYYMMDD.
            con_id: its conId; by default one that is free.
        """
        return self._on_loop(
            lambda: actions.add_instrument(
                self._state.world,
                symbol,
                sec_type,
                currency,
                exchange,
                name=name or symbol,
                price=price,
                min_tick=min_tick,
                multiplier=multiplier,
                expiry=expiry,
                con_id=con_id,
            )
        )

    def fill(
        self,
        order_id: int,
        shares: float | None = None,
        price: float | None = None,
        client_id: int | None = None,
    ) -> dict[str, Any]:
        """Fill an open order, whatever the market is.

        Args:
            order_id: its order ID.
            shares: how much of it; by default all that remains.
            price: at which price; by default its limit, or what the market shows.
            client_id: whose order it is; needed only if several clients have one with this ID.
        """
        return self._on_loop(
            lambda: actions.fill(self._state, order_id, shares, price, client_id=client_id)
        )

    def reject_next(
        self, reason: str = "The order was rejected.", code: int = 201, times: int = 1
    ) -> int:
        """Reject the next orders; return how many are rejected from now on.

        Args:
            reason: what the notice says, after ``Order rejected - reason:`` if its code is 201.
            code: the notice's code.
            times: how many orders; 0 rejects none any more.
        """
        _check(times >= 0, f"times is {times}: give 0 or more")
        text = texts.rejected(reason) if code == texts.ORDER_REJECTED else (code, reason)

        def work() -> int:
            if not times:
                self._state.rejections.clear()
            self._state.rejections.extend([text] * times)
            return len(self._state.rejections)

        return self._on_loop(work)

    def cancel(
        self, order_id: int | None = None, client_id: int | None = None
    ) -> list[dict[str, Any]]:
        """Cancel an open order as an exchange does, or all of them; return those.

        Args:
            order_id: its order ID; without one, every open order is cancelled.
            client_id: whose orders; by default everybody's.
        """
        return self._on_loop(lambda: actions.cancel(self._state, order_id, client_id))

    def positions(
        self,
        contract: ContractName | None = None,
        size: float | None = None,
        price: float | None = None,
        account: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return what accounts hold, after one position was set if a size is given.

        Args:
            contract: of this instrument only.
            size: what the account holds of it from now on; 0 is nothing, below 0 is short.
            price: the average price that was paid; by default the last one.
            account: of this account only; to be set, by default the first one's.
        """

        def work() -> list[dict[str, Any]]:
            if contract is None:
                _check(size is None, "size needs a contract: name the instrument, such as AAPL")
                return actions.positions(self._state, account)
            instrument = find_instrument(self._state.world, contract)
            if size is not None:
                actions.hold(self._state, instrument, size, price, account)
            return actions.positions(self._state, account, instrument)

        return self._on_loop(work)

    def cash(
        self, amount: float | None = None, currency: str = "USD", account: str | None = None
    ) -> dict[str, dict[str, float]]:
        """Return each account's cash by currency, after one amount was set if it is given.

        Args:
            amount: what the account has from now on.
            currency: in which currency.
            account: of this account only; to be set, by default the first one's.
        """
        return self._on_loop(lambda: actions.cash(self._state, amount, currency, account))

    def accounts(self, names: Sequence[str] | None = None) -> list[str]:
        """Return the accounts, after they were set if names are given: for sessions to come.

        Args:
            names: the accounts; none makes a gateway whose sessions have no account.
        """
        found = None if names is None else account_names(names)

        def work() -> list[str]:
            if found is not None:
                self._state.accounts = found
            return list(self._state.accounts)

        return self._on_loop(work)

    def clock(self, moment: str | float | None = None) -> str:
        """Return the world's time, after it was set if one is given; it goes on from there.

        From then on markets have their hours, as with ``--clock``: outside them quotes stand still
        and orders wait. Nothing has happened in between.

        Args:
            moment: a time as ``--clock`` takes it, such as ``2026-07-01T09:29:55 America/New_York
                x60``, in UTC if it names no zone and as fast as before if it names no speed;
                ``now``; seconds since 1970; or ``off`` for this machine's time, at which every
                market is open at any hour.
        """

        def work() -> str:
            if moment is not None:
                actions.set_clock(self._state, moment)
            return dt.datetime.fromtimestamp(self._state.now, dt.UTC).isoformat()

        return self._on_loop(work)

    def seed(self, number: int | None = None) -> int:
        """Return what prices are made from; if one is given, begin anew with it, like `reset`.

        Args:
            number: the same seed is the same world.
        """
        if number is not None:
            _check(number >= 0, f"seed {number}: give 0 or a whole number above it")
            self._forget(number)
        return self._on_loop(lambda: self._state.seed)

    def on(
        self,
        request: str,
        *,
        code: int | None = None,
        text: str = "",
        reply: Sequence[Sequence[Scalar]] | None = None,
        delay: float = 0.0,
        silent: bool = False,
        close: bool = False,
        times: int | None = None,
        **parameters: Scalar,
    ) -> None:
        """Answer a request differently from now on.

        Args:
            request: its name in the API, such as ``reqHistoricalData``.
            code: refuse it with a notice of this code.
            text: what the notice says.
            reply: messages that are sent instead, each a list of fields with its id first;
                ``{reqId}`` stands for the request's own id.
            delay: answer so many seconds later.
            silent: never answer.
            close: close the connection.
            times: how often; by default always, and 0 answers as ever again.
            parameters: only if the request has these, by their names in the API.
        """
        check_request(request, parameters)
        _check(request != "startApi", "startApi cannot be answered by hand: use faults")
        _check(delay >= 0, f"delay is {delay}: give 0 or more seconds")
        _check(times is None or times >= 0, f"times is {times}: give 0 or more")
        _check(
            times == 0 or code is not None or reply is not None or delay > 0 or silent or close,
            f"how is {request} answered? Give code, reply, delay, silent, close, or times=0",
        )
        notice = None if code is None else (code, text)
        stub = Stub(request, parameters, notice, reply, delay, silent, close, times)
        self._on_loop(lambda: self._state.stubs.add(stub))

    def notice(
        self, code: int, text: str, req_id: int = NO_REQUEST, client_id: int | None = None
    ) -> int:
        """Send a notice to every client, or to one; return how many got it.

        Args:
            code: its code.
            text: what it says.
            req_id: which request it is about; -1 is none.
            client_id: only to the client with this ID.
        """

        def work() -> int:
            told = [one for one in self._state.clients if client_id in (None, one.client_id)]
            for client in told:
                client.notify((code, text), req_id)
            return len(told)

        return self._on_loop(work)

    def faults(self, names: Sequence[str] | None = None) -> list[str]:
        """Return the faults in force, after they were replaced if names are given.

        Args:
            names: each ``NAME`` or ``NAME:VALUE``; an empty list heals the gateway.
        """
        if names is not None:
            self.set_faults([names] if isinstance(names, str) else names)
        return [str(fault) for fault in self._state.faults.active.values()]

    @abstractmethod
    def set_faults(self, faults: Iterable[str]) -> None:
        """Replace the faults."""

    def drop(self, client_id: int | None = None) -> None:
        """Close the connection of every client, or of one; the port stays open.

        Args:
            client_id: only that of the client with this ID.
        """
        self._close_clients(client_id)

    def restart(self, seconds: float = 5.0) -> None:
        """Close all, refuse connections for a while, and be back with the same orders.

        Args:
            seconds: for how long.
        """
        _check(seconds >= 0, f"seconds is {seconds}: give 0 or more")
        self._start_again(seconds)

    def reset(self) -> None:
        """Close all connections, and be as at the beginning: world, clock, orders, faults."""
        self._forget(None)

    def requests(self, name: str | None = None, **parameters: Scalar) -> list[Request]:
        """Return what clients have sent, oldest first.

        Args:
            name: only those with this name in the API, such as ``reqMktData``.
            parameters: only those that have these, by their names in the API.
        """
        if name is not None:
            check_request(name, parameters)
        found = self._on_loop(self._state.requests)
        return [one for one in found if name in (None, one.name) and one.has(parameters)]


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise VerbError(message)
