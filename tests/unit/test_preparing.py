"""What is prepared for a first connect: on a thread, and nobody hears of it."""

import importlib
import logging
import threading

from ibnb.preparing import Preparing


def test_what_cannot_be_prepared_is_left_to_whoever_needs_it(library, caplog):
    """The thread ends without an error of its own; the log has why."""
    caplog.set_level(logging.DEBUG, "ibnb")

    def fail():
        raise OSError("the disk is gone")

    importlib.import_module(f"{library}.ib")
    preparing = Preparing(fail)
    preparing.enter()
    try:
        for thread in threading.enumerate():
            if thread.name == "ibnb-preparing":
                thread.join(60)
    finally:
        preparing.leave()
    assert "the disk is gone" in caplog.text
