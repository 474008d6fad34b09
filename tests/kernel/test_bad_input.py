"""Bad input: one clear line, no traceback, and the connection that was there is still there."""

from __future__ import annotations

import pytest

BAD = [
    ("%ibconnect papper", "paper, live, sim, PORT or HOST:PORT"),
    ("%ibconnect 0", "from 1 to 65535"),
    ("%ibconnect 65536", "from 1 to 65535"),
    ("%ibconnect 127.0.0.1:99999999999999999999", "from 1 to 65535"),
    ("%ibconnect --client-id seven", "from 0 to 2147483647"),
    ("%ibconnect --client-id -1", "from 0 to 2147483647"),
    ("%ibconnect --client-id 2147483648", "from 0 to 2147483647"),
    ("%ibconnect --colour red", "--client-id"),
    ("%ibconnect --expect demo", "'paper', 'live'"),
    ("%ibconnect --timeout soon", "seconds"),
    ("%ibconnect --timeout 0", "seconds"),
    ("%ibconnect --timeout nan", "seconds"),
    ("%ibconnect --library ibpy", "'ib_insync', 'ib_async'"),
    ("%ibconnect --name 3x", "Python name"),
    ("%ibconnect sim --fault fire", "unknown fault 'fire': give one of silent, close"),
    ("%ibconnect paper --fault slow", "give the target sim"),
    ("%ibconnect 'paper", "quotation"),
    ("%ibconnect paper live", "--client-id"),
    ("%ibdiag nowhere", "paper, live, sim, PORT or HOST:PORT"),
    ("%ibdiag --only net.prot", "net.port"),
    ("%ibdiag --bundel x", "--only"),
    ("%ibdisconnect now", "now"),
    ("%ibhealth now", "now"),
]


def test_each_is_one_line_and_harmless(notebook, gateway):
    """Whatever is mistyped, one line names what was wrong and what is accepted."""
    notebook.run("%load_ext ibnb")
    assert notebook.run(f"%ibconnect {gateway.port}").status == "ok"
    for line, accepted in BAD:
        run = notebook.run(line)
        assert run.status == "error", line
        said = run.stderr.strip()
        assert said.startswith("UsageError: "), (line, run.everything)
        assert "\n" not in said, (line, said)
        assert accepted in said, (line, said)
        assert "Traceback" not in run.everything
    assert notebook.value("ib.isConnected()") == "True"
    assert gateway.connections_accepted == 1


def test_an_internal_error_is_shown_as_it_is(notebook):
    """With its own type and traceback: nobody's input is to blame."""
    notebook.run("%load_ext ibnb\nfrom ibnb.app import App\nfrom ibnb.explainer import Explainer")
    for line, verb in (
        ("%ibconnect 4002", "App.connect"),
        ("%ibdiag --static", "App.start_diagnosis"),
        ("%iberror", "Explainer.explain"),
        ("%ibdisconnect", "App.disconnect"),
    ):
        for error in ("KeyError('reqId')", "IndexError(3)", "LookupError('x')"):
            notebook.run(f"def broken(*_args, **_kwargs): raise {error}\n{verb} = broken")
            run = notebook.run(line)
            assert run.error_name == error.partition("(")[0], run.everything
            assert "broken" in run.error
            assert "UsageError" not in run.everything


def test_an_internal_error_within_connecting_is_shown_as_it_is(notebook, gateway, library):
    """However deep it is raised; and what was connected still is."""
    notebook.run("%load_ext ibnb")
    assert notebook.run(f"%ibconnect {gateway.port} --library {library}").status == "ok"
    notebook.run("from ibnb.session import connection\nkept = connection.open_ib\n"
                 "async def broken(*_args, **_kwargs): return {}['reqId']\n"
                 "connection.open_ib = broken")  # fmt: skip
    run = notebook.run(f"%ibconnect {gateway.port} --client-id 77")
    assert run.error_name == "KeyError", run.everything
    assert "broken" in run.error
    assert notebook.value("ib.isConnected()") == "True"


@pytest.mark.parametrize(
    ("name", "value"), [("IBNB_TIMEOUT", "soon"), ("IBNB_READONLY", "maybe"), ("IBNB_WAIT", "-1")]
)
def test_bad_environment_is_one_line(tmp_path, name, value):
    """A variable that its setting does not take is named when the extension is loaded."""
    from kernels import Notebook

    book = Notebook(tmp_path, **{name: value})
    try:
        run = book.run("%load_ext ibnb")
        assert "UsageError" in run.stderr, run.everything
        assert f"{name}={value!r}" in run.stderr
    finally:
        book.close()


def test_every_setting_is_checked_when_loading(notebook):
    """One line each; with the variable mended or gone loading works."""
    for name, value in (
        *(("TARGET", "papr"), ("CLIENT_ID", "x"), ("EXPECT", "demo"), ("LIBRARY", "ibpy")),
        *(("ACCOUNT", "a\nb"), ("ACCOUNT", "x" * 50_000), ("GUARD", "maybe")),
    ):
        notebook.run(f"import os; os.environ['IBNB_{name}'] = {value!r}")
        run = notebook.run("%load_ext ibnb")
        assert run.status == "error", run.everything
        (line,) = run.stderr.splitlines()
        assert line.startswith(f"UsageError: IBNB_{name}='"), line
        assert ": it takes " in line
        assert len(line) < 300
        notebook.run(f"os.environ['IBNB_{name}'] = ''")
        assert notebook.run("%load_ext ibnb").status == "ok"
        assert notebook.run("%unload_ext ibnb").status == "ok"


def test_no_library_says_the_command(notebook):
    """Where no API library is installed, a plain sentence and the command say so."""
    notebook.run(
        "import importlib.util as u, builtins\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n in ('ib_insync', 'ib_async') else find(n, *a)"
    )
    notebook.run("%load_ext ibnb")
    run = notebook.run("%ibconnect 4002")
    assert run.error_name == "NoLibraryError"
    assert "pip install ib_insync" in run.error


@pytest.mark.parametrize("line", ["%ibconnect --halp", "%ibdiag -x", "%ibconnect --name class"])
def test_options_and_keywords_are_one_line(notebook, line):
    """A magic never ends the shell; help is asked for with `?`, as the line says."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(line)
    assert "UsageError: " in run.everything
    assert "SystemExit" not in run.everything
    assert ("? says more" in run.everything) == ("class" not in line)


@pytest.mark.parametrize("line", ["%ibconnect --help", "%ibdiag -h"])
def test_help_ends_nothing(notebook, line):
    """It is printed, and the shell goes on."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(line)
    assert run.stdout.startswith("usage: ")
    assert "SystemExit" not in run.everything
