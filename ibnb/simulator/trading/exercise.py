"""The exercise of options: what an account gives for one, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass

from ibnb.simulator.protocol import texts
from ibnb.simulator.protocol.tickets import Ticket
from ibnb.simulator.world.instruments import ContractSpec, Instrument
from ibnb.simulator.world.market import price_at

from .book import Book
from .orders import Change, OrderRecord

_DELIVERED = frozenset({"STK", "FUT"})
"""What changes hands when an option on it is exercised; of all else the difference is paid."""


@dataclass(frozen=True)
class Exercise:
    """Options that their holder exercises, or lets lapse."""

    account: str
    option: Instrument
    quantity: int
    lapses: bool
    overrides: bool

    def objection(self, book: Book, now: float) -> texts.Text | None:
        """Return why it cannot be, or None.

        An option that brings nothing is exercised only if its holder overrides that.
        """
        held = book.position(self.account, self.option).size
        if held < self.quantity:
            return texts.no_option_position(self.account)
        if not self.lapses and self._gain(now) <= 0 and not self.overrides:
            return texts.NOT_IN_THE_MONEY
        return None

    def settle(self, book: Book, client_id: int, req_id: int, now: float) -> list[Change]:
        """Change the account's positions and cash; return what happened."""
        option, under = self.option, self.option.underlying
        values = {
            "action": "SELL",
            "orderType": "MKT",
            "totalQuantity": str(self.quantity),
            "transmit": "1",
        }
        ticket = Ticket(req_id, ContractSpec(con_id=option.con_id), values)
        order = OrderRecord(client_id, 0, self.account, option, ticket, "Filled", placed=now)
        delivers = under is not None and under.sec_type in _DELIVERED
        paid = 0.0 if self.lapses or delivers else max(self._gain(now), 0.0)
        legs = [(option, -float(self.quantity), paid)]
        if under is not None and delivers and not self.lapses:
            each = option.unit / under.unit
            shares = self.quantity * each if option.right == "C" else -self.quantity * each
            legs.append((under, shares, option.strike))
        return book.settle(order, legs, now)

    def _gain(self, now: float) -> float:
        """What the exercise of one option brings, per point of price."""
        under = self.option.underlying
        difference = price_at(under, now) - self.option.strike if under is not None else 0.0
        return round(difference if self.option.right == "C" else -difference, 6)
