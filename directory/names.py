"""Logins, addresses and domains in the one form in which they are compared.

Prepared once, then compared octet by octet: compatibility composition and case folding for what people type (the
outcome of SASLprep, RFC 4013, and of the PRECIS profile UsernameCaseMapped, RFC 8265 section 3.3, for all names in
use), A-labels for domains (IDNA 2008, RFC 5891). Local parts are compared without case: two mailboxes that differ by
case alone would be a trap.
"""

from __future__ import annotations

import unicodedata

from directory.errors import InvalidName
from message import address as mail

#: Longest login or address in octets, before and after preparation.
LONGEST = 256

# Controls, invisible format characters, surrogates, private use, unassigned and all kinds of space.
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zs", "Zl", "Zp"})


def login_key(login: str) -> str:
    """The form in which logins are compared. Raises InvalidName."""
    return _prepared(login, "login")


def address_key(address: str) -> str:
    """The form in which ``local@domain`` is compared; a quoted local part loses its quotes. Raises InvalidName."""
    local, domain = mail.split(address)
    if not domain:
        raise InvalidName("an address has the form local@domain")
    key = f"{_prepared(_unquoted(local), 'local part')}@{domain_key(domain)}"
    if len(key.encode()) > LONGEST:
        raise InvalidName(f"an address is at most {LONGEST} octets long")
    return key


def domain_key(domain: str) -> str:
    """The domain in lower-case A-labels. Raises InvalidName."""
    name = mail.ascii_domain(domain)
    if len(name) > 253 or not all(0 < len(label) < 64 and _is_label(label) for label in name.split(".")):
        raise InvalidName("not a domain name")
    return name


def without_detail(key: str) -> str | None:
    """The prepared address without its ``+detail`` (RFC 5233), or None when it has none."""
    local, domain = mail.split(key)
    base = mail.without_detail(local)
    return f"{base}@{domain}" if base != local else None


def password_form(password: str, longest: int) -> str | None:
    """The password as it is hashed: NFC, any space a plain space (OpaqueString, RFC 8265 section 4.2).

    None for what no password can be: empty, with control characters, or above ``longest`` octets.
    """
    if not password or len(password) > longest:
        return None
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in password):
        return None
    form = unicodedata.normalize("NFC", "".join(" " if unicodedata.category(c) == "Zs" else c for c in password))
    return form if len(form.encode()) <= longest else None


def _prepared(text: str, what: str) -> str:
    # The length comes first: normalising is work in proportion to it.
    if not text or len(text) > LONGEST:
        raise InvalidName(f"a {what} has 1 to {LONGEST} octets")
    if text.isascii():
        key = text.lower()
    else:
        key = text
        for _ in range(2):  # Folding can undo composition, and the other way round: the second pass settles it.
            key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", key).casefold())
    if any(unicodedata.category(c) in _REFUSED for c in key):
        raise InvalidName(f"a {what} can't hold spaces, control characters or invisible ones")
    if len(key.encode()) > LONGEST:
        raise InvalidName(f"a {what} has 1 to {LONGEST} octets")
    return key


def _unquoted(local: str) -> str:
    """The content of a quoted string (RFC 5321 section 4.1.2): ``"marie"`` and ``marie`` are one mailbox."""
    if len(local) < 2 or local[0] != '"' or local[-1] != '"':
        return local
    plain, rest = [], iter(local[1:-1])
    for c in rest:
        plain.append(next(rest, "") if c == "\\" else c)
    return "".join(plain)


def _is_label(label: str) -> bool:
    return label.replace("-", "a").replace("_", "a").isalnum() and label.isascii() and label[0] != "-" != label[-1]
