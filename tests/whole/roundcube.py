"""Debian's Roundcube, served by PHP's own web server from a folder of its own, and a browser without a screen for it.

The browser says what Roundcube's pages would say: the same requests, parameters and tokens. What the IMAP server
sees is Roundcube's PHP, whole.
"""

from __future__ import annotations

import contextlib
import html
import http.cookiejar
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SHARE = Path("/usr/share/roundcube")
WEB = Path("/var/lib/roundcube/public_html")
PLUGINS = ("acl", "archive", "markasjunk", "zipdownload")

CONFIG = """<?php
$config = [];
$config['db_dsnw'] = 'sqlite:///%(folder)s/roundcube.db?mode=0640';
$config['imap_host'] = 'ssl://127.0.0.1:%(imaps)d';
$config['smtp_host'] = 'tls://127.0.0.1:%(submission)d';
$config['smtp_user'] = '%%u';
$config['smtp_pass'] = '%%p';
$unverified = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false, 'allow_self_signed' => true]];
$config['imap_conn_options'] = $unverified;
$config['smtp_conn_options'] = $unverified;
$config['mail_domain'] = '%(domain)s';
$config['des_key'] = 'vingt-quatre caracteres!';
$config['cipher_method'] = 'AES-256-CBC';
$config['log_dir'] = '%(folder)s/log/';
$config['temp_dir'] = '%(folder)s/temp/';
$config['imap_debug'] = true;
$config['imap_log_session'] = true;
$config['plugins'] = [%(plugins)s];
$config['drafts_mbox'] = 'Drafts';
$config['sent_mbox'] = 'Sent';
$config['trash_mbox'] = 'Trash';
$config['junk_mbox'] = 'Junk';
$config['archive_mbox'] = 'Archive';
$config['archive_type'] = '';
$config['zipdownload_selection'] = true;
$config['language'] = 'fr_FR';
$config['enable_installer'] = false;
$config['session_lifetime'] = 60;
$config['create_default_folders'] = false;
$config['show_real_foldernames'] = true;
"""


