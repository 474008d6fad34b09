"""Leases in a store that several machines share, with this machine's own file beside it.

What the store says counts. While it does not answer, the file does, as if there were no store.
"""

from __future__ import annotations

import os
import platform
import secrets
import socket
import ssl
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from ibnb.tws.files import private

from .grants import (
    SEATS,
    TRADING,
    GrantStore,
    Refusal,
    StoreDownError,
    gateway_scope,
    id_name,
    place_of,
)
from .keeper import GrantKeeper, Wanted
from .lease import Lease, SharedLease, shared, user_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from .counts import Counts
    from .leases import LeaseStore
    from .store_url import StoreUrl

T = TypeVar("T")
U = TypeVar("U")
PROBE_SECONDS = 0.2
LOOK_SECONDS = 2.0
"""How long whoever asks who is connected waits for the answer."""
PLACE = "place"
"""The file that says which machine, or home directory, this is: by a number made at random."""


class SharedLeases:
    """A lease store for a team.

    Args:
        keeper: what keeps this program's grants.
        local: the store of this machine alone, or None without one.
        place: what tells this machine's notebooks from another's of the same name.
    """

    is_shared: ClassVar[bool] = True

    def __init__(self, keeper: GrantKeeper, local: LeaseStore | None, place: str) -> None:
        self.keeper = keeper
        self.local = local
        self._place = place

    def __repr__(self) -> str:
        """Name the store."""
        return f"<SharedLeases: {self.keeper!r}>"

    def client_id(
        self, notebook: str, preferred: int, gateway: tuple[str, int] | None = None
    ) -> int | None:
        """Return the ID that a notebook has at a gateway; None if the store does not answer."""
        if gateway is None:
            return None
        scope, who = gateway_scope(*gateway), f"{self._place}\0{user_name()}\0{notebook}"
        preferred = self.provisional_id(notebook, preferred)
        return self.keeper.ask(lambda store: store.client_id(scope, who, preferred), otherwise=None)

    def provisional_id(self, notebook: str, preferred: int) -> int:
        """Return the ID that a notebook has on this machine, for when the store is silent."""
        known = self.local.client_id(notebook, preferred) if self.local is not None else None
        return preferred if known is None else known

    def take(self, lease: Lease) -> None:
        """Remember a lease: the gateway has accepted the ID, so nobody else has it any more."""
        if self.local is not None:
            self.local.take(lease)
        self._want(lease, take_over=True)

    def give_back(self, lease: Lease) -> None:
        """Forget a lease."""
        if self.local is not None:
            self.local.give_back(lease)
        self.keeper.drop(gateway_scope(lease.host, lease.port), id_name(lease.client_id))

    def find(self, host: str, port: int, client_id: int) -> tuple[Lease, ...]:
        """Return the leases of an ID at a gateway, from every machine."""
        local = self.local.find(host, port, client_id) if self.local is not None else ()
        scope = gateway_scope(host, port)
        held = self.keeper.ask(lambda store: store.find(scope, id_name(client_id)), otherwise=None)
        if held is None or held.lease is None:
            return local
        found = held.lease
        others = (one for one in local if (one.pid, one.machine) != (found.pid, found.machine))
        return (found, *others)

    def newest(self, most: int) -> tuple[Lease, ...]:
        """Return the leases that were taken last, of this machine and of all others."""
        local = self.local.newest(most) if self.local is not None else ()
        others = [one for gateway in self.gateways() for one in self.seats(*gateway)]
        return tuple(sorted({*local, *others}, key=lambda one: -one.since))[:most]

    def enter(self, lease: Lease) -> Refusal | None:
        """Ask for a client ID, and a seat at its gateway, before it is connected.

        None if it was granted, or if that is not known; the gateway decides in any case.
        """
        wanted = self.keeper.get(gateway_scope(lease.host, lease.port), id_name(lease.client_id))
        if wanted is not None and wanted.is_held:
            return None
        return self.keeper.ask(lambda _: self._want(lease, limit=SEATS).refusal, otherwise=None)

    @property
    def is_silent(self) -> bool:
        """Whether the store does not answer."""
        return self.keeper.is_down

    def gateways(self) -> tuple[tuple[str, int], ...]:
        """Return the gateways of which something is known."""
        scopes = self._look(lambda store: store.scopes(), ())
        return tuple(place_of(scope) for scope in scopes if scope != TRADING)

    def seats(self, host: str, port: int) -> tuple[Lease, ...]:
        """Return the leases of those who are connected to a gateway, by client ID."""
        scope = gateway_scope(host, port)
        held = self._look(lambda store: store.held(scope), ())
        rights = self._look(lambda store: store.held(TRADING), ())
        trading = {_session(one.lease) for one in rights if one.lease is not None}
        found = [
            replace(one.lease, trades=_session(one.lease) in trading)
            for one in held
            if isinstance(one.lease, SharedLease)
        ]
        return tuple(sorted(found, key=lambda one: one.client_id))

    def counts(self, host: str, port: int) -> Counts | None:
        """Return what all sessions at a gateway use; None if the store does not answer."""
        scope = gateway_scope(host, port)
        return self._look(lambda store: store.counts(scope), None)

    def close(self) -> None:
        """Release everything."""
        self.keeper.close()

    def _look(self, work: Callable[[GrantStore], T], otherwise: U) -> T | U:
        """Return what somebody wants to see, who waits longer for it than a connect may."""
        return self.keeper.ask(work, otherwise=otherwise, seconds=LOOK_SECONDS)

    def _want(self, lease: Lease, *, limit: int = 0, take_over: bool = False) -> Wanted:
        scope, name = gateway_scope(lease.host, lease.port), id_name(lease.client_id)
        wanted = shared(replace(lease, host=scope.rpartition(":")[0]))
        with suppress(StoreDownError):
            return self.keeper.want(scope, name, wanted, limit=limit, take_over=take_over)
        found = self.keeper.get(scope, name)
        assert found is not None  # noqa: S101 - what was wanted is kept until it is dropped
        return found


