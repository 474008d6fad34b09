"""What is put around or in the place of functions of a library, and taken back again.

Several parts change the same method of one object: the refusal of earlier runs and a resume both
stand around `placeOrder`. Each has its patch, so that neither has to know when the other comes
or goes. Functions of classes, modules and loops are replaced by one part alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

from .import_hook import ImportHook

MARK = "ibnb_layer"
"""The attribute by which a function is known to be a layer's."""


class MethodPatch:
    """What stands around a method of one object.

    Attributes:
        inner: what it stands around: the method, or the function of the next layer.
        kind: whose layer it is.
        bare: beneath it is nothing but what the object's class has.
        made: the function that the object got.
    """

    def __init__(self, inner: Any, kind: str, *, bare: bool) -> None:
        self.inner = inner
        self.kind = kind
        self.bare = bare
        self.made: Any = None

    def function(self, around: Around) -> Any:
        """Return the function that the object gets."""
        # Help and signature are the method's own.
        self.made = functools.wraps(self.inner)(around(self))
        setattr(self.made, MARK, self)
        return self.made


Around = Callable[[MethodPatch], Any]
"""Makes the function that stands around a layer's `inner`, which it looks up at every call."""


def install_patch(owner: Any, name: str, kind: str, around: Around) -> None:
    """Put a layer around a method of one object; one of the same kind is replaced."""
    remove_patch(owner, name, kind)
    layer = MethodPatch(getattr(owner, name), kind, bare=name not in vars(owner))
    setattr(owner, name, layer.function(around))


def remove_patch(owner: Any, name: str, kind: str) -> None:
    """Take a layer off, whatever was put around it since; where there is none, do nothing.

    What somebody else set around it stays, and the layer beneath it too: it cannot be reached.
    """
    above: MethodPatch | None = None
    for layer in _layers(owner, name):
        if layer.kind != kind:
            above = layer
            continue
        if above is not None:
            above.inner, above.bare = layer.inner, layer.bare
        elif layer.bare:
            delattr(owner, name)
        else:
            setattr(owner, name, layer.inner)
        return


def has_layer(owner: Any, name: str, kind: str) -> bool:
    """Say whether a method of an object has a layer of this kind."""
    return any(layer.kind == kind for layer in _layers(owner, name))


def _layers(owner: Any, name: str) -> Iterator[MethodPatch]:
    """Yield the layers around a method, the outermost first."""
    function = vars(owner).get(name)
    layer = getattr(function, MARK, None)
    # A wrapper that somebody else put around it may have its attributes, and is not a layer.
    while isinstance(layer, MethodPatch) and layer.made is function:
        yield layer
        function = layer.inner
        layer = getattr(function, MARK, None)


class Patches:
    """Functions of classes, modules and loops that are replaced until they are given back.

    Args:
        modules: what to wait for, by name: a module that is not imported is left alone.
        wrap: is called with each of them once it is imported, to `put` what it likes.
    """

    def __init__(self, modules: Sequence[str], wrap: Callable[[ModuleType], None]) -> None:
        self._hook = ImportHook(modules, wrap)
        self._put: list[tuple[Any, str, Any, Any]] = []

    def install(self) -> None:
        """Begin to wait for the modules; those that are imported already are wrapped at once."""
        self._hook.install()

    def put(self, owner: Any, name: str, ours: Any) -> None:
        """Put a function of ours in the place of an owner's, or over one of its class."""
        self._put.append((owner, name, vars(owner).get(name), ours))
        setattr(owner, name, ours)

    def remove(self) -> None:
        """Give back what was there; if somebody has replaced ours since, his stays."""
        self._hook.remove()
        for owner, name, original, ours in self._put:
            if vars(owner).get(name) is not ours:
                continue
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._put.clear()
