"""What the tests of this folder take for the words of a page."""


def text_of(entry):
    """Return all that a user reads on a page, line by line."""
    parts = [entry.title, entry.summary, *entry.symptoms, *entry.causes, *entry.resolution]
    return "\n".join([*parts, *(check.text for check in entry.checks)])
