"""The verdict on a gateway is the same every time, and the gateway is none the worse for it.

`IBNB_SOAK=1000` looks at each gateway 20 times; without it fewer looks are taken.
`make soak` runs it.
"""

import os

import pytest
from gateways import BY_FACTS, LASTING, OF_A_FAULT
from servers import LOOPBACK, Server

from ibnb.diagnostics import Diagnostician, Question
from ibnb.simulator import SimulatedGateway
from ibnb.tws.target import Target

pytestmark = pytest.mark.soak
RUNS = max(2, int(os.environ.get("IBNB_SOAK", "100")) // 50)
UNGREETED = {"handshake-silent", "closed-before-version", "not-a-gateway"}
"""Verdicts on gateways that never say enough for a handshake to be finished."""
WAITED_OUT = {"handshake-silent", "not-ready"}
"""Verdicts on gateways of which nothing more comes."""
PATIENCE = 60.0


def diagnose(port, expected):
    """Diagnose a port of this machine, in this process; return the verdict's id.

    What ends by itself has much time, on a busy machine too.
    """
    timeout = 1.0 if expected in WAITED_OUT else 20.0
    question = Question((Target(LOOPBACK, port, "paper"),), client_id=900, timeout=timeout)
    report = Diagnostician().start(question, None, None).result(PATIENCE)
    return report.verdict.id


@pytest.mark.parametrize(("script", "verdict"), BY_FACTS.values(), ids=BY_FACTS)
def test_the_verdict_never_changes(script, verdict):
    """Look after look: the same verdict, one connection each, and none left half-finished."""
    for _ in range(RUNS):
        with Server(script) as server:
            assert diagnose(server.port, verdict) == verdict
            client = server.only_client()
        assert (client.started_with is not None) == (verdict not in UNGREETED)


@pytest.mark.parametrize(("fault", "verdict"), OF_A_FAULT.items())
def test_a_broken_simulated_gateway_is_left_as_it_was(fault, verdict):
    """Look after look: the same verdict, one connection each, completed where it can be."""
    for _ in range(RUNS):
        with SimulatedGateway(faults=[LASTING.get(fault, fault)]) as gateway:
            assert diagnose(gateway.port, verdict) == verdict
            assert gateway.wait_for(lambda: gateway.open_clients == ())
            assert gateway.connections_accepted == 1
            assert gateway.handshakes_unfinished == (1 if fault == "silent" else 0)
