"""What each error means: the catalogue of entries and its look-up.

The catalogue is a folder of TOML files, ``catalogue/<category>[-<subject>].toml``; their format is
described in `ibnb.knowledge.loader`. Nothing is read before the first look-up.
"""

from .index import Catalogue
from .loader import CatalogueError
from .lookup import UnknownQueryError, catalogue, completions, explain, severity_of
from .model import Answer, Asked, Entry, EntryCheck, Explanation, Parameter, Severity
from .situation import Situation, Step

__all__ = [
    "Answer",
    "Asked",
    "Catalogue",
    "CatalogueError",
    "Entry",
    "EntryCheck",
    "Explanation",
    "Parameter",
    "Severity",
    "Situation",
    "Step",
    "UnknownQueryError",
    "catalogue",
    "completions",
    "explain",
    "severity_of",
]
