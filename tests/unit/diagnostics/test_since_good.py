"""What changed since the last good connect: shown under a verdict that it explains alone."""

import json
import time

import pytest
import servers
from diagnosing import context
from gateways import OF_A_FAULT
from servers import Server

from ibnb import cli
from ibnb.app import App
from ibnb.diagnostics import CHECKS, Result
from ibnb.diagnostics.model import Change, Facts
from ibnb.diagnostics.verdict.concluding import concluded
from ibnb.diagnostics.verdict.since_good import EXPLAINING, differences, explained
from ibnb.knowledge import catalogue
from ibnb.options import ConnectOptions
from ibnb.session.records import last_good
from ibnb.session.records.last_good import Known
from ibnb.settings import IbSettings
from ibnb.simulator import SimulatedGateway
from ibnb.support import write_support_bundle
from ibnb.tws.target import Target
from ibnb.ui.html import report_html
from ibnb.ui.text import report_text

HEADING = "Changed since the last good connect"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder of one's own, with a gateway's settings folder in it; returns what writes."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "Jts").mkdir()

    def settings(**values):
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        (tmp_path / "Jts" / "jts.ini").write_text(f"[IBGateway]\n{lines}[Logon]\n{lines}")

    return settings


@pytest.fixture
def app(tmp_path):
    """An app with a state folder of its own."""
    made = App(IbSettings(state_dir=str(tmp_path / "state")))
    yield made
    made.close()


def diagnosed(app, port, **options):
    """Diagnose a port of this machine, and return the report."""
    wished = ConnectOptions(f"127.0.0.1:{port}", "paper", **{"timeout": 5.0, **options})
    return app.start_diagnosis(app.planner.question(wished)).result()


def shown(report):
    """Return the lines of changes in the text of a report, which is what its HTML shows too."""
    text, html = report_text(report), " ".join(report_html(report).split())
    assert (HEADING in text) == (HEADING in html)
    if HEADING not in text:
        return []
    part = text.partition(HEADING)[2].partition("\n\n")[0]
    lines = part.replace("\n    ", " ").splitlines()[1:]
    return [line.removeprefix("  - ") for line in lines]


def subjects(report):
    """Return the subjects of all differences that the JSON of a report has."""
    return {one["subject"] for one in report.to_dict()["since_last_good"]["changes"]}


def test_a_server_version_explains_a_version_that_is_too_old(app, broken_gateway):
    """Found healthy first, and by the same gateway's older version afterwards."""
    gateway = broken_gateway()
    assert diagnosed(app, gateway.port).verdict.id == "healthy"
    gateway.set_faults(["old-version"])
    report = diagnosed(app, gateway.port)
    (line,) = shown(report)
    assert line.startswith("server version: 176 then, ")
    assert report.good_at <= time.time()


def test_a_kind_of_account_explains_a_wrong_environment(app, broken_gateway):
    """Both differences explain it; the accounts are masked, in the file as in the report."""
    gateway = broken_gateway()
    diagnosed(app, gateway.port)
    gateway.set_faults(["live-account"])
    report = diagnosed(app, gateway.port)
    assert report.verdict.id == "wrong-environment"
    accounts, kind = shown(report)
    assert accounts.startswith("accounts: DU•••567 then, U1•••567 now")
    assert kind == "kind of the accounts: paper then, live now"
    (file,) = (app.good._folder() / last_good.FOLDER).iterdir()
    assert "1234567" not in file.read_text()


def test_a_farm_that_was_well_explains_one_that_is_down(app, broken_gateway):
    """Each farm that broke since, and none that is as it was."""
    gateway = broken_gateway()
    diagnosed(app, gateway.port)
    gateway.set_faults(["farms-down"])
    lines = shown(diagnosed(app, gateway.port))
    assert lines
    assert all(one.startswith("data farm ") and one.endswith("broken now") for one in lines)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a process is of POSIX")
