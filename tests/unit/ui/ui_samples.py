"""Small reports, cards and badges for the tests of this folder."""

from ibnb.diagnostics.model import Check, Report, Result, Verdict
from ibnb.knowledge.model import Answer, Entry, EntryCheck, Explanation
from ibnb.session.health import Health
from ibnb.tws.notices import Link, Notice
from ibnb.tws.target import Target

TARGET = Target("127.0.0.1", 4002, "paper")


async def never(_context):
    """Stand where a check's work would be: nothing that is drawn may run it."""
    raise AssertionError


def check(name, title="It works", category="network", requires=()):
    """Return a check that is only looked at."""
    return Check(name, title, category, never, requires)


def report(checks, results, *, severity="error", summary="It does not work.", fix=()):
    """Return a report of these results."""
    verdict = Verdict("connection-refused", "Nothing listens", severity, summary, fix)
    return Report(TARGET, verdict, tuple(results), tuple(checks), 0.0812)


def refused():
    """Return the report of a port on which nothing listens, with one check of each kind."""
    checks = (
        check("host.address", "The name resolves", "host"),
        check("net.port", "Something listens on the port"),
        check("api.version", "The gateway answers", "api", ("net.port",)),
    )
    results = (
        Result("host.address", "pass", "127.0.0.1 is an address.", {"addresses": ["127.0.0.1"]}),
        Result(
            "net.port",
            "fail",
            "Nothing listens on port 4002.",
            {"port": 4002, "listening_elsewhere": [{"port": 4001, "pid": 991}]},
            "connection-refused",
            ("Start IB Gateway.",),
        ),
        Result("api.version", "skip", "Not reached.", blocked_by="net.port"),
    )
    return report(checks, results, fix=("Start IB Gateway with your paper login.", "Run %ibdiag."))


def explanation():
    """Return an explanation that has everything an explanation can have."""
    entry = Entry(
        "client-id-in-use",
        (326,),
        "The client ID is in use",
        "connection",
        "error",
        "Another client is connected with the same ID.",
        ("The connection closes at once.",),
        ("A cell was run twice.",),
        (EntryCheck("Who holds the ID?", "session.client-id"), EntryCheck("Does TWS list it?")),
        ("Close the other.", "Wait a minute.", "Take another ID.", "Restart the gateway."),
        ("not-connected",),
    )
    return Explanation(
        entry,
        ("Notice 326 came after 6 ms.",),
        (Answer("session.client-id", "fail", "python holds it."),),
    )


def health(**changes):
    """Return the health of a ready paper session, with changes."""
    values = {
        "state": "ready",
        "target": TARGET,
        "client_id": 3127,
        "library": "ib_insync 0.9.86",
        "server_version": 176,
        "accounts": ("DU1234567",),
        "kind": "paper",
        "link": Link(farms={"usfarm": "ok"}),
        "notices": (Notice(2104, "Market data farm connection is OK:usfarm", time=1000.0),),
    }
    return Health(**{**values, **changes})
