"""What somebody wants a gateway to answer, in place of what it would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .protocol.texts import Text
from .requests import Request


@dataclass
class Stub:
    """How a request is answered that has this name and these parameters.

    Attributes:
        notice: a notice under the request's id; the request is not served then.
        reply: messages, each of fields, that are sent instead; ``{reqId}`` stands for its id.
        delay: how many seconds the answer takes longer; it is served then unless the rest says
            otherwise.
        silent: whether it is never answered.
        close: whether the connection is closed.
        times: for how many requests it holds; None for all that come.
    """

    name: str
    parameters: Mapping[str, object]
    notice: Text | None = None
    reply: Sequence[Sequence[object]] | None = None
    delay: float = 0.0
    silent: bool = False
    close: bool = False
    times: int | None = None

    @property
    def serves(self) -> bool:
        """Whether the request is answered as ever, if late."""
        return self.notice is None and self.reply is None and not (self.silent or self.close)


class Stubs:
    """The answers that were ordered; of several for one request the newest counts."""

    def __init__(self) -> None:
        self._stubs: list[Stub] = []

    def __bool__(self) -> bool:
        """Say whether there are any."""
        return bool(self._stubs)

    def add(self, stub: Stub) -> None:
        """Answer like this from now on, in place of what was said of the same requests before."""
        about = stub.name, stub.parameters
        self._stubs = [one for one in self._stubs if (one.name, one.parameters) != about]
        if stub.times != 0:
            self._stubs.append(stub)

    def take(self, request: Request) -> Stub | None:
        """Return how a request is answered, or None; a stub that was for some only wears off."""
        for stub in reversed(self._stubs):
            if stub.name == request.name and request.has(stub.parameters):
                if stub.times is not None:
                    stub.times -= 1
                    if not stub.times:
                        self._stubs.remove(stub)
                return stub
        return None

    def clear(self) -> None:
        """Answer as ever again."""
        self._stubs.clear()