@pytest.mark.parametrize(("fault", "explains"), [("clock-skew", True), ("stall-ready", False)])
def test_a_zone_of_this_machine_explains_a_wrong_clock(
    app, broken_gateway, monkeypatch, fault, explains
):
    """Beside a wrong clock it is shown; beside another verdict it is in the JSON alone."""
    gateway = broken_gateway()
    diagnosed(app, gateway.port)
    with monkeypatch.context() as other:
        other.setenv("TZ", "XYZ-7")
        time.tzset()
        gateway.set_faults([fault])
        report = diagnosed(app, gateway.port, timeout=1.0 if fault == "stall-ready" else 5.0)
    time.tzset()
    assert report.verdict.id == OF_A_FAULT[fault]
    assert "machine_zone" in subjects(report)
    lines = [one for one in shown(report) if "zone" in one]
    assert lines == ([lines[0]] if explains else [])
    assert not explains or lines[0].endswith("XYZ (UTC+07:00) now")


@pytest.mark.usefixtures("refused_port")
def test_a_port_in_the_settings_file_explains_a_refusal(app, home):
    """With the time at which the file was written; its mode too, and its zone not."""
    home(LocalServerPort=4000, tradingMode="p", TimeZone="Europe/Berlin")
    with SimulatedGateway() as gateway:
        assert diagnosed(app, gateway.port).verdict.id == "healthy"
        port = gateway.port
    home(LocalServerPort=4100, tradingMode="l", TimeZone="Asia/Tokyo")
    report = diagnosed(app, port)
    assert report.verdict.id == "connection-refused"
    assert subjects(report) == {"settings_port", "trading_mode", "settings_zone"}
    mode, number = sorted(shown(report), reverse=True)
    assert "(LocalServerPort): 4000 then, 4100 now (since 20" in number
    assert "trading mode in the gateway's settings file: paper then, live now (since" in mode


def test_trusted_addresses_explain_a_mute_gateway(app, home):
    """They are others, as many as before; which they are is told nowhere."""
    home(TrustedIPs="192.168.17.42")
    with Server(servers.healthy) as server:
        port = server.port
        assert diagnosed(app, port).verdict.id == "healthy"
        home(TrustedIPs="192.168.17.43")
        server.script = servers.silent
        report = diagnosed(app, port, timeout=0.5)
    assert report.verdict.id == "handshake-silent"
    lines = shown(report)
    assert any("settings file: 1 then, as many others now" in line for line in lines)
    assert "192.168.17.4" not in json.dumps(report.to_dict()["since_last_good"])


@pytest.mark.parametrize(("before", "now", "count"), [(5.0, 0.5, 1), (0.4, 0.5, 0)])
def test_a_time_out_explains_a_wait_if_it_was_longer(app, broken_gateway, before, now, count):
    """One that was shorter at the last good connect explains nothing."""
    gateway = broken_gateway()
    assert diagnosed(app, gateway.port, timeout=before).verdict.id == "healthy"
    gateway.set_faults(["stall-ready"])
    report = diagnosed(app, gateway.port, timeout=now)
    assert report.verdict.id == "not-ready"
    assert len(shown(report)) == count
    assert "timeout" in subjects(report)


def test_packages_explain_that_no_library_is_there(app, broken_gateway, monkeypatch):
    """The environment has another Python's packages now."""
    gateway = broken_gateway()
    diagnosed(app, gateway.port)
    kept = last_good._version
    gone = lambda name: last_good.ABSENT if name.startswith("ib_") else kept(name)  # noqa: E731
    monkeypatch.setattr(last_good, "_version", gone)
    monkeypatch.setattr("ibnb.diagnostics.engine.service.installed", lambda: ())
    report = diagnosed(app, gateway.port)
    assert report.verdict.id == "no-api-library"
    lines = shown(report)
    assert lines
    assert all("package ib_" in one and one.endswith("not installed now") for one in lines)


