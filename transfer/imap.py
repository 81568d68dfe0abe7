"""An IMAP server as a source (RFC 3501 and RFC 9051), by imapclient.

Taken over are flags, keywords, INTERNALDATE, subscriptions, special uses (RFC 6154) and access control lists (RFC
4314) of the person's own namespace (RFC 2342). Folders are examined and bodies peeked at: nothing is changed there.
"""

from __future__ import annotations

import imaplib
import ipaddress
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

from imap.wire import mutf7
from imap.wire.errors import BadName
from storage.model import SpecialUse
from transfer.marks import of_flags
from transfer.source import (
    Listing,
    SourceFolder,
    SourceLost,
    SourceMessage,
    SourceRefused,
    Unreadable,
)

#: Seconds without an answer after which a connection is lost.
TIMEOUT = 120.0

#: Messages whose flags are asked for by one command.
_BLOCK = 1000

_USES = {use.value.lower(): use for use in SpecialUse}
_NO_MAIL = {b"\\noselect", b"\\nonexistent"}


@dataclass(frozen=True, slots=True)
class Login:
    """Who signs in. ``person`` is whose mail it is, where that is somebody else (RFC 4616, authorization identity)."""

    user: str
    password: str = field(repr=False)
    person: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """Where: ``imaps`` is TLS from the first octet on, ``imap`` STARTTLS, ``plain`` none, on loopback only."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of_url(cls, url: str, *, plain: bool = False) -> Server:
        """Raises SourceRefused for what is no ``imaps://host[:port]`` or ``imap://host[:port]``."""
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme, parts.hostname, parts.port
        except ValueError:
            scheme, host, port = "", None, None
        if scheme not in ("imap", "imaps") or not host:
            raise SourceRefused(f"{url} is no address of a server: give imaps://host, or imap://host for STARTTLS")
        if plain:
            if scheme == "imaps" or not _is_loopback(host):
                raise SourceRefused("without TLS only servers of this machine are asked: use imap:// and a tunnel")
            scheme = "plain"
        return cls(scheme, host, port or (993 if scheme == "imaps" else 143))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ImapSource:
    """See the module. A connection that was lost is made again at the next call."""

    def __init__(self, server: Server, login: Login, *, ca: str | None = None, timeout: float = TIMEOUT) -> None:
        """``ca`` is a file of certificates that are trusted instead of the system's."""
        self._server = server
        self._login = login
        self._timeout = timeout
        try:
            self._tls = ssl.create_default_context(cafile=ca)
        except OSError as error:
            raise SourceRefused(f"the certificates in {ca} can't be read: {error}") from error
        self._client: IMAPClient | None = None
        self._selected: str | None = None
        self._generation = 0

    @property
    def name(self) -> str:
        return f"imap://{self._login.person or self._login.user}@{self._server.host}:{self._server.port}"

    def close(self) -> None:
        client, self._client, self._selected = self._client, None, None
        if client is not None:
            with suppress(IMAPClientError, OSError):
                client.logout()

    # ---------------------------------------------------------------- the connection

    def _connected(self) -> IMAPClient:
        if self._client is None:
            server = self._server
            try:
                client = IMAPClient(
                    server.host,
                    server.port,
                    ssl=server.scheme == "imaps",
                    ssl_context=self._tls if server.scheme == "imaps" else None,
                    timeout=self._timeout,
                )
                try:
                    self._sign_in(client)
                except BaseException:
                    with suppress(IMAPClientError, OSError):
                        client.shutdown()
                    raise
            except ssl.SSLCertVerificationError as error:
                raise SourceRefused(
                    f"the certificate of {server.host} is not trusted ({error.verify_message}): "
                    "name the authority's file with --ca"
                ) from error
            except (imaplib.IMAP4.abort, OSError) as error:
                raise SourceLost(f"{server.host}:{server.port} can't be reached: {error}", connected=False) from error
            except IMAPClientError as error:
                raise SourceRefused(f"{server.host} refuses: {error}") from error
            client.folder_encode = False
            client.normalise_times = False
            self._client = client
        return self._client

    def _sign_in(self, client: IMAPClient) -> None:
        if self._server.scheme == "imap":
            client.starttls(self._tls)
        login = self._login
        try:
            if login.person:
                client.plain_login(login.user, login.password, login.person)
            elif client.has_capability("AUTH=PLAIN"):
                client.plain_login(login.user, login.password)
            else:
                client.login(login.user, login.password)
        except imaplib.IMAP4.abort:
            raise
        except LoginError as error:
            raise SourceRefused(f"{self._server.host} does not let {login.user} in: {_said(error)}") from error

    @contextmanager
    def _asking(self) -> Iterator[IMAPClient]:
        """The client; what it raises comes out in our words."""
        client = self._connected()
        try:
            yield client
        except (imaplib.IMAP4.abort, OSError) as error:
            self._drop()
            raise SourceLost(f"the connection to {self._server.host} was lost: {error}", connected=True) from error
        except IMAPClientError as error:
            raise Unreadable(f"the source says: {_said(error)}") from error

    def _drop(self) -> None:
        client, self._client, self._selected = self._client, None, None
        if client is not None:
            with suppress(IMAPClientError, OSError):
                client.shutdown()

    # ---------------------------------------------------------------- folders

    def folders(self) -> list[SourceFolder]:
        with self._asking() as client:
            own, others = _namespaces(client)
            listed = client.list_folders()
            subscribed = {_raw(name) for _, _, name in client.list_sub_folders()}
        found: dict[str, SourceFolder] = {}
        for flags, delimiter, name in listed:
            raw = _raw(name)
            if {flag.lower() for flag in flags} & _NO_MAIL or _foreign(raw, own, others):
                continue
            prefix = next((one for one in own if one and raw.startswith(one)), b"")
            shown = _decoded(raw[len(prefix) :])
            levels = tuple(shown.split(_text(delimiter))) if delimiter else (shown,)
            uses = [_USES[_text(flag).lower()] for flag in flags if _text(flag).lower() in _USES]
            one = raw.decode("latin-1")
            found[one] = SourceFolder(one, levels, uses[0] if uses else None, raw in subscribed or levels == ("INBOX",))
        return list(found.values())

    def _select(self, client: IMAPClient, folder: SourceFolder) -> dict[bytes, Any]:
        self._selected = None
        # From here on an answer is about this folder or an error.
        answer: dict[bytes, Any] = client.select_folder(folder.id.encode("latin-1"), readonly=True)
        self._selected = folder.id
        return answer

    # ---------------------------------------------------------------- messages

    def listing(self, folder: SourceFolder) -> Listing:
        with self._asking() as client:
            facts = self._select(client, folder)
            generation = int(facts.get(b"UIDVALIDITY", 0))
            uids = sorted(client.search("ALL")) if facts.get(b"EXISTS") else []
            self._generation = generation
            messages: list[SourceMessage] = []
            for start in range(0, len(uids), _BLOCK):
                block = uids[start : start + _BLOCK]
                answers = client.fetch(block, ["FLAGS", "INTERNALDATE", "RFC822.SIZE"])
                messages += [_message(uid, answers[uid]) for uid in block if b"FLAGS" in answers.get(uid, {})]
        return Listing(generation, messages)

    def octets(
        self, folder: SourceFolder, messages: Sequence[SourceMessage]
    ) -> Iterator[tuple[SourceMessage, bytes | Unreadable]]:
        by_uid = {int(one.key): one for one in messages}
        try:
            with self._asking() as client:
                if self._selected != folder.id and self._generation != self._select(client, folder).get(
                    b"UIDVALIDITY", 0
                ):
                    self._selected = None
                    raise Unreadable("the folder was made anew meanwhile: run again")
                answers = client.fetch(list(by_uid), ["BODY.PEEK[]"])
        except Unreadable as error:
            if len(messages) == 1:
                yield messages[0], error
                return
            for one in messages:
                yield from self.octets(folder, [one])
            return
        for uid, one in by_uid.items():
            octets = answers.get(uid, {}).get(b"BODY[]")
            if isinstance(octets, bytes):
                yield one, octets
            else:
                yield one, Unreadable("the source does not give it out: it went away meanwhile, or is damaged there")

    # ---------------------------------------------------------------- rights

    def grants(self, folder: SourceFolder) -> Mapping[str, str]:
        with self._asking() as client:
            if not client.has_capability("ACL"):
                return {}
            try:
                entries = client.getacl(folder.id.encode("latin-1"))
            except imaplib.IMAP4.abort:
                raise
            except IMAPClientError:
                # Who may not see the list has none to give.
                return {}
        own = {self._login.user, self._login.person, "owner"}
        found = {_text(who): _text(rights).strip('"') for who, rights in entries}
        return {who: rights for who, rights in found.items() if rights and who not in own}


