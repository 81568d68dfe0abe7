"""Letters written out of templates: what the prior learns beside a public corpus of 2002, which knows no French and no
fraud of today.

A block of a template file is one letter::

    [LANGUAGE] NAME <LOCAL@DOMAIN>
    subject
    text; a line is a paragraph
    >> text of a link
    @@ name of an attachment

``{a|b}`` stands for one of several, also within each other. Filled in are ``{rcpt}``, ``{name}``, ``{first}``,
``{ref}``, ``{project}``, ``{good}`` (a domain that the letter's links share), ``{odd}`` (a domain made for the day) and
``{free}`` (a freemail domain). The same seed gives the same letters.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import formataddr
from html import escape
from pathlib import Path
from random import Random

_CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")
_PLACE = re.compile(r"\{(\w+)\}")


def _listed(words: str) -> list[str]:
    return words.split()


_FIRST = _listed(
    "Marie Paul Julie Thomas Sarah Karim Anna David Claire Hugo Emma Lucas Fatima Nina Peter John Linda Omar Sofia Jan "
    "Carlos Ines Pedro Greta Luca Piet"
)
_LAST = _listed(
    "Martin Bernard Dubois Petit Moreau Garcia Smith Brown Jones Miller Weber Rossi Nguyen Diallo Lopez Clark Silva "
    "Santos Becker Jansen"
)
_WORDS = _listed(
    "bridge garden harbor lemon maple stone river paper cloud north silver field lamp orange forest mill valley tower "
    "cherry lake meadow fox sparrow granite"
)
_GOOD_ENDS = _listed(".fr .org .com .net .eu .edu .de .co.uk")
_ODD_ENDS = _listed(
    ".top .xyz .shop .online .site .info .com .click .ru .co .live .com.br .weebly.com .web.app .pages.dev .net .org"
)
_FREE = _listed("gmail.com outlook.fr hotmail.com yahoo.fr orange.fr free.fr laposte.net gmx.de")
_FOOTS = ("", "", "&copy; 2025", "Sent from my phone", "Ce message est confidentiel.")


def letters(path: Path, seed: int, copies: int) -> Iterator[tuple[int, bytes]]:
    """``copies`` letters of each block of the file, with the block's number."""
    blocks = [block for block in re.split(r"\n\s*\n", path.read_text("utf-8")) if block.strip().startswith("[")]
    for number, block in enumerate(blocks):
        for copy in range(copies):
            yield number, _Letter(block.strip(), Random(f"{path.name} {seed} {number} {copy}")).octets()


class _Letter:
    def __init__(self, block: str, random: Random) -> None:
        self._random = random
        self._lines = block.split("\n")
        pick = random.choice
        pair = f"{pick(_WORDS)}{pick(('', '-'))}{pick(_WORDS)}"
        self._places = {
            "first": pick(_FIRST),
            "name": f"{pick(_FIRST)} {pick(_LAST)}",
            "rcpt": f"{pick(_FIRST)}.{pick(_LAST)}@{pick(_WORDS)}{pick(_GOOD_ENDS)}".lower(),
            "ref": str(random.randrange(10**5, 10**8)),
            "project": pick(_WORDS),
            "good": pair + pick(_GOOD_ENDS),
            "odd": pair + str(random.randrange(100) or "") + pick(_ODD_ENDS),
            "free": pick(_FREE),
        }

    def octets(self) -> bytes:
        head = re.fullmatch(r"\[\w+\] (.*) <(.*)@(.*)>", self._lines[0])
        assert head, f"a letter begins with [LANGUAGE] NAME <ADDRESS>, not {self._lines[0]!r}"
        name, local, domain = (self._filled(piece) for piece in head.groups())
        message = EmailMessage()
        message["From"] = formataddr((name, f"{re.sub('[^a-z.-]', '.', local.lower())}@{domain}"))
        message["To"] = self._places["rcpt"]
        message["Subject"] = self._filled(self._lines[1])
        message["Date"] = f"Tue, {self._random.randrange(1, 28)} May 2024 10:00:00 +0200"
        message["Message-ID"] = f"<{self._places['ref']}@{domain}>"
        body = [self._filled(line) for line in self._lines[2:]]
        shown = [line for line in body if line and not line.startswith("@@")]
        self._set_body(message, shown, domain)
        for line in body:
            if line.startswith("@@"):
                kind = line.rpartition(".")[2]
                content = b64encode(self._random.randbytes(300))
                message.add_attachment(content, "application", kind, filename=line[2:].strip())
        for number, part in enumerate(message.walk()):
            if part.is_multipart():
                part.set_boundary(f"=_{self._places['ref']}_{number}")
        return message.as_bytes()

    def _set_body(self, message: EmailMessage, lines: list[str], domain: str) -> None:
        linked = any(line.startswith(">>") for line in lines)
        form = self._random.choice(("html", "both", "both") if linked else ("plain", "plain", "html", "both"))
        odd = "{odd}" in self._lines[0] or "{free}" in self._lines[0]
        target = self._places["odd"] if odd and self._random.random() < 0.5 else domain
        url = f"https://{self._random.choice(('www.', '', 'mail.', 'app.'))}{target}/{self._random.choice(_WORDS)}"
        url += self._random.choice(("", f"/{self._places['ref']}", f"?id={self._places['ref']}"))
        if form != "html":
            message.set_content(
                "\n\n".join(f"{line[2:].strip()}: {url}" if line[:2] == ">>" else line for line in lines)
            )
        if form == "html":
            message.set_content(self._page(lines, url), subtype="html")
        elif form == "both":
            message.add_alternative(self._page(lines, url), subtype="html")

    def _page(self, lines: list[str], url: str) -> str:
        style = self._random.choice(("", ' style="font-family:Arial,sans-serif;font-size:14px"', ' bgcolor="#f4f4f4"'))
        button = self._random.choice(
            ("", ' style="background:#0067b8;color:#fff;padding:10px 20px"', ' class="button"')
        )
        rows = [
            f'<a href="{url}"{button}>{escape(line[2:].strip())}</a>' if line[:2] == ">>" else escape(line)
            for line in lines
        ]  # fmt: skip
        if self._random.random() < 0.3:
            rows.insert(0, f'<img src="https://{url.split("/")[2]}/logo.png" width="120" alt="">')
        rows.append(self._random.choice(_FOOTS))
        if self._random.random() < 0.5:
            inner = "".join(f"<tr><td>{row}</td></tr>" for row in rows)
            return f'<html><body{style}><table width="600" align="center">{inner}</table></body></html>'
        return f"<html><body{style}>{''.join(f'<p>{row}</p>' for row in rows)}</body></html>"

    def _filled(self, text: str) -> str:
        text = _PLACE.sub(lambda place: self._places.get(place[1], place[1]), text)
        while match := _CHOICE.search(text):
            text = text[: match.start()] + self._random.choice(match[1].split("|")) + text[match.end() :]
        return text
