"""Counting notices, and telling them under a cell."""

import ast
import tracemalloc

import pytest

from ibnb.app import App
from ibnb.knowledge import catalogue
from ibnb.session import ConnectFailed
from ibnb.session.errors import BlockingInHandler
from ibnb.settings import IbSettings
from ibnb.tws.codes import GOOD_NEWS
from ibnb.tws.notices import Notice
from ibnb.ui.cards import Came, about_line
from ibnb.ui.labels import TIMES
from ibnb.ui.notices import troubles_of
from ibnb.ui.running import RunningCell
from ibnb.ui.tally import MOST_CODES, MOST_TEXTS, Tally
from ibnb.ui.telling import CellTeller

NO_SUCH = "No security definition has been found for the request"
MARGIN = "Order rejected - reason:margin"
CANCELLED = "Historical Market Data Service error message:API historical data query cancelled: 4"


@pytest.fixture
def app():
    """An app of its own."""
    return App(IbSettings())


@pytest.fixture
def running():
    """The cell that runs; here a test begins and ends it."""
    return RunningCell()


@pytest.fixture
def teller(app, running):
    """What tells under the cells, without evidence."""
    return CellTeller(app, running, list, in_notebook=False)


@pytest.fixture
def end(teller, running, capsys):
    """End the cell that runs, and return the text of what is shown under it, on one line."""

    def end(error=None):
        running.end()
        capsys.readouterr()
        teller.end(error)
        shown = map(ast.literal_eval, capsys.readouterr().out.splitlines())
        return " ".join("\n".join(one["text/plain"] for one in shown).split())

    return end


def notice(code, text, about="", req_id=-1):
    return Notice(code, text, req_id, about=about)


@pytest.mark.parametrize("code", sorted(GOOD_NEWS))
def test_good_news_is_good_whatever_its_text(code):
    """What is not counted is information on every page of the catalogue that has the code."""
    pages = [entry for entry in catalogue().entries if code in entry.codes]
    assert pages
    assert {entry.severity for entry in pages} == {"info"}


def test_memory_does_not_grow_with_the_number_of_notices():
    """Not with subjects, texts and codes either."""
    tally = Tally()
    made = [
        notice(code, f"text {text}", f"S{subject}")
        for code in range(2 * MOST_CODES)
        for text in range(2 * MOST_TEXTS)
        for subject in (1, 2)
    ]
    for one in made:
        tally.add(one)
    tracemalloc.start()
    for number in range(20_000):
        tally.add(notice(7, f"text {number % 7}", f"S{number}"))
        tally.add(notice(8, f"text of its own {number}"))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 1_000_000


def test_the_first_ten_are_named_and_the_rest_counted(app):
    """Whichever of them comes how often."""
    tally = Tally()
    for number in range(500):
        tally.add(notice(200, NO_SUCH, f"Q{number}"))
    tally.add(notice(200, NO_SUCH, "Q3"))
    [trouble] = troubles_of(app, tally.heard())
    assert trouble.came.count == 501
    names = f"Q0, Q1, Q2, Q3 {TIMES}2, Q4, Q5, Q6, Q7, Q8, Q9"
    assert about_line(trouble.came) == f"501 times: {names} and 490 more"


@pytest.mark.parametrize(
    ("came", "line"),
    [
        (Came(), ""),
        (Came(3), ""),
        (Came(1, (("AAPL", 1),)), "About: AAPL"),
        (Came(4, (("AAPL", 4),)), "4 times: AAPL"),
        (Came(4, (("AAPL", 1),)), "4 times: AAPL and 3 more"),
        (Came(3, (("AAPL", 2), ("MSFT", 1))), f"3 times: AAPL {TIMES}2, MSFT"),
    ],
)
def test_the_line_on_what_notices_were_about(came, line):
    """Nothing without a subject; counts where they tell something."""
    assert about_line(came) == line


def test_several_texts_of_one_meaning_are_all_told(app):
    """The last stands for all, and each other text is there with what it was about."""
    tally = Tally()
    tally.add(notice(201, f"{MARGIN} one", "order 1"))
    tally.add(notice(201, f"{MARGIN} two", "order 2"))
    [trouble] = troubles_of(app, tally.heard())
    facts = trouble.explanation.facts
    assert f"The gateway said: {MARGIN} one (order 1)" in facts
    assert f"The gateway said: {MARGIN} two (order 2)" in facts
    assert len(facts) == 2
    assert trouble.came.count == 2


def test_several_farms_are_named_once(app):
    """Their texts differ in the name alone."""
    tally = Tally()
    for farm in ("usfarm", "usfarm.nj"):
        tally.add(notice(2103, f"Market data farm connection is broken:{farm}", farm))
    [trouble] = troubles_of(app, tally.heard())
    assert about_line(trouble.came) == "2 times: usfarm, usfarm.nj"
    assert sum("The gateway said" in fact for fact in trouble.explanation.facts) == 1


