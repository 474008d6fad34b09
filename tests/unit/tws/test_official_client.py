"""What the current official client reads and writes, compared with what ibnb does.

It installs itself over the older ibapi that other tests need, so no environment has it. How to run
this file with it stands in CONTRIBUTING.
"""

import struct

import pytest

from ibnb.tws import wire
from ibnb.tws.handshake import VERSIONLESS_NOTICE_SINCE, Handshake

pytest.importorskip("ibapi.protobuf", reason="needs the current official client, ibapi-latest")

from ibapi import comm, server_versions
from ibapi.client_utils import createStartApiRequestProto
from ibapi.common import PROTOBUF_MSG_ID, getServerVersionForMessage
from ibapi.message import IN, OUT
from ibapi.protobuf.CurrentTime_pb2 import CurrentTime
from ibapi.protobuf.ErrorMessage_pb2 import ErrorMessage
from ibapi.protobuf.ManagedAccounts_pb2 import ManagedAccounts
from ibapi.protobuf.NextValidId_pb2 import NextValidId

VERSIONS = range(157, server_versions.MAX_CLIENT_VER + 1)


def written(number, version, message):
    """Return a protobuf message as a gateway sends it, behind a version reply."""
    reply = b"%d\0CET\0" % version
    return struct.pack(">I", len(reply)) + reply + comm.make_msg_proto(number, message)


def test_versions_at_which_layouts_change():
    """The official client changes its layouts where ibnb does."""
    assert server_versions.MIN_SERVER_VER_ERROR_TIME == VERSIONLESS_NOTICE_SINCE
    assert server_versions.MIN_SERVER_VER_PROTOBUF == wire.BINARY_IDS_SINCE
    assert wire.PROTOBUF_IDS == PROTOBUF_MSG_ID
    for request in (OUT.START_API, OUT.REQ_CURRENT_TIME):
        assert getServerVersionForMessage(request) == wire.PROTOBUF_START_SINCE


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("client_id", [0, 7, 300, 2**31 - 2])
def test_the_session_start_is_the_official_one(version, client_id):
    """Byte by byte, at every version that a library may speak."""
    if version >= server_versions.MIN_SERVER_VER_PROTOBUF_REST_MESSAGES_3:
        request = createStartApiRequestProto(client_id, None).SerializeToString()
        expected = comm.make_msg_proto(OUT.START_API + PROTOBUF_MSG_ID, request)
    else:
        fields = comm.make_field(2) + comm.make_field(client_id) + comm.make_field("")
        is_binary = version >= server_versions.MIN_SERVER_VER_PROTOBUF
        expected = comm.make_msg(OUT.START_API, is_binary, fields)
    assert wire.start_api(client_id, version) == expected


def test_the_messages_of_a_handshake_are_read():
    """What the official client's own classes write is understood, negative numbers too."""
    notice = ErrorMessage(id=-1, errorTime=1788000000000, errorCode=326, errorMsg="in use: \u00fc")
    for number, message in (
        (IN.ERR_MSG, notice),
        (IN.NEXT_VALID_ID, NextValidId(orderId=42)),
        (IN.MANAGED_ACCTS, ManagedAccounts(accountsList="DU1,DU2")),
        (IN.CURRENT_TIME, CurrentTime(currentTime=1788000000)),
    ):
        handshake = Handshake()
        data = written(number + PROTOBUF_MSG_ID, 226, message.SerializeToString())
        handshake.feed(data)
        found = (handshake.next_valid_id, handshake.accounts, handshake.gateway_time)
        assert [one for one in found if one is not None] in (
            [],
            [42],
            [("DU1", "DU2")],
            [1788000000],
        )
        told = [(one.req_id, one.code, one.text) for one in handshake.notices]
        assert told == ([(-1, 326, "in use: \u00fc")] if message is notice else [])
        assert any(one is not None for one in found) == (message is not notice)
