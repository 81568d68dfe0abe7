"""Signed links of mails that this server writes: what they do is in them, and nobody else can make one.

A link is bound to an action, an account, one held message and a time at which it ends. It is a capability: whoever has
the mail may follow it, nothing more can be done with it, and doing it twice is doing it once.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

_KEY_OCTETS = 32
_PURPOSE = b"mailserver quarantine link 1\0"

#: Longest token that is looked at.
LONGEST = 2000


class Deed(Enum):
    """RELEASE: let the message into the inbox. ALLOW: that, and always want its author's mail."""

    RELEASE = "release"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Link:
    """``account`` is a key; ``uidvalidity`` and ``uid`` name the held message, ``author`` is its author's address.

    ``expires`` is seconds since the epoch.
    """

    deed: Deed
    account: str
    uidvalidity: int
    uid: int
    author: str
    expires: int


class BadLink(ValueError):
    """Not a link that this server made."""


class Links:
    """Makes and reads links below ``base`` (an https URL without a slash at its end)."""

    def __init__(self, key: bytes, base: str) -> None:
        self._key = key
        self._base = base

    def url(self, link: Link) -> str:
        """The whole URL of a link."""
        return f"{self._base}/q/{self.token(link)}"

    def token(self, link: Link) -> str:
        """The link as one path segment."""
        fields = [link.deed.value, link.account, link.uidvalidity, link.uid, link.author, link.expires]
        octets = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
        return f"{_encoded(octets)}.{_encoded(self._signature(octets))}"

    def read(self, token: str) -> Link:
        """The link of a token, expired or not. Raises BadLink for what was not made here or was changed."""
        payload, _, signature = token.partition(".")
        if len(token) > LONGEST:
            raise BadLink("longer than any link")
        octets = _decoded(payload)
        if not hmac.compare_digest(self._signature(octets), _decoded(signature)):
            raise BadLink("the signature is not ours")
        deed, account, uidvalidity, uid, author, expires = json.loads(octets)
        return Link(Deed(deed), account, uidvalidity, uid, author, expires)

    def _signature(self, octets: bytes) -> bytes:
        return hmac.digest(self._key, _PURPOSE + octets, hashlib.sha256)


def link_key(path: Path) -> bytes:
    """The key in a file of the data folder, made at the first call. Of processes that race, all get the same one."""
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(_KEY_OCTETS))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(new, path)
    os.unlink(new)
    return _read(path)


def _read(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) != _KEY_OCTETS:
        raise BadLink(f"{path} has not {_KEY_OCTETS} octets: remove it, a new one is made, and links of sent mail end")
    return key


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadLink("not base64") from None
    if _encoded(octets) != text:
        raise BadLink("not the one spelling of these octets")
    return octets
