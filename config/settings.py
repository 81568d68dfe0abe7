"""Every setting, with its default, its unit and one sentence: one frozen dataclass per room.

The configuration file is TOML; a section here is a table there. ``config.load`` turns a file into ``Settings`` and
reports all errors at once; ``config.reference`` prints this module as a page. A room is handed its own section only.

Kinds: ``size`` is octets (an integer or "20 MiB"), ``duration`` is seconds (a number or "5 min", "30 s", "1 h", "2 d").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["plain", "size", "duration", "network", "secret"]

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB
MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def setting(
    default: Any,
    sentence: str,
    *,
    kind: Kind = "plain",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field with its documentation, unit and range. Ranges are inclusive."""
    return field(
        default=default,
        metadata={"sentence": sentence, "kind": kind, "low": low, "high": high, "choices": choices},
    )


@dataclass(frozen=True, slots=True)
class Site:
    """Who we are."""

    hostname: str = setting("localhost", "Name of this server in banners, Received fields and Authentication-Results.")
    domains: tuple[str, ...] = setting(("localhost",), "Mail domains whose mailboxes are here.")
    data: Path = setting(Path("/var/lib/mailserver"), "Folder for the database, the mail tree, spool and sockets.")
    language: str = setting("fr", "Language of texts that users read.", choices=("fr", "en"))
    postmaster: str = setting("", "Address that gets mail for postmaster; empty means the first ops account.")
    user: str = setting("", "User to become after a start as root; empty means the owner of the data folder.")


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates."""

    certificate: Path | None = setting(None, "PEM file with the server certificate and its chain.")
    key: Path | None = setting(None, "PEM file with the private key, readable by the server's user only.")
    minimum: str = setting("1.2", "Lowest TLS version that clients may use.", choices=("1.2", "1.3"))
    handshake_timeout: float = setting(30.0, "Longest TLS handshake.", kind="duration", low=1, high=300)


@dataclass(frozen=True, slots=True)
class Smtp:
    """SMTP listeners: MX and submission."""

    listen: tuple[str, ...] = setting(("0.0.0.0", "::"), "Addresses to listen on.")
    mx_port: int = setting(25, "Port for mail from other servers; 0 switches the listener off.", low=0, high=65535)
    submission_port: int = setting(587, "Port for users with STARTTLS; 0 switches it off.", low=0, high=65535)
    submissions_port: int = setting(465, "Port for users with implicit TLS; 0 switches it off.", low=0, high=65535)
    workers: int = setting(1, "Number of SMTP processes sharing the ports.", low=1, high=64)
    threads: int = setting(32, "Threads for blocking work in each process.", low=2, high=256)
    mx_message_size: int = setting(20 * MiB, "Largest message from other servers.", kind="size", low=64 * KiB)
    submission_message_size: int = setting(25 * MiB, "Largest message from users.", kind="size", low=64 * KiB)
    command_line: int = setting(2048, "Longest command line in octets, CRLF included.", low=512, high=65536)
    header_size: int = setting(256 * KiB, "Largest header block; above it the message is refused.", kind="size")
    received_fields: int = setting(
        50, "Received fields from which on a message is taken for a loop.", low=10, high=1000
    )
    mx_recipients: int = setting(100, "Recipients in one transaction from other servers.", low=100, high=10000)
    submission_recipients: int = setting(200, "Recipients in one transaction from users.", low=1, high=10000)
    errors_before_delay: int = setting(10, "Errors in a session after which each answer waits 1 s.", low=1)
    errors_before_close: int = setting(20, "Errors in a session after which it is closed with 421.", low=1)
    idle_commands: int = setting(100, "NOOP, RSET, VRFY and EHLO without mail before they count as errors.", low=1)
    unknown_recipients_before_close: int = setting(10, "Unknown recipients in a session before it is closed.", low=1)
    connections_per_address: int = setting(50, "Connections from one address (IPv6: /64) at a time.", low=1)
    connections: int = setting(500, "Connections in all to one process.", low=1)
    messages_per_connection: int = setting(1000, "Messages in one session.", low=1)
    command_timeout: float = setting(300.0, "Longest wait for a command.", kind="duration", low=1)
    stress_timeout: float = setting(10.0, "The same when nearly all connections are in use.", kind="duration", low=1)
    data_timeout: float = setting(600.0, "Longest transfer of a message.", kind="duration", low=1)
    data_rate: int = setting(500, "Lowest transfer rate in octets a second, judged from the 60th second on.", low=0)
    spool_memory: int = setting(
        1 * MiB, "Messages up to this size are held in memory, larger ones in a file.", kind="size"
    )
    exempt: tuple[str, ...] = setting((), "Networks spared per-address limits and slow-downs.", kind="network")
    cleartext_auth: tuple[str, ...] = setting(
        (), "Networks that may sign in without TLS: a TLS proxy's only.", kind="network"
    )
    messages_per_hour: int = setting(500, "Messages that one account may send in an hour.", low=1)
    recipients_per_hour: int = setting(2000, "Recipients that one account may write to in an hour.", low=1)


@dataclass(frozen=True, slots=True)
class Imap:
    """IMAP listeners."""

    listen: tuple[str, ...] = setting(("0.0.0.0", "::"), "Addresses to listen on.")
    port: int = setting(143, "Port with STARTTLS; 0 switches it off.", low=0, high=65535)
    tls_port: int = setting(993, "Port with implicit TLS; 0 switches it off.", low=0, high=65535)
    workers: int = setting(1, "Number of IMAP processes sharing the ports.", low=1, high=64)
    threads: int = setting(16, "Threads for blocking work in each process.", low=2, high=256)
    append_limit: int = setting(
        25 * MiB, "Largest message for APPEND; shown as APPENDLIMIT.", kind="size", low=64 * KiB
    )
    connections: int = setting(1000, "Connections in all to one process.", low=1)
    connections_per_user: int = setting(20, "Connections of one account from one address.", low=1)
    connections_before_login: int = setting(30, "Connections of one address that are not signed in.", low=1)
    login_timeout: float = setting(60.0, "Time to sign in.", kind="duration", low=5)
    idle_timeout: float = setting(
        1800.0, "Quiet time after sign-in, never under 29 minutes (RFC 9051 5.4).", kind="duration", low=1740
    )
    line_before_login: int = setting(8 * KiB, "Longest command line before sign-in.", kind="size", low=1024)
    line: int = setting(64 * KiB, "Longest command line after sign-in.", kind="size", low=8192)
    literal_before_login: int = setting(1 * KiB, "Largest literal before sign-in.", kind="size", low=256)
    literal: int = setting(64 * KiB, "Largest literal in arguments other than messages.", kind="size", low=4096)
    depth_before_login: int = setting(2, "Depth of parentheses before sign-in.", low=1)
    depth: int = setting(32, "Depth of parentheses after sign-in.", low=4, high=200)
    message_limit: int = setting(
        1_000_000,
        "Messages that one command works on, the newest first; shown as MESSAGELIMIT. 0 means no limit.",
        low=0,
    )
    search_keys: int = setting(1000, "Keys in one SEARCH.", low=10)
    search_time: float = setting(10.0, "Longest SEARCH; past it NO [LIMIT] is answered.", kind="duration", low=1)
    set_members: int = setting(10_000, "Members of one message set as written.", low=100)
    bad_commands: int = setting(20, "Bad commands before BYE; after sign-in, those in a row.", low=1)
    failed_logins: int = setting(3, "Failed sign-ins in a session before BYE.", low=1)
    commands_per_user: int = setting(4, "Commands of one account at work at a time in a process.", low=1)
    share_with_anyone: bool = setting(
        False, "People may give everybody rights to their mailboxes; those of shared accounts always may be given so."
    )
    notify_accounts: int = setting(500, "Accounts of others that one session may watch with NOTIFY.", low=1)
    contact: str = setting(
        "", "URI under which people reach the administrators (mailto:, tel:, https:); clients ask for it."
    )
    exempt: tuple[str, ...] = setting((), "Networks spared per-address limits.", kind="network")
    cleartext_auth: tuple[str, ...] = setting(
        (), "Networks that may sign in without TLS: a TLS proxy's only.", kind="network"
    )


@dataclass(frozen=True, slots=True)
class Web:
    """HTTPS: the pages behind the links of our mails."""

    listen: tuple[str, ...] = setting(("0.0.0.0", "::"), "Addresses to listen on.")
    port: int = setting(0, "Port for HTTPS, 443 as a rule; 0 switches the web server off.", low=0, high=65535)
    url: str = setting("", "How people reach it, as https://courriel.example; empty means site.hostname and the port.")
    threads: int = setting(8, "Threads for blocking work.", low=2, high=256)
    connections: int = setting(200, "Connections at a time.", low=1)
    connections_per_address: int = setting(20, "Connections from one address (IPv6: /64) at a time.", low=1)
    connection_time: float = setting(60.0, "Longest connection.", kind="duration", low=5)
    request_time: float = setting(10.0, "Longest request.", kind="duration", low=1)
    requests_per_minute: int = setting(60, "Requests of one address (IPv6: /64) in a minute.", low=1)
    exempt: tuple[str, ...] = setting((), "Networks spared per-address limits.", kind="network")

    def base(self, hostname: str) -> str:
        """The URL of the site without a slash at its end, ``""`` when there is none."""
        if self.url or not self.port:
            return self.url.rstrip("/")
        return f"https://{hostname}" if self.port == 443 else f"https://{hostname}:{self.port}"


@dataclass(frozen=True, slots=True)
class Store:
    """Mailboxes, messages, quota."""

    database: str = setting("", "SQLAlchemy URL; empty means SQLite in the data folder.", kind="secret")
    quota_bytes: int = setting(5 * GiB, "Quota of an account that has none of its own; 0 means none.", kind="size")
    quota_messages: int = setting(0, "Messages an account may hold; 0 means no limit.", low=0)
    sent_reserve: int = setting(
        64 * MiB, "How far copies of sent mail may exceed a quota, so that none is lost; 0: not at all.", kind="size"
    )
    refuse_when_full: bool = setting(
        False, "Refuse mail for a full mailbox for good (552) rather than for the moment (452)."
    )
    message_size: int = setting(
        200 * MiB, "Largest message that is kept, whatever brings it in (imports too).", kind="size", low=1 * MiB
    )
    index_pdf: bool = setting(
        True, "Let searches find the text of PDFs; read by pdftotext (Debian: poppler-utils) where it is installed."
    )
    mailboxes: int = setting(5000, "Mailboxes of one account.", low=10)
    mailbox_depth: int = setting(16, "Levels of a mailbox name.", low=1)
    mailbox_name: int = setting(1000, "Octets of a whole mailbox name; a level may have 255.", low=255)
    annotation_size: int = setting(32 * KiB, "Largest value of one annotation (METADATA).", kind="size", low=1024)
    annotations: int = setting(100, "Annotations of one mailbox that are shared; also those of one person.", low=10)
    annotations_size: int = setting(4 * MiB, "All annotations of one account.", kind="size", low=64 * KiB)
    keywords: int = setting(100, "Different keywords in one mailbox.", low=10)
    keyword_length: int = setting(64, "Octets of a keyword.", low=16)
    orphan_age: float = setting(3600.0, "Age from which files without a row are swept away.", kind="duration", low=60)
    keep_removed: float = setting(
        300.0, "How long bodies of expunged messages stay, for sessions that still show them.", kind="duration", low=0
    )
    keep_history: float = setting(
        30 * DAY,
        "How long expunged messages, deleted mailboxes and former flags can be brought back.",
        kind="duration",
        low=0,
    )
    keep_junk: float = setting(
        30 * DAY, "How long messages stay in Junk; 0 means until they are deleted.", kind="duration", low=0
    )
    keep_trash: float = setting(
        30 * DAY, "How long messages stay in Trash; 0 means until they are deleted.", kind="duration", low=0
    )
    keep_held: float = setting(
        30 * DAY, "How long messages stay in the quarantine; 0 means until they are released.", kind="duration", low=0
    )
    keep_events: float = setting(
        30 * DAY, "How long it is remembered what people did with their messages.", kind="duration", low=DAY
    )
    keep_vanished: int = setting(
        20_000, "UIDs of expunged messages remembered for each mailbox, for clients that were away.", low=100
    )
    views: int = setting(2000, "Mailbox views kept in memory by a process.", low=10)


@dataclass(frozen=True, slots=True)
class Auth:
    """Signing in, passwords and lockout."""

    lock_after: int = setting(10, "Wrong passwords within the window that lock an account.", low=1)
    lock_window: float = setting(900.0, "Window in which wrong passwords are counted.", kind="duration", low=10)
    lock_time: float = setting(1800.0, "How long a lock lasts; 0 means until support unlocks.", kind="duration", low=0)
    address_failures: int = setting(
        100, "Failures of one address (IPv6: /64) within the window before it is slowed.", low=5
    )
    failure_delay: float = setting(2.0, "Wait before a refusal is told.", kind="duration", low=0, high=30)
    cache_time: float = setting(
        300.0, "How long a verified password is remembered as a keyed hash.", kind="duration", low=0, high=3600
    )
    hash_threads: int = setting(2, "Passwords hashed at a time in one process.", low=1, high=64)
    argon2_memory: int = setting(19 * MiB, "Memory of one argon2id hash.", kind="size", low=8 * KiB)
    argon2_rounds: int = setting(2, "Passes of argon2id.", low=1, high=100)
    password_length: int = setting(256, "Longest password in octets.", low=64, high=4096)


@dataclass(frozen=True, slots=True)
class MailAuth:
    """SPF, DKIM, DMARC and the DNS behind them."""

    enabled: bool = setting(True, "Check SPF, DKIM and DMARC of mail from outside.")
    nameservers: tuple[str, ...] = setting(
        (), "DNS servers as ADDRESS or ADDRESS:PORT; none means those of the machine."
    )
    query_timeout: float = setting(1.0, "Longest wait for one DNS answer.", kind="duration", low=0.1, high=30)
    total_timeout: float = setting(
        3.0, "Longest wait for all look-ups of one message.", kind="duration", low=0.5, high=60
    )
    cache_entries: int = setting(10_000, "DNS answers kept in memory.", low=100)
    dkim_signatures: int = setting(10, "DKIM signatures looked at in one message.", low=1, high=100)
    dkim_key: Path | None = setting(
        None, "PEM file with the private key that signs outgoing mail; none means no signing."
    )
    dkim_selector: str = setting("mail", "Selector of the signing key.")
    reject_dmarc: bool = setting(True, "Refuse mail that fails DMARC under a policy of reject.")


@dataclass(frozen=True, slots=True)
class Spam:
    """The spam filter."""

    enabled: bool = setting(True, "Judge mail from outside.")
    junk_from: float = setting(6.0, "Points from which on mail goes to Junk.", low=0)
    reject_from: float = setting(25.0, "Points from which on mail is refused at DATA; 0 means never.", low=0)
    hold_from: float = setting(
        15.0, "Points from which on mail is held back in the quarantine instead of Junk; 0 means never.", low=0
    )
    hold_impersonation_from: float = setting(
        10.0, "The same for mail that pretends to be somebody else's; 0 means never.", low=0
    )
    budget: float = setting(
        2.0, "Longest judgement; past it mail passes, marked as not scanned.", kind="duration", low=0.05, high=60
    )
    processes: int = setting(2, "Processes that judge, in each SMTP process.", low=1, high=64)
    text_limit: int = setting(256 * KiB, "Decoded text looked at in one message.", kind="size", low=4096)
    minimum_trained: int = setting(
        50, "Ham and spam that must be learnt each before learners speak that began without the shipped prior.", low=1
    )
    learn_from_moves: bool = setting(True, "Learn from messages moved into and out of Junk.")
    learn_per_account: int = setting(200, "Messages a day that one account may teach.", low=1)
    campaign_reports: int = setting(
        3, "People who must report mail of one making before more of it goes to Junk by their word alone.", low=1
    )
    scores: Path | None = setting(None, "TOML file whose weights replace those shipped.")
    correspondents_kept: float = setting(
        730 * DAY, "How long it is remembered to whom somebody wrote.", kind="duration", low=0
    )
    records_kept: float = setting(30 * DAY, "How long the record of a verdict is kept.", kind="duration", low=0)
    digest: bool = setting(True, "Tell people once a day by mail what was held back for them.")
    digest_hour: int = setting(7, "Hour of the day from which it is told.", low=0, high=23)
    report_phishing: str = setting("", "Address of ours to which people send suspicious mail, attached; empty: none.")
    report_ham: str = setting("", "The same for mail that was wrongly taken for spam.")
    hotline: str = setting("", "Address that is told of reports, once an hour at most; empty: none.")
    programs: str = setting(
        "hold",
        "Mail with a program attached, also in an archive; strip puts a note in its place and holds the whole.",
        choices=("mark", "strip", "junk", "hold", "reject"),
    )
    encrypted_archives: str = setting(
        "mark",
        "Mail with an archive that can't be looked into.",
        choices=("mark", "strip", "junk", "hold", "reject"),
    )
    macros: str = setting(
        "mark", "Mail with a document that holds macros.", choices=("mark", "strip", "junk", "hold", "reject")
    )
    viruses: str = setting("reject", "Mail in which clamd found a virus.", choices=("junk", "hold", "reject"))
    clamd: str = setting("", "Socket or HOST:PORT of ClamAV's daemon; empty means none.")
    clamd_timeout: float = setting(20.0, "Longest wait for clamd.", kind="duration", low=0.1, high=300)
    clamd_away: str = setting(
        "accept", "Mail while clamd is away: taken and marked, or put off.", choices=("accept", "defer")
    )


@dataclass(frozen=True, slots=True)
class Queue:
    """Outgoing mail."""

    smarthost: str = setting("", "HOST:PORT that takes all outgoing mail; empty means each domain's MX.")
    smarthost_tls: str = setting(
        "opportunistic", "TLS towards the smarthost.", choices=("none", "opportunistic", "required")
    )
    port: int = setting(25, "Port at MX hosts.", low=1, high=65535)
    retry: tuple[float, ...] = setting(
        (5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE, 1 * HOUR, 2 * HOUR, 4 * HOUR),
        "Waits between attempts; the last one repeats.",
        kind="duration",
    )
    delay_notice: float = setting(4 * HOUR, "Age at which the sender is told of a delay.", kind="duration", low=0)
    give_up: float = setting(5 * DAY, "Age at which a message is returned to its sender.", kind="duration", low=60)
    connections: int = setting(20, "Messages sent at a time.", low=1, high=500)
    per_destination: int = setting(5, "Messages sent at a time to one domain.", low=1, high=100)
    lease: float = setting(900.0, "How long a runner owns a message that it tries.", kind="duration", low=60)
    poll: float = setting(2.0, "How often the queue is looked at when no bell rings.", kind="duration", low=0.05)
    connect_timeout: float = setting(60.0, "Longest wait for a connection.", kind="duration", low=1)
    reply_timeout: float = setting(300.0, "Longest wait for an answer.", kind="duration", low=1)
    bounce_text: int = setting(50 * KiB, "Octets of the original in a bounce.", kind="size", low=1024)


@dataclass(frozen=True, slots=True)
class Log:
    """Logs."""

    level: str = setting("info", "Lowest level written.", choices=("debug", "info", "warning", "error"))
    format: str = setting("json", "One JSON object a line, or text for people.", choices=("json", "text"))
    folder: Path | None = setting(None, "Folder with one file a process; none means standard error.")


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration."""

    site: Site = field(default_factory=Site)
    tls: Tls = field(default_factory=Tls)
    smtp: Smtp = field(default_factory=Smtp)
    imap: Imap = field(default_factory=Imap)
    web: Web = field(default_factory=Web)
    store: Store = field(default_factory=Store)
    auth: Auth = field(default_factory=Auth)
    mailauth: MailAuth = field(default_factory=MailAuth)
    spam: Spam = field(default_factory=Spam)
    queue: Queue = field(default_factory=Queue)
    log: Log = field(default_factory=Log)

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.store.database or f"sqlite:///{self.site.data}/mailserver.db"
