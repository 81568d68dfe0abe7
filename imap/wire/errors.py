"""What can be wrong with a command, as the wire layer sees it."""

from __future__ import annotations


class ParseError(Exception):
    """The command breaks the grammar or a limit of it: tagged BAD. ``tag`` is None when it could not be read."""

    def __init__(self, text: str, tag: bytes | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.tag = tag


class BadName(Exception):
    """A mailbox name is not well-formed modified UTF-7: the command is understood and refused (NO [CANNOT])."""

    def __init__(self, text: str, tag: bytes = b"*") -> None:
        super().__init__(text)
        self.text = text
        self.tag = tag
