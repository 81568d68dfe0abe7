"""How objects of a backup are packed: compressed, and for a public key sealed (HPKE, RFC 9180).

The server needs only the public key, and whoever gets hold of a backup reads nothing without the private one. Names of
sealed objects are keyed with the public key, so that they don't tell by themselves which known message is in there.
"""

from __future__ import annotations

import base64
import hashlib
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from storage.errors import Damaged, NotPermitted

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_INFO = b"mailserver backup 1"
_PLAIN, _SEALED = b"p", b"s"


def new_key() -> tuple[str, str]:
    """A private key and its public key, as text."""
    key = X25519PrivateKey.generate()
    return _text(key.private_bytes_raw()), _text(key.public_key().public_bytes_raw())


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _octets(text: str) -> bytes:
    try:
        octets = base64.urlsafe_b64decode(text.strip() + "=")
    except ValueError:
        octets = b""
    if len(octets) != 32:
        raise NotPermitted("this is no key as `backup key` makes it")
    return octets


class Seal:
    """Packs and opens; without a public key nothing is sealed, without the private one nothing sealed is opened."""

    def __init__(self, *, public: str | None = None, private: str | None = None) -> None:
        """Keys as ``new_key`` gives them. Raises NotPermitted for what is none."""
        self._private = X25519PrivateKey.from_private_bytes(_octets(private)) if private else None
        if public:
            self._public: X25519PublicKey | None = X25519PublicKey.from_public_bytes(_octets(public))
        else:
            self._public = self._private.public_key() if self._private else None
        self._salt = self._public.public_bytes_raw() if self._public else b""

    def name(self, digest: bytes) -> str:
        """Name of the object with these octets, by their SHA-256."""
        text = (hashlib.blake2b(digest, key=self._salt, digest_size=32).digest() if self._salt else digest).hex()
        return f"objects/{text[:2]}/{text[2:]}"

    def pack(self, octets: bytes) -> bytes:
        """Octets as they are kept."""
        packed = zlib.compress(octets, 6)
        if self._public is None:
            return _PLAIN + packed
        return _SEALED + _SUITE.encrypt(packed, self._public, info=_INFO)

    def open(self, kept: bytes) -> bytes:
        """What was packed. Raises Damaged, NotPermitted without the key."""
        try:
            packed = kept[1:]
            if kept[:1] == _SEALED:
                if self._private is None:
                    raise NotPermitted("the backup is sealed: its private key is needed")
                packed = _SUITE.decrypt(packed, self._private, info=_INFO)
            return zlib.decompress(packed)
        except InvalidTag as error:
            raise Damaged(
                "an object of the backup can't be opened: it is damaged, or sealed for another key"
            ) from error
        except (zlib.error, ValueError) as error:
            raise Damaged(f"an object of the backup is damaged: {error}") from error
