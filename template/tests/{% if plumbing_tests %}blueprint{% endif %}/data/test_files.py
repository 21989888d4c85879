"""CSV, Parquet and picture files: every way to name them, and errors that name the file."""

import re
import struct
import zlib

import numpy as np
import polars as pl
import pytest
from PIL import Image

from blueprint.data import DataError, write_splits
from blueprint.data.settings import Data
from blueprint.data.sources import files as source
from blueprint.data.sources import read, scan

ROWS = pl.DataFrame({"x": [1, 2, 3, 4], "y": [0.5, 1.5, 2.5, 3.5], "label": list("abab")})


TASK = "tabular-classification"


def table(files, **options):
    """The configuration of a table in files."""
    return Data(task=TASK, source="files", files=files, **options)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(path, **options):
    return scan("files", path=str(path), **options).collect()


def test_one_file_a_glob_and_a_folder_give_the_same_rows(here):
    (here / "data/sub").mkdir(parents=True)
    ROWS.head(2).write_csv("data/1.csv")
    ROWS.tail(2).write_csv("data/sub/2.csv")
    (here / "data/_SUCCESS").write_text("what Spark leaves")
    ROWS.write_parquet("all.parquet")

    assert rows("all.parquet").equals(ROWS)
    assert rows("data").equals(ROWS)
    assert rows("data/**/*.csv").equals(ROWS)
    assert rows("data/1.csv").equals(ROWS.head(2))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_folders_of_keys_are_columns(here, kind):
    for year in (2023, 2024):
        folder = here / f"data/year={year}"
        folder.mkdir(parents=True)
        getattr(ROWS, f"write_{kind}")(folder / f"part.{kind}")

    found = rows("data")

    assert found["year"].cast(pl.Int64).to_list() == [2023] * 4 + [2024] * 4
    assert found["x"].to_list() == [1, 2, 3, 4] * 2


def test_csv_options_and_declared_columns(here):
    (here / "data.txt").write_text("zip;x;label\n01234;NA;a\n04711;3;b\n")
    files = {"path": "data.txt", "separator": ";", "null_values": ["NA"]}
    columns = {"zip": {"dtype": "string"}, "x": {"dtype": "float32", "nullable": True}}

    checked, _ = read(table(files, columns=columns))

    assert checked.collect().rows() == [("01234", None, "a"), ("04711", 3.0, "b")]


def test_compressed_csv_and_a_name_that_tells_nothing(here):
    import gzip

    (here / "data.csv.gz").write_bytes(gzip.compress(ROWS.write_csv().encode()))
    ROWS.write_parquet(here / "data")

    assert rows("data.csv.gz").equals(ROWS)
    assert rows("data").equals(ROWS)
    assert rows("data", format="parquet").equals(ROWS)


def test_lists_of_one_size_become_images(here):
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    pl.DataFrame({"image": images.tolist(), "label": ["a", "b"]}).with_columns(
        pl.col("image").cast(pl.List(pl.List(pl.UInt8)))
    ).write_parquet("images.parquet")

    found = rows("images.parquet")

    assert found.schema["image"] == pl.Array(pl.UInt8, (3, 4))
    np.testing.assert_array_equal(found["image"].to_numpy(), images)


def test_lists_of_other_sizes_are_refused(here):
    pl.DataFrame({"image": [[1, 2], [1, 2, 3]], "label": ["a", "b"]}).write_parquet("x.parquet")
    checked, _ = read(table({"path": "x.parquet"}))

    with pytest.raises(DataError, match=r"source files x.parquet: .*width"):
        checked.collect()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, r"files gone.csv: no such file or folder"),
        ("gone/*.csv", None, r"files gone/\*.csv: no such file or folder"),
        ("empty", "", r"files empty: no files in this folder"),
        ("nothing.csv", b"", r"files nothing.csv: .*empty CSV"),
        ("header.csv", b"x,label\n", r"source files header.csv: no rows"),
        ("broken.parquet", b"PAR1 and no more", r"files broken.parquet: .*"),
        ("cr.csv", b"x,label\r1,a\r", r"files cr.csv: its lines end in CR alone"),
    ],
)
def test_what_cannot_be_read_is_one_line(here, name, content, message):
    if content == "":
        (here / name).mkdir()
    elif content is not None:
        (here / name).write_bytes(content)

    with pytest.raises(DataError, match=f"^{message}") as error:
        checked, _ = read(table({"path": name}))
        checked.collect()

    assert "\n" not in str(error.value)


