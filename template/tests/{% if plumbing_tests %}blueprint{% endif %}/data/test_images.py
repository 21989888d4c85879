"""A folder of pictures: read right, or rejected by the name of the file."""

import struct
import zlib

import numpy as np
import polars as pl
import pytest
from PIL import Image

from blueprint.data import DataError
from blueprint.data.sources import scan

pytest.importorskip("blueprint.data.sources.files.images")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path):
    return scan("files", path=path).collect()


def picture(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_a_folder_of_pictures_by_class(here):
    pixels = np.random.default_rng(1).integers(0, 256, (1_500, 4, 6), np.uint8)
    for index, image in enumerate(pixels):
        picture(here / "pictures" / ("cat" if index < 700 else "dog") / f"{index:04}.png", image)
    (here / "pictures/notes.txt").write_text("no class")

    found = rows("pictures")

    assert found.schema == {"image": pl.Array(pl.UInt8, (4, 6)), "label": pl.Enum(["cat", "dog"])}
    np.testing.assert_array_equal(found["image"].to_numpy(), pixels)
    assert found["label"].to_list() == ["cat"] * 700 + ["dog"] * 800


def test_pictures_in_color_have_a_third_axis(here):
    picture(here / "p/a/1.jpg", np.full((4, 6, 3), 200, np.uint8))
    picture(here / "p/b/2.png", np.full((4, 6), 7, np.uint8))

    assert rows("p").schema["image"] == pl.Array(pl.UInt8, (4, 6, 3))
    assert rows("p")["image"].to_numpy()[1, 0, 0].tolist() == [7, 7, 7]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: picture(path, np.zeros((5, 6), np.uint8)), "6 × 5 in gray, but 1.png is 6 ×"),
        (lambda path: picture(path, np.zeros((4, 6, 3), np.uint8)), "6 × 4 in color, but 1.png is"),
        (lambda path: path.write_bytes(b"no picture"), "no picture that Pillow can read"),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "image file is truncated"),
    ],
)
def test_a_picture_that_differs_is_named(here, spoil, message):
    for name in ("a/1.png", "b/2.png"):
        picture(here / "p" / name, np.random.default_rng(1).integers(0, 255, (4, 6), np.uint8))
    spoil(here / "p/b/2.png")

    with pytest.raises(DataError, match=f"files p/b/2.png: {message}"):
        rows("p")


GRAY = np.arange(24, dtype=np.uint8).reshape(4, 6)
COLOR = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
CLEAR = np.dstack([COLOR, np.full((4, 6), 9, np.uint8)])
ON_ITS_SIDE = Image.Exif()
ON_ITS_SIDE[0x112] = 6


def deep_color():
    """A PNG file of 6 × 4 pixels with 16 bits a channel, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.tobytes() for row in COLOR.reshape(4, 18).astype(">u2"))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 6, 4, 16, 2, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize(
    ("name", "pixels", "options", "expected"),
    [
        ("bits.png", GRAY > 9, {}, (GRAY > 9) * 255),
        ("opaque.png", np.dstack([GRAY, GRAY * 0 + 255]), {}, GRAY),
        ("opaque.tif", np.dstack([COLOR, GRAY * 0 + 255]), {"compression": "tiff_lzw"}, COLOR),
        ("palette.gif", COLOR, {}, COLOR),
        ("cmyk.tif", 255 - np.dstack([COLOR, GRAY * 0 + 255]), {"mode": "CMYK"}, COLOR),
        ("side.png", GRAY, {"exif": ON_ITS_SIDE}, np.rot90(GRAY, -1)),
        ("side.webp", COLOR, {"exif": ON_ITS_SIDE, "lossless": True}, np.rot90(COLOR, -1)),
        ("phone.jpg", COLOR * 0 + 9, {"format": "MPO", "save_all": True, "more": 1}, COLOR * 0 + 9),
        ("gray.png", GRAY.astype(np.uint16) * 257, {}, "more than 8 bits a channel .mode I;16"),
        ("gray.tif", GRAY.astype(np.float32), {}, "more than 8 bits a channel .mode F"),
        ("whole.tif", GRAY.astype(np.int32), {}, "more than 8 bits a channel .mode I"),
        ("deep.png", deep_color(), {}, "more than 8 bits a channel .mode RGB"),
        ("lab.tif", COLOR, {"mode": "LAB"}, "mode LAB: convert it to RGB"),
        ("clear.png", CLEAR, {}, "transparent pixels: save it on a background"),
        ("key.png", COLOR, {"transparency": (0, 1, 2)}, "transparent pixels"),
        ("key.gif", GRAY, {"transparency": 3}, "transparent pixels"),
        ("pages.tif", GRAY, {"save_all": True, "more": 2}, "it has 3 frames: keep one"),
        ("moving.png", GRAY, {"save_all": True, "more": 1}, "it has 2 frames"),
        ("side.tif", GRAY, {"exif": ON_ITS_SIDE}, "lies on its side"),
        ("bomb.bmp", GRAY, {"size": (20_000, 20_000)}, "more pixels than Pillow reads"),
    ],
)
def test_a_picture_is_read_right_or_rejected_by_name(here, name, pixels, options, expected):
    path = here / "p/a" / name
    path.parent.mkdir(parents=True)
    if isinstance(pixels, bytes):
        path.write_bytes(pixels)
    else:
        mode, size = options.pop("mode", None), options.pop("size", None)
        more = [Image.fromarray(pixels + 1 + n) for n in range(options.pop("more", 0))]
        image = Image.fromarray(pixels)
        if mode:
            image = Image.frombytes(mode, image.size, pixels.tobytes())
        image.save(path, **options, **({"append_images": more} if more else {}))
        if size:  # in its header only
            content = bytearray(path.read_bytes())
            content[18:26] = struct.pack("<ii", *size)
            path.write_bytes(content)

    if isinstance(expected, str):
        with pytest.raises(DataError, match=f"^files p/a/{name}: .*{expected}"):
            rows("p")
    else:
        np.testing.assert_array_equal(rows("p")["image"].to_numpy()[0], expected)


def test_a_folder_without_classes_is_named(here):
    picture(here / "p/1.png", np.zeros((4, 6), np.uint8))

    with pytest.raises(DataError, match=r"files p: no pictures in <class>/ folders"):
        rows("p")
