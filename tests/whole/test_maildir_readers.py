"""The tree of bodies as others read it: real Dovecot and real mutt, pointed at a copy."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from message.content import MemoryContent
from storage.model import FlagChange, NewMessage, System
from storage.names import account_folder
from storage.store import Store
from tests.fakes.mutt import shown

FOLDERS = ("INBOX", "Archive", "Élèves/6e B")

LETTERS = [
    f"From: a{n}@example.net\r\nSubject: n{n}\r\nMessage-ID: <n{n}@a>\r\n\r\n{'À lire ' * n}\r\n".encode()
    for n in range(1, 5)
]

#: Flags of the four letters, and how Dovecot says them.
FLAGS = [
    (System.NONE, ""),
    (System.SEEN | System.ANSWERED, r"\Answered \Seen"),
    (System.FLAGGED | System.DRAFT, r"\Flagged \Draft"),
    (System.DELETED | System.SEEN, r"\Seen \Deleted"),
]

DATE = 1_700_000_000


def furnish(store: Store) -> None:
    account = store.open_account("marie")
    store.create(account, "Élèves/6e B")
    for name in FOLDERS:
        box = store.mailbox(account, name).id
        dated = (NewMessage(MemoryContent(one), internal_date=DATE + n) for n, one in enumerate(LETTERS))
        store.append(account, box, [*dated, NewMessage(MemoryContent(b"Subject: parti\r\n\r\nparti\r\n"), system=8)])
        for uid, (flags, _) in enumerate(FLAGS, 1):
            store.store_flags(account, box, [uid], FlagChange.REPLACE, int(flags), ())
        store.expunge(account, box, [5])
    # Mail that moved on shows in one place only.
    archive, sent = (store.mailbox(account, name).id for name in ("Archive", "Sent"))
    store.move(account, sent, store.append(account, sent, [NewMessage(MemoryContent(LETTERS[0]))]), archive)
    store.rename_bodies()
    # The sweeper's round gives a folder to mailboxes that never held mail.
    store.scrub(time.time(), 100)


@pytest.fixture
def copy(tmp_path: Path, store: Store) -> Iterator[Path]:
    """A copy of an account's tree, of a user whom Dovecot reads mail for: it refuses root."""
    furnish(store)
    folder = Path(tempfile.mkdtemp(prefix="mailserver-copy-"))
    shutil.copytree(tmp_path / "mail" / account_folder("marie"), folder / "mail")
    if os.geteuid() == 0:
        who = pwd.getpwnam("nobody")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, who.pw_uid, who.pw_gid)
    yield folder / "mail"
    shutil.rmtree(folder)


def test_dovecot_lists_every_message_with_its_flags_and_octets(copy: Path, need: Callable[[str, str], str]) -> None:
    doveadm = need("doveadm", "dovecot-imapd")
    owner = copy.stat()
    config = copy.parent / "dovecot.conf"
    config.write_text(
        f"mail_location = maildir:{copy}:UTF-8\nbase_dir = {copy.parent}/run\nfirst_valid_uid = 1\n"
        f"mail_uid = {owner.st_uid}\n"
        f"mail_gid = {owner.st_gid}\nlog_path = /dev/stderr\nssl = no\nmail_plugins =\n"
        "namespace inbox {\n  inbox = yes\n  separator = /\n}\n"
    )

    def ask(*arguments: str) -> str:
        done = subprocess.run(
            [doveadm, "-c", str(config), *arguments],
            env={**os.environ, "USER": "marie", "HOME": str(copy.parent)},
            capture_output=True,
            **({"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}),
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    listed = set(ask("mailbox", "list").splitlines())
    assert listed >= {*FOLDERS, "Drafts", "Sent", "Trash"}
    for name in FOLDERS:
        fields = "flags size.physical date.received.unixtime text"
        records = ask("-f", "json", "fetch", fields, "mailbox", name, "ALL")
        found = json.loads(records)
        expected = 4 + (name == "Archive")
        assert len(found) == expected, name
        for n, (record, octets, (_, flags)) in enumerate(zip(found, LETTERS, FLAGS, strict=False)):
            assert set(record["flags"].replace(r"\Recent", "").split()) == set(flags.split())
            assert int(record["size.physical"]) == len(octets)
            assert record["text"].replace("\r\n", "\n").encode() == octets.replace(b"\r\n", b"\n")
            assert int(record["date.received.unixtime"]) == DATE + n
    assert "messages=0" in ask("mailbox", "status", "messages", "Sent")


def test_mutt_reads_it(copy: Path, need: Callable[[str, str], str]) -> None:
    mutt = need("neomutt", "neomutt")
    for folder in ("", ".Élèves.6e B"):
        screen = shown(mutt, copy / folder, copy)
        assert re.search(rb"Msgs:4 Old:2 Del:1 Flag:1", screen), screen[-2000:]