LONG = "x,label\n" + "1,a\n" * 12_000
CSV_FAULTS = {
    "column 'x': not int64, as the first rows are, in row 12,001 ('oops'); declare it, as "
    "data.columns.x: {dtype: string}, or add it to data.files.null_values": LONG + "oops,b\n",
    "data.columns.x: {dtype: float64}": LONG + "1.5,b\n",
    "row 2 has 3 values for the 2 columns of the header": "x,label\n1,a\n2,b,c\n",
    "row 1 has 3 values for the 2 columns": "x,label\n1,a,\n2,b,\n",
    "column 'label' in row 12,001 is not UTF-8 (b'\\xe4')": (LONG + "1,ä\n").encode("latin-1"),
    "the header is not UTF-8": "größe,label\n1,ä\n".encode("latin-1"),
    "is UTF-16": "x,label\n1,ä\n".encode("utf-16"),
    'a quote (") in row 12,001 does not end': LONG + '1,"a\n3,b\n',
    "row 1 has a single quote (\") in 'a\"b'": 'x,label\n1,a"b\n2,b\n',
}


@pytest.mark.parametrize(("fault", "content"), CSV_FAULTS.items())
@pytest.mark.parametrize("path", ["two.csv", "*.csv"])
def test_a_fault_in_csv_names_file_and_row_and_no_option_of_polars(here, fault, content, path):
    if path == "*.csv":
        (here / "one.csv").write_text(
            "größe,label\n1,a\n" if "größe" in fault else "x,label\n1,a\n"
        )
    (here / "two.csv").write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(DataError) as error:
        read(table({"path": path}))[0].collect()

    text = str(error.value)
    assert "two.csv" in text
    if path == "two.csv" or "header" not in fault:
        assert fault in text
    assert "\n" not in text
    assert not re.search("infer_schema_length|ignore_errors|truncate_ragged_lines", text)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_bad_value_in_one_of_several_files_is_found_there(here, kind):
    for name, number in (("1", 2), ("2", -4)):
        rows = ROWS.with_columns(x=pl.Series([1, 2, number, 4]))
        getattr(rows, f"write_{kind}")(f"{name}.{kind}")

    fault = rf"'x': below 0 in row 7 \(-4\) \(the first is row 3 of 2.{kind}\)$"
    with pytest.raises(DataError, match=fault):
        read(table({"path": f"*.{kind}"}, columns={"x": {"min": 0}, "y": {}}))[0].collect()


def test_advice_of_polars_is_left_out_where_the_row_is_not_found(here, monkeypatch):
    monkeypatch.setattr(source, "find_fault", lambda *_: None)
    for content in ("x,label\n1,a\n2,b,c\n", LONG + "oops,a\n"):
        (here / "data.csv").write_text(content)
        with pytest.raises(DataError) as error:
            read(table({"path": "data.csv"}))[0].collect()
        assert not re.search("try|setting|schema_length|ignore|ragged", str(error.value))


def test_files_of_other_columns_are_named(here):
    (here / "1.csv").write_text("x,label\n1,a\n")
    (here / "2.csv").write_text("y,label\n1,a\n")

    with pytest.raises(DataError, match=r"2.csv: its columns are y, label, but those of 1.csv are"):
        read(table({"path": "*.csv"}))[0].collect()


@pytest.mark.parametrize(
    "content",
    ["x,label\n1,a\n\n2,b\n\n\n", "x,label\r\n1,a\r\n2,b\r\n", "\ufeffx,label\n1,a\n2,b"],
)
def test_blank_lines_line_ends_and_a_byte_order_mark_do_no_harm(here, content):
    (here / "data.csv").write_bytes(content.encode())

    assert read(table({"path": "data.csv"}))[0].collect().rows() == [(1, "a"), (2, "b")]


def test_the_wrong_separator_is_guessed_where_a_column_is_missing(here):
    (here / "data.csv").write_text("x;label\n1;a\n")
    rows, _ = read(table({"path": "data.csv"}))

    with pytest.raises(DataError, match=r"columns are x;label \(data.files.separator says"):
        write_splits(rows, {"train": here / "t"}, {}, label="label", source="here", task=TASK)


def test_bad_rows_leave_no_data_set(here):
    (here / "data.csv").write_text("x,label\n" + "1,a\n2,b\n" * 50_000 + "-1,a\n")
    data = table({"path": "data.csv"}, columns={"x": {"min": 0}})
    checked, _ = read(data)
    directories = {name: here / "out" / name for name in ("train", "test")}

    with pytest.raises(DataError, match=r"source files data.csv: .*row 100,001 \(-1\)"):
        write_splits(
            checked, directories, {"test": 0.2}, label="label", source=data.origin(), task=TASK
        )

    assert not [path for path in here.rglob("*") if path.name != "data.csv" and path.is_file()]


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
def test_a_picture_is_read_right_or_refused_by_name(here, name, pixels, options, expected):
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


def test_files_need_a_path():
    with pytest.raises(ValueError, match=r"source: files needs data.files.path"):
        Data(task=TASK, source="files")
