"""Which log lines of a library are held back, because ibnb tells the same in their place.

Two kinds of lines are. What a library logs of a notice goes, without set-up of logging, in red into
the cell that opened the socket, whatever cell it belongs to; a card says the same under the right
cell. And on any close before ready the libraries blame the client ID, whatever the cause; what is
raised says the cause.

A line that nobody tells in its place passes. Which connection speaks is known by context: tasks
and transports carry the context they were made in.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

from ibnb.session.errors import IbnbError
from ibnb.session.library import listening
from ibnb.session.library.patches import MethodPatch
from ibnb.session.records.journal import Journal
from ibnb.tws.accounts import mask_in

KIND = "notices"
SPEAKER = ".wrapper"
CONSEQUENCES = ("Canceled order: Trade(", "IBKR API validation warning: Trade(")
"""What a library makes of a notice about an order, which may be wrong: the order may be alive."""
UNKNOWN = "Unknown contract: "
MOST_HELD = 500
"""So many lines of one opening are held back."""
_NOTICE = re.compile(r"(?:Error|Warning) (-?\d+), reqId -?\d+: (.*)", re.DOTALL)
_OF_OPENING = re.compile(r"Peer closed connection\.|API connection failed: |Make sure API port ")
"""What the libraries log when they give an opening up."""


class _Spoken:
    """A notice that a watched connection is telling at this moment, and what was held back of it.

    Attributes:
        heard: whether it is in the journal, so that what was held back of it is told.
        over: whether the library is done with it; tasks that began meanwhile still carry it.
    """

    __slots__ = ("code", "heard", "held", "over", "text")

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        self.held: list[logging.LogRecord] = []
        self.heard = self.over = False

    def is_told_by(self, record: logging.LogRecord, message: str) -> bool:
        """Say whether a log line tells this notice."""
        if self.over or not record.name.endswith(SPEAKER):
            return False
        return message.startswith((f"Error {self.code}, ", f"Warning {self.code}, ", *CONSEQUENCES))

    def end(self) -> None:
        """Let pass what was held back of a notice that did not get into the journal."""
        self.over = True
        if not self.heard:
            _let_pass(self.held)


_spoken: contextvars.ContextVar[_Spoken | None] = contextvars.ContextVar(
    "ibnb_spoken", default=None
)


def attend(ib: Any) -> None:
    """Begin to know the log lines in which an `IB` object's library tells its notices."""

    def telling(layer: MethodPatch) -> Any:
        def error(*args: Any, **kwargs: Any) -> Any:
            # Request, code, text: in all versions of both libraries.
            spoken = _Spoken(*args[1:3]) if len(args) > 2 else _Spoken(0, "")  # noqa: PLR2004
            token = _spoken.set(spoken)
            try:
                return layer.inner(*args, **kwargs)
            finally:
                _spoken.reset(token)
                spoken.end()

        return error

    listening.stand_around(ib, listening.NOTICE, KIND, telling)


def attend_no_more(ib: Any) -> None:
    """Undo `attend`."""
    listening.stand_around_no_more(ib, listening.NOTICE, KIND)


def note_heard() -> None:
    """Take note that the notice that is being told just now is in the journal."""
    spoken = _spoken.get()
    if spoken is not None:
        spoken.heard = True


class NoticeLines(logging.Filter):
    """Holds back the log lines of notices that are told under the cell that runs.

    Where somebody set up logging, he gets them all.
    """

    def __init__(self, loggers: tuple[str, ...], journal: Journal) -> None:
        super().__init__()
        self._loggers = loggers
        self._journal = journal

    def install(self) -> None:
        """Begin to hold them back."""
        for name in self._loggers:
            logging.getLogger(name).addFilter(self)

    def remove(self) -> None:
        """Let them pass again."""
        for name in self._loggers:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record pass, unless what it says is told in its place."""
        return record.levelno < logging.WARNING or _is_set_up(record) or not self._is_told(record)

    def _is_told(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, IbnbError):
            # What a handler raises the library can only log; what ibnb raised there has its card.
            return self._journal.will_tell_error(error)
        message = record.getMessage()
        spoken = _spoken.get()
        if spoken is not None and spoken.is_told_by(record, message):
            if not self._journal.will_tell(spoken.code, spoken.text):
                return False
            spoken.held.append(record)
            return True
        return message.startswith(UNKNOWN) and self._journal.told_of(message[len(UNKNOWN) :])


class Hush:
    """Holds back what a library logs of one opening, until it is ready or over.

    Args:
        tells: says of a notice's code and text whether it is told soon, once it is in the journal.
        wanted: for an opening of the user's own, is asked at each line whether to hold it back;
            where he set up logging, no line is. Without it the opening is ibnb's.

    Attributes:
        story: what is told of the opening when it failed. Empty when it was given up and nobody
            waits for it, None when nothing is told.
    """

    def __init__(
        self, tells: Callable[[int, str], bool], wanted: Callable[[], bool] | None = None
    ) -> None:
        self._tells = tells
        self._wanted = wanted
        self._active = True
        self._held: list[tuple[logging.LogRecord, str]] = []
        self.story: str | None = None

    def holds(self, record: logging.LogRecord) -> bool:
        """Hold a record back if it is one of those that tell of the opening."""
        if not self._active or record.levelno < logging.WARNING or len(self._held) >= MOST_HELD:
            return False
        message = record.getMessage()
        if not (_OF_OPENING.match(message) or _NOTICE.match(message)):
            return False
        if self._wanted is not None and (_is_set_up(record) or not self._wanted()):
            return False
        self._held.append((record, message))
        return True

    def ready(self) -> None:
        """Hold nothing back from now on: of what comes next, nobody else tells."""
        self._end(self._told_in_journal)

    def end(self) -> None:
        """Let pass what the story does not tell."""
        self._end(self._told_in_story)

    def _end(self, is_told: Callable[[str], bool]) -> None:
        self._active = False
        held, self._held = self._held, []
        _let_pass([record for record, message in held if not is_told(message)])

    def _told_in_journal(self, message: str) -> bool:
        notice = _NOTICE.match(message)
        return notice is not None and self._tells(int(notice[1]), notice[2])

    def _told_in_story(self, message: str) -> bool:
        notice = _NOTICE.match(message)
        if self.story is None or notice is None:
            return self.story is not None
        return mask_in(notice[2]).rstrip(".") in self.story


_hush: contextvars.ContextVar[Hush | None] = contextvars.ContextVar("ibnb_hush", default=None)


class _KeepBack(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        hush = _hush.get()
        return hush is None or not hush.holds(record)


@contextlib.contextmanager
def hushed(loggers: tuple[str, ...], hush: Hush) -> Iterator[None]:
    """Hold back what an opening in this context makes these loggers write of it."""
    token = _hush.set(hush)
    keep_back = _KeepBack()
    for name in loggers:
        logging.getLogger(name).addFilter(keep_back)
    try:
        yield
    finally:
        for name in loggers:
            logging.getLogger(name).removeFilter(keep_back)
        _hush.reset(token)
        hush.end()


def _is_set_up(record: logging.LogRecord) -> bool:
    """Say whether somebody set up logging for what is logged here: he gets every line."""
    return logging.getLogger(record.name).hasHandlers()


def _let_pass(records: list[logging.LogRecord]) -> None:
    for record in records:
        logging.getLogger(record.name).handle(record)
