"""Every setting once.

One rule for all: setting `name`, environment ``IBNB_NAME``, ``%config IbMagics.name``, option
``--name`` (with dashes). An option beats `%config`, which beats the environment.

A value is checked when it is set, wherever that is: what a setting does not take is refused in one
line, and the value that was there stays. None means that a setting is not set.
"""

from __future__ import annotations

import operator
import os
import reprlib
from pathlib import Path
from typing import Any

from traitlets import TraitError, TraitType
from traitlets.config import Config, Configurable

from .context import SIMULATOR
from .session import BadInputError, parse_client_id
from .session.client_ids.store_url import StoreUrl, without_credentials
from .session.library.names import NAMES
from .tws.accounts import mask_in

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})
LONGEST_SECONDS = 3600.0
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60


class Setting(TraitType[Any, Any]):
    """One setting; a subclass says in `takes` what it takes, and reads that in `read`.

    Both raise ValueError for what the setting does not take; its text does not matter.
    """

    takes = ""
    takes_text = ""
    """What it takes as text, if that is written differently."""

    def __init__(self, default: Any, *, help: str) -> None:  # noqa: A002 - as traitlets has it
        super().__init__(default, help=help)
        self.tag(config=True)

    def read(self, value: Any) -> Any:
        """Return the value to keep for one that Python code gives."""
        raise NotImplementedError

    def from_string(self, s: str) -> Any:
        """Return the value to keep for a text, as the environment or a command line has it."""
        return self.read(s)

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the value to keep, or refuse it in one line."""
        return self.checked(type(obj).__name__, value)

    def checked(self, owner: str, value: Any) -> Any:
        """Return the value to keep.

        Raises:
            TraitError: it is refused; one line with the setting, the value and what is taken.
        """
        try:
            return self.read(value)
        except ValueError:
            raise TraitError(
                f"{owner}.{self.name} = {_shown(value)} was refused: it takes {self.takes}"
            ) from None


class Switch(Setting):
    """Yes or no."""

    takes = "True or False"
    takes_text = "1 or 0"

    def read(self, value: Any) -> bool:
        """Return it, if it is one of the two."""
        if not isinstance(value, bool):
            raise ValueError  # noqa: TRY004 - as of every other value that is refused
        return value

    def from_string(self, s: str) -> bool:
        """Return what a word for yes or no means."""
        word = s.strip().lower()
        if word not in TRUE | FALSE:
            raise ValueError
        return word in TRUE


class Seconds(Setting):
    """A time limit."""

    def __init__(self, default: float | None, *, may_be_zero: bool, help: str) -> None:  # noqa: A002 - as traitlets has it
        super().__init__(default, help=help)
        self._may_be_zero = may_be_zero
        least = "0 or more" if may_be_zero else "more than 0"
        self.takes_text = f"seconds, {least} and up to {LONGEST_SECONDS:g}"
        self.takes = f"{self.takes_text}, or None (not set)"

    def read(self, value: Any) -> float | None:
        """Return a number of seconds; None is the default."""
        if value is None:
            return self.default_value  # type: ignore[no-any-return]  # as the constructor has it
        if isinstance(value, (str, bytes, bytearray)):
            raise ValueError  # noqa: TRY004 - as of every other value that is refused
        return self._limited(value)

    def from_string(self, s: str) -> float:
        """Return a number of seconds."""
        return self._limited(s)

    def _limited(self, value: Any) -> float:
        try:
            seconds = float(value)
        except (TypeError, OverflowError):
            raise ValueError from None
        # Written so that what is not a number is refused as well.
        if not 0 <= seconds <= LONGEST_SECONDS or (seconds == 0 and not self._may_be_zero):
            raise ValueError
        return seconds


class Text(Setting):
    """One line of text; an empty one means the same as None, that the setting is not set."""

    longest = 100
    takes = f"one line of text of up to {longest} characters, or None (not set)"

    def read(self, value: Any) -> Any:
        """Return the text without spaces around it, as `meaning` has it."""
        if value is None:
            return self.default_value
        if not isinstance(value, str) or len(value) > self.longest:
            raise ValueError
        if "\0" in value or len(f"{value}.".splitlines()) > 1:
            raise ValueError
        text = value.strip()
        return self.meaning(text) if text else self.default_value

    def meaning(self, text: str) -> Any:
        """Return the value to keep for a text that is not empty."""
        return text


class Choice(Text):
    """One of a few words."""

    def __init__(self, *words: str, help: str) -> None:  # noqa: A002 - as traitlets has it
        super().__init__(None, help=help)
        self._words = words
        self.takes_text = " or ".join(words)
        self.takes = f"{self.takes_text}, or None (not set)"

    def meaning(self, text: str) -> str:
        """Return the word."""
        if text not in self._words:
            raise ValueError
        return text


class Folder(Text):
    """The path of a folder, which need not exist."""

    longest = 4096
    takes = f"a path of one line and up to {longest} characters, or None (not set)"


class Address(Text):
    """A target; a port may be a number."""

    longest = 300

    @property
    def takes(self) -> str:  # type: ignore[override]  # what it says is imported late
        """What it takes, in words."""
        from .tws.target import ACCEPTED, HIGHEST_PORT

        return f"{ACCEPTED} (ports from 1 to {HIGHEST_PORT}, IPv6 addresses in brackets)"

    def read(self, value: Any) -> Any:
        """Return the target as text."""
        return super().read(_digits(value))

    def meaning(self, text: str) -> str:
        """Return the target."""
        from .tws.target import BadTargetError, parse_target

        if text != SIMULATOR:
            try:
                parse_target(text)
            except BadTargetError:
                raise ValueError from None
        return text


class Store(Text):
    """Where a store is that several machines share; its credentials are shown to nobody."""

    longest = 2000
    takes = (
        "redis://HOST:PORT/0 or rediss://HOST:PORT/0, with USER:PASSWORD@ before the host if "
        "needed, or None for this machine's own"
    )

    def read(self, value: Any) -> Any:
        """Return the URL."""
        return value if isinstance(value, StoreUrl) else super().read(value)

    def meaning(self, text: str) -> Any:
        """Return the URL."""
        return StoreUrl(text)


class ClientId(Text):
    """A client ID, or ``auto``; kept as text."""

    takes = "a client ID from 0 to 2147483647, auto, or None for this notebook's own"

    def read(self, value: Any) -> Any:
        """Return the ID as text."""
        return super().read(_digits(value))

    def meaning(self, text: str) -> str:
        """Return the ID without leading zeros."""
        return str(parse_client_id(text))


class IbSettings(Configurable):
    """The settings of ibnb; seconds are seconds, and None means that nothing is set."""

    target = Address("paper", help="Where to connect: paper, live, sim, PORT or HOST:PORT.")
    client_id = ClientId(None, help="The client ID, or auto; not set: this notebook's own.")
    account = Text(None, help="The account to follow; not set: the only one.")
    expect = Choice(
        *("paper", "live"), help="What the account must be: paper or live; not set: as the port."
    )
    timeout = Seconds(5.0, may_be_zero=False, help="Seconds that an opening may take.")
    wait = Seconds(
        None,
        may_be_zero=True,
        help="Seconds to wait for a client ID that is still in use; not set: 10, and 90 after a "
        "crash of this notebook's kernel.",
    )
    readonly = Switch(False, help="Do not fetch orders (for a Read-Only API).")
    library = Choice(*NAMES, help=f"{' or '.join(NAMES)}; not set: whichever is installed.")
    guard = Switch(True, help="Make reruns of the notebook's own connects safe.")
    auto_resume = Switch(True, help="Resume the connection by itself when its socket was lost.")
    explain = Switch(True, help="Show an explanation under a cell that failed.")
    state_dir = Folder(
        None, help="Directory for remembered client IDs and good connects; not set: the platform's."
    )
    leases = Store(
        None,
        help="Where client IDs, seats and the right to trade are shared: redis://HOST:PORT/0; "
        "not set: on this machine.",
    )
    paced = Switch(False, help="Let historical requests wait while they are above IBKR's limits.")
    show_accounts = Switch(False, help="Show account numbers in full.")

    def update_config(self, config: Config) -> None:
        """Take what a configuration sets, as `%config` does.

        Raises:
            TraitError: a value is refused; one line. The other values are set.
        """
        # Out of the very object: the shell reads it next, and would keep what was refused.
        refused = type(self).drop_refused(config)
        super().update_config(config)
        if refused:
            raise TraitError("; ".join(refused))

    @classmethod
    def drop_refused(cls, config: Config) -> tuple[str, ...]:
        """Take the values that are refused out of a configuration; return a line for each."""
        known = cls.by_name()
        lines: list[str] = []
        for section, values in tuple(config.items()):
            if not isinstance(values, Config):
                continue
            lines += cls.drop_refused(values)
            for name in known.keys() & values.keys() if section in cls._sections() else ():
                try:
                    known[name].checked(section, values[name])
                except TraitError as error:
                    lines.append(str(error))
                    del values[name]
        return tuple(lines)

    def is_configured(self, name: str) -> bool:
        """Say whether a configuration sets this, even to None."""
        return any(name in self.config.get(section, {}) for section in self._sections())

    @classmethod
    def by_name(cls) -> dict[str, Setting]:
        """Return every setting by its name."""
        return {n: one for n, one in cls.class_traits().items() if isinstance(one, Setting)}

    @classmethod
    def _sections(cls) -> tuple[str, ...]:
        return tuple(one.__name__ for one in cls.__mro__ if issubclass(one, IbSettings))


def check_seconds(name: str, value: Any) -> float:
    """Return a time limit that was given in place of the setting of this name.

    Raises:
        BadInputError: the setting would not take it. One line.
    """
    setting = IbSettings.by_name()[name]
    try:
        return float(setting.from_string(value) if isinstance(value, str) else setting.read(value))
    except ValueError:
        message = f"{name} {_shown(value)}: it takes {setting.takes_text}"
        raise BadInputError(message) from None


def state_folder(setting: str | None) -> Path:
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
    for name, setting in settings.by_name().items():
        variable = f"IBNB_{name.upper()}"
        text = os.environ.get(variable)
        if text is None or settings.is_configured(name):
            continue
        try:
            setattr(settings, name, setting.from_string(text))
        except ValueError:
            accepted = setting.takes_text or setting.takes
            raise BadInputError(f"{variable}={_shown(text)}: it takes {accepted}") from None


def _digits(value: Any) -> Any:
    """Return a whole number as text, and anything else as it is."""
    if isinstance(value, bool):
        return value
    try:
        return str(operator.index(value))
    except TypeError:
        return value


def _shown(value: Any) -> str:
    """Return a value as it may stand in one line, short and without account numbers."""
    try:
        # Before as well: beside an escaped character no account number would be known as one.
        plain = without_credentials(mask_in(value)) if isinstance(value, str) else value
        text = _SHORT.repr(plain)
    except Exception:  # noqa: BLE001 - a class of anybody's
        text = f"<{type(value).__name__}>"
    return mask_in(" ".join(text.split()))
