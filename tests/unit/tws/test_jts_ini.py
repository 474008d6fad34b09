import os
import tracemalloc
from pathlib import Path

import pytest

from ibnb.tws import jts_ini
from ibnb.tws.jts_ini import parse_jts_ini, read_jts_ini

PATH = Path("jts.ini")
USUAL = """\
[IBGateway]
WriteDebug=false
TrustedIPs=127.0.0.1,192.168.1.20
RemoteHostOrderRouting=zdc1.example.com
RemotePortOrderRouting=4001
LocalServerPort=4000
ApiOnly=true

[Logon]
TimeZone=Europe/Berlin
tradingMode=p
UserNameToDirectory=Ij4tOygzbGV6,djgblkjyvmqqrs
colorPalletName=dark
Locale=en
UseSSL=true
os_titlebar=false

[djgblkjyvmqqrs]
TrustedIPs=203.0.113.7
Locale=fr

[Communication]
Peer=zdc1.example.com:4001
Region=us
"""


def trusted(value):
    return parse_jts_ini(f"[IBGateway]\nTrustedIPs={value}\n", PATH)


@pytest.mark.parametrize("kind", [str, str.encode])
def test_usual_file_is_read(kind):
    """What matters to somebody who cannot connect is told."""
    settings = parse_jts_ini(kind(USUAL), PATH)
    assert settings.path == PATH
    assert settings.trusted_ips == ("127.0.0.1", "192.168.1.20")
    assert settings.trusted_known
    assert settings.api_only is True
    assert settings.trading_mode == "paper"
    assert settings.time_zone == "Europe/Berlin"
    assert (settings.locale, settings.region) == ("en", "us")
    assert settings.remote_order_routing == "zdc1.example.com"
    assert settings.local_server_port == 4000


@pytest.mark.parametrize("value", ["", "0", "65536", "4000x", "9" * 5000, "-1"])
def test_a_port_that_is_none_is_not_known(value):
    """What is not a port number says nothing of any port."""
    text = f"[IBGateway]\nLocalServerPort={value}\n"
    assert parse_jts_ini(text, PATH).local_server_port is None


def test_nothing_of_a_user_is_kept():
    """Neither the user's hashed name nor the folder nor a value of the user's section."""
    settings = parse_jts_ini(USUAL, PATH)
    for own in ("Ij4tOygzbGV6", "djgblkjyvmqqrs", "203.0.113.7"):
        assert own not in repr(settings)
    assert settings.locale == "en"
    assert not settings.is_trusted("203.0.113.7")


def test_an_empty_file_tells_nothing():
    """What the file does not say is not known, which is not the same as no."""
    settings = parse_jts_ini("", PATH)
    assert settings == jts_ini.JtsSettings(PATH)
    assert not settings.trusted_known
    assert settings.api_only is None
    assert settings.trading_mode is None


def test_an_empty_list_is_known_to_be_empty():
    """A list without an entry trusts nobody, and that is known."""
    for value in ("", " ", ",", " , ,"):
        settings = trusted(value)
        assert settings.trusted_known
        assert settings.trusted_ips == ()
        assert not settings.is_trusted("127.0.0.1")


@pytest.mark.parametrize(
    "value", ["127.0.0.1,10.0.0.5", " 127.0.0.1 ,, 10.0.0.5, ", "10.0.0.5;127.0.0.1\t10.0.0.5"]
)
def test_stray_commas_and_spaces_do_not_matter(value):
    """However the entries are set apart, and each once."""
    assert set(trusted(value).trusted_ips) == {"127.0.0.1", "10.0.0.5"}
    assert len(trusted(value).trusted_ips) == 2


def test_addresses_are_trusted_exactly_or_not_at_all():
    """A range matches nobody, and is told apart so that the user can be told."""
    settings = trusted("10.0.0.5,192.168.1.0/24,172.16.*.*,10.0.0.20-10.0.0.30,my-pc,::1")
    assert settings.is_trusted("10.0.0.5")
    assert settings.is_trusted("::1")
    assert settings.is_trusted("::ffff:10.0.0.5")
    for address in (
        "10.0.0.50",
        "10.0.0.25",
        "10.0.0.5%x",
        "192.168.1.1",
        "172.16.0.1",
        "my-pc",
        "",
        "::2",
    ):
        assert not settings.is_trusted(address)
    assert settings.not_addresses == ("192.168.1.0/24", "172.16.*.*", "10.0.0.20-10.0.0.30")


