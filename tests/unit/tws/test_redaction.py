"""What is taken out of texts before others read them, and what stays."""

import getpass
import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibnb.knowledge import catalogue
from ibnb.tws import accounts
from ibnb.tws.redaction import redact, redact_value

LOGIN = "anna.muster"
SECRETS = {
    "account": ("DU1234567", "DU•••567"),
    "live account": ("U7654321", "U7•••321"),
    "IPv4": ("192.168.17.42", "<address>"),
    "public IPv4": ("8.8.4.4", "<address>"),
    "IPv6": ("2001:db8:85a3::8a2e:370:7334", "<address>"),
    "full IPv6": ("2001:db8:0:1:1:aa:bb:cc", "<address>"),
    "IPv6 with zone": ("fe80::1ff:fe23:4567:890a%eth0", "<address>"),
    "IPv4 in IPv6": ("::ffff:192.168.17.42", "<address>"),
    "MAC": ("00:1a:2B:3c:4d:5e", "<mac>"),
    "MAC of digits": ("00:11:22:33:44:55", "<mac>"),
    "MAC with dashes": ("00-1A-2B-3C-4D-5E", "<mac>"),
    "MAC as Cisco writes it": ("001a.2b3c.4d5e", "<mac>"),
    "UUID": ("550e8400-e29b-41d4-a716-446655440000", "<token>"),
    "hash": ("9f86d081884c7d659a2feaa0c55ad015", "<token>"),
    "short hash": ("9f86d081884c7d65", "<token>"),
    "session id": ("aB3dE5gH7iJ9kL1mN3oP5qR7", "<token>"),
    "base64": ("dGhpc/IsQSs3cmV0+VG9rZW4xMjM0NTY=", "<token>"),
    "JWT": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJl", "<token>"),
    "e-mail": ("anna.muster+ib@mail.example.com", "<email>"),
    "login": (LOGIN, "<user>"),
    "login in capitals": (LOGIN.upper(), "<user>"),
    "given name": ("swordfish-desktop", "<name>"),
}
SURROUNDINGS = (
    "{}",
    "before {} after",
    "({})",
    "[{}]",
    "'{}'",
    '{{"key": "{}"}}',
    "key={}, next",
    "key:{};",
    "peer: {}.",
    "{}: refused",
    "/{}/",
    "line\n{}\nline",
    "tab\t{}\ttab",
    "é{{{}}}é",
    "<{}>",
)


@pytest.fixture(autouse=True)
def login(monkeypatch):
    """Make this process's user one whose name is in no other text here."""
    for name in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(name, LOGIN)


