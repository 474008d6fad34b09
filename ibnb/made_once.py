"""What is made when it is first asked for, and then once, by whatever thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    made_once = cached_property
else:

    class made_once(cached_property):  # noqa: N801 - used as `cached_property` is
        """A cached property for objects that threads share.

        Two threads that ask at the same time would each get one of their own from Python's. What is
        made may ask for others on its way; not for one that asks for it in turn.
        """

        def __init__(self, make: Callable[[Any], Any]) -> None:
            super().__init__(make)
            self._lock = threading.RLock()

        def __get__(self, owner: Any, kind: type | None = None) -> Any:
            """Return it; called until it is made, as then it stands in the object itself."""
            with self._lock:
                return super().__get__(owner, kind)
