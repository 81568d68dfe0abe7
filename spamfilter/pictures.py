"""Links in QR codes of pictures, which people open with their telephone and other filters don't see.

Pictures come from enemies: how many points they have is read from their header before anything is unpacked, and all of
a message together may have ``POINTS``. Without the libraries (Pillow, zxing-cpp) no picture has links.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import structlog

from spamfilter.signatures import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from spamfilter.views import Attachment

log = structlog.get_logger()

#: Pictures of one message that are looked at, the points that they may have together, and codes in one of them.
PICTURES, POINTS, CODES = 6, 4_000_000, 4
#: Shortest side of a picture that can hold a code that a telephone reads, and how much longer the other may be.
SIDE, RATIO = 40, 6
#: Octets of a picture, and of a link.
OCTETS, LINK = 4 << 20, 2000

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
_LIBRARIES = {"PIL": "pillow", "zxingcpp": "zxing-cpp"}


def missing() -> list[str]:
    """The packages without which no picture is looked at."""
    return [package for module, package in _LIBRARIES.items() if find_spec(module) is None]


_ABLE = not missing()


def links_in(attachments: Iterable[Attachment]) -> tuple[str, ...]:
    """The web addresses in QR codes, in order, each once."""
    if not _ABLE:
        return ()
    found: dict[str, None] = {}
    left = POINTS
    pictures = (one for one in attachments if one.kind is Kind.IMAGE or one.type.startswith("image/"))
    for _, one in zip(range(PICTURES), pictures, strict=False):
        try:
            spent, links = _read(one, left)
        except Exception as error:
            # Pillow tells what is wrong with a picture by exceptions of many kinds.
            log.debug("spam.picture.unreadable", error=type(error).__name__)
            continue
        left -= spent
        found |= dict.fromkeys(links)
    return tuple(found)


def _read(one: Attachment, left: int) -> tuple[int, list[str]]:
    """The points that were unpacked, and the links found."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(io.BytesIO(one.start), formats=_FORMATS) as header:
            width, height = header.size
        points = width * height
        if points > left or min(width, height) < SIDE or max(width, height) > RATIO * min(width, height):
            return 0, []
        octets = one.whole()
        if len(octets) > OCTETS:
            return 0, []
        with Image.open(io.BytesIO(octets), formats=_FORMATS) as picture:
            if picture.size != (width, height):
                return 0, []
            return points, _links(_grey(picture))


def _grey(picture: Image) -> NDArray[np.uint8]:
    """The picture in shades of grey, on white: a code may be drawn on nothing."""
    import numpy as np
    from PIL import Image

    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return np.asarray(picture.convert("L"))
    both = picture.convert("LA")
    page = Image.new("L", both.size, 255)
    page.paste(both.getchannel("L"), mask=both.getchannel("A"))
    return np.asarray(page)


def _links(grey: NDArray[np.uint8]) -> list[str]:
    import zxingcpp

    codes = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode))
    texts = (code.text.strip()[:LINK] for code in codes[:CODES])
    return [text for text in texts if text.lower().startswith(("http://", "https://", "www."))]