@pytest.mark.parametrize("surrounding", SURROUNDINGS)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_replaced_by_the_word_for_it_wherever_it_stands(kind, surrounding):
    """Only it: what stands around it is as it was."""
    secret, word = SECRETS[kind]
    shown = redact(surrounding.format(secret), ["swordfish-desktop"])
    assert shown == surrounding.format(word)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2", "password=<secret>"),
        ("Password: hunter2, next", "Password: <secret> next"),
        ('{"password": "a \\" hunter2", "port": 4002}', '{"password": "<secret>", "port": 4002}'),
        ("{'api_key': 'hunter2', 'port': 4002}", "{'api_key': '<secret>', 'port': 4002}"),
        (r"{\"token\": \"hunter2\", \"a\": 1}", r"{\"token\": \"<secret>\", \"a\": 1}"),
        ("ibkr_passwd = hunter2", "ibkr_passwd = <secret>"),
        ("client_secret:hunter2", "client_secret:<secret>"),
        ("apikey=hunter2 X-Api-Key: hunter2", "apikey=<secret> X-Api-Key: <secret>"),
        ("sessionid=hunter2", "sessionid=<secret>"),
        ("session id: hunter2", "session id: <secret>"),
        ("JSESSIONID=hunter2", "JSESSIONID=<secret>"),
        ("Authorization: Bearer hunter2.x", "Authorization: <secret>"),
        ("sent Bearer hunter2x to it", "sent Bearer <secret> to it"),
        ("Set-Cookie: a=hunter2; b=hunter2", "Set-Cookie: <secret>"),
        ("curl -H 'Cookie: a=hunter2' http://h", "curl -H 'Cookie: <secret>' http://h"),
        ("run --password hunter2 --port 4002", "run --password <secret> --port 4002"),
        ("https://h/p?token=hunter2&port=4002", "https://h/p?token=<secret>&port=4002"),
        ("https://h/p?a=1&access_token=hunter2#f", "https://h/p?a=1&access_token=<secret>#f"),
        ("postgres://bob:hunter2@h/db", "postgres://<user>:<secret>@h/db"),
        ("ssh://hunter2@h", "ssh://<user>@h"),
        ("hunter2@10.0.0.5", "<user>@<address>"),
        ("username=hunter2", "username=<user>"),
        ("/home/hunter2/x.ipynb", "/home/<user>/x.ipynb"),
        ("file:///Users/hunter2", "file:///Users/<user>"),
        (r"C:\Users\hunter2\Jts", r"C:\Users\<user>\Jts"),
        (r"'C:\\Users\\Hunter hunter2\\Jts'", r"'C:\\Users\\<user>\\Jts'"),
        ("%2Fhome%2Fhunter2%2Fx", "%2Fhome%2F<user>%2Fx"),
        ("password:\n    hunter2", "password:\n    <secret>"),
        ('password="hunter2', 'password="<secret>'),
        ("password=ab,hunter2", "password=<secret>"),
        ("pw=hunter2 PW: hunter2", "pw=<secret> PW: <secret>"),
        ('{"pw": "hunter2", "a": 1}', '{"pw": "<secret>", "a": 1}'),
        ("{'fix-pw': 'hunter2'}", "{'fix-pw': '<secret>'}"),
        (r"{\"pwd\": \"hunter2\"}", r"{\"pwd\": \"<secret>\"}"),
        ("--user=hunter2 --pw=hunter2 x", "--user=<user> --pw=<secret> x"),
        ("--fix-pw hunter2 --pw 'a hunter2' x", "--fix-pw <secret> --pw '<secret>' x"),
        ("plink -pw hunter2 host", "plink -pw <secret> host"),
        ("--username hunter2 --pass hunter2 x", "--username <user> --pass <secret> x"),
        ("IBC.bat /User:hunter2 /PW:hunter2", "IBC.bat /User:<user> /PW:<secret>"),
        ("/FIXUser:hunter2 /FIXPW:hunter2", "/FIXUser:<user> /FIXPW:<secret>"),
        ("FIXPW=hunter2 userPw=hunter2", "FIXPW=<secret> userPw=<secret>"),
        ("passphrase: 'a hunter2'", "passphrase: '<secret>'"),
        ("SSH_PASSPHRASE=hunter2", "SSH_PASSPHRASE=<secret>"),
        ("DB_PASS=hunter2 Passwort: hunter2", "DB_PASS=<secret> Passwort: <secret>"),
        ("IbLoginId=hunter2\nIbPassword=hunter2", "IbLoginId=<user>\nIbPassword=<secret>"),
        ("FIXLoginId=hunter2\nFIXPassword=hunter2", "FIXLoginId=<user>\nFIXPassword=<secret>"),
        ("TWSUserName=hunter2 TWSPassword=hunter2", "TWSUserName=<user> TWSPassword=<secret>"),
        ("TWSUSERID=hunter2 TWSPASSWORD=hunter2", "TWSUSERID=<user> TWSPASSWORD=<secret>"),
        (
            "TWS_USERID: hunter2\nTWS_PASSWORD: hunter2",
            "TWS_USERID: <user>\nTWS_PASSWORD: <secret>",
        ),
        ("TWS_PASSWORD_PAPER=hunter2", "TWS_PASSWORD_PAPER=<secret>"),
        ("-e TWS_USERID_PAPER=hunter2", "-e TWS_USERID_PAPER=<user>"),
        ("VNC_SERVER_PASSWORD=hunter2", "VNC_SERVER_PASSWORD=<secret>"),
        ("name: TWS_PASSWORD\n  value: hunter2", "name: TWS_PASSWORD\n  value: <secret>"),
        (
            '{"name": "TWS_USERID", "value": "hunter2"}',
            '{"name": "TWS_USERID", "value": "<user>"}',
        ),
        (
            "java ibcalpha.ibc.IbcGateway /opt/ibc.ini hunter2 hunter2 paper",
            "java ibcalpha.ibc.IbcGateway /opt/ibc.ini <user> <secret> paper",
        ),
        ("redis://bob:hunter2@h:6379/0", "redis://<user>:<secret>@h:6379/0"),
        ("REDIS://:hunter2@h/0, next", "REDIS://:<secret>@h/0, next"),
        ("rediss://:ab/hunter2@h:6379", "rediss://<secret>@h:6379"),
        ("'rediss://bob:it's@hunter2@h:6379'", "'rediss://<user>:<secret>@h:6379'"),
        ("bob:hunter2@localhost:6379", "<user>:<secret>@localhost:6379"),
        ("leases=bob:hunter2@gw.example:6379", "leases=<user>:<secret>@gw.example:6379"),
        (":hunter2@127.0.0.1", ":<secret>@127.0.0.1"),
        ("https://h/p?pw=hunter2&a=1", "https://h/p?pw=<secret>&a=1"),
    ],
)
def test_what_stands_beside_a_telling_word_goes(text, shown):
    """A value has no shape of its own: its key, its URL or its path gives it away."""
    assert redact(text) == shown


