"""A support bundle that is judged again: the same verdict from it alone, whatever is in it."""

import json
import zipfile
from dataclasses import MISSING, fields, is_dataclass, replace

import pytest
from commands import at, here
from diagnosing import attempt, context
from gateways import BY_FACTS, LASTING, OF_A_FAULT, SLOW
from servers import Server

from ibnb import cli
from ibnb.app import App
from ibnb.diagnostics import CHECKS, Result
from ibnb.diagnostics.bundle import FACTS, Bundle, judge_bundle, versions, write_bundle
from ibnb.diagnostics.bundle.archive import FORMAT
from ibnb.diagnostics.bundle.codec import FactsError, dump, load
from ibnb.diagnostics.model import Change, Check, Facts
from ibnb.diagnostics.verdict.concluding import concluded
from ibnb.diagnostics.verdict.surroundings import Surroundings
from ibnb.knowledge import Situation
from ibnb.options import ConnectOptions
from ibnb.session import BadInputError, Health
from ibnb.settings import IbSettings
from ibnb.support import write_support_bundle
from ibnb.tws.attempt import Attempt
from ibnb.tws.handshake import Stage
from ibnb.tws.notices import Notice
from ibnb.tws.target import Target
from ibnb.ui.html import report_html
from ibnb.ui.text import report_text


class AsItIs:
    """Cleans nothing."""

    text = account = host = value = staticmethod(lambda it: it)

    def escaped(self, text):
        """Escape control characters, as every cleaner does."""
        return text.encode("unicode_escape").decode()


def judged(path, capsys):
    """Judge a bundle as the program does, and return the document and the exit status."""
    status = cli.main(["diag", "--from", str(path), "--json"])
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out), status


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Be on another machine: its state and its temporary folders are empty, and stay so."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for name in ("IBNB_STATE_DIR", "TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.chdir(folder)
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("fault", OF_A_FAULT)
def test_each_fault_has_the_same_verdict_from_its_bundle(broken_gateway, fault, tmp_path, capsys):
    """Judged once live, and once when that gateway is gone: the same cause, steps and results."""
    gateway, path = broken_gateway(LASTING.get(fault, fault)), tmp_path / "bundle.zip"
    words = ["diag", gateway.address, "--expect", "paper", "--json", "--bundle", path]
    words += ["--timeout", "10" if fault in SLOW else "2"]
    ended = here(*words, IBNB_STATE_DIR=str(tmp_path / "here"))
    gateway.stop()
    live = json.loads(ended.stdout)
    assert live["verdict"]["id"] == OF_A_FAULT[fault]
    document, status = judged(path, capsys)
    origin = document.pop("judged_from")
    assert origin["ibnb"] == versions()["ibnb"]
    assert document == live
    assert status == ended.returncode


@pytest.mark.parametrize("name", ["HTTP", "TLS", "three zero bytes", "326", "357", "507", "399"])
def test_what_other_peers_send_is_judged_again(name, tmp_path):
    """Bytes that are no text, and codes with words of another language."""
    app, path = App(IbSettings(state_dir=str(tmp_path / "here"))), tmp_path / "bundle.zip"
    script, verdict = BY_FACTS[name]
    with Server(script) as server:
        options = ConnectOptions(at(server.port), "paper", timeout=1.0)
        report = app.start_diagnosis(app.planner.question(options)).result()
    write_support_bundle(app, report, path)
    again = judge_bundle(path)
    assert again.verdict.id == verdict
    assert (again.verdict, again.results) == (report.verdict, report.results)


@pytest.mark.library
def test_a_connection_that_is_open_is_judged_again(tmp_path, gateway):
    """What was looked through, with every check of the session answered, is lossless too."""
    app, path = App(IbSettings(state_dir=str(tmp_path / "here"))), tmp_path / "bundle.zip"
    options = ConnectOptions(f"{gateway.host}:{gateway.port}", "paper")
    try:
        app.connect(options)
        report = app.start_diagnosis(app.planner.question(ConnectOptions())).result()
        write_support_bundle(app, report, path)
    finally:
        app.close()
    again = judge_bundle(path)
    assert (again.verdict, again.results) == (report.verdict, report.results)
    assert again.situation == report.situation
    assert again.facts.surroundings.attached


