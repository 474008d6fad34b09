from dataclasses import replace

import pytest
from ipywidgets import Widget
from ipywidgets.widgets import widget as widget_module
from ui_samples import check, refused

from ibnb.diagnostics.model import Result
from ibnb.ui.panel import UPDATE_GAP, DiagnosisPanel
from ibnb.ui.text import report_text

pytestmark = pytest.mark.usefixtures("models")


class Loop:
    """A clock that moves when told, and calls what is due."""

    def __init__(self):
        self.now = 100.0
        self.due = []

    def call_later(self, delay, callback):
        """Note a call that is due later."""
        self.due.append((self.now + delay, callback))

    def advance(self, seconds):
        """Let this many seconds pass."""
        end = self.now + seconds
        while due := [item for item in self.due if item[0] <= end]:
            first = min(due, key=lambda item: item[0])
            self.due.remove(first)
            self.now = first[0]
            first[1]()
        self.now = end


class Sent:
    """Counts what the panel's widgets send to the browser, with the time of each."""

    def __init__(self, monkeypatch, loop):
        self.times = []
        send = Widget.send_state

        def counted(widget, key=None):
            self.times.append(loop.now)
            send(widget, key)

        monkeypatch.setattr(Widget, "send_state", counted)


@pytest.fixture
def loop():
    """Return a clock of the test's own."""
    return Loop()


@pytest.fixture
def models():
    """Return a count of the widget models that live; a test must leave as many as it met."""

    def count():
        return len(widget_module._instances)

    before = count()
    yield count
    assert count() == before


class Clicks:
    """What the buttons do: it is noted, and may fail."""

    def __init__(self, error=None):
        self.clicked = []
        self.error = error

    def run_again(self):
        """Note it."""
        self._note("again")

    def stop(self):
        """Note it."""
        self._note("stop")

    def _note(self, name):
        self.clicked.append(name)
        if self.error is not None:
            raise self.error


class Place:
    """Where a panel draws what is read: the text and the HTML that stand there."""

    def __init__(self, loop):
        self.loop = loop
        self.drawn = []
        self.times = []

    def __call__(self, text, html):
        """Take what is drawn."""
        self.drawn.append((text, html))
        self.times.append(self.loop.now)

    @property
    def html(self):
        """What stands there now."""
        return self.drawn[-1][1]


def panel_on(loop, clicks=None):
    return DiagnosisPanel(
        clicks or Clicks(), Place(loop), call_later=loop.call_later, clock=lambda: loop.now
    )


def place_of(panel):
    """Return what the panel draws into."""
    return panel._draw_html


def drive(panel, loop):
    """Take the panel through a diagnosis."""
    report = refused()
    panel.on_start(report.checks)
    for result in report.results:
        panel.on_result(result)
    panel.on_report(report)
    loop.advance(1)


def test_checks_fill_in_while_they_run(loop):
    """Each result is to be seen a third of a second after it came, at the latest."""
    panel = panel_on(loop)
    report = refused()
    panel.on_start(report.checks)
    place = place_of(panel)
    assert "0 of 3 checks" in place.html
    panel.on_result(report.results[0])
    assert "0 of 3 checks" in place.html
    loop.advance(UPDATE_GAP)
    assert "1 of 3 checks" in place.html
    assert "127.0.0.1 is an address." in place.html
    panel.close()


def test_a_burst_reaches_the_browser_four_times_a_second(loop, monkeypatch):
    """However many results come, no second holds more than 4 updates, the report included."""
    panel = panel_on(loop)
    checks = tuple(check(f"a.{number}") for number in range(1000))
    panel.on_start(checks)
    sent, place = Sent(monkeypatch, loop), place_of(panel)
    for one in checks:
        panel.on_result(Result(one.id, "pass", "Fine."))
        loop.advance(0.002)
    loop.advance(1)
    assert "1000 of 1000 checks" in place.html
    times = [*place.times, place.times[-1] + 0.001]
    assert len(times) > 4
    for start in times:
        assert sum(start <= time < start + 0.999 for time in times) <= 4
    assert sent.times == []
    panel.close()


def test_the_buttons_stay_and_none_is_ever_disabled(loop):
    """Whoever pressed one has the focus on it still: it only says something else."""
    panel = panel_on(loop)
    panel.on_start(refused().checks)
    before = panel.widget.children
    action, copy, error = before
    assert (action.description, copy.value) == ("■ Stop", "")
    drive(panel, loop)
    assert panel.widget.children == before
    assert (action.description, action.tooltip) == ("↻ Run again", "Run the same diagnosis again")
    assert "<button" in copy.value
    assert error.value == ""
    panel.on_start(refused().checks)
    assert panel.widget.children == before
    assert (action.description, copy.value) == ("■ Stop", "")
    assert action.disabled is False
    panel.close()


def test_what_comes_after_the_report_is_not_drawn(loop):
    """The report stands in the same place, and must stay."""
    panel = panel_on(loop)
    report = refused()
    panel.on_start(report.checks)
    panel.on_result(report.results[0])
    panel.on_report(report)
    drawn = len(place_of(panel).drawn)
    panel.on_result(report.results[1])
    loop.advance(1)
    assert len(place_of(panel).drawn) == drawn
    panel.close()


