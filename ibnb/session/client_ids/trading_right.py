"""The right to trade: of a team's sessions one at a time may send orders for a live account."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from .grants import TRADING, GrantStore
from .keeper import GrantKeeper, Wanted
from .lease import Lease, shared, tell_lease

EXPIRED = (
    "This session's right to trade has expired and could not be renewed: another session may have "
    "it by now."
)
NOT_ASKED = "The team's store did not answer in time, and is asked again for the right to trade."


class TradingRight:
    """This session's right to trade accounts.

    An account's name in the store is a hash with a secret that is kept there, too. If the store
    has never answered this program, orders go as they would without one. Once it has, only a right
    that was granted, and has not run out, lets them go.
    """

    def __init__(self, keeper: GrantKeeper) -> None:
        self._keeper = keeper
        self._secret = ""
        self._is_settling = False
        self._claimed: tuple[tuple[str, ...], Lease] | None = None
        self.expired = EXPIRED
        keeper.each_time(self._claim)

    def __repr__(self) -> str:
        """Say whether it is had."""
        accounts = self._claimed[0] if self._claimed else ()
        return f"<TradingRight: {'held' if accounts and self.allows(accounts) else 'not held'}>"

    def claim(self, accounts: Sequence[str], lease: Lease) -> str:
        """Ask for the right to trade these accounts, and no others.

        Returns:
            Why orders may not go, in a sentence; empty if they may.
        """
        self._claimed = tuple(accounts), shared(lease, trades=True)
        self._keeper.ask(self._claim, otherwise=None)
        return self.objection(accounts)

    def drop(self) -> None:
        """Give the right back."""
        self._claimed = None
        for wanted in self._keeper.wanted:
            if wanted.scope == TRADING:
                self._keeper.drop(TRADING, wanted.name)

    def allows(self, accounts: Sequence[str]) -> bool:
        """Say whether orders for these accounts may go, as far as is known without the store."""
        return not self._keeper.has_answered or all(
            (wanted := self._wanted(account)) is not None and wanted.is_held for account in accounts
        )

    def allows_now(self, accounts: Sequence[str]) -> bool:
        """Say whether orders for these accounts may go now, by their fencing numbers."""
        return not self._keeper.has_answered or all(
            (wanted := self._wanted(account)) is not None and self._keeper.counts(wanted)
            for account in accounts
        )

    def objection(self, accounts: Sequence[str]) -> str:
        """Return why orders for these accounts may not go; empty if they may."""
        if self.allows(accounts):
            return ""
        for account in accounts:
            wanted = self._wanted(account)
            if wanted is not None and wanted.refusal is not None:
                if wanted.refusal.holder is not None:
                    holder = tell_lease(wanted.refusal.holder)
                    return f"The right to trade this account is held by {holder}."
                return _settling(wanted.refusal.seconds)
        if self._is_settling:
            return _settling(None)
        known = filter(None, map(self._wanted, accounts))
        return EXPIRED if any(wanted.was_answered for wanted in known) else NOT_ASKED

    def _claim(self, store: GrantStore) -> None:
        if self._claimed is None:
            return
        accounts, lease = self._claimed
        secret = store.secret(self._secret)
        self._is_settling = not secret
        names = {_name(account, secret) for account in accounts} if secret else set()
        if secret:
            self._secret = secret
            for wanted in self._keeper.wanted:
                if wanted.scope == TRADING and wanted.name not in names:
                    self._keeper.drop(TRADING, wanted.name)
        for name in names:
            known = self._keeper.get(TRADING, name)
            if known is None or not known.is_held:
                self._keeper.want(TRADING, name, lease)

    def _wanted(self, account: str) -> Wanted | None:
        return self._keeper.get(TRADING, _name(account, self._secret))


def _settling(seconds: float | None) -> str:
    when = "within half a minute" if seconds is None else f"in {seconds:.0f} s"
    return f"The team's store has just started, and grants the right to trade again {when}."


def _name(account: str, secret: str) -> str:
    """Return what an account is called in the store."""
    plain = account.strip().upper().encode(errors="surrogatepass")
    return hmac.new(secret.encode(), plain, hashlib.sha256).hexdigest()[:32]
