"""Every setting once, from the environment, a configuration, or an option."""

import pytest
from traitlets import TraitError
from traitlets.config import Config

from ibnb.app import App
from ibnb.options import ConnectOptions
from ibnb.session import BadInputError
from ibnb.session.client_ids.notebook_leases import NotebookLeases
from ibnb.session.client_ids.store_url import StoreUrl
from ibnb.settings import IbSettings, apply_environment

VALUES = {
    "target": ("127.0.0.1:4999", "127.0.0.1:4999"),
    "client_id": ("17", "17"),
    "account": ("DU1234567", "DU1234567"),
    "expect": ("live", "live"),
    "timeout": ("2.5", 2.5),
    "wait": ("0", 0.0),
    "readonly": ("1", True),
    "library": ("ib_async", "ib_async"),
    "guard": ("0", False),
    "auto_resume": ("0", False),
    "explain": ("off", False),
    "show_accounts": ("yes", True),
    "paced": ("1", True),
    "state_dir": ("/somewhere", "/somewhere"),
    "leases": ("redis://:hunter2@store.example/1", StoreUrl("redis://:hunter2@store.example/1")),
}
"""Of each setting a text that the environment may hold, and what it means."""
SETTINGS = sorted(IbSettings.class_own_traits())


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """Keep what the tests' own environment says of ibnb out of them."""
    for name in VALUES:
        monkeypatch.delenv(f"IBNB_{name.upper()}", raising=False)


def settings(**config):
    """Return settings after the environment was applied, configured with these."""
    made = IbSettings(config=Config({"IbSettings": config}))
    apply_environment(made)
    return made


def test_every_setting_is_tested_here():
    """A new setting needs a line in the table above."""
    assert set(SETTINGS) <= set(VALUES)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_from_the_environment(monkeypatch, name):
    """IBNB_NAME sets `name`; the default is another value, so that this can be told apart."""
    text, value = VALUES[name]
    assert getattr(settings(), name) != value
    monkeypatch.setenv(f"IBNB_{name.upper()}", text)
    assert getattr(settings(), name) == value


@pytest.mark.parametrize("name", SETTINGS)
def test_a_configuration_beats_the_environment(monkeypatch, name):
    """What `c.IbMagics.name = ...` says in a profile stands, whatever the environment says."""
    default = getattr(IbSettings(), name)
    monkeypatch.setenv(f"IBNB_{name.upper()}", VALUES[name][0])
    assert getattr(settings(**{name: default}), name) == default


def test_config_beats_the_environment_later(monkeypatch):
    """What `%config` sets after loading stays."""
    monkeypatch.setenv("IBNB_TIMEOUT", "3")
    made = settings()
    made.timeout = 4.0
    assert made.timeout == 4.0


@pytest.mark.parametrize(
    ("name", "text", "accepted"),
    [
        ("TIMEOUT", "soon", "seconds"),
        ("TIMEOUT", "0", "seconds"),
        ("TIMEOUT", "nan", "seconds"),
        ("TIMEOUT", "3601", "3600"),
        ("TIMEOUT", "", "seconds"),
        ("WAIT", "-1", "seconds"),
        ("WAIT", "inf", "seconds"),
        ("READONLY", "perhaps", "1 or 0"),
        ("SHOW_ACCOUNTS", "2", "1 or 0"),
        ("TARGET", "moon", "HOST:PORT"),
        ("CLIENT_ID", "x", "2147483647"),
        ("EXPECT", "demo", "paper or live"),
        ("LIBRARY", "ibapi", "ib_insync or ib_async"),
        ("ACCOUNT", "a\nb", "one line"),
        ("STATE_DIR", "a\nb", "one line"),
    ],
)
def test_a_bad_value_is_named_in_one_line(monkeypatch, name, text, accepted):
    """The variable, its value, and what it takes."""
    monkeypatch.setenv(f"IBNB_{name}", text)
    with pytest.raises(BadInputError) as caught:
        settings()
    message = str(caught.value)
    assert message.startswith(f"IBNB_{name}={text!r}: ")
    assert accepted in message
    assert "\n" not in message


