"""Where a shared store is: a URL whose credentials are shown to nobody."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

SCHEMES = ("redis", "rediss")
DEFAULT_PORT = 6379


_CREDENTIALS = re.compile(r"//.*@", re.DOTALL)


def without_credentials(text: str) -> str:
    """Return a text without what stands for credentials in a URL, well-formed or not."""
    return _CREDENTIALS.sub("//…@", text)


class StoreUrl:
    """The URL of a Redis server; however it is turned into text, credentials are left out.

    Raises:
        ValueError: it is not one; the text does not repeat it.
    """

    def __init__(self, text: str) -> None:
        parts = urlsplit(text)
        database = parts.path.strip("/")
        port = parts.port
        if parts.scheme not in SCHEMES or not parts.hostname or parts.fragment:
            raise ValueError("a store is redis://HOST:PORT/0, or rediss:// with TLS")
        if database and not (database.isascii() and database.isdigit()):
            raise ValueError("a store's database is a number")
        self._text = text
        self._parts: SplitResult = parts
        self.host, self.port = parts.hostname, port or DEFAULT_PORT
        self.is_encrypted = parts.scheme == "rediss"
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._label = f"{parts.scheme}://{host}:{self.port}/{database or 0}"

    def __repr__(self) -> str:
        """Return it without its credentials."""
        return self._label

    def __eq__(self, other: object) -> bool:
        """Say whether it is the same, credentials included."""
        return isinstance(other, StoreUrl) and self._text == other.reveal()

    def __hash__(self) -> int:
        """Return what equal ones have in common."""
        return hash(self._text)

    def reveal(self) -> str:
        """Return it whole, for the client that needs it."""
        return self._text

    def clean(self, error: Exception) -> str:
        """Return what an error says, in one line and without the credentials."""
        text = " ".join(f"{type(error).__name__}: {error}".split())
        given = (self._parts.password, self._parts.username, self._parts.query)
        for one in filter(None, given):
            for form in {one, unquote(one)}:
                text = text.replace(form, "…")
        return text
