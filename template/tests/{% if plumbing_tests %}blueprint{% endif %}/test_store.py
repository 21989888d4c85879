"""The model store: what servers read appears whole, under its own name, version and hash."""

import json
import os
import threading

import pytest

from blueprint.model import digest
from blueprint.registry import store
from blueprint.registry.store import StoreError


@pytest.fixture
def export(tmp_path):
    """Write an exported model with such content."""

    def write(content):
        model = tmp_path / f"exported {content}"
        (model / "saved_model" / "1").mkdir(parents=True, exist_ok=True)
        (model / "model.onnx").write_text(content)
        (model / "saved_model" / "1" / "saved_model.pb").write_text(content)
        return model

    return write


def versions(home):
    return sorted(path.name.partition("-")[0] for path in home.iterdir())


def test_the_pointer_names_the_version_and_its_hash(tmp_path, export):
    model = export("a")

    assert store.current(tmp_path / "a store", "digits") is None
    deployed = store.deploy(model, "1", tmp_path / "a store", "digits")

    assert store.current(tmp_path / "a store", "digits") == deployed
    assert deployed.folder == tmp_path / "a store" / "digits" / f"1-{digest(model)[:12]}"
    assert digest(deployed.folder) == deployed.sha256
    pointer = json.loads((tmp_path / "a store/digits/current.json").read_text())
    assert pointer == {"version": "1", "sha256": digest(model)}


def test_the_last_deployed_versions_stay_and_so_does_an_old_one_in_service(tmp_path, export):
    for version in ("9", "10", "11", "12", "10"):
        deployed = store.deploy(export(version), version, tmp_path, "digits")
        os.utime(deployed.folder, (int(version), int(version)))  # the clock goes as it likes

    assert versions(tmp_path / "digits") == ["10", "11", "12", "current.json"]
    assert store.current(tmp_path, "digits").version == "10"


def test_two_models_never_touch_each_other(tmp_path, export):
    first = store.deploy(export("a"), "1", tmp_path, "digits")
    for version in ("1", "2", "3", "4"):
        store.deploy(export("b"), version, tmp_path, "letters")

    assert store.current(tmp_path, "digits") == first
    first.verify()
    for name in ("..", "a/b", ".", ""):
        with pytest.raises(StoreError, match=r"registry\.name .*: expected a name"):
            store.deploy(export("a"), "1", tmp_path, name)


def test_another_model_with_the_same_number_is_another_version(tmp_path, export):
    """As when the registry was lost, and counts from 1 again."""
    store.deploy(export("a"), "1", tmp_path, "digits")
    store.deploy(export("b"), "1", tmp_path, "digits")

    now = store.current(tmp_path, "digits")
    assert (now.folder / "model.onnx").read_text() == "b"
    assert versions(tmp_path / "digits") == ["1", "1", "current.json"]


@pytest.mark.parametrize(
    "hurt",
    [
        lambda folder: (folder / "model.onnx").write_text("c"),
        lambda folder: (folder / "saved_model" / "1" / "saved_model.pb").unlink(),
        lambda folder: (folder / "more").touch(),
    ],
    ids=["changed", "missing", "added"],
)
def test_a_damaged_version_is_seen_and_deploying_it_again_repairs_it(hurt, tmp_path, export):
    deployed = store.deploy(export("a"), "1", tmp_path, "digits")
    hurt(deployed.folder)
    with pytest.raises(StoreError, match=r"is damaged .*: `make promote VERSION=1` writes"):
        deployed.verify()

    assert store.deploy(export("a"), "1", tmp_path, "digits") == deployed

    deployed.verify()
    assert versions(tmp_path / "digits") == ["1", "current.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 9999, '{"version": 1}', '{"version": "1"}'])
def test_a_pointer_that_is_none_is_one_line_and_is_written_again(text, tmp_path, export):
    store.deploy(export("a"), "1", tmp_path, "digits")
    pointer = tmp_path / "digits" / "current.json"
    for make in (lambda: pointer.write_text(text), pointer.mkdir, lambda: os.mkfifo(pointer)):
        pointer.unlink()
        make()
        with pytest.raises(StoreError, match=r"current\.json: (expected|is no regular file)"):
            store.current(tmp_path, "digits")

        store.deploy(export("a"), "1", tmp_path, "digits")

        assert store.current(tmp_path, "digits").version == "1"


def test_a_reader_meets_whole_versions_alone_while_one_is_repaired(tmp_path, export):
    model = export("a")
    (model / "model.onnx").write_bytes(b"a" * 1_000_000)
    deployed = store.deploy(model, "1", tmp_path, "digits")
    ended, met = threading.Event(), set()

    def read():
        while not ended.is_set():
            try:
                met.add(len((deployed.folder / "model.onnx").read_bytes()))
            except FileNotFoundError:  # between two renames; a server looks again
                met.add(None)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        (deployed.folder / "model.onnx").write_bytes(b"")
        store.deploy(model, "1", tmp_path, "digits")
    ended.set()
    reader.join()
    assert met <= {0, 1_000_000, None}


def test_what_an_older_release_left_is_removed_once_there_is_more(tmp_path, export):
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "signature.json").touch()
    (tmp_path / "current.json").write_text('{"version": "2"}')

    assert store.current(tmp_path, "2024") is None
    store.deploy(export("a"), "1", tmp_path, "2024")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["2024", "exported a"]
    assert store.current(tmp_path, "2024").version == "1"


@pytest.mark.parametrize("place", ["store", "store/digits"])
def test_a_store_that_cannot_be_written_is_one_line(place, tmp_path, export):
    """A file where a folder should be: it stops root as well."""
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).touch()

    with pytest.raises(StoreError, match=r"cannot be written \(serving\.store\)"):
        store.deploy(export("a"), "1", tmp_path / "store", "digits")
