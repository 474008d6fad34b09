"""Taking out of a bundle what tells whose it was.

Two kinds of text go into one. What others wrote (notices, requests, settings) is redacted whole.
Sentences of ours quote such texts, which were cleaned of this process's login when they came in:
here they are cleaned of the names of other people and machines, which the user himself may read.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from ibnb.diagnostics.json_safe import Scale, plain
from ibnb.diagnostics.model import Facts, Report, Result
from ibnb.diagnostics.sanitise import Quotes
from ibnb.diagnostics.verdict.concluding import Told
from ibnb.session import Health
from ibnb.tws.accounts import is_paper, is_words, mask
from ibnb.tws.attempt import Attempt
from ibnb.tws.escaping import edited, visible, visible_value
from ibnb.tws.notices import Notice
from ibnb.tws.own import is_loopback, plain_host
from ibnb.tws.redaction import redact, redact_value
from ibnb.tws.target import Target

HIDDEN_HOST = "<host>"
FACTS_BYTES = 150_000
"""Facts are kept whole or not at all: half of them could lead to another verdict."""
_WHOLE = Scale(FACTS_BYTES, nodes=FACTS_BYTES, characters=2 * FACTS_BYTES)
_ONE_WORD = re.compile(r"[a-z]+(?:[-_][a-z]+)*")
"""A value of evidence that is one of a few, or the name of a program."""
_FOREIGN = frozenset({"text", "about"})
"""What a notice brings in."""


def without_names(report: Report, names: Collection[str]) -> Report:
    """Return a report of which no text tells any of these names.

    A name that could be a word is taken out of what others wrote, and stays in what we say. This is
    to be done before a text is made of the report: that may break a name in two.
    """
    return _Nameless(report, names).report() if names else report


class _Nameless:
    """Takes names out of one report."""

    def __init__(self, report: Report, names: Collection[str]) -> None:
        self._report = report
        self._names = names
        self._no_words = [name for name in names if not is_words(name)]
        self._quotes = Quotes(_quoted(report), lambda text: redact(text, names, ours=True))

    def report(self) -> Report:
        facts = self._report.facts
        return replace(
            self._report,
            results=tuple(map(self._result, self._report.results)),
            verdict=self._told(self._report.verdict),
            facts=None if facts is None else self._facts(facts),
        )

    def _facts(self, facts: Facts) -> Facts:
        around = facts.surroundings
        return replace(
            facts,
            surroundings=replace(around, failed=self._attempt(around.failed)),
            attempt=self._attempt(facts.attempt),
            results=tuple(map(self._result, facts.results)),
        )

    def _attempt(self, attempt: Attempt | None) -> Attempt | None:
        if attempt is None:
            return None
        return replace(
            attempt,
            notices=tuple(
                replace(one, text=self._foreign(one.text), about=self._foreign(one.about))
                for one in attempt.notices
            ),
            server_time=self._foreign(attempt.server_time),
        )

    def _result(self, result: Result) -> Result:
        told = self._told(result)
        evidence = _without_names_in(result.evidence, self._names)
        return replace(told, evidence=evidence, detail=self._sentence(result.detail))

    def _told(self, told: Told) -> Told:
        fix = tuple(map(self._sentence, told.fix))
        return replace(told, summary=self._sentence(told.summary), fix=fix)

    def _sentence(self, text: str) -> str:
        return redact(self._quotes.cleaned(text), self._no_words, ours=True)

    def _foreign(self, text: str) -> str:
        return redact(text, self._names)


def _without_names_in(evidence: Any, names: Collection[str]) -> Any:
    """Return evidence of which no text tells any of these names; its keys are what we call things.

    One word is one of a few that we know, or the name of a program, and rules compare it.
    """
    no_words = [name for name in names if not is_words(name)]

    def text(found: str) -> str:
        return redact(found, no_words if _ONE_WORD.fullmatch(found) else names, ours=True)

    return edited(evidence, text, lambda key: redact(key, no_words, ours=True))


def _quoted(report: Report) -> Iterator[str]:
    """Yield what others wrote, as far as the sentences of a report may quote it."""
    for result in report.results:
        yield from _texts(result.evidence)
    facts = report.facts
    for attempt in (facts.attempt, facts.surroundings.failed) if facts is not None else ():
        for notice in attempt.notices if attempt is not None else ():
            yield notice.text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str) and not _ONE_WORD.fullmatch(value):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts([*value.values()])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


class Cleaner:
    """Takes out of all that goes into one bundle what is nobody else's business.

    Args:
        report: the report, of which its target and the one that failed last are hidden.
        health: of the connection, with its target.
        notices: those that a reason may quote.
        settings: the settings of ibnb: they may name another machine.
        names: names of people and machines that cannot be known here.
    """

    def __init__(
        self,
        report: Report,
        health: Health,
        notices: Sequence[Notice],
        settings: Mapping[str, Any],
        names: Collection[str],
    ) -> None:
        failed = report.facts.surroundings.failed if report.facts is not None else None
        targets = [report.target, health.target, failed.target if failed is not None else None]
        self._target = report.target
        hosts = {one.host for one in targets if one is not None and not one.is_loopback}
        configured = _configured_host(settings)
        hosts |= {configured} if configured else set()
        longest_first = sorted(hosts, key=lambda host: (-len(host), host))
        # A container is often called "gateway": such a word goes only where it is an address.
        self._hosts = re.compile(
            rf"(?<![\w.-])(?:{'|'.join(map(re.escape, longest_first)) or '(?!)'})(?=:\d)",
            re.IGNORECASE,
        )
        machine = platform.node()
        own = (machine, machine.partition(".")[0], *longest_first)
        self._given = names
        self._names = (*names, *own)
        # Our sentences name this machine and its targets themselves, and quote all others.
        self._in_sentences = (*(name for name in names if not is_words(name)), *own)
        self._quotes = Quotes((one.text for one in notices), self.foreign)

    def foreign(self, text: str) -> str:
        """Return what others wrote, cleaned."""
        return redact(self._without_hosts(text), self._names)

    def text(self, text: str) -> str:
        """Return a sentence of ours, or what we call a thing, on one line."""
        return visible(self.sentence(text))

    def sentence(self, text: str) -> str:
        """Return a sentence of ours."""
        return redact(self._without_hosts(text), self._in_sentences, ours=True)

    def escaped(self, text: str) -> str:
        """Return what others wrote, with each control character told from a blank."""
        return self.foreign(text).encode("unicode_escape").decode()

    def account(self, name: str) -> str:
        """Return an account as it may be shown; whether it is one of paper trading is kept."""
        masked = mask(name)
        return masked if masked[0] == name[:1] or not is_paper([name]) else f"D{masked}"

    def host(self, host: str) -> str:
        """Return the host of a target, or what stands for it; two hosts never become the same."""
        if is_loopback(host):
            return host
        is_target = plain_host(host) == self._target.address[0]
        return HIDDEN_HOST if is_target else "<other host>"

    def value(self, value: Any) -> Any:
        """Return the evidence of a fact, whole; the target's host is called as it is elsewhere."""
        host = "" if self._target.is_loopback else self._target.host

        def edit(text: str) -> str:
            return HIDDEN_HOST if host and text == host else self._without_hosts(text)

        return self._told(plain(value, _WHOLE, edit))

    def evidence(self, value: Any, scale: Scale) -> Any:
        """Return evidence, bounded."""
        bounded = plain(value, scale, self._without_hosts)
        return self._told(_without_names_in(bounded, self._given) if self._given else bounded)

    def told(self, value: Any, scale: Scale) -> Any:
        """Return plain data of ours, bounded: of its texts only those of notices are foreign."""
        return self._told(self._without_texts(plain(value, scale, self._without_hosts)))

    def data(self, value: Any, scale: Scale) -> Any:
        """Return what others wrote as plain data, bounded; its keys are ours."""
        return visible_value(redact_value(plain(value, scale, self._without_hosts), self._names))

    def health(self, health: Health) -> dict[str, Any]:
        """Return the health of a connection; the names of farms are the gateway's."""
        found = asdict(health)
        found["reason"] = self._quotes.cleaned(health.reason)
        farms = health.link.farms.items()
        found["link"]["farms"] = {self.foreign(name): state for name, state in farms}
        if health.target is not None:
            found["target"]["host"] = shown_host(health.target)
        return found

    def _told(self, value: Any) -> Any:
        return visible_value(redact_value(value, self._in_sentences, ours=True))

    def _without_texts(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: self.foreign(item)
                if key in _FOREIGN and isinstance(item, str)
                else self._without_texts(item)
                for key, item in value.items()
            }
        return [self._without_texts(item) for item in value] if isinstance(value, list) else value

    def _without_hosts(self, text: str) -> str:
        return self._hosts.sub(HIDDEN_HOST, text)


def shown_host(target: Target) -> str:
    """Return the host of a target, or what stands for it."""
    return target.host if target.is_loopback else HIDDEN_HOST


def _configured_host(settings: Mapping[str, Any]) -> str:
    """Return the other machine that the settings name as the target, or nothing."""
    host, _, port = str(settings.get("target", "")).rpartition(":")
    host = host.strip().removeprefix("[").removesuffix("]")
    if not host or not port.strip().isdigit():
        return ""
    return "" if Target(host, 1).is_loopback else host
