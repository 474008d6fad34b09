"""All checks, in the order in which they are shown."""

from ibnb.diagnostics.model import Check

from . import api, env, files, host, net, session

CHECKS: tuple[Check, ...] = (
    *env.CHECKS,
    *host.CHECKS,
    *files.CHECKS,
    *net.CHECKS,
    *api.CHECKS,
    *session.CHECKS,
)
