"""The TWS and IB Gateway processes of this machine, and the simulated gateways."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Literal

from .forwarding import Forwarder, forwarder
from .programs import base_name, is_python, python_program
from .sockets import SocketsUnreadableError, listeners, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psutil

Kind = Literal["Gateway", "TWS", "simulator"]

TITLES: dict[Kind, str] = {
    "Gateway": "IB Gateway",
    "TWS": "Trader Workstation",
    "simulator": "simulated gateway",
}

_JAVA = re.compile(r"javaw?(?:\.exe)?|JavaApplicationStub", re.IGNORECASE)
_SHELL = re.compile(r"(?:ba|da|k|z)?sh")
_OURS = re.compile(r"ibnb(?:\.exe|-script\.py)?", re.IGNORECASE)

_MAIN_CLASSES: dict[str, Kind] = {
    "ibgateway.GWClient": "Gateway",
    "install4j.ibgateway.GWClient": "Gateway",
    "ibcalpha.ibc.IbcGateway": "Gateway",
    "ibcontroller.IBGatewayController": "Gateway",
    "jclient.LoginFrame": "TWS",
    "install4j.jclient.LoginFrame": "TWS",
    "ibcalpha.ibc.IbcTws": "TWS",
    "ibcontroller.IBController": "TWS",
}
"""What the JVM is told to run: by IBKR's own launchers, and by IBC and its forerunner."""
_OWN_CLASSES = frozenset(name for name in _MAIN_CLASSES if name.endswith(("Client", "Frame")))
_LAUNCHER_CLASS = "com.install4j.runtime.launcher."

# Where the installers put things, with a folder named after the version (1030, 10.30.1v) below. A
# folder named jts alone proves nothing: a well-known geometry library has that name too.
_VERSION = r"(?P<version>\d[\w.]*)"
_MAC_VERSION = r"(?: (?P<mac_version>\d[\w.]*))?"
_FOLDERS: dict[Kind, re.Pattern[str]] = {
    "Gateway": re.compile(
        rf"[/\\]ibgateway[/\\]{_VERSION}[/\\]|[/\\]IB Gateway{_MAC_VERSION}[/\\]", re.IGNORECASE
    ),
    "TWS": re.compile(
        rf"[/\\]jts[/\\](?:tws[/\\])?{_VERSION}[/\\]|[/\\]Trader Workstation{_MAC_VERSION}[/\\]",
        re.IGNORECASE,
    ),
}
_PROGRAMS: dict[Kind, re.Pattern[str]] = {
    "Gateway": re.compile(
        rf".*[/\\](?:jts|ibgateway)[/\\](?:{_VERSION}[/\\])?ibgateway"
        r"|.*/IB Gateway[^/]*\.app/Contents/MacOS/[^/]+"
        r"|(?:.*[/\\])?ibgateway\.exe",
        re.IGNORECASE,
    ),
    "TWS": re.compile(
        rf".*[/\\]jts[/\\](?:tws[/\\])?(?:{_VERSION}[/\\])?tws"
        r"|.*/Trader Workstation[^/]*\.app/Contents/MacOS/[^/]+"
        r"|(?:.*[/\\])?tws\.exe",
        re.IGNORECASE,
    ),
}
_OWN_JAR = re.compile(r"[/\\](?:jts4launch|twslaunch)-\d[\w.]*\.jar")
_CLASS_PATH_OPTIONS = frozenset({"-cp", "-classpath", "--class-path"})
_VALUE_FOLLOWS = _CLASS_PATH_OPTIONS | {
    "-p",
    "--module-path",
    "--add-modules",
    "--add-opens",
    "--add-exports",
    "--add-reads",
}
_LAUNCHER_OPTION = "-Dexe4j.moduleName="
# As the controller IBC passes it to Java, and as IBKR's launchers pass it on.
_FOLDER_OPTION = re.compile(r"(?:-J)?-DjtsConfigDir=(.+)", re.DOTALL)


