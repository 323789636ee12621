"""Teachers that the user brings: whether they fit, and the order of their outputs."""

import json
from itertools import permutations
from pathlib import Path

import pytest
import torch
from damaged_models import DAMAGES, shard
from tiny import FAMILIES, VOCABULARY, config_of, tiny_config
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    BertTokenizer,
    RobertaTokenizer,
)

from tinybert.models.folder import save_model
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import TaskData
from tinybert.tasks import teacher
from tinybert.tasks.task import Task

NLI = ["entailment", "neutral", "not_entailment"]


def task_of(
    model: Path | str, labels: list[str], kind="classification", outputs=None
) -> tuple[TaskData, Task]:
    """A task's settings with this teacher, and the task. outputs: its teacher_labels."""
    metrics = ["pearson"] if kind == "regression" else ["accuracy"]
    source = TaskData(teacher=str(model), teacher_labels=outputs)
    return source, Task(kind, labels, False, metrics, ["train", "dev"])


def fine_tuned(family: str, names: list[str]):
    """A classifier whose outputs have these names, and whose logits are far apart."""
    config = config_of(
        family,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        initializer_range=1.0,
    )
    model = AutoModelForSequenceClassification.from_config(config).eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return model


def logits_of(model) -> Tensor:
    ids = torch.randint(5, len(VOCABULARY), (4, 6), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return model.eval()(ids, torch.ones_like(ids)).logits


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
        lambda *task: teacher.check(*task, folder),
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
    teacher.check(*task, folder)
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


def test_a_regression_needs_a_teacher_of_one_output():
    assert teacher.label_order(tiny_config(num_labels=1), *task_of("x", [], "regression")) == [0]
    with pytest.raises(InputError, match="has 2 outputs; a regression needs one"):
        teacher.label_order(tiny_config(num_labels=2), *task_of("x", [], "regression"))


def test_a_model_without_a_head_is_not_a_teacher(checkpoint):
    folder = checkpoint(AutoModel.from_config(tiny_config()))
    task = task_of(folder, ["bad", "good"], outputs=["bad", "good"])
    with pytest.raises(InputError, match=r"lacks: classifier\.bias, classifier\.weight"):
        teacher.load(*task)


def test_a_teacher_that_does_not_exist_is_an_error_that_names_it(checkpoint, tmp_path):
    folder = checkpoint(AutoModel.from_config(tiny_config()))
    with pytest.raises(InputError, match=r"teacher: .*/nowhere cannot be loaded"):
        teacher.check(*task_of(tmp_path / "nowhere", NLI), folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fine_tuned_version_of_the_pretrained_model_fits(checkpoint, family):
    pretrained = checkpoint(AutoModel.from_config(config_of(family)), "pretrained")
    teacher.check(*task_of(checkpoint(fine_tuned(family, NLI)), NLI), pretrained)


@pytest.mark.parametrize(
    ("part", "ours", "other"),
    [
        ("hidden_size", 8, 16),
        ("num_attention_heads", 2, 4),
        ("num_hidden_layers", 2, 3),
        ("vocab_size", len(VOCABULARY), len(VOCABULARY) + 1),
    ],
)
def test_a_teacher_of_other_sizes_is_an_error_that_names_them(checkpoint, part, ours, other):
    pretrained = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    config = tiny_config(id2label=dict(enumerate(NLI)), **{part: other})
    folder = checkpoint(AutoModelForSequenceClassification.from_config(config))
    with pytest.raises(InputError, match=rf"has {part} {other} \(not {ours}\): ") as caught:
        teacher.check(*task_of(folder, NLI), pretrained)
    assert "Set pretrained.model" in str(caught.value)


def test_a_teacher_of_another_family_is_an_error_that_names_it(checkpoint):
    pretrained = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    folder = checkpoint(fine_tuned("roberta", NLI))
    with pytest.raises(InputError, match=r"model_type roberta \(not bert\), .*vocab_size 300"):
        teacher.check(*task_of(folder, NLI), pretrained)


ALPHABET = [chr(code) for start in "aA" for code in range(ord(start), ord(start) + 26)]
LETTERS = [*VOCABULARY[:5], *ALPHABET, *(f"##{letter}" for letter in ALPHABET)]


def letters(words: list[str] = LETTERS, **options) -> BertTokenizer:
    """A tokenizer of words into letters."""
    return BertTokenizer(vocab={word: i for i, word in enumerate(words)}, **options)


@pytest.mark.parametrize(
    "other",
    [
        {"do_lower_case": False},
        {"strip_accents": False},
        {"tokenize_chinese_chars": False},
        {"words": [*LETTERS[:-2], LETTERS[-1], LETTERS[-2]]},
    ],
    ids=["cased", "accents", "chinese", "vocabulary"],
)
def test_a_teacher_with_another_tokenization_is_an_error(tmp_path, other):
    """The sizes are the same, as those of a cased and an uncased model may be."""
    config = tiny_config(vocab_size=len(LETTERS), id2label=dict(enumerate(NLI)))
    for folder, options in (("pretrained", {}), ("same", {}), ("other", other)):
        AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path / folder)
        letters(**options).save_pretrained(tmp_path / folder)
    teacher.check(*task_of(tmp_path / "same", NLI), tmp_path / "pretrained")
    with pytest.raises(InputError, match="splits texts into other tokens"):
        teacher.check(*task_of(tmp_path / "other", NLI), tmp_path / "pretrained")


def test_a_roberta_that_tokenizes_the_first_word_differently_is_an_error(tmp_path, byte_tokenizer):
    """With and without add_prefix_space, the vocabulary is the same, the tokens are not."""
    core = json.loads(byte_tokenizer.backend_tokenizer.to_str())["model"]
    for name, prefix in (("pretrained", False), ("same", False), ("other", True)):
        tokenizer = RobertaTokenizer(
            vocab=core["vocab"],
            merges=[tuple(merge) for merge in core["merges"]],
            add_prefix_space=prefix,
        )
        fine_tuned("roberta", NLI).save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    teacher.check(*task_of(tmp_path / "same", NLI), tmp_path / "pretrained")
    with pytest.raises(InputError, match="splits texts into other tokens"):
        teacher.check(*task_of(tmp_path / "other", NLI), tmp_path / "pretrained")


def test_the_stage_writes_the_teacher_with_the_pretrained_models_tokenizer(checkpoint, tmp_path):
    base = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    source = fine_tuned("bert", NLI[::-1])
    teacher.fetch_teacher(*task_of(checkpoint(source), NLI), base, tmp_path / "out", 32)
    written = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(logits_of(written), logits_of(source)[:, [2, 1, 0]])
    vocabularies = [BertTokenizer.from_pretrained(f).get_vocab() for f in (base, tmp_path / "out")]
    assert vocabularies[0] == vocabularies[1]


def test_a_teacher_that_does_not_fit_is_not_written(checkpoint, tmp_path):
    base = checkpoint(AutoModel.from_config(tiny_config(hidden_size=16)), "pretrained")
    with pytest.raises(InputError, match="has hidden_size 8"):
        teacher.fetch_teacher(
            *task_of(checkpoint(fine_tuned("bert", NLI)), NLI), base, tmp_path / "out", 32
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_teacher_is_an_error_that_names_the_file(checkpoint, tmp_path, damage):
    base = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    folder = checkpoint(fine_tuned("bert", NLI))
    change, message = DAMAGES[damage]
    change(folder)
    with pytest.raises(InputError, match=message):
        teacher.fetch_teacher(*task_of(folder, NLI), base, tmp_path / "out", 32)
    assert not (tmp_path / "out").exists()


def test_a_teacher_with_few_positions_is_refused_before_any_training(checkpoint, tmp_path):
    base = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    config = tiny_config(max_position_embeddings=16, id2label=dict(enumerate(NLI)))
    folder = checkpoint(BertForSequenceClassification(config))
    teacher.fetch_teacher(*task_of(folder, NLI), base, tmp_path / "out", 16)
    with pytest.raises(InputError, match=r"positions for 16 tokens .* encode\.max_length is 17"):
        teacher.fetch_teacher(*task_of(folder, NLI), base, tmp_path / "no", 17)


def test_a_teachers_tokenizer_is_saved_with_the_length_of_its_rows(checkpoint, tmp_path):
    base = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    folder = checkpoint(fine_tuned("bert", NLI))
    teacher.fetch_teacher(*task_of(folder, NLI), base, tmp_path / "out", 20)
    assert BertTokenizer.from_pretrained(tmp_path / "out").model_max_length == 20


def test_a_teacher_in_shards_is_read(checkpoint, tmp_path):
    base = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    source = fine_tuned("bert", NLI[::-1])
    folder = checkpoint(source)
    shard(folder)
    teacher.fetch_teacher(*task_of(folder, NLI), base, tmp_path / "out", 20)
    written = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(logits_of(written), logits_of(source)[:, [2, 1, 0]])
