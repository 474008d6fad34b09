"""Advice fits its situation: every page that can be shown, in every situation there is.

The situations are real ones: an app that connected to a simulated gateway, was refused, was
disconnected, lost its socket. The pages are all of the catalogue.
"""

import asyncio
import contextlib
import importlib
import re

import pytest

from ibnb.app import App
from ibnb.context import NotebookContext
from ibnb.knowledge import Situation, catalogue
from ibnb.options import ConnectOptions
from ibnb.session import ConnectFailed
from ibnb.session.guard import Guard
from ibnb.settings import IbSettings
from ibnb.simulator import SimulatedGateway
from ibnb.situations import diagnosed

MAGIC = re.compile(r"%(?:ib\w+|load_ext|reload_ext|unload_ext|config|pip)\b")
OF_A_TERMINAL = re.compile(r"\bibnb (?:diag|explain|sim|demo)\b|(?<!%)\bpip install")
CONNECT = re.compile(r"%ibconnect((?: (?:--[a-z-]+(?: [\w.]+)?|[\w.\[\]:]+))*)")
OPTION = re.compile(r"--(?:readonly|resume|trade)\b|--[a-z-]+ [\w.-]*\w")
TARGET = re.compile(r"\b(?:sim|PORT|paper|live|\d{2,5}|[\w.-]+:\d{2,5})\b")


class Notebook:
    """An app as a notebook has it, without the notebook: its `ib` is what was connected last."""

    def __init__(self, library, **place):
        self.library = library
        self.module = importlib.import_module(library)
        self.ib = None
        self.guard = None
        options = {"has_magics": True, "at_hand": lambda: self.ib, "name": lambda: "ib"} | place
        self.app = App(IbSettings(library=library), NotebookContext("a.ipynb", **options))

    async def connect(self, target=None, **wish):
        """Do as `%ibconnect`."""
        opened = await self.app.connect_async(ConnectOptions(target, **{"wait": 0, **wish}))
        self.ib = opened.connection.ib
        return opened

    async def refused(self, target, **wish):
        """Do as `%ibconnect`, which fails."""
        with pytest.raises(ConnectFailed) as raised:
            await self.connect(target, **wish)
        return raised.value


@pytest.fixture
async def notebook(library, monkeypatch, tmp_path):
    """A notebook's app, closed at the end."""
    monkeypatch.setenv("IBNB_STATE_DIR", str(tmp_path))
    made = Notebook(library)
    yield made
    if made.guard is not None:
        made.ib.disconnect()
        made.guard.leave()
    await made.app.session.disconnect()


async def opened(notebook, gateway, _refused_port):
    """Connected."""
    await notebook.connect(str(gateway.port), expect="paper")
    return f"{gateway.port} --expect paper"


async def opened_otherwise(notebook, gateway, _refused_port):
    """Connected with a client ID and under a name that were asked for."""
    await notebook.connect(f"localhost:{gateway.port}", client_id=41, name="trader")
    return f"localhost:{gateway.port} --client-id 41 --name trader"


async def refused(notebook, _gateway, refused_port):
    """Nothing listens where `%ibconnect` went."""
    await notebook.refused(refused_port)
    return str(refused_port)


async def refused_live(notebook, _gateway, refused_port):
    """Nothing listens, and live was asked for."""
    await notebook.refused(f"127.0.0.1:{refused_port}", expect="live")
    return f"{refused_port} --expect live"


async def closed(notebook, gateway, _refused_port):
    """Closed by `%ibdisconnect`."""
    await notebook.connect(gateway.port)
    await notebook.app.session.disconnect()
    return str(gateway.port)


async def lost(notebook, gateway, _refused_port):
    """The socket was lost, and nothing resumes it."""
    notebook.app.settings.auto_resume = False
    connection = (await notebook.connect(gateway.port)).connection
    gone = asyncio.Event()
    notebook.app.session.listeners.append(gone.set)
    gateway.drop_clients()
    await asyncio.wait_for(gone.wait(), 20)
    assert connection.state == "lost"
    return str(gateway.port)


async def replaced(notebook, gateway, _refused_port):
    """A rerun took the place of the `ib` that a cell kept."""
    old = (await notebook.connect(gateway.port)).connection.ib
    await notebook.connect(gateway.port)
    assert notebook.app.situation(ib=old).ib == "replaced"
    return str(gateway.port)


async def locked(notebook, gateway, _refused_port):
    """A live account, without --trade."""
    gateway.set_faults(["live-account"])
    await notebook.connect(gateway.port, expect="live")
    return f"{gateway.port} --expect live"