def test_copy_holds_the_plain_text_of_the_report_escaped(loop):
    """A real button carries the text in an attribute; its script is ours alone."""
    from html.parser import HTMLParser

    found = {}

    class Button(HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert tag == "button"
            found.update(attrs)

    panel = panel_on(loop)
    drive(panel, loop)
    Button().feed(panel.widget.children[1].value)
    assert found["data-text"] == report_text(refused(), magics=True)
    assert found["title"]
    assert "writeText" in found["onclick"]
    assert "execCommand('copy')" in found["onclick"]
    panel.close()


def test_closing_leaves_no_model_behind(loop, models):
    """Widget models live until they are closed: closing in any phase closes them all."""
    before = models()
    untouched, running, done = panel_on(loop), panel_on(loop), panel_on(loop)
    running.on_start(refused().checks)
    drive(done, loop)
    assert models() > before
    for panel in (untouched, running, done):
        panel.close()
        panel.close()
    assert models() == before


def test_a_closed_panel_takes_no_more(loop):
    """Results that come after closing, and updates that were waiting, open nothing."""
    panel = panel_on(loop)
    report = refused()
    panel.on_start(report.checks)
    panel.on_result(report.results[0])
    panel.close()
    drive(panel, loop)


def test_running_again_shows_progress_in_the_same_place(loop, models):
    """A click starts over: the checks fill in again, where the report stood."""
    clicks = Clicks()
    panel = panel_on(loop, clicks)
    drive(panel, loop)
    held = models()
    panel.widget.children[0].click()
    assert clicks.clicked == ["again"]
    panel.widget.children[0].click()
    assert clicks.clicked == ["again"]
    panel.on_start(refused().checks)
    loop.advance(1)
    assert "0 of 3 checks" in place_of(panel).html
    drive(panel, loop)
    assert models() == held
    panel.close()


def test_an_error_of_running_again_is_shown_in_one_line(loop):
    """What ipywidgets would drop is shown, escaped and masked; the button works again."""
    panel = panel_on(loop, Clicks(OSError("no <b>loop</b>\nfor DU1234567")))
    drive(panel, loop)
    again, _, error = panel.widget.children
    again.click()
    assert "✗</span> Problem" in error.value
    assert "Could not run again: OSError: no &lt;b&gt;loop&lt;/b&gt; for DU•••567" in error.value
    assert again.description == "↻ Run again"
    panel.on_start(refused().checks)
    assert error.value == ""
    panel.close()


def test_stop_is_there_while_a_diagnosis_runs(loop):
    """A click asks once for the end; the button says so until the report is there."""
    clicks = Clicks()
    panel = panel_on(loop, clicks)
    panel.on_start(refused().checks)
    stop = panel.widget.children[0]
    assert stop.description == "■ Stop"
    stop.click()
    stop.click()
    assert clicks.clicked == ["stop"]
    assert stop.description == "Stopping…"
    drive(panel, loop)
    panel.on_start(refused().checks)
    assert stop.description == "■ Stop"
    panel.close()


def test_a_stop_that_fails_is_shown_and_can_be_tried_again(loop):
    """The line says what failed, and the button is as before."""
    panel = panel_on(loop, Clicks(RuntimeError("no thread")))
    panel.on_start(refused().checks)
    stop, _, error = panel.widget.children
    stop.click()
    assert "Could not stop: RuntimeError: no thread" in error.value
    assert stop.description == "■ Stop"
    panel.close()


def test_a_repeated_diagnosis_says_how_it_stands(loop):
    """Tries so far, the last verdict in mark and words, the time left; Stop stays in reach."""
    panel = panel_on(loop)
    panel.on_start(refused().checks)
    panel.on_wait(12.4, 1, refused())
    loop.advance(1)
    assert "1 try so far" in place_of(panel).html
    panel.on_start(refused().checks)
    panel.on_wait(7.6, 2, refused())
    loop.advance(1)
    said = place_of(panel).html
    assert "Diagnosing until healthy" in said
    assert "2 tries so far" in said
    assert "✗</span> Problem</span> Nothing listens" in said
    assert "8 s left" in said
    assert panel.widget.children[0].description == "■ Stop"
    drive(panel, loop)
    panel.on_start(refused().checks)
    loop.advance(1)
    assert "so far" not in place_of(panel).html
    panel.close()


def test_what_is_said_of_a_repeated_diagnosis_is_escaped_and_masked(loop):
    """A verdict's title may hold anything."""
    panel = panel_on(loop)
    found = refused()
    evil = replace(found, verdict=replace(found.verdict, title="<b>DU1234567</b>"))
    panel.on_start(found.checks)
    panel.on_wait(5, 1, evil)
    loop.advance(1)
    assert "&lt;b&gt;DU•••567&lt;/b&gt;" in place_of(panel).html
    panel.close()
