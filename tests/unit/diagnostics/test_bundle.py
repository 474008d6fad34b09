"""The support bundle: what is in it, what is not, how large it gets, and how writing it fails."""

import json
import platform
import random
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ibnb.diagnostics import Check, Report, Result, Verdict
from ibnb.diagnostics.bundle import (
    FACTS,
    MOST_BYTES,
    NEWEST,
    Bundle,
    check_bundle_path,
    judge_bundle,
    versions,
    write_bundle,
)
from ibnb.diagnostics.model import Change, Facts
from ibnb.diagnostics.verdict.surroundings import Surroundings
from ibnb.knowledge import Situation
from ibnb.session import BadInputError, Health
from ibnb.tws import accounts
from ibnb.tws.attempt import Attempt
from ibnb.tws.handshake import Stage
from ibnb.tws.notices import Link, Notice
from ibnb.tws.target import Target

LOGIN = "anna.muster"
HOST = "gw.muster.example"
SECRETS = {
    "paper account": "DU7654321",
    "live account": "U7654321",
    "IPv4": "192.168.17.42",
    "IPv6": "2001:db8:85a3::8a2e:370:7334",
    "MAC": "00:1a:2b:3c:4d:5e",
    "session id": "aB3dE5gH7iJ9kL1mN3oP5qR7",
    "UUID": "550e8400-e29b-41d4-a716-446655440000",
    "hash": "9f86d081884c7d659a2feaa0c55ad015",
    "login": LOGIN,
    "home": "hunterhome",
    "token": "hunter2token",
    "target's host": HOST,
    "machine": "swordfish-desktop",
    "caller's name": "carlas-laptop",
}
PLANTED = (
    "DU7654321 U7654321 at 192.168.17.42:4002 and [2001:db8:85a3::8a2e:370:7334]:4002, "
    "00:1a:2b:3c:4d:5e aB3dE5gH7iJ9kL1mN3oP5qR7 550e8400-e29b-41d4-a716-446655440000 "
    f"9f86d081884c7d659a2feaa0c55ad015 {LOGIN} /home/hunterhome/x token=hunter2token "
    f"{HOST}:4002 {HOST} swordfish-desktop carlas-laptop"
)
FILES = [
    *("README.txt", "report.txt", "report.json", "versions.json"),
    *("session.json", "journal.json", "settings.json", "gateway.json"),
]


@pytest.fixture(autouse=True)
def person(monkeypatch):
    """Give this process a login and a machine whose names are in no other text here."""
    for name in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(name, LOGIN)
    monkeypatch.setattr(platform, "node", lambda: "swordfish-desktop")


async def never(_context):
    """Stand where a check's work would be: writing a bundle runs none."""
    raise AssertionError


LOCAL = Target("127.0.0.1", 4002, "paper")


def report(text="It works.", target=LOCAL, evidence=None):
    """Return a report that says a text wherever a report can say one."""
    return Report(
        target,
        Verdict("healthy", "It works", "info", text, (text,)),
        (Result("net.tcp", "fail", text, evidence or {"seen": text}, None, (text,)),),
        (Check("net.tcp", "TCP opens", "network", never),),
        0.1,
    )


def bundle(**changes):
    """Return a small bundle, with changes."""
    values = {
        "report": report(),
        "text": "It works.\n",
        "versions": {"python": "CPython 3.12.4", "ibnb": "0.1.0"},
        "health": Health("closed"),
    }
    return Bundle(**values | changes)


def planted_facts():
    """Return facts with every secret wherever there can be a text."""
    attempt = Attempt(
        *(Target(HOST, 4002), 7, Stage.START, "foreign", 157, 176, 176, PLANTED, 1),
        *(("DU7654321", "U7654321"), (Notice(2104, PLANTED, about=PLANTED),)),
        *(PLANTED.encode(), 99, PLANTED.encode(), PLANTED),
        missing=(PLANTED,),
        unanswered=(PLANTED,),
    )
    texts = dict.fromkeys(("address", "target", "without_id", "name", "open_at"), PLANTED)
    situation = Situation(tried=frozenset({PLANTED}), trusted=PLANTED, **texts)
    around = Surroundings(target=Target(HOST, 4002), situation=situation, failed=attempt)
    told = report(PLANTED, Target(HOST, 4002), {PLANTED: {"deep": [PLANTED, (PLANTED,)]}})
    return Facts(
        surroundings=around,
        results=(replace(told.results[0], detail=PLANTED),),
        checks=told.checks,
        attempt=attempt,
        good_at=1.0,
        changes=(Change(PLANTED, PLANTED, PLANTED),),
    )


