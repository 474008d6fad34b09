"""What Tab offers after the magics, after `ibnb.` and for faults: ours, and nothing else."""

import ast

import pytest
from commands import python

import ibnb
from ibnb.completion import complete
from ibnb.diagnostics import CHECKS
from ibnb.options import PARSERS
from ibnb.simulator import FAULTS

TARGETS = ("paper", "live", "sim")
NET = ("net.port", "net.tcp", "net.clients")
VALUES = [
    ("%ibconnect pa", "pa", ("paper",)),
    ("%ibconnect 4", "4", ()),
    ("%ibconnect --expect ", "", ("paper", "live")),
    ("%ibconnect --expect li", "li", ("live",)),
    ("%ibconnect --expect=li", "li", ("live",)),
    ("%ibconnect --expect=", "", ("paper", "live")),
    ("%ibconnect --library ", "", ("ib_insync", "ib_async")),
    ("%ibconnect --client-id ", "", ("auto",)),
    ("%ibconnect --client-id 4", "4", ()),
    ("%ibconnect --account ", "", ()),
    ("%ibconnect --cl", "--cl", ("--client-id",)),
    ("%ibconnect --readonly=", "", ()),
    ("%ibconnect  paper   --expect  li", "li", ("live",)),
    ("%ibdiag --only net", "net", NET),
    ("%ibdiag --only net.tcp net", "net", ("net.port", "net.clients")),
    ("%ibdiag --only=net.tcp net", "net", ()),
    ("%ibdiag --only ", "", tuple(check.id for check in CHECKS)),
    ("%ibdiag --only net.tcp --l", "--l", ("--library", "--list")),
    ("%iberror client-id-i", "client-id-i", ("client-id-in-use",)),
    ("%iberror net.p", "net.p", ("net.port",)),
    ("%iberror what is net.p", "net.p", ("net.port",)),
    ("%iberror --", "--", ("--list", "--json")),
    ("%ibhealth ", "", ("--team",)),
    ("%ibdisconnect x", "x", ()),
    ("x = %ibconnect li", "li", ("live",)),
    ("a, b = %ibconnect li", "li", ("live",)),
    ("x=%ibconnect li", "li", ("live",)),
    ("%time %ibconnect li", "li", ("live",)),
    ("    %ibconnect li", "li", ("live",)),
    ("import ibnb\n%ibconnect li", "li", ("live",)),
    ("print('before')\n\n%ibconnect li", "li", ("live",)),
    ("ibconnect li", "li", ("live",)),
    ("SimulatedGateway(faults=['half", "half", ("half-open",)),
    ('SimulatedGateway(0, faults = ("half-open", "id-', "id-", ("id-held",)),
    ("with SimulatedGateway(\n    port=0,\n    faults=[\n        'id-", "id-", ("id-held",)),
    ("start_simulator(faults={'id-", "id-", ("id-held",)),
    ("gateway.set_faults(['id-held', 'id-", "id-", ()),
    ("gateway.faults(['id-held', 'half", "half", ("half-open",)),
    ("@pytest.mark.simulated_gateway(cash=5, faults=['half", "half", ("half-open",)),
    ("%ibconnect sim --fault half", "half", ("half-open",)),
    ("%ibconnect sim --fault half-open --fault dr", "dr", ("drop-after",)),
    ("ibnb.expl", "expl", ("explain", "explain_async")),
    ("report = ibnb.diag", "diag", ("diagnose", "diagnose_async")),
    ("print(ibnb.disc", "disc", ("disconnect",)),
    ("import ibnb\nibnb.", "", tuple(ibnb.__all__)),
]
NOT_OURS = [
    *("", "li", "%ibc", "%ibconnect", "%ibconnectx li", "ibconnect.li", "ibconnect = li"),
    *("print('%ibconnect li", '"""%ibconnect li', "# %ibconnect li", "x % ibconnect li"),
    *("from ibnb.", "import ibnb.", "import ibnb.sim", "from ibnb import con", "myibnb.con"),
    *("self.ibnb.con", "open('ibnb.", "ibnb.simulator.", "ibnb.sim", "%ibconnect li\nx = li"),
    *("faults = ['id-", "SimulatedGateway(faults=[", "SimulatedGateway(accounts=['", "f(faults=['"),
    *("SimulatedGateway(faults=['silent'])['", "%%ibconnect li", "%config IbMagics."),
]


@pytest.mark.parametrize(("text", "begun", "words"), VALUES)
def test_what_may_stand_here(text, begun, words):
    """Values where a value is due, in our order; nothing where only the user knows."""
    found = complete(text)
    assert (found.begun, found.words) == (begun, words)


