from dataclasses import replace

import pytest
from ipywidgets import Widget
from ipywidgets.widgets import widget as widget_module
from ui_samples import check, refused

from ibnb.diagnostics.model import Result
from ibnb.ui.panel import DiagnosisPanel
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

    def explain(self):
        """Note it."""
        self._note("explain")

    def _note(self, name):
        self.clicked.append(name)
        if self.error is not None:
            raise self.error


def panel_on(loop, clicks=None):
    return DiagnosisPanel(clicks or Clicks(), call_later=loop.call_later, clock=lambda: loop.now)


def bar_of(panel):
    """Return what the panel shows while a diagnosis runs."""
    _stop, _error, bar = panel.widget.children
    return bar


def drive(panel, loop):
    """Take the panel through a diagnosis."""
    report = refused()
    panel.on_start(report.checks)
    for result in report.results:
        panel.on_result(result)
    panel.on_report(report)
    loop.advance(1)


def test_checks_fill_in_while_they_run(loop):
    """Each result is to be seen a quarter of a second after it came, at the latest."""
    panel = panel_on(loop)
    report = refused()
    panel.on_start(report.checks)
    bar = bar_of(panel)
    assert "0 of 3 checks" in bar.value
    panel.on_result(report.results[0])
    assert "0 of 3 checks" in bar.value
    loop.advance(0.25)
    assert "1 of 3 checks" in bar.value
    assert "127.0.0.1 is an address." in bar.value
    panel.close()


def test_a_burst_reaches_the_browser_four_times_a_second(loop, monkeypatch):
    """However many results come, no second holds more than 4 updates, and the last is drawn."""
    panel = panel_on(loop)
    checks = tuple(check(f"a.{number}") for number in range(1000))
    panel.on_start(checks)
    sent = Sent(monkeypatch, loop)
    for one in checks:
        panel.on_result(Result(one.id, "pass", "Fine."))
        loop.advance(0.002)
    loop.advance(1)
    assert len(sent.times) > 4
    for start in sent.times:
        assert sum(start <= time < start + 0.999 for time in sent.times) <= 4
    assert "1000 of 1000 checks" in bar_of(panel).value
    panel.close()


def test_afterwards_only_a_toolbar_is_left(loop):
    """Run again, Copy and Explain stay; what showed the progress is closed, Stop with it."""
    panel = panel_on(loop)
    panel.on_start(refused().checks)
    stop, _, bar = panel.widget.children
    drive(panel, loop)
    again, copy, explain, error = panel.widget.children
    assert (bar.comm, stop.comm) == (None, None)
    assert (again.description, again.tooltip) == ("↻ Run again", "Run the same diagnosis again")
    assert "<button" in copy.value
    assert (explain.description, explain.layout.display) == ("▸ Explain", None)
    assert error.value == ""
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


def test_running_again_shows_progress_in_the_same_panel(loop, models):
    """A click starts over: the toolbar goes, the checks fill in again, and it comes back."""
    clicks = Clicks()
    panel = panel_on(loop, clicks)
    drive(panel, loop)
    held = models()
    panel.widget.children[0].click()
    assert clicks.clicked == ["again"]
    panel.on_start(refused().checks)
    assert "0 of 3 checks" in bar_of(panel).value
    drive(panel, loop)
    assert len(panel.widget.children) == 4
    assert models() == held
    panel.close()


def test_an_error_of_running_again_is_shown_in_one_line(loop):
    """What ipywidgets would drop is shown, escaped and masked; the button works again."""
    panel = panel_on(loop, Clicks(OSError("no <b>loop</b>\nfor DU1234567")))
    drive(panel, loop)
    again, _, _, error = panel.widget.children
    again.click()
    assert "✗ Problem" in error.value
    assert "Could not run again: OSError: no &lt;b&gt;loop&lt;/b&gt; for DU•••567" in error.value
    assert again.disabled is False
    drive(panel, loop)
    assert panel.widget.children[3].value == ""
    panel.close()


def test_stop_is_there_while_a_diagnosis_runs(loop):
    """A click asks once for the end; the button says so until the report takes its place."""
    clicks = Clicks()
    panel = panel_on(loop, clicks)
    panel.on_start(refused().checks)
    stop = panel.widget.children[0]
    assert (stop.description, stop.disabled) == ("■ Stop", False)
    stop.click()
    assert clicks.clicked == ["stop"]
    assert (stop.description, stop.disabled) == ("Stopping…", True)
    drive(panel, loop)
    panel.on_start(refused().checks)
    assert panel.widget.children[0].description == "■ Stop"
    panel.close()


def test_a_stop_that_fails_is_shown_and_can_be_tried_again(loop):
    """The line says what failed, and the button is as before."""
    panel = panel_on(loop, Clicks(RuntimeError("no thread")))
    panel.on_start(refused().checks)
    stop, error, _ = panel.widget.children
    stop.click()
    assert "Could not stop: RuntimeError: no thread" in error.value
    assert (stop.description, stop.disabled) == ("■ Stop", False)
    panel.close()


def test_explain_is_a_switch(loop):
    """The button says what its next click does; a new report begins without the page."""
    clicks = Clicks()
    panel = panel_on(loop, clicks)
    drive(panel, loop)
    panel.widget.children[2].click()
    panel.on_explained(shown=True)
    assert clicks.clicked == ["explain"]
    assert panel.widget.children[2].description == "▾ Hide page"
    panel.on_explained(shown=False)
    assert panel.widget.children[2].description == "▸ Explain"
    panel.on_explained(shown=True)
    panel.on_start(refused().checks)
    drive(panel, loop)
    assert panel.widget.children[2].description == "▸ Explain"
    panel.close()


def test_a_verdict_without_a_page_has_no_explain(loop):
    """A button that could show nothing is not shown."""
    panel = panel_on(loop)
    found = refused()
    panel.on_report(replace(found, verdict=replace(found.verdict, id="no-such-page")))
    assert panel.widget.children[2].layout.display == "none"
    panel.close()


def test_a_repeated_diagnosis_says_how_it_stands(loop):
    """Tries so far, the last verdict in mark and words, the time left; Stop stays in reach."""
    panel = panel_on(loop)
    panel.on_start(refused().checks)
    panel.on_wait(12.4, 1, refused())
    loop.advance(1)
    assert "1 try so far" in bar_of(panel).value
    panel.on_start(refused().checks)
    panel.on_wait(7.6, 2, refused())
    loop.advance(1)
    said = bar_of(panel).value
    assert "Diagnosing until it is healthy" in said
    assert "2 tries so far" in said
    assert "✗</span> Problem</span> Nothing listens" in said
    assert "8 s left" in said
    assert panel.widget.children[0].description == "■ Stop"
    drive(panel, loop)
    panel.on_start(refused().checks)
    assert "so far" not in bar_of(panel).value
    panel.close()


def test_what_is_said_of_a_repeated_diagnosis_is_escaped_and_masked(loop):
    """A verdict's title may hold anything."""
    panel = panel_on(loop)
    found = refused()
    evil = replace(found, verdict=replace(found.verdict, title="<b>DU1234567</b>"))
    panel.on_start(found.checks)
    panel.on_wait(5, 1, evil)
    loop.advance(1)
    assert "&lt;b&gt;DU•••567&lt;/b&gt;" in bar_of(panel).value
    panel.close()
