"""What the magics say of themselves, and what they take as it is meant."""

from __future__ import annotations

import pytest

from ibnb.options import PARSERS

SIM = "%ibconnect sim --library {library}"


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_help_and_the_question_mark_explain_every_option(notebook, name):
    """Each with a line of its own, and with examples where there are options; nothing is run."""
    notebook.run("%load_ext ibnb")
    asked = notebook.run(f"%{name} --help")
    assert asked.status == "ok", asked.everything
    assert asked.displays == []
    shown = notebook.value(f"get_ipython().object_inspect_text('%' + {name!r})")
    parser = PARSERS[name](f"%{name}")
    for flag, option in parser.flags.items():
        assert flag in asked.stdout
        assert flag in shown
        assert " ".join(option.help.split()[:2]) in asked.stdout
    assert ("examples:" in asked.stdout) == bool(parser.flags)
    assert "``" not in shown
    assert "ibnb diag" not in shown


def test_words_of_help_that_are_pasted_are_looked_up(notebook):
    """Only alone it asks for help where free text may stand."""
    notebook.run("%load_ext ibnb")
    assert "usage:" not in notebook.run("%iberror 326 --helpless").stdout
    assert "usage: %iberror" in notebook.run("%iberror -h").stdout


def test_host_and_port_are_a_target(notebook, gateway, library):
    """As people write them."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect 127.0.0.1 {gateway.port} --library {library}")
    assert run.status == "ok", run.everything
    assert notebook.value("ib.isConnected()") == "True"


def test_a_simulated_gateway_says_so_wherever_the_account_is_shown(notebook, library):
    """In the line, if there is one, in the badge as HTML and as text, live or closed."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"{SIM.format(library=library)};")
    assert "simulated paper DU" in run.stdout
    run = notebook.run(SIM.format(library=library))
    assert ">SIM<" in run.html
    assert "SIM" in run.text
    assert "PAPER" not in run.everything
    assert "simulated paper" in notebook.run("%ibdiag --static").text
    notebook.run("%ibdisconnect")
    closed = notebook.run("ib")
    assert "Closed" in closed.text
    assert "SIM" in closed.text
    assert "PAPER" not in closed.everything


def test_a_look_up_is_not_red(notebook):
    """Nothing went wrong: somebody wants to know."""
    notebook.run("%load_ext ibnb")
    run = notebook.run("%iberror 201")
    assert "Error" in run.text
    assert "#d73a49" not in run.html
