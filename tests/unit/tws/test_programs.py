import pytest

from ibnb.tws.programs import base_name, describe, is_python, python_program


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/bin/python3", "python3"),
        ("C:\\Python\\python.exe", "python.exe"),
        ("C:/Python/python.exe", "python.exe"),
        ("python", "python"),
        ("", ""),
    ],
)
def test_base_name_of_every_system(path, name):
    """Paths of another system than ours are understood, too."""
    assert base_name(path) == name


@pytest.mark.parametrize(
    "program", ["python", "/usr/bin/python3.12", "C:\\x\\pythonw.exe", "pypy3"]
)
def test_python_is_known_by_its_names(program):
    """Versions and suffixes vary."""
    assert is_python(program)


@pytest.mark.parametrize("program", ["ipython-like", "pythonista", "/usr/bin/vim", ""])
def test_other_programs_are_no_python(program):
    """A name that merely begins like it is another program."""
    assert not is_python(program)


@pytest.mark.parametrize(
    ("cmdline", "program"),
    [
        (["python", "/home/u/bot.py", "--key", "s3cret"], ("bot.py", ("--key", "s3cret"))),
        (["python", "-u", "-X", "dev", "-W", "error", "bot.py"], ("bot.py", ())),
        (["python", "-m", "ibnb", "sim"], ("-m ibnb", ("sim",))),
        (["python", "-Xfrozen_modules=off", "-m", "x"], ("-m x", ())),
        (["python", "-c", "print('bot.py')", "x"], ("", ())),
        (["python"], ("", ())),
        (["python", "-m"], ("-m", ())),
        ([], ("", ())),
    ],
)
def test_python_program_is_what_the_interpreter_runs(cmdline, program):
    """Options of the interpreter are passed over, and text given with -c is not a name."""
    assert python_program(cmdline) == program


@pytest.mark.parametrize(
    ("name", "cmdline", "label"),
    [
        ("python3", ["python3", "-m", "ipykernel_launcher", "-f", "k.json"], "Jupyter kernel"),
        (
            "python3",
            ["python3", "-Xfrozen_modules=off", "-m", "ipykernel", "-f", "k"],
            "Jupyter kernel",
        ),
        ("python3", ["python3", "/x/ipykernel_launcher.py", "-f", "k"], "Jupyter kernel"),
        ("python3", ["/usr/bin/python3", "/home/u/bot.py", "--password=x"], "python3 (bot.py)"),
        ("python3", ["python3", "-m", "mybot", "s3cret"], "python3 (-m mybot)"),
        ("python3", ["python3", "-c", "password='x'"], "python3"),
        ("java", ["java", "ibcalpha.ibc.IbcGateway", "user", "s3cret"], "java"),
        ("java", [], "java"),
    ],
)
def test_describe_gives_no_argument_away(name, cmdline, label):
    """A label names the program, and the script or module, and never what it was given."""
    assert describe(name, cmdline) == label