HARMLESS = (
    "ib_insync 0.9.86, ib_async 2.1.0, IB Gateway 10.30.1 and 10.30.1u",
    "Python 3.12.4 on Linux-6.8.0-45-generic-x86_64-with-glibc2.39",
    "9.81.1.post1 and 1.2.3.4.5",
    "12:30:45 and 2026-08-29 11:00:03.702 and 20260829-11:00:03 and 2026-08-29T11:00:03+02:00",
    "2026-08-29_11-00-03",
    "client ID 3127, reqId 17, code 2104, port 4002, conId 265598, permId 1822334455",
    "127.0.0.1:4002, 127.1.2.3, localhost:7497, [::1]:4002, ::1: refused, ::, 0.0.0.0",
    "0.30000000000000004, 1.7976931348623157e+308, -12.5, 1,234,567.89",
    "ibnb.tws.redaction.redact and tests/unit/tws/test_redaction.py::test_it",
    "/usr/lib/python3/dist-packages/ib_insync/client.py line 12, <module>",
    "std::string, Foo::Bar, a[::2], a[::-1], x[1:2:3]",
    "AAPL@SMART, EUR.USD, USD.CASH@IDEALPRO, ESZ4, 100@5.25",
    "execId 0000e0d5.64f5a1b2.01.01",
    "Market data farm connection is OK:usfarm.nj",
    "AUTH_RESULT indicates wrong password; tokenProtocol=5; authenticated=true",
    "The bearer of this ticket; a secretary; inside: 5, outside=6; the password is wrong",
    "object at 0x7f0123456789, root, jovyan",
    "password=None, token: null, secret=''",
    "DU•••567, <address>:4002, ~/Jts/jts.ini, C:\\Jts",
    "Trader Workstation: File > Global Configuration > API > Settings",
    "STK:AAPL@SMART, 12:30:45@10.5, EUR:USD@IDEALPRO, opw=5, pip install --user ipython",
    "passed: 5, status pass: 3, pass 4, a password, --port 4002, ibcalpha.ibc.IbcGateway",
    "redis://h:6379/0, https://h:80/a@b, upward: 3, pwn: 2",
)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays_as_it_is(text):
    """A text that only helps to understand is left whole."""
    assert redact(text) == text


def test_the_whole_catalogue_stays_as_it_is():
    """Nothing that ibnb itself says of an error is taken for a secret."""
    for entry in catalogue().entries:
        text = json.dumps(entry.to_dict(), ensure_ascii=False)
        assert redact(text) == text, entry.id
        assert redact_value(entry.to_dict()) == entry.to_dict()


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        ("10.0.0.5", "10.0.0.5:4002 refused; try 10.0.0.5."),
        ("2001:db8::5", "[2001:db8::5]:4002 and 2001:db8::5: no answer"),
        ("ibgateway-7d9f8b6c5d-x2x4k", "The name 'ibgateway-7d9f8b6c5d-x2x4k' does not resolve."),
        ("gw-3f9a1c7e2b8d4650.svc", "GW-3f9a1c7e2b8d4650.SVC:4002"),
    ],
)
def test_what_the_reader_named_stays(kept, text):
    """A host looks like a token, an address like anybody's: those that are kept stay."""
    assert redact(text, keep=[kept]) == text
    assert redact(text) != text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10.0.0.50 10.0.0.5.1 110.0.0.5", "<address> 10.0.0.5.1 <address>"),
        ("2001:db8::51 1:2001:db8::5", "<address> <address>"),
        ("anna@10.0.0.5", "<user>@10.0.0.5"),
        ("token=10.0.0.5", "token=<secret>"),
        ("\ue0000\ue001 10.0.0.5", "\ufffd0\ufffd 10.0.0.5"),
    ],
)
def test_what_only_holds_a_kept_text_does_not_stay(text, shown):
    """A longer address is another one, and a secret is one whatever it says."""
    assert redact(text, keep=["10.0.0.5", "2001:db8::5"]) == shown


