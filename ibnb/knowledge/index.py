"""The catalogue in memory: entries by id, code, text, check, exception, and by words."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Entry
    from .search import Index, Ranked
    from .texts import Contradicted, Found, KnownTexts


class Catalogue:
    """All entries, with the ways to find one.

    Attributes:
        entries: Every entry, in the order of the files.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries: tuple[Entry, ...] = tuple(entries)
        self._by_id = {entry.id: entry for entry in self.entries}
        self._by_check = {check: entry for entry in self.entries for check in entry.check_ids}
        self._by_code: dict[int, Entry] = {}
        self._by_text: dict[int, list[Entry]] = {}
        for entry in self.entries:
            for code in entry.codes:
                if entry.text:
                    self._by_text.setdefault(code, []).append(entry)
                else:
                    self._by_code[code] = entry

    @property
    def codes(self) -> tuple[int, ...]:
        """Every notice code that has a page, in ascending order."""
        return tuple(sorted(self._by_code))

    @property
    def in_order(self) -> tuple[Entry, ...]:
        """Every entry as a list has them: those with codes first, by code, then by id."""
        return tuple(sorted(self.entries, key=lambda one: (not one.codes, one.codes, one.id)))

    @property
    def checks(self) -> tuple[str, ...]:
        """Every diagnostic check that has a page, in alphabetical order."""
        return tuple(sorted(self._by_check))

    def by_id(self, entry_id: str) -> Entry | None:
        """Return the entry of this id, or None."""
        return self._by_id.get(entry_id)

    def by_code(self, code: int, text: str = "") -> Entry | None:
        """Return the entry of a notice, or None when its code is not known.

        Of the entries that share a code, the first one whose patterns the text matches is taken;
        a text that none knows, as one in another language, leads to the entry of the code as such.
        """
        if text:
            spoken = " ".join(text.split())
            for entry in self._by_text.get(code, ()):
                if any(re.search(pattern, spoken, re.IGNORECASE) for pattern in entry.text):
                    return entry
        return self._by_code.get(code)

    def by_check(self, check_id: str) -> Entry | None:
        """Return the entry that a diagnostic check (``api.version``) belongs to, or None."""
        return self._by_check.get(check_id)

    def by_exception(self, raised: str) -> Entry | None:
        """Return the entry on what a program or its operating system raised, or None."""
        return next(
            (entry for entry, pattern in self._raised if pattern.search(raised) is not None), None
        )

    def codes_of(self, text: str) -> Found | None:
        """Return the codes that a notice's text comes with, or None if no such text is known."""
        return self._texts.find(text)

    def contradicted(self, text: str) -> Contradicted:
        """Return the codes of known texts of which a text says the contrary."""
        return self._texts.contradicted(text)

    def fits(self, code: int, text: str) -> bool:
        """Say whether a text may be that of a code, by known texts or by its page's words."""
        if self._texts.fits(code, text):
            return True
        page = self.by_code(code, text)
        return page is not None and any(
            one.entry is page and one.is_meant for one in self._index.rank(text)
        )

    def search(self, words: str) -> tuple[Entry, ...]:
        """Return the entries that these words speak of, best first; empty when none does."""
        return tuple(one.entry for one in self._index.rank(words))

    def rank(self, words: str) -> tuple[Ranked, ...]:
        """Return what `search` returns, each with how well it fits."""
        return self._index.rank(words)

    @cached_property
    def _raised(self) -> tuple[tuple[Entry, re.Pattern[str]], ...]:
        return tuple(
            (entry, re.compile("|".join(entry.raised), re.IGNORECASE | re.DOTALL))
            for entry in self.entries
            if entry.raised
        )

    @cached_property
    def _texts(self) -> KnownTexts:
        # The look-up of a code needs neither texts nor words.
        from .texts import KnownTexts

        with Path(__file__).with_name("notices.tsv").open(encoding="utf-8") as lines:
            return KnownTexts(lines)

    @cached_property
    def _index(self) -> Index:
        from .search import Index

        return Index(self.entries)