async def raw(notebook, gateway):
    """Connect with code of the user's own, under a guard."""
    guard = Guard(
        notebook.app.session,
        enabled=lambda: True,
        wait=lambda _address: 0.0,
        waiting=lambda: contextlib.nullcontext(lambda _waiting: None),
        reachable=tuple,
    )
    guard.enter()
    notebook.guard = guard
    notebook.ib = notebook.module.IB()
    await notebook.ib.connectAsync("127.0.0.1", gateway.port, 7)
    return f"{gateway.port} --client-id 7"


async def raw_opened(notebook, gateway, _refused_port):
    """The user's own code connected."""
    return await raw(notebook, gateway)


async def raw_closed(notebook, gateway, _refused_port):
    """The user's own code connected, and disconnected."""
    target = await raw(notebook, gateway)
    known = asyncio.Event()
    notebook.app.session.listeners.append(known.set)
    notebook.ib.disconnect()
    await asyncio.wait_for(known.wait(), 20)
    return target


async def raw_lost(notebook, gateway, _refused_port):
    """The user's own code connected, and lost its socket."""
    target = await raw(notebook, gateway)
    gone = asyncio.Event()
    notebook.ib.disconnectedEvent += gone.set
    gateway.drop_clients()
    await asyncio.wait_for(gone.wait(), 20)
    return target


async def raw_refused(notebook, _gateway, refused_port):
    """Nothing listens where the user's own code went."""
    with SimulatedGateway() as gateway:
        await raw(notebook, gateway)
        notebook.ib.disconnect()
    with pytest.raises(ConnectFailed):
        await notebook.module.IB().connectAsync("127.0.0.1", refused_port, 7)
    return f"{refused_port} --client-id 7"


async def never(_notebook, _gateway, _refused_port):
    """Nothing was connected yet."""
    return ""


async def in_a_terminal(notebook, _gateway, refused_port):
    """A script or a terminal, where no magic works."""
    notebook.app.context.has_magics = False
    await notebook.refused(refused_port)
    return str(refused_port)


SITUATIONS = [
    *(opened, opened_otherwise, refused, refused_live, closed, lost, replaced, locked, never),
    *(raw_opened, raw_closed, raw_lost, raw_refused, in_a_terminal),
]


@pytest.fixture(params=SITUATIONS, ids=lambda made: made.__name__)
async def case(request, notebook, gateway, refused_port):
    """A situation, and how `%ibconnect` is told the target in it."""
    target = await request.param(notebook, gateway, refused_port)
    return notebook.app.situation(), target


def shown(situation):
    """Yield every page with every step that it has in a situation, after a diagnosis too."""
    for known in (situation, diagnosed(situation)):
        for entry in catalogue().entries:
            yield known, entry, known.choose(entry.steps)


async def test_no_step_is_of_another_kind_of_shell(case):
    """No magic in a terminal, no command of a terminal in a notebook."""
    situation, _ = case
    wrong = OF_A_TERMINAL if situation.place == "notebook" else MAGIC
    for _, entry, steps in shown(situation):
        assert [step for step in steps if wrong.search(step)] == [], entry.id


async def test_no_step_names_another_target(case):
    """What `%ibconnect` is given is the target at hand, whole, or the simulated gateway."""
    situation, target = case
    assert situation.target == target
    for _, entry, steps in shown(situation):
        for step in steps:
            for arguments in CONNECT.findall(step):
                named = TARGET.findall(OPTION.sub("", arguments))
                allowed = {"sim", "PORT", *target.split()[:1]}
                assert {*named} <= allowed or not target, (entry.id, step)


async def test_no_step_names_a_command_that_just_failed(case):
    """After `%ibconnect` failed, it is not told again; after a diagnosis, no other one is."""
    situation, target = case
    failed = {"", target, *target.split()[:1]} if situation.tried else set()
    assert bool(failed) == (situation.session == "failed" and situation.opener == "ibnb")
    for known, entry, steps in shown(situation):
        for step in steps:
            for arguments in CONNECT.findall(step):
                options = OPTION.findall(arguments)
                named = " ".join([*TARGET.findall(OPTION.sub("", arguments)), *options])
                assert named not in failed, (entry.id, step)
            if known.tried >= {"%ibdiag"}:
                assert not re.search(r"%ibdiag(?! --)|`ibnb diag`", step), (entry.id, step)


async def test_something_is_left_to_do(case):
    """Every page of a trouble still says what to do, and with no blank in it."""
    situation, _ = case
    for _, entry, steps in shown(situation):
        assert steps or entry.severity == "info", entry.id
        assert not any(re.search(r"\{(?:\w+)[ |}]", step) for step in steps), entry.id


RULED_OUT = {
    "open": {"stale-connection": r"%ibconnect"},
    "closed": {"not-connected": r"resum|lost|auto_resume|ibnb diag|%ibdiag|^Use the connection"},
    "failed": {"client-id-in-use": r"%load_ext|connect with %ibconnect"},
    "never": {"not-connected": r"^Use the connection that is open"},
    "lost": {"not-connected": r"^Open it again|closed on purpose"},
}


