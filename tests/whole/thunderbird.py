"""Debian's Thunderbird without a screen, with a profile of its own, told what to do over Mozilla's Marionette protocol.

Scripts run inside Thunderbird with all its rights and do what the buttons do; the profile log has its conversation with
the IMAP server.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What every script may use.
PRELUDE = """
const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const {MailUtils} = ChromeUtils.importESModule("resource:///modules/MailUtils.sys.mjs");
const account = MailServices.accounts.getAccount("account1");
const server = account.incomingServer;
const root = server.rootFolder;
const inbox = () => root.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
const folder = name => name.split("/").reduce((at, part) => at?.subFolders.find(one => one.name == part), root);
const messages = one => [...one.messages];
const mail = (one, subject) => messages(one).find(hdr => hdr.mime2DecodedSubject == subject);
const sleep = ms => new Promise(done => window.setTimeout(done, ms));
const until = async (what, check) => {
  for (let tries = 0; tries < 300; tries++) {
    const found = check();
    if (found) return found;
    await sleep(100);
  }
  throw new Error("in vain: " + what);
};
const ended = start => new Promise((good, bad) => start({
  QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
  OnStartRunningUrl() {},
  OnStopRunningUrl(url, code) { code ? bad(new Error("status " + code.toString(16))) : good(); },
  onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
  onStopCopy(code) { code ? bad(new Error("status " + code.toString(16))) : good(); },
}));
// Thunderbird forgets to answer when it was about to look by itself: what follows waits for what it needs anyway.
const update = one => Promise.race([sleep(10000), ended(listener =>
  one.QueryInterface(Ci.nsIMsgImapMailFolder).updateFolderWithListener(null, listener))]);
