"""The order of the outputs of a teacher that the user brings."""

from itertools import permutations

import pytest
import torch
from teachers import NLI, fine_tuned, logits_of, task_of
from tiny import FAMILIES, tiny_config
from transformers import (
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
)

from tinybert.models.folder import save_model
from tinybert.pipeline.errors import InputError
from tinybert.tasks import teacher


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_outputs_are_found_by_name_in_any_order(order):
    spellings = ["Entailment", "NEUTRAL", "Not-Entailment"]
    config = tiny_config(id2label={i: spellings[label] for i, label in enumerate(order)})
    indices = teacher.label_order(config, *task_of("x", NLI))
    assert [spellings[label] for label in order] == [config.id2label[i] for i in range(3)]
    assert [config.id2label[i] for i in indices] == spellings


@pytest.mark.parametrize(
    "names",
    [
        ["NOT_EQUIVALENT", "EQUIVALENT"],
        ["not equivalent", "equivalent"],
        ["Not-Equivalent", "Equivalent"],
        ["notEquivalent", " equivalent "],
    ],
)
def test_case_spaces_hyphens_and_underscores_do_not_matter(names):
    labels = ["equivalent", "not_equivalent"]  # the other way round
    config = tiny_config(id2label=dict(enumerate(names)))
    assert teacher.label_order(config, *task_of("x", labels)) == [1, 0]


def test_names_in_other_scripts_are_compared_too():
    config = tiny_config(id2label={0: "Нет", 1: "积极", 2: "straße"})
    assert teacher.label_order(config, *task_of("x", ["STRASSE", "нет", "积极"])) == [2, 0, 1]


@pytest.mark.parametrize("labels", [["-1", "0", "1"], ["C", "c", "other"]])
def test_labels_that_differ_in_case_or_a_hyphen_alone_are_matched_exactly(labels):
    config = tiny_config(id2label=dict(enumerate(labels[::-1])))
    assert teacher.label_order(config, *task_of("x", labels)) == [2, 1, 0]
    nameless = tiny_config(num_labels=3)
    assert teacher.label_order(nameless, *task_of("x", labels, outputs=labels[::-1])) == [2, 1, 0]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("order", [[2, 0, 1], [1, 2, 0], [0, 2, 1]])
def test_the_outputs_are_in_the_tasks_order(checkpoint, family, order):
    """Label i of the task is output order[i] of the teacher; its logits are the reference."""
    outputs = [""] * 3
    for label, output in enumerate(order):
        outputs[output] = NLI[label].replace("_", " ").upper()
    source = fine_tuned(family, outputs)
    loaded = teacher.load(*task_of(checkpoint(source), NLI))
    expected = logits_of(source)[:, order]
    assert (expected[:, :-1] - expected[:, 1:]).abs().min() > 1e-3  # or any order would do
    torch.testing.assert_close(logits_of(loaded), expected)
    assert loaded.config.id2label == dict(enumerate(NLI))
    assert loaded.config.label2id == {name: i for i, name in enumerate(NLI)}
    assert loaded.config.problem_type == "single_label_classification"
    encoder = source.base_model.state_dict()
    weights = loaded.base_model.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in encoder.items())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_saved_model_has_the_tasks_order_too(checkpoint, tmp_path, tokenizer_of, family):
    source = fine_tuned(family, NLI[::-1])
    loaded = teacher.load(*task_of(checkpoint(source), NLI))
    save_model(tmp_path / "teacher", loaded, tokenizer_of(family), 32)
    saved = AutoModelForSequenceClassification.from_pretrained(tmp_path / "teacher")
    assert saved.config.id2label == dict(enumerate(NLI)) and saved.num_labels == 3
    torch.testing.assert_close(logits_of(saved), logits_of(source)[:, [2, 1, 0]])


def test_multi_label_outputs_are_reordered_too(checkpoint):
    labels = ["fun", "long", "sad"]
    source = fine_tuned("bert", ["Long", "Sad", "Fun"])
    loaded = teacher.load(*task_of(checkpoint(source), labels, kind="multi_label"))
    torch.testing.assert_close(logits_of(loaded), logits_of(source)[:, [2, 0, 1]])
    assert loaded.config.problem_type == "multi_label_classification"
    assert loaded.config.id2label == dict(enumerate(labels))


