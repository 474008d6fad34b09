"""Making contexts and attempts for tests of the runner and of the verdict."""

from ibnb.diagnostics.context import Context, SharedProbe
from ibnb.diagnostics.engine.once import Shared
from ibnb.session import Health
from ibnb.tws.attempt import Attempt
from ibnb.tws.handshake import Stage
from ibnb.tws.names import resolve
from ibnb.tws.notices import Notice
from ibnb.tws.target import Target

TARGET = Target("127.0.0.1", 4002, "paper")


def attempt(*notices, ending="ready", stage=Stage.READY, accounts=("DU1234567",), version=176):
    """Return an attempt, a healthy one unless said otherwise; `notices` are codes and texts."""
    return Attempt(
        target=TARGET,
        client_id=7,
        stage=stage,
        ending=ending,
        min_version=157,
        max_version=176,
        server_version=version,
        next_valid_id=1,
        accounts=accounts,
        notices=tuple(Notice(code, text) for code, text in notices),
    )


def context(found=None, **more):
    """Return a context whose shared probe finds `found`; it counts its looks in `looks`."""
    looks = []

    async def look(on_stage):
        looks.append(on_stage)
        return found or attempt()

    made = {
        "target": TARGET,
        "client_id": 7,
        "libraries": (),
        "event_packages": (),
        "library": None,
        "loop": None,
        "health": Health("closed"),
        "probe": SharedProbe(look),
    } | more
    target = made["target"]
    made.setdefault("addresses", Shared(lambda: resolve(target.host, target.port, 5.0)))
    return Context(**made), looks
