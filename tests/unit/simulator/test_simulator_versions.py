"""Every server version from 151 to 200: what each message holds, written from what is known of it.

The official client's own reading of the same is in `test_simulator_official_client`.
"""

from dataclasses import replace

import pytest

from ibnb.simulator.protocol.market_messages import contract_details
from ibnb.simulator.world.instruments import ContractSpec
from ibnb.simulator.world.universe import Universe

VERSIONS = range(151, 201)
UNSET = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"
BARS_END, TIME_IN_MILLIS = 108, 109
TAIL = (
    (183, "customerAccount", "C-7"),
    (184, "professionalCustomer", "1"),
    (185, "bondAccruedInterest", ""),
    (189, "includeOvernight", "1"),
    (193, "extOperator", "OP-1"),
    (193, "manualOrderIndicator", "1"),
    (198, "submitter", ""),
    (199, "imbalanceOnly", "1"),
)
"""What openOrder ends with, from which version on, and what the order below says of it."""


def stock():
    """Return the fields of a stock in a request for data."""
    return [0, "AAPL", "STK", "", "", "", "", "SMART", "", "USD", "", ""]


def limit_order(version, order_id, limit=10.25):
    """Return the fields of placeOrder, as a client of this version writes a limit order."""
    fields = [3, order_id, *stock(), "", "", "BUY", 5, "LMT", limit, "", "", "", "", "O", 0, ""]
    fields += [1, 0, 0, 0, 0, 0, 0, 0, "", 0, "", "", "", "", ""]
    if version < 177:
        fields.append("")
    fields += ["", 0, "", -1, 0, "", "", 0, "", "", 0, 0, "", 0, "", "", "", "", "", 0, "", "", ""]
    fields += ["", 0, "", "", "", "", "", "", "", "", "", "", 0, "", "", 0, 0, "", "", 0, "", 0, 0]
    fields += [0, 0, "", UNSET, UNSET, UNSET, UNSET, UNSET, 0, "OP-1", "", "", "", "", "", "", ""]
    fields += [0, 0, 0, ""]
    for since, value in ((158, ""), (160, ""), (162, 0), (166, ""), (169, "")):
        fields += [value] if version >= since else []
    fields += ["C-7"] if version >= 183 else []
    fields += [1] if version >= 184 else []
    fields += ["", UNSET_INTEGER] if 187 <= version < 190 else []
    fields += [1] if version >= 189 else []
    fields += [1] if version >= 192 else []
    fields += [1] if version >= 199 else []
    return fields


def market_order(version, order_id):
    """Return the same of a market order."""
    return ["MKT" if field == "LMT" else field for field in limit_order(version, order_id)]


def cancel(version, order_id):
    """Return the fields of cancelOrder, as a client of this version writes them."""
    fields = [4, order_id] if version >= 192 else [4, 1, order_id]
    fields += [""] if version >= 169 else []
    fields += ["", "", UNSET_INTEGER] if 187 <= version < 190 else []
    fields += ["", UNSET_INTEGER] if version >= 192 else []
    return fields


def notice_of(frame, version):
    """Return a notice's reqId and code, and check that it has what this version's notices have."""
    assert frame[0] == "4"
    head = 1 if version >= 194 else 2
    if version < 194:
        assert frame[1] == "2"
    expected = head + 3 + (version >= 166) + (version >= 194)
    assert len(frame) == expected
    if version >= 194:
        assert len(frame[-1]) == 13, "the time is in milliseconds"
        assert frame[-1].isdigit()
    return frame[head], frame[head + 1]


@pytest.fixture(params=VERSIONS)
def version(request):
    """Each server version."""
    return request.param


@pytest.fixture
def client(gateway, dial, version):
    """A session that has agreed on this version, its first notices read."""
    opened = dial(gateway)
    told = opened.open(low=100, high=version)
    assert told[0][0] == str(version)
    assert told[1] == ["15", "1", "DU1234567"]
    assert told[2] == ["9", "1", "1"]
    farms = [notice_of(opened.read(), version) for _ in range(5)]
    assert {code for _, code in farms} == {"2104", "2106", "2158"}
    return opened


def test_notices_have_the_version_s_fields(client, version):
    """A version field until 193, reject JSON from 166 on, and a time from 194 on."""
    client.send(9, 8, 31, 0, "NOSUCH", "STK", "", "", "", "", "SMART", "", "USD", "", "", 0, "", "")
    assert notice_of(client.read_until(4)[-1], version) == ("31", "200")


def test_an_order_is_read_and_told(client, version):
    """What a client of this version writes comes back, with the fields that openOrder has then."""
    client.send(*limit_order(version, 1))
    opened = client.read_until(5)[-1]
    expected = [value for since, _, value in TAIL if version >= since]
    assert opened[len(opened) - len(expected) :] == expected
    statuses = [client.read_until(3)[-1][2] for _ in range(2)]
    assert statuses == ["PreSubmitted", "Submitted"]
    client.send(5, 1)
    again = [frame for frame in client.read_until(53) if frame[0] == "5"]
    assert [len(frame) for frame in again] == [len(opened)]
    client.send(*cancel(version, 1))
    told = client.read_until(4)
    assert told[-2][:3] == ["3", "1", "Cancelled"]
    assert notice_of(told[-1], version) == ("1", "202")
    client.send(99, 0)
    completed = client.read_until(102)[0]
    last = [value for since, name, value in TAIL if version >= since and "ustomer" in name]
    last += [""] if version >= 198 else []
    assert completed[len(completed) - len(last) :] == last