@dataclass
class Roundcube:
    """A webmail on a port of its own, over one mail stack."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self, php: str, imaps: int, submission: int, domain: str, extra: str = "") -> None:
        for name in ("log", "temp", "config"):
            (self.folder / name).mkdir()
        for name in ("defaults.inc.php", "mimetypes.php"):
            (self.folder / "config" / name).symlink_to(Path("/etc/roundcube") / name)
        values = {
            "folder": self.folder,
            "imaps": imaps,
            "submission": submission,
            "domain": domain,
            "plugins": ", ".join(f"'{name}'" for name in PLUGINS),
        }
        (self.folder / "config" / "config.inc.php").write_text(CONFIG % values + extra)
        with contextlib.closing(sqlite3.connect(self.folder / "roundcube.db")) as database:
            database.executescript((SHARE / "SQL" / "sqlite.initial.sql").read_text())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(self.folder / "log" / "php.log", "wb") as out:
            self.process = subprocess.Popen(
                [
                    *(php, "-d", "display_errors=0", "-d", "log_errors=1"),
                    *("-d", f"session.save_path={self.folder}/temp"),
                    *("-d", "upload_max_filesize=20M", "-d", "post_max_size=20M"),
                    *("-S", f"127.0.0.1:{self.port}", "-t", str(WEB)),
                ],
                env={**os.environ, "ROUNDCUBE_CONFIG_DIR": f"{self.folder}/config", "PHP_CLI_SERVER_WORKERS": "2"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=5):
                return
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("PHP did not start:\n" + (self.folder / "log" / "php.log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(10)

    def imap_log(self) -> str:
        """All that Roundcube said to the IMAP server and heard from it."""
        path = self.folder / "log" / "imap.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def errors(self) -> str:
        """What Roundcube itself noted as errors."""
        path = self.folder / "log" / "errors.log"
        return path.read_text(errors="replace") if path.exists() else ""


@dataclass
class Answer:
    """An answer to a request that a page's script made."""

    env: Mapping[str, Any]
    calls: Sequence[str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of the message list, in order: UID, columns and flags as shown."""
        return [_row(call) for call in self.calls if call.startswith("this.add_message_row(")]

    @property
    def subjects(self) -> list[str]:
        return [row["subject"] for row in self.rows]

    @property
    def messages(self) -> list[tuple[str, str]]:
        """What is told to the user: text and kind (``confirmation``, ``notice``, ``warning``, ``error``)."""
        found = (re.match(r'this\.display_message\((".*?(?<!\\)"),"(\w+)"', call) for call in self.calls)
        return [(json.loads(one[1]), one[2]) for one in found if one]

    def confirmed(self) -> Answer:
        """The same, but only if nothing went wrong."""
        assert not [kind for _, kind in self.messages if kind in ("error", "warning")], self.messages
        return self


def _row(call: str) -> dict[str, Any]:
    uid, columns, flags, *_ = json.loads(
        "[" + call.removeprefix("this.add_message_row(").rstrip(";").removesuffix(")") + "]"
    )
    subject = html.unescape(re.sub(r"<[^>]+>", "", columns.get("subject", "")))
    return {"uid": uid, "columns": columns, "flags": flags, "subject": subject}


@dataclass
class Browser:
    """One person's browser, signed in."""

    webmail: Roundcube
    token: str = ""
    cookies: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)

    def __post_init__(self) -> None:
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    # ---------------------------------------------------------------- plain requests

    def open(
        self, get: Mapping[str, Any], post: Sequence[tuple[str, str]] | bytes | None = None, **headers: str
    ) -> bytes:
        """The body of a page; raises HTTPError from 400 on."""
        address = f"http://127.0.0.1:{self.webmail.port}/?" + urllib.parse.urlencode(get)
        data = post if isinstance(post, bytes) or post is None else urllib.parse.urlencode(post).encode()
        request = urllib.request.Request(address, data, headers)
        with self._opener.open(request, timeout=60) as answer:
            return bytes(answer.read())

    def page(self, task: str, action: str = "", **get: Any) -> str:
        return self.open({"_task": task, "_action": action, **get}).decode()

    def sign_in(self, user: str, password: str) -> str:
        """The first page after signing in."""
        token = _token(self.open({}).decode())
        form = {"_token": token, "_task": "login", "_action": "login", "_timezone": "Europe/Paris", "_url": ""}
        page = self.open({"_task": "login"}, [*form.items(), ("_user", user), ("_pass", password)]).decode()
        self.token = _token(page)
        return page

    def sign_out(self) -> None:
        self.open({"_task": "logout", "_token": self.token})

    # ---------------------------------------------------------------- what scripts ask

    def ask(self, task: str, action: str, post: Mapping[str, Any] | None = None, **get: Any) -> Answer:
        """A request of a script: GET, or POST when there is ``post``."""
        query = {"_task": task, "_action": action, "_remote": "1", **get}
        form = None if post is None else [("_remote", "1"), *((name, str(value)) for name, value in post.items())]
        headers = {"X-Roundcube-Request": self.token, "X-Requested-With": "XMLHttpRequest"}
        found = json.loads(self.open(query, form, **headers))
        calls = [line for line in re.split(r"\n(?=this\.|parent\.|rcmail\.)", found.get("exec", "").strip()) if line]
        return Answer(found.get("env", {}), calls)

    def list(self, mbox: str = "INBOX", **get: Any) -> Answer:
        """The message list of a folder."""
        return self.ask("mail", "list", _mbox=mbox, _refresh=1, **get)

    def find(
        self, words: str, mbox: str = "INBOX", headers: str = "subject,from", scope: str = "base", **get: Any
    ) -> Answer:
        return self.ask(
            "mail",
            "search",
            _mbox=mbox,
            _q=words,
            _headers=headers,
            _scope=scope,
            _filter=get.pop("_filter", "ALL"),
            **get,
        )

    def mark(self, flag: str, uids: str, mbox: str = "INBOX") -> Answer:
        return self.ask("mail", "mark", {"_uid": uids, "_mbox": mbox, "_flag": flag})

    def move(self, uids: str, target: str, mbox: str = "INBOX", action: str = "move") -> Answer:
        return self.ask("mail", action, {"_uid": uids, "_mbox": mbox, "_target_mbox": target})

    def save_folder(self, name: str, parent: str = "", old: str = "") -> str:
        """The form that makes a folder, or renames ``old``; the page that comes back."""
        form = {"_token": self.token, "_name": name, "_parent": parent, "_mbox": old, "_framed": "1"}
        return self.open({"_task": "settings", "_action": "save-folder"}, list(form.items())).decode()

    def folder(self, action: str, mbox: str) -> Answer:
        """Delete, purge, subscribe or unsubscribe a folder in the settings."""
        return self.ask("settings", f"folder-{action}", {"_mbox": mbox})

    # ---------------------------------------------------------------- writing

    def compose(self, **get: Any) -> dict[str, str]:
        """The fields of the compose form, as Roundcube filled them in."""
        return form_fields(self.page("mail", "compose", **get))

    def attach(self, compose_id: str, name: str, kind: str, octets: bytes) -> Answer:
        boundary = uuid.uuid4().hex
        upload = uuid.uuid4().hex[:12]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="_attachments[]"; filename="{name}"\r\n'
        body = (head + f"Content-Type: {kind}\r\n\r\n").encode() + octets + f"\r\n--{boundary}--\r\n".encode()
        query = {"_task": "mail", "_action": "upload", "_id": compose_id, "_uploadid": upload, "_remote": "1"}
        headers = {"X-Roundcube-Request": self.token, "Content-Type": f"multipart/form-data; boundary={boundary}"}
        found = json.loads(self.open({**query, "_from": "compose"}, body, **headers))
        return Answer(found.get("env", {}), [found.get("exec", "")])

    def send(self, fields: Mapping[str, str], *, draft: bool = False) -> str:
        """Send a filled form, or save it as a draft; the page that comes back."""
        form = {**fields, "_task": "mail", "_action": "send", "_token": self.token, "_draft": "1" if draft else ""}
        return self.open({"_task": "mail", "_action": "send"}, list(form.items())).decode()


