"""The web server over real sockets: what each link answers, and what it answers to those who misuse it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from config.settings import Settings, Site, Tls, Web
from delivery.link_desk import Standing, State
from delivery.links import Deed, Link
from delivery.quarantine import Waiting
from mailserver import certificates
from storage.errors import Unavailable
from storage.held import Held
from web.listeners import Listeners, start
from web.pages import HEADERS

LINK = Link(Deed.RELEASE, "key-marie", 7, 1, "", 2_000_000_000)
ALLOW = replace(LINK, deed=Deed.ALLOW, author="eve@far.example")
MESSAGE = Waiting(Held(7, 1, 1_700_000_000, 10, "Eve <script>x</script>", '"><img src=x>', ""), "eve@far.example", None)


class Desk:
    """Answers as told; remembers what it was made to do."""

    def __init__(self) -> None:
        self.standing = Standing(State.WAITING, LINK, MESSAGE)
        self.error: Exception | None = None
        self.done: list[str] = []
        self.sleep = 0.0

    def look(self, token: str, now: float) -> Standing:
        time.sleep(self.sleep)
        if self.error is not None:
            raise self.error
        return self.standing

    def act(self, token: str, now: float) -> Standing:
        self.done.append(token)
        found = self.look(token, now)
        return Standing(State.DONE, found.link) if found.state is State.WAITING else found


class House:
    """The rooms of a web process, and a server of them for one test."""

    def __init__(self, tmp_path: Path) -> None:
        self.link_desk = Desk()
        _, certificate, key = certificates.make(tmp_path, "Essai", ["localhost", "127.0.0.1"])
        self.certificate = certificate
        self.settings = Settings(site=Site(hostname="localhost"), tls=Tls(certificate, key), web=Web())

    def check_health(self) -> None:
        if self.link_desk.error is not None:
            raise self.link_desk.error

    def serve(self, test: Callable[[aiohttp.ClientSession, str, Listeners], Awaitable[None]]) -> None:
        async def run() -> None:
            listening = socket.create_server(("127.0.0.1", 0))
            port = listening.getsockname()[1]
            listeners = await start(self.settings, self, {"https": [listening]})
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            try:
                connector = aiohttp.TCPConnector(ssl=context)
                async with aiohttp.ClientSession(connector=connector) as client:
                    await test(client, f"https://localhost:{port}", listeners)
            finally:
                await listeners.stop()

        asyncio.run(asyncio.wait_for(run(), 60))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def ask(house: House, method: str, path: str, **more: object) -> tuple[int, str, dict[str, str]]:
    found: list[tuple[int, str, dict[str, str]]] = []

    async def test(client: aiohttp.ClientSession, base: str, _: Listeners) -> None:
        async with client.request(method, base + path, **more) as answer:  # type: ignore[arg-type]
            found.append((answer.status, await answer.text(), dict(answer.headers)))

    house.serve(test)
    return found[0]


def test_a_look_shows_and_asks_and_does_nothing(house: House) -> None:
    status, page, headers = ask(house, "GET", "/q/token")
    assert status == 200
    assert '<form method="post"><button>Recevoir ce message</button></form>' in page
    assert "<script>" not in page
    assert "<img" not in page
    assert "Eve &lt;script&gt;x&lt;/script&gt;" in page
    assert house.link_desk.done == []
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert ask(house, "HEAD", "/q/token")[0] == 200
    assert house.link_desk.done == []


@pytest.mark.parametrize(
    ("standing", "status", "said"),
    [
        (Standing(State.WAITING, LINK, MESSAGE), 200, "Le message est dans votre boîte de réception."),
        (Standing(State.DONE, LINK), 200, "C&#39;est fait"),
        (Standing(State.DONE, ALLOW), 200, "sera toujours accepté"),
        (Standing(State.GONE, LINK), 410, "n&#39;est plus retenu"),
        (Standing(State.EXPIRED, LINK), 410, "n&#39;est plus valable"),
        (Standing(State.FORGED), 403, "n&#39;est pas valable"),
        (Standing(State.FULL, LINK), 409, "pleine"),
    ],
)
def test_each_outcome_has_its_page(house: House, standing: Standing, status: int, said: str) -> None:
    house.link_desk.standing = standing
    found, page, _ = ask(house, "POST", "/q/token")
    assert (found, said in page) == (status, True)
    assert house.link_desk.done == ["token"]


def test_an_author_can_still_be_allowed_when_the_message_is_in_the_inbox(house: House) -> None:
    house.link_desk.standing = Standing(State.DONE, ALLOW)
    status, page, _ = ask(house, "GET", "/q/token")
    assert status == 200
    assert "<dd>eve@far.example</dd>" in page
    assert "<button>Toujours accepter" in page


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/", {}, 404),
        ("GET", "/q/", {}, 404),
        ("GET", "/q/a/b", {}, 404),
        ("GET", "/q/../templates/page.html", {}, 404),
        ("DELETE", "/q/token", {}, 405),
        ("OPTIONS", "/q/token", {}, 405),
        ("GET", "/q/token", {"headers": {"Host": "evil.example"}}, 421),
        ("GET", "/q/token", {"headers": {"Host": "127.0.0.1"}}, 421),
        ("GET", "/q/" + "a" * 9000, {}, 400),
        ("GET", "/q/token", {"headers": {"X-Long": "a" * 9000}}, 400),
        ("GET", "/q/token", {"headers": {f"X-{n}": "a" for n in range(200)}}, 400),
    ],
)
def test_everything_else_is_refused(house: House, method: str, path: str, more: dict[str, object], status: int) -> None:
    found, page, headers = ask(house, method, path, **more)
    assert found == status
    assert "Traceback" not in page
    assert "aiohttp" not in page + headers.get("Server", "")
    assert house.link_desk.done == []


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("a secret text")])
def test_what_fails_is_temporary_and_tells_nothing(house: House, error: Exception) -> None:
    house.link_desk.error = error
    status, page, headers = ask(house, "POST", "/q/token")
    assert (status, headers["Retry-After"]) == (503, "120")
    assert "secret" not in page
    assert ask(house, "GET", "/health")[0] == 503


def test_health(house: House) -> None:
    assert ask(house, "GET", "/health", headers={"Host": "10.0.0.1"})[:2] == (200, '{"status": "ok"}')


def test_too_many_requests_are_put_off(house: House) -> None:
    house.settings = replace(house.settings, web=Web(requests_per_minute=2))
    found: list[int] = []

    async def test(client: aiohttp.ClientSession, base: str, _: Listeners) -> None:
        for _n in range(3):
            async with client.get(base + "/q/token") as answer:
                found.append(answer.status)

    house.serve(test)
    assert found == [200, 200, 429]


def test_a_request_has_an_end(house: House) -> None:
    house.settings = replace(house.settings, web=Web(request_time=0.2))
    house.link_desk.sleep = 1.0
    assert ask(house, "GET", "/q/token")[0] == 503


def test_a_connection_has_an_end_and_there_are_so_many(house: House) -> None:
    house.settings = replace(house.settings, web=Web(connection_time=1.0, connections=2))

    async def test(client: aiohttp.ClientSession, base: str, _: Listeners) -> None:
        port = int(base.rpartition(":")[2])
        context = ssl._create_unverified_context()
        slow = [await asyncio.open_connection("127.0.0.1", port, ssl=context) for _n in range(2)]
        for _reader, writer in slow:
            writer.write(b"GET /q/token HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        assert await reader.read() == b""
        writer.close()
        for reader, writer in slow:
            assert await reader.read() == b""
            writer.close()
        async with client.get(base + "/q/token") as answer:
            assert answer.status == 200

    house.serve(test)


def test_a_certificate_is_taken_anew_and_a_bad_one_is_not(house: House, tmp_path: Path) -> None:
    async def test(client: aiohttp.ClientSession, base: str, listeners: Listeners) -> None:
        assert listeners.reload()
        house.certificate.write_text("rubbish")
        assert not listeners.reload()
        async with client.get(base + "/health") as answer:
            assert answer.status == 200

    house.serve(test)
