"""What people have said of senders by what they did and wished: to whom they wrote, whom they always or never want."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, null, select, union_all, update

from spamfilter import tables
from storage.database import Database

#: Account of the wishes that hold for everybody.
SITE = ""

#: Recipients of one message that become correspondents.
MOST = 100

#: Seconds after which a correspondent who was written to again is noted again.
FRESH = 86400.0


class NoSender(ValueError):
    """Neither an address nor a domain with its @; the text says what was expected."""


#: Accounts asked about in one statement, which is built once because every message asks: no list of varying length.
_AT_ONCE = 4
_ACCOUNTS: list[BindParameter[str]] = [bindparam(f"account_{n}") for n in range(_AT_ONCE)]
_w, _c = tables.wishes.c, tables.correspondents.c
#: What was said of an author: wishes, and (without a wish) who has written there.
_SAID = union_all(
    select(_w.account, _w.sender, _w.wanted).where(
        _w.account.in_([bindparam("site"), *_ACCOUNTS]), _w.sender.in_([bindparam("author"), bindparam("domain")])
    ),
    select(_c.account, _c.address, null()).where(_c.account.in_(_ACCOUNTS), _c.address == bindparam("author")),
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an author stands with the recipients: all have written to them; one of them, or the site, always wants or
    never wants their mail."""

    known: bool = False
    wanted: bool = False
    unwanted: bool = False


#: Of a stranger to whom nobody has said anything.
NO_STANDING = Standing()


def sender_form(text: str) -> str:
    """An address or "@domain" in the form in which it is kept. Raises ``NoSender``."""
    local, at, domain = text.strip().lower().rpartition("@")
    if not at or "." not in domain or any(c.isspace() for c in local + domain) or len(local + domain) > 318:
        raise NoSender(f"{text!r} is no sender: give an address, or a domain as @exemple.org")
    return f"{local}@{domain}"


def standing(database: Database, author: str, accounts: Sequence[str]) -> Standing:
    """How ``author`` (an address) stands with these accounts. A person's own wish goes before the site's."""
    author = author.lower()
    forms = (author, "@" + author.rpartition("@")[2])
    said: dict[tuple[str, str], bool] = {}
    written: set[str] = set()
    with database.read() as connection:
        for start in range(0, len(accounts), _AT_ONCE):
            asked = accounts[start : start + _AT_ONCE]
            names = {f"account_{n}": asked[min(n, len(asked) - 1)] for n in range(_AT_ONCE)}
            for account, sender, wanted in connection.execute(
                _SAID, {"site": SITE, "author": forms[0], "domain": forms[1], **names}
            ):
                if wanted is None:
                    written.add(account)
                else:
                    said[account, sender] = wanted
    each = [_wish(said, account, forms) for account in accounts]
    return Standing(
        known=bool(accounts) and set(accounts) <= written,
        wanted=bool(each) and all(wish is True for wish in each),
        unwanted=bool(each) and all(wish is False for wish in each),
    )


def _wish(said: dict[tuple[str, str], bool], account: str, forms: tuple[str, str]) -> bool | None:
    places = ((one, form) for one in (account, SITE) for form in forms)
    return next((said[place] for place in places if place in said), None)


def note_written(connection: Connection, account: str, addresses: Iterable[str], now: float) -> None:
    """Note that somebody has written to these addresses, in the transaction that takes the message."""
    t, c = tables.correspondents, tables.correspondents.c
    wanted = list(dict.fromkeys(address.lower()[:320] for address in addresses))[:MOST]
    query = select(c.address, c.last_at).where(c.account == account, c.address.in_(wanted))
    noted = {row.address: row.last_at for row in connection.execute(query)}
    for address in wanted:
        if address not in noted:
            connection.execute(insert(t).values(account=account, address=address, last_at=now))
        elif noted[address] < now - FRESH:
            connection.execute(update(t).where(c.account == account, c.address == address).values(last_at=now))


def forget_written(database: Database, moment: float) -> int:
    """Forget correspondents to whom nobody has written since ``moment``; returns how many."""
    t = tables.correspondents
    with database.write() as connection:
        return connection.execute(delete(t).where(t.c.last_at < moment)).rowcount


def wish(database: Database, account: str, sender: str, wanted: bool | None) -> None:
    """Always want a sender, never, or (None) have no wish any more. Raises ``NoSender``."""
    t, form = tables.wishes, sender_form(sender)
    with database.write() as connection:
        connection.execute(delete(t).where(t.c.account == account, t.c.sender == form))
        if wanted is not None:
            connection.execute(insert(t).values(account=account, sender=form, wanted=wanted))


def wishes(database: Database, account: str) -> list[tuple[str, bool]]:
    """(sender, wanted) of an account's wishes, in the order of the senders."""
    w = tables.wishes.c
    with database.read() as connection:
        rows = connection.execute(select(w.sender, w.wanted).where(w.account == account).order_by(w.sender))
        return [(row.sender, row.wanted) for row in rows]
