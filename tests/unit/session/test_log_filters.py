"""A log line of a library is held back only if what it says is told in its place."""

import contextvars
import io
import logging

import pytest

from ibnb.session.library.libraries import notice_loggers
from ibnb.session.opening import log_filters
from ibnb.session.records.journal import Journal
from ibnb.session.tracked import TrackedConnection

REFUSED = "Requested market data is not subscribed."
ADDRESS = ("127.0.0.1", 4002, 7)


class Cell:
    """Tells everything, as a cell that runs does, but what is `not_told`."""

    def __init__(self, not_told=()):
        self.not_told = not_told
        self.heard = []
        self.contracts = []

    def is_telling(self):
        """It does."""
        return True

    def hear(self, notice, contract):
        """Keep a notice."""
        self.heard.append(notice)
        self.contracts.append(str(contract))

    def hear_error(self, error):
        """Keep an error."""
        self.heard.append(error)

    def hear_failure(self, error, where):
        """Keep a failure."""
        self.heard.append((error, where))

    def will_tell(self, code, _text):
        """Promise it."""
        return code not in self.not_told

    def will_tell_error(self, error):
        """Promise it."""
        return error in self.heard

    def told_of(self, contract):
        """Say whether a notice was about it."""
        return contract in self.contracts


@pytest.fixture
def journal():
    """A journal whose notices are told under a cell that runs."""
    journal = Journal()
    journal.tellers.append(Cell())
    return journal


@pytest.fixture
def logs(library, journal):
    """Read what passes of a library whose logging nobody has set up."""
    lines = log_filters.NoticeLines(notice_loggers(), journal)
    lines.install()
    yield Logs(library)
    lines.remove()


class Logs:
    """What Python prints of a library's log, in a block; the test run's own does not count."""

    def __init__(self, library):
        self._logger = logging.getLogger(library)

    def __enter__(self):
        """Begin to read."""
        self._out = io.StringIO()
        self._before = logging.lastResort, self._logger.propagate
        logging.lastResort = logging.StreamHandler(self._out)
        logging.lastResort.setLevel(logging.WARNING)
        self._logger.propagate = False
        return self

    def __exit__(self, *_):
        """Leave everything as it was."""
        logging.lastResort, self._logger.propagate = self._before

    @property
    def passed(self):
        """The lines so far."""
        return self._out.getvalue().splitlines()


@pytest.fixture
async def ib(module):
    """An `IB` object; async, for libraries that want a loop."""
    return module.IB()


@pytest.fixture
def held(ib, journal):
    """The same, watched, as after ready."""
    held = TrackedConnection(ib, ADDRESS, None, journal)
    held.attend()
    held.hear()
    yield held
    held.unwatch()


def refuse(ib, code=354):
    """Have an `IB` object's library hear that a request is refused."""
    ib.wrapper.error(5, code, REFUSED, "")


LINE = f"Error 354, reqId 5: {REFUSED}"
watched = pytest.mark.usefixtures("held")


@watched
def test_a_notice_that_is_told_has_no_line(ib, journal, logs):
    """The journal has it, and the log nothing."""
    with logs:
        refuse(ib)
    assert [one.code for one in journal.since(0)] == [354]
    assert logs.passed == []


@watched
def test_a_notice_that_is_not_told_keeps_its_line(ib, journal, logs):
    """As good news does, for which there is no card."""
    journal.tellers[:] = [Cell(not_told={354})]
    with logs:
        refuse(ib)
    assert logs.passed == [LINE]
    assert journal.count == 1


@watched
def test_without_anybody_to_tell_all_lines_pass(ib, journal, logs):
    """In a script, or after `%unload_ext`."""
    journal.tellers.clear()
    with logs:
        refuse(ib)
    assert logs.passed == [LINE]


@watched
async def test_a_connection_that_nobody_watches_keeps_its_lines(module, logs):
    """Though another connection of the same library is watched and told."""
    with logs:
        refuse(module.IB())
    assert logs.passed == [LINE]


def test_a_connection_watched_no_more_keeps_its_lines(ib, held, logs):
    """Its wrapper is the library's own again."""
    held.unwatch()
    with logs:
        refuse(ib)
    assert logs.passed == [LINE]
    assert "error" not in vars(ib.wrapper)


@watched
def test_a_notice_that_never_reaches_the_journal_keeps_its_line(ib, journal, logs):
    """As when the user's code takes all handlers off the event: what was held back comes out."""
    ib.errorEvent.clear()
    with logs:
        refuse(ib)
    assert journal.count == 0
    assert logs.passed == [LINE]


