import re
from collections.abc import Callable, Iterable
from typing import Protocol

from dkim.canonicalization import CanonicalizationPolicy

class DKIMException(Exception): ...
class MessageFormatError(DKIMException): ...
class ValidationError(DKIMException): ...
class KeyFormatError(DKIMException): ...

class HashThrough(Protocol):
    name: str
    def digest(self) -> bytes: ...

class DKIM:
    headers: list[list[bytes]]
    body: bytes
    hasher: Callable[..., object]
    pk: object
    ktag: bytes
    keysize: int
    minkey: int
    def __init__(self, message: bytes | None = None) -> None: ...
    def gen_header(
        self,
        fields: list[tuple[bytes, bytes]],
        include_headers: Iterable[bytes],
        canon_policy: CanonicalizationPolicy,
        header_name: bytes,
        pk: object,
    ) -> bytes: ...
    def verify_sig_process(
        self, sig: dict[bytes, bytes], include_headers: list[bytes], sig_header: list[bytes], dnsfunc: None
    ) -> bool: ...

RE_BTAG: re.Pattern[bytes]
RSASSA_PKCS1_v1_5_sign: Callable[..., bytes]
RSASSA_PKCS1_v1_5_verify: Callable[..., bool]

def validate_signature_fields(sig: dict[bytes, bytes]) -> None: ...