def _token(page: str) -> str:
    found = re.search(r'"request_token":"(\w+)"', page) or re.search(r'name="_token" value="(\w+)"', page)
    assert found, page[:2000]
    return found[1]


def form_fields(page: str) -> dict[str, str]:
    """Names and values of all inputs of a page, text areas and first (or selected) options included."""
    fields: dict[str, str] = {}
    for tag in re.findall(r"<input\b[^>]*>", page):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if attributes.get("type") not in ("checkbox", "file", "radio") and "name" in attributes:
            fields[attributes["name"]] = html.unescape(attributes.get("value", ""))
    for attributes, text in re.findall(r"<textarea\b([^>]*)>(.*?)</textarea>", page, re.DOTALL):
        if name := re.search(r'name="(\w+)"', attributes):
            fields[name[1]] = html.unescape(text)
    for attributes, text in re.findall(r"<select\b([^>]*)>(.*?)</select>", page, re.DOTALL):
        if name := re.search(r'name="(\w+)"', attributes):
            chosen = re.search(r'value="([^"]*)" selected', text) or re.search(r'value="([^"]*)"', text)
            fields[name[1]] = html.unescape(chosen[1]) if chosen else ""
    return fields


@contextlib.contextmanager
def webmail(folder: Path, php: str, imaps: int, submission: int, domain: str, extra: str = "") -> Iterator[Roundcube]:
    folder.mkdir(parents=True, exist_ok=True)
    one = Roundcube(folder)
    try:
        one.start(php, imaps, submission, domain, extra)
        yield one
    finally:
        one.stop()


def refusals(log: str) -> list[str]:
    """Commands of an IMAP log that were answered BAD or NO, with the answer."""
    asked: dict[tuple[str, str], str] = {}
    found = []
    for line in log.splitlines():
        match = re.search(r"\[(\w+)\] ([CS]): (A\d+) (.*)", line)
        if match is None:
            continue
        connection, side, tag, text = match.groups()
        if side == "C":
            asked[connection, tag] = text
        elif not text.startswith("OK"):
            found.append(f"{asked.get((connection, tag))} -> {text}")
    return found
