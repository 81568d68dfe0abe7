from __future__ import annotations

import io
import struct
import time
import zlib
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from config.settings import Spam
from spamfilter import pictures
from spamfilter.filter import SpamFilter
from spamfilter.model import Knowledge, blank
from spamfilter.views import Views

Make = Callable[..., Views]

ADDRESS = "https://acces-messagerie.example/login"
#: A QR code of that address.
CODE = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAG8AAABvAQAAAADKvqPNAAABTUlEQVR42tWUMU4DMRBFv9lIpmGXFsmRI3GCdEvlMpfgEFkOsEk6KhAHgLNsKq"
    "fLCZAMywFsaBzJ66GFylPCdJbG4zd/5lsQfgSd4Vf8zSPIAz0qDwXoXLorKMGkJ+s2xHhov/i6n/slwjmPavnxvFqUmWcAQM1YH29Z/RqHdn5p"
    "0ESWGp1VnWWoASKiECmQJqJichjQS8oyQZaTvRyDrTyUIM2pXEtXm2rHwtCPsdoNCi0Vx32xmt7l1bSx+ViWjqz2RocBHGaKaS31jlQtyxg4XO"
    "v46jGOoYyRjepB2VBm6BzimA36FsIydLZJDE5Y1dhS5RlwkvlQbU/jpywzh+hqk2oDMbC3btCeYdggxIPEC6atdGUMSus2iahD5Gyd6oiygbCM"
    "CQLYz+/2erpZcNwNU2l6O4MjBnMvUxP1tmXYCuhiQkuhyCz+4Wf+DQwaz3ThtZtQAAAAAElFTkSuQmCC"
)


class NoModel:
    def knowledge(self) -> Knowledge:
        return blank()


def picture(octets: bytes, name: str = "code.png", kind: str = "image/png") -> dict[str, Any]:
    return {"attachments": ((name, kind, octets),), "encoding": "base64"}


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def claimed(width: int, height: int) -> bytes:
    """A small PNG that says how large it is."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(b"\0" * 100_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_without_the_libraries_no_picture_is_looked_at(views: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_ABLE", False)
    assert views(**picture(CODE)).codes == ()


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_LIBRARIES", {"json": "json", "no_such_module": "such-package"})
    assert pictures.missing() == ["such-package"]


def test_mail_without_pictures_has_no_codes(views: Make) -> None:
    assert views().codes == ()
    assert views(attachments=(("a.pdf", "application/pdf", CODE[20:]),)).codes == ()


def test_a_code_beside_words_on_an_account_is_guarded(evidence: Callable[..., Any]) -> None:
    drawn = "\n" + "\u2588\u2580\u2584 \u2588\u2588\n" * 30
    threat = "Votre mot de passe expire demain : scannez le code QR avec votre smartphone."
    spam_filter = SpamFilter(Spam(), NoModel())
    verdict = spam_filter.judge(evidence(text=threat + drawn))
    assert "QR_CREDENTIALS" in verdict.guarded
    for text in (threat, "Le menu de la semaine." + drawn):
        assert "QR_CREDENTIALS" not in spam_filter.judge(evidence(text=text)).guarded


class TestWithLibraries:
    @pytest.fixture(autouse=True)
    def _libraries(self) -> None:
        pytest.importorskip("PIL")
        pytest.importorskip("zxingcpp")

    def test_the_link_of_a_code_is_a_link_of_the_message(self, views: Make) -> None:
        seen = views(**picture(CODE))
        assert seen.codes == (ADDRESS,)
        assert seen.link_hosts == ("acces-messagerie.example",)

    def test_a_picture_is_known_by_its_content_too(self, views: Make) -> None:
        assert views(**picture(CODE, "code.dat", "application/octet-stream")).codes == (ADDRESS,)

    @pytest.mark.parametrize("form", ["JPEG", "GIF", "WEBP", "BMP"])
    def test_formats(self, form: str, views: Make) -> None:
        from PIL import Image

        octets = io.BytesIO()
        Image.open(io.BytesIO(CODE)).convert("L").save(octets, form)
        assert views(**picture(octets.getvalue(), f"code.{form.lower()}", f"image/{form.lower()}")).codes == (ADDRESS,)

    def test_a_code_on_nothing_is_read_on_white(self, views: Make) -> None:
        from PIL import Image

        grey = Image.open(io.BytesIO(CODE)).convert("L")
        clear = Image.merge("LA", (Image.new("L", grey.size, 0), grey.point(lambda shade: 255 - shade)))
        octets = io.BytesIO()
        clear.save(octets, "PNG")
        assert views(**picture(octets.getvalue())).codes == (ADDRESS,)

    def test_each_address_counts_once_and_only_web_addresses_do(self, views: Make) -> None:
        import zxingcpp
        from PIL import Image

        octets = io.BytesIO()
        words = zxingcpp.create_barcode("WIFI:S:cdi;T:WPA;P:secret;;", zxingcpp.BarcodeFormat.QRCode)
        Image.fromarray(zxingcpp.write_barcode_to_image(words, scale=3)).save(octets, "PNG")
        files = tuple((f"{n}.png", "image/png", one) for n, one in enumerate((CODE, octets.getvalue(), CODE)))
        assert views(attachments=files, encoding="base64").codes == (ADDRESS,)

    @pytest.mark.parametrize(
        "octets",
        [
            b"\x89PNG\r\n\x1a\n",
            CODE[:200],
            CODE[:60] + b"x" * 300,
            b"\xff\xd8\xff\xe0" + bytes(60),
            b"GIF89a" + bytes(50),
            claimed(200, 200),
        ],
    )
    def test_broken_pictures_have_no_codes(self, octets: bytes, views: Make) -> None:
        assert views(**picture(octets)).codes == ()

    @pytest.mark.parametrize("size", [(60_000, 60_000), (4001, 1000), (20, 20), (3000, 50)])
    def test_size_is_judged_by_the_header_alone(
        self, size: tuple[int, int], views: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from PIL.ImageFile import ImageFile

        monkeypatch.setattr(ImageFile, "load", lambda self: pytest.fail("unpacked"))
        assert views(**picture(claimed(*size))).codes == ()

    def test_all_pictures_of_a_message_share_one_limit(self, views: Make) -> None:
        from PIL import Image

        large = io.BytesIO()
        Image.effect_noise((1990, 1990), 90).save(large, "PNG", compress_level=1)
        files = [("large.png", "image/png", large.getvalue()), ("code.png", "image/png", CODE)]
        assert views(attachments=tuple(files), encoding="base64").codes == (ADDRESS,)
        monster = [("logo.png", "image/png", claimed(1999, 2000)), *files]
        started = time.process_time()
        assert views(attachments=tuple(monster * 10), encoding="base64").codes in ((), (ADDRESS,))
        assert time.process_time() - started < 10

    def test_only_the_first_pictures_are_looked_at(self, views: Make) -> None:
        files = tuple((f"{n}.png", "image/png", claimed(10, 10)) for n in range(pictures.PICTURES))
        assert views(attachments=(*files, ("code.png", "image/png", CODE)), encoding="base64").codes == ()

    def test_codes_that_lead_home_are_no_doubt(self, views: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        from spamfilter.rules import RULES

        seen = views(**picture(CODE))
        assert RULES["QR_LINK"](seen) == "acces-messagerie.example"
        home = views(**picture(CODE))
        monkeypatch.setitem(
            home.__dict__, "codes", ("https://portail.ac-exemple.fr/x", "https://www.education.gouv.fr/")
        )
        assert not RULES["QR_LINK"](home)
