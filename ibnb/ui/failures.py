"""Exceptions that came through an API library, and the page that explains each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ibnb.session import IbnbError
from ibnb.session.library.libraries import ib_of, library_functions
from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.notices import Notice

if TYPE_CHECKING:
    from ibnb.app import App
    from ibnb.knowledge import Explanation

CONNECTING = frozenset({"connect", "connectAsync"})


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
        return app.explainer.explain_notice(_notice_of(error, code, app))
    page = _page(error, functions)
    if page is None:
        return None
    from ibnb.knowledge import explain

    explanation, ib = explain(page), ib_of(error)
    if page == "not-connected" and ib is not None:
        explanation = _with_fate(explanation, ib, app)
    return replace(explanation, situation=app.situation(ib=ib))


def _notice_of(error: BaseException, code: int, app: App) -> Notice:
    """Return the notice that a library made an exception of, as it was journalled if it was."""
    req_id = getattr(error, "reqId", NO_REQUEST)
    journalled = app.session.journal.latest_of(code, req_id)
    return journalled or Notice(code, str(getattr(error, "message", "")), req_id)


def _page(error: BaseException, functions: tuple[str, ...]) -> str | None:
    """Return the page on what a library raised, or None where there is none."""
    from ibnb.knowledge import catalogue

    page = None
    match error:
        case ConnectionRefusedError():
            page = "connection-refused"
        case TimeoutError():
            page = "connect-timeout" if CONNECTING & {*functions} else "request-timeout"
        case ConnectionError():
            page = "not-connected"
        case AssertionError() if "placeOrder" in functions:
            page = "order-done"
        case RuntimeError() | ValueError():
            entry = catalogue().by_exception(f"{type(error).__name__}: {error}")
            page = entry.id if entry is not None else None
    return page


def _with_fate(explanation: Explanation, ib: Any, app: App) -> Explanation:
    """Add when and why the very `ib` of this call was lost, closed or replaced."""
    held, reason = app.session.registry.of(ib), app.session.disconnect_reason(ib)
    number = held.number if held is not None else 0
    return replace(explanation, facts=(reason,) if reason else (), connection=number)
