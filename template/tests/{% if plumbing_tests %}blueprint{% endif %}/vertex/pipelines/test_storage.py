"""`gs://` where a path is: what is written to a bucket and read from it, by a real GCS server."""

import pytest

from blueprint.data.sources import files
from blueprint.data.storage import Folder
from blueprint.errors import UserError

BUCKET = "gs://digits-staging"


def test_a_folder_may_be_in_a_bucket(stored):
    folder = Folder(f"{BUCKET}/some/where")
    assert folder.names() == []
    assert folder.read("a.txt") is None
    folder.write("a.txt", b"one")
    folder.write_stream("b.bin", [b"x" * 100_000, b"y"])

    assert folder.names() == ["a.txt", "b.bin"]
    assert folder.read("a.txt") == b"one"
    assert sum(map(len, folder.stream("b.bin"))) == 100_001
    name, size, tag = folder.head("b.bin")
    assert (name, size) == ("b.bin", 100_001)
    assert tag
    folder.delete(["a.txt"])
    assert folder.names() == ["b.bin"]


def test_files_in_a_bucket_are_told_apart_by_their_content(stored):
    folder = Folder(f"{BUCKET}/rows")
    folder.write("a.csv", b"x,label\n1,0\n")
    before = files.version_of(f"{BUCKET}/rows/*.csv")
    assert files.version_of(f"{BUCKET}/rows/*.csv") == before
    folder.write("a.csv", b"x,label\n2,1\n")
    assert files.version_of(f"{BUCKET}/rows/*.csv") != before


def test_a_bucket_that_there_is_not_is_named(stored):
    with pytest.raises(UserError, match="gs://no-such-bucket/x"):
        Folder("gs://no-such-bucket/x").write("a.txt", b"one")
