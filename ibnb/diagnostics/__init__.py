"""Finding the one cause of a failure: checks, the runner, the verdict, the report."""

from ibnb.diagnostics.engine.job import Diagnosis
from ibnb.diagnostics.engine.runner import Observer, first_unmet
from ibnb.diagnostics.engine.service import Diagnostician, Question
from ibnb.diagnostics.explain.from_checks import checks_for, explain_verdict, with_answers
from ibnb.diagnostics.verdict.checklist import Item, checklist

from .checks import CHECKS
from .model import Check, Report, Result, Verdict

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
