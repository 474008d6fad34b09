import pytest

from ibnb.tws.forwarding import Forwarder, forwarder

DOCKER = (
    "/usr/bin/docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port 4002 "
    "-container-ip 172.18.0.2 -container-port 4004"
)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (DOCKER, Forwarder(7, "docker-proxy", 4002, "172.18.0.2", is_hidden=True)),
        (
            "socat TCP-LISTEN:4002,fork,reuseaddr TCP:172.18.0.2:4004",
            Forwarder(7, "socat", 4002, "172.18.0.2"),
        ),
        (
            "/usr/bin/socat -d TCP4-LISTEN:4002,bind=127.0.0.1 TCP4:127.0.0.1:4001",
            Forwarder(7, "socat", 4002, "127.0.0.1"),
        ),
        ("socat TCP-L:4002,fork TCP:gateway.example:4004", Forwarder(7, "socat", 4002)),
        ("socat TCP6-LISTEN:4002 TCP6:[fd00::2]:4004", Forwarder(7, "socat", 4002, "fd00::2")),
        ("socat UNIX-LISTEN:/tmp/x TCP:172.18.0.2:4004", None),
        ("docker-proxy -proto tcp -host-port x", None),
        ("docker-proxy", None),
        ("java -cp /opt/socat.jar TCP-LISTEN:4002", None),
        ("vim docker-proxy -host-port 4002", None),
        ("", None),
    ],
)
def test_what_a_command_line_passes_on(command, found):
    """The port, and the address that it leads to if it is one; other programs pass nothing on."""
    assert forwarder(7, command.split()) == found
