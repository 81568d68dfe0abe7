"""Single IMAP operations on several servers in turn, so that what else the machine does hits all of them.

Every figure is the median of its rounds. ``run.py --operations`` starts the servers; mailboxes are filled by APPEND and
COPY over IMAP. "Cold" is the first time that a mailbox just filled is read, "again" every later time.
"""

from __future__ import annotations

import re
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

THUNDERBIRD = (
    "(UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Resent-Message-ID Subject Date Message-ID "
    "Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])"
)
STRUCTURES = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"

#: Seconds that a mailbox may take to be filled with copies.
FILLING = 300

#: A word that is in no message, and one that is in many.
NOWHERE, OFTEN = "zzznotthere", "commande"


class Corpus(Protocol):
    """The measuring client's ``corpus.py``."""

    def message(self, i: int, size: int = ...) -> bytes: ...


class Client:
    """A blunt IMAP client of one connection in clear."""

    def __init__(self, port: int, user: str, password: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(600)
        self._socket.recv(4096)
        self._count = 0
        self.command(f"LOGIN {user} {password}")

    def command(self, line: str | bytes, *, may_fail: bool = False) -> bytes:
        """Send a command; returns the last octets of its answer, the tagged response among them."""
        self._count += 1
        tag = b"zq%dx" % self._count
        self._socket.sendall(tag + b" " + (line.encode() if isinstance(line, str) else line) + b"\r\n")
        tail = b""
        while True:
            chunk = self._socket.recv(1 << 18)
            if not chunk:
                raise EOFError(tail[-200:])
            tail = (tail + chunk)[-8192:] if len(chunk) < 8192 else chunk[-8192:]
            if tail.endswith(b"\r\n"):
                last = tail[tail.rfind(b"\n", 0, -1) + 1 :]
                if last.startswith(tag + b" "):
                    break
        if not may_fail and not last.startswith(tag + b" OK"):
            raise RuntimeError(f"{line[:80]!r}: {last[:200]!r}")
        return tail

    def close(self) -> None:
        self._socket.close()


@dataclass
class Server:
    """A server under measure, with the mailboxes that are there already."""

    label: str
    client: Client
    connect: Callable[[], Client]
    filled: set[str] = field(default_factory=set)


Sample = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Operation:
    """What is timed: ``samples`` prepares, runs, and gives (figure, seconds) pairs. Told as ``units`` a second."""

    units: float
    unit: str
    samples: Callable[[Server, Corpus], Iterator[Sample]]


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# ---------------------------------------------------------------- filling


def fill(server: Server, corpus: Corpus, box: str, count: int, size: int) -> None:
    """A mailbox with so many different messages, fifty in one APPEND (RFC 3502)."""
    if box in server.filled:
        return
    server.client.command(f"CREATE {box}", may_fail=True)
    many = b"MULTIAPPEND" in server.client.command("CAPABILITY")
    step = 50 if many else 1
    for start in range(0, count, step):
        letters = (corpus.message(number, size) for number in range(start, start + step))
        server.client.command(
            b"APPEND %b" % box.encode() + b"".join(b" {%d+}\r\n%b" % (len(one), one) for one in letters)
        )
    server.filled.add(box)


def copies(server: Server, corpus: Corpus, box: str, times: int) -> None:
    """A mailbox with the 10,000 messages of another one, several times over."""
    many(server, corpus)
    if box in server.filled:
        return
    server.client.command(f"CREATE {box}", may_fail=True)
    server.client.command("SELECT b10k")
    begun = time.monotonic()
    for number in range(1, times + 1):
        server.client.command(f"COPY 1:* {box}")
        if not number % 10:
            spent = time.monotonic() - begun
            print(f"{server.label}: {number * 10_000:,} messages in {box} after {spent:.0f} s", file=sys.stderr)
            if spent > FILLING:
                raise RuntimeError(f"{box} could not be filled in {FILLING} s")
    server.filled.add(box)


def few(server: Server, corpus: Corpus) -> None:
    fill(server, corpus, "b1k", 1000, 20480)
    server.client.command("SELECT b1k")


def many(server: Server, corpus: Corpus) -> None:
    fill(server, corpus, "b10k", 10_000, 4096)
    server.client.command("SELECT b10k")


# ---------------------------------------------------------------- reading


def select(server: Server, corpus: Corpus) -> Iterator[Sample]:
    copies(server, corpus, "b100k", 10)
    server.client.command("SELECT b100k")
    for _ in range(5):
        yield "in the same session", timed(partial(server.client.command, "SELECT b100k"))
        client = server.connect()
        yield "in a new session", timed(partial(client.command, "SELECT b100k"))
        client.close()


def flags(server: Server, corpus: Corpus) -> Iterator[Sample]:
    known = "b100k" in server.filled
    copies(server, corpus, "b100k", 10)
    server.client.command("SELECT b100k")
    if not known:
        yield "cold", timed(lambda: server.client.command("FETCH 1:* (UID FLAGS)"))
    for _ in range(3):
        yield "again", timed(lambda: server.client.command("FETCH 1:* (UID FLAGS)"))


def cold_or_again(items: str, name: str) -> Callable[[Server, Corpus], Iterator[Sample]]:
    """10,000 messages as they have just come, in a mailbox of their own, then again."""

    def samples(server: Server, corpus: Corpus) -> Iterator[Sample]:
        server.client.command("SELECT INBOX")
        server.client.command(f"DELETE {name}", may_fail=True)
        server.filled.discard(name)
        fill(server, corpus, name, 10_000, 4096)
        server.client.command(f"SELECT {name}")
        yield "cold", timed(lambda: server.client.command("FETCH 1:* " + items))
        for _ in range(3):
            yield "again", timed(lambda: server.client.command("FETCH 1:* " + items))

    return samples


def bodies(server: Server, corpus: Corpus) -> Iterator[Sample]:
    few(server, corpus)
    for _ in range(3):
        yield "all in one command", timed(lambda: server.client.command("FETCH 1:* (UID BODY.PEEK[])"))

    def single() -> None:
        for number in range(1, 1001):
            server.client.command(f"FETCH {number} (BODY.PEEK[])")

    yield "one a command", timed(single)


def looking(command: str, fill_it: Callable[[Server, Corpus], None] = many) -> Callable[..., Iterator[Sample]]:
    """A search of some kind; the first in a mailbox is told apart."""

    def samples(server: Server, corpus: Corpus) -> Iterator[Sample]:
        fill_it(server, corpus)
        key = "done " + command
        if key not in server.filled:
            server.filled.add(key)
            yield "cold", timed(lambda: server.client.command(command))
        for _ in range(3):
            yield "again", timed(lambda: server.client.command(command))

    return samples


def half_seen(server: Server, corpus: Corpus) -> None:
    """Every second message is seen, in no order that could be stored as a few ranges."""
    many(server, corpus)
    if "half seen" not in server.filled:
        server.filled.add("half seen")
        for start in range(1, 10_000, 200):
            numbers = ",".join(str(number) for number in range(start, start + 200) if number * 7919 % 97 < 48)
            server.client.command(f"STORE {numbers} +FLAGS.SILENT (\\Seen)")


def very_many(server: Server, corpus: Corpus) -> None:
    """50,000 different messages. A text index that is made behind the scenes gets half a minute more."""
    known = "b50k" in server.filled
    fill(server, corpus, "b50k", 50_000, 4096)
    server.client.command("SELECT b50k")
    if not known:
        time.sleep(30)


# ---------------------------------------------------------------- changing


def store(server: Server, corpus: Corpus) -> Iterator[Sample]:
    few(server, corpus)
    yield "+FLAGS", timed(lambda: server.client.command("STORE 1:* +FLAGS (\\Flagged)"))
    yield "-FLAGS.SILENT", timed(lambda: server.client.command("STORE 1:* -FLAGS.SILENT (\\Flagged)"))


def store_single(server: Server, corpus: Corpus) -> Iterator[Sample]:
    few(server, corpus)
    for sign in "+-":
        start = time.perf_counter()
        for number in range(1, 201):
            server.client.command(f"STORE {number} {sign}FLAGS (\\Seen)")
        yield "", time.perf_counter() - start


def transfers(server: Server, corpus: Corpus) -> Iterator[Sample]:
    """COPY, MOVE of the copies, and EXPUNGE of what was moved."""
    few(server, corpus)
    client = server.client
    for box in ("there", "further"):
        client.command(f"DELETE {box}", may_fail=True)
        client.command(f"CREATE {box}")
    yield "COPY", timed(lambda: client.command("COPY 1:* there"))
    client.command("SELECT there")
    yield "MOVE", timed(lambda: client.command("MOVE 1:* further"))
    client.command("SELECT further")
    client.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    yield "EXPUNGE", timed(lambda: client.command("EXPUNGE"))
    client.command("SELECT INBOX")


def append(server: Server, corpus: Corpus) -> Iterator[Sample]:
    """1,000 messages of 4 KB into an empty mailbox, one a command and fifty a command (RFC 3502)."""
    client = server.client
    letters = [corpus.message(number, 4096) for number in range(1000)]
    many = b"MULTIAPPEND" in client.command("CAPABILITY")
    for figure, step in (("one a command", 1), ("fifty a command", 50)):
        if step == 1 or many:
            client.command("DELETE appended", may_fail=True)
            client.command("CREATE appended")
            blocks = [letters[start : start + step] for start in range(0, 1000, step)]
            lines = [
                b"APPEND appended" + b"".join(b" {%d+}\r\n%b" % (len(one), one) for one in some) for some in blocks
            ]
            yield figure, timed(lambda lines=lines: [client.command(line) for line in lines])  # type: ignore[misc]


def million(server: Server, corpus: Corpus) -> Iterator[Sample]:
    """What costs one look in a mailbox of 10,000 and in one of 1,000,000: copies of the same messages."""
    copies(server, corpus, "b1m", 100)
    client = server.client
    for box, count in (("b10k", 10_000), ("b1m", 1_000_000)):
        client.command(f"SELECT {box}")
        last = f"FETCH {count - 99}:* {THUNDERBIRD}"
        for number in range(count // 2, count // 2 + 9):
            yield f"SELECT of {count:,}", timed(lambda box=box: client.command(f"SELECT {box}"))  # type: ignore[misc]
            yield f"headers of the last 100 of {count:,}", timed(lambda last=last: client.command(last))  # type: ignore[misc]
            one = f"STORE {number} +FLAGS (\\Flagged)"
            yield f"STORE of one of {count:,}", timed(lambda one=one: client.command(one))  # type: ignore[misc]
            client.command(f"STORE {number} -FLAGS.SILENT (\\Flagged)")


OPERATIONS: dict[str, Operation] = {
    "select": Operation(1, "SELECT of 100,000 a second", select),
    "flags": Operation(100_000, "messages a second", flags),
    "structures": Operation(10_000, "messages a second", cold_or_again(STRUCTURES, "structures")),
    "headers": Operation(10_000, "messages a second", cold_or_again(THUNDERBIRD, "headers")),
    "bodies": Operation(1000, "bodies of 20 KB a second", bodies),
    "unseen": Operation(10_000, "messages a second", looking("SEARCH UNSEEN", half_seen)),
    "from": Operation(10_000, "messages a second", looking("SEARCH FROM moreau")),
    "subject": Operation(10_000, "messages a second", looking("SEARCH SUBJECT facture")),
    "sort": Operation(10_000, "messages a second", looking("SORT (REVERSE DATE SUBJECT) UTF-8 ALL")),
    "thread": Operation(10_000, "messages a second", looking("THREAD REFERENCES UTF-8 ALL")),
    "text": Operation(50_000, "messages a second", looking(f"SEARCH TEXT {NOWHERE}", very_many)),
    "text-often": Operation(50_000, "messages a second", looking(f"SEARCH BODY {OFTEN}", very_many)),
    "store": Operation(1000, "messages a second", store),
    "store-single": Operation(200, "commands a second", store_single),
    "transfers": Operation(1000, "messages a second", transfers),
    "append": Operation(1000, "messages a second", append),
    "million": Operation(1, "commands a second", million),
}


def measure(
    servers: Sequence[dict[str, Any]],
    names: Sequence[str],
    rounds: int,
    corpus: Corpus,
    tell: Callable[[dict[str, Any]], None],
) -> None:
    """Run operations in turn on all servers; tell the figures, and what the first server's are to the others'."""

    def server(facts: dict[str, Any]) -> Server:
        def connect() -> Client:
            return Client(facts["imap_port"], facts["user"], facts["password"])

        return Server(facts["label"], connect(), connect)

    all_servers = [server(facts) for facts in servers]
    for name in names:
        operation = OPERATIONS[name]
        found: dict[str, dict[str, list[float]]] = {}
        for _ in range(rounds):
            for one in all_servers:
                try:
                    for figure, seconds in operation.samples(one, corpus):
                        found.setdefault(figure, {}).setdefault(one.label, []).append(seconds)
                except (RuntimeError, OSError, EOFError) as error:
                    print(f"{one.label}: {name}: {error!r}"[:300], file=sys.stderr)
                    one.client = one.connect()
        for figure, seconds_of in found.items():
            rates = {label: operation.units / statistics.median(some) for label, some in seconds_of.items()}
            ours = rates.get(all_servers[0].label)
            for label, rate in rates.items():
                tell(
                    {
                        "label": label,
                        "test": name,
                        "metric": figure,
                        "value": round(rate, 1),
                        "unit": operation.unit,
                        "ours": round(ours / rate, 2) if ours else None,
                    }
                )


def chosen(wanted: str) -> list[str]:
    """The operations that a comma-separated list names; ``all`` is all but those on 50,000 messages and more."""
    if wanted == "all":
        return [name for name in OPERATIONS if not name.startswith("text") and name != "million"]
    return re.split(r"[, ]+", wanted)
