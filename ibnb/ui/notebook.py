"""Which notebook this kernel serves, as far as its frontend tells, and what its code is."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ibnb.session.client_ids.ids import working_directory

if TYPE_CHECKING:
    from ibnb.session.notebook.reach import Root

VSCODE_NAME = "__vsc_ipynb_file__"
SERVER_VARIABLE = "JPY_SESSION_NAME"
OUTPUTS = re.compile(r"_|__|___|_i+|_i?\d+|_[iod]h|In|Out")
"""The names under which IPython keeps what cells were and came to."""


def notebook_name(shell: Any) -> str:
    """Return the notebook's path, or the working directory where no frontend tells one.

    VS Code puts it into the user's namespace; Jupyter Server into the kernel's environment, once,
    at its start, so that it stays the same after a rename until the kernel is restarted.
    """
    path = shell.user_ns.get(VSCODE_NAME) or os.environ.get(SERVER_VARIABLE)
    return str(path) if path else working_directory()


def reachable(shell: Any) -> Iterator[Root]:
    """Yield what the notebook's code can reach: its variables, and the widgets that are shown.

    The shell's own names are left out, those of earlier outputs (`Out`, `_`, `_12`) above all: what
    is only there nobody uses on purpose.
    """
    from ibnb.session.notebook.reach import Root

    hidden = shell.user_ns_hidden
    for name, value in tuple(shell.user_ns.items()):
        kept_by_shell = name in hidden and hidden[name] is value
        if not (kept_by_shell or OUTPUTS.fullmatch(name)):
            yield Root(name, value, is_name=True)
    widgets = sys.modules.get("ipywidgets.widgets.widget")
    # A button's handler holds what it uses, and nothing else may hold the button.
    for widget in tuple(getattr(widgets, "_instances", {}).values()):
        handlers = vars(widget).get("_click_handlers")
        yield Root("a widget", getattr(handlers, "callbacks", None))
        yield Root("a widget", getattr(widget, "_trait_notifiers", None))


def ends_with_magic(shell: Any, name: str) -> bool:
    """Say whether the cell that runs ends with a line magic, whose value IPython then shows.

    In doubt it does not.
    """
    if shell.ast_node_interactivity == "none":
        return False
    try:
        statements = ast.parse(shell.history_manager.input_hist_parsed[-1]).body
    except (IndexError, SyntaxError, ValueError):
        return False
    match statements[-1:]:
        case [ast.Expr(ast.Call(ast.Attribute(attr="run_line_magic"), [ast.Constant(said), _]))]:
            return bool(said == name)
        case _:
            return False
