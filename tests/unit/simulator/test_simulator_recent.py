"""What the simulated market remembers of what it has made."""

from ibnb.simulator.world.recent import Recent


class Maker:
    """Makes what it is asked for, counts that, and has a clock that a test sets."""

    def __init__(self, most=100):
        self.made = []
        self.now = 0.0
        self.recent = Recent(self.make, most, 60.0, lambda: self.now)

    def make(self, key):
        """Make something of a key."""
        self.made.append(key)
        return [key]


def test_it_makes_each_thing_once():
    """The same object comes again."""
    maker = Maker()
    assert maker.recent("a") is maker.recent("a")
    assert maker.made == ["a"]


def test_what_is_asked_for_stays_and_the_rest_goes():
    """However long it lives, it has what somebody looks at, and nothing from long ago."""
    maker = Maker()
    for second in range(0, 36_000, 20):
        maker.now = float(second)
        for key in ("always", second):
            maker.recent(key)
        assert len(maker.recent) <= 8
    assert maker.made == ["always", *range(0, 36_000, 20)]


def test_it_does_not_wait_for_the_time_if_there_are_too_many():
    """Two generations of the most that there may be are all that it keeps."""
    maker = Maker(most=10)
    for number in range(1000):
        maker.recent(number)
        assert len(maker.recent) <= 20