@pytest.mark.parametrize("text", NOT_OURS)
def test_what_is_not_ours_to_complete(text):
    """IPython completes it as ever."""
    assert complete(text) is None


@pytest.mark.parametrize("magic", ["ibconnect", "ibdiag"])
def test_targets_come_first_and_then_the_options(magic):
    """All of them, and each once."""
    words = complete(f"%{magic} ").words
    options = tuple(PARSERS[magic](f"%{magic}").flags)
    assert words == (*TARGETS, *options)
    assert complete(f"%{magic} --").words == complete(f"%{magic} -").words == options
    assert len(set(words)) == len(words)


def test_pages_come_before_the_options():
    """What `%iberror` is mostly given are names of pages."""
    words = complete("%iberror ").words
    assert "client-id-in-use" in words
    assert words[-1] == "--json"


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("%ibconnect paper --readonly --expect live ", ""),
        ("%ibconnect paper ", " --readonly --expect live"),
        ("%ibconnect --expect=live ", " paper --readonly"),
        ("%ibconnect ", " --readonly paper --expect live"),
    ],
)
def test_what_is_given_is_not_offered_again(text, after):
    """Before the cursor or behind it: options, and the target."""
    words = complete(text, after).words
    assert not {*TARGETS, "--readonly", "--expect"} & set(words)
    assert {"--client-id", "--resume", "--trade"} < set(words)


@pytest.mark.parametrize("after", ["per --readonly", "per", ""])
def test_a_word_with_the_cursor_in_it(after):
    """What stands before the cursor counts, and what touches it is the same word."""
    assert complete("%ibconnect pa", after).words == ("paper",)


def test_the_value_of_an_option_is_no_target():
    """A target may still be given."""
    assert complete("%ibconnect --account DU1234567 pa").words == ("paper",)
    assert complete("%ibconnect --client-id auto --wait 5 ").words[:3] == TARGETS


def test_a_file_may_stand_here():
    """Which one, IPython says."""
    assert complete("%ibdiag --bundle sup").files
    assert complete("%ibdiag --from sup").files
    assert not complete("%ibdiag --bundle x.zip sup").files


def test_every_fault_is_offered():
    """In the order of their list."""
    assert complete("%ibconnect sim --fault ").words == tuple(FAULTS)
    assert complete("SimulatedGateway(faults=['").words == tuple(FAULTS)


def test_the_public_names_are_all_that_a_look_at_the_module_shows():
    """`dir` is what completion without the extension goes by."""
    assert dir(ibnb) == sorted([*ibnb.__all__, "__version__"])
    assert all(hasattr(ibnb, name) for name in dir(ibnb))


SHELL = """
import sys, warnings
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
shell.Completer.use_jedi = sys.argv[1] == "jedi"
before = list(shell.Completer.custom_matchers)
shell.run_line_magic("load_ext", "ibnb")
def offered(text):
    with provisionalcompleter():
        return [(one.start, one.text) for one in shell.Completer.completions(text, len(text))]
for line in sys.argv[2:]:
    print(offered(line))
print(shell.complete("", "%ibdiag --only net", len("%ibdiag --only net")))
shell.run_line_magic("unload_ext", "ibnb")
print(offered("%ibconnect --expe"), shell.Completer.custom_matchers == before)
"""


@pytest.mark.parametrize("jedi", ["jedi", "plain"])
def test_a_terminal_offers_ours_and_nothing_of_pythons(tmp_path, jedi):
    """Through IPython's own completer, old interface and new; after unloading it is as before."""
    lines = ["%ibconnect ", "%ibconnect --expect ", "x = %ibconnect li", "%ibconnect --account "]
    lines += ["SimulatedGateway(faults=['id", "%ibdiag --bundle rep"]
    (tmp_path / "report.zip").write_text("")
    ended = python("-c", f"import os; os.chdir({str(tmp_path)!r})\n{SHELL}", jedi, *lines,
                   IPYTHONDIR=str(tmp_path))  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    *offered, old, after = ended.stdout.splitlines()
    everything, expect, assigned, account, fault, bundle = map(ast.literal_eval, offered)
    assert [text for _, text in everything] == list(complete("%ibconnect ").words)
    assert expect == [(20, "paper"), (20, "live")]
    assert assigned == [(15, "live")]
    assert account == []
    assert fault == [(26, "id-held")]
    assert bundle == [(17, "report.zip")]
    assert ast.literal_eval(old) == ("net", list(NET))
    assert after == "[] True"
