"""Being told when a module is imported, without importing it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    # At run time its classes are not needed, and take longer to import than all of this room.
    from importlib.abc import Loader


class ImportHook:
    """Calls a function with a module when it has just been imported, until it is removed."""

    def __init__(self, names: Sequence[str], imported: Callable[[ModuleType], None]) -> None:
        self._names = frozenset(names)
        self._imported = imported
        self._searching = False

    def install(self) -> None:
        """Begin; modules that are imported already are reported at once."""
        sys.meta_path.insert(0, self)
        for name in self._names:
            if name in sys.modules:
                self._imported(sys.modules[name])

    def remove(self) -> None:
        """Stop."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the signature of a finder
        target: ModuleType | None = None,  # noqa: ARG002 - the signature of a finder
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec that the other finders have, with a loader that reports its module."""
        if fullname not in self._names or self._searching:
            return None
        self._searching = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._searching = False
        if spec is not None and spec.loader is not None:
            # As all that is asked of a loader here it has two methods.
            spec.loader = cast("Loader", _Reporting(spec.loader, self._imported))
        return spec


class _Reporting:
    def __init__(self, loader: Loader, imported: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._imported = imported

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        # The module keeps the loader that it would have had without us.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._imported(module)