def varied(kind):
    """Return a value of a type, or an object of a class, in which nothing is as by default."""
    made = {
        Target: Target("127.0.0.1", 4002, "paper"),
        Notice: Notice(326, "in use", 3, 1.5, 2, "a contract"),
        Situation: Situation(
            *("notebook", "open", "lost", "code", "on", "running", "kernel", "live", "another"),
            *("logged-in", {"net.tcp": "pass"}, "4002", "4002 --client-id 7", "4002", "7", "mine"),
            *("127.0.0.1:4002, ID 7", "127.0.0.1", frozenset({"%ibconnect", "%ibdiag"})),
        ),
        Result: Result(
            *("net.tcp", "fail", "It is closed.", {"list": [1, 2.5, None, {"deep": True}]}),
            *("connection-refused", ("Open it.", "Wait."), 0.25, "host.address", "More."),
        ),
        Change: Change("library", "1", "2", 5.5, explains=True),
    }
    made[Attempt] = Attempt(
        *(made[Target], 7, Stage.START, "closed", 157, 176, 170, "20261127 CET", 9, ("DU1",)),
        *((made[Notice],), b"\r\n\\x\x00", 12, b"HTTP\\r", "detail", 170000, 170000.5),
        *({"tcp": 0.125}, 0.5, 4, ("positions",), ("127.0.0.1",)),
    )
    made[Surroundings] = Surroundings(
        target=made[Target],
        situation=made[Situation],
        is_local=False,
        by_name=True,
        attached=True,
        is_open=True,
        failed=made[Attempt],
        show_accounts=True,
    )
    made[Facts] = Facts(
        surroundings=made[Surroundings],
        results=(made[Result],),
        checks=(next(check for check in CHECKS if check.id == "net.tcp"),),
        attempt=made[Attempt],
        unfinished=("net.tcp",),
        at=1.5,
        seconds=0.75,
        good_at=1.25,
        changes=(made[Change],),
    )
    return made[kind]


KINDS = (Target, Notice, Situation, Result, Change, Attempt, Surroundings, Facts)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_field_of_every_part_makes_the_round(kind):
    """None is as by default, so none could come back as it is without having been written."""
    made = varied(kind)
    for one in fields(made):
        value = getattr(made, one.name)
        assert value != one.default, one.name
        if one.default_factory is not MISSING:
            assert value != one.default_factory(), one.name
        held = value[0] if isinstance(value, tuple) and value else value
        assert not is_dataclass(held) or type(held) in {*KINDS, Check}, one.name
    again = load(json.loads(json.dumps(dump(varied(Facts), AsItIs()))))
    assert again == varied(Facts)
    # Neither is compared.
    assert again.attempt.notices[0].connection == 2
    assert again.attempt.notices[0].about == "a contract"


def packed(tmp_path, facts, name="bundle.zip"):
    """Write the bundle of a report on some facts, and return its path."""
    report, path = concluded(facts), tmp_path / name
    write_bundle(path, Bundle(report, "", versions(), Health("closed")))
    return path


def facts_of(*results, found=None, **more):
    """Return facts of these results."""
    order = [check.id for check in CHECKS]
    results = tuple(sorted(results, key=lambda one: order.index(one.id)))
    around = context(**more)[0].surroundings
    checks = tuple(check for check in CHECKS if check.id in {one.id for one in results})
    return Facts(surroundings=around, results=results, checks=checks, attempt=found, at=1.8e9)


REFUSED = attempt(ending="refused", stage=Stage.RESOLVE, version=None, accounts=None)