def _session(lease: Lease) -> tuple[str, int, int, int]:
    return lease.machine, lease.pid, lease.port, lease.client_id


def open_shared(url: StoreUrl, folder: Path | None, local: LeaseStore | None) -> SharedLeases:
    """Return the store at a URL, and begin to look for it; `folder` is for what is this machine's.

    Nothing is waited for.
    """
    from .redis_grants import RedisGrants, import_client

    keeper = GrantKeeper(RedisGrants(url), lambda: probe(url), import_client)
    keeper.start()
    return SharedLeases(keeper, local, place_in(folder))


def place_in(folder: Path | None) -> str:
    """Return what tells this machine, or home directory, from others; made when first asked for."""
    if folder is None:
        return platform.node()
    path, made = folder / PLACE, folder / f"{PLACE}.{secrets.token_hex(8)}"
    try:
        if not path.exists():
            try:
                with os.fdopen(private(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY), "w") as file:
                    file.write(secrets.token_hex(16))
                with suppress(FileExistsError):
                    os.link(made, path)
            finally:
                made.unlink(missing_ok=True)
        return path.read_text(encoding="ascii").strip() or platform.node()
    except (OSError, ValueError):
        return platform.node()


def probe(url: StoreUrl) -> None:
    """Look whether a server is there, faster than its client is imported.

    Raises:
        StoreDownError: it is not, or it does not answer.
    """
    try:
        with socket.create_connection((url.host, url.port), PROBE_SECONDS) as plain:
            plain.settimeout(PROBE_SECONDS)
            with _encrypted(plain) if url.is_encrypted else plain as sock:
                # Whoever wants a password says so, and that is an answer, too.
                sock.sendall(b"PING\r\n")
                if not sock.recv(1):
                    raise StoreDownError("the connection was closed")
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        raise StoreDownError("the connection was closed") from None
    except ssl.SSLError:
        # It is there, and why it refuses its client is for that to find out.
        return
    except (OSError, ValueError) as error:
        raise StoreDownError(url.clean(error)) from None


def _encrypted(sock: socket.socket) -> ssl.SSLSocket:
    """Begin TLS with whoever is there: nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(sock)
