"""Real Dovecot and real Cyrus, each in a temporary folder on a loopback port, for mail to be brought from."""

from __future__ import annotations

import abc
import contextlib
import getpass
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from imapclient import IMAPClient

from mailserver import certificates

PASSWORD = "Radium-1898"
MASTER = "chef"
MASTER_PASSWORD = "Polonium-1898"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server(abc.ABC):
    """A running server: ``port`` is in clear or STARTTLS, ``tls_port`` TLS where it has it."""

    program: str
    package: str

    def __init__(self, need: Callable[[str, str], str]) -> None:
        self._binary = need(self.program, self.package)
        self.folder = Path(tempfile.mkdtemp(prefix=f"mailserver-{self.package}-"))
        self.folder.chmod(0o755)
        self.port, self.tls_port = free_port(), free_port()
        self.ca, self.certificate, self.key = certificates.make(
            self.folder / "tls", "Académie d'essai", ["localhost", "127.0.0.1"]
        )
        self.process: subprocess.Popen[bytes] | None = None

    @abc.abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    def start(self) -> None:
        with (self.folder / "out").open("ab") as out:
            self.process = subprocess.Popen(self.command(), stdout=out, stderr=out, start_new_session=True)
        patience = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as one:
                if one.recv(10):
                    return
            if time.monotonic() > patience or self.process.poll() is not None:
                said = self.said()
                self.close()
                raise RuntimeError(f"{self.package} does not start: {said}")
            time.sleep(0.1)

    def said(self) -> str:
        """What it wrote."""
        return "".join(path.read_text("utf-8", "replace")[-3000:] for path in self.folder.glob("*out*"))

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(15)

    def close(self) -> None:
        self.stop()
        if os.environ.get("KEEP_SERVERS") is None:
            shutil.rmtree(self.folder, ignore_errors=True)

    @abc.abstractmethod
    def client(self, user: str) -> contextlib.AbstractContextManager[IMAPClient]:
        """A session of a person."""


class Dovecot(Server):
    """Any user with ``PASSWORD``, and ``MASTER`` on behalf of everybody; Maildir++, with ACL. Passwords need TLS."""

    program, package = "dovecot", "dovecot-imapd"

    def command(self) -> list[str]:
        who = pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam("nobody")
        (self.folder / "mail").mkdir(exist_ok=True)
        os.chown(self.folder / "mail", who.pw_uid, who.pw_gid)
        (self.folder / "masters").write_text(f"{MASTER}:{{PLAIN}}{MASTER_PASSWORD}\n")
        (self.folder / "masters").chmod(0o644)
        users = "" if os.geteuid() == 0 else (
            f"default_login_user = {who.pw_name}\ndefault_internal_user = {who.pw_name}\n"
            "service anvil {\n  chroot =\n}\nservice imap-login {\n  chroot =\n}\n"
        )  # fmt: skip
        (self.folder / "dovecot.conf").write_text(
            f"base_dir = {self.folder}/run\nstate_dir = {self.folder}/run\nlog_path = {self.folder}/out.log\n"
            f"protocols = imap\nlisten = 127.0.0.1\nssl = required\nssl_cert = <{self.certificate}\n"
            f"ssl_key = <{self.key}\ndisable_plaintext_auth = yes\nauth_mechanisms = plain\n{users}"
            f"first_valid_uid = 1\nmail_uid = {who.pw_uid}\nmail_gid = {who.pw_gid}\n"
            f"mail_home = {self.folder}/mail/%u\nmail_location = maildir:~/Maildir\nmail_plugins = acl\n"
            "protocol imap {\n  mail_plugins = acl imap_acl\n}\nplugin {\n  acl = vfile\n  acl_user = %u\n}\n"
            f"passdb {{\n  driver = passwd-file\n  args = {self.folder}/masters\n  master = yes\n}}\n"
            f"passdb {{\n  driver = static\n  args = password={PASSWORD}\n}}\n"
            f"userdb {{\n  driver = static\n  args = uid={who.pw_uid} gid={who.pw_gid} home={self.folder}/mail/%u\n}}\n"
            f"service imap-login {{\n  inet_listener imap {{\n    port = {self.port}\n  }}\n"
            f"  inet_listener imaps {{\n    port = {self.tls_port}\n    ssl = yes\n  }}\n}}\n"
            "namespace inbox {\n  inbox = yes\n  separator = /\n"
            "  mailbox Envois {\n    special_use = \\Sent\n    auto = subscribe\n  }\n}\n"
        )
        return [self._binary, "-F", "-c", str(self.folder / "dovecot.conf")]

    def maildir(self, user: str) -> Path:
        """Where the mail of a person lies."""
        return self.folder / "mail" / user / "Maildir"

    @contextlib.contextmanager
    def client(self, user: str) -> Iterator[IMAPClient]:
        context = ssl.create_default_context(cafile=str(self.ca))
        with IMAPClient("localhost", self.tls_port, ssl=True, ssl_context=context, timeout=30) as client:
            client.login(user, PASSWORD)
            yield client


