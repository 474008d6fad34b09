"""Which notebook this kernel serves, as far as its frontend tells."""

from __future__ import annotations

import os
from typing import Any

from ibnb.session.client_id import working_directory

VSCODE_NAME = "__vsc_ipynb_file__"
SERVER_VARIABLE = "JPY_SESSION_NAME"


def notebook_name(shell: Any) -> str:
    """Return the notebook's path, or the working directory where no frontend tells one.

    VS Code puts it into the user's namespace; Jupyter Server into the kernel's environment, once,
    at its start, so that it stays the same after a rename until the kernel is restarted.
    """
    path = shell.user_ns.get(VSCODE_NAME) or os.environ.get(SERVER_VARIABLE)
    return str(path) if path else working_directory()
