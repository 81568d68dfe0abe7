"""The text of attached PDFs, for the text index: read by poppler's ``pdftotext`` where that is installed.

A reader of PDFs works, and takes memory, for as long as a hostile file makes it: this one runs in a process of its own,
with bounds, and is killed past them. So no search runs it: PDFs are found as soon as the index has them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import structlog

from message.collation import casemap
from message.content import Buffer
from message.parts import Part, load, scan, walk
from message.text import decoded
from storage.texts.document import BETWEEN, Document

log = structlog.get_logger()

PROGRAM = "pdftotext"
#: Bounds of one run: seconds by the clock and of CPU time, octets of memory, pages.
SECONDS, CPU_SECONDS, MEMORY, PAGES = 15.0, 5, 512 * 1024 * 1024, 200
#: PDFs of one message that are read, octets of each, and of the text of all.
MOST, LARGEST, TEXT_LIMIT = 10, 16 * 1024 * 1024, 512 * 1024


def with_pdfs(found: Document, buffer: Buffer, parts: bytes | None) -> Document:
    """The same with the texts of attached PDFs behind the others; as it is where there are none."""
    pieces = list(_texts(buffer, load(parts) if parts else scan(buffer)))
    return Document(found.header, BETWEEN.join([found.body, *map(casemap, pieces)])) if pieces else found


def _texts(buffer: Buffer, root: Part) -> Iterator[str]:
    left = TEXT_LIMIT
    for part in [one for one in walk(root) if _is_pdf(one)][:MOST]:
        text = pdf_text(decoded(buffer, part, LARGEST), left) if left > 0 else ""
        left -= len(text)
        if text:
            yield text


def _is_pdf(part: Part) -> bool:
    return part.main == "application" and (part.sub == "pdf" or (part.filename or "").lower().endswith(".pdf"))


def pdf_text(octets: bytes, limit: int) -> str:
    """The text of a PDF, at most ``limit`` octets of it; "" when it can't be read, or not within the bounds."""
    program, bounds = shutil.which(PROGRAM), shutil.which("prlimit")
    if program is None or bounds is None or not octets.startswith(b"%PDF"):
        return ""
    bounded = [bounds, f"--cpu={CPU_SECONDS}", f"--as={MEMORY}", f"--fsize={limit}", "--core=0"]
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as text:
        source.write(octets)
        source.seek(0)
        try:
            subprocess.run(
                [*bounded, program, "-q", "-enc", "UTF-8", "-l", str(PAGES), "-", "-"],
                stdin=source,
                stdout=text,
                stderr=subprocess.DEVNULL,
                timeout=SECONDS,
                env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "")},
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.info("texts.pdf_not_read", octets=len(octets), error=type(error).__name__)
            return ""
        text.seek(0)
        return text.read(limit).decode("utf-8", "replace")
