"""The words of our own sentences: a login name that is one of them tells of nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from ibnb.knowledge import catalogue

OF_REPORTS = """
administrator ahead argument arguments ascii beats beginning builds caller catalogue cause chisel
chooses collide com comparison degraded deliberately detail diagnosed diagnostic disagree docker
effect entry env envoy errors especially evidence examined exe executable expects exports fact
fast fell fix folder folders foreign frpc functions gateways gvproxy hands haproxy heard heartbeat
heartbeats highest hint identify installers int ipv ipython ipywidgets java jupyter jupyterlab
kernel keyword kubectl lately launchd launcher leads lease limactl linger listened listener
listens locale loopback lowest mac main mapped masked might modules ms mute ncat net newest nginx
nothing nowhere oldest orbstack pasta path paths people phase pid plink port press process program
proves provide proxy psutil reaches readiness reads refused remote replace reported resolved
resolves resolving resuming rinetd rootlessport rotated schema seconds secrets seen sentences
session severity sim simulated simulator since skip socat somebody sound spoke ssh standing status
stunnel summary svchost switches systemd systems table tailscaled target though thread title total
traefik trip trusts unanswered unchanged unfinished unseen unspecified usage useful verdict
viewers vpnkit warn whom wire wslrelay xinetd
"""
"""What checks, rules and the report itself say, and the keys of its JSON, beside the catalogue."""


@cache
def own_words() -> frozenset[str]:
    """Return the words of the catalogue and of all that a report says by itself, in lower case."""
    entries = catalogue().entries
    texts = [*_texts([entry.to_dict() for entry in entries]), OF_REPORTS]
    texts += [step for entry in entries for step in entry.every_step]
    return frozenset(re.findall(r"[a-z]+", " ".join(texts).lower()))


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts that a value holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
