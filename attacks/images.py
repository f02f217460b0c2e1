"""Pictures: few bytes that are many pixels, and formats that do more than hold a picture."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from attacks import innocent
from attacks.attack import Call, attack
from unrolled.data import read_digits

PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, depth: int = 8, colour: int = 0, *, extra: bytes = b"") -> bytes:
    """A PNG file of zeros, its rows compressed piece by piece."""
    channels = {0: 1, 2: 3, 6: 4}[colour]
    size = height * (1 + (width * channels * depth + 7) // 8)
    compressor, parts = zlib.compressobj(9), []
    for start in range(0, size, 1 << 24):
        parts.append(compressor.compress(bytes(min(1 << 24, size - start))))
    data = b"".join(parts) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def reading(folder: Path, content: bytes) -> Call:
    (folder / "picture").write_bytes(content)
    return lambda: read_digits(folder / "picture")


@attack("it is too large: 1 x 89000000 pixels")
def a_picture_one_pixel_wide_and_89_million_high(folder: Path) -> Call:
    (folder / "tower.png").write_bytes(png(1, 89_000_000))
    return ["predict", str(folder / "tower.png"), "--run", str(innocent.run(folder / "run"))]


@attack("it is too large: 89000000 x 1 pixels")
def a_picture_89_million_pixels_wide_and_one_high(folder: Path) -> Call:
    return reading(folder, png(89_000_000, 1))


@attack("it is too large: .*3600000000 pixels")
def a_picture_of_sixty_thousand_by_sixty_thousand(folder: Path) -> Call:
    return reading(folder, png(60_000, 60_000, depth=1))


@attack("it is blank")
def a_blank_picture_as_large_as_they_may_be(folder: Path) -> Call:
    return reading(folder, png(8192, 6000, colour=6))


@attack("it is blank")
def a_blank_picture_as_high_as_they_may_be(folder: Path) -> Call:
    return reading(folder, png(1000, 30_000, depth=16))


@attack("it is too large: .* bytes")
def a_picture_with_a_text_of_three_gigabytes(folder: Path) -> Call:
    start = png(40, 40)[:33] + struct.pack(">I", 3 << 30) + b"iTXt"
    path = innocent.sparse(folder / "text.png", 4 << 30, start)
    return lambda: read_digits(path)


@attack("it is blank|it is damaged")
def a_picture_with_a_hundred_texts_that_unpack_to_a_gigabyte(folder: Path) -> Call:
    text = chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(64 << 20), 9))
    return reading(folder, png(40, 40, extra=text * 100))


@attack("it is blank|it is damaged")
def a_picture_with_a_colour_profile_that_unpacks_to_a_gigabyte(folder: Path) -> Call:
    compressor = zlib.compressobj(9)
    profile = b"".join([*(compressor.compress(bytes(1 << 26)) for _ in range(16)), compressor.flush()])
    return reading(folder, png(40, 40, extra=chunk(b"iCCP", b"profile\0\0" + profile)))


@attack("it is too large: .* scans|it is damaged")
def a_photograph_that_is_drawn_over_ten_thousand_times(folder: Path) -> Call:
    buffer = io.BytesIO()
    Image.new("L", (8000, 8000), 230).save(buffer, "JPEG", progressive=True)
    content = buffer.getvalue()
    last = content.rindex(b"\xff\xda")
    return reading(folder, content[:last] + content[last:-2] * 10_000 + content[-2:])


@attack("neither a picture .* nor an IDX file")
def a_picture_that_is_a_program_for_a_printer(folder: Path) -> Call:
    return reading(
        folder, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\n{} loop\n%%EOF\n"
    )


@attack("neither a picture .* nor an IDX file")
def an_icon_that_holds_a_picture_of_another_size(folder: Path) -> Call:
    inner = png(60_000, 20_000, depth=1)
    entry = struct.pack("<BBBBHHII", 40, 40, 0, 0, 1, 1, len(inner), 22)
    return reading(folder, b"\0\0\1\0\1\0" + entry + inner)


@attack("it is blank|it is damaged|it is too large")
def a_small_picture_in_a_tile_of_sixty_thousand_by_sixty_thousand(folder: Path) -> Call:
    tags = {256: 40, 257: 40, 258: 8, 259: 8, 262: 1, 277: 1, 322: 60_000, 323: 60_000, 324: 8, 325: 8}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return reading(folder, b"II*\0" + struct.pack("<I", 16) + zlib.compress(b"")[:8] + directory + bytes(100))


@attack("it is too large: .*4294836225 pixels")
def a_gif_whose_screen_is_larger_than_memory(folder: Path) -> Call:
    content = bytearray(innocent.encoded("GIF"))
    content[6:10] = b"\xff" * 4
    return reading(folder, bytes(content))


@attack("it is blank")
def a_picture_of_numbers_that_are_none(folder: Path) -> Call:
    buffer = io.BytesIO()
    Image.fromarray(np.full((40, 40), np.nan, np.float32)).save(buffer, "TIFF")
    return reading(folder, buffer.getvalue())
