"""Checks of the Python environment."""

from __future__ import annotations

import platform
from contextlib import suppress
from functools import partial
from importlib import metadata

from ibnb.diagnostics.context import Context
from ibnb.diagnostics.model import Check, Result

KERNEL_PARTS = ("ipykernel", "ipython", "ipywidgets", "jupyterlab", "notebook")


async def event_loop(context: Context) -> Result:
    """Look at the notebook's event loop and the patch that blocking calls need."""
    result = partial(Result, "env.loop")
    facts = context.loop
    if facts is None:
        return result("pass", "This is a terminal: no notebook loop has to be patched.")
    evidence = {"loop": facts.kind, "running": facts.running, "patch": facts.patch}
    match facts.patch:
        case "nest_asyncio2":
            return result("pass", "Blocking calls work here: nest-asyncio2 is active.", evidence)
        case "nest_asyncio":
            return result(
                "warn",
                "The unmaintained nest_asyncio is active; on ipykernel 7 it drops queued cells.",
                evidence,
                entry="event-loop-running",
                fix=("Run %reload_ext ibnb to replace it with nest-asyncio2.",),
            )
        case _:
            return result(
                "warn",
                "The loop is not patched: blocking calls of the API library fail in this notebook.",
                evidence,
                entry="event-loop-running",
                fix=("%load_ext ibnb patches the loop.",),
            )


async def library(context: Context) -> Result:
    """Look which API libraries are installed, and whether their event packages overlap."""
    found = {library.name: library.version for library in context.libraries}
    evidence = {"installed": found, "event_packages": list(context.event_packages)}
    if context.library is None:
        return Result(
            "env.library",
            "fail",
            "No API library is installed in this environment.",
            evidence,
            entry="no-api-library",
            fix=(
                "%pip install ib_insync, then restart the kernel.",
                "`pip install ib_insync`",
            ),
        )
    used = f"{context.library.name} {context.library.version}"
    if len(context.event_packages) > 1:
        return Result(
            "env.library",
            "pass",
            f"{used} is used. Two packages provide its module `eventkit` "
            f"({' and '.join(context.event_packages)}); the one installed last serves both.",
            evidence,
        )
    return Result("env.library", "pass", f"{used} is used.", evidence)


async def guard(context: Context) -> Result:
    """Look whether the notebook's own connects are guarded against reruns."""
    if context.guard is None:
        return Result("env.guard", "pass", "ibnb is not loaded in a notebook; nothing to guard.")
    evidence = {"guard": context.guard}
    if context.guard:
        summary = "Connections that this notebook's code makes are safe to rerun."
        return Result("env.guard", "pass", summary, evidence)
    return Result(
        "env.guard",
        "warn",
        "The guard is off: a rerun of code that connects can collide with what it left open.",
        evidence,
        fix=("%config IbMagics.guard = True switches it on.",),
    )


async def kernel(context: Context) -> Result:
    """Look which Python and which kernel run the notebook."""
    found = versions_of(KERNEL_PARTS)
    python = platform.python_version()
    evidence = {"python": python, **found}
    if context.loop is None:
        return Result("env.kernel", "pass", f"This is Python {python}, without a kernel.", evidence)
    parts = ", ".join(f"{name} {version}" for name, version in found.items())
    return Result("env.kernel", "pass", f"The kernel is Python {python} with {parts}.", evidence)


def versions_of(names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of those distributions that are installed, importing none."""
    found = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


CHECKS = (
    Check(
        "env.loop",
        "The notebook's event loop can run blocking calls",
        "environment",
        event_loop,
    ),
    Check(
        "env.library",
        "An API library is installed",
        "environment",
        library,
    ),
    Check("env.kernel", "A supported kernel runs", "environment", kernel),
    Check(
        "env.guard",
        "Reruns of the notebook's own connects are safe",
        "environment",
        guard,
    ),
)
