"""Recording: what passes is not changed; what is written has no account, name or address."""

import json
import socket
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibnb.simulator import SimulatedGateway
from ibnb.simulator.recording import BadRecordingError, RecordingGateway, file, masking, places
from ibnb.simulator.recording.layout import answer_place, request_place

VERSIONS = (151, 157, 170, 176, 178, 183, 192, 198, 200)
SECRETS = {
    "U7654321": "a live account",
    "DU7654322": "a paper account",
    "DF7654323": "an advisor's account",
    "my-strategy-9": "an order reference",
    "momentum-group": "an FA group",
    "jane.roe@example.com": "an e-mail address",
    "10.20.30.40": "an address",
    "trading-box.example.com": "a host",
}


@pytest.fixture
def recorded(tmp_path):
    """Start a recorder in front of a gateway; stop it at the end."""
    started = []

    def start(gateway, path=None, **options):
        path = path or tmp_path / "recording.jsonl"
        recorder = RecordingGateway([("127.0.0.1", gateway.port)], path, **options)
        started.append(recorder.start())
        return recorder

    yield start
    for recorder in started:
        recorder.stop()


def lines(path):
    """Return the lines of a recording."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def frames(path, side):
    """Return the fields of each message from one side."""
    return [line["fields"] for line in lines(path) if line.get("from") == side]


def test_what_passes_is_not_changed(recorded, dial, tmp_path):
    """A client gets byte for byte what it would get without the recorder, and the gateway, too."""
    with SimulatedGateway(accounts=["DU7654322", "DF7654323"]) as gateway:
        client = dial(recorded(gateway))
        told = client.open(3)
        assert told[1] == ["15", "1", "DU7654322,DF7654323"]
        client.send(6, 2, 1, "DU7654322")
        values = client.read_until(54)
        assert values[-1] == ["54", "1", "DU7654322"]
        client.send(3, 1, "")
        client.send(49, 1)
        client.read_until(49)
        sent = [fields for _, fields in gateway.messages]
        assert ("6", "2", "1", "DU7654322") in sent
        assert ("3", "1", "") in sent
    assert "DU7654322" not in (tmp_path / "recording.jsonl").read_text()


def test_the_file_is_lines_of_json_with_a_header(recorded, dial, gateway, tmp_path):
    """The first line names the format; then sessions, and a message a line with its time."""
    client = dial(recorded(gateway))
    client.open(3)
    client.send(49, 1)
    client.read_until(49)
    head, session, start, *_ = lines(tmp_path / "recording.jsonl")
    assert head["ibnb recording"] == 1
    assert (session["session"], session["version"]) == (1, 176)
    assert start == {"session": 1, "at": start["at"], "from": "client", "fields": start["fields"]}
    assert start["fields"] == ["71", "2", "3", ""]
    assert ["49", "1"] in frames(tmp_path / "recording.jsonl", "client")


def test_nothing_that_must_not_be_read_is_in_the_file(recorded, dial, tmp_path):
    """Accounts, references, groups, mail, hosts and addresses: in requests, answers and texts."""
    with SimulatedGateway(accounts=["DU7654322", "DF7654323"]) as gateway:
        recorder = recorded(gateway)
        client = dial(recorder)
        client.open(3)
        client.send(6, 2, 1, "DU7654322")
        client.read_until(54)
        client.send(62, 1, 8, "All", "NetLiquidation")
        client.read_until(64)
        client.send(80)
        client.read_until(78)
        client.send(*order(176, 1, account="DF7654323", reference="my-strategy-9"))
        client.read_until(3)
        client.send(92, 9, "DU7654322", "momentum-group")
        client.read_until(94)
        client.send(7, 3, 10, 0, "DU7654322", "", "", "", "", "")
        client.read_until(55)
        gateway.send_notice(
            2109, f"Ask {', '.join(SECRETS)} about acct U7654321: jane.roe@example.com"
        )
        gateway.send_notice(399, "trading-box.example.com said no to my-strategy-9", 1)
        client.send(49, 1)
        client.read_until(49)
    written = (tmp_path / "recording.jsonl").read_text(encoding="utf-8")
    found = [what for secret, what in SECRETS.items() if secret in written and "host" not in what]
    assert found == []
    # A host is not known by its looks; it is when it is where the recorder connects to.
    assert "NetLiquidation" in written


def test_the_name_of_the_gateway_s_host_is_masked(monkeypatch):
    """It is known to the recorder, and so is the name of this machine."""
    monkeypatch.setattr(socket, "gethostname", lambda: "janes-laptop")
    masks = masking.Masks(["trading-box.example.com"])
    text = masks.text("trading-box.example.com refused janes-laptop.")
    assert text == "<name> refused <name>."


def test_the_same_account_has_the_same_replacement_everywhere(recorded, dial, tmp_path):
    """In the list, in requests, in answers and in texts, over several connections."""
    with SimulatedGateway(accounts=["DU7654322", "DU7654329"]) as gateway:
        recorder = recorded(gateway)
        for number in (1, 2):
            client = dial(recorder)
            client.open(number)
            client.send(6, 2, 1, "DU7654329")
            client.read_until(54)
    path = tmp_path / "recording.jsonl"
    lists = {tuple(one[2].split(",")) for one in frames(path, "gateway") if one[0] == "15"}
    assert lists == {("DU0000001", "DU0000002")}
    assert {one[3] for one in frames(path, "client") if one[0] == "6"} == {"DU0000002"}
    assert {one[5] for one in frames(path, "gateway") if one[0] == "6"} == {"DU0000002"}


def test_a_replacement_keeps_what_kind_of_account_it_is():
    """Paper stays paper, live stays live, an advisor's an advisor's."""
    masks = masking.Masks()
    told = masks.accounts("DU7654322,U7654321,DF7654323,F7654324,Dalias,alias")
    assert [one.rstrip("0123456789") for one in told.split(",")] == [
        *("DU", "U", "DF", "F", "DX", "X")
    ]
    assert masks.accounts("U7654321") == told.split(",")[1]


@pytest.mark.parametrize("message_id", [3, 21])
@pytest.mark.parametrize("accounts", [["U7654321"], ["DU7654322", "U7654321"]])
def test_orders_do_not_pass_to_an_account_that_may_be_live(recorded, dial, accounts, message_id):
    """An order or an exercise gets notice 90003 under its own ID; requests and cancels pass."""
    said = []
    with SimulatedGateway(accounts=accounts) as gateway:
        client = dial(recorded(gateway, tell=said.append))
        client.open(3)
        number = [message_id, 7] if message_id == 3 else [message_id, 2, 7]
        client.send(*number, 265598, "AAPL")
        # The farms' notices may come before it or after it.
        while (frame := client.read())[2] != "7":
            pass
        assert frame[3] == "90003"
        client.send(4, 1, 7, "")
        client.send(49, 1)
        client.read_until(49)
        passed = {fields[0] for _, fields in gateway.messages}
        assert str(message_id) not in passed
        assert {"4", "49"} <= passed
        assert not gateway.orders
    assert len(said) == 1


@pytest.mark.parametrize("spelling", ["03", "+3", " 3"])
def test_orders_in_another_spelling_do_not_pass_either(recorded, dial, spelling):
    """A gateway may read them as orders."""
    with SimulatedGateway(accounts=["U7654321"]) as gateway:
        client = dial(recorded(gateway))
        client.open(3)
        client.send(spelling, 7, 265598)
        client.send(49, 1)
        client.read_until(49)
        assert spelling not in {fields[0] for _, fields in gateway.messages}


def test_orders_pass_to_a_paper_account(recorded, dial, gateway):
    """What is recorded of a paper account includes its orders."""
    client = dial(recorded(gateway))
    client.open(3)
    client.send(*order(176, 1))
    client.read_until(3)
    assert len(gateway.orders) == 1


def test_an_order_before_the_accounts_are_known_does_not_pass(recorded, dial):
    """Nothing has shown that it is a paper account."""
    with SimulatedGateway(faults=["stall-ready"]) as gateway:
        client = dial(recorded(gateway))
        client.greet()
        client.read()
        client.send(71, 2, 1, "")
        client.send(3, 1, "")
        assert client.read()[3] == "90003"
        assert "3" not in {fields[0] for _, fields in gateway.messages}


def test_no_newer_version_is_agreed_on_than_can_be_recorded(recorded, dial, gateway):
    """The client's range is narrowed to 151..200; what is outside of it is closed and told."""
    said = []
    recorder = recorded(gateway, tell=said.append)
    client = dial(recorder)
    client.greet(100, 226)
    assert client.read()[0] == "200"
    other = dial(recorder)
    other.greet(201, 226)
    assert other.rest() == b""
    assert len(said) == 1
    assert "201 to 226" in said[0]


