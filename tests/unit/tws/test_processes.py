import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ibnb.tws import processes
from ibnb.tws.processes import recognise, told_folder

JAVA = "/usr/local/i4j_jres/Oda-jK0QgTEmVssfllLP/17.0.10/bin/java"
GATEWAY_JARS = "/home/u/Jts/ibgateway/10.30.1v/jars/jts4launch-1030.jar:/home/u/ibc/IBC.jar"
TWS_JARS = "/home/u/Jts/1030/jars/total-2024.jar:/home/u/Jts/1030/jars/twslaunch-1030.jar"
GATEWAY_RUNTIME = "/home/u/Jts/ibgateway/1030/.install4j/i4jruntime.jar"
MAC_GATEWAY = (
    "/Users/u/Applications/IB Gateway 10.30/IB Gateway 10.30.app/Contents/MacOS/JavaApplicationStub"
)
MAC_TWS = "/Applications/Trader Workstation.app/Contents/MacOS/JavaApplicationStub"
UNIX_LAUNCHER = "com.install4j.runtime.launcher.UnixLauncher"

LINUX = [
    (
        "java",
        JAVA,
        [JAVA, "-cp", GATEWAY_JARS, "-Xmx768m", "ibcalpha.ibc.IbcGateway", "c.ini"],
        "Gateway",
    ),
    # IBC can start TWS from the Gateway's folder: what is run counts, not where it lies.
    ("java", JAVA, [JAVA, "-cp", GATEWAY_JARS, "ibcalpha.ibc.IbcTws", "/home/u/ibc/c.ini"], "TWS"),
    (
        "java",
        "",
        [
            JAVA,
            "--add-opens",
            "java.base/java.util=ALL-UNNAMED",
            "-cp",
            "x.jar",
            "ibgateway.GWClient",
        ],
        "Gateway",
    ),
    ("java", JAVA, [JAVA, "-classpath", TWS_JARS, "jclient.LoginFrame", "/home/u/Jts"], "TWS"),
    ("java", JAVA, [JAVA, "-classpath", GATEWAY_RUNTIME, UNIX_LAUNCHER, "start", "0"], "Gateway"),
    (
        "java",
        JAVA,
        [
            JAVA,
            "-classpath",
            "i4jruntime.jar",
            UNIX_LAUNCHER,
            "launch",
            "install4j.ibgateway.GWClient",
        ],
        "Gateway",
    ),
    (
        "java",
        JAVA,
        [JAVA, "-Dexe4j.moduleName=/home/u/Jts/1030/tws", UNIX_LAUNCHER, "start"],
        "TWS",
    ),
    ("java", JAVA, [JAVA, "-cp", TWS_JARS, "com.example.Autologin"], "TWS"),
    ("java", JAVA, [JAVA, "-cp", GATEWAY_JARS, "com.example.Autologin"], "Gateway"),
    ("ibgateway", "/bin/dash", ["/bin/sh", "/home/u/Jts/ibgateway/1030/ibgateway"], "Gateway"),
    ("tws", "/bin/bash", ["bash", "/home/u/Jts/tws"], "TWS"),
    ("ibgateway", "/home/u/Jts/ibgateway/1030/ibgateway", ["./ibgateway"], "Gateway"),
]
WINDOWS = [
    (
        "ibgateway.exe",
        "C:\\Jts\\ibgateway\\1030\\ibgateway.exe",
        ["C:\\Jts\\ibgateway\\1030\\ibgateway.exe"],
        "Gateway",
    ),
    ("ibgateway.exe", "", [], "Gateway"),
    ("tws.exe", "C:\\Jts\\tws.exe", [], "TWS"),
    ("TWS.EXE", "", [], "TWS"),
    (
        "java.exe",
        "C:\\Jts\\ibgateway\\1030\\jre\\bin\\java.exe",
        [
            "java.exe",
            "-cp",
            "C:\\Jts\\ibgateway\\1030\\jars\\total.jar;C:\\IBC\\IBC.jar",
            "ibcalpha.ibc.IbcGateway",
        ],
        "Gateway",
    ),
    (
        "javaw.exe",
        "C:\\jre\\javaw.exe",
        ["javaw.exe", "-cp", "C:\\Jts\\1030\\jars\\jts4launch-1030.jar", "com.example.Main"],
        "TWS",
    ),
]
MACOS = [
    ("JavaApplicationStub", MAC_GATEWAY, [], "Gateway"),
    ("JavaApplicationStub", "", [MAC_TWS], "TWS"),
    (
        "java",
        "",
        [
            "/x/jre.bundle/Contents/Home/bin/java",
            "-cp",
            "/Users/u/Applications/IB Gateway 10.30/jars/jts4launch-1030.jar",
            "com.example.Main",
        ],
        "Gateway",
    ),
]
SIMULATOR = [
    (
        "python3",
        "/usr/bin/python3.12",
        ["/usr/bin/python3", "-m", "ibnb", "sim", "--port", "4002"],
        "simulator",
    ),
    ("python", "", ["python", "-X", "dev", "-m", "ibnb", "sim"], "simulator"),
    ("ibnb", "/usr/bin/python3", ["/venv/bin/python", "/venv/bin/ibnb", "sim"], "simulator"),
    (
        "Python",
        "",
        ["/Library/Python.app/Contents/MacOS/Python", "/opt/bin/ibnb", "sim"],
        "simulator",
    ),
    (
        "ibnb.exe",
        "C:\\venv\\Scripts\\ibnb.exe",
        ["C:\\venv\\Scripts\\ibnb.exe", "sim"],
        "simulator",
    ),
    (
        "python.exe",
        "C:\\Python\\python.exe",
        ["python.exe", "C:\\venv\\Scripts\\ibnb-script.py", "sim"],
        "simulator",
    ),
]
NONE = [
    ("vim", "/usr/bin/vim", ["vim", "/home/u/Jts/ibgateway/1030/ibgateway"]),
    ("grep", "/usr/bin/grep", ["grep", "-r", "tws", "/home/u/Jts"]),
    ("tail", "/usr/bin/tail", ["tail", "-f", "/home/u/Jts/launcher.log"]),
    ("bash", "/bin/bash", ["bash"]),
    ("bash", "/bin/bash", ["bash", "-c", "/home/u/Jts/ibgateway/1030/ibgateway &"]),
    ("bash", "/bin/bash", ["bash", "/home/u/ibc/gatewaystart.sh", "-inline"]),
    ("python3", "/usr/bin/python3", ["python3", "/home/u/tws-tools/run.py"]),
    ("python3", "/usr/bin/python3", ["python3", "/home/u/tws-tools/tws"]),
    ("python3", "/usr/bin/python3", ["python3", "-m", "ibnb", "diag", "sim"]),
    ("python3", "/usr/bin/python3", ["python3", "-m", "ibnb", "demo"]),
    ("python3", "/usr/bin/python3", ["python3", "-c", "import ibnb", "sim"]),
    ("python3", "/usr/bin/python3", ["python3", "-m", "pytest", "ibnb", "sim"]),
    ("ibnb", "/usr/bin/python3", ["/venv/bin/python", "/venv/bin/ibnb", "diag"]),
    ("java", JAVA, [JAVA, "-jar", "/opt/idea/idea.jar", "/home/u/Jts/ibgateway/1030/ibgateway"]),
    ("java", JAVA, [JAVA, "-jar", "viewer.jar", "ibgateway.GWClient"]),
    ("java", JAVA, [JAVA, "-cp", "/opt/geoserver/lib/jts-core-1.19.0.jar", "org.geoserver.Main"]),
    ("java", JAVA, [JAVA, "-cp", "/opt/jts/1.19/jts-core.jar", "org.locationtech.Main"]),
    ("java", JAVA, [JAVA, "-cp", "/opt/other/i4jruntime.jar", UNIX_LAUNCHER, "start"]),
    ("java", JAVA, [JAVA, "-cp", "/home/u/tws-api/TwsApi.jar:bot.jar", "com.example.Bot"]),
    ("java", JAVA, [JAVA]),
    ("java", "", []),
    ("tws", "/usr/local/bin/tws", ["tws"]),
    ("tws-tool.exe", "C:\\tws-tool.exe", ["C:\\tws-tool.exe"]),
    ("notepad.exe", "C:\\Windows\\notepad.exe", ["notepad.exe", "C:\\Jts\\tws.exe"]),
    (
        "TextEdit",
        "/System/Applications/TextEdit.app/Contents/MacOS/TextEdit",
        ["TextEdit", "IB Gateway.txt"],
    ),
    ("", "", []),
]