def test_a_regression_model_is_not_changed(checkpoint):
    source = fine_tuned("bert", ["similarity"])
    loaded = teacher.load(*task_of(checkpoint(source), [], kind="regression"))
    assert torch.equal(logits_of(loaded), logits_of(source))
    assert (loaded.config.num_labels, loaded.config.problem_type) == (1, "regression")


def test_nameless_outputs_are_an_error_with_both_lists_and_the_remedy(checkpoint):
    folder = checkpoint(BertForSequenceClassification(tiny_config()))
    for attempt in (
        teacher.check,
        teacher.load,
        lambda *task: teacher.label_order(tiny_config(), *task),
    ):
        with pytest.raises(InputError) as caught:
            attempt(*task_of(folder, ["bad", "good"]))
        text = str(caught.value)
        assert "2 outputs" in text and "LABEL_0, LABEL_1" in text and "bad, good" in text
        assert "teacher_labels: [...]" in text and str(folder) in text


@pytest.mark.parametrize(
    ("outputs", "columns"), [(["bad", "good"], [0, 1]), (["Good", "bad"], [1, 0])]
)
def test_teacher_labels_names_the_outputs(checkpoint, outputs, columns):
    source = fine_tuned("bert", ["LABEL_0", "LABEL_1"])
    folder = checkpoint(source)
    task = task_of(folder, ["bad", "good"], outputs=outputs)
    teacher.check(*task)
    torch.testing.assert_close(logits_of(teacher.load(*task)), logits_of(source)[:, columns])


def test_teacher_labels_overrides_the_names_in_the_config(checkpoint):
    source = fine_tuned("bert", ["bad", "good"])  # by mistake
    loaded = teacher.load(*task_of(checkpoint(source), ["bad", "good"], outputs=["good", "bad"]))
    torch.testing.assert_close(logits_of(loaded), logits_of(source)[:, [1, 0]])


@pytest.mark.parametrize(
    ("outputs", "labels", "given"),
    [
        (3, ["LABEL_0", "LABEL_1"], None),
        (2, NLI, None),
        (3, ["bad", "good"], ["bad", "good"]),  # one too few are named
        (2, ["bad", "good"], ["bad", "good", "dull"]),
        (2, ["bad", "good"], ["bad", "bad"]),
        (2, ["bad", "good"], ["bad", "dull"]),
        (1, ["bad", "good"], None),
    ],
)
def test_other_numbers_of_outputs_or_other_names_are_errors(outputs, labels, given):
    config = tiny_config(num_labels=outputs)
    for kind in ("classification", "multi_label"):
        with pytest.raises(InputError, match=rf"\({outputs} outputs\)") as caught:
            teacher.label_order(config, *task_of("x", labels, kind=kind, outputs=given))
        assert ", ".join(labels) in str(caught.value)


def test_an_output_without_a_name_is_an_error_with_the_remedy():
    config = tiny_config(num_labels=2)
    config.id2label = {0: "bad", 2: "good"}
    with pytest.raises(InputError, match=r"bad, \(without a name\)\n.*\nSet teacher_labels"):
        teacher.label_order(config, *task_of("x", ["bad", "good"]))
    named = task_of("x", ["bad", "good"], outputs=["good", "bad"])
    assert teacher.label_order(config, *named) == [1, 0]


@pytest.mark.parametrize("problem", ["multi_label_classification", "single_label_classification"])
def test_a_teacher_of_another_kind_of_task_is_warned_about(checkpoint, tmp_path, capsys, problem):
    source = fine_tuned("bert", NLI)
    source.config.problem_type = problem
    teacher.check(*task_of(checkpoint(source), NLI))
    shown = capsys.readouterr().out
    assert shown.count("set task.<name>.data.kind") == problem.startswith("multi")


def test_a_regression_needs_a_teacher_of_one_output():
    assert teacher.label_order(tiny_config(num_labels=1), *task_of("x", [], "regression")) == [0]
    with pytest.raises(InputError, match="has 2 outputs; a regression needs one"):
        teacher.label_order(tiny_config(num_labels=2), *task_of("x", [], "regression"))


def test_a_teacher_of_words_with_other_types_is_told_what_works():
    config = tiny_config(id2label=dict(enumerate(["O", "PER", "LOC"])))
    source, task = task_of("x", ["O", "B-PER", "I-PER"], "tokens")
    with pytest.raises(InputError, match="rename the tags in the files: each must be") as caught:
        teacher.label_order(config, source, task)
    assert "O, B-... and I-... of each type" in str(caught.value)
    assert "labels: {" not in str(caught.value)  # refused for labels of words
