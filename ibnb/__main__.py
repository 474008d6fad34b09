"""``python -m ibnb`` is the command ``ibnb``."""

import sys

from ibnb.cli import main

sys.exit(main())
