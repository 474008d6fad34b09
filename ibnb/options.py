"""The options of every verb, written once for the magics and for the terminal."""

from __future__ import annotations

import argparse
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import NoReturn

from .context import IB
from .session import BadInputError
from .session.client_ids.ids import AUTO
from .session.library.names import NAMES
from .tws.likeness import did_you_mean
from .tws.target import HIGHEST_PORT, WORDS

FROM = "from_bundle"
BESIDE_FROM = frozenset({FROM, "json", "static"})
"""The options of diagnosing that make sense beside a bundle."""
HELP = frozenset({"-h", "--help"})
HELP_WIDTH = 78


@dataclass(frozen=True)
class ConnectOptions:
    """What a user asked for, as given; None if nothing was said and the settings decide.

    `name` is the variable that a connection will be bound to, empty if that is not known. `fault`
    are those of the simulated gateway of one's own; None leaves it as it is.
    """

    target: str | int | None = None
    expect: str | None = None
    client_id: int | str | None = None
    account: str | None = None
    timeout: float | None = None
    wait: float | None = None
    readonly: bool | None = None
    library: str | None = None
    trade: bool = False
    resume: bool = False
    name: str = ""
    fault: Sequence[str] | None = None


def connect_options(options: Namespace) -> ConnectOptions:
    """Return what parsed options say of connecting."""
    names = {one.name for one in fields(ConnectOptions)}
    return ConnectOptions(**{name: one for name, one in vars(options).items() if name in names})


