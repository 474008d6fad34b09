"""The line magics: parse, call, display. They have no logic of their own."""

from __future__ import annotations

import functools
import inspect
import keyword
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from .app import App
from .context import IB
from .session import BadInputError
from .session.library import reading
from .session.library.libraries import is_ib
from .settings import IbSettings, apply_environment
from .support import write_support_bundle
from .ui.sanitise import harmless, json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .options import Parser
    from .tws.target import Target
    from .ui.cells import Cells

FIRST = 1000.0
"""The priority of our completion: before all of IPython's own, which have 0."""
FILES = "IPCompleter.file_matcher"


@contextmanager
def _one_line(*kinds: type[Exception]) -> Iterator[None]:
    """Turn bad input, and errors of ours of these kinds, into one line without a traceback.

    Every other error is a fault of somebody's code, and shown with its own type and traceback.
    """
    ours: tuple[type[Exception], ...] = (BadInputError, *kinds)
    try:
        yield
    except ours as error:
        raise UsageError(harmless(error)) from None


def _parser(magic: str) -> Parser:
    """Return what parses what follows a magic."""
    from .options import PARSERS

    return PARSERS[magic](f"%{magic}")


def _with_help(magic: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Let a magic answer ``--help``, and let `?` show the same options and examples."""

    @functools.wraps(magic)
    def run(self: Any, line: str) -> Any:
        from .options import HelpAskedError

        try:
            return magic(self, line)
        except HelpAskedError as asked:
            print(asked)  # noqa: T201 - what was asked for
            return None

    def explained() -> str:
        about = inspect.cleandoc(magic.__doc__ or "").replace("``", "")
        return f"{about}\n\n{_parser(magic.__name__).usage_text()}"

    # IPython asks for it when somebody does: seven parsers need not be made for that at loading.
    run.getdoc = explained  # type: ignore[attr-defined]
    return run


@magics_class
class IbMagics(Magics, IbSettings):
    """The magics of ibnb; its traits are the settings, for ``%config IbMagics``."""

    def __init__(self, shell: Any) -> None:
        for line in self.drop_refused(shell.config):
            print(f"ibnb: {line}")  # noqa: T201 - what a user is told when loading
        super().__init__(shell=shell)
        self.shell_: Any = shell
        """The shell, which IPython types as optional."""
        # The constructor puts them where `%config` finds them, which is for `enter` to do.
        shell.configurables.remove(self)
        with _one_line():
            apply_environment(self)
        self._name = IB

    def attach(self, app: App, cells: Cells) -> None:
        """Give the magics the verbs behind them, and where they show things."""
        self.app = app
        self.cells = cells

    @line_magic
    @_with_help
    def ibconnect(self, line: str) -> Any:
        """Open the notebook's one connection and bind its `IB` object to ``ib``.

        A rerun closes what the last run opened, and opens it afresh with the same client ID. With
        --resume, a connection whose socket was lost is opened again as the same ``ib``, with its
        handlers and subscriptions; one that is open is left as it is.
        """
        from .options import connect_options

        with _one_line():
            options = _parser("ibconnect").parse_line(line)
            if not options.name.isidentifier() or keyword.iskeyword(options.name):
                raise BadInputError(f"--name {options.name!r}: give a Python name, such as ib")
            opened = self.app.connect(connect_options(options))
        # IPython cannot see that a magic's line ended in a semicolon, which asks for no output.
        has_value = not line.rstrip().endswith(";")
        self.cells.show_opened(opened, has_value=has_value)
        self._name = options.name
        self.shell_.push({options.name: opened.connection.ib})
        return opened.connection.ib if has_value else None

    @line_magic
    @_with_help
    def ibdisconnect(self, line: str) -> None:
        """Close the connection, and wait until it is really closed.

        That is the one that %ibconnect opened; without one, what your own code connected.
        """
        with _one_line():
            _parser("ibdisconnect").parse_line(line)
            closed = self.app.disconnect("%ibdisconnect closed the connection.")
        self.cells.show_closed(closed)

    @line_magic
    @_with_help
    def ibdiag(self, line: str) -> None:
        """Find the one cause of a connection that does not work, and say what to do first.

        For technical troubleshooting, not advice of any kind; prefer a paper account and a
        read-only API while you diagnose. ibnb is independent of Interactive Brokers.
        """
        from .options import bundle_to_judge, connect_options

        parser = _parser("ibdiag")
        with _one_line():
            options = parser.parse_line(line)
            judged = bundle_to_judge(parser, options)
            if judged is not None:
                self._judge(judged, as_json=options.json)
                return
            if options.list:
                self._list_checks(as_json=options.json)
                return
            from .diagnostics.bundle import check_bundle_path

            bundle = check_bundle_path(Path(options.bundle)) if options.bundle else None
            question = self.app.planner.question(
                connect_options(options), options.only, options.wait
            )
        if options.json:
            report = self.cells.diagnose_quietly(question)
            self._print_json(report.to_dict())
        else:
            report = self.cells.diagnose(question, static=options.static)
        if bundle is not None:
            with _one_line():
                files = write_support_bundle(self.app, report, bundle)
            self.cells.show_bundle(bundle, files)

    def _judge(self, bundle: Path, *, as_json: bool) -> None:
        from .diagnostics.bundle import judge_bundle

        report = judge_bundle(bundle)
        if as_json:
            self._print_json(report.to_dict())
        else:
            self.cells.show_judged(report)

    def _list_checks(self, *, as_json: bool) -> None:
        if not as_json:
            self.cells.show_checks()
            return
        from .diagnostics import CHECKS

        self._print_json([check.to_dict() for check in CHECKS])

    def _print_json(self, document: Any) -> None:
        print(json_text(document, show_accounts=self.app.settings.show_accounts))  # noqa: T201

    @line_magic
    @_with_help
    def iberror(self, line: str) -> None:
        """Explain an error code, or find an explanation by words; alone: the latest error."""
        from .explainer import NoErrorYetError
        from .knowledge import UnknownQueryError

        with _one_line(NoErrorYetError):
            options = _parser("iberror").parse_line(line)
            if options.list:
                self._list_pages(as_json=options.json)
                return
            try:
                explanation = self.app.explainer.explain(" ".join(options.query))
            except UnknownQueryError as error:
                if options.json:
                    self._print_json(error.to_dict())
                else:
                    self.cells.show_unknown(error)
                return
        if options.json:
            self._print_json(explanation.to_dict())
        else:
            self.cells.show_explanation(explanation)

    def _list_pages(self, *, as_json: bool) -> None:
        from .knowledge import catalogue

        if as_json:
            self._print_json([entry.to_row() for entry in catalogue().in_order])
        else:
            self.cells.show_pages()

    @line_magic
    @_with_help
    def ibhealth(self, line: str) -> None:
        """Show the health of the connection; with --team, who else uses the gateways."""
        with _one_line():
            options = _parser("ibhealth").parse_line(line)
        if options.team:
            self.cells.show_team()
        else:
            self.cells.show_health()

    @line_magic
    @_with_help
    def ibrecord(self, line: str) -> None:
        """Record what a gateway answers, so that the notebook can be run without one.

        From then on %ibconnect without a target goes through the recorder, to the gateway of the
        setting `target` or the one that is named. The file has no account, name or address; orders
        pass only if every account is a paper account. A rerun records afresh.
        """
        with _one_line():
            options = _parser("ibrecord").parse_line(line)
            if options.stop:
                self.cells.show_recording(self.app.recordings.stop(), ended=True)
                return
            recorder = self.app.recordings.record(
                _given_file("%ibrecord", options.file), options.target, self._candidates
            )
        self.cells.show_recording(recorder)

    @line_magic
    @_with_help
    def ibreplay(self, line: str) -> None:
        """Answer from a recording: from then on %ibconnect without a target needs no gateway.

        What was not recorded is refused with code 90002. A rerun begins afresh.
        """
        with _one_line():
            options = _parser("ibreplay").parse_line(line)
            if options.stop:
                self.cells.show_recording(self.app.recordings.stop(), ended=True)
                return
            replayed = self.app.recordings.replay(
                _given_file("%ibreplay", options.file), fast=options.fast
            )
        self.cells.show_recording(replayed)

    def _candidates(self, target: str | None) -> tuple[Target, ...]:
        from .options import ConnectOptions

        return self.app.planner.candidates(ConnectOptions(target=target))

    def at_hand(self) -> Any:
        """Return what the user's cells call their connection: the name bound last, or ``ib``.

        Of the two, the one that is connected.
        """
        return self.shell_.user_ns.get(self.name_at_hand())

    def name_at_hand(self) -> str:
        """Return the name of what `at_hand` returns."""
        for name in (self._name, IB):
            one = self.shell_.user_ns.get(name)
            if is_ib(one) and reading.is_connected(one):
                return name
        return self._name

    @context_matcher(identifier="ibnb", priority=FIRST)  # type: ignore[untyped-decorator]  # IPython's
    def complete(self, context: Any) -> dict[str, Any]:
        """Complete what is ours to complete; IPython adds nothing of its own there."""
        lines, column = context.full_text.split("\n"), context.cursor_position
        *above, line = lines[: context.cursor_line + 1]
        if not line[:column].endswith(context.token):
            # Whoever asks by text and line alone gives no place: the end is meant.
            column = len(line)
        from .completion import complete

        found = complete("\n".join([*above, line[:column]]), line[column:])
        if found is None:
            return {"completions": [], "suppress": False}
        return {
            "completions": _Ours(SimpleCompletion(word, type=found.kind) for word in found.words),
            "matched_fragment": found.begun,
            "ordered": True,
            "suppress": True,
            "do_not_suppress": {FILES} if found.files else set(),
        }

    def enter(self) -> None:
        """Add the magics, their completion and their settings to the shell."""
        self.shell_.register_magics(self)
        self.shell_.configurables.append(self)
        self.shell_.Completer.custom_matchers.append(self.complete)

    def leave(self) -> None:
        """Take them out of the shell again."""
        for name in self.magics["line"]:
            self.shell_.magics_manager.magics["line"].pop(name, None)
        self.shell_.magics_manager.registry.pop(type(self).__name__, None)
        self.shell_.configurables.remove(self)
        self.shell_.Completer.custom_matchers.remove(self.complete)


class _Ours(list[SimpleCompletion]):
    """Completions that IPython takes for some even if there are none.

    It keeps its own back only if there are some, and nothing is better than names of Python's.
    """

    def __len__(self) -> int:
        return max(1, super().__len__())


def _given_file(verb: str, given: str | None) -> Path:
    if given is None:
        raise BadInputError(f"{verb}: give the name of a file, such as recording.jsonl")
    return Path(given).expanduser()
