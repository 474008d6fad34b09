"""The names that others rely on: a change here is a change for users, or for another room."""

import importlib
import inspect

import pytest

import ibnb

VERBS = [
    *("connect", "connect_async", "diagnose", "diagnose_async", "disconnect", "explain"),
    *("explain_async", "guard", "health"),
    *("load_ipython_extension", "unload_ipython_extension"),
]
ROOMS = {
    "tws": [
        *("Attempt", "BadTargetError", "Code", "Ending", "Expectation", "Handshake", "Link"),
        *("Notice", "Stage", "Target", "cause", "is_paper", "link_after", "mask", "mask_in"),
        *("parse_target", "wrong_environment"),
    ],
    "knowledge": [
        *("Answer", "Asked", "Catalogue", "CatalogueError", "Entry", "EntryCheck", "Explanation"),
        *("Parameter", "Severity", "Situation", "Step", "UnknownQueryError", "catalogue"),
        *("completions", "explain", "severity_of"),
    ],
    "simulator": [
        *("BadClockError", "ControlPort", "ControlUnavailableError", "FAULTS", "PortTakenError"),
        *("Request", "Scenario", "ScenarioError", "SimulatedGateway", "SimulatorFailedError"),
        *("SimulatorProcess", "UnknownFaultError", "UnknownRequestError", "VERBS", "VerbError"),
        *("check_faults", "read_scenario", "run", "start_simulator"),
    ],
    "session": [
        *("BadInputError", "BlockingInHandler", "BlockingOnThread", "Closed", "ConnectFailed"),
        "Connection",
        "Health",
        "IbnbError",
        *("NoLibraryError", "Opened", "OrdersLocked", "Plan", "Session", "StaleConnection"),
        *("Waiting", "parse_client_id", "stable_client_id"),
    ],
    "diagnostics": [
        *("CHECKS", "Check", "Diagnosis", "Diagnostician", "Item", "Observer", "Question"),
        *("Report", "Result", "Verdict", "checklist", "checks_for", "explain_verdict"),
        *("first_unmet", "with_answers"),
    ],
}


def test_the_verbs():
    """What `import ibnb` gives."""
    assert ibnb.__all__ == VERBS
    assert all(callable(getattr(ibnb, name)) for name in VERBS)


@pytest.mark.parametrize("room", ROOMS)
def test_the_names_that_a_room_hands_out(room):
    """Each is there, and the list is in order."""
    module = importlib.import_module(f"ibnb.{room}")
    assert sorted(module.__all__) == sorted(ROOMS[room])
    assert all(hasattr(module, name) for name in ROOMS[room])


@pytest.mark.parametrize("verb", ["connect", "diagnose"])
def test_the_async_form_takes_the_same_arguments(verb):
    """With the same names, kinds and defaults."""
    plain = inspect.signature(getattr(ibnb, verb))
    asynchronous = inspect.signature(getattr(ibnb, f"{verb}_async"))
    assert plain.parameters == asynchronous.parameters
    assert inspect.iscoroutinefunction(getattr(ibnb, f"{verb}_async"))


def test_the_arguments_of_connecting():
    """All but the target by name, and nothing is chosen unless said."""
    parameters = inspect.signature(ibnb.connect).parameters
    assert list(parameters) == [
        *("target", "client_id", "account", "expect", "timeout", "wait", "readonly", "resume"),
        *("trade", "library"),
    ]
    assert all(
        one.kind is inspect.Parameter.KEYWORD_ONLY
        for name, one in parameters.items()
        if name != "target"
    )
    flags = {"resume", "trade"}
    assert {parameters[name].default for name in flags} == {False}
    assert {one.default for name, one in parameters.items() if name not in flags} == {None}