"""

PREFS = {
    "mail.accountmanager.accounts": "account1",
    "mail.accountmanager.defaultaccount": "account1",
    "mail.account.account1.identities": "id1",
    "mail.account.account1.server": "server1",
    "mail.server.server1.type": "imap",
    "mail.server.server1.hostname": "localhost",
    "mail.server.server1.socketType": 3,
    "mail.server.server1.authMethod": 3,
    "mail.server.server1.login_at_startup": False,
    "mail.server.server1.check_new_mail": False,
    "mail.server.server1.offline_download": False,
    "mail.identity.id1.smtpServer": "smtp1",
    "mail.identity.id1.valid": True,
    "mail.identity.id1.compose_html": False,
    "mail.smtpservers": "smtp1",
    "mail.smtp.defaultserver": "smtp1",
    "mail.smtpserver.smtp1.hostname": "localhost",
    "mail.smtpserver.smtp1.try_ssl": 2,
    "mail.smtpserver.smtp1.authMethod": 3,
    # Nothing but the mail servers: no pages of news, no updates, no lookups outside.
    "app.donation.eoy.version.viewed": 999,
    "app.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "extensions.autoDisableScopes": 15,
    "extensions.update.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mail.spam.manualMark": True,
    "mail.warn_on_send_accel_key": False,
    "mailnews.confirm.moveFoldersToTrash": False,
    "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore",
    "marionette.port": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.disableIPv6": True,
    "network.proxy.type": 0,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class ScriptError(Exception):
    """A script inside Thunderbird failed; the text says how."""


@dataclass
class Person:
    login: str
    password: str
    address: str
    name: str


class Thunderbird:
    """A running Thunderbird with one account, in a folder of its own."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder = folder
        self.program = program
        self.profile = folder / "profile"
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._number = 0

    # ---------------------------------------------------------------- running

    def make_profile(self, person: Person, imaps: int, submission: int) -> None:
        self.profile.mkdir(parents=True)
        prefs: dict[str, Any] = {
            **PREFS,
            "mail.server.server1.port": imaps,
            "mail.server.server1.userName": person.login,
            "mail.server.server1.name": person.address,
            "mail.identity.id1.useremail": person.address,
            "mail.identity.id1.fullName": person.name,
            "mail.smtpserver.smtp1.port": submission,
            "mail.smtpserver.smtp1.username": person.login,
        }
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in prefs.items()]
        (self.profile / "user.js").write_text("".join(lines))

    def start(self, patience: float = 90) -> None:
        port_file = self.profile / "MarionetteActivePort"
        port_file.unlink(missing_ok=True)
        environment = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "LANG": "C.UTF-8",
            "TZ": "Europe/Paris",
            "MOZ_CRASHREPORTER_DISABLE": "1",
            "MOZ_LOG": "IMAP:4,timestamp,sync",
            "MOZ_LOG_FILE": str(self.folder / "imap"),
        }
        with open(self.folder / "thunderbird.out", "ab") as out:
            self.process = subprocess.Popen(
                [
                    self.program,
                    "--headless",
                    "--marionette",
                    "--remote-allow-system-access",
                    "--no-remote",
                    "--profile",
                    str(self.profile),
                ],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        end = time.monotonic() + patience
        while not port_file.exists() or not port_file.read_text().strip():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("Thunderbird did not start:\n" + self.output())
            time.sleep(0.1)
        self._socket = socket.create_connection(("127.0.0.1", int(port_file.read_text())), timeout=patience)
        self._receive()
        self._call("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {}}})
        self._call("Marionette:SetContext", {"value": "chrome"})
        self._call("WebDriver:SetTimeouts", {"script": 60_000})

    def trust(self, ca: Path, person: Person, imaps: int) -> None:
        """Have the CA's certificate and the passwords in the profile."""
        inner = re.sub(r"-----[^-]+-----|\s", "", ca.read_text())
        assert base64.b64decode(inner)
        self.run(
            """
            const certificates = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
            certificates.addCertFromBase64(args[0], "CT,,");
            for (const kind of ["imap", "smtp"]) {
              const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
              login.init(`${kind}://localhost`, null, `${kind}://localhost`, args[1], args[2], "", "");
              await Services.logins.addLoginAsync(login);
            }
            """,
            inner,
            person.login,
            person.password,
        )

    def stop(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError, ScriptError):
                self._call("Marionette:Quit", {"flags": ["eForceQuit"]})
            self._socket.close()
            self._socket = None
            self._buffer = b""
        if self.process is not None:
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)

    def output(self) -> str:
        path = self.folder / "thunderbird.out"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def imap_log(self) -> str:
        """All that Thunderbird said to the IMAP server and heard from it."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("imap*.moz_log")))

    # ---------------------------------------------------------------- scripts

    def run(self, script: str, *arguments: Any) -> Any:
        """The value a script returns (``await`` is allowed; ``args`` has the arguments); raises ScriptError."""
        whole = (
            "const done = arguments[arguments.length - 1]; const args = Array.prototype.slice.call(arguments, 0, -1);"
            "(async () => {" + PRELUDE + script + "})().then("
            "value => done({value: value === undefined ? null : value}),"
            "error => done({error: String(error) + ' ' + (error && error.stack)}));"
        )
        answer = self._call(
            "WebDriver:ExecuteAsyncScript",
            {"script": whole, "args": list(arguments), "newSandbox": True, "sandbox": "system"},
        )["value"]
        if "error" in answer:
            raise ScriptError(answer["error"])
        return answer["value"]

    def _call(self, name: str, parameters: dict[str, Any]) -> Any:
        assert self._socket is not None
        self._number += 1
        octets = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(octets), octets))
        _, number, error, value = self._receive()
        assert number == self._number
        if error:
            raise ScriptError(f"{name}: {error.get('error')}: {error.get('message')}")
        return value

    def _receive(self) -> Any:
        assert self._socket is not None
        while b":" not in self._buffer:
            self._more()
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._more()
        octets, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(octets)

    def _more(self) -> None:
        assert self._socket is not None
        chunk = self._socket.recv(1 << 16)
        if not chunk:
            raise ScriptError("Thunderbird closed the connection:\n" + self.output())
        self._buffer += chunk


@contextlib.contextmanager
def thunderbird(
    folder: Path, program: str, person: Person, ca: Path, imaps: int, submission: int
) -> Iterator[Thunderbird]:
    folder.mkdir(parents=True, exist_ok=True)
    one = Thunderbird(folder, program)
    one.make_profile(person, imaps, submission)
    try:
        one.start()
        one.trust(ca, person, imaps)
        yield one
    finally:
        one.stop()
