"""Reads the notices that the tests of this folder explain, from the tables beside it."""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent


class Row(NamedTuple):
    """A notice, the entry that explains it, and how bad it is."""

    code: int
    text: str
    entry_id: str
    severity: str


def rows_of(name):
    """Return the rows of a table; what its columns are stands at its top."""
    lines = FOLDER.joinpath(name).read_text(encoding="utf-8").splitlines()
    split = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [
        Row(int(code), text.replace("\\n", "\n"), entry_id, severity)
        for code, entry_id, severity, text in split
    ]


REAL_TEXTS = rows_of("real_texts.tsv")
OTHER_LANGUAGES = rows_of("texts_in_other_languages.tsv")