def _said(error: Exception) -> str:
    text = str(error)
    return text[2:-1] if text.startswith(("b'", 'b"')) else text


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _raw(name: bytes | str) -> bytes:
    return name if isinstance(name, bytes) else str(name).encode("latin-1", "replace")


def _decoded(raw: bytes) -> str:
    """A name for people: modified UTF-7, or what servers write who don't know it."""
    try:
        return mutf7.decode(raw)
    except BadName:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")


def _namespaces(client: IMAPClient) -> tuple[list[bytes], list[bytes]]:
    """Prefixes of the person's own folders, and of those of others."""
    if not client.has_capability("NAMESPACE"):
        return [b""], []
    own, others, shared = client.namespace()
    return (
        [_prefix(prefix) for prefix, _ in own or ()] or [b""],
        [_prefix(prefix) for prefix, _ in (*(others or ()), *(shared or ()))],
    )


def _prefix(prefix: bytes | str) -> bytes:
    return prefix if isinstance(prefix, bytes) else mutf7.encode(prefix)


def _foreign(raw: bytes, own: list[bytes], others: list[bytes]) -> bool:
    if raw.upper() == b"INBOX":
        return False
    if b"" not in own:
        return not raw.startswith(tuple(own))
    return any(prefix and (raw + prefix[-1:]).startswith(prefix) for prefix in others)


def _message(uid: int, answer: Mapping[bytes, Any]) -> SourceMessage:
    system, keywords = of_flags(_text(flag) for flag in answer[b"FLAGS"])
    when = answer.get(b"INTERNALDATE")
    date, zone = None, 0
    if isinstance(when, datetime):
        # One without a zone would be read as local time: imapclient gives the server's zone with it.
        date = max(0, int(when.timestamp()))
        offset = when.utcoffset()
        zone = 0 if offset is None else int(offset.total_seconds()) // 60
    size = answer.get(b"RFC822.SIZE")
    return SourceMessage(str(uid), system, keywords, size if isinstance(size, int) else None, date, zone)
