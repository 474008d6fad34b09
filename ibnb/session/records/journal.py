"""The journal: this notebook's notices, in the order in which they came, and its requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from ibnb.made_once import made_once

if TYPE_CHECKING:
    from ibnb.session.errors import ConnectFailed, IbnbError
    from ibnb.tws.attempt import Attempt
    from ibnb.tws.notices import Notice

    from .requests import Request, RequestJournal

KEPT = 1000
LONGEST_TEXT = 10_000
"""Characters of a notice's text that are kept."""


class Teller(Protocol):
    """Whoever tells people what the journal hears, as the cells of a notebook do."""

    def is_telling(self) -> bool:
        """Say whether what comes now is told soon, under the cell that runs."""

    def hear(self, notice: Notice, contract: Any) -> None:
        """Take a notice, and the library's contract of the request that it answers, if any."""

    def hear_error(self, error: IbnbError) -> None:
        """Take an error that ibnb raised where only a library sees it."""

    def hear_failure(self, error: IbnbError, where: str) -> None:
        """Take an opening that failed, whatever becomes of what was raised."""

    def will_tell(self, code: int, text: str) -> bool:
        """Promise to tell a notice that is about to come, or not."""

    def will_tell_error(self, error: IbnbError) -> bool:
        """Say whether an error that was taken is told under the cell that runs."""

    def told_of(self, contract: str) -> bool:
        """Say whether a notice told in this cell that there is no such contract."""


class Journal:
    """A bounded list of notices with a running number, so that readers can ask for what is new.

    Attributes:
        tellers: tell people what is heard here. Without any, the libraries' log lines do.
    """

    def __init__(self) -> None:
        self._notices: deque[Notice] = deque(maxlen=KEPT)
        self.count = 0
        """How many notices have come in all, kept or not."""
        self.listeners: list[Callable[[Notice], None]] = []
        self.tellers: list[Teller] = []

    def __repr__(self) -> str:
        """Say how many notices came, and which was the last."""
        last = self._notices[-1].code if self._notices else "none"
        return f"<Journal: {self.count} notices, the last {last}>"

    @made_once
    def requests(self) -> RequestJournal:
        """What was asked of the gateways."""
        from .requests import RequestJournal

        return RequestJournal()

    def add(self, notice: Notice, contract: Any = None) -> Notice:
        """Take a notice and tell the listeners; return it as it is kept.

        A text beyond all measure is cut. `contract` is the library's, of the request it answers.
        """
        if len(notice.text) > LONGEST_TEXT:
            notice = replace(notice, text=notice.text[:LONGEST_TEXT])
        self._notices.append(notice)
        self.count += 1
        for listener in tuple(self.listeners):
            listener(notice)
        for teller in tuple(self.tellers):
            teller.hear(notice, contract)
        return notice

    def refuse(self, error: IbnbError) -> None:
        """Have an error told that is raised where only a library sees it, as inside a handler.

        The library logs it, into whatever cell opened the socket, or does not.
        """
        for teller in tuple(self.tellers):
            teller.hear_error(error)

    def fail(self, error: ConnectFailed, attempt: Attempt) -> ConnectFailed:
        """Have an opening told that failed, and return its error, which is about to be raised.

        It is told because user code may catch the error; nobody tells it twice.
        """
        for teller in tuple(self.tellers):
            teller.hear_failure(error, f"{attempt.target} as client ID {attempt.client_id}")
        return error

    def is_told(self) -> bool:
        """Say whether what comes now is told soon, so that no log line is needed for it."""
        return any(teller.is_telling() for teller in tuple(self.tellers))

    def will_tell(self, code: int, text: str) -> bool:
        """Say whether a notice will be told soon if it comes now."""
        text = text[:LONGEST_TEXT]
        return any(teller.will_tell(code, text) for teller in tuple(self.tellers))

    def will_tell_error(self, error: IbnbError) -> bool:
        """Say whether an error that `refuse` took will be told soon."""
        return any(teller.will_tell_error(error) for teller in tuple(self.tellers))

    def told_of(self, contract: str) -> bool:
        """Say whether a notice told that there is no such contract; it is given as it is logged."""
        return any(teller.told_of(contract) for teller in tuple(self.tellers))

    def since(self, count: int) -> tuple[Notice, ...]:
        """Return the notices that came after `count` of them had come, oldest first."""
        new = min(self.count - count, len(self._notices))
        return tuple(self._notices)[len(self._notices) - new :] if new > 0 else ()

    def over(self, connection: int) -> tuple[Notice, ...]:
        """Return the kept notices that came over one connection of this kernel, oldest first."""
        return tuple(one for one in tuple(self._notices) if one.connection == connection)

    def latest(self, connection: int | None = None) -> Notice | None:
        """Return the notice that came last, on any connection or on one; None without any."""
        if connection is None:
            return self._notices[-1] if self._notices else None
        found = (one for one in reversed(self._notices) if one.connection == connection)
        return next(found, None)

    def latest_of(self, code: int, req_id: int | None = None) -> Notice | None:
        """Return the latest notice with a code, and with a reqId where one is given; or None."""
        for notice in reversed(self._notices):
            if notice.code == code and req_id in {None, notice.req_id}:
                return notice
        return None

    def request(self, req_id: int) -> Request | None:
        """Return the latest request with this reqId, on whatever connection; None without any."""
        return self.requests.request(req_id)

    def request_of(self, notice: Notice) -> Request | None:
        """Return the request that a notice speaks of, or None if it speaks of none."""
        return self.requests.request_of(notice)
