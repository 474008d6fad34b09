"""A login may be any word: it goes from what others wrote, and our sentences stay whole."""

import json
import time
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import pytest
from diagnosing import attempt, context

from ibnb.diagnostics import Check, Report, Result, Verdict
from ibnb.diagnostics.bundle import Bundle, without_names, write_bundle
from ibnb.diagnostics.checks import api, env, files, net, session
from ibnb.diagnostics.engine.runner import run_checks
from ibnb.diagnostics.sanitise import presentable_health
from ibnb.session import Health
from ibnb.session.client_ids.lease import SharedLease
from ibnb.session.client_ids.owners import find_holders
from ibnb.session.reconnect.disconnects import Loss
from ibnb.tws import accounts
from ibnb.tws.launcher_log import LoginPhase
from ibnb.tws.notices import Notice
from ibnb.tws.sockets import Listener, PortUse, SocketClient
from ibnb.tws.story import tell
from ibnb.ui.html import report_html
from ibnb.ui.text import report_text

NOBODY = "zz-nobody"
"""A login that is in no text here."""
WORDS = ("port", "error", "process", "connection", "listens", "ready", "second", "java", "anna")
"""Logins; all but the last are words that we use."""
EVERYBODY = ("gateway", "admin", "ib")
"""Logins that are the same on thousands of machines: they tell of nobody, and stay."""
NOW = time.time()
CHECKS = (*api.CHECKS, *env.CHECKS, *session.CHECKS[:4])


@pytest.fixture
def login(monkeypatch):
    """Return what gives this process's user a name."""

    def be(name):
        for variable in ("LOGNAME", "USER", "USERNAME"):
            monkeypatch.setenv(variable, name)

    be(NOBODY)
    return be


def quoting(name):
    """Return an attempt with a name in each text that came from the gateway."""
    said = f"{name} may not: /home/{name}/Jts, user={name}, {name}@example.com, {name}s"
    farm = f"Market data farm is broken:{name}"
    return replace(
        attempt((2103, farm), (1100, f"{said}."), accounts=("DU1234567",)),
        server_time=f"20261127 10:00:00 {name}",
        beginning=f"HTTP {name}".encode(),
    )


async def forms(found, **more):
    """Return a report in every form in which it is shown."""
    lost = Loss(NOW, ("127.0.0.1", 4002, 7), 1.0, "the other side closed the socket", None)
    made = context(found, losses=(lost,), health=Health("lost", changed_at=1.0, **more))[0]
    report = await run_checks(CHECKS, made)
    # How long each check took is of no interest here.
    report = replace(report, results=tuple(replace(one, seconds=0.0) for one in report.results))
    report = replace(report, seconds=0.0, at=0.0)
    told = json.dumps(report.to_dict(), ensure_ascii=False)
    # Where a line of text is broken depends on how long a name is.
    return told, report_html(report), " ".join(report_text(report).split())


@pytest.mark.parametrize("name", [*WORDS, *EVERYBODY])
async def test_a_report_that_quotes_no_login_is_the_same_for_every_login(login, name):
    """Whatever the user is called: not a word of ours goes, nor a value that rules compare."""
    expected = await forms(attempt((1100, "lost")))
    login(name)
    assert await forms(attempt((1100, "lost"))) == expected


@pytest.mark.parametrize("name", WORDS)
async def test_a_login_goes_from_all_that_a_gateway_said(login, name):
    """The report is, but for the name itself, the one on a gateway that names somebody else."""
    login("zz-other")
    expected = await forms(quoting("zz-other"))
    login(name)
    shown = await forms(quoting(name))
    assert shown == tuple(form.replace("zz-others", f"{name}s") for form in expected)
    assert all("<user>" in form or "&lt;user&gt;" in form for form in shown)
    assert all(f"{name}s" in form for form in shown), "a part of a word is not that name"


@pytest.mark.parametrize("name", EVERYBODY)
async def test_a_login_that_everybody_has_goes_where_its_place_tells_what_it_is(login, name):
    """In a path, behind a key and before a host it is a login; by itself it is a word."""
    login(name)
    for form in await forms(quoting(name)):
        assert f"/home/{name}" not in form
        assert f"user={name}" not in form
        assert f"{name}@" not in form
        assert f"{name} may not" in form


@pytest.mark.parametrize("name", WORDS)
async def test_a_login_goes_from_what_programs_are_called(login, monkeypatch, name):
    """From a command line's script and a listener's name; a program that rules know by it stays."""
    login(name)
    client = SocketClient(11, "python", None, f"python ({name}.py)")
    use = PortUse(4002, 1, 0, (client,))
    found = (Listener(4002, "127.0.0.1", 11, name),)
    seen = SimpleNamespace(found=found, on=lambda _port: found, complete=True)
    monkeypatch.setattr(net, "port_use", lambda *_: use)
    monkeypatch.setattr(net, "listening", lambda *_: seen)
    made = context()[0]
    who = "java" if name == "java" else "<user>"
    listens = await net.port(made)
    assert listens.summary == f"{who} (process 11) listens on port 4002."
    assert listens.evidence["listening"][0]["name"] == who
    assert (await net.clients(made)).evidence["clients"] == ["python (<user>.py) (1)"]


@pytest.mark.parametrize("name", WORDS)
def test_a_login_goes_from_what_a_log_quotes(login, name):
    """The reason in a login log is the gateway's; what the phase means is ours."""
    login(name)
    phase = LoginPhase("refused", reason=f"No more tries for {name}.")
    told = files._told(phase)
    assert "was refused" in told.summary
    assert "“No more tries for <user>”" in told.summary
    assert told.evidence["reason"] == "No more tries for <user>."


