"""Layers around the methods of one object: on and off in any order, and nothing left."""

import functools
import inspect
from itertools import permutations

import pytest

from ibnb.session.library.patches import has_layer, install_patch, remove_patch

KINDS = ("lock", "runs", "other")
ORDERS = list(permutations(KINDS))


class Client:
    """What a library's client is to the layers: a class with a method."""

    def place(self, order, *, size=1):
        """Place an order."""
        return [f"{order} {size}"]


def put(client, kind):
    """Put on a layer that adds its kind to what the method returns."""

    def around(layer):
        return lambda *args, **kwargs: [kind, *layer.inner(*args, **kwargs)]

    install_patch(client, "place", kind, around)


@pytest.mark.parametrize("on", ORDERS)
@pytest.mark.parametrize("off", ORDERS)
def test_any_order_on_and_any_order_off(on, off):
    """After each step exactly the layers that are on act, the latest first; at the end none is."""
    client, there = Client(), set()
    for kind in on:
        put(client, kind)
        there.add(kind)
        acted = client.place("buy", size=2)
        assert set(acted[:-1]) == there
        assert acted[-1] == "buy 2"
        assert acted[0] == kind
    for kind in off:
        assert has_layer(client, "place", kind)
        remove_patch(client, "place", kind)
        there.discard(kind)
        assert set(client.place("buy")[:-1]) == there
    assert vars(client) == {}


@pytest.mark.parametrize("off", [("lock", "runs"), ("runs", "lock")])
def test_what_the_object_had_comes_back(off):
    """A method that the user had set on the object himself is there again, the same one."""
    client = Client()
    client.place = mine = functools.partial(lambda word, order: [f"{word} {order}"], "mine")
    put(client, "lock")
    put(client, "runs")
    assert client.place("buy") == ["runs", "lock", "mine buy"]
    for kind in off:
        remove_patch(client, "place", kind)
    assert vars(client) == {"place": mine}


def test_the_same_kind_twice_is_one_layer():
    """The later one stands in for the earlier one."""
    client = Client()
    put(client, "lock")
    install_patch(client, "place", "lock", lambda _layer: lambda order: [f"never {order}"])
    assert client.place("buy") == ["never buy"]
    remove_patch(client, "place", "lock")
    assert vars(client) == {}


def test_what_somebody_put_around_it_stays():
    """A wrapper of the user's over ours is not taken off with ours, and still works."""
    client = Client()
    put(client, "runs")
    ours = client.place

    @functools.wraps(ours)
    def mine(order):
        return ["user", *ours(order)]

    client.place = mine
    remove_patch(client, "place", "runs")
    assert client.place is mine
    assert client.place("buy") == ["user", "runs", "buy 1"]


def test_taking_off_what_is_not_there():
    """It changes nothing."""
    client = Client()
    remove_patch(client, "place", "lock")
    assert vars(client) == {}
    assert not has_layer(client, "place", "lock")


def test_a_layer_shows_the_method_as_it_is():
    """Help and signature are the method's own."""
    client = Client()
    put(client, "runs")
    assert (client.place.__name__, client.place.__doc__) == ("place", "Place an order.")
    assert str(inspect.signature(client.place)) == "(order, *, size=1)"
