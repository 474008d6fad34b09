"""What a kernel that will load ibnb has imported and read already when it is forked.

Reading the catalogue and the templates takes long in each kernel that shows anything, and is the
same in all of them.
"""

import importlib
from importlib.resources import files

from ibnb.knowledge import catalogue
from ibnb.preparing import MODULES
from ibnb.ui.html import read_template

TEMPLATE = ".html.j2"

for name in ("ibnb.extension", "ibnb.diagnostics", *MODULES):
    importlib.import_module(name)
catalogue()
for file in files("ibnb.ui").joinpath("templates").iterdir():
    if file.name.endswith(TEMPLATE):
        read_template(file.name.removesuffix(TEMPLATE))
