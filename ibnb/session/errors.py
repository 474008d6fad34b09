"""What ibnb raises.

Exception
  IbnbError                    carries a verdict and an explanation
    ConnectFailed              (also a ConnectionError and a TimeoutError) an opening failed
      ConnectRefused           (also a ConnectionRefusedError) nothing listens on the port
    StaleConnection            (also a ConnectionError) the `ib` at hand was replaced
    OrdersLocked               an order was about to be sent on a live account
    BlockingInHandler          a blocking request inside an event handler, which would hang
    BlockingOnThread           (also a RuntimeError) the same on another thread than the loop's
  NoLibraryError               neither API library is installed
  BadInputError                an option has an invalid value
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ibnb.tws.accounts import mask_in
from ibnb.tws.escaping import visible

from .advising import situation

if TYPE_CHECKING:
    from ibnb.knowledge import Explanation
    from ibnb.tws.target import Target


def _harmless(text: str) -> str:
    """Return a sentence of ours fit for a traceback, whatever was put into it."""
    return visible(mask_in(text, ours=True))


class IbnbError(Exception):
    """Met whenever ibnb itself refuses or fails; it knows its cause.

    Attributes:
        verdict: the catalogue id of the cause, as in ``client-id-in-use``.
        explanation: the catalogue's entry with what was seen here and now.
    """

    more = "{explain VERDICT}"
    """Where more can be read or found out, as a step of the catalogue says it."""

    def __init__(
        self,
        verdict: str,
        facts: tuple[str, ...] = (),
        about: Target | None = None,
        **known: Any,
    ) -> None:
        """Say what happened.

        Args:
            verdict: the catalogue id of the cause.
            facts: sentences on what was seen here and now.
            about: the target that it is about, if that is not where something was opened last.
            known: more facts of the situation, by their names in `ibnb.knowledge.Situation`.
        """
        from ibnb.knowledge import explain

        self.verdict = verdict
        facts = tuple(map(_harmless, facts))
        here = replace(situation(about), **known)
        self.explanation: Explanation = replace(explain(verdict), facts=facts, situation=here)
        super().__init__(self._text())

    def _text(self) -> str:
        entry = self.explanation.entry
        happened = " ".join(self.explanation.facts) or entry.summary
        first = "".join(f" First: {step}" for step in self.explanation.steps[:1])
        return f"{entry.title}. {happened}{first}"

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython shows in place of a traceback."""
        entry = self.explanation.entry
        lines = [f"{type(self).__name__}: {entry.title} [{self.verdict}]"]
        lines += [f"  {fact}" for fact in self.explanation.facts or (entry.summary,)]
        lines += [f"  First: {step}" for step in self.explanation.steps[:1]]
        more = self.explanation.situation.fill(self.more.replace("VERDICT", self.verdict))
        lines.append(f"  More: {more}")
        return lines


# The libraries raise a bare TimeoutError or ConnectionError: code written for either catches it.
class ConnectFailed(IbnbError, ConnectionError, TimeoutError):  # noqa: N818 - what the user reads
    """Met when `%ibconnect`, `ibnb.connect` or a guarded connect opens no usable connection."""

    more = "{explain VERDICT}   Diagnose: {diag}"


class ConnectRefused(ConnectFailed, ConnectionRefusedError):  # noqa: N818 - what the user reads
    """Met when nothing listens on the port, as ConnectionRefusedError is without ibnb."""


class StaleConnection(IbnbError, ConnectionError):  # noqa: N818 - the documented name
    """Met when code uses an `ib` whose connection a later run replaced."""


class OrdersLocked(IbnbError):  # noqa: N818 - the documented name
    """Met when an order would go to a live account from a session opened without ``--trade``."""


class BlockingInHandler(IbnbError):  # noqa: N818 - what the user reads
    """Met when an event handler makes a blocking request on its own connection."""


# If the loop is not patched, Python raises a RuntimeError for want of a loop on that thread.
class BlockingOnThread(IbnbError, RuntimeError):  # noqa: N818 - what the user reads
    """Met when a thread without the connection's loop makes a blocking request on it."""


class NoLibraryError(IbnbError):
    """Met when the API library that was asked for, or any, is not installed."""


class BadInputError(ValueError):
    """Met when a target, option or setting makes no sense; the text is one line for the user.

    It repeats what was given, which may hold an account: that is masked.
    """

    def __init__(self, text: str) -> None:
        super().__init__(_harmless(text))
