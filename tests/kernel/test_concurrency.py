"""Several connections, threads and interrupts at once: one socket, and a state that is true."""

from __future__ import annotations

import random

import pytest

from ibnb.simulator import SimulatedGateway

STOPS = 50
PYTHON_311_BUG = "AST constructor recursion depth mismatch"
"""An interrupt within `ast.parse` makes later ones of Python 3.11 fail: the traceback is lost."""
TASKS = "[t for t in __import__('asyncio').all_tasks() if 'onnect' in repr(t)]"


@pytest.mark.parametrize("how", ["magic", "raw"])
def test_loss_of_one_connection_fails_no_call_of_another(notebook, gateway, library, how):
    """A blocking call on one connection goes on when another connection is lost."""
    with SimulatedGateway() as other:
        notebook.run("%load_ext ibnb")
        notebook.run(f"from {library} import IB\nb = IB(); b.connect('127.0.0.1', {other.port}, 8)")
        first = {
            "magic": f"%ibconnect {gateway.port} --library {library} --name a",
            "raw": f"a = IB(); a.connect('127.0.0.1', {gateway.port}, 7)",
        }[how]
        assert notebook.run(first).status == "ok"
        run = notebook.run(
            "import asyncio\nwaiting = a.wrapper.startReq('never')\n"
            "asyncio.get_running_loop().call_later(0.1, a.client.conn.transport.abort)\n"
            "IB.sleep(0.5)\n"
            "print(a.isConnected(), len(b.reqPositions()) > 0, type(waiting.exception()).__name__)"
        )
        assert run.stdout == "False True ConnectionError\n", run.everything


def test_loss_of_the_only_connection_still_ends_a_wait(notebook, gateway, library):
    """With no other connection open, a blocking wait is ended by the loss, as the library does."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"from {library} import IB\n%ibconnect {gateway.port} --library {library}")
    run = notebook.run(
        "import asyncio\n"
        "asyncio.get_running_loop().call_later(0.1, ib.client.conn.transport.abort)\n"
        "IB.sleep(60)"
    )
    assert run.error_name == "ConnectionError", run.everything


def test_wait_on_a_lost_connection_ends(notebook, gateway, library):
    """With another connection open, a wait for an update of the lost one ends too."""
    with SimulatedGateway() as other:
        notebook.run("%load_ext ibnb")
        notebook.run(f"from {library} import IB\nb = IB(); b.connect('127.0.0.1', {other.port}, 8)")
        notebook.run(f"%ibconnect {gateway.port} --library {library}")
        run = notebook.run(
            "import asyncio\n"
            "asyncio.get_running_loop().call_later(0.1, ib.client.conn.transport.abort)\n"
            "while ib.isConnected(): ib.waitOnUpdate()\n"
            "print('ended')"
        )
        assert run.stdout == "ended\n", run.everything


def test_connecting_from_several_threads_and_the_cell(notebook, gateway):
    """Openings from threads and from the cell itself are taken one after the other."""
    notebook.run("%load_ext ibnb\nimport ibnb, threading, asyncio")
    run = notebook.run(
        "made, errors = [], []\n"
        "def work():\n"
        "    try:\n"
        f"        made.append(ibnb.connect('{gateway.port}'))\n"
        "    except Exception as error:\n"
        "        errors.append(repr(error))\n"
        "threads = [threading.Thread(target=work) for _ in range(5)]\n"
        "for thread in threads: thread.start()\n"
        f"made.append(ibnb.connect('{gateway.port}'))\n"
        "while any(thread.is_alive() for thread in threads): await asyncio.sleep(0.01)\n"
        "print(len(made), errors, sum(ib.isConnected() for ib in made))"
    )
    assert run.stdout.splitlines()[-1] == "6 [] 1", run.everything
    assert gateway.max_open_clients == 1
    assert gateway.refused_326 == 0


def test_widget_button_during_a_running_cell(notebook, gateway):
    """A button that connects while a cell runs waits for its turn, and there is one socket."""
    notebook.run("%load_ext ibnb\nimport ibnb, asyncio\nfrom ipywidgets import Button")
    run = notebook.run(
        "button = Button(description='connect')\n"
        f"button.on_click(lambda _: globals().update(clicked=ibnb.connect('{gateway.port}')))\n"
        "asyncio.get_running_loop().call_later(0.01, button.click)\n"
        f"ib = ibnb.connect('{gateway.port}')\n"
        "while 'clicked' not in globals(): await asyncio.sleep(0.01)\n"
        "print(sorted([ib.isConnected(), clicked.isConnected()]))"
    )
    assert run.stdout.splitlines()[-1] == "[False, True]", run.everything
    assert gateway.max_open_clients == 1


def test_wait_for_a_held_id_can_be_stopped(notebook, gateway):
    """The countdown is visible, the stop button ends it, and nothing is left behind."""
    gateway.set_faults(["id-held"])
    notebook.run("%load_ext ibnb")
    sent = notebook.send(f"%ibconnect {gateway.port} --wait 60")
    assert gateway.wait_for(lambda: gateway.refused_326 >= 4, timeout=30)
    run = notebook.stop(sent)
    assert run.error_name == "KeyboardInterrupt"
    assert "is still in use" in run.text
    assert notebook.value(TASKS) == "[]"
    gateway.set_faults([])
    assert notebook.run(f"%ibconnect {gateway.port}").status == "ok"
    assert len(gateway.open_clients) == 1


@pytest.mark.parametrize("way", ["magic", "raw", "held"])
def test_stop_button_at_random_moments(notebook, gateway, library, way):
    """Stopped at any moment of an opening, a wait or a request, nothing is left behind."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import IB")
    connect = {
        "magic": f"%ibconnect {gateway.port} --library {library} --client-id 7",
        "held": f"%ibconnect {gateway.port} --library {library} --client-id 7 --wait 60",
        "raw": f"ib = IB(); ib.connect('127.0.0.1', {gateway.port}, 7)",
    }[way]
    # The kernel stops itself, as the stop button does: at a moment within the opening or after,
    # and, as an impatient user, again. Python drops an interrupt that falls into a weak reference's
    # callback or a `__del__`.
    notebook.run(
        "import contextlib, os, signal, threading\n"
        "@contextlib.contextmanager\n"
        "def stopped(moment):\n"
        "    over = threading.Event()\n"
        "    def stop():\n"
        "        pause = moment\n"
        "        while not over.wait(pause):\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            pause = 10.0\n"
        "    threading.Thread(target=stop).start()\n"
        "    try: yield\n"
        "    finally: over.set()\n"
    )
    if way != "raw":
        connect = f"ib = {connect}"
    if way == "held":
        gateway.set_faults(["id-held"])
    stopping = (
        f"with stopped({{moment}}):\n"
        f"    {connect}\n"
        "    waiting = ib.wrapper.startReq('never')\n"
        "    ib.run(waiting)"
    )
    moments = random.Random(7)  # noqa: S311 - moments, no secrets
    for _ in range(STOPS):
        moment = moments.uniform(0.0, 0.6 if way == "held" else 0.12)
        run = notebook.run(stopping.format(moment=moment), "stopped")
        unshown = PYTHON_311_BUG in run.everything
        assert unshown or run.error_name == "KeyboardInterrupt", run.everything
    assert notebook.value(TASKS) == "[]"
    gateway.set_faults([])
    assert notebook.run(connect, "stopped").status == "ok"
    assert gateway.wait_for(lambda: gateway.open_clients == (7,))
    assert gateway.max_open_clients == 1
    assert notebook.value("ib.isConnected() and len(ib.reqPositions()) > 0") == "True"