@watched
def test_what_is_logged_for_another_reason_meanwhile_passes(ib, logs, library):
    """Only the lines of the very notice are held back, not all that a wrapper logs then."""
    logger = logging.getLogger(f"{library}.wrapper")
    others = ["Error 10, reqId 1: another", "priceSizeTick: Unknown reqId: 7"]
    for line in others:
        ib.errorEvent += lambda *_, line=line: logger.error(line)
    with logs:
        refuse(ib)
    assert logs.passed == others


@watched
def test_what_a_handler_starts_keeps_its_lines(ib, logs, library):
    """A task that begins while a notice is told goes on after it, and may say the same."""
    started = []
    ib.errorEvent += lambda *_: started.append(contextvars.copy_context())
    with logs:
        refuse(ib)
        started[0].run(logging.getLogger(f"{library}.wrapper").error, LINE)
    assert logs.passed == [LINE]


@watched
def test_lines_of_a_log_that_is_set_up_pass(ib, logs, library):
    """Whoever set up logging gets them, told or not."""
    mine = io.StringIO()
    handler = logging.StreamHandler(mine)
    logging.getLogger(library).addHandler(handler)
    try:
        with logs:
            refuse(ib)
    finally:
        logging.getLogger(library).removeHandler(handler)
    assert mine.getvalue().splitlines() == [LINE]


@watched
def test_an_unknown_contract_is_told_only_if_a_notice_was_about_it(ib, logs, module, library):
    """The line of `qualifyContracts` is held back for the contract of a notice alone."""
    contract = module.Stock("NOSUCH", "SMART", "USD")
    logger = logging.getLogger(f"{library}.ib")
    with logs:
        ib.wrapper.startReq(5, contract)
        refuse(ib, 200)
        logger.warning("Unknown contract: %s", contract)
        logger.warning("Unknown contract: Future(symbol='ES')")
        logger.warning("Ambiguous contract: %s", contract)
    assert logs.passed == [
        "Unknown contract: Future(symbol='ES')",
        f"Ambiguous contract: {contract}",
    ]


def test_a_notice_before_ready_is_not_heard_here(ib, journal, logs):
    """Until then the opening sees it on the wire; unless it is held back there, its line passes."""
    held = TrackedConnection(ib, ADDRESS, None, journal)
    held.attend()
    with logs:
        refuse(ib)
    assert journal.count == 0
    assert logs.passed == [LINE]
    held.unwatch()


OPENING = "Peer closed connection. clientId 7 already in use?"
LOST = "Error 1100, reqId -1: Connectivity has been lost."
OTHER = "Error handling fields"


def log_opening(logs, library, hush, *, end):
    """Log what an opening may, within its hush; `end` is what becomes of it. Return what passed."""
    logger = logging.getLogger(f"{library}.wrapper")
    with logs, log_filters.hushed((logger.name,), hush):
        for line in (OPENING, LOST, OTHER):
            logger.error(line)
        end(hush)
    return logs.passed


@pytest.mark.parametrize(
    ("story", "left"),
    [
        ("It closed. Before that: “Connectivity has been lost”.", [OTHER]),
        ("It closed.", [OTHER, LOST]),
        ("", [OTHER, LOST]),
        (None, [OTHER, OPENING, LOST]),
    ],
)
def test_of_a_failed_opening_passes_what_its_story_lacks(library, logs, story, left):
    """Why it failed is raised in the library's place; what is not told there comes out."""

    def end(hush):
        hush.story = story

    assert log_opening(logs, library, log_filters.Hush(lambda *_: True), end=end) == left


@pytest.mark.parametrize(
    ("told", "left"), [({1100}, [OTHER, OPENING]), (set(), [OTHER, OPENING, LOST])]
)
def test_of_an_opening_that_is_ready_passes_what_is_not_told(library, logs, told, left):
    """A notice that came before is on a card, or comes out; from then on nothing is held back."""
    hush = log_filters.Hush(lambda code, _text: code in told)
    assert log_opening(logs, library, hush, end=log_filters.Hush.ready) == left


def test_an_opening_that_nobody_tells_keeps_its_lines(library, logs):
    """As one of the user's own while no cell runs."""
    hush = log_filters.Hush(lambda *_: True, wanted=lambda: False)
    assert log_opening(logs, library, hush, end=lambda _hush: None) == [OPENING, LOST, OTHER]


def test_an_opening_of_the_users_own_is_logged_in_full_where_logging_is_set_up(library, logs):
    """The error says what failed, and the log has every line as well."""
    mine = io.StringIO()
    handler = logging.StreamHandler(mine)
    logging.getLogger(library).addHandler(handler)
    try:
        hush = log_filters.Hush(lambda *_: True, wanted=lambda: True)
        log_opening(logs, library, hush, end=lambda one: setattr(one, "story", "It closed."))
    finally:
        logging.getLogger(library).removeHandler(handler)
    assert mine.getvalue().splitlines() == [OPENING, LOST, OTHER]