@dataclass(frozen=True)
class GatewayProcess:
    """A process that is, or stands in for, a TWS or IB Gateway.

    `started` is in seconds since the epoch. `ports` are the TCP ports it listens on; they are empty
    also where this user may not see them. `command` names the program and its version; the
    command line itself may hold a password and is never kept. `settings_folder` is where it was
    told to keep its settings, as far as that can be seen; it may lead through the user's home, and
    need not exist here, as when the process runs in a container.
    """

    pid: int
    kind: Kind
    name: str
    started: float
    ports: tuple[int, ...]
    command: str
    settings_folder: str | None = field(default=None, repr=False)


class ProcessesUnreadableError(Exception):
    """The system did not let this user see what runs, so nothing can be said of it."""


@dataclass(frozen=True)
class Running:
    """The gateways that run on this machine, as far as they can be seen, oldest first.

    `hidden` counts Java programs that may be gateways too: their command lines may not be read.
    `forwarders` pass on what comes to ports of this machine.
    """

    gateways: tuple[GatewayProcess, ...] = ()
    hidden: int = 0
    forwarders: tuple[Forwarder, ...] = ()


def running() -> Running:
    """Return the gateway processes that this user can see on this machine.

    Processes that end meanwhile are left out. A launcher that waits for the program it started is
    one and the same gateway, and not listed.

    Raises:
        ProcessesUnreadableError: no process at all could be looked at.
    """
    found: list[tuple[psutil.Process, Kind, str]] = []
    hidden = 0
    passing: list[Forwarder | None] = []
    for process in _processes():
        known = process.info
        name, exe, cmdline = known["name"] or "", known["exe"] or "", known["cmdline"] or []
        kind = recognise(name, exe, cmdline)
        if kind is not None and known["create_time"] is not None:
            found.append((process, kind, _label(kind, exe, cmdline)))
        passing.append(forwarder(process.pid, cmdline))
        hidden += kind is None and not cmdline and _JAVA.fullmatch(name) is not None
    return Running(_listed(found), hidden, tuple(filter(None, passing)))


def _processes() -> list[psutil.Process]:
    """Return all processes: whatever psutil may raise for it ends here."""
    try:
        import psutil
    except ImportError as error:
        raise ProcessesUnreadableError(f"psutil cannot be used here ({error})") from None
    try:
        return list(psutil.process_iter(["name", "exe", "cmdline", "create_time", "ppid"]))
    except (psutil.Error, OSError) as error:
        raise ProcessesUnreadableError(f"the system does not list them ({said(error)})") from None


def _listed(found: list[tuple[psutil.Process, Kind, str]]) -> tuple[GatewayProcess, ...]:
    parents = {(process.info["ppid"], kind) for process, kind, _ in found}
    ports = _ports_by_process() if found else {}
    return tuple(
        GatewayProcess(
            process.pid,
            kind,
            process.info["name"] or "",
            process.info["create_time"],
            ports.get(process.pid, ()),
            label,
            _settings_folder(process, kind),
        )
        for process, kind, label in sorted(found, key=lambda item: item[0].info["create_time"])
        if (process.pid, kind) not in parents
    )


def recognise(name: str, exe: str, cmdline: Sequence[str]) -> Kind | None:
    """Say which kind of gateway a process is, or None if it is none.

    Only the program counts and, for an interpreter, what it was told to run. That a word appears
    among the arguments proves nothing: editors and log viewers open files of those names.

    Args:
        name: The process name, as the system tells it.
        exe: Path of the executable, or empty if it is hidden.
        cmdline: The arguments, the program first; empty if they are hidden.
    """
    program = cmdline[0] if cmdline else ""
    kind = _kind_of_program(exe) or _kind_of_program(program)
    names = [one for one in (name, base_name(exe), base_name(program)) if one]
    if kind is not None:
        return kind
    if any(_JAVA.fullmatch(one) for one in names):
        return _kind_of_java(cmdline)
    if any(is_python(one) for one in names):
        return _kind_of_python(cmdline)
    if any(_OURS.fullmatch(one) for one in names):
        return "simulator" if list(cmdline[1:2]) == ["sim"] else None
    if any(_SHELL.fullmatch(one) for one in names):
        return _kind_of_program("".join(cmdline[1:2]))
    # The name is all there is where the path is hidden.
    return _kind_of_program(name)


def _kind_of_program(path: str) -> Kind | None:
    return next((kind for kind, pattern in _PROGRAMS.items() if pattern.fullmatch(path)), None)


