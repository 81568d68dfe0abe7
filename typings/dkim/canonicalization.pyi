from collections.abc import Callable

class Simple:
    @staticmethod
    def canonicalize_headers(headers: list[list[bytes]]) -> list[list[bytes]]: ...
    @staticmethod
    def canonicalize_body(body: bytes) -> bytes: ...

class Relaxed:
    @staticmethod
    def canonicalize_headers(headers: list[list[bytes]]) -> list[tuple[bytes, bytes]]: ...
    @staticmethod
    def canonicalize_body(body: bytes) -> bytes: ...

class CanonicalizationPolicy:
    @classmethod
    def from_c_value(cls, c: bytes) -> CanonicalizationPolicy: ...
    def canonicalize_body(self, body: bytes) -> bytes: ...

strip_trailing_whitespace: Callable[[bytes], bytes]
compress_whitespace: Callable[[bytes], bytes]
strip_trailing_lines: Callable[[bytes], bytes]