NUMBERS = [-1, 3601, float("nan"), 1e999, 10**5000, b"5", "5", "soon", [5], (5,), {}, object()]
TEXTS = [b"x", ["x"], ("x",), {"x": 1}, 1.5, float("nan"), "a\nb", "a\0b", "a\u2028b", object()]
WORDS = [*TEXTS, "x" * 1_000_000, "papr", -1, True]
WRONG = {
    "target": [*WORDS, 0, 65536, "host", "host:", "::1:4002", "a b:1"],
    "client_id": [*WORDS, 2**31, "1.5", "-1", "0x10", "\N{SUPERSCRIPT TWO}"],
    "account": [*TEXTS, 5, True, "x" * 101],
    "expect": [*WORDS, "Paper", 0],
    "timeout": [*NUMBERS, 0],
    "wait": NUMBERS,
    "library": [*WORDS, "ibapi", 0],
    "state_dir": [*TEXTS, 5, True, "x" * 5000],
    "leases": [*TEXTS, 5, True, "x", "http://host/0", "redis://", "redis://host/x"],
    **{
        switch: [None, 0, 1, 2.0, "no", "True", b"1", [], [True], {}, float("nan"), object()]
        for switch in ("readonly", "guard", "auto_resume", "explain", "show_accounts", "paced")
    },
}
"""Of each setting what it does not take."""
RIGHT = [
    *(("target", 7497, "7497"), ("target", " live ", "live"), ("target", "[::1]:4002", None)),
    *(("target", None, "paper"), ("target", "", "paper"), ("target", "sim", "sim")),
    *(("client_id", 0, "0"), ("client_id", "007", "7"), ("client_id", "auto", "auto")),
    *(("client_id", 2**31 - 1, "2147483647"), ("client_id", "", ""), ("client_id", None, "")),
    *(("account", " DU1234567", "DU1234567"), ("account", "", ""), ("account", None, "")),
    *(("expect", "paper", "paper"), ("expect", "", ""), ("expect", None, "")),
    *(("timeout", 1, 1.0), ("timeout", None, 5.0), ("timeout", 3600, 3600.0)),
    *(("wait", 0, 0.0), ("wait", None, ""), ("wait", 10, 10.0), ("library", None, "")),
    *(("state_dir", "~/my state", "~/my state"), ("state_dir", "", "")),
]
"""What is taken, and what is kept of it: None for the very same, empty for nothing set."""


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_refuses_what_it_does_not_take(name):
    """One short line has the setting, the value and what is taken; the old value stays."""
    made = settings()
    setattr(made, name, VALUES[name][1])
    for value in WRONG[name]:
        with pytest.raises(TraitError) as caught:
            setattr(made, name, value)
        line = str(caught.value)
        assert line.startswith(f"IbSettings.{name} = "), line
        assert " was refused: it takes " in line
        assert line.isprintable()
        assert len(line) < 300
        assert getattr(made, name) == VALUES[name][1]


@pytest.mark.parametrize(("name", "value", "kept"), RIGHT)
def test_a_setting_takes_what_means_something(name, value, kept):
    """None is not set for each, and so is an empty text as ever."""
    made = settings()
    setattr(made, name, VALUES[name][1])
    setattr(made, name, value)
    assert getattr(made, name) == (value if kept is None else kept if kept != "" else None)


def test_an_account_in_a_refused_value_is_masked():
    """The line may be saved with the notebook."""
    with pytest.raises(TraitError, match="DU•••567") as caught:
        settings().account = "DU1234567\nU7654321"
    assert "1234567" not in str(caught.value)
    assert "7654321" not in str(caught.value)


def test_of_several_values_the_wrong_ones_alone_are_refused():
    """And they do not stay in the configuration, which whoever reads it next would refuse too."""
    made = settings()
    given = Config({"IbSettings": {"timeout": -1, "wait": 3, "expect": "x"}, "Other": {"wait": -1}})
    with pytest.raises(TraitError, match="timeout") as caught:
        made.update_config(given)
    assert "expect = 'x' was refused" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (made.timeout, made.wait, made.expect) == (5.0, 3.0, None)
    assert given == {"IbSettings": {"wait": 3}, "Other": {"wait": -1}}
    IbSettings(config=given)


def test_a_wrong_value_in_a_configuration_is_found_wherever_it_stands():
    """In a section of its own or in that of what has these settings."""
    given = Config({"Shell": {"IbSettings": {"guard": "no", "wait": 1}}, "IbSettings": {}})
    (line,) = IbSettings.drop_refused(given)
    assert line == "IbSettings.guard = 'no' was refused: it takes True or False"
    assert given["Shell"]["IbSettings"] == {"wait": 1}


