"""ibnb: Interactive Brokers from a notebook.

``%load_ext ibnb`` brings the magics; the same verbs are functions here: `connect`, `diagnose` and
`explain`, with ``_async`` forms for code that awaits.
"""

from __future__ import annotations

import logging as _logging
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from contextlib import ExitStack

    from IPython.core.interactiveshell import InteractiveShell

    from .diagnostics import Report
    from .knowledge import Explanation
    from .session import Health

_T = TypeVar("_T")

__version__ = "0.1.0"
__all__ = [
    "connect",
    "connect_async",
    "diagnose",
    "diagnose_async",
    "disconnect",
    "explain",
    "explain_async",
    "guard",
    "health",
    "load_ipython_extension",
    "unload_ipython_extension",
]


def __dir__() -> list[str]:
    """Return the public names, which Tab completes."""
    return [*__all__, "__version__"]


def _mask(record: _logging.LogRecord) -> bool:
    """Mask the accounts in a record of ibnb's own log, whoever writes it and wherever it goes."""
    from .ui.sanitise import harmless

    record.msg, record.args = harmless(record.getMessage()), None
    return True


_logging.getLogger(__name__).addFilter(_mask)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics to a shell; loading twice changes nothing."""
    from .extension import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Close the connection and leave the shell as it was before loading."""
    from .extension import unload

    unload(shell)


def connect(
    target: str | int | None = None,
    *,
    client_id: int | None = None,
    account: str | None = None,
    expect: str | None = None,
    timeout: float | None = None,
    wait: float | None = None,
    readonly: bool | None = None,
    resume: bool = False,
    trade: bool = False,
    library: str | None = None,
) -> Any:
    """Open the notebook's one connection and return its `IB` object.

    What is None is decided by the settings.

    Args:
        target: ``paper`` (the default), ``live``, ``sim``, ``PORT`` or ``HOST:PORT``.
        client_id: another client ID than this notebook's own.
        account: the account to follow, if there are several.
        expect: ``paper`` or ``live``: refuse anything else.
        timeout: seconds that the opening may take.
        wait: seconds to wait for a client ID that is still held.
        readonly: fetch no orders, as a gateway with its Read-Only API needs.
        resume: after a loss, open it again as the same object, with its handlers and
            subscriptions; leave a connection that is open as it is.
        trade: let orders go to a live account.
        library: ``ib_insync`` or ``ib_async``.

    Raises:
        BadInputError: an option makes no sense; the connection that was there is still there.
        NoLibraryError: neither ib_insync nor ib_async is installed.
        ConnectFailed: no usable connection came of it; its `explanation` says why.
    """
    from .app import the_app
    from .options import ConnectOptions

    options = ConnectOptions(
        target, expect, client_id, account, timeout, wait, readonly, library, trade, resume
    )
    return the_app().connect(options).connection.ib


async def connect_async(
    target: str | int | None = None,
    *,
    client_id: int | None = None,
    account: str | None = None,
    expect: str | None = None,
    timeout: float | None = None,
    wait: float | None = None,
    readonly: bool | None = None,
    resume: bool = False,
    trade: bool = False,
    library: str | None = None,
) -> Any:
    """Do as `connect`, for code that awaits."""
    from .app import the_app
    from .options import ConnectOptions

    options = ConnectOptions(
        target, expect, client_id, account, timeout, wait, readonly, library, trade, resume
    )
    return (await the_app().connect_async(options)).connection.ib


def disconnect() -> None:
    """Close the notebook's connection, if one is open, and wait until it is closed."""
    from .app import the_app

    the_app().disconnect("ibnb.disconnect() closed the connection.")


def diagnose(
    target: str | int | None = None,
    *,
    client_id: int | None = None,
    expect: str | None = None,
    timeout: float | None = None,
    library: str | None = None,
    only: tuple[str, ...] = (),
) -> Report:
    """Find out why a connection does not work, and return the report.

    Args:
        target: as of `connect`; left out: the session's own, else ``paper``.
        client_id: the client ID to try; left out: this notebook's own.
        expect: ``paper`` or ``live``, as of `connect`.
        timeout: seconds for the handshake.
        library: whose range of server versions to negotiate.
        only: ids of the checks to run, with what they require; all when empty.

    Raises:
        BadInputError: an option makes no sense.
    """
    return _run(
        diagnose_async(
            target, client_id=client_id, expect=expect, timeout=timeout, library=library, only=only
        )
    )


async def diagnose_async(
    target: str | int | None = None,
    *,
    client_id: int | None = None,
    expect: str | None = None,
    timeout: float | None = None,
    library: str | None = None,
    only: tuple[str, ...] = (),
) -> Report:
    """Do as `diagnose`, for code that awaits."""
    from .app import the_app
    from .options import ConnectOptions

    _let_values_show_themselves()
    app = the_app()
    options = ConnectOptions(target, expect, client_id, timeout=timeout, library=library)
    return await app.start_diagnosis(app.planner.question(options, only)).report()


def explain(query: str | int) -> Explanation:
    """Return the explanation of an error code, or of what words find, with its live evidence.

    That is what the checks of its page find on this machine within 3 seconds, and, of a code that
    this notebook received, the request that it answers. No connection is opened for it.

    Raises:
        LookupError: the words match nothing. A number always gets an explanation.
    """
    return _run(explain_async(query))


async def explain_async(query: str | int) -> Explanation:
    """Do as `explain`, for code that awaits."""
    from .app import the_app

    _let_values_show_themselves()
    app = the_app()
    (explanation,) = await app.explainer.with_evidence(app.explainer.explain(query))
    return explanation


def health() -> Health:
    """Return how the notebook's connection is: its state, its accounts, what troubles it.

    In a notebook of any kind it shows itself as the badge does.
    """
    from .app import the_app

    _let_values_show_themselves()
    return the_app().health()


def guard(names: Mapping[str, Any] | None = None) -> ExitStack:
    """Make connects of this program's own code safe to repeat, as the extension does in a notebook.

    For plain Python and for notebooks that are no IPython, such as marimo's. When code connects, a
    connection to the same address with the same client ID that nobody holds any more is closed
    first, an ID that is still held is waited for, and what fails is explained. Where a loop runs
    already, blocking calls such as ``ib.connect()`` work inside it from then on. The guard ends
    with the program, or with the context that is returned; while it is on, another call changes
    nothing.

    Args:
        names: the variables that hold connections; left out: those of the module that calls.
    """
    from .app import the_app

    _let_blocking_calls_work()
    found = sys._getframe(1).f_globals if names is None else names  # noqa: SLF001 - documented
    return the_app().guard(found)


def _let_values_show_themselves() -> None:
    """Say how explanations, reports and connections look, wherever they are shown."""
    from .app import the_app
    from .knowledge.showing import draw_with

    def draw(value: Any) -> dict[str, str]:
        from .ui.formatters import forms

        return forms(value, the_app())

    draw_with(draw)


def _let_blocking_calls_work() -> None:
    from .session.notebook.event_loop import current_loop, patch_loop

    if current_loop().is_running():
        patch_loop()


def _run(answer: Coroutine[Any, Any, _T]) -> _T:
    from .session.notebook.event_loop import run

    _let_blocking_calls_work()
    return run(answer)
