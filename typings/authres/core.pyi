from collections.abc import Sequence

class BaseAuthenticationResult: ...

class NoneAuthenticationResult(BaseAuthenticationResult):
    def __init__(self, comment: str | None = None) -> None: ...

class AuthenticationResult(BaseAuthenticationResult):
    method: str
    result: str
    reason: str | None

class DKIMAuthenticationResult(AuthenticationResult):
    header_d: str | None
    header_s: str | None
    def __init__(
        self,
        *,
        result: str,
        result_comment: str | None = None,
        reason: str | None = None,
        header_d: str | None = None,
        header_s: str | None = None,
    ) -> None: ...

class SPFAuthenticationResult(AuthenticationResult):
    smtp_helo: str | None
    smtp_mailfrom: str | None
    def __init__(
        self,
        *,
        result: str,
        reason: str | None = None,
        smtp_helo: str | None = None,
        smtp_mailfrom: str | None = None,
    ) -> None: ...

class AuthenticationResultsHeader:
    authserv_id: str
    results: list[AuthenticationResult]
    def __init__(self, *, authserv_id: str, results: Sequence[BaseAuthenticationResult]) -> None: ...
    @classmethod
    def parse(cls, string: str) -> AuthenticationResultsHeader: ...
