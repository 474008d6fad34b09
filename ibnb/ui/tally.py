"""Counting what comes, bounded whatever comes: nothing here knows how any of it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibnb.tws.codes import NO_REQUEST

if TYPE_CHECKING:
    from ibnb.session import IbnbError
    from ibnb.tws.notices import Notice

MOST_CODES = 100
"""So many codes are told apart; no gateway has more to say within one cell."""
MOST_TEXTS = 20
"""So many texts of one code are told apart: some codes mean several things."""
MOST_NAMED = 100
"""So many subjects of one text are known by name; the rest are counted."""
MOST_ERRORS = 100
"""So many errors, by page and subject, are told apart."""


class Heard:
    """What came with one code and one text: the last notice, how often, and what each was about.

    Attributes:
        notice: the notice that came last, or None while none did.
        about: by what notices were about, or else by their request's number, the first of them
            and how many.
        is_trouble: whether it gets a card; None while nobody has asked.
    """

    __slots__ = ("about", "count", "is_trouble", "notice")

    def __init__(self) -> None:
        self.notice: Notice | None = None
        self.count = 0
        self.about: dict[str | int, tuple[Notice, int]] = {}
        self.is_trouble: bool | None = None

    def add(self, notice: Notice) -> None:
        """Count a notice."""
        self.notice = notice
        self.count += 1
        key = notice.about or notice.req_id
        if key == NO_REQUEST:
            return
        first, times = self.about.get(key, (notice, 0))
        if times or len(self.about) < MOST_NAMED:
            self.about[key] = first, times + 1


class Tally:
    """Counts notices by code and text as they come; its memory does not grow with their number."""

    def __init__(self) -> None:
        self._heard: dict[int, dict[str, Heard]] = {}
        self._others: dict[int, Heard] = {}
        """By code, what came with texts for which there was no room."""

    def place(self, code: int, text: str) -> Heard | None:
        """Return where a code with a text is counted; None if there is no room for another one."""
        texts = self._heard.get(code)
        if texts is None:
            if len(self._heard) >= MOST_CODES:
                return None
            texts = self._heard[code] = {}
        heard = texts.get(text)
        if heard is None and len(texts) < MOST_TEXTS:
            heard = texts[text] = Heard()
        return heard

    def add(self, notice: Notice) -> None:
        """Count a notice; one for whose text there is no room, with others of its code."""
        heard = self.place(notice.code, notice.text)
        if heard is None and notice.code in self._heard:
            heard = self._others.setdefault(notice.code, Heard())
        if heard is not None:
            heard.add(notice)

    def heard(self) -> tuple[Heard, ...]:
        """Return what came, in the order in which each code and text first did."""
        found = [one for texts in self._heard.values() for one in texts.values()]
        return tuple(one for one in (*found, *self._others.values()) if one.count)


class Errors:
    """Errors that are told: of each page and subject the last, and how many there were."""

    def __init__(self) -> None:
        self._errors: dict[tuple[str, str], tuple[IbnbError, str, int]] = {}

    def add(self, error: IbnbError, key: str, about: str = "") -> None:
        """Count an error, by its page and by `key`; `about` is its subject for people."""
        place = error.verdict, key
        _, _, count = self._errors.get(place, (error, about, 0))
        if count or len(self._errors) < MOST_ERRORS:
            self._errors[place] = error, about, count + 1

    def has(self, error: IbnbError) -> bool:
        """Say whether an error is the last of those with its page and subject."""
        return any(last is error for last, _, _ in self._errors.values())

    def all(self) -> tuple[tuple[IbnbError, str, int], ...]:
        """Return the last error of each page and subject, its subject, and how many there were."""
        return tuple(self._errors.values())


class Collected:
    """What came during one cell, or between two."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.refusals = Errors()
        self.failures = Errors()
        self.contracts: set[str] = set()
        self.promised = False
        """Whether a log line was held back for any of it."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not (self.tally.heard() or self.refusals.all() or self.failures.all())
