"""Every setting once, from the environment, a configuration, or an option."""

import pytest
from traitlets import TraitError
from traitlets.config import Config

from ibnb.app import App
from ibnb.session import BadInputError
from ibnb.settings import IbSettings, apply_environment
from ibnb.wishes import Wish

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
    "state_dir": ("/somewhere", "/somewhere"),
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


@pytest.mark.parametrize("value", [0, -1, 3601, float("nan"), "soon"])
def test_config_refuses_a_bad_value(value):
    """`%config IbMagics.timeout = ...` keeps the value that was there."""
    made = settings()
    with pytest.raises(TraitError):
        made.timeout = value
    assert made.timeout == 5.0


def asked(wish, **given):
    """Return what an app with these settings would ask in a diagnosis."""
    return App(settings(**given)).question(wish)


def test_an_option_beats_the_settings():
    """What a line says counts before everything else."""
    given = {"target": "5001", "client_id": "5", "timeout": 7.0, "expect": "live"}
    question = asked(Wish("127.0.0.1:5002", "paper", 6, timeout=8.0), **given)
    (target,) = question.candidates
    assert (target.port, target.expects) == (5002, "paper")
    assert (question.client_id, question.timeout) == (6, 8.0)


def test_settings_count_where_no_option_was_given():
    """The rest comes from the settings."""
    given = {"target": "5001", "client_id": "5", "timeout": 7.0, "expect": "live"}
    question = asked(Wish(), **given)
    (target,) = question.candidates
    assert (target.port, target.expects) == (5001, "live")
    assert (question.client_id, question.timeout) == (5, 7.0)


def test_client_id_zero_can_be_asked_for():
    """0 is a client ID, and not the absence of one, from either side."""
    assert asked(Wish("5001", client_id=0)).client_id == 0
    assert asked(Wish("5001"), client_id="0").client_id == 0


def test_a_terminal_diagnoses_with_ids_of_its_own():
    """From 900 to 999: none that a notebook gets."""
    assert asked(Wish("5001")).client_id in range(900, 1000)


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({"expect": "demo"}, "paper or live"),
        ({"client_id": "x"}, "2147483647"),
        ({"target": "moon"}, "HOST:PORT"),
        ({"library": "ibapi"}, "ib_insync or ib_async"),
    ],
)
def test_a_setting_that_makes_no_sense_is_told_when_it_is_used(given, accepted):
    """In one line that says what is accepted."""
    with pytest.raises(BadInputError, match=accepted):
        asked(Wish(), **{"target": "5001", **given})


@pytest.mark.parametrize("seconds", [-1, 0, 3601, float("nan"), "soon"])
def test_a_time_limit_that_makes_no_sense(seconds):
    """From Python as from a terminal: refused, and not taken for the default."""
    with pytest.raises(BadInputError, match="timeout"):
        asked(Wish("5001", timeout=seconds))


def test_a_port_may_be_a_number():
    """`ibnb.connect(4002)` means what `%ibconnect 4002` means."""
    assert asked(Wish(5001)).candidates[0].port == 5001
