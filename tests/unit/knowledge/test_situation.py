"""Steps of advice: which of them a situation shows, in what order, and how they read."""

import pytest

from ibnb.knowledge.situation import Condition, Situation, Step, StepError


def step(text, when=(), unless=()):
    return Step(text, tuple(map(Condition.parse, when)), tuple(map(Condition.parse, unless)))


LOST = step("Resume it.", when=["session=lost"])
PLAIN = step("Look.")


def test_what_is_not_known_is_not_said():
    """Without facts the general steps are there, in the order of the page, and no others."""
    assert Situation().choose([LOST, PLAIN, step("Wait.", unless=["session=open"])]) == (
        "Look.",
        "Wait.",
    )


def test_what_is_known_comes_first():
    """A step whose condition is known to hold stands above those that always count."""
    assert Situation(session="lost").choose([PLAIN, LOST]) == ("Resume it.", "Look.")


def test_what_is_ruled_out_is_dropped():
    """A step for another state than the one that is known is not shown."""
    assert Situation(session="closed").choose([PLAIN, LOST]) == ("Look.",)


def test_several_conditions():
    """All of `when` have to be known to hold, and any of `unless` rules out."""
    both = step("Both.", when=["session=lost", "place=notebook"])
    assert Situation(session="lost").choose([PLAIN, both]) == ("Look.",)
    assert Situation(session="lost", place="notebook").choose([PLAIN, both])[0] == "Both."
    assert Situation(session="lost", place="terminal").choose([PLAIN, both]) == ("Look.",)
    neither = step("Neither.", unless=["guard=on", "opener=ibnb"])
    assert Situation(guard="off").choose([neither]) == ("Neither.",)
    assert Situation(guard="off", opener="ibnb").choose([neither]) == ()


def test_unless_never_promotes():
    """A step that is only not ruled out keeps its place."""
    late = step("Go on without.", unless=["gateway=running"])
    assert Situation(gateway="none").choose([PLAIN, late]) == ("Look.", "Go on without.")


def test_a_check_is_a_fact():
    """A step may ask for what a diagnostic check found; one that was not run is not known."""
    failed = step("Start it.", when=["check:host.process=fail|warn"])
    assert Situation(checks={"host.process": "warn"}).choose([PLAIN, failed])[0] == "Start it."
    assert Situation(checks={"host.process": "pass"}).choose([PLAIN, failed]) == ("Look.",)
    assert Situation(checks={"net.port": "pass"}).choose([PLAIN, failed]) == ("Look.",)


@pytest.mark.parametrize(
    ("text", "known", "read"),
    [
        ("Run %ibconnect {target} --trade.", {}, "Run %ibconnect --trade."),
        ("Run %ibconnect {target|live} --trade.", {}, "Run %ibconnect live --trade."),
        (
            "Run %ibconnect {target|live} --trade.",
            {"target": "40011"},
            "Run %ibconnect 40011 --trade.",
        ),
        ("Run %ibconnect {target}.", {}, "Run %ibconnect."),
        ("Use {name}, ID {client_id}.", {}, "Use ib, ID N."),
        ("Use {name}.", {"name": "trader"}, "Use trader."),
        ("{name} is open.", {"name": "trader"}, "trader is open."),
        ("Run {diag}.", {}, "Run %ibdiag."),
        ("Run {diag}.", {"place": "terminal"}, "Run `ibnb diag`."),
        ("See {explain 326}.", {"place": "notebook"}, "See %iberror 326."),
        ("See {explain 326}.", {"place": "terminal"}, "See `ibnb explain 326`."),
        ("Run {pip install x}.", {"place": "terminal"}, "Run `pip install x`."),
        ("A set {} and {1, 2}.", {}, "A set {} and {1, 2}."),
    ],
)
def test_blanks_are_filled_in(text, known, read):
    """What is not known falls back to the plain command; verbs are spelled for their shell."""
    assert Situation(**known).choose([Step(text)]) == (read,)


@pytest.mark.parametrize(
    ("place", "text", "shown"),
    [
        ("notebook", "Run %ibconnect.", True),
        ("terminal", "Run %ibconnect.", False),
        ("terminal", "Put %load_ext ibnb first.", False),
        ("terminal", "Set %config IbMagics.guard = True.", False),
        ("terminal", "A rise of 5% ibnb does not see.", True),
        ("notebook", "Run `ibnb diag`.", False),
        ("notebook", "Run `pip install ibnb`.", False),
        ("terminal", "Run `ibnb diag`.", True),
        (None, "Run `ibnb diag` or %ibdiag.", True),
    ],
)
def test_commands_of_another_shell_are_no_advice(place, text, shown):
    """A magic is of no use in a terminal, nor a terminal's command in a notebook."""
    assert bool(Situation(place=place).choose([text])) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Connect where it listens: %ibconnect 7497", False),
        ("Then run %ibconnect 7497.", False),
        ("Try %ibconnect 4001, or %ibconnect 7497 again.", False),
        ("Give it time: %ibconnect 7497 --timeout 20", True),
        ("Try %ibconnect 7497 --readonly: nothing is asked.", True),
        ("Try %ibconnect --resume at once.", True),
        ("Name it: %ibconnect HOST:PORT.", True),
        ("Connect: %ibconnect 74971", True),
        ("Run %ibconnect again.", False),
        ("Run {diag} now.", False),
        ("Run {diag --timeout 2} now.", True),
    ],
)
def test_a_command_that_just_failed_is_no_advice(text, shown):
    """The very command is left out wherever it stands; the same with another option is not."""
    tried = frozenset({"%ibconnect", "%ibconnect 7497", "%ibdiag"})
    assert bool(Situation(tried=tried).choose([Step(text)])) == shown


def test_the_same_step_is_shown_once():
    """A step that two pages or checks have is not repeated."""
    assert Situation().choose(["Look.", PLAIN, "Look."]) == ("Look.",)


def test_a_text_from_elsewhere_is_taken_as_it_is():
    """The name of a process may look like a blank; nothing is filled in, and nothing fails."""
    assert Situation(name="x").choose(["End {name} and {nobody}."]) == ("End {name} and {nobody}.",)


@pytest.mark.parametrize(
    ("condition", "complaint"),
    [
        ("session", "does not read"),
        ("session=", "does not read"),
        ("weather=fine", "no fact 'weather'"),
        ("session=fine", "session is one of"),
        ("check:host.process=fine", "is one of pass"),
    ],
)
def test_a_condition_that_means_nothing_is_refused(condition, complaint):
    """A slip of the pen must not become a step that is never shown."""
    with pytest.raises(StepError, match=complaint):
        Condition.parse(condition)


def test_a_blank_that_nothing_fills_is_refused():
    """It would be shown with its braces."""
    with pytest.raises(StepError, match=r"nothing is known as \{prot\}"):
        Step("Look at {prot}.")
