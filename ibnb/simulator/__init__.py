"""A simulated gateway: speaks the TWS API's socket protocol on a real port of this machine."""

from .command import run
from .control import ControlPort, ControlUnavailableError
from .door import PortTakenError
from .faults import FAULTS, UnknownFaultError, check_faults
from .gateway import SimulatedGateway
from .naming import VerbError
from .process import SimulatorFailedError, SimulatorProcess, start_simulator
from .requests import Request, UnknownRequestError
from .scenario import Scenario, ScenarioError, read_scenario
from .verbs import VERBS
from .world.clock import BadClockError

__all__ = [
    "FAULTS",
    "VERBS",
    "BadClockError",
    "ControlPort",
    "ControlUnavailableError",
    "PortTakenError",
    "Request",
    "Scenario",
    "ScenarioError",
    "SimulatedGateway",
    "SimulatorFailedError",
    "SimulatorProcess",
    "UnknownFaultError",
    "UnknownRequestError",
    "VerbError",
    "check_faults",
    "read_scenario",
    "run",
    "start_simulator",
]