def _kind_of_java(cmdline: Sequence[str]) -> Kind | None:
    options, main, arguments = _split_java(cmdline)
    if main in _MAIN_CLASSES:
        return _MAIN_CLASSES[main]
    paths = _install_paths(options)
    if main.startswith(_LAUNCHER_CLASS):
        for word in arguments:
            if word in _MAIN_CLASSES:
                return _MAIN_CLASSES[word]
    elif not any(_OWN_JAR.search(path) for path in paths):
        return None
    found = (kind for kind, one in _FOLDERS.items() if any(one.search(path) for path in paths))
    return next(found, None)


def _split_java(cmdline: Sequence[str]) -> tuple[list[str], str, list[str]]:
    """Return a JVM's own options, its main class or JAR, and the arguments of the program."""
    words = list(cmdline[1:])
    position = 0
    while position < len(words) and words[position].startswith("-") and words[position] != "-jar":
        position += 2 if words[position] in _VALUE_FOLLOWS else 1
    options, rest = words[:position], words[position:]
    if rest[:1] == ["-jar"]:
        rest = rest[1:]
    return options, "".join(rest[:1]), rest[1:]


def _install_paths(options: Sequence[str]) -> list[str]:
    """Return the paths among a JVM's options that say where its program was installed."""
    paths: list[str] = []
    for position, option in enumerate(options):
        if option in _CLASS_PATH_OPTIONS:
            paths += options[position + 1 : position + 2]
        elif option.startswith(_LAUNCHER_OPTION):
            paths.append(option.removeprefix(_LAUNCHER_OPTION))
    return paths


def _kind_of_python(cmdline: Sequence[str]) -> Kind | None:
    what, arguments = python_program(cmdline)
    is_ours = what == "-m ibnb" or _OURS.fullmatch(what) is not None
    return "simulator" if is_ours and arguments[:1] == ("sim",) else None


def _label(kind: Kind, exe: str, cmdline: Sequence[str]) -> str:
    """Name the program, with the version that its install folder is named after."""
    if kind != "simulator":
        for path in (exe, *cmdline[:2], *_install_paths(_split_java(cmdline)[0])):
            match = _FOLDERS[kind].search(path)
            version = match and (match["version"] or match["mac_version"])
            if version:
                return f"{TITLES[kind]} {version}"
    return TITLES[kind]


def told_folder(cmdline: Sequence[str]) -> str | None:
    """Return the settings folder that a gateway's command line names, or None.

    That is the option that IBC passes to Java, of which Java takes the last, or else the last
    argument of IBKR's own main classes, where it is the path of a folder of this machine.
    """
    for word in reversed(cmdline[1:]):
        told = _FOLDER_OPTION.fullmatch(word)
        if told:
            return told[1].strip("\"'") or None
    _, main, arguments = _split_java(cmdline)
    last = "".join(arguments[-1:])
    if _OWN_CLASSES.isdisjoint([main, *arguments]) or not _is_absolute(last):
        return None
    # What is not a folder may be anything, and is not kept.
    return last if os.path.isdir(last) else None  # noqa: PTH112 - Path.is_dir raises for odd text


def _settings_folder(process: psutil.Process, kind: Kind) -> str | None:
    import psutil

    if kind == "simulator":
        return None
    told = told_folder(process.info["cmdline"] or [])
    if told is not None and _is_absolute(told):
        return told
    try:
        cwd = process.cwd()
    except (psutil.Error, OSError):
        return None
    if not cwd:
        return None
    if told is not None:
        return os.path.normpath(os.path.join(cwd, told))  # noqa: PTH118 - text, as psutil has it
    is_settings = os.path.isfile(os.path.join(cwd, "jts.ini"))  # noqa: PTH113, PTH118 - as above
    return cwd if is_settings else None


def _is_absolute(path: str) -> bool:
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()


def _ports_by_process() -> dict[int, tuple[int, ...]]:
    try:
        found = listeners()
    except SocketsUnreadableError:
        return {}
    ports: dict[int, set[int]] = {}
    for listener in found:
        if listener.pid is not None:
            ports.setdefault(listener.pid, set()).add(listener.port)
    return {pid: tuple(sorted(numbers)) for pid, numbers in ports.items()}
