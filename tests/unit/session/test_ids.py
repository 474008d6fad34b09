"""Client IDs: stable for a notebook, and what a user may ask for."""

import pytest
from commands import python

from ibnb.session import BadInputError, parse_client_id, stable_client_id

NOTEBOOKS = [f"/home/me/notebooks/{number}.ipynb" for number in range(300)]


def test_the_stable_id_is_of_four_digits():
    """From 1000 to 9999, whatever the notebook is called: never 0, which binds manual orders."""
    names = ["", "a", "日本.ipynb", "\udcff.ipynb", "x" * 10_000, *NOTEBOOKS]
    assert all(1000 <= stable_client_id(name) <= 9999 for name in names)


def test_the_stable_id_is_the_same_in_another_process():
    """A kernel that was restarted gets the ID that its orders belong to."""
    code = f"from ibnb.session import stable_client_id; print(stable_client_id({NOTEBOOKS[0]!r}))"
    ended = python("-c", code, PYTHONHASHSEED="7")
    assert int(ended.stdout) == stable_client_id(NOTEBOOKS[0])


def test_other_notebooks_get_other_ids():
    """They spread over the range: of 300 notebooks nearly all have an ID of their own."""
    assert len({stable_client_id(name) for name in NOTEBOOKS}) > 270


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("7", 7), (" 42 ", 42), ("2147483647", 2147483647), ("007", 7)],
)
def test_what_is_a_client_id(text, number):
    """Any number that the protocol's signed 32 bits can hold, and 0 for who asks for it."""
    assert parse_client_id(text) == number


@pytest.mark.parametrize(
    "text",
    ["", " ", "-1", "+1", "1.5", "1e3", "seven", "2147483648", "9" * 5000, "٣", "0x10", "1 2", "²"],
)
def test_what_is_no_client_id(text):
    """It is refused in one line that says what is accepted."""
    with pytest.raises(BadInputError, match="give a number from 0 to 2147483647") as caught:
        parse_client_id(text)
    assert "\n" not in str(caught.value)
