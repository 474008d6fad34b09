import subprocess
import sys

PROGRAM = """
import sys
import ibnb.ui.cells, ibnb.ui.html, ibnb.ui.panel, ibnb.ui.text
slow = {"jinja2", "ipywidgets", "rich"} & set(sys.modules)
sys.exit(", ".join(sorted(slow)) or 0)
"""


def test_importing_the_room_imports_nothing_slow():
    """What loads the extension pays for templates, widgets and colours only when they are used."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
