"""Pasted tracebacks: what was raised at the end and what caused it, without the frames."""

from __future__ import annotations

import re
from typing import NamedTuple

_PYTHON = "Traceback (most recent call last)"
_PLACE = re.compile(r"^\s*File \"[^\"\n]+\", line \d+", re.MULTILINE)
_CHAIN = re.compile(
    r"The above exception was the direct cause of the following exception:"
    r"|During handling of the above exception, another exception occurred:"
)
_RAISED = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(?::\s|:?\s*$)")
_ERROR = re.compile(
    r"(?<![\w.'\"])(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning)(?=:\s|\s*$)"
)
_FRAME = re.compile(r"\s*(?:File |Cell |Input In|<ipython-input|Traceback|-+>|\.\.\. \d+ more|at )")
_LIBRARY = re.compile(r"(?:ib_insync|ib_async|ibapi)\S*[\"']?,? .*?\bin (?P<call>\w+)")
_FOREIGN = re.compile(r"^\s+at [\w.$<>`]+[ (]|^Caused by: |^\s*---> ", re.MULTILINE)
_CAUSE = re.compile(r"^\s*(?:Caused by: |---> )", re.MULTILINE)
# "KeyError: 'upper'", "builtins.ValueError: ...": a message as Python and others print it.
_SHAPE = re.compile(
    r"^(?:Uncaught |Unhandled exception\.? |Exception in thread \S+ |\[?E\]? )?"
    r"(?:[A-Za-z_$][\w$]*\.)*[A-Za-z_]*[a-z](?:Error|Exception|Warning|Interrupt|Exit|Iteration|Down)\b"
    r"(?:\s*\[[^\]]*\]|\s*\([^)]*\))?\s*:\s"
    r"|^[a-z_]\w*(?:\.\w+)*\.\w*(?:Error|Exception|Warning)\s*$"
)


class Trace(NamedTuple):
    """What a paste says, without frames.

    `log` is what stood before the traceback, `raised` the exceptions, the last one first and then
    what caused it, and `calls` the functions of an API library that were running. Of a paste
    without a traceback all is in `log`.
    """

    log: str
    raised: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()


def read(text: str) -> Trace:
    """Return what a pasted text says once the frames of its traceback are left out."""
    if _PYTHON in text or _PLACE.search(text):
        return _python(text)
    if _FOREIGN.search(text):
        return _foreign(text)
    return Trace(text)


def is_exception(line: str) -> bool:
    """Say whether a line is an exception with its message, as a program prints it."""
    return _SHAPE.match(line.strip()) is not None


def _python(text: str) -> Trace:
    head = text.find(_PYTHON)
    # The header may be missing from what was copied.
    before = text[: max(head, 0)].rstrip().splitlines()
    # IPython begins with the exception's name and a line of dashes, on the line of the header.
    log = [line for line in before if not re.match(r"-{3,}", line)]
    if log and _RAISED.match(log[-1].strip() + ":"):
        log.pop()
    blocks = _CHAIN.split(text)
    raised = [one for block in reversed(blocks) if (one := _last_of(block))]
    calls = dict.fromkeys(found["call"] for found in _LIBRARY.finditer(text))
    return Trace("\n".join(log), tuple(raised), tuple(calls))


def _last_of(block: str) -> str:
    """Return the exception at the end of a block: its line, and those that its message goes on."""
    lines = [line for line in block.strip().splitlines() if line.strip()]
    for place in range(len(lines) - 1, -1, -1):
        line = lines[place]
        if _FRAME.match(line):
            break
        if _RAISED.match(line):
            return "\n".join(lines[place:]).strip()
    # A traceback whose lines were joined: the last name of an exception begins its message.
    found = list(_ERROR.finditer(" ".join(lines)))
    return " ".join(lines)[found[-1].start() :].strip() if found else ""


def _foreign(text: str) -> Trace:
    """Read what Java, C# and JavaScript print: the causes stand below, the deepest one last."""
    parts = _CAUSE.split(text)
    heads = []
    for part in parts:
        lines = [line for line in part.splitlines() if line.strip() and not _FRAME.match(line)]
        if lines:
            heads.append("\n".join(lines))
    return Trace("", tuple(heads))
