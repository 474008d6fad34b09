"""A simulated gateway: speaks the TWS API's socket protocol on a real port of this machine."""

from .command import run
from .door import PortTakenError
from .faults import FAULTS, UnknownFaultError
from .gateway import SimulatedGateway
from .process import SimulatorFailedError, SimulatorProcess, start_simulator
from .world.clock import BadClockError

__all__ = [
    "FAULTS",
    "BadClockError",
    "PortTakenError",
    "SimulatedGateway",
    "SimulatorFailedError",
    "SimulatorProcess",
    "UnknownFaultError",
    "run",
    "start_simulator",
]
