"""What the tests of this folder take for the words of a page."""

from ibnb.knowledge import Situation


def text_of(entry):
    """Return all that a user may read on a page, line by line, in a notebook or a terminal."""
    steps = [*entry.every_step, *Situation(place="terminal").choose(entry.steps)]
    parts = [entry.title, entry.summary, *entry.symptoms, *entry.causes, *steps]
    return "\n".join([*parts, *(check.text for check in entry.checks)])