@pytest.mark.parametrize("name", WORDS)
async def test_a_login_goes_from_what_a_check_raised(login, name):
    """An error's text may hold an environment variable, a path or a command line."""
    login(name)

    async def crashing(_context):
        raise OSError(f"LOGNAME={name} in '{name} --config /home/{name}/config.ini'")

    checks = (Check("env.loop", "The loop works", "environment", crashing),)
    (result,) = (await run_checks(checks, context()[0])).results
    whole = "LOGNAME=<user> in '<user> --config /home/<user>/config.ini'"
    assert result.summary == f"The check itself failed: OSError: {whole}"


@pytest.mark.parametrize("variable", ["JUPYTERHUB_USER", "SUDO_USER", "HOME", "USERPROFILE"])
async def test_a_login_is_known_from_each_variable_that_names_it(login, monkeypatch, variable):
    """A container's user is root; who works in it is told by the variables of its server."""
    login("root")
    folder = {"HOME": "/somewhere/anna", "USERPROFILE": r"C:\somewhere\anna"}
    monkeypatch.setenv(variable, folder.get(variable, "anna"))
    for form in await forms(attempt((1100, "anna may not"))):
        assert "anna" not in form


@pytest.mark.parametrize("name", WORDS)
def test_a_login_goes_from_the_holder_of_an_id(login, name):
    """From its notebook's path, its user and its machine; that it is a process stays said."""
    login(name)
    lease = SharedLease(
        *("127.0.0.1", 4002, 7, f"/srv/{name}/plan.ipynb", 1, 1.0, name, f"{name}.example", 1.0)
    )
    store = SimpleNamespace(find=lambda *_: (lease,), seats=lambda *_: (lease,), is_shared=True)
    made = context(leases=store, client_id=7)[0]
    (holder,) = find_holders(made.target, 7, store, said=made.said).found
    told = holder.text.partition(", since")[0]
    assert told == "notebook /srv/<user>/plan.ipynb of <user> (process 1 on <user>.example"
    assert f"1 seat of the team: {told}" in net._tell_seats(store.seats())


@pytest.mark.parametrize("name", ["connection", "port", "anna"])
def test_a_login_goes_from_a_reason_that_quotes_a_notice(login, name):
    """The session words the reason; the notice in it is the gateway's."""
    login(name)
    failed = attempt((326, f"The connection of {name} has it."), ending="closed")
    health = Health("lost", reason=f"the connection was closed: {tell(failed)}")
    shown = presentable_health(health, failed)
    assert shown.reason.startswith("the connection was closed: 127.0.0.1:4002 refused client ID 7")
    of = "The <user> of <user> has it" if name == "connection" else "of <user> has it"
    assert of in shown.reason


HELD = "notebook /srv/hyrule/x.ipynb of port (process 4 on listens, since 27 Nov 10:00)"
HIDDEN = "notebook /srv/<name>/x.ipynb of <name> (process 4 on <name>, since 27 Nov 10:00)"


async def never(_context):
    """Stand where a check's work would be."""
    raise AssertionError


def of_a_team():
    """Return a report that names the holder of an ID, as the user himself may read it."""
    told = f"Client ID 7 is held by {HELD}."
    sentence = f"python listens on port 4002. {told}"
    evidence = {"clients": [HELD], "holder": "port", "port": 4002}
    return Report(
        context()[0].target,
        Verdict("client-id-in-use", "The ID is in use", "error", sentence, (f"Ask {HELD}.",)),
        (Result("net.port", "warn", sentence, evidence, None, (f"Ask {HELD}.",), detail=told),),
        (Check("net.port", "It listens", "network", never),),
        0.1,
    )


COLLEAGUES = ("hyrule", "port", "listens")


def test_the_name_of_another_user_goes_from_a_bundle_and_our_words_stay(login, tmp_path):
    """A colleague called port, on a machine called listens: where they are quoted, they go."""
    login("port")
    report = of_a_team()
    shown = without_names(report, COLLEAGUES)
    (result,) = shown.results
    assert result.summary == f"python listens on port 4002. Client ID 7 is held by {HIDDEN}."
    assert result.detail == f"Client ID 7 is held by {HIDDEN}."
    assert result.evidence == {"clients": [HIDDEN], "holder": "port", "port": 4002}
    assert (shown.verdict.summary, *shown.verdict.fix) == (result.summary, f"Ask {HIDDEN}.")
    notice = Notice(2104, f"{HELD} of port")
    lost = Health("lost", reason=f"port: the last notice was 2104, {notice.text!r}")
    files = write_bundle(
        tmp_path / "bundle.zip",
        Bundle(
            report,
            report_text(shown),
            {"platform": "port-1"},
            replace(lost, notices=(notice,)),
            notices=[notice],
            requests=[{"method": "reqMktData", "parameters": {"port": "port"}}],
            gateway={"host.logs": {"logs": [{"name": f"{HELD} log", "port": 1}]}},
            names=COLLEAGUES,
        ),
    )
    text = "".join(_read(tmp_path / "bundle.zip", file.name) for file in files)
    assert "hyrule" not in text
    assert "of port" not in text
    assert "process 4 on listens" not in text
    assert "listens on port 4002" in " ".join(text.split())
    assert '"reason": "port: the last notice was 2104, ' in text
    assert text.count('"port": ') >= 3


def _read(path, name):
    with zipfile.ZipFile(path) as bundle:
        return bundle.read(name).decode()


def test_an_account_called_like_a_word_goes_from_what_a_gateway_said(monkeypatch):
    """And stays in what we say of it; here a gateway lists one called listens."""
    known = accounts.KnownAccounts()
    known.add(["listens"])
    monkeypatch.setattr(accounts, "_known", known)
    made = context()[0]
    assert made.said("order of Listens") == "order of Li•••ns"
