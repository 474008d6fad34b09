"""Finding the one cause of a failure: checks, the runner, the verdict, the report."""

from .checklist import Item, checklist
from .checks import CHECKS
from .diagnosis import Diagnostician, Question
from .evidence import checks_for, explain_verdict, with_answers
from .model import Check, Report, Result, Verdict
from .runner import Observer, first_unmet
from .running import Diagnosis

__all__ = [
    "CHECKS",
    "Check",
    "Diagnosis",
    "Diagnostician",
    "Item",
    "Observer",
    "Question",
    "Report",
    "Result",
    "Verdict",
    "checklist",
    "checks_for",
    "explain_verdict",
    "first_unmet",
    "with_answers",
]