@pytest.mark.parametrize("own", ["192.168.17.42", "192.168.17.43"])
def test_addresses_that_are_hidden_are_compared_as_before(own, tmp_path):
    """Whether the port is open at the target or at another address alone decides the sentence."""
    target = Target("192.168.17.42", 4002)
    rows = [{"port": 4002, "pid": 7, "name": "java", "address": own}]
    port = Result("net.port", "pass", "It listens.", {"listening": rows})
    facts = facts_of(port, found=replace(REFUSED, target=target), target=target)
    live, again = concluded(facts).verdict, judge_bundle(packed(tmp_path, facts)).verdict
    assert ("alone" in live.summary) == ("alone" in again.summary) == (own != target.host)
    assert "192.168" not in again.summary
    assert again.id == live.id


def test_two_hosts_that_are_hidden_stay_two(tmp_path):
    """A failure at one host is none of the other's, though neither is named."""
    here, there = Target("gw.muster.example", 4002), Target("other.muster.example", 4002)
    failed = replace(REFUSED, target=there)
    facts = facts_of(found=replace(attempt(), target=here), failed=failed, target=here)
    path = packed(tmp_path, facts)
    again = judge_bundle(path)
    assert again.verdict.id == "healthy"
    assert "last try" not in again.verdict.summary
    with zipfile.ZipFile(path) as archive:
        assert b"muster" not in b"".join(map(archive.read, archive.namelist()))
    same = judge_bundle(
        packed(
            tmp_path,
            replace(
                facts, surroundings=replace(facts.surroundings, failed=replace(failed, target=here))
            ),
        )
    )
    assert "last try" in same.verdict.summary


@pytest.mark.parametrize("account", ["DU1234567", "D1234", "D12", "U1234567", "Ulrike"])
def test_an_account_that_is_masked_is_still_of_its_kind(account, tmp_path):
    """A short one loses all its letters where it is shown, and the verdict is the same."""
    facts = facts_of(found=attempt(accounts=(account,)))
    path = packed(tmp_path, facts)
    expected = "healthy" if account.startswith("D") else "wrong-environment"
    assert concluded(facts).verdict.id == judge_bundle(path).verdict.id == expected
    with zipfile.ZipFile(path) as archive:
        assert account not in archive.read(FACTS).decode()


def test_a_diagnosis_that_was_stopped_is_judged_as_stopped(tmp_path):
    """What had not ended decides nothing here either."""
    held = Result("session.client-id", "warn", "It is held.", entry="client-id-in-use")
    facts = replace(facts_of(held), unfinished=("net.tcp",))
    assert judge_bundle(packed(tmp_path, facts)).verdict.id == "diagnosis-stopped"


SMALL = facts_of(
    Result("net.port", "pass", "It listens.", {"listening": [{"port": 4002, "pid": 7}]}),
    Result("host.process", "pass", "It runs.", {"processes": [{"pid": 7, "kind": "Gateway"}]}),
    found=attempt((2104, "OK:farm")),
)


def document_of(facts=SMALL):
    """Return what a bundle holds of some facts."""
    document = {"format": FORMAT, "ibnb": "0.1.0", "facts": dump(facts, AsItIs())}
    return json.loads(json.dumps(document))


def zipped(path, document, name=FACTS, **more):
    """Write a zip with a file, and return its path."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    with zipfile.ZipFile(path, "w", **more) as archive:
        archive.writestr(name, data)
    return path


def places(value, where=()):
    """Yield the way to every value that a document holds."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*where, key)
        if isinstance(item, dict | list):
            yield from places(item, (*where, key))


WRONG = (None, True, -1, 1e300, "x\x1b[2J", [], [["x"]], {}, {"x": {"y": 1}})


def test_whatever_stands_in_it_is_judged_or_refused_in_one_line(tmp_path):
    """Each value in turn is of each wrong kind: a report that can be shown, or one clear line."""
    path, refusals = tmp_path / "bundle.zip", set()
    for where in list(places(document_of())):
        for wrong in WRONG:
            document = document_of()
            held = document
            for key in where[:-1]:
                held = held[key]
            held[where[-1]] = wrong
            try:
                report = judge_bundle(zipped(path, document))
            except BadInputError as error:
                refusals.add(str(error))
            else:
                for text in (report_text(report), report_html(report)):
                    assert "\x1b" not in text
                json.dumps(report.to_dict())
    assert len(refusals) > 50
    assert all(one.isprintable() and "bundle.zip" in one for one in refusals)