@pytest.mark.library
def test_a_setting_explains_what_a_read_only_gateway_leaves_out(app, gateway):
    """A connect that brought only a part of it was no good one: what is compared is older."""
    at = f"{gateway.host}:{gateway.port}"
    app.connect(ConnectOptions(at, "paper", readonly=True))
    assert app.good.wait(60)
    gateway.set_faults(["read-only"])
    app.connect(ConnectOptions(at, "paper", timeout=0.5, readonly=False))
    assert app.good.wait(60)
    report = app.start_diagnosis(app.planner.question(ConnectOptions())).result()
    assert report.verdict.id == "sync-incomplete"
    assert "read-only connect (the setting readonly): yes then, no now" in shown(report)


def of_verdict(verdict, *changes):
    """Return the report on facts that a check's entry leads to this verdict by."""
    told = Result("session.state", "fail", "It is so.", entry=verdict)
    checks = tuple(check for check in CHECKS if check.id == told.id)
    around = context()[0].surroundings
    facts = Facts(
        surroundings=around, results=(told,), checks=checks, good_at=5.0, changes=tuple(changes)
    )
    report = concluded(facts)
    assert report.verdict.id == verdict
    return report


NEIGHBOURS = {
    "server_version": "clock-skew",
    "library": "connection-refused",
    "package:ib_insync": "connection-refused",
    "package:ib_async": "handshake-silent",
    "python": "connection-refused",
    "settings_port": "client-too-old",
    "gateway_ports": "not-ready",
    "trading_mode": "clock-skew",
    "trusted": "connection-refused",
    "timeout": "connection-refused",
    "readonly": "not-ready",
    "ready_seconds": "connection-refused",
    "accounts": "sync-incomplete",
    "account_kind": "connection-refused",
    "package:nest-asyncio": "no-api-library",
    "package:nest-asyncio2": "no-api-library",
    "package:ipykernel": "no-api-library",
    "gateway_zone": "connection-refused",
    "machine_zone": "connection-refused",
    "settings_zone": "wrong-environment",
    "farm:": "connectivity-lost",
}
"""Of each subject, a verdict that it does not explain."""
RELATIONS = [(verdict, subject) for verdict, all_ in EXPLAINING.items() for subject in all_]


def changed(subject):
    """Return a change of a subject, of the kind that may explain something."""
    before, now = {"timeout": ("5", "1"), "farm:": ("ok", "broken")}.get(subject, ("1", "2"))
    return Change(f"{subject}x" if subject.endswith(":") else subject, before, now)


@pytest.mark.parametrize(("verdict", "subject"), RELATIONS)
def test_each_relation_and_its_neighbour(verdict, subject):
    """Shown where it explains; beside another verdict in the JSON alone, marked as no reason."""
    change = changed(subject)
    other = NEIGHBOURS[subject]
    assert len(shown(of_verdict(verdict, change))) == 1
    neighbour = of_verdict(other, change)
    assert shown(neighbour) == []
    (told,) = neighbour.to_dict()["since_last_good"]["changes"]
    assert told == {"subject": change.subject, "before": change.before, "now": change.now,
                    "since": None, "explains": False}  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "subject"),
    [
        ("connection-refused", "settings_port"),
        ("client-too-old", "server_version"),
        ("client-too-old", "package:ib_insync"),
        ("closed-after-start", "server_version"),
        ("sync-incomplete", "readonly"),
        ("no-api-library", "package:ib_async"),
        ("clock-skew", "gateway_zone"),
        ("clock-skew", "machine_zone"),
        ("wrong-environment", "accounts"),
    ],
)
def test_the_relations_that_people_count_on(verdict, subject):
    """Those of which each has happened to somebody."""
    assert subject in EXPLAINING[verdict]


