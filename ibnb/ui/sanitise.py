"""Making text from outside fit to be shown: accounts masked, control characters made visible."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from ibnb.tws.accounts import mask_in
from ibnb.tws.escaping import edited, visible

LONGEST = 4000
"""Characters of one text that are shown; no sentence of a gateway or of ours has so many."""


def harmless(text: object, *, show_accounts: bool = False) -> str:
    """Return a text on one line that does nothing but be read, accounts masked, whole.

    It may be a sentence of ours: an account whose name could be words of one is masked only in what
    others wrote, which `quoted` is for.
    """
    whole = str(text)
    return visible(whole if show_accounts else mask_in(whole, ours=True))


def json_text(document: Any, *, show_accounts: bool = False, ascii_only: bool = False) -> str:
    """Return a plain value as JSON whose texts and keys are `harmless` when they are read again."""
    shown = edited(document, partial(harmless, show_accounts=show_accounts))
    return json.dumps(shown, indent=2, ensure_ascii=ascii_only)


def clean(text: object, *, show_accounts: bool = False) -> str:
    r"""Return a text on one line that does nothing but be read.

    Accounts are masked, and what is longer than `LONGEST` characters is cut. Runs of blanks and
    line ends become one space. What would move a terminal's cursor, reorder the line, or could not
    be written at all is shown as its escape, as in ``\x1b``.
    """
    whole = str(text)
    # More than is shown is masked, so that the cut cannot leave half an account number.
    line = " ".join(harmless(whole[: 2 * LONGEST], show_accounts=show_accounts).split())
    if len(whole) <= LONGEST:
        return line
    # How long it was is not known here: the journal keeps no more than a part of such a text.
    return f"{line[:LONGEST]}… (the first {LONGEST:,} characters)"


def quoted(text: object, *, show_accounts: bool = False) -> str:
    """Return what others wrote, cleaned: in it an account is masked whatever it is called."""
    begun = str(text)[: 2 * LONGEST]
    return clean(begun if show_accounts else mask_in(begun), show_accounts=show_accounts)


def clean_all(texts: Iterable[object], *, show_accounts: bool = False) -> tuple[str, ...]:
    """Return each text cleaned; what is empty then is left out."""
    cleaned = (clean(text, show_accounts=show_accounts) for text in texts)
    return tuple(text for text in cleaned if text)


def clean_value(value: Any, *, show_accounts: bool = False) -> tuple[str, ...]:
    """Return a plain value (as JSON can carry) as the lines to show: one for each item of a list.

    A list of single values becomes one line; what is nested deeper is written inline.
    """
    if isinstance(value, str):
        lines = value.splitlines() or [""]
    elif isinstance(value, Mapping):
        lines = [f"{key}: {_inline(item)}" for key, item in value.items()]
    elif _is_list(value) and any(isinstance(item, Mapping) for item in value):
        lines = [_inline(item) for item in value]
    else:
        lines = [_inline(value)]
    return clean_all(lines, show_accounts=show_accounts) or ("—",)


def _inline(value: Any) -> str:
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"  # noqa: PLR2004 - digits
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_inline(item)}" for key, item in value.items()) or "none"
    if _is_list(value):
        return ", ".join(_inline(item) for item in value) or "none"
    return str(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset)
