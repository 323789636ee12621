"""Files that are whole or not there."""

import os

import pytest

from tinybert import files


def test_a_file_gets_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "shard.npy"
    with files.writing(target) as temporary:
        temporary.write_text("half")
        assert not target.exists() and temporary.suffix == ".npy"
    assert target.read_text() == "half" and list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_what_was_there(tmp_path):
    target = tmp_path / "shard.npy"
    target.write_text("old")
    with pytest.raises(KeyError), files.writing(target) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("links", [True, False])
def test_delivered_files_are_all_that_is_in_the_out(tmp_path, monkeypatch, links):
    if not links:

        def refuse(*words):
            raise OSError(files.errno.EXDEV, "another disk")

        monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("")
    (tmp_path / "work").mkdir()
    made = [tmp_path / "work/a", tmp_path / "work/b"]
    for file in made:
        file.write_text(file.name)
    files.deliver(made, tmp_path / "out")
    for file in made:
        file.unlink()
    assert {f.name: f.read_text() for f in (tmp_path / "out").iterdir()} == {"a": "a", "b": "b"}


def test_a_full_disk_is_not_taken_for_one_without_links(tmp_path, monkeypatch):
    def refuse(*words):
        raise OSError(files.errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a").write_text("")
    with pytest.raises(OSError, match="full"):
        files.deliver([tmp_path / "a"], tmp_path / "out")
