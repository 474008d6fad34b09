"""The journal: this notebook's notices, in the order in which they came, and its requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from ibnb.tws.notices import Notice

from .errors import IbnbError
from .requests import Request, RequestJournal

KEPT = 1000
LONGEST_TEXT = 10_000
"""Characters of a notice's text that are kept."""


class Journal:
    """A bounded list of notices with a running number, so that readers can ask for what is new.

    Attributes:
        requests: what was asked of the gateways.
        on_refusal: called with each error that ibnb raised where only a library sees it, as inside
            an event handler: the library logs it, into whatever cell opened the socket.
    """

    def __init__(self) -> None:
        self._notices: deque[Notice] = deque(maxlen=KEPT)
        self.count = 0
        """How many notices have come in all, kept or not."""
        self.listeners: list[Callable[[Notice], None]] = []
        self.on_refusal: list[Callable[[IbnbError], None]] = []
        self.requests = RequestJournal()

    def add(self, notice: Notice) -> Notice:
        """Take a notice and tell the listeners; return it as it is kept.

        A text beyond all measure is cut.
        """
        if len(notice.text) > LONGEST_TEXT:
            notice = replace(notice, text=notice.text[:LONGEST_TEXT])
        self._notices.append(notice)
        self.count += 1
        for listener in tuple(self.listeners):
            listener(notice)
        return notice

    def refuse(self, error: IbnbError) -> None:
        """Tell those who listen of an error that is raised where only a library sees it."""
        for listener in tuple(self.on_refusal):
            listener(error)

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
        """Return the request that a notice speaks of, or None where it speaks of none."""
        return self.requests.request_of(notice)
