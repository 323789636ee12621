"""Settings of one task: what they override, and the mistakes in them."""

import json
import re
from pathlib import Path

import pytest
from edited_params import EMPTY, PYDOCS, ROOT, edited, mistakes

from tinybert.pipeline import params, schema
from tinybert.pipeline.errors import InputError


@pytest.mark.parametrize("key", ["data", "augment", "intermediate", "prediction"])
def test_a_missing_key_of_a_task_is_named_with_the_text_to_add(tmp_path, key):
    values = {name: {} for name in schema.Task.model_fields if name != key}
    file = edited(tmp_path, (PYDOCS, f"  pydocs: {json.dumps(values)}"))
    [line] = mistakes(file)
    assert line == f"task.pydocs.{key}: missing; add `{key}: {{}}` to task.pydocs"


def test_a_listed_task_without_settings_is_named_with_the_line_to_add(tmp_path):
    file = edited(tmp_path, ("tasks: [pydocs]", "tasks: [pydocs, mine]"))
    text = "\n  ".join(mistakes(file))
    line = re.search(r"tasks: there is no task\.mine; add this line under `task:`\n(.*)$", text)[1]
    file.write_text(file.read_text().replace(PYDOCS, f"{PYDOCS}\n{line}"))
    assert params.load("mine", path=file).tasks == ["pydocs", "mine"]


def of_task(tmp_path, after: str = "", **sections: str) -> Path:
    """A copy of params.yaml with these sections in task.pydocs, and lines after it."""
    values = {"data": "{}", "augment": "{}", "intermediate": "{}", "prediction": "{}", **sections}
    text = ", ".join(f"{key}: {value}" for key, value in values.items())
    return edited(tmp_path, (PYDOCS, f"  pydocs: {{{text}}}{after}"))


def test_a_task_overrides_keys_of_three_sections(tmp_path):
    file = of_task(
        tmp_path,
        augment="{copies: 3}",
        prediction="{lr: 1e-5, epochs: 1e1}",
        after=f"\n  other: {EMPTY}",
    )
    every, pydocs = params.load(path=file), params.load("pydocs", path=file)
    assert (pydocs.augment.copies, pydocs.prediction.lr, pydocs.prediction.epochs) == (3, 1e-5, 10)
    assert every.augment.copies != 3
    assert params.load("other", path=file) == every
    values = pydocs.model_dump()
    values["augment"]["copies"] = every.augment.copies
    values["prediction"]["lr"] = every.prediction.lr
    values["prediction"]["epochs"] = every.prediction.epochs
    assert values == every.model_dump()


def test_an_unknown_task_is_refused():
    with pytest.raises(InputError, match=r"nope"):
        params.load("nope", path=ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("section", "content", "message"),
    [
        ("augment", "{copys: 3}", r"task.pydocs.augment.copys: .*did you mean .*augment.copies"),
        ("augment", "{copies: -3}", r"task.pydocs.augment.copies: .*-3"),
        ("augment", "{copies: null}", r"task.pydocs.augment.copies: .*None"),
        ("augment", "3", r"task.pydocs.augment: .*3"),
        (
            "prediction",
            "{learning_rat: 1}",
            r"task.pydocs.prediction.learning_rat: .*prediction.lr",
        ),
        ("prediction", "{batch_size: 0}", r"task.pydocs.prediction.batch_size: .*0"),
        ("intermediate", "{temperature: 2}", r"task.pydocs.intermediate.temperature: unknown key"),
        ("general", "{epochs: 2}", r"task.pydocs.general: unknown key"),
        ("intermediat", "{epochs: 2}", r"task.pydocs.intermediat: unknown key"),
        (
            "labels",
            "[a, b]",
            r"task.pydocs.labels: unknown key; did you mean task.pydocs.data.labels\?",
        ),
        (
            "data",
            "{labls: [a, b]}",
            r"data.labls: unknown key; did you mean task.pydocs.data.labels",
        ),
        ("data", "{drop_overlaps: true}", r"data.drop_overlaps: .*task.pydocs.data.drop_overlap\?"),
        (
            "data",
            "{columns: {txt: 1, label: 2}}",
            r"columns.txt: .*mean task.pydocs.data.columns.text",
        ),
        ("data", "{columns: {text: 1}}", r"data: columns must name one of label, labels"),
        (
            "data",
            "{columns: {label: 1}}",
            r"data.columns: columns must name text, or text_a and text_b",
        ),
        (
            "data",
            "{columns: {text_a: 1, label: 2}}",
            r"columns must name text, or text_a and text_b",
        ),
        (
            "data",
            "{columns: {text: 1, label: 2, score: 3}}",
            r"columns must name one of label, labels",
        ),
        (
            "data",
            "{columns: {text: 0, label: 2}}",
            r"data.columns.text.*greater than or equal to 1",
        ),
        ("data", "{columns: {text: 1, labels: [2]}}", r"data.columns.labels.* at least 2"),
        ("data", "{benchmark: glue/sst-2}", r"data.benchmark: .*'glue/sst2'.*'glue/sst-2'"),
        (
            "data",
            "{benchmark: trec, header: true}",
            r"data: benchmark defines the columns; remove col",
        ),
        ("data", "{metric: f2}", r"data.metric: .*'f1_macro'.*'f2'"),
        ("data", "{kind: ranking}", r"data.kind: .*'regression' .*'ranking'"),
        ("data", "{labels: [a, a]}", r"data: labels lists a name twice"),
        ("data", "{labels: [0.5, 1]}", r"data.labels.*0.5"),
        ("data", "{encoding: utf-9}", r"data.encoding: .*'utf-9'; common ones are utf-8"),
        ("data", "{encoding: rot13}", r"data.encoding: .*'rot13'"),
        ("data", "{encoding: base64}", r"data.encoding: .*'base64'"),
        ("data", "{drop_broken: 'yes'}", r"data.drop_broken: .*'yes'"),
        ("data", "{teacher_labels: [a, b]}", r"data: teacher_labels .* need a teacher"),
        ("data", "", r"task.pydocs.data: .*None"),
    ],
)
def test_mistakes_in_a_task_are_named_whichever_is_loaded(tmp_path, section, content, message):
    file = of_task(tmp_path, after=f"\n  other: {EMPTY}", **{section: content})
    for name in (None, "pydocs", "other"):
        assert any(re.search(message, line) for line in mistakes(file, name))


def test_a_task_that_is_not_a_mapping_is_named(tmp_path):
    [line] = mistakes(edited(tmp_path, (PYDOCS, "  pydocs:")))
    assert re.match(r"task\.pydocs: .*None", line)


@pytest.mark.parametrize("name", ["augment", "columns", "corpus", "labels", "task", "teacher"])
def test_a_task_may_have_the_name_of_a_key(tmp_path, name):
    task = EMPTY.replace("data: {}", "data: {drop_overlaps: true}")
    [line] = mistakes(edited(tmp_path, (PYDOCS, f"{PYDOCS}\n  {name}: {task}")))
    assert f"did you mean task.{name}.data.drop_overlap?" in line


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        ("{labels: [0, 1]}", ["0", "1"]),
        ("{labels: [yes, no]}", ["yes", "no"]),
        ("{labels: {0: negative, 1: positive}}", {"0": "negative", "1": "positive"}),
        ("{labels: {a: 1, b: 0}}", {"a": "1", "b": "0"}),
    ],
)
def test_labels_that_yaml_reads_as_numbers_are_names(tmp_path, data, labels):
    values = params.load(path=of_task(tmp_path, data=data))
    assert values.task["pydocs"].data.labels == labels