@pytest.mark.parametrize(
    ("text", "mode"), [("p", "paper"), ("l", "live"), ("P", "paper"), ("x", None), ("", None)]
)
def test_trading_mode_is_paper_or_live_or_unknown(text, mode):
    """A letter stands for each; another one says nothing."""
    assert parse_jts_ini(f"[Logon]\ntradingMode={text}", PATH).trading_mode == mode


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff[IBGateway]\r\nTrustedIPs=10.0.0.5\r\n",
        "[IBGateway]\nTrustedIPs=10.0.0.1\n[IBGateway]\nTrustedIPs=10.0.0.5\n",
        "[IBGateway]\nTrustedIPs=10.0.0.1\nTrustedIPs=10.0.0.5\n",
        "[ ibgateway ]\n  trustedips = 10.0.0.5  ",
        "[IBGateway]\nno value\n=\n=x\nOther=%(nothing)s %d ${x} 100%\nTrustedIPs=10.0.0.5",
        "before any section\nTrustedIPs=1.1.1.1\n[\n]\n[]\n[IBGateway\nTrustedIPs=10.0.0.5",
        "[IBGateway]\n; TrustedIPs=1.1.1.1\n#TrustedIPs=1.1.1.1\nTrustedIPs=10.0.0.5\n    more\n",
        "[IBGateway]\nFontName=Größe \x00 \x85\nTrustedIPs=10.0.0.5\n",
    ],
    ids=[
        "mark and CRLF",
        "section twice",
        "key twice",
        "spaces and case",
        "keys without values, percent signs",
        "no section, broken headers",
        "comments and indentation",
        "odd characters",
    ],
)
def test_odd_files_are_read_as_far_as_they_make_sense(text):
    """What trips other readers of this format is passed over; of doubles the last counts."""
    for content in (text, text.encode()):
        assert parse_jts_ini(content, PATH).trusted_ips == ("10.0.0.5",)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_any_encoding_of_the_three_systems_is_read(encoding):
    """A byte order mark tells; without one, a code page's letters may be lost and no more."""
    data = "[Logon]\nFontName=Größe\nLocale=de\n".encode(encoding)
    assert parse_jts_ini(data, PATH).locale == "de"


def test_values_of_no_known_form_are_left_out():
    """What would only be foreign text on a screen is not taken."""
    settings = parse_jts_ini(
        "[Logon]\nLocale=<b>en</b>\nTimeZone=" + "x" * 1000 + "\n[IBGateway]\nApiOnly=perhaps\n"
        "RemoteHostOrderRouting=a b\n[Communication]\nRegion=1",
        PATH,
    )
    assert settings == jts_ini.JtsSettings(PATH)


def test_file_of_a_folder_is_read_and_a_missing_one_is_none(tmp_path):
    """None stands for no file, a folder of that name, and one that is not a path."""
    assert read_jts_ini(tmp_path) is None
    (tmp_path / "jts.ini").mkdir()
    assert read_jts_ini(tmp_path) is None
    assert read_jts_ini(Path("nul\0inside")) is None
    (tmp_path / "jts.ini").rmdir()
    (tmp_path / "jts.ini").write_text(USUAL)
    assert read_jts_ini(tmp_path) == parse_jts_ini(USUAL, tmp_path / "jts.ini")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_a_pipe_of_that_name_is_not_waited_for(tmp_path):
    """To open a pipe without a writer would never return."""
    os.mkfifo(tmp_path / "jts.ini")
    assert read_jts_ini(tmp_path) is None


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_a_file_that_may_not_be_read_is_none(tmp_path):
    """What another user keeps closed is as good as absent."""
    (tmp_path / "jts.ini").write_text(USUAL)
    (tmp_path / "jts.ini").chmod(0)
    assert read_jts_ini(tmp_path) is None


def test_only_the_beginning_of_a_huge_file_is_read(tmp_path):
    """What is read of it, and kept meanwhile, has a bound; no half line at the cut is believed."""
    beginning = "[IBGateway]\nTrustedIPs=127.0.0.1\nOther="
    last = "\nTrustedIPs=10.0.0.1"
    filler = "x" * (jts_ini.LIMIT - len(beginning) - len(last))
    with (tmp_path / "jts.ini").open("w") as file:
        file.write(beginning + filler + last + "23\n")
        for _ in range(30):
            file.write("y" * jts_ini.LIMIT + "\n")
    tracemalloc.start()
    settings = read_jts_ini(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert settings.trusted_ips == ("127.0.0.1",)
    assert peak < 12 * jts_ini.LIMIT