def test_every_relation_is_of_a_page():
    """And each subject of it has words for people, and a neighbour here."""
    assert [one for one in EXPLAINING if catalogue().by_id(one) is None] == []
    assert {subject for _, subject in RELATIONS} == set(NEIGHBOURS)


def test_a_farm_that_is_well_again_explains_nothing():
    """Only what broke since is a reason."""
    well = Change("farm:usfarm", "broken", "ok")
    assert [one.explains for one in explained("data-farm-down", (well,))] == [False]


def test_what_is_not_known_of_both_times_is_no_difference():
    """A gateway that told no version has not changed it."""
    before = Known(1.0, {"server_version": "176", "library": "x 1"})
    now = Known(2.0, {"library": "x 1", "settings_port": "4000"})
    assert differences(before, now) == ()


@pytest.mark.parametrize(("then", "now", "count"), [("0.1", "0.3", 0), ("0.1", "2.5", 1)])
def test_a_handshake_differs_if_it_took_many_times_as_long(then, now, count):
    """No two take the same time."""
    before, later = ({"ready_seconds": one} for one in (then, now))
    assert len(differences(Known(1.0, before), Known(2.0, later))) == count


def test_a_moment_before_the_last_good_connect_is_no_time_of_a_change():
    """A file that was put back is older than what it differs from."""
    before = Known(10.0, {"settings_port": "1"})
    now = Known(20.0, {"settings_port": "2"}, {"settings_port": 5.0})
    assert differences(before, now)[0].since is None
    assert differences(before, Known(20.0, now.values, {"settings_port": 15.0}))[0].since == 15.0


def test_what_is_healthy_tells_of_no_changes(app, broken_gateway):
    """And each healthy diagnosis is the last good connect of the next."""
    gateway = broken_gateway()
    diagnosed(app, gateway.port, timeout=5.0)
    report = diagnosed(app, gateway.port, timeout=4.0)
    assert "since_last_good" not in report.to_dict()
    assert shown(report) == []
    gateway.set_faults(["no-accounts"])
    assert "timeout" not in subjects(diagnosed(app, gateway.port, timeout=4.0))


def test_a_failure_without_a_last_good_connect_is_told_alone(app, broken_gateway):
    """Nothing is compared with nothing, and a failure is not remembered as good."""
    gateway = broken_gateway("no-accounts")
    for _ in range(2):
        report = diagnosed(app, gateway.port)
        assert report.verdict.id == "no-accounts"
        assert "since_last_good" not in report.to_dict()


@pytest.mark.library
def test_a_connect_is_remembered_too(app, gateway):
    """By the session's own connect; the farms that it heard of and its settings are known."""
    target = Target(gateway.host, gateway.port)
    app.connect(ConnectOptions(str(target), "paper", timeout=4.5, readonly=True))
    assert app.good.wait(60)
    values = app.good.find(target).values
    assert values["accounts"] == "DU•••567"
    assert values["timeout"] == "4.5"
    assert values["readonly"] == "yes"
    assert values["server_version"] == str(app.health().server_version)
    assert float(values["ready_seconds"]) > 0


def test_a_bundle_tells_of_the_same_changes(app, broken_gateway, tmp_path, capsys):
    """What explains, what does not, and since when: judged again elsewhere."""
    gateway, path = broken_gateway(), tmp_path / "bundle.zip"
    diagnosed(app, gateway.port, timeout=4.0)
    gateway.set_faults(["old-version"])
    report = diagnosed(app, gateway.port)
    write_support_bundle(app, report, path)
    cli.main(["diag", "--from", str(path), "--json"])
    told = json.loads(capsys.readouterr().out)["since_last_good"]
    assert told == json.loads(json.dumps(report.to_dict()["since_last_good"]))
    explains = {one["subject"]: one["explains"] for one in told["changes"]}
    assert explains == {"server_version": True, "timeout": False}
    cli.main(["diag", "--from", str(path)])
    assert "server version: 176 then" in capsys.readouterr().out
