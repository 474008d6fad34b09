"""What every test has, those of the notebooks too: its own state folder, and interrupts."""

from __future__ import annotations

import os
import signal
import tempfile

os.environ["IBNB_STATE_DIR"] = tempfile.mkdtemp(prefix="ibnb-tests-")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts its background jobs deaf to interrupts, and what they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