def test_a_login_that_is_a_word_of_the_text_stays(monkeypatch):
    """A user called port tells of nobody in a sentence on ports; in a path it is a login still."""
    for name in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(name, "port")
    text = "Nothing listens on that port; see /home/port/Jts."
    assert redact(text, ours=True) == "Nothing listens on that port; see /home/<user>/Jts."
    assert redact(text) == "Nothing listens on that <user>; see /home/<user>/Jts."


def test_accounts_may_stay():
    """Where accounts are shown in full, they are; all else is still taken out."""
    assert redact("DU1234567 at 10.0.0.5", accounts=False) == "DU1234567 at <address>"


def test_names_are_whole_words_and_generic_ones_stay():
    """A name inside another word is not that name; `localhost` is nobody's."""
    assert redact("max maximum Max max_1", ["max"]) == "<name> maximum <name> <name>_1"
    assert redact("localhost root", ["localhost", "root", "", " "]) == "localhost root"


def test_a_name_with_a_blank_may_be_wrapped():
    """Reports break lines at blanks, also at those of a name."""
    assert redact("by John\n  Smith.", ["John Smith"]) == "by <name>."


def test_a_name_that_is_a_word_of_the_redaction_does_no_harm():
    """Whoever is called "token" is taken out once, and what was taken out stays."""
    assert redact("token <token> 10.0.0.5", ["token", "address"]) == "<name> <token> <address>"


def test_no_login_name_at_all_is_no_problem(monkeypatch):
    """In a container without variables and without such a user there is no name to take out."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def nobody():
        raise OSError("No username set in the environment")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert redact("10.0.0.5") == "<address>"


def test_values_keep_their_shape():
    """Dicts, lists and tuples are gone through, keys too; numbers and booleans stay."""
    value = {
        "10.0.0.5": [1, 2.5, True, None, "DU1234567"],
        "inner": {"deep": ("10.0.0.5", {"port": 4002})},
        4002: "ok",
    }
    assert redact_value(value) == {
        "<address>": [1, 2.5, True, None, "DU•••567"],
        "inner": {"deep": ("<address>", {"port": 4002})},
        4002: "ok",
    }


@pytest.mark.parametrize(
    "key", ["account", "accounts", "acctCode", "accountName", "clearingAccount"]
)
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("prop_desk-7", "pr•••k-7"),
        (["A1", "DU1234567"], ["•••", "DU•••567"]),
        (("main", ("x" * 9,)), ("•••", ("xx•••xxx",))),
        (12345678, "12•••678"),
        ("DU•••567", "DU•••567"),
        ("", ""),
        (None, None),
        (True, True),
        ({"name": "x"}, {"name": "x"}),
    ],
)
def test_what_stands_under_the_key_of_an_account_is_one(key, value, shown):
    """Whatever it looks like, and whether or not any gateway listed it."""
    assert redact_value({"order": [{key: value}]}) == {"order": [{key: shown}]}
    assert redact_value({key: value}, accounts=False) == {key: value}


def test_known_accounts_are_masked_and_our_words_are_not(monkeypatch):
    """What a gateway listed is an account in every text; a word of the sentence stays one."""
    known = accounts.KnownAccounts()
    known.add(["prop_desk-7", "Ünïcode1", "order", "secret", "address"])
    monkeypatch.setattr(accounts, "_known", known)
    text = "PROP_DESK-7, an order for ünïcode1 at 10.0.0.5 with token=x, a secret"
    shown = "PR•••K-7, an order for ün•••de1 at <address> with token=<secret> a secret"
    assert redact(text, ours=True) == shown
    assert redact(redact(text, ours=True), ours=True) == shown
    assert "prop" in redact(text, ours=True, accounts=False).lower()
    assert redact("<address> <secret>") == "<address> <secret>"


def test_values_under_a_telling_key_go_whatever_they_are():
    """A number or a list can be a secret; that something is unset or switched off is none."""
    value = {
        "password": 12345,
        "tokens": ["a"],
        "apiKey": "x",
        "Cookie": {"a": 1},
        "user_name": "b",
        "pw": "x",
        "--fix-pw": "x",
        "IbPassword": "x",
        "TWS_PASSWORD_PAPER": "x",
        "IbLoginId": "b",
        "TWS_USERID": "b",
    }
    assert redact_value(value) == {
        **dict.fromkeys(("password", "tokens", "apiKey", "Cookie"), "<secret>"),
        **dict.fromkeys(("pw", "--fix-pw", "IbPassword", "TWS_PASSWORD_PAPER"), "<secret>"),
        **dict.fromkeys(("user_name", "IbLoginId", "TWS_USERID"), "<user>"),
    }
    unset = {"password": None, "token": "", "secret": False}
    assert redact_value(unset) == unset


def test_keys_that_become_the_same_are_all_kept():
    """Two addresses as keys are still two entries."""
    found = redact_value({"10.0.0.5": 1, "10.0.0.6": 2, "10.0.0.7": 3})
    assert found == {"<address>": 1, "<address> (2)": 2, "<address> (3)": 3}


def test_what_is_no_plain_value_is_redacted_as_text():
    """An object's repr can hold a secret like any text."""

    class Thing:
        def __repr__(self):
            return "Thing(10.0.0.5)"

    assert redact_value([Thing(), b"DU1234567"]) == ["Thing(<address>)", "b'DU•••567'"]