async def test_no_step_is_about_what_is_ruled_out(case):
    """What the state of the connection rules out is not advised, nor talked of."""
    situation, _ = case
    for _, entry, steps in shown(situation):
        banned = RULED_OUT.get(situation.session, {}).get(entry.id)
        assert not banned or not [one for one in steps if re.search(banned, one)], entry.id


async def test_the_current_ib_is_named_with_its_address(notebook, gateway):
    """Whoever uses a replaced `ib` is told which one is open, and not to replace that."""
    old = (await notebook.connect(gateway.port, client_id=41)).connection.ib
    await notebook.connect(gateway.port, client_id=41)
    situation = notebook.app.situation(ib=old)
    first = situation.choose(catalogue().by_id("stale-connection").steps)[0]
    assert f"ib (127.0.0.1:{gateway.port} as client ID 41)" in first
    assert "%ibconnect" not in first


async def test_of_two_connections_the_lost_one_is_told_of(notebook, gateway):
    """One's own that was lost beside an open session: that is not a replacement for it."""
    with SimulatedGateway() as other:
        await raw(notebook, other)
        own = notebook.ib
        await notebook.connect(gateway.port)
        gone = asyncio.Event()
        own.disconnectedEvent += gone.set
        other.drop_clients()
        await asyncio.wait_for(gone.wait(), 20)
        situation = notebook.app.situation(ib=own)
        assert situation.target == f"{other.port} --client-id 7"
        assert (situation.session, situation.ib, situation.opener) == ("open", "lost", "code")
        steps = situation.choose(catalogue().by_id("not-connected").steps)
        assert steps[0].startswith("Connections that your own code opened are not resumed")
        assert str(gateway.port) not in " ".join(steps)


async def test_the_way_to_unlock_names_this_very_target(notebook, gateway, refused_port):
    """Also if another opening failed since; and the ID that was asked for stays."""
    gateway.set_faults(["live-account"])
    opened = await notebook.connect(gateway.port, expect="live", client_id=41)
    await notebook.refused(refused_port)
    situation = notebook.app.situation(about=opened.connection.plan.target)
    steps = situation.choose(catalogue().by_id("orders-locked").steps)
    command = f"%ibconnect {gateway.port} --client-id 41 --expect live --trade"
    assert any(command in step for step in steps)


async def test_the_users_own_connect(notebook, gateway, refused_port):
    """What failed was not `%ibconnect`: that is a way to go on, to the same place and ID."""
    target = await raw_refused(notebook, gateway, refused_port)
    steps = notebook.app.situation().choose(catalogue().by_id("connect-timeout").steps)
    assert any(f"%ibconnect {target}:" in step for step in steps)


@pytest.mark.parametrize(
    ("made", "first", "banned"),
    [
        (closed, "Open it again: %ibconnect", "resume|lost|your own code"),
        (raw_closed, "Open it again with the cell that connects", "resume|lost|%ibconnect"),
        (lost, "After a lost socket ibnb resumes", "your own code"),
        (raw_lost, "Connections that your own code opened are not resumed", "resumes|--resume"),
    ],
)
async def test_what_became_of_the_ib(notebook, gateway, made, first, banned):
    """Closed or lost, the session's or one's own: each is told what brings it back."""
    await made(notebook, gateway, 0)
    steps = notebook.app.situation().choose(catalogue().by_id("not-connected").steps)
    assert steps[0].startswith(first)
    assert not [step for step in steps if re.search(banned, step)]


async def test_without_any_gateway_the_simulated_one_is_offered(notebook, refused_port):
    """As the last way to go on; and not if a gateway runs, nor if it is what just failed."""
    error = await notebook.refused(refused_port)
    entry = error.explanation.entry
    assert entry.id == "connection-refused"
    here = notebook.app.situation()
    assert "%ibconnect sim" in here.choose(entry.steps)[-1]
    running = Situation(place="notebook", gateway="running")
    assert not any("%ibconnect sim" in step for step in running.choose(entry.steps))


@pytest.mark.parametrize("target", [None, "paper"])
async def test_the_usual_ports_that_refused_are_not_named(notebook, target, monkeypatch):
    """`%ibconnect` tried 4002 and 7497: neither word nor port is advice then."""
    import ibnb.tws.target as targets

    with SimulatedGateway() as one, SimulatedGateway() as other:
        ports = (one.port, other.port)
    monkeypatch.setattr(targets, "WELL_KNOWN", dict.fromkeys(ports, ("paper", "Gateway")))
    notebook.app.settings.target = "paper"
    await notebook.refused(target)
    tried = notebook.app.situation().tried
    assert {f"%ibconnect {port}" for port in ports} <= tried
    assert "%ibconnect paper" in tried
    assert "%ibconnect" in tried
