import pytest

from ibnb.tws.codes import farm_name, farm_state
from ibnb.tws.notices import MOST_FARMS, LinkFollower, Notice, link_after


def after(*codes_and_texts):
    return link_after(Notice(code, text) for code, text in codes_and_texts)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Market data farm connection is OK:usfarm", "usfarm"),
        ("Market data farm connection is broken:usfarm.nj", "usfarm.nj"),
        ("Verbindung: unterbrochen:hfarm", "hfarm"),
        ("Market data farm connection is inactive, available upon demand.usfarm.nj", "usfarm.nj"),
        ("HMDS data farm connection is inactive, available upon demand.ushmds", "ushmds"),
        ("ushmds", "ushmds"),
        ("nothing follows:", "nothing follows:"),
        ("", ""),
    ],
)
def test_farm_name_is_what_follows_the_last_colon(text, name):
    """The farm follows the colon; asleep notices, which have none, put it after the full stop."""
    assert farm_name(text) == name


@pytest.mark.parametrize(
    ("code", "state"),
    [
        (2103, "broken"),
        (2105, "broken"),
        (2157, "broken"),
        (2104, "ok"),
        (2106, "ok"),
        (2158, "ok"),
        (2107, "asleep"),
        (2108, "asleep"),
        (2119, "connecting"),
        (326, None),
    ],
)
def test_farm_state_of_every_farm_code(code, state):
    """Each farm code says one of four states, and other codes say none."""
    assert farm_state(code) == state


def test_no_notice_means_connected():
    """Nobody said that the link is lost, so it is not."""
    link = link_after([])
    assert link.connected
    assert link.farms == {}


@pytest.mark.parametrize("end", [1101, 1102])
def test_lost_link_is_ended_by_its_own_codes(end):
    """1100 lasts until 1101 or 1102."""
    assert not after((1100, "lost")).connected
    assert after((1100, "lost")).lost_by == Notice(1100, "lost")
    assert after((1100, "lost"), (end, "back")).connected
    assert not after((1100, "lost"), (end, "back"), (1100, "lost again")).connected


def test_lost_link_is_not_ended_by_a_farm():
    """A farm that is OK says nothing on 1100, also with a 2110 in between."""
    farm = (2104, "is OK:usfarm")
    assert not after((1100, "lost"), farm).connected
    assert not after((1100, "lost"), (2110, "broken"), farm).connected


def test_lost_server_is_ended_by_a_farm():
    """2110 has no code of its own that ends it: a farm that is OK again does."""
    assert not after((2110, "TWS and server broken")).connected
    assert not after((2110, "broken"), (2119, "is connecting:usfarm")).connected
    assert after((2110, "broken"), (2104, "is OK:usfarm")).connected
    assert after((2110, "broken"), (1102, "back")).connected


def test_lost_link_outranks_a_lost_server():
    """After 2110 and then 1100 it takes what ends 1100."""
    assert not after((2110, "broken"), (1100, "lost"), (2104, "is OK:usfarm")).connected


def test_broken_farms_are_those_not_ok_since():
    """Farms are told apart by name; the last word on each counts."""
    link = after(
        (2103, "is broken:usfarm"),
        (2105, "is broken:ushmds"),
        (2104, "is OK:usfarm"),
        (2107, "is inactive but should be available upon demand.euhmds"),
    )
    assert link.broken_farms == ("ushmds",)
    assert link.farms["euhmds"] == "asleep"
    assert link.connected


def test_farm_that_fell_asleep_is_no_longer_broken():
    """The name in an asleep notice is the same farm as in a broken one."""
    link = after((2103, "is broken:usfarm.nj"), (2108, "should be available upon demand.usfarm.nj"))
    assert link.broken_farms == ()


@pytest.mark.parametrize(
    "codes",
    [(1100,), (1100, 1102), (2110,), (2110, 2104), (2104, 2110), (2103, 1100), (1100, 1101, 2110)],
)
def test_standing_notices_tell_the_same_state(codes):
    """The few notices that a state rests on make the same state again."""
    follower = LinkFollower()
    for code in codes:
        follower.add(Notice(code, "a farm:usfarm"))
    assert link_after(follower.standing) == follower.link
    assert len(follower.standing) <= 2


def test_followed_link_does_not_grow():
    """However many notices and names of farms come, a loss stays known and memory bounded."""
    follower = LinkFollower()
    follower.add(Notice(1100, "lost"))
    for number in range(20 * MOST_FARMS):
        follower.add(Notice(2104, f"a farm:{number}"))
        follower.add(Notice(200, "something else"))
    assert follower.link.lost_by == Notice(1100, "lost")
    assert len(follower.link.farms) == MOST_FARMS
    assert len(follower.standing) == MOST_FARMS + 1