UNHURRIED = settings(deadline=None)
"""A busy machine may take its time."""
TELLING = st.sampled_from(
    [
        *("password=", "token: ", "Cookie: ", "--token ", "&", "?sid=", "=", '"', "'", "\\"),
        *("<user>", "<", ">", "://", "@", "/home/", "\n    ", "•••", "AB", "DU12", "eyJ"),
        *("::", "aa:bb", "10.0.0.", "1", "pw", "--pw ", "redis://", "value: ", "localhost"),
        *("ibcalpha.ibc.X ", "desk-7", "TWS_USERID"),
    ]
)
HOSTILE = st.lists(st.one_of(TELLING, st.text(max_size=5)), max_size=12).map("".join)
PRINTABLE = st.text(alphabet=string.printable, max_size=60)


@UNHURRIED
@given(st.one_of(HOSTILE, st.text(max_size=300)))
def test_it_never_raises_and_doing_it_again_changes_nothing(text):
    """Whatever comes from outside has one redacted form, with kept addresses and without."""
    for keep in ([], ["10.0.0.1", "::1"]):
        once = redact(text, ["user", "token", "aa"], keep=keep)
        assert redact(once, ["user", "token", "aa"], keep=keep) == once


@UNHURRIED
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | HOSTILE,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(HOSTILE, inner, max_size=4),
        max_leaves=12,
    )
)
def test_no_value_makes_it_raise(value):
    """What JSON can carry comes back as something that JSON can carry."""
    json.dumps(redact_value(value))


@UNHURRIED
@given(
    st.sampled_from(sorted(SECRETS)),
    PRINTABLE,
    st.sampled_from(" \t\n\"'(),;[]{}|"),
    st.sampled_from(" \t\n\"'(),;[]{}|"),
    PRINTABLE,
)
def test_a_secret_between_any_texts_is_never_left(kind, before, left, right, after):
    """However strange its neighbours are, as long as it stands as a word of its own."""
    secret, _ = SECRETS[kind]
    # A text that holds the secret a second time may hold it as a part of something else.
    shown = redact(f"{before}{left}{secret}{right}{after}", ["swordfish-desktop"])
    assert secret.lower() not in shown.lower()


@UNHURRIED
@given(st.ip_addresses(v=4) | st.ip_addresses(v=6), st.integers(1, 65535))
def test_every_address_goes_unless_it_says_nothing(address, port):
    """Loopback and unspecified addresses stay; so does what can only be a step of a slice."""
    plain = getattr(address, "ipv4_mapped", None) or address
    says_nothing = (
        plain.is_loopback or plain.is_unspecified or (plain.version == 6 and int(plain) < 2**16)
    )
    host = f"[{address}]" if address.version == 6 else str(address)
    shown = redact(f"connect to {host}:{port} failed")
    assert (str(address) in shown) is says_nothing
    assert f":{port} failed" in shown


@UNHURRIED
@given(st.uuids(), st.text(alphabet="0123456789abcdef", min_size=16, max_size=64))
def test_every_uuid_and_hash_goes(uuid, run):
    """With upper case letters too."""
    shown = redact(f"kernel-{uuid}.json {run} ({run.upper()})")
    assert shown == "kernel-<token>.json <token> (<token>)"
