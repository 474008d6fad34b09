"""Recording what a gateway of the user's own answers, and answering from such a recording."""

from .file import BadRecordingError
from .player import ReplayedGateway
from .recorder import RecordingGateway

__all__ = ["BadRecordingError", "RecordingGateway", "ReplayedGateway"]