def test_a_gateway_that_is_not_there_is_told_and_the_client_closed(dial, tmp_path):
    """The recorder does not hold a client that nobody answers."""
    said = []
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with RecordingGateway(
            [("127.0.0.1", port)], tmp_path / "r.jsonl", tell=said.append
        ) as recorder:
            client = dial(recorder)
            client.greet()
            assert client.rest() == b""
    assert len(said) == 1
    assert str(port) in said[0]


def test_the_next_gateway_counts_if_the_first_refuses(dial, gateway, tmp_path):
    """As with the target paper: Gateway's port, then that of TWS."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        upstreams = [("127.0.0.1", unused.getsockname()[1]), ("127.0.0.1", gateway.port)]
        with RecordingGateway(upstreams, tmp_path / "r.jsonl") as recorder:
            assert dial(recorder).open(1)[1][0] == "15"


def test_a_recording_is_replaced_and_another_file_is_not(tmp_path):
    """A rerun records afresh; what somebody else wrote is left as it is."""
    path = tmp_path / "r.jsonl"
    for _ in range(2):
        file.RecordingWriter(path).close()
    assert len(lines(path)) == 1
    other = tmp_path / "notes.txt"
    other.write_text("mine")
    with pytest.raises(BadRecordingError, match="not a recording"):
        file.RecordingWriter(other)
    assert other.read_text() == "mine"
    with pytest.raises(BadRecordingError, match="cannot be written"):
        file.RecordingWriter(tmp_path / "nowhere" / "r.jsonl")


def test_a_recording_does_not_grow_beyond_its_bound(recorded, dial, gateway, tmp_path, monkeypatch):
    """What is beyond it passes and is not written; the file stays readable, and it is told once."""
    monkeypatch.setattr(file, "MOST_BYTES", 2000)
    said = []
    client = dial(recorded(gateway, tell=said.append))
    client.open(1)
    for _ in range(30):
        client.send(49, 1)
        client.read_until(49)
    path = tmp_path / "recording.jsonl"
    assert path.stat().st_size <= 2000
    assert file.read_recording(path)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "not a recording"),
        ("hello\n", "not a recording"),
        ('{"a": 1}\n', "not a recording"),
        ('{"ibnb recording": 2}\n', "newer ibnb"),
        ('{"ibnb recording": 1}\n{"session": 1\n', "line 2"),
        ('{"ibnb recording": 1}\n[]\n', "line 2"),
        (
            '{"ibnb recording": 1}\n{"session": 1, "at": 0, "from": "client", "fields": ["1"]}\n',
            "2",
        ),
        ('{"ibnb recording": 1}\n{"session": 1, "version": "x", "time": "", "clock": 0}\n', "2"),
        (b"\xff\xfe", "not a recording"),
    ],
)
def test_a_file_that_cannot_be_read_gets_one_line(tmp_path, content, words):
    """Damaged, of a newer ibnb, or something else: said in one line that names the file."""
    path = tmp_path / "r.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadRecordingError) as error:
        file.read_recording(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


WORD = st.text(string.ascii_letters + string.digits + "-_. ", min_size=6, max_size=20).filter(
    lambda word: word.strip() == word and not word.replace(".", "").isdigit()
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(VERSIONS), WORD, WORD)
def test_whatever_an_order_is_called_is_masked_both_ways(version, account, reference):
    """The account and the reference of an order are masked by their place, whatever they are."""
    masks = masking.Masks()
    fields = [str(one) for one in order(version, 1, account=account, reference=reference)]
    written = masks.fields(fields, places.of_request(fields, version))
    assert account not in written
    assert reference not in written
    assert len(written) == len(fields)
    assert masks.fields(fields, places.of_request(fields, version)) == written


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(VERSIONS),
    st.integers(0, 120),
    st.lists(st.one_of(st.text(max_size=12), st.integers(-1, 300).map(str)), max_size=60),
)
def test_whatever_a_message_has_it_is_masked_or_left_out(version, message_id, rest):
    """No message makes the recorder stumble, and none changes its length or its id."""
    fields = [str(message_id), *rest]
    for find in (places.of_request, places.of_answer):
        try:
            found = find(fields, version)
        except (ValueError, IndexError):
            continue
        written = masking.Masks().fields(fields, found)
        assert (len(written), written[0]) == (len(fields), fields[0])


def order(version, order_id, account="", reference=""):
    """Return the fields of a limit order, as a client of this version writes them."""
    fields = [3, order_id, 0, "AAPL", "STK", "", "", "", "", "SMART", "", "USD", "", ""]
    fields += ["", "", "BUY", 5, "LMT", 10.25, "", "", "", account, "O", 0, reference]
    fields += [1, 0, 0, 0, 0, 0, 0, 0, "", 0, "", "", "", "", ""]
    fields += [""] if version < 177 else []
    fields += ["", 0, "", -1, 0, "", "", 0, "", "", 0, 0, "", 0, "", "", "", "", "", 0, "", "", ""]
    fields += ["", 0, "", "", "", "", "", "", "", "", "", "", 0, "", "", 0, 0, "", "", 0, "", 0, 0]
    fields += [0, 0, "", "", "", "", "", "", 0, "", "", "", "", "", "", "", "", 0, 0, 0, ""]
    late = ((158, ""), (160, ""), (162, 0), (166, ""), (169, ""), (183, ""), (184, 0))
    fields += [value for since, value in late if version >= since]
    fields += ["", ""] if 187 <= version < 190 else []
    return [*fields, *(0 for since in (189, 192, 199) if version >= since)]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_gateway_tells_of_an_order_is_masked_by_its_place(dial, version, tmp_path):
    """openOrder, execution and completedOrder at each layout: nothing of it is in the file."""
    with (
        SimulatedGateway(accounts=["DU7654322"]) as gateway,
        RecordingGateway([("127.0.0.1", gateway.port)], tmp_path / "recording.jsonl") as recorder,
    ):
        client = dial(recorder)
        client.open(1, low=100, high=version)
        market = ["MKT" if one == "LMT" else one for one in order(version, 1, "", "ref-abc")]
        client.send(*market)
        client.read_until(59)
        client.send(5, 1)
        client.read_until(53)
        client.send(99, 0)
        client.read_until(102)
    written = (tmp_path / "recording.jsonl").read_text()
    assert "ref-abc" not in written
    assert "DU7654322" not in written
    told = frames(tmp_path / "recording.jsonl", "gateway")
    ids = {fields[0] for fields in told}
    assert {"5", "11", "101"} <= ids
    assert all("masked-1" in one for one in told if one[0] in {"5", "11", "101"})


def test_what_a_client_does_not_take_is_not_heaped_up(recorded, dial, gateway):
    """It stays with the gateway, as without the recorder; all of it comes when it is read."""
    recorder = recorded(gateway)
    client = dial(recorder)
    client.open(1)
    many = 10_000
    for _ in range(many):
        client.send(24, 1)
    assert gateway.wait_for(lambda: len(gateway.messages) > many, 60)
    held = [transport.get_write_buffer_size() for transport in tuple(recorder._transports)]
    assert sum(held) < 1_000_000
    client.send(49, 1)
    assert len([one for one in client.read_until(49) if one[0] == "19"]) == many


def test_secret_messages_are_not_written(recorded, dial, gateway, tmp_path):
    """What a program proves itself with passes, and leaves no trace."""
    client = dial(recorded(gateway))
    client.open(1)
    client.send(65, 1, "my-api-name", "1.0")
    client.send(66, 1, "secret-answer")
    client.send(49, 1)
    client.read_until(49)
    written = (tmp_path / "recording.jsonl").read_text()
    assert "my-api-name" not in written
    assert "secret-answer" not in written
    assert ("66", "1", "secret-answer") in [fields for _, fields in gateway.messages]


def test_a_name_that_is_a_number_is_masked_by_its_place_alone():
    """An order's reference may be 100: prices and sizes that are 100 stay what they are."""
    masks = masking.Masks()
    fields = [str(one) for one in order(176, 1, account="2147483647", reference="100")]
    written = masks.fields(fields, places.of_request(fields, 176))
    assert "100" not in written
    assert "2147483647" not in written
    told = ("17", "1", "100", "2147483647", "BUY")
    assert masks.fields(told, places.of_answer(told, 176)) == told
    assert masks.text("account 2147483647 has 100") == f"account {written[23]} has 100"


def test_documents_of_an_advisor_are_masked():
    """Names, aliases and accounts in them; the rest stays."""
    masks = masking.Masks()
    document = (
        "<?xml?><ListOfGroups><Group><name>My Family</name><ListOfAccts><String>DU7654322</String>"
        "<String>Kids</String></ListOfAccts><defaultMethod>EqualQuantity</defaultMethod></Group>"
    )
    fields = ("16", "1", "1", document)
    written = masks.fields(fields, places.of_answer(fields, 176))[3]
    assert not {"Family", "DU7654322", "Kids"} & set(written.replace("<", ">").split(">"))
    assert "My Family" not in written
    assert "EqualQuantity" in written


def test_every_number_of_a_request_is_where_the_official_client_writes_it():
    """Each request that has a reqId is known with its place; the others have none."""
    assert request_place(20, 176) == 1
    assert request_place(1, 176) == 2
    assert (request_place(4, 191), request_place(4, 192)) == (2, 1)
    assert request_place(61, 176) is None
    assert (answer_place(4, 193), answer_place(4, 194)) == (2, 1)
    assert (answer_place(10, 163), answer_place(10, 164)) == (2, 1)