def test_a_request_is_named_by_its_number_if_nothing_else_is_known(app):
    """Two requests are two subjects."""
    tally = Tally()
    for req_id in (7, 8, 7):
        tally.add(notice(354, "Not subscribed.", req_id=req_id))
    [trouble] = troubles_of(app, tally.heard())
    assert about_line(trouble.came) == f"3 times: request 7 {TIMES}2, request 8"


def test_texts_beyond_the_limit_change_no_page(app):
    """An error stays one, however many other texts of its code are good news."""
    tally = Tally()
    texts = [f"{CANCELLED}{number}" for number in range(2 * MOST_TEXTS)]
    # The last one for which there is room.
    texts.insert(MOST_TEXTS - 1, "Historical data request pacing violation")
    for text in texts:
        tally.add(notice(162, text))
    [trouble] = troubles_of(app, tally.heard())
    assert "pacing" in trouble.explanation.entry.id


def test_what_was_promised_is_shown_and_nothing_else_is_promised(teller, running, end):
    """No promise between cells, with cards switched off, for good news, or beyond the limits."""
    assert not teller.will_tell(354, "Not subscribed.")
    running.begin()
    assert teller.will_tell(354, "Not subscribed.")
    assert not teller.will_tell(2104, "Market data farm connection is OK:usfarm")
    assert not teller.will_tell(162, CANCELLED)
    for number in range(MOST_TEXTS):
        teller.will_tell(201, f"{MARGIN} {number}")
    assert not teller.will_tell(201, f"{MARGIN} {MOST_TEXTS}")
    teller.hear(notice(354, "Not subscribed."), None)
    assert "354" in end()
    assert end() == ""


def test_a_promise_is_kept_though_the_cell_switches_cards_off(app, teller, running, end):
    """What came since is not told."""
    running.begin()
    assert teller.will_tell(354, "Not subscribed.")
    teller.hear(notice(354, "Not subscribed."), None)
    app.settings.explain = False
    assert not teller.will_tell(201, MARGIN)
    assert "354" in end()
    running.begin()
    teller.hear(notice(354, "Not subscribed."), None)
    assert end() == ""


def test_what_came_between_cells_is_told_after_the_next(teller, running, end):
    """Both, each under its own words, and once."""
    teller.hear(notice(354, "Not subscribed.", "SUBJECT"), None)
    running.begin()
    teller.hear(notice(201, MARGIN, "order 5"), None)
    shown = end()
    assert shown.index("order 5") < shown.index("since the last cell") < shown.index("SUBJECT")
    running.begin()
    assert end() == ""


def test_an_interrupt_of_the_evidence_hides_nothing(app, running, capsys):
    """The cards come without it."""

    def interrupted(_explanations):
        raise KeyboardInterrupt

    teller = CellTeller(app, running, interrupted, in_notebook=False)
    running.begin()
    teller.hear(notice(354, "Not subscribed.", "AAPL"), None)
    running.end()
    with pytest.raises(KeyboardInterrupt):
        teller.end(None)
    assert "AAPL" in capsys.readouterr().out


def failed(verdict="client-id-in-use"):
    """An opening that failed."""
    return ConnectFailed(verdict, ("It was refused.",))


def test_a_failed_opening_is_told_unless_it_is_shown(teller, running, end):
    """As itself, as a cause, or in a group: then its traceback tells it."""
    running.begin()
    for number in range(12):
        teller.hear_failure(failed(), f"here as client ID {number}")
    shown = end()
    assert "Failed connects while this cell ran" in shown
    assert "here as client ID 9 and 2 more" in shown
    error = failed()
    for wrapped in (error, ExceptionGroup("several", [error]), chained(error)):
        running.begin()
        teller.hear_failure(error, "here")
        assert "Failed connects" not in end(wrapped)


def chained(error):
    """Raise another error because of one."""
    try:
        try:
            raise error
        except ConnectFailed as cause:
            raise ValueError("mine") from cause
    except ValueError as wrapped:
        return wrapped


def test_refusals_of_several_handlers_are_all_told(teller, running, end):
    """One card, with a sentence for each handler."""
    running.begin()
    for handler in ("first", "second", "first"):
        error = BlockingInHandler("blocking-in-handler", (f"It was made in {handler}.",))
        teller.hear_error(error)
        assert teller.will_tell_error(error)
    shown = end()
    assert "It was made in first." in shown
    assert "It was made in second." in shown
    assert f"{TIMES}3" in shown


def test_contracts_are_known_by_name_within_their_cell(teller, running, end):
    """Only of a notice that says that there is no such contract, and is told."""
    teller.hear(notice(200, NO_SUCH), "Stock('A')")
    running.begin()
    teller.hear(notice(200, NO_SUCH), "Stock('B')")
    teller.hear(notice(354, "Not subscribed."), "Stock('C')")
    assert [teller.told_of(f"Stock('{name}')") for name in "ABC"] == [False, True, False]
    end()
    running.begin()
    assert not teller.told_of("Stock('B')")
