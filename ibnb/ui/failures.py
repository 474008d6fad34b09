"""Exceptions that came through an API library, and the page that explains each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ibnb.session import IbnbError
from ibnb.session.libraries import ib_of, library_functions
from ibnb.tws.notices import NO_REQUEST, Notice

if TYPE_CHECKING:
    from ibnb.app import App
    from ibnb.knowledge import Explanation

CONNECTING = frozenset({"connect", "connectAsync"})
OF_THE_LOOP = (
    ("event loop is already running", "event-loop-running"),
    ("no current event loop in thread", "blocking-on-thread"),
    ("cannot enter context", "queued-cells-lost"),
    ("Timeout should be used inside a task", "timeout-outside-task"),
    ("Timeout context manager should be used inside a task", "timeout-outside-task"),
)
"""What a RuntimeError of Python's event loop says, and the page on it."""


def explain_failure(error: BaseException, app: App) -> Explanation | None:
    """Return what explains an exception, or None where it is none of ours to explain.

    Only those that passed through an API library, or that ibnb itself raised, are.
    """
    if isinstance(error, IbnbError):
        return error.explanation
    functions = library_functions(error)
    if not functions:
        return None
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return app.explain_notice(_notice_of(error, code, app))
    return _of_python(error, functions, app)


def _notice_of(error: BaseException, code: int, app: App) -> Notice:
    """Return the notice that a library made an exception of, as it was journalled if it was."""
    req_id = getattr(error, "reqId", NO_REQUEST)
    journalled = app.session.journal.latest_of(code, req_id)
    return journalled or Notice(code, str(getattr(error, "message", "")), req_id)


def _of_python(error: BaseException, functions: tuple[str, ...], app: App) -> Explanation | None:
    from ibnb.knowledge import explain

    text = str(error)
    match error:
        case ConnectionRefusedError():
            return explain("connection-refused")
        case TimeoutError():
            return explain("connect-timeout" if CONNECTING & {*functions} else "request-timeout")
        case ConnectionError():
            return _with_fate(explain("not-connected"), error, app)
        case RuntimeError():
            return next((explain(page) for said, page in OF_THE_LOOP if said in text), None)
        case ValueError() if "can't be hashed" in text:
            return explain("contract-not-qualified")
        case _:
            return None


def _with_fate(explanation: Explanation, error: BaseException, app: App) -> Explanation:
    """Add when and why the very `ib` of this call was lost, closed or replaced."""
    ib = ib_of(error)
    if ib is None:
        return explanation
    held, fate = app.session.holdings.of(ib), app.session.fate(ib)
    number = held.number if held is not None else 0
    return replace(explanation, facts=(fate,) if fate else (), connection=number)
