"""Proves a backup by restoring it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from storage.backup.restore import BackupReader
from storage.blobs.maildir import Maildir
from storage.check.verify import Verifier
from storage.database import Database
from storage.migrate import upgrade


def rehearse(reader: BackupReader, beside: Path) -> tuple[list[str], int]:
    """Restore into a folder in ``beside``, compare index and bodies there, and take it away again.

    Returns in words what is wrong, and how many messages were compared. Raises NotPermitted, Unavailable, DiskFull.
    """
    with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=beside) as folder:
        database = Database(f"sqlite:///{folder}/mailserver.db")
        try:
            upgrade(database)
            bodies = Maildir(Path(folder) / "mail")
            wrong = reader.restore_all(database, bodies)
            verifier = Verifier(database, bodies, orphans_before=2**40)
            wrong += [str(finding) for finding in verifier.run()]
        finally:
            database.close()
    if verifier.count.messages != reader.manifest.messages:
        wrong.append(f"{verifier.count.messages} messages are there instead of {reader.manifest.messages}")
    if verifier.count.accounts != len(reader.manifest.accounts):
        wrong.append(f"{verifier.count.accounts} accounts are there instead of {len(reader.manifest.accounts)}")
    return wrong, verifier.count.messages
