"""``python -m ibnb`` is the command ``ibnb``."""

import sys

from .cli import main

sys.exit(main())
