from collections.abc import Callable

class CanonicalizationPolicy:
    @classmethod
    def from_c_value(cls, c: bytes) -> CanonicalizationPolicy: ...
    def canonicalize_body(self, body: bytes) -> bytes: ...

strip_trailing_whitespace: Callable[[bytes], bytes]
strip_trailing_lines: Callable[[bytes], bytes]