@pytest.mark.parametrize(("name", "exe", "cmdline", "kind"), LINUX + WINDOWS + MACOS + SIMULATOR)
def test_gateways_of_the_three_systems_are_recognised(name, exe, cmdline, kind):
    """By their own programs, by what Java is told to run, by their folders; so is the simulator."""
    assert recognise(name, exe, cmdline) == kind


@pytest.mark.parametrize(("name", "exe", "cmdline"), NONE)
def test_other_programs_are_not_mistaken_for_gateways(name, exe, cmdline):
    """A word among the arguments of an editor, a script or another vendor's Java proves nothing."""
    assert recognise(name, exe, cmdline) is None


def listening(folder):
    """Write a program that listens on a free port, says so, and ends with its standard input."""
    (folder / "ibnb.py").write_text(
        "import socket, sys\n"
        "sock = socket.create_server(('127.0.0.1', 0))\n"
        "print(sock.getsockname()[1], flush=True)\n"
        "sys.stdin.read()\n"
    )
    return [sys.executable, "-m", "ibnb", "sim", "--password", "s3cret"]


@contextmanager
def running(command, **options):
    """Run a program until the end of the block, from the first line that it prints."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    ) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(20)


def found(pid):
    return next((process for process in processes.running().gateways if process.pid == pid), None)


def test_a_running_simulator_is_found_with_its_port(tmp_path):
    """A real process, with the port that it really listens on, and without its arguments."""
    with running(listening(tmp_path), cwd=tmp_path) as (process, port):
        gateway = found(process.pid)
        assert (gateway.kind, gateway.ports) == ("simulator", (int(port),))
        assert gateway.started == psutil.Process(process.pid).create_time()
        assert gateway.name == psutil.Process(process.pid).name()
        assert "s3cret" not in repr(gateway)
    assert found(process.pid) is None


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that can pose as another program")
def test_a_running_java_is_found_by_its_main_class(tmp_path):
    """What Java is told to run shows in the kind; what it is given after that, nowhere."""
    (tmp_path / "ibcalpha.ibc.IbcTws").write_text("echo ready; read line")
    command = [JAVA, "ibcalpha.ibc.IbcTws", "user", "s3cret"]
    with running(command, executable=shutil.which("bash"), cwd=tmp_path) as (process, line):
        assert line == "ready"
        gateway = found(process.pid)
        assert (gateway.kind, gateway.command) == ("TWS", "Trader Workstation")
        assert gateway.ports == ()
        assert "s3cret" not in repr(gateway)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS may not run a copy of its own programs")
def test_a_running_program_is_labelled_with_the_version_of_its_folder(tmp_path):
    """Install folders are named after the version, and this is all that the label takes of them."""
    program = tmp_path / "Jts" / "ibgateway" / "10.30.1v" / "ibgateway"
    program.parent.mkdir(parents=True)
    shutil.copy(shutil.which("bash"), program)
    with running([program, "-c", "echo ready; read line", "s3cret"]) as (process, line):
        assert line == "ready"
        gateway = found(process.pid)
        assert (gateway.kind, gateway.command) == ("Gateway", "IB Gateway 10.30.1v")


def test_a_launcher_and_its_program_are_one_gateway(tmp_path):
    """The parent that only waits for the gateway it started is not listed beside it."""
    inner = listening(tmp_path)
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "ibnb.py").write_text(
        "import subprocess, sys\n"
        f"child = subprocess.Popen({inner!r}, cwd={str(tmp_path)!r}, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "child.wait()\n"
    )
    command = [sys.executable, "-m", "ibnb", "sim"]
    with running(command, cwd=tmp_path / "outer") as (process, child):
        pids = {gateway.pid for gateway in processes.running().gateways}
        assert int(child) in pids
        assert process.pid not in pids


def test_editors_on_gateway_files_are_not_found(tmp_path):
    """A real process with gateway words all over its arguments is not a gateway."""
    viewer = tmp_path / "viewer.py"
    viewer.write_text("import sys\nprint('ready', flush=True)\nsys.stdin.read()\n")
    command = [
        sys.executable,
        str(viewer),
        "/home/u/Jts/ibgateway/1030/ibgateway",
        "tws.exe",
        "sim",
    ]
    with running(command) as (process, line):
        assert line == "ready"
        assert found(process.pid) is None


def test_processes_that_hide_or_vanish_are_passed_over(monkeypatch):
    """What cannot be looked at is left out; the rest is still looked at."""

    class Hidden:
        pid = 1
        info = dict.fromkeys(("name", "exe", "cmdline", "create_time", "ppid"))

    class HalfHidden:
        pid = 2
        info = Hidden.info | {"name": "ibgateway.exe", "create_time": 1.0, "ppid": 1}

        def cwd(self):
            raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil, "process_iter", lambda _: [Hidden(), HalfHidden()])
    (gateway,) = processes.running().gateways
    assert (gateway.pid, gateway.kind, gateway.command) == (2, "Gateway", "IB Gateway")
    assert gateway.settings_folder is None


@pytest.mark.parametrize(
    ("cmdline", "folder"),
    [
        ([JAVA, "-cp", GATEWAY_JARS, "-DjtsConfigDir=/srv/jts", "ibgateway.GWClient"], "/srv/jts"),
        ([JAVA, "-DjtsConfigDir=/a", "-DjtsConfigDir=/b c", "ibcalpha.ibc.IbcGateway"], "/b c"),
        ([JAVA, '-DjtsConfigDir="C:\\Jts"', "jclient.LoginFrame"], "C:\\Jts"),
        (["tws.exe", "-J-DjtsConfigDir=C:\\IBKR"], "C:\\IBKR"),
        (["/bin/sh", "/home/u/Jts/tws", "-J-DjtsConfigDir=own"], "own"),
        ([JAVA, "ibgateway.GWClient", "{folder}"], "{folder}"),
        ([JAVA, UNIX_LAUNCHER, "launch", "install4j.jclient.LoginFrame", "{folder}"], "{folder}"),
        ([JAVA, "-DjtsConfigDir=/srv/jts", "jclient.LoginFrame", "{folder}"], "/srv/jts"),
        ([JAVA, "ibgateway.GWClient", "{folder}/absent"], None),
        ([JAVA, "ibgateway.GWClient", "s3cret"], None),
        ([JAVA, "ibcalpha.ibc.IbcGateway", "{folder}"], None),
        ([JAVA, "-DjtsConfigDir=", "ibgateway.GWClient"], None),
        ([JAVA, "ibgateway.GWClient", "nul\0inside"], None),
        ([JAVA], None),
        ([], None),
    ],
)
def test_settings_folder_is_told_by_the_command_line(tmp_path, cmdline, folder):
    """By the option that Java takes last, or as the last argument of IBKR's own classes."""
    words = [word.format(folder=tmp_path) for word in cmdline]
    assert told_folder(words) == (folder and folder.format(folder=tmp_path))


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that can pose as another program")
def test_settings_folder_of_a_running_java(tmp_path):
    """One that was told nothing has its settings where it works, if there are any."""
    (tmp_path / "ibgateway.GWClient").write_text("echo ready; read line")
    command = [JAVA, "ibgateway.GWClient"]

    def seen():
        with running(command, executable=shutil.which("bash"), cwd=tmp_path) as (process, line):
            assert line == "ready"
            return found(process.pid)

    assert seen().settings_folder is None
    (tmp_path / "jts.ini").write_text("")
    gateway = seen()
    assert Path(gateway.settings_folder).samefile(tmp_path)
    assert str(tmp_path) not in repr(gateway)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell that can pose as another program")