class HelpAskedError(Exception):
    """Somebody asked a magic for its help; the text is that."""


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and never ends the process itself.

    Attributes:
        completers: of an argument's values, by its name: what begins with a text. Those that have
            choices need none.
        files: the arguments that are files.
    """

    def __init__(self, verb: str, about: str, examples: tuple[str, ...] = ()) -> None:
        # argparse would end the process after its help.
        self.is_magic = verb.startswith("%")
        super().__init__(
            prog=verb,
            description=about,
            allow_abbrev=False,
            add_help=not self.is_magic,
            formatter_class=_wide,
        )
        if examples:
            lines = (f"  {verb} {one}".rstrip() for one in examples)
            self.epilog = "\n".join(["examples:", *lines])
        self.completers: dict[str, Callable[[str], Iterable[str]]] = {}
        self.files: set[str] = set()

    takes_text = False
    """Whether what follows the verb is free text, in which a lone quote is not a mistake."""

    def error(self, message: str) -> NoReturn:
        """Raise BadInputError with what was wrong and what is accepted."""
        if message.startswith("unrecognized arguments"):
            given = message.partition(": ")[2].partition(" ")[0]
            meant = did_you_mean(given, self.flags) if given.startswith("-") else ""
            meant = meant and f".{meant}"
            accepted = ", ".join(self.flags)
            message = f"{message.replace('arguments', 'option')}; accepted: {accepted}{meant}"
            if self.is_magic:
                message += f"  ({self.prog}? says more)"
        raise BadInputError(f"{self.prog}: {message}")

    def usage_text(self) -> str:
        """Return the help without the sentence on what it is about."""
        return self.format_help().replace(f"{self.description}\n\n", "", 1).rstrip()

    @property
    def flags(self) -> dict[str, argparse.Action]:
        """The options that exist, by every way to write them."""
        return {flag: action for action in self._actions for flag in action.option_strings}

    @property
    def arguments(self) -> tuple[argparse.Action, ...]:
        """What is given by its place and not by an option."""
        return tuple(action for action in self._actions if not action.option_strings)

    def parse_line(self, line: str) -> argparse.Namespace:
        """Parse what follows a magic; quotes group words.

        Raises:
            BadInputError: the line makes no sense.
            HelpAskedError: the line asks for help.
        """
        try:
            # A semicolon at the end is how a notebook is told to show no output.
            words = shlex.split(line.rstrip().removesuffix(";"), posix=True)
        except ValueError as error:
            if not self.takes_text:
                raise BadInputError(f"{self.prog}: {error}") from None
            # What was pasted may have an apostrophe that belongs to it.
            words = line.split()
        if HELP & {*words} and (len(words) == 1 or not self.takes_text):
            raise HelpAskedError(self.format_help())
        return self.parse_words(words)

    def parse_words(self, words: Iterable[str]) -> argparse.Namespace:
        """Parse words; HOST PORT is one target.

        Raises:
            BadInputError: they make no sense.
        """
        return self.parse_args(self._with_whole_target([*words]))

    def _with_whole_target(self, words: list[str]) -> list[str]:
        if "target" not in {argument.dest for argument in self.arguments}:
            return words
        takes_words = False
        for place, word in enumerate(words[:-1]):
            option = self.flags.get(word)
            if option is not None:
                takes_words = option.nargs != 0
                if option.nargs == "+":
                    return words
            elif takes_words:
                takes_words = False
            else:
                is_host = not word.startswith("-") and not word.isdigit() and word not in WORDS
                if is_host and words[place + 1].isdigit():
                    return [*words[:place], f"{word} {words[place + 1]}", *words[place + 2 :]]
                return words
        return words


def _wide(prog: str) -> argparse.HelpFormatter:
    # As wide anywhere: this text is what `?` shows, too.
    return argparse.RawDescriptionHelpFormatter(prog, width=HELP_WIDTH)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 <= value <= 3600:  # noqa: PLR2004 - an hour, in seconds; also keeps out nan and inf
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 3600 seconds")
    return value


def _timeout(text: str) -> float:
    value = _seconds(text)
    if not value:
        raise argparse.ArgumentTypeError("0 seconds leave no time for a handshake")
    return value


def _file(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not a file: give its name")
    return text


def _target(parser: Parser) -> None:
    parser.add_argument("target", nargs="?", help="paper, live, sim, PORT, HOST:PORT or HOST PORT")
    parser.add_argument("--expect", choices=("paper", "live"), help="what the account must be")
    parser.add_argument(
        "--client-id", metavar="N", help="use this client ID; auto: the next that is free"
    )
    parser.add_argument("--timeout", type=_timeout, metavar="S", help="seconds for the handshake")
    parser.add_argument("--library", choices=NAMES, help="the API library to use")
    parser.completers["target"] = lambda _begun: WORDS
    parser.completers["client_id"] = lambda _begun: (AUTO,)


def _check_ids(_begun: str) -> Iterable[str]:
    from .diagnostics import CHECKS

    return (check.id for check in CHECKS)


def _faults(_begun: str) -> Iterable[str]:
    from .simulator.faults import FAULTS

    return FAULTS


def _pages(begun: str) -> Iterable[str]:
    from .knowledge import completions

    return completions(begun)


@cache
def connect_parser(verb: str) -> Parser:
    """Return the options of connecting."""
    examples = (
        "                    a paper account on this machine, Gateway or TWS",
        "sim                 a simulated gateway: no account is needed",
        "192.168.1.5 4002    a gateway on another machine",
        "live --trade        a live account, whose orders are not locked",
        "--resume            after a loss: the same ib goes on",
    )
    parser = Parser(verb, "Open the notebook's one connection and bind it to ib.", examples)
    _target(parser)
    parser.add_argument("--account", metavar="A", help="the account to follow")
    parser.add_argument("--wait", type=_seconds, metavar="S", help="seconds for a held client ID")
    parser.add_argument("--readonly", action="store_true", default=None, help="fetch no orders")
    parser.add_argument(
        "--resume", action="store_true", help="after a loss: the same ib, with what it had"
    )
    parser.add_argument("--trade", action="store_true", help="let orders go to a live account")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[:VALUE]",
        help="with sim: break it like this",
    )
    parser.completers["fault"] = _faults
    parser.add_argument("--name", default=IB, metavar="NAME", help="bind to this name, not ib")
    return parser


@cache
def diagnose_parser(verb: str) -> Parser:
    """Return the options of diagnosing."""
    examples = (
        "                     the notebook's connection, or what failed last",
        "127.0.0.1 7497       another address",
        "4002 --wait 60       again and again, until it is healthy",
        "--bundle help.zip    a file for whoever helps, without names and accounts",
    )
    if not verb.startswith("%"):
        examples = ("                     where a paper gateway should listen", *examples[1:])
    parser = Parser(verb, "Find the one cause of a connection that does not work.", examples)
    _target(parser)
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="run only these checks")
    parser.add_argument("--list", action="store_true", help="list the checks, run none")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--static", action="store_true", help="no widgets, only the report")
    parser.add_argument(
        "--wait", type=_seconds, default=0.0, metavar="S", help="repeat until healthy, this long"
    )
    parser.add_argument(
        "--bundle", type=_file, metavar="FILE", help="write a redacted zip for support"
    )
    parser.add_argument(
        "--from",
        dest=FROM,
        type=_file,
        metavar="FILE",
        help="judge such a zip, and contact nothing",
    )
    parser.completers["only"] = _check_ids
    parser.files |= {"bundle", FROM}
    return parser


def bundle_to_judge(parser: Parser, options: Namespace) -> Path | None:
    """Return the bundle that is to be judged in place of a live diagnosis, None without one.

    Raises:
        BadInputError: an option beside it speaks of a diagnosis that would be live.
    """
    given = getattr(options, FROM)
    if given is None:
        return None
    for name, value in vars(options).items():
        if name not in BESIDE_FROM and value != parser.get_default(name):
            option = name if name == "target" else f"--{name.replace('_', '-')}"
            parser.error(f"--from judges what a bundle holds, not here and now: leave out {option}")
    return Path(given)


@cache
def explain_parser(verb: str) -> Parser:
    """Return the options of explaining."""
    latest = ("                      the latest error",) if verb.startswith("%") else ()
    examples = (
        *latest,
        "326                   a code",
        '"Error 201, reqId 5"   a line that was pasted',
        "connection refused    words",
    )
    parser = Parser(verb, "Explain an error code, or find an explanation by words.", examples)
    parser.takes_text = True
    parser.add_argument("query", nargs="*", help="a code, the name of a page or a check, or words")
    parser.add_argument("--list", action="store_true", help="list every page, explain none")
    parser.add_argument("--json", action="store_true", help="print the entry as JSON")
    parser.completers["query"] = _pages
    return parser


@cache
def health_parser(verb: str) -> Parser:
    """Return the options of looking at the health."""
    examples = (
        "               the connection of this notebook",
        "--team         everybody who shares the gateways",
    )
    parser = Parser(verb, "Show the health of the connection.", examples)
    parser.add_argument("--team", action="store_true", help="who else is connected, and uses what")
    return parser


def team_parser(verb: str) -> Parser:
    """Return the options of looking at the team."""
    parser = Parser(verb, "Show who is connected to which gateway, and what they use together.")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--watch", action="store_true", help="again and again, until stopped")
    return parser


def bare_parser(verb: str) -> Parser:
    """Return the parser of a verb that takes no options."""
    return Parser(verb, "")


_SEED_DIGITS = 18


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= HIGHEST_PORT):
        raise argparse.ArgumentTypeError(f"port {text!r}: give one from 0 (any) to {HIGHEST_PORT}")
    return int(text)


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _SEED_DIGITS):
        raise argparse.ArgumentTypeError(f"seed {text!r}: give a whole number, such as 7")
    return int(text)


def simulate_parser(verb: str) -> Parser:
    """Return the options of the simulated gateway."""
    from .simulator.faults import FAULTS

    parser = Parser(verb, "Run a simulated gateway on this machine until it is stopped.")
    parser.add_argument(
        "--record",
        nargs=2,
        metavar=("HOST:PORT", "FILE"),
        help="pass connections on to this gateway of yours, and record them, masked",
    )
    parser.add_argument("--replay", type=_file, metavar="FILE", help="answer from a recording")
    parser.add_argument("--fast", action="store_true", help="replay without the recorded pauses")
    parser.add_argument("--page", action="store_true", help="print what it serves, run nothing")
    parser.add_argument("--port", type=_port, default=4002, metavar="N", help="0 picks a free one")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[:VALUE]", help="misbehave like this"
    )
    parser.add_argument(
        "--release-after", type=_seconds, default=0.0, metavar="S", help="hold IDs this long"
    )
    parser.add_argument(
        "--seed", type=_seed, default=1, metavar="N", help="the same seed has the same prices"
    )
    parser.add_argument(
        "--clock",
        nargs="+",
        metavar="WORD",
        help="begin at TIME [ZONE] [xSPEED], such as 2026-07-01T09:29:55 America/New_York x60, "
        "or now; market hours are real then; off is now without them",
    )
    parser.add_argument(
        "--latency", type=_seconds, default=0.0, metavar="S", help="orders take about this long"
    )
    parser.add_argument(
        "--control", type=_port, metavar="PORT", help="serve its verbs there, as HTTP and JSON"
    )
    parser.add_argument(
        "--scenario", type=_file, metavar="FILE", help="let the steps of this file happen to it"
    )
    parser.add_argument(
        "--strict", action="store_true", help="keep a real gateway's limits, as --fault strict"
    )
    parser.add_argument("--verbose", action="store_true", help="print what it hears, by name")
    parser.add_argument("--list", action="store_true", help="list faults and verbs, run nothing")
    parser.add_argument("--parent-pid", type=int, metavar="PID", help="end with this process")
    # One line for each fault, and not one paragraph of all.
    parser.epilog = "\n".join(["faults:", *(f"  {name:<20}{FAULTS[name]}" for name in FAULTS)])
    return parser


@cache
def record_parser(verb: str) -> Parser:
    """Return the options of recording in a notebook."""
    examples = (
        "session.jsonl          what the gateway of %ibconnect answers from now on",
        "session.jsonl 4001     what the gateway at this port answers",
        "--stop                 the file is whole",
    )
    about = "Record what %ibconnect's gateway answers, to replay it without one."
    parser = Parser(verb, about, examples)
    parser.add_argument("file", type=_file, nargs="?", help="the recording; replaced if it exists")
    parser.add_argument("target", nargs="?", help="the gateway: paper, live, PORT or HOST:PORT")
    parser.add_argument("--stop", action="store_true", help="end it, and close the file")
    parser.files.add("file")
    parser.completers["target"] = lambda _begun: WORDS
    return parser


@cache
def replay_parser(verb: str) -> Parser:
    """Return the options of replaying in a notebook."""
    examples = (
        "session.jsonl          as fast as it was recorded",
        "session.jsonl --fast   at once",
        "--stop                 %ibconnect goes to a gateway again",
    )
    parser = Parser(verb, "Answer %ibconnect from a recording, without any gateway.", examples)
    parser.add_argument("file", type=_file, nargs="?", help="the recording")
    parser.add_argument("--fast", action="store_true", help="without the recorded pauses")
    parser.add_argument("--stop", action="store_true", help="end it")
    parser.files.add("file")
    return parser


def demo_parser(verb: str) -> Parser:
    """Return the options of the demo."""
    parser = Parser(verb, "Open the quickstart notebook beside a simulated gateway.")
    parser.add_argument("--headless", action="store_true", help="run it without a browser")
    parser.add_argument("--output", default="demo-output", metavar="DIR", help="where results go")
    parser.add_argument("--port", type=_port, default=0, metavar="N", help="JupyterLab's; 0: free")
    return parser


PARSERS: dict[str, Callable[[str], Parser]] = {
    "ibconnect": connect_parser,
    "ibdisconnect": bare_parser,
    "ibdiag": diagnose_parser,
    "iberror": explain_parser,
    "ibhealth": health_parser,
    "ibrecord": record_parser,
    "ibreplay": replay_parser,
}
"""The magics, and what parses what follows them."""
