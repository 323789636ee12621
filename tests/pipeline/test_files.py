"""Files that are written whole or not at all."""

import json
import os

import pytest

from tinybert.pipeline import files
from tinybert.pipeline.errors import InputError


def test_a_file_gets_its_name_once_it_is_whole(tmp_path):
    target = tmp_path / "shard.npy"
    with files.atomic_write(target) as temporary:
        temporary.write_text("half")
        assert not target.exists() and temporary.suffix == ".npy"
    assert target.read_text() == "half" and list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_the_old_file(tmp_path):
    target = tmp_path / "shard.npy"
    target.write_text("old")
    with pytest.raises(KeyError), files.atomic_write(target) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("links", [True, False])
def test_a_directory_holds_the_linked_or_copied_files_alone(tmp_path, monkeypatch, links):
    if not links:

        def refuse(*arguments):
            raise OSError(files.errno.EXDEV, "another disk")

        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("")
    (tmp_path / "work").mkdir()
    finished = [tmp_path / "work/a", tmp_path / "work/b"]
    for file in finished:
        file.write_text(file.name)
    files.link_or_copy(finished, tmp_path / "out")
    for file in finished:
        file.unlink()
    assert {f.name: f.read_text() for f in (tmp_path / "out").iterdir()} == {"a": "a", "b": "b"}


def test_a_full_disk_is_not_mistaken_for_one_without_links(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError(files.errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="full"):
        files.link_or_copy([tmp_path / "a"], tmp_path / "out")


def test_json_is_readable_by_people_and_by_other_readers(tmp_path):
    file = tmp_path / "some/folder/labels.json"
    files.write_json(file, {"naïve": [1, "中文"]})
    text = file.read_text(encoding="utf-8")
    assert "naïve" in text and "中文" in text and text.count("\n") > 3
    assert json.loads(text) == files.read_json(file) == {"naïve": [1, "中文"]}


def test_the_hash_is_sha256_of_the_content(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")  # the example of FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.file_sha256(tmp_path / "file") == expected


def test_what_a_killed_run_left_is_no_obstacle(tmp_path):
    (tmp_path / "unfinished-out").mkdir()
    (tmp_path / "unfinished-out/half").write_text("")
    with files.atomic_write(tmp_path / "out") as temporary:
        temporary.mkdir()
    assert [file.name for file in tmp_path.rglob("*")] == ["out"]


@pytest.mark.parametrize("error", [KeyError("rows"), TypeError("x"), ValueError("x"), OSError("x")])
def test_content_that_cannot_be_used_is_an_error_that_names_the_file(tmp_path, error):
    file = tmp_path / "a.json"
    with pytest.raises(InputError, match=f"^{file} is damaged .*dvc checkout"), files.reading(file):
        raise error


def test_other_errors_are_not_blamed_on_the_file(tmp_path):
    full = OSError(files.errno.ENOSPC, "full", "other")
    for error in (full, InputError("other"), RuntimeError("a defect")):
        with pytest.raises(type(error)) as caught, files.reading(tmp_path / "a.json"):
            raise error
        assert caught.value is error
    with pytest.raises(InputError, match="is missing"), files.reading(tmp_path / "a.json"):
        (tmp_path / "a.json").read_text()
