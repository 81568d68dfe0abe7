"""Parts taken out of a message, a text in the place of each; everything else stays octet by octet (RFC 2046)."""

from __future__ import annotations

from base64 import encodebytes
from collections.abc import Iterator, Mapping

from message.content import Buffer
from message.headers import HeaderBlock
from message.parts import Part, scan, walk

#: Containers whose octets are signed or encrypted as a whole: what is cut out of them breaks them.
_SEALED = frozenset(("signed", "encrypted"))


def without_parts(buffer: Buffer, headers: HeaderBlock, root: Part, notes: Mapping[int, str]) -> bytes | None:
    """The message with a text instead of each part whose ``header_start`` is in ``notes``.

    None when that can't be done without doubt: a part is no leaf, stands in a signed or encrypted container, is the
    whole of a message within the message, or the result would be read as something else than the rest of the tree.
    """
    cuttable = {part.header_start: part for part in _cuttable(root)}
    if not notes or not notes.keys() <= cuttable.keys():
        return None
    pieces, at = [], 0
    for start in sorted(notes):
        part = cuttable[start]
        pieces.append(bytes(buffer[at:start]))
        kept = _other_fields(buffer, headers) if part is root else b""
        pieces.append(kept + _note(notes[start]))
        at = part.end
    pieces.append(bytes(buffer[at:]))
    result = b"".join(pieces)
    return result if _is_the_rest(root, scan(result), notes) else None


def _cuttable(root: Part) -> Iterator[Part]:
    """The leaves that may go, without those that are the whole of an inner message: their header is that message's."""
    if not root.children and root.message is None:
        yield root
        return
    stack = [root]
    while stack:
        part = stack.pop()
        if part.main == "multipart" and part.sub in _SEALED:
            continue
        inner = part.message
        if inner is not None and inner.children:
            stack.append(inner)
        for child in part.children:
            if child.children or child.message is not None:
                stack.append(child)
            else:
                yield child


def _other_fields(buffer: Buffer, headers: HeaderBlock) -> bytes:
    """The header without what it says of the content."""
    return b"".join(
        bytes(buffer[field.start : field.end])
        for field in headers.fields
        if not field.name.lower().startswith(b"content-")
    )


def _note(text: str) -> bytes:
    # In base64 no line can be taken for a delimiter.
    body = encodebytes(text.encode("utf-8", "replace")).replace(b"\n", b"\r\n").rstrip()
    return b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + body


def _is_the_rest(before: Part, after: Part, notes: Mapping[int, str]) -> bool:
    """True when both trees are the same but for the notes."""
    old, new = list(walk(before)), list(walk(after))
    return len(old) == len(new) and all(
        (two.main, two.sub, two.encoding) == ("text", "plain", "base64")
        if one.header_start in notes and not one.children and one.message is None
        else (one.main, one.sub, one.encoding, one.filename) == (two.main, two.sub, two.encoding, two.filename)
        and (bool(one.children) or one.message is not None or one.size == two.size)
        for one, two in zip(old, new, strict=True)
    )