def test_the_preview_of_an_order_has_more_fields_from_195_on(gateway, dial):
    """The margin's currency, nine amounts, a size, a reason and a count precede the warning."""
    lengths = {}
    for number, version in enumerate((194, 195)):
        client = dial(gateway)
        client.open(number + 1, low=100, high=version)
        client.send(*limit_order(version, 1))
        lengths[version] = len(client.read_until(5)[-1])
    assert lengths[195] - lengths[194] == 13


def test_fills_name_their_submitter_from_198_on(client, version):
    """A fill ends in its liquidity, then the pending price revision, then the submitter."""
    client.send(*market_order(version, 1))
    fill = client.read_until(11)[-1]
    assert len(fill) == 31 + (version >= 178) + (version >= 198)


def test_the_days_of_executions_are_those_asked_for(gateway, dial):
    """Since 200 a request names the last days, or dates: fills of other days are left out."""
    client = dial(gateway)
    client.open(low=100, high=200)
    client.send(*market_order(200, 1))
    day = client.read_until(11)[-1][15][:8]
    client.read_until(59)

    def fills(*days):
        client.send(7, 3, 9, 0, "", "", "", "", "", "", *days)
        return len([frame for frame in client.read_until(55) if frame[0] == "11"])

    assert fills(UNSET_INTEGER, 0) == 1
    assert fills(1, 0) == 1
    assert fills(UNSET_INTEGER, 1, "20200102") == 0
    assert fills(UNSET_INTEGER, 2, "20200102", day) == 1


def test_a_bar_is_told_and_its_end(client, version):
    """Until 195 the bars begin with their span; from 196 on a message that ends them has it."""
    client.send(20, 5, *stock(), 0, "", "1 day", "3 D", 1, "TRADES", 1, 0, "")
    if version < 196:
        bars = client.read_until(17)[-1]
        assert bars[1] == "5"
        count, rows, span = int(bars[4]), bars[5:], bars[2:4]
    else:
        *_, bars, end = client.read_until(BARS_END)
        assert (bars[0], bars[1], end[1]) == ("17", "5", "5")
        count, rows, span = int(bars[2]), bars[3:], end[2:]
    assert len(rows) == 8 * count
    assert all(" " in time for time in span)
    open_, high, low, close = map(float, rows[1:5])
    assert low <= min(open_, close) <= max(open_, close) <= high


def test_contract_details_have_the_version_s_fields(client, version):
    """A last trade date from 182 on, a count of reasons for ineligibility from 186 on."""
    client.send(9, 8, 4, 265598, "", "", "", "", "", "", "", "", "", "", "", 0, "", "")
    told = client.read_until(10)[-1]
    head = told[2:] if version < 164 else told[1:]
    assert head[:4] == ["4", "AAPL", "STK", ""]
    at = 4 + (version >= 182)
    assert head[at : at + 4] == ["0", "", "SMART", "USD"]
    assert "265598" in head
    assert ("COMMON" in head) == (version >= 152)
    after = head[head.index("COMMON") + 1 :] if version >= 152 else []
    sizes = 3 if version >= 164 else 1 if version == 163 else 0
    assert len(after) == sizes + (version >= 186)


def test_a_bond_has_trading_hours_from_188_on(gateway, dial):
    """Its zone and its hours stand after its name."""
    lengths = []
    for number, version in enumerate((187, 188)):
        client = dial(gateway)
        client.open(number + 1, low=100, high=version)
        bond = [0, "US-T", "BOND", "", "", "", "", "SMART", "", "USD", "", ""]
        client.send(9, 8, 4, *bond, 0, "", "")
        lengths.append(len(client.read_until(18)[-1]))
    assert lengths[1] - lengths[0] == 3


def test_a_fund_has_17_fields_of_its_own_from_179_on():
    """From its name on; an official client that reads a fund without them is out of step."""
    spec = ContractSpec(symbol="AAPL", sec_type="STK", currency="USD")
    fund = replace(Universe(1).find(spec)[0], sec_type="FUND")
    lengths = [
        contract_details(1, fund, spec, version, 1_788_000_000.0).count(b"\0", 4)
        for version in (178, 179)
    ]
    assert lengths[1] - lengths[0] == 17


def test_the_time_in_milliseconds(gateway, dial):
    """Since 197 the clock can be asked for to the millisecond."""
    client = dial(gateway)
    client.open(low=100, high=197)
    client.send(105)
    assert len(client.read_until(TIME_IN_MILLIS)[-1][1]) == 13


@pytest.mark.parametrize(("low", "high"), [(201, 226), (100, 150), (220, 220), (178, 160)])
def test_a_range_that_cannot_be_served_is_closed(gateway, dial, low, high):
    """As a gateway does: without a word."""
    client = dial(gateway)
    client.greet(low, high)
    assert client.rest() == b""
    assert gateway.handshakes_unfinished == 0
    assert not gateway.open_clients
