from authres.core import AuthenticationResult

class DMARCAuthenticationResult(AuthenticationResult):
    header_from: str | None
    def __init__(self, *, result: str, result_comment: str | None = None, header_from: str | None = None) -> None: ...
