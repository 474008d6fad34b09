"""The support bundle of a process: what is gathered for it, and that nobody's name is in it."""

import json
import os
import platform
import sys
import time
import zipfile

import psutil
import pytest
import servers
from servers import Server

from ibnb.app import App
from ibnb.context import NotebookContext
from ibnb.options import ConnectOptions
from ibnb.session.client_ids.leases import Lease
from ibnb.settings import IbSettings
from ibnb.support import write_support_bundle
from ibnb.tws.notices import Notice
from ibnb.tws.process_start import process_start
from ibnb.ui.html import report_html
from ibnb.ui.text import report_text

LOGIN = "anna.muster"
PLANTED = (
    "DU7654321 U7654321 at 203.0.113.9:4002 and [2001:db8:85a3::8a2e:370:7334]:4002, "
    "00:1a:2b:3c:4d:5e 550e8400-e29b-41d4-a716-446655440000 aB3dE5gH7iJ9kL1mN3oP5qR7 "
    f"token=hunter2 {LOGIN} /home/hunterhome/Jts"
)
OF_A_GATEWAY = (
    *("7654321", "203.0.113.9", "2001:db8", "00:1a:2b", "550e8400", "aB3dE5gH7", "hunter2", LOGIN),
    "hunterhome",
)
OF_LEASES = ("zelda", "hyrule", "Mueller", "quarterly", "carlas-laptop", "secretplan")
OF_THIS_MACHINE = ("swordfish", "Anna Muster")


@pytest.fixture
def app(tmp_path, monkeypatch):
    """An app of a person with a name, on a machine with a name, beside other people's leases."""
    for name in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(name, LOGIN)
    monkeypatch.setattr(platform, "node", lambda: "swordfish-desktop.example")
    monkeypatch.setattr("ibnb.support._full_name", lambda: "Anna Muster")
    settings = IbSettings(state_dir=str(tmp_path / "state"), account="DU7654321")
    made = App(settings, NotebookContext("/data/anna.muster/secretplan.ipynb", in_notebook=True))
    yield made
    made.close()


def taken(app, port, user, notebook, machine):
    """Let another process than this one have a lease for the app's own client ID."""
    parent = os.getppid()
    app.session.notebook_leases.store.take(
        Lease(
            *(servers.LOOPBACK, port, 77, notebook, parent, process_start(parent)),
            *(user, machine, time.time()),
        )
    )


def unseen(*_args, **_kwargs):
    """Be a system that shows no sockets: then a lease alone says who has an ID."""
    raise psutil.AccessDenied


@pytest.mark.skipif(sys.platform == "win32", reason="os.getppid may be gone")
@pytest.mark.parametrize(
    ("user", "told"),
    [("zelda.hyrule", "a notebook of another user"), (LOGIN, "notebook /srv/zelda/quarterly")],
)
def test_nobody_is_named_in_a_bundle(app, tmp_path, monkeypatch, user, told):
    """A secret of each kind in every source: none is in the bundle, nor a foreign one on screen."""
    monkeypatch.setattr(psutil, "net_connections", unseen)
    monkeypatch.setattr(psutil.Process, "net_connections", unseen, raising=False)
    monkeypatch.setattr(psutil.Process, "connections", unseen, raising=False)
    with Server(servers.refusing(326, PLANTED)) as server:
        notebook = "/srv/zelda/quarterly-Mueller-GmbH.ipynb"
        taken(app, server.port, user, notebook, "swordfish-desktop.example")
        app.session.notebook_leases.store.take(
            Lease("gw", 1, 5, "/srv/hyrule/x.ipynb", 1, 1.0, "hyrule", "carlas-laptop", 2.0)
        )
        question = app.planner.question(
            ConnectOptions(f"{servers.LOOPBACK}:{server.port}", client_id=77)
        )
        report = app.start_diagnosis(question).result(30.0)
    app.session.journal.add(Notice(2104, f"{PLANTED} {user} on carlas-laptop: Anna Muster"))
    held = next(one for one in report.results if one.id == "session.client-id")
    assert told in held.summary
    write_support_bundle(app, report, tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        files = {name: bundle.read(name).decode() for name in bundle.namelist()}
    for name, text in files.items():
        found = [
            secret
            for secret in (*OF_A_GATEWAY, *OF_LEASES, *OF_THIS_MACHINE)
            if secret.lower() in text.lower()
        ]
        assert not found, name
    assert report.verdict.id == "client-id-in-use"
    assert "client-id-in-use" in files["report.json"]
    forms = (json.dumps(report.to_dict()), report_html(report), report_text(report))
    for form in forms:
        assert not [secret for secret in OF_A_GATEWAY if secret in form]
        if user != LOGIN:
            assert not [secret for secret in OF_LEASES if secret in form]


def test_the_names_that_are_taken_out_are_no_words_of_ours(app, tmp_path):
    """A colleague called Port, on a machine called host: the sentences of a report stay whole."""
    app.session.notebook_leases.store.take(
        Lease("gw", 1, 5, "/srv/port", 1, 1.0, "port", "listens.example", 2.0)
    )
    with Server(servers.healthy) as server:
        question = app.planner.question(
            ConnectOptions(f"{servers.LOOPBACK}:{server.port}"), ("net.port",)
        )
        report = app.start_diagnosis(question).result(30.0)
    write_support_bundle(app, report, tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        text = bundle.read("report.txt").decode()
    assert f"listens on port {server.port}" in " ".join(text.split())