def test_what_is_missing_is_named(tmp_path):
    """The part and the field stand in the line."""
    document = document_of()
    del document["facts"]["attempt"]["ending"]
    with pytest.raises(BadInputError, match=r"facts\.attempt has no 'ending'.*ask whoever sent"):
        judge_bundle(zipped(tmp_path / "x.zip", document))


def test_what_a_later_version_adds_is_passed_over(tmp_path):
    """Within a format, fields may come; the verdict is that of what is known."""
    document = document_of()
    document["facts"]["surroundings"]["mood"] = document["mood"] = "good"
    assert judge_bundle(zipped(tmp_path / "x.zip", document)).verdict.id == "healthy"


def encrypted(path):
    """Write a zip whose file says that it is encrypted."""
    data = bytearray(zipped(path, document_of()).read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)


def with_a_wrong_sum(path):
    """Write a zip in which a byte was changed."""
    data = bytearray(zipped(path, document_of()).read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def bomb(path):
    """Write a zip whose file of facts unpacks to 100 MB."""
    zipped(path, b" " * 100_000_000, compression=zipfile.ZIP_DEFLATED)


def deep(path):
    """Write a document of 100,000 levels."""
    zipped(path, b'{"format": 1, "facts": ' + b"[" * 100_000)


HOSTILE = {
    "no zip": (lambda path: path.write_bytes(b"hello"), "not a zip that can be read"),
    "an empty file": (lambda path: path.write_bytes(b""), "not a zip that can be read"),
    "cut off": (
        lambda path: path.write_bytes(zipped(path, document_of()).read_bytes()[:-30]),
        "not a zip that can be read",
    ),
    "another zip": (lambda path: zipped(path, {}, "x.json"), "not a support bundle"),
    "from before there were facts": (
        lambda path: zipped(path, {"schema": 1}, "report.json"),
        "kept no facts",
    ),
    "a newer format": (
        lambda path: zipped(path, {"format": FORMAT + 1, "ibnb": "9.9\x1b", "facts": 7}),
        r"written by ibnb 9\.9\\x1b in format 2, and this ibnb .* update ibnb",
    ),
    "no format": (lambda path: zipped(path, {"facts": {}}), "no format number"),
    "too large to be kept": (
        lambda path: zipped(path, {"format": 1, "left_out": "x"}),
        "read its report.txt",
    ),
    "a list": (lambda path: zipped(path, []), "holds no facts"),
    "no JSON": (lambda path: zipped(path, b"{"), "not JSON"),
    "no UTF-8": (lambda path: zipped(path, b"\xff\xfe"), "not JSON"),
    "not a number": (lambda path: zipped(path, b'{"format": NaN}'), "NaN is not a number"),
    "a huge number": (lambda path: zipped(path, b'{"format": ' + b"9" * 5000 + b"}"), "not JSON"),
    "deep": (deep, "not JSON"),
    "encrypted": (encrypted, "cannot be read"),
    "changed": (with_a_wrong_sum, "not a zip that can be read"),
    "a bomb": (bomb, r"more than 1,000,000 bytes"),
    "packed otherwise": (
        lambda path: zipped(path, document_of(), compression=zipfile.ZIP_LZMA),
        "packed as no bundle is",
    ),
    "a huge file": (lambda path: path.write_bytes(bytes(4_000_001)), "which no bundle has"),
    "a folder": (lambda path: path.mkdir(), "not a file"),
    "nothing": (lambda _path: None, "cannot be read.*give a file that exists"),
}


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(("make", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_bad_bundle_gets_one_clear_line(make, said, tmp_path, capsys):
    """What happened, why, and what to do; exit status 2, no traceback, and nothing is unpacked."""
    path = tmp_path / "x.zip"
    make(path)
    assert cli.main(["diag", "--from", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith(f"bundle '{path}' ")
    assert "\x1b" not in printed.err
    with pytest.raises(BadInputError, match=said):
        judge_bundle(path)


def test_only_the_facts_are_read(tmp_path):
    """A file beside them that is huge, or called as if it lay elsewhere, does no harm."""
    path = zipped(tmp_path / "x.zip", document_of())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil", b"x")
        archive.writestr("journal.json", bytes(50_000_000))
    assert judge_bundle(path).verdict.id == "healthy"
    assert [one.name for one in tmp_path.iterdir()] == ["x.zip"]


HOSTILE_TEXT = "\x1b[2J\u202ehidden\x07 U7654321 <script>alert(1)</script>"


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["text", "JSON"])
def test_hostile_text_does_nothing_but_be_read(options, tmp_path, capsys):
    """In every text of the facts, of the version and of the system: escaped, accounts masked."""
    told = Result(
        "net.tcp", "fail", HOSTILE_TEXT, {HOSTILE_TEXT: HOSTILE_TEXT}, None, (HOSTILE_TEXT,)
    )
    facts = replace(
        facts_of(told), changes=(Change(HOSTILE_TEXT, HOSTILE_TEXT, HOSTILE_TEXT),), good_at=5.0
    )
    document = document_of(facts) | dict.fromkeys(("ibnb", "python", "platform"), HOSTILE_TEXT)
    path = zipped(tmp_path / "x.zip", document)
    cli.main(["diag", "--from", str(path), *options])
    shown = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\x07"} & set(shown)
    assert "U7654321" not in shown
    assert r"\x1b[2J" in shown.replace("\\\\", "\\")
    html = report_html(judge_bundle(path))
    assert "<script>" not in html
    assert "U7654321" not in html


def test_the_report_says_that_it_is_judged_from_a_bundle(tmp_path):
    """When, where and by which version it was collected; and whose machine the steps are for."""
    report = judge_bundle(packed(tmp_path, replace(SMALL, at=1795781649.0)))
    for text in (report_text(report), report_html(report)):
        read = " ".join(text.split())
        assert "Judged from a bundle: nothing was contacted now." in read
        assert f"collected at 2026-11-27 12:14 UTC by ibnb {versions()['ibnb']}" in read
        assert versions()["python"] in read
        assert "meant for that machine" in read
        assert " · took " not in read
    live = report_text(replace(report, origin=None))
    assert "bundle" not in live
    assert " · took " in live


def test_the_steps_are_those_of_where_it_was_collected(tmp_path):
    """A notebook's bundle names magics, also where it is judged in a terminal."""
    facts = facts_of(found=REFUSED, situation=Situation(place="notebook"))
    steps = " ".join(judge_bundle(packed(tmp_path, facts)).verdict.fix)
    assert "%ibconnect" in steps
    facts = facts_of(found=REFUSED, situation=Situation(place="terminal"))
    steps = " ".join(judge_bundle(packed(tmp_path, facts)).verdict.fix)
    assert "%ibconnect" not in steps


@pytest.mark.parametrize(
    "words",
    [
        ["4002"],
        ["--bundle", "y.zip"],
        ["--only", "net.tcp"],
        ["--wait", "1"],
        ["--list"],
        ["--expect", "paper"],
        ["--client-id", "7"],
        ["--timeout", "3"],
    ],
    ids=lambda words: words[0],
)
def test_an_option_of_a_live_diagnosis_is_refused_beside_it(words, tmp_path, capsys):
    """It would say something about here and now, which has no part in it."""
    path = packed(tmp_path, SMALL)
    assert cli.main(["diag", *words, "--from", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    named = words[0] if words[0].startswith("--") else "target"
    assert f"leave out {named}" in printed.err


def test_a_file_that_cannot_be_facts_is_told_by_its_place():
    """The reader of facts names what is wrong, whoever asks."""
    with pytest.raises(FactsError, match="facts is 7, not an object"):
        load(7)
