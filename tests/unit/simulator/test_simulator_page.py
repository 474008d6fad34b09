"""The page on the simulated gateway: made from the code, up to date, and its examples run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, ibnb

from ibnb.simulator import FAULTS, VERBS
from ibnb.simulator.answers import KNOWN_REQUESTS
from ibnb.simulator.answers.coverage import coverage
from ibnb.simulator.requests import NAMES
from ibnb.simulator_page import page

PAGE = Path(__file__).parents[3] / "docs" / "simulator.md"
MAX_WAIT = 120


def blocks():
    """Return the Python blocks of the page as it is stored."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def settings(folder):
    """Return the environment in which ibnb is found, and keeps what it remembers in a folder."""
    return {"PYTHONPATH": os.pathsep.join(sys.path), "IBNB_STATE_DIR": str(folder / "state")}


def run_pytest(folder, *words):
    """Run pytest in a folder, as a user does whose tests know nothing of ours."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env=environment(**settings(folder)),
        capture_output=True,
        encoding="utf-8",
        timeout=MAX_WAIT,
        check=False,
    )


def test_the_stored_page_is_what_the_code_makes():
    """If this fails: `ibnb sim --page > docs/simulator.md`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_command_prints_it():
    """`ibnb sim --page` prints the page and runs nothing."""
    ended = ibnb("sim", "--page")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == page()


def test_every_request_fault_and_verb_is_on_it():
    """By its name; and what is known to the answers has a name."""
    text = page()
    assert {one.message_id for one in coverage()} == set(NAMES) >= set(KNOWN_REQUESTS)
    assert [one.name for one in coverage() if f"`{one.name}`" not in text] == []
    assert [name for name in (*FAULTS, *VERBS) if f"| `{name}` |" not in text] == []
    assert "| `clock` | Return the world's time, after" in text


def test_what_becomes_of_a_request_is_told_as_it_is(gateway, dial):
    """A request that is said to be not simulated gets 90001; one that is refused gets another."""
    fates = {one.name: one.fate for one in coverage()}
    client = dial(gateway)
    client.open()
    for _ in range(5):
        client.read()
    client.send(65, 1, "api", "1")
    assert client.read()[3] == "90001"
    assert fates["verifyRequest"] == "not simulated"
    client.send(18, 1, 1)
    assert client.read()[3] == "321"
    assert fates["requestFA"] == "refused"
    client.send(105)
    assert client.read()[0] == "109"
    assert fates["reqCurrentTimeInMillis"] == "served"


def test_the_codes_have_their_texts():
    """A code with its text, and the page of the catalogue on it; what varies is three dots."""
    text = page()
    assert "| 326 | Unable to connect as the client id is already in use." in text
    assert "| 300 | Can't find EId with tickerId:... |" in text
    assert "| 90002 |" in text
    assert "`client-id-in-use`" in text


@pytest.mark.library
def test_the_example_of_a_bot_runs(library, tmp_path):
    """Its test passes, and fails if the bot is broken."""
    for block in blocks():
        name = re.match(r"# (\S+\.py)\n", block)
        if name is not None:
            (tmp_path / name[1]).write_text(block.replace("ib_async", library.__name__))
    assert {path.name for path in tmp_path.iterdir()} == {"bot.py", "test_bot.py"}
    # Nbval imports all that Jupyter is, which takes most of the time.
    words = ("-p", "no:nbval", "test_bot.py")
    ended = run_pytest(tmp_path, *words)
    assert "3 passed" in ended.stdout, ended.stdout
    bot = (tmp_path / "bot.py").read_text()
    (tmp_path / "bot.py").write_text(bot.replace("ticker.last < below", "True"))
    assert " failed, " in run_pytest(tmp_path, *words).stdout


@pytest.mark.library
def test_the_example_of_a_notebook_runs(library, tmp_path, monkeypatch):
    """Its outputs are the same again under nbval, and nbval fails if one is another."""
    pytest.importorskip("nbval")
    import nbformat
    from nbclient import NotebookClient

    cells = [
        block.replace("ib_async", library.__name__) for block in blocks() if "# bot.py" not in block
    ]
    cells = [cell for cell in cells if "# test_bot.py" not in cell]
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells],
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}
        },
    )
    for name, value in {**settings(tmp_path), "IPYTHONDIR": str(tmp_path / "ipython")}.items():
        monkeypatch.setenv(name, value)
    options = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=MAX_WAIT, resources=options).execute()
    nbformat.write(notebook, tmp_path / "notebook.ipynb")
    notebook.cells[1].outputs[0]["data"]["text/plain"] = "1"
    nbformat.write(notebook, tmp_path / "another.ipynb")
    told = run_pytest(tmp_path, "-rf", "--nbval", "notebook.ipynb", "another.ipynb").stdout
    assert re.findall("^FAILED (.*)::Cell 1", told, re.MULTILINE) == ["another.ipynb"], told
    assert f"1 failed, {2 * len(cells) - 1} passed" in told
