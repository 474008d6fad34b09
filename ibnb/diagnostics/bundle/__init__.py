"""The support bundle: written for somebody else, and judged again where it was sent to."""

from .archive import (
    FACTS,
    MOST_BYTES,
    NEWEST,
    Bundle,
    BundleFile,
    check_bundle_path,
    versions,
    write_bundle,
)
from .cleaning import without_names
from .reading import judge_bundle

__all__ = [
    "FACTS",
    "MOST_BYTES",
    "NEWEST",
    "Bundle",
    "BundleFile",
    "check_bundle_path",
    "judge_bundle",
    "versions",
    "without_names",
    "write_bundle",
]