def planted():
    """Return a bundle with every secret in every place."""
    notice = Notice(2104, PLANTED)
    told = report(PLANTED, Target(HOST, 4002), {PLANTED: {"deep": [PLANTED, (PLANTED,)]}})
    facts = planted_facts()
    return bundle(
        report=replace(told, facts=facts, good_at=1.0, changes=facts.changes),
        text=PLANTED.replace(" ", "\n  "),
        versions={"platform": PLANTED},
        health=Health(
            "lost",
            target=Target(HOST, 4002),
            library=PLANTED,
            accounts=("DU7654321", "U7654321"),
            reason=PLANTED,
            stale=PLANTED,
            link=Link(False, notice, {PLANTED: "broken"}),
            notices=(notice,),
            missing=(PLANTED,),
        ),
        losses=[{"reason": PLANTED, "address": (HOST, 4002, 7)}, {PLANTED: notice}],
        notices=[notice, Notice(1100, PLANTED)],
        requests=[{"method": "reqMktData", "parameters": {"account": "DU7654321", "x": PLANTED}}],
        settings={"target": f"{HOST}:4002", "account": "U7654321", "state_dir": PLANTED},
        gateway={"trusted": [PLANTED], "session": {PLANTED: 1}, "password": "hunter2token"},
        names=("carlas-laptop",),
    )


def contents(path):
    """Return the files of a bundle by name."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def loaded(path, name):
    """Return one JSON file of a bundle."""
    return json.loads(contents(path)[name])


@pytest.mark.parametrize("kind", SECRETS)
def test_no_planted_secret_is_in_any_file(kind, tmp_path):
    """Not in the bytes of a file, in whatever case, and not in a file's name."""
    path = tmp_path / "bundle.zip"
    write_bundle(path, planted())
    secret = SECRETS[kind].lower()
    for name, data in contents(path).items():
        assert secret not in name.lower()
        assert secret not in data.decode().lower(), name
        assert secret.encode("unicode_escape") not in data.lower(), name


ODD = ("F7654321", "prop_desk-7", "Ünïcode1", "A1")
"""Accounts as an advisor's login lists them."""


def test_listed_accounts_are_in_no_file_whatever_they_look_like(tmp_path, monkeypatch):
    """As accounts of the session, in requests and orders, in texts, in every case of letters."""
    known = accounts.KnownAccounts()
    known.add(ODD)
    monkeypatch.setattr(accounts, "_known", known)
    path = tmp_path / "bundle.zip"
    texts = [case(name) for name in ODD[:3] for case in (str, str.upper, str.lower)]
    requests = [{"method": "reqAccountUpdatesMulti", "parameters": {"account": one}} for one in ODD]
    requests += [{"parameters": {"order": {"account": one}, "odd": Odd(one)}} for one in ODD[:3]]
    write_bundle(
        path,
        bundle(
            report=report(" ".join(texts), evidence={text: [text] for text in texts}),
            text="\n".join(texts),
            health=Health("ready", accounts=ODD, notices=(Notice(321, texts[0]),)),
            losses=[{"last_notice": Notice(1, text)} for text in texts],
            notices=[Notice(321, f"Invalid account code '{text}'") for text in texts],
            requests=requests,
            settings={"account": "prop_desk-8"},
        ),
    )
    for name, data in contents(path).items():
        told = data.decode().lower()
        assert not [one for one in (*ODD[:3], "prop_desk-8") if one.lower() in told], name
    shown = ["F7•••321", "pr•••k-7", "Ün•••de1", "•••"]
    assert loaded(path, "session.json")["health"]["accounts"] == shown
    asked = loaded(path, "journal.json")["requests"]
    assert [one["parameters"]["account"] for one in asked[:4]] == shown


def test_no_control_character_is_in_a_bundle(tmp_path):
    """Whoever opens its files in a terminal reads them and nothing else happens."""
    path = tmp_path / "bundle.zip"
    hostile = "\x9b31m\x1b[2J\x7f\u202e\u2066\x00 end"
    write_bundle(
        path,
        bundle(
            report=report(hostile, evidence={hostile: hostile}),
            text=f"{hostile}\nnext",
            notices=[Notice(2104, hostile)],
        ),
    )
    for name, data in contents(path).items():
        text = data.decode()
        assert r"\u001b" not in text
        assert not set(text) & set("\x9b\x1b\x7f\u202e\u2066\x00"), name
    assert loaded(path, "journal.json")["notices"][0]["text"].startswith(r"\x9b31m\x1b[2J\x7f")
    assert contents(path)["report.txt"].decode().splitlines()[1] == "next"


