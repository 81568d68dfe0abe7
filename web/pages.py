"""Pages: one template, everything escaped, with header fields that let a browser do nothing but show and submit."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from web.texts import TEXTS

_STYLE = (
    "body{font-family:system-ui,sans-serif;margin:0;background:#f6f6f6;color:#161616;line-height:1.5}"
    "main{max-width:34rem;margin:2rem auto;padding:1.5rem;background:#fff;border:1px solid #ddd}"
    "h1{font-size:1.4rem;margin-top:0}dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1rem}"
    "dt{color:#555}dd{margin:0;overflow-wrap:anywhere}.caution{color:#555}"
    "button{font:inherit;padding:.6rem 1.2rem;border:0;background:#000091;color:#fff;cursor:pointer}"
    "button:focus-visible{outline:3px solid #0a76f6;outline-offset:2px}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

#: On every answer (https://cheatsheetseries.owasp.org, "HTTP Headers").
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Which libraries are here is nobody's business.
    "Server": "mailserver",
}

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


class Pages:
    """Pages in one language, ``fr`` or ``en``."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.words = TEXTS[language]

    def page(
        self,
        status: int,
        title: str,
        text: str,
        *,
        facts: Sequence[tuple[str, str]] = (),
        button: str = "",
        headers: dict[str, str] | None = None,
    ) -> web.Response:
        """A page with a title and one paragraph; ``facts`` are a list below it, ``button`` posts to this address."""
        body = _TEMPLATES.get_template("page.html").render(
            language=self.language,
            words=self.words,
            style=Markup(_STYLE),
            title=title,
            text=text,
            facts=facts,
            button=button,
        )
        return web.Response(status=status, text=body, content_type="text/html", headers=headers)

    def told(self, status: int, about: str, headers: dict[str, str] | None = None) -> web.Response:
        """A page of a title and a text that are ``about`` something, by the names in ``web.texts``."""
        return self.page(status, self.words[about], self.words[f"{about}_text"], headers=headers)