def test_settings_folder_that_a_running_java_was_told(tmp_path):
    """The last argument of IBKR's own class, which is a folder; its working directory is not."""
    work, settings = tmp_path / "work", tmp_path / "settings"
    work.mkdir()
    settings.mkdir()
    (work / "jts.ini").write_text("")
    (work / "ibgateway.GWClient").write_text("echo ready; read line")
    command = [JAVA, "ibgateway.GWClient", str(settings)]
    with running(command, executable=shutil.which("bash"), cwd=work) as (process, line):
        assert line == "ready"
        assert found(process.pid).settings_folder == str(settings)


def test_settings_folder_of_a_process_that_hides(monkeypatch, tmp_path):
    """What another user's process was told, and where it works, cannot be seen: it is None."""

    class Told:
        pid = 1

        def __init__(self, cmdline, cwd):
            self.info = {
                "name": "ibgateway",
                "exe": "/home/u/Jts/ibgateway",
                "create_time": 1.0,
                "ppid": 0,
                "cmdline": cmdline,
            }
            self._cwd = cwd

        def cwd(self):
            if isinstance(self._cwd, Exception):
                raise self._cwd
            return self._cwd

    def seen(cmdline, cwd):
        monkeypatch.setattr(psutil, "process_iter", lambda _: [Told(cmdline, cwd)])
        (gateway,) = processes.running().gateways
        return gateway.settings_folder

    denied = psutil.AccessDenied(1)
    relative = ["ibgateway", "-J-DjtsConfigDir=own"]
    assert seen(None, denied) is None
    assert seen(None, psutil.NoSuchProcess(1)) is None
    assert seen(None, OSError()) is None
    assert seen(None, "") is None
    assert seen(relative, denied) is None
    assert seen(relative, str(tmp_path)) == str(tmp_path / "own")
    assert seen(["ibgateway", "-J-DjtsConfigDir=/srv/jts"], denied) == "/srv/jts"
    assert seen(None, str(tmp_path)) is None
    (tmp_path / "jts.ini").write_text("")
    assert seen(None, str(tmp_path)) == str(tmp_path)