def test_every_planted_place_is_still_there(tmp_path):
    """Secrets went because they were redacted, and not because nothing was written."""
    path = tmp_path / "bundle.zip"
    write_bundle(path, planted())
    files = contents(path)
    for name in (*FILES[1:], FACTS):
        for word in ("<address>", "<mac>", "<token>", "<user>", "<secret>"):
            assert word in files[name].decode(), (name, word)
    assert "DU•••321" in files["journal.json"].decode()
    told = json.loads(files["report.json"])
    assert told["target"]["host"] == "<host>"
    assert told["target"]["port"] == 4002
    assert set(told["checks"][0]) == set(report().to_dict()["checks"][0])


def test_what_a_bundle_holds(tmp_path):
    """Each file has what its name says, and the list that is returned says the same."""
    path = tmp_path / "bundle.zip"
    health = Health("ready", Target("127.0.0.1", 4002), client_id=7)
    listed = write_bundle(
        path,
        bundle(
            health=health,
            losses=[{"reason": "closed", "time": 12.5}],
            notices=[Notice(2104, "farm OK", 5, 1.5), Notice(1100, "lost")],
            requests=[{"reqId": 5, "method": "reqMktData", "parameters": {"symbol": "SPY"}}],
            settings={"timeout": 5.0, "guard": True, "target": "paper"},
            gateway={"login": "done", "api_logs": 2},
        ),
    )
    files = contents(path)
    assert list(files) == FILES
    assert [(one.name, one.bytes) for one in listed] == [
        (name, len(data)) for name, data in files.items()
    ]
    assert all(one.what and "\n" not in one.what for one in listed)
    assert files["report.txt"] == b"It works.\n"
    assert loaded(path, "report.json") == report().to_dict()
    assert loaded(path, "versions.json") == {"python": "CPython 3.12.4", "ibnb": "0.1.0"}
    session = loaded(path, "session.json")
    assert session["health"]["state"] == "ready"
    assert session["health"]["target"]["host"] == "127.0.0.1"
    assert session["losses"] == [{"reason": "closed", "time": 12.5}]
    journal = loaded(path, "journal.json")
    assert [(one["code"], one["text"]) for one in journal["notices"]] == [
        (2104, "farm OK"),
        (1100, "lost"),
    ]
    assert journal["requests"][0]["parameters"] == {"symbol": "SPY"}
    assert (journal["notices_left_out"], journal["requests_left_out"]) == (0, 0)
    assert loaded(path, "settings.json") == {"timeout": 5.0, "guard": True, "target": "paper"}
    assert loaded(path, "gateway.json") == {"login": "done", "api_logs": 2}


def test_the_readme_names_every_file_and_asks_to_be_careful(tmp_path):
    """Whoever opens the zip learns what is in it, what was taken out, and to read it first."""
    path = tmp_path / "bundle.zip"
    write_bundle(path, bundle())
    text = contents(path)["README.txt"].decode()
    assert all(name in text for name in FILES)
    assert "redacted" in text
    assert "Please read every file first" in text
    assert all(f"<{kind}>" in text for kind in ("address", "mac", "token", "user", "secret"))


def test_a_host_that_is_a_common_word_goes_where_it_is_an_address(tmp_path):
    """A container called "gateway" is hidden; IB Gateway is still called so."""
    path = tmp_path / "bundle.zip"
    target = Target("gateway", 4002)
    write_bundle(path, bundle(report=report(f"{target}: no IB Gateway answers.", target)))
    told = loaded(path, "report.json")
    assert told["verdict"]["summary"] == "<host>:4002: no IB Gateway answers."
    assert told["target"]["host"] == "<host>"


