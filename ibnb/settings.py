"""Every setting once.

One rule for all: setting `name`, environment ``IBNB_NAME``, ``%config IbMagics.name``, option
``--name`` (with dashes). An option beats `%config`, which beats the environment.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

from traitlets import Bool, Float, TraitError, Unicode, validate
from traitlets.config import Configurable

from ibnb.session import BadInputError

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})
SHORTEST_SECONDS = {"timeout": 0.001, "wait": 0.0}
LONGEST_SECONDS = 3600.0


def check_seconds(name: str, value: Any) -> float:
    """Return the value of a setting that is a time limit, in seconds.

    Raises:
        ValueError: it is no number of seconds that the setting takes. One line.
    """
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not SHORTEST_SECONDS[name] <= seconds <= LONGEST_SECONDS:
        least = "0 or more" if SHORTEST_SECONDS[name] == 0 else "more than 0"
        raise ValueError(f"{name} takes seconds, {least} and up to {LONGEST_SECONDS:g}")
    return seconds


class IbSettings(Configurable):
    """The settings of ibnb; seconds are seconds, and an empty text means that nothing is set."""

    target = Unicode("paper", help="Where to connect: paper, live, sim, PORT or HOST:PORT.").tag(
        config=True
    )
    client_id = Unicode("", help="The client ID; empty: this notebook's own.").tag(config=True)
    account = Unicode("", help="The account to follow; empty: the only one.").tag(config=True)
    expect = Unicode("", help="What the account must be: paper or live; empty: as the port.").tag(
        config=True
    )
    timeout = Float(5.0, help="Seconds that an opening may take.").tag(config=True)
    wait = Float(10.0, help="Seconds to wait for a client ID that is still held.").tag(config=True)
    readonly = Bool(False, help="Do not fetch orders (for a Read-Only API).").tag(config=True)
    library = Unicode("", help="ib_insync or ib_async; empty: whichever is installed.").tag(
        config=True
    )
    guard = Bool(True, help="Make reruns of the notebook's own connects safe.").tag(config=True)
    auto_resume = Bool(True, help="Resume the connection by itself when its socket was lost.").tag(
        config=True
    )
    explain = Bool(True, help="Show an explanation under a cell that failed.").tag(config=True)
    state_dir = Unicode("", help="Where leases are kept; empty: as this system has it.").tag(
        config=True
    )
    show_accounts = Bool(False, help="Show account numbers in full.").tag(config=True)

    @validate("timeout", "wait")
    def _seconds(self, proposal: Any) -> float:
        try:
            return check_seconds(proposal["trait"].name, proposal["value"])
        except ValueError as error:
            raise TraitError(str(error)) from None


def state_folder(setting: str) -> Path:
    """Return the folder for what ibnb remembers: the one that is set, or the system's usual."""
    if setting:
        return Path(setting).expanduser()
    from platformdirs import user_state_path

    return user_state_path("ibnb", appauthor=False)


def apply_environment(settings: IbSettings) -> None:
    """Give each setting the value of its environment variable, unless a configuration set it.

    Raises:
        BadInputError: a variable holds a value that its setting does not take.
    """
    configured = settings.config.get(type(settings).__name__, {})
    for name, trait in IbSettings.class_own_traits().items():
        if name in configured:
            continue
        text = os.environ.get(f"IBNB_{name.upper()}")
        if text is None:
            continue
        try:
            setattr(settings, name, _read(trait, text))
        except (TraitError, ValueError) as error:
            raise BadInputError(f"IBNB_{name.upper()}={text!r}: {error}") from None


def _read(trait: Any, text: str) -> Any:
    if isinstance(trait, Bool):
        word = text.strip().lower()
        if word not in TRUE | FALSE:
            raise ValueError("give 1 or 0")
        return word in TRUE
    return check_seconds(str(trait.name), text) if isinstance(trait, Float) else text
