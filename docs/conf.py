"""How the documentation site is built: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import pages_from_code  # noqa: E402 - it stands beside this file, which nobody else looks into

import ibnb  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "ibnb"
release = ibnb.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}

myst_enable_extensions = ["attrs_inline"]
# So that a link to a heading is checked as well as one to a page.
myst_heading_anchors = 3
# What is typed has to be shown as it is typed.
smartquotes = False
# What stands in backticks in a docstring: a name, which may be one of these pages.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "ibnb"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_static_path = ["static"]
html_css_files = ["site.css"]
highlight_language = "none"
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def signature_of(_app: Sphinx, what: str, *_more: Any) -> tuple[str, None] | None:
    """Leave the parameters of errors away, which nobody but ibnb makes."""
    return ("", None) if what == "exception" else None


def level_headings(
    _app: Sphinx, _page: str, _template: str, context: dict[str, Any], _doctree: Any
) -> None:
    """Give the headings of the side bar a level, without which a screen reader cannot rank them."""
    tree, role = "furo_navigation_tree", 'role="heading"'
    context[tree] = context[tree].replace(role, f'{role} aria-level="2"')


def setup(app: Sphinx) -> None:
    """Make the reference before Sphinx looks which pages there are."""
    pages_from_code.write(Path(app.srcdir) / "reference")
    app.connect("autodoc-process-signature", signature_of)
    # After the theme, which makes the side bar.
    app.connect("html-page-context", level_headings, priority=900)
