"""The verbs for a terminal: ``ibnb diag | explain | sim | demo | team``."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .options import (
    demo_parser,
    diagnose_parser,
    explain_parser,
    simulate_parser,
    team_parser,
)
from .session import BadInputError, IbnbError
from .tws.likeness import did_you_mean

if TYPE_CHECKING:
    from .diagnostics import Diagnosis, Report

WATCH_SECONDS = 2.0
HEALTHY, PROBLEM, CANNOT_RUN = 0, 1, 2


def diag(words: Sequence[str]) -> int:
    """Diagnose a target, or judge a bundle: 0 when it is healthy, 1 when a problem was found."""
    from .app import the_app
    from .diagnostics.bundle import check_bundle_path
    from .options import bundle_to_judge, connect_options
    from .support import write_support_bundle
    from .ui.text import bundle_text, print_report
    from .ui.waiting import WaitingLines

    parser = diagnose_parser("ibnb diag")
    options = parser.parse_words(words)
    judged = bundle_to_judge(parser, options)
    if judged is not None:
        return _judge(judged, as_json=options.json)
    if options.list:
        _list_checks(as_json=options.json)
        return HEALTHY
    # Before anything is looked at: whoever mistyped it need not wait to be told.
    bundle = check_bundle_path(Path(options.bundle)) if options.bundle else None
    app = the_app()
    try:
        question = app.planner.question(connect_options(options), options.only, options.wait)
        report = _until_stopped(app.start_diagnosis(question, [WaitingLines(sys.stderr)]))
        if options.json:
            _print_json(report.to_dict(), show_accounts=app.settings.show_accounts)
        else:
            print_report(report, show_accounts=app.settings.show_accounts)
        # After the report: it is worth having also where the bundle cannot be written any more.
        if bundle is not None:
            files = write_support_bundle(app, report, bundle)
            # Standard output is the JSON's alone.
            print(bundle_text(bundle, files), file=sys.stderr if options.json else sys.stdout)
    finally:
        app.close()
    return report.exit_status


def _judge(bundle: Path, *, as_json: bool) -> int:
    """Judge a support bundle: no app is made, so nothing of this machine has a part in it."""
    from .diagnostics.bundle import judge_bundle
    from .ui.text import print_report

    report = judge_bundle(bundle)
    if as_json:
        _print_json(report.to_dict())
    else:
        print_report(report)
    return report.exit_status


def _list_checks(*, as_json: bool) -> None:
    from .diagnostics import CHECKS

    if as_json:
        _print_json([check.to_dict() for check in CHECKS])
        return
    for check in CHECKS:
        print(f"{check.id:20} {check.title}")


def _until_stopped(diagnosis: Diagnosis) -> Report:
    """Wait for a report; Ctrl-C ends the diagnosis, and its connection in good order."""
    try:
        return diagnosis.result()
    except KeyboardInterrupt:
        diagnosis.stop()
        diagnosis.result()
        raise


def explain(words: Sequence[str]) -> int:
    """Explain a code or words: 1 when the words match nothing."""
    from .knowledge import Situation, UnknownQueryError
    from .knowledge import explain as look_up
    from .ui.text import print_explanation

    options = explain_parser("ibnb explain").parse_args(words)
    if options.list:
        _list_pages(as_json=options.json)
        return HEALTHY
    if not options.query:
        raise BadInputError("ibnb explain: give a code or words, such as  ibnb explain 326")
    try:
        explanation = look_up(" ".join(options.query))
        explanation = replace(explanation, situation=Situation(place="terminal"))
    except UnknownQueryError as error:
        if options.json:
            _print_json(error.to_dict())
        _say(error)
        return PROBLEM
    if options.json:
        _print_json(explanation.to_dict())
    else:
        print_explanation(explanation)
    return HEALTHY


def _list_pages(*, as_json: bool) -> None:
    from .knowledge import catalogue
    from .ui.text import pages_text

    if as_json:
        _print_json([entry.to_row() for entry in catalogue().in_order])
    else:
        print(pages_text())


def sim(words: Sequence[str]) -> int:
    """Run the simulated gateway until it is stopped."""
    from .simulator import (
        BadClockError,
        ControlUnavailableError,
        PortTakenError,
        ScenarioError,
        UnknownFaultError,
    )
    from .simulator.command import run

    options = simulate_parser("ibnb sim").parse_args(words)
    if options.list:
        _list_simulator()
        return HEALTHY
    if options.page or options.record or options.replay or options.fast:
        return _sim_otherwise(options)
    try:
        return run(
            options.port,
            options.fault,
            strict=options.strict,
            release_after=options.release_after,
            seed=options.seed,
            control=options.control,
            scenario=Path(options.scenario) if options.scenario else None,
            clock=" ".join(options.clock) if options.clock else None,
            latency=options.latency,
            verbose=options.verbose,
            parent_pid=options.parent_pid,
        )
    except (
        BadClockError,
        ControlUnavailableError,
        PortTakenError,
        ScenarioError,
        UnknownFaultError,
    ) as error:
        raise BadInputError(f"ibnb sim: {error}") from None
    except OSError as error:
        reason = error.strerror or error
        raise BadInputError(
            f"ibnb sim: port {options.port} cannot be used: {reason}; give another, or 0 for any"
        ) from None


def _list_simulator() -> None:
    from .simulator import FAULTS, VERBS

    print("faults, each --fault NAME or NAME:VALUE:")
    for name, about in FAULTS.items():
        print(f"  {name:20} {about}")
    print("verbs, of Python, --control, --scenario and the pytest marker:")
    for verb in VERBS.values():
        print(f"  {verb.name:20} {verb.about}")


def demo(words: Sequence[str]) -> int:
    """Open the quickstart beside a simulated gateway."""
    from .demo import run

    options = demo_parser("ibnb demo").parse_args(words)
    return run(headless=options.headless, output=options.output, port=options.port)


def _sim_otherwise(options: Namespace) -> int:
    """Print the page, or record a gateway or answer from a recording until it is stopped."""
    if options.page:
        from .simulator_page import page

        print(page(), end="")
        return HEALTHY
    from .recordings import check_alone, parse_upstreams
    from .simulator import PortTakenError
    from .simulator.recording import BadRecordingError
    from .simulator.recording.command import record, replay

    check_alone("ibnb sim", options)
    path = Path(options.record[1] if options.record else options.replay)
    try:
        if not options.record:
            return replay(path, options.port, fast=options.fast)
        upstreams = parse_upstreams("ibnb sim", options.record[0])
        # A gateway on this machine has its port already.
        is_taken = any(port == options.port for _, port in upstreams)
        return record(upstreams, path, 0 if is_taken else options.port)
    except (BadRecordingError, PortTakenError) as error:
        raise BadInputError(f"ibnb sim: {error}") from None


def team(words: Sequence[str]) -> int:
    """Show who is connected to which gateway: 1 when a shared store does not answer.

    What is watched ends with Ctrl-C, and with what was seen last.
    """
    from .app import the_app
    from .tws.clock import clock
    from .ui.team import team_text

    options = team_parser("ibnb team").parse_args(words)
    app, status = the_app(), HEALTHY
    try:
        while True:
            found = app.team()
            status = PROBLEM if found.is_silent else HEALTHY
            if options.json:
                _print_json(found.to_dict(), show_accounts=app.settings.show_accounts)
            else:
                print(f"{clock(time.time())}\n" * options.watch, end="")
                print(team_text(found, show_accounts=app.settings.show_accounts))
            if not options.watch:
                return status
            sys.stdout.flush()
            time.sleep(WATCH_SECONDS)
            print()
    except KeyboardInterrupt:
        if not options.watch:
            raise
        return status
    finally:
        app.close()


def _print_json(
    document: dict[str, Any] | list[dict[str, Any]], *, show_accounts: bool = False
) -> None:
    from .ui.sanitise import json_text

    # JSON can escape what the encoding of this standard output has no character for.
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json_text(document, show_accounts=show_accounts, ascii_only=not is_utf8))


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "diag": diag,
    "explain": explain,
    "sim": sim,
    "demo": demo,
    "team": team,
}
USAGE = """ibnb: Interactive Brokers from a notebook

  ibnb diag [TARGET]      find the one cause of a connection that does not work
  ibnb diag --from FILE   find it in a support bundle that somebody sent
  ibnb explain QUERY      explain an error code, or find an explanation by words
  ibnb sim                run a simulated gateway on this machine
  ibnb demo               open the quickstart notebook beside a simulated gateway
  ibnb team               show who is connected to which gateway

  ibnb VERB --help        the options of a verb
  ibnb --version          which version this is"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; bad input gets one line on standard error and exit status 2."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help"}:
        print(USAGE, file=sys.stdout if words else sys.stderr)
        return HEALTHY if words else CANNOT_RUN
    if words[0] in {"-V", "--version"}:
        print(f"ibnb {__version__}")
        return HEALTHY
    verb = VERBS.get(words[0])
    if verb is None:
        meant = did_you_mean(words[0], VERBS)
        _say(f"ibnb: unknown verb {words[0]!r}: give {', '.join(VERBS)}.{meant}")
        return CANNOT_RUN
    try:
        status = verb(words[1:])
        # Here, and not when the process ends: what cannot be written then is a traceback.
        sys.stdout.flush()
    except (BadInputError, IbnbError) as error:
        _say(error)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # whoever reads has read enough
        _drop_output()
    except Exception as error:  # noqa: BLE001 - whatever it is, 1 would say that a problem was found
        _drop_output()
        said = " ".join(f"{type(error).__name__}: {error}".split())
        _say(f"ibnb {words[0]} could not run: {said}")
    else:
        return status
    return CANNOT_RUN


def _say(sentence: object) -> None:
    """Print a line for people that may repeat what they typed."""
    from .ui.sanitise import harmless

    print(harmless(sentence), file=sys.stderr)


def _drop_output() -> None:
    """Forget what standard output still holds where it cannot be written; Python would try it."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