class Cyrus(Server):
    """Every password is right; ``MASTER`` may act on behalf of all. In clear, as behind a tunnel."""

    program, package = "cyrmaster", "cyrus-common"
    _BIN = "/usr/lib/cyrus/bin"

    def __init__(self, need: Callable[[str, str], str]) -> None:
        # Debian's package conflicts with Dovecot's: its files lie where tools/debian unpacks them, or it is installed.
        unpacked = "/usr/local/lib/cyrus-imapd/usr/lib/cyrus/bin/imapd"
        self._imapd = need(unpacked if os.path.exists(unpacked) else f"{self._BIN}/imapd", "cyrus-imapd")
        super().__init__(need)

    def command(self) -> list[str]:
        user = "cyrus" if os.geteuid() == 0 else getpass.getuser()
        config = self.folder / "imapd.conf"
        places = {name: self.folder / name for name in ("config", "spool", "proc", "lock", "run")}
        config.write_text(
            f"configdirectory: {places['config']}\npartition-default: {places['spool']}\ndefaultpartition: default\n"
            f"proc_path: {places['proc']}\nmboxname_lockpath: {places['lock']}\nidlesocket: {places['run']}/idle\n"
            f"notifysocket: {places['run']}/notify\nlmtpsocket: {places['run']}/lmtp\ncyrus_user: {user}\n"
            f"admins: cyrus\nproxyservers: {MASTER}\nsasl_pwcheck_method: alwaystrue\nsasl_mech_list: PLAIN\n"
            "allowplaintext: yes\naltnamespace: no\nunixhierarchysep: no\nautocreate_quota: -1\n"
            "autocreate_post: yes\n"
        )
        (self.folder / "cyrus.conf").write_text(
            f'START {{\n  recover cmd="{self._BIN}/ctl_cyrusdb -C {config} -r"\n}}\n'
            f'SERVICES {{\n  imap cmd="{self._imapd} -C {config}" listen="127.0.0.1:{self.port}" prefork=0\n}}\n'
            "EVENTS {\n}\n"
        )
        for place in places.values():
            place.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                shutil.chown(place, user, "mail")
        more = ["-C", str(config), "-M", str(self.folder / "cyrus.conf"), "-p", str(self.folder / "run" / "pid")]
        return [self._binary, *more, "-D"]

    def make(self, user: str) -> None:
        """Give a person an INBOX."""
        with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=30) as admin:
            admin.plain_login("cyrus", "any")
            admin.create_folder(f"user.{user}")
            # Administrators may do nothing else with it.
            admin.setacl(f"user.{user}", user, "lrswipkxtecda")

    @contextlib.contextmanager
    def client(self, user: str) -> Iterator[IMAPClient]:
        with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=30) as client:
            client.plain_login(user, "any")
            yield client
