"""Keeping back what a library logs and ibnb explains itself.

On any close before ready the libraries blame the client ID, whatever the cause. What belongs to an
opening is known by its context: tasks and transports carry the context they were made in, so the
log lines of other connections pass.
"""

from __future__ import annotations

import contextlib
import contextvars
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from .errors import BlockingInHandler


@dataclass
class Hush:
    """The log records that one opening kept back, while `active`."""

    active: bool = True
    records: list[logging.LogRecord] = field(default_factory=list)


_hush: contextvars.ContextVar[Hush | None] = contextvars.ContextVar("ibnb_hush", default=None)


class _KeepBack(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        hush = _hush.get()
        if hush is None or not hush.active or record.levelno < logging.WARNING:
            return True
        hush.records.append(record)
        return False


@contextlib.contextmanager
def hushed(loggers: tuple[str, ...]) -> Iterator[Hush]:
    """Keep back warnings and errors that this context's opening makes these loggers write."""
    hush = Hush()
    token = _hush.set(hush)
    keep_back = _KeepBack()
    for name in loggers:
        logging.getLogger(name).addFilter(keep_back)
    try:
        yield hush
    finally:
        hush.active = False
        for name in loggers:
            logging.getLogger(name).removeFilter(keep_back)
        _hush.reset(token)


class NoticeLines(logging.Filter):
    """Keeps back the libraries' log lines that a card says better, where nobody set up logging.

    Without set-up Python prints them, in red, into the cell that opened the socket, whatever cell
    they belong to. The journal has the same notices, and they are shown under the right cell.
    """

    _LINE = re.compile(
        r"(?:Error|Warning) \d+, reqId -?\d+: |Unknown contract: |Canceled order: Trade\("
        r"|IBKR API validation warning: Trade\("
    )
    """What is logged of a notice itself, and of what a library made of it, which may be wrong: an
    order that it calls cancelled may be alive."""

    def __init__(self, loggers: tuple[str, ...], wanted: Callable[[], bool]) -> None:
        super().__init__()
        self._loggers = loggers
        self._wanted = wanted

    def install(self) -> None:
        """Begin to keep them back."""
        for name in self._loggers:
            logging.getLogger(name).addFilter(self)

    def remove(self) -> None:
        """Let them pass again."""
        for name in self._loggers:
            logging.getLogger(name).removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record pass, unless a card says the same and nobody asked for it to be logged."""
        error = record.exc_info[1] if record.exc_info else None
        # What a handler raises the library can only log; what ibnb raised there has its card.
        said = isinstance(error, BlockingInHandler) or self._LINE.match(record.getMessage())
        if not said or not self._wanted():
            return True
        return logging.getLogger(record.name).hasHandlers()
