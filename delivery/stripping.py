"""Files that policy takes out of mail: what stands in their place, and which they are."""

from __future__ import annotations

from collections.abc import Mapping

from config.settings import Spam
from delivery.policy import ENCRYPTED, MACROS, PROGRAMS
from message.content import Content, MemoryContent
from message.cut import without_parts
from message.headers import HeaderBlock
from message.parts import Part, scan, walk
from message.words import printable
from spamfilter.verdict import Verdict

_KINDS = {
    "programs": ("un programme, ou un fichier qui en lance un", "a program, or a file that starts one"),
    "encrypted_archives": ("une archive que personne ne peut contrôler", "an archive that nobody can look into"),
    "macros": ("un document qui contient des macros", "a document that holds macros"),
}
_NOTE = (
    "[Pièce jointe retirée]\r\n\r\nLe fichier « {name} » a été retiré de ce message : c'est {kind}.\r\n"
    "Le message d'origine, avec ce fichier, est retenu : le récapitulatif quotidien des messages retenus permet de le "
    "recevoir.\r\nNe le demandez que si vous attendiez ce fichier ; en cas de doute, demandez à l'expéditeur de "
    "l'envoyer en PDF,\r\nou écrivez à votre assistance.\r\n",
    '[Attachment removed]\r\n\r\nThe file "{name}" was taken out of this message: it is {kind}.\r\n'
    "The message as it came, with this file, is held back: the daily mail about held messages lets you have it.\r\n"
    "Ask for it only if you expected this file; when in doubt ask the sender for a PDF, or your help desk.\r\n",
)


def wanted_out(verdict: Verdict | None, settings: Spam) -> dict[int, str] | None:
    """Kinds of the parts that policy takes out, by where they begin; None when one can't be told from the others."""
    out: dict[int, str] = {}
    if verdict is None:
        return out
    hit = {one.symbol for one in verdict.hits}
    for kind, symbols, wanted in (
        ("macros", MACROS, settings.macros),
        ("encrypted_archives", ENCRYPTED, settings.encrypted_archives),
        ("programs", PROGRAMS, settings.programs),
    ):
        if wanted != "strip":
            continue
        for symbol in sorted(hit & symbols):
            places = [at for found, at in verdict.files_at if found == symbol]
            if not places:
                return None
            out |= dict.fromkeys(places, kind)
    return out


def stripped(content: Content, headers: HeaderBlock, out: Mapping[int, str], language: str) -> Content | None:
    """The message with a note instead of each of these parts; None when it can't be cut safely."""
    buffer = content.buffer()
    root = scan(buffer, headers)
    names = {part.header_start: part for part in walk(root)}
    if not out.keys() <= names.keys():
        return None
    notes = {at: _note(names[at], kind, language) for at, kind in out.items()}
    octets = without_parts(buffer, headers, root, notes)
    return MemoryContent(octets) if octets is not None else None


def _note(part: Part, kind: str, language: str) -> str:
    at = 1 if language == "en" else 0
    name = printable(part.filename or "")[:120] or ("unnamed" if at else "sans nom")
    return _NOTE[at].format(name=name, kind=_KINDS[kind][at])