class Crashed(NotebookLeases):
    """The leases of a notebook whose last kernel died with every ID."""

    def crashed_with(self, address):
        """Say so."""
        return address == ADDRESS


ADDRESS = ("127.0.0.1", 4002, 5)


@pytest.mark.parametrize(("text", "seconds"), [(None, 90), ("10", 10), ("0", 0), ("90", 90)])
def test_a_wait_that_is_set_is_not_prolonged(monkeypatch, text, seconds):
    """After a crash it is 90 seconds if nothing is set, whatever the usual time is."""
    if text is not None:
        monkeypatch.setenv("IBNB_WAIT", text)
    app = App(settings())
    app.session.use(leases=Crashed())
    assert app.planner.usual_wait(ADDRESS) == seconds
    assert app.planner.usual_wait(("127.0.0.1", 4002, 6)) == (10 if text is None else seconds)
    app.settings.wait = 10
    assert app.planner.usual_wait(ADDRESS) == 10
    app.settings.wait = None
    assert app.planner.usual_wait(ADDRESS) == 90


def asked(wish, **given):
    """Return what an app with these settings would ask in a diagnosis."""
    return App(settings(**given)).planner.question(wish)


def test_an_option_beats_the_settings():
    """What a line says counts before everything else."""
    given = {"target": "5001", "client_id": "5", "timeout": 7.0, "expect": "live"}
    question = asked(ConnectOptions("127.0.0.1:5002", "paper", 6, timeout=8.0), **given)
    (target,) = question.candidates
    assert (target.port, target.expects) == (5002, "paper")
    assert (question.client_id, question.timeout) == (6, 8.0)


def test_settings_count_where_no_option_was_given():
    """The rest comes from the settings."""
    given = {"target": "5001", "client_id": "5", "timeout": 7.0, "expect": "live"}
    question = asked(ConnectOptions(), **given)
    (target,) = question.candidates
    assert (target.port, target.expects) == (5001, "live")
    assert (question.client_id, question.timeout) == (5, 7.0)


def test_client_id_zero_can_be_asked_for():
    """0 is a client ID, and not the absence of one, from either side."""
    assert asked(ConnectOptions("5001", client_id=0)).client_id == 0
    assert asked(ConnectOptions("5001"), client_id="0").client_id == 0


def test_a_terminal_diagnoses_with_ids_of_its_own():
    """From 900 to 999: none that a notebook gets."""
    assert asked(ConnectOptions("5001")).client_id in range(900, 1000)


@pytest.mark.parametrize("seconds", [-1, 0, 3601, float("nan"), "soon"])
def test_a_time_limit_that_makes_no_sense(seconds):
    """From Python as from a terminal: refused, and not taken for the default."""
    with pytest.raises(BadInputError, match="timeout"):
        asked(ConnectOptions("5001", timeout=seconds))


def test_a_port_may_be_a_number():
    """`ibnb.connect(4002)` means what `%ibconnect 4002` means."""
    assert asked(ConnectOptions(5001)).candidates[0].port == 5001


@pytest.mark.parametrize(
    "text",
    [
        "redis://anna:hunter2@store.example:6379/0?x=1#fragment",
        "http://anna:hunter2@store.example/0",
        "redis://anna:hunter2@store.example:port/0",
        "redis://anna:hunter2@store.example/zero",
        "redis://anna:hunter2@/0",
        "redis://anna:hunter2/2@store.example",
    ],
)
def test_a_refused_store_is_refused_without_its_credentials(text):
    """What is wrong with it may be shown to anybody."""
    with pytest.raises(TraitError) as raised:
        settings(leases=text)
    assert "IbSettings.leases" in str(raised.value)
    for secret in ("anna", "hunter2"):
        assert secret not in f"{raised.value!r}"


def test_a_stores_credentials_are_in_no_text():
    """However the setting is looked at."""
    made = settings(leases="rediss://anna:hunter2@store.example:7000/0")
    shown = f"{made.leases} {made.leases!r} {made.class_get_help(made)} {[made.leases]}"
    assert "rediss://store.example:7000/0" in shown
    for secret in ("anna", "hunter2"):
        assert secret not in shown
    assert "hunter2" in made.leases.reveal()