def test_the_same_content_is_the_same_file(tmp_path):
    """No time, no order of a set and no name of a temporary file is in it."""
    data = bundle(gateway={"ports": {4001, 4002, 7497}, "words": frozenset({"b", "a", "c"})})
    write_bundle(tmp_path / "one.zip", data)
    write_bundle(tmp_path / "two.zip", data)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "word " * 20_000,
        "x" * 100_000,
        "\U0001f600 \x00\udc80 " * 10_000,
        "DU7654321 192.168.17.42 token=hunter2token " * 2_500,
        "".join(random.Random(7).choices("abcdefghij klmnopqrst-:;!?", k=99_999)),  # noqa: S311 - no key
    ],
    ids=["words", "one word", "wide", "secrets", "random"],
)
def test_a_bundle_stays_small_however_much_came(text, tmp_path):
    """10,000 huge notices: the newest are in it, shortened, and the whole is under its bound."""
    path = tmp_path / "bundle.zip"
    notices = [Notice(2104, text, number) for number in range(10_000)]
    requests = [
        {"reqId": number, "parameters": {f"p{n}": text for n in range(30)}}
        for number in range(10_000)
    ]
    files = write_bundle(
        path,
        bundle(
            report=report(text, evidence={str(n): text for n in range(1000)}),
            text=f"{text}\n" * 20,
            losses=[{"reason": text}] * 10_000,
            notices=notices,
            requests=requests,
            settings={str(n): text for n in range(1000)},
            gateway={"deep": [[[[text] * 100] * 100] * 100] * 100},
        ),
    )
    assert path.stat().st_size < MOST_BYTES
    assert sum(one.bytes for one in files) < MOST_BYTES
    journal = loaded(path, "journal.json")
    for kind, key in (("notices", "req_id"), ("requests", "reqId")):
        kept = journal[kind]
        assert 20 < len(kept) <= NEWEST
        assert [one[key] for one in kept] == list(range(10_000 - len(kept), 10_000))
        assert journal[f"{kind}_left_out"] == 10_000 - len(kept)
    assert all(len(one["text"]) <= 1000 for one in journal["notices"])
    assert b"hunter2" not in b"".join(contents(path).values())


def test_facts_that_are_too_large_are_left_out_whole(tmp_path):
    """Half of them could lead to another verdict; the reader is told, and the bundle is small."""
    path = tmp_path / "bundle.zip"
    facts = planted_facts()
    huge = {str(number): "word " * 100 for number in range(1000)}
    facts = replace(facts, results=(replace(facts.results[0], evidence=huge),))
    write_bundle(path, bundle(report=replace(report(), facts=facts)))
    assert set(loaded(path, FACTS)) == {"format", "ibnb", "python", "platform", "left_out"}
    with pytest.raises(BadInputError, match="too large for it: read its report"):
        judge_bundle(path)


def test_short_notices_are_kept_up_to_the_limit_in_number(tmp_path):
    """Of ten thousand ordinary notices, the newest 500 are all in it."""
    path = tmp_path / "bundle.zip"
    write_bundle(path, bundle(notices=[Notice(2104, "farm OK", n) for n in range(10_000)]))
    kept = loaded(path, "journal.json")["notices"]
    assert [one["req_id"] for one in kept] == list(range(10_000 - NEWEST, 10_000))


def test_no_half_of_a_secret_is_left_where_a_text_was_cut(tmp_path):
    """Wherever the cut falls, redacting came first."""
    path = tmp_path / "bundle.zip"
    texts = [f"{'x' * size} {' '.join(['DU7654321'] * 400)}" for size in range(0, 60, 3)]
    write_bundle(path, bundle(notices=[Notice(1, text) for text in texts]))
    assert b"7654" not in contents(path)["journal.json"]


@dataclass
class Odd:
    """An object whose repr tells of an account."""

    account: str = "DU7654321"


class Unreadable:
    """An object that cannot even be told."""

    def __repr__(self):
        """Fail."""
        raise RuntimeError("no")


def test_what_json_cannot_carry_becomes_its_repr(tmp_path):
    """Redacted like everything else; a cycle, a huge number or a broken repr does no harm."""
    path = tmp_path / "bundle.zip"
    cycle = {"name": "round"}
    cycle["again"] = cycle
    odd = {
        "odd": Odd(),
        "unreadable": Unreadable(),
        "nan": float("nan"),
        "huge": 10**5000,
        "bytes": b"\xff 192.168.17.42",
        "decimal": Decimal("1.5"),
        "when": datetime(2026, 8, 29, tzinfo=UTC),
        "cycle": cycle,
        7: "seven",
        ("a", 1): "tuple",
    }
    write_bundle(path, bundle(gateway=odd))
    told = loaded(path, "gateway.json")
    assert told["odd"] == "Odd(account='DU•••321')"
    assert told["unreadable"] == "Unreadable, unreadable: RuntimeError"
    assert told["nan"] == "nan"
    assert told["huge"] == "a number of 16610 bits"
    assert told["bytes"] == "b'\\xff <address>'"
    assert told["decimal"] == "Decimal('1.5')"
    assert told["when"].startswith("datetime.datetime(2026, 8, 29")
    assert told["cycle"]["again"]["again"]["name"] == "round"
    assert told["7"] == "seven"
    assert told["('a', 1)"] == "tuple"


def test_versions_tell_what_is_installed_and_import_nothing():
    """Python, system and packages, without the cost or the side effects of an import."""
    code = (
        "import sys\n"
        "from ibnb.diagnostics.bundle import versions\n"
        "before = set(sys.modules)\n"
        "found = versions()\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "assert not new & {'ipykernel', 'jupyterlab', 'ipywidgets', 'ib_insync', 'psutil'}, new\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    found = versions()
    assert found["python"].endswith(platform.python_version())
    assert found["platform"]
    assert "ipython" in found
    assert "no-such-package" not in found


@pytest.mark.parametrize(
    ("made", "given", "said"),
    [
        ("", "", "is a folder"),
        ("", "missing/bundle.zip", "is in a folder that does not exist"),
        ("file", "file/bundle.zip", "which is a file"),
        ("file", "file/below/bundle.zip", "give a file in a folder"),
        ("", "nul\0byte.zip", "cannot be a file"),
        ("", "n" * 400 + ".zip", "give a file in a folder"),
    ],
    ids=["folder", "no folder", "below a file", "deep below a file", "zero byte", "too long"],
)
def test_a_path_that_can_be_no_file_is_said_in_one_line(made, given, said, tmp_path):
    """What is wrong with it and what to give; nothing is written."""
    if made:
        (tmp_path / made).write_text("kept")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BadInputError) as caught:
        write_bundle(tmp_path / given, bundle())
    text = str(caught.value)
    assert said in text
    assert "give" in text
    assert "\n" not in text
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_a_device_is_not_replaced_by_a_file():
    """Nobody's /dev/full becomes a zip."""
    with pytest.raises(BadInputError, match="is a device or a pipe"):
        write_bundle(Path("/dev/full"), bundle())
    assert not Path("/dev/full").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="limits on file sizes are of POSIX")
@pytest.mark.parametrize("existing", [False, True])
def test_a_disk_error_leaves_everything_as_it_was(existing, tmp_path):
    """No part of the new file is left, and an older bundle of that name is whole."""
    path = tmp_path / "bundle.zip"
    if existing:
        path.write_bytes(b"the older bundle")
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from ibnb.diagnostics.bundle import Bundle, write_bundle\n"
        "from ibnb.diagnostics import Report, Verdict\n"
        "from ibnb.session import BadInputError, Health\n"
        "from ibnb.tws.target import Target\n"
        "report = Report(Target('127.0.0.1', 4002), Verdict('x', '', 'info', ''), (), (), 0)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n"
        "    write_bundle(Path(sys.argv[1]), Bundle(report, '', {}, Health('closed')))\n"
        "except BadInputError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    assert "could not be written: File too large" in done.stdout
    assert done.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == ([path] if existing else [])
    if existing:
        assert path.read_bytes() == b"the older bundle"


def test_an_existing_file_is_replaced_and_a_link_is_followed(tmp_path):
    """The new bundle stands where the older one stood; the link is still a link to it."""
    path, link = tmp_path / "bundle.zip", tmp_path / "link.zip"
    path.write_bytes(b"the older bundle")
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("this user may not make links")
    write_bundle(link, bundle())
    assert link.is_symlink()
    assert list(contents(path)) == FILES
    assert sorted(tmp_path.iterdir()) == [path, link]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
@pytest.mark.parametrize("existing", [False, True])
def test_only_its_owner_may_read_a_bundle(existing, tmp_path):
    """It lies in a shared folder, perhaps, until it is sent; an older one was open to others."""
    path = tmp_path / "bundle.zip"
    if existing:
        path.write_bytes(b"the older bundle")
        path.chmod(0o644)
    write_bundle(path, bundle())
    assert path.stat().st_mode & 0o077 == 0


def test_a_tilde_means_the_home_folder(tmp_path, monkeypatch):
    """A path is taken as a shell would take it, which a notebook is not."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write_bundle(Path("~/bundle.zip"), bundle())
    assert (tmp_path / "bundle.zip").is_file()


def test_a_folder_that_takes_no_file_is_told_beforehand(monkeypatch, tmp_path):
    """That a folder exists is not enough: whether it can be written to is tried, and left clean."""
    assert check_bundle_path(tmp_path / "x.zip") == tmp_path / "x.zip"
    assert list(tmp_path.iterdir()) == []

    def refused(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(BadInputError, match=r"cannot be written to.*Permission denied.*give"):
        check_bundle_path(tmp_path / "x.zip")
