"""Teachers that the user brings: whether they fit."""

import json

import pytest
import torch
from damaged_models import DAMAGES, shard
from teachers import NLI, fine_tuned, logits_of, task_of
from tiny import FAMILIES, VOCABULARY, config_of, tiny_config
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertForSequenceClassification,
    BertTokenizer,
    RobertaTokenizer,
)

from tinybert.pipeline.errors import InputError
from tinybert.tasks import teacher


def test_a_model_without_a_head_is_not_a_teacher(checkpoint):
    folder = checkpoint(AutoModel.from_config(tiny_config()))
    task = task_of(folder, ["bad", "good"], outputs=["bad", "good"])
    with pytest.raises(InputError, match=r"lacks: classifier\.bias, classifier\.weight"):
        teacher.load(*task)


def test_a_teacher_that_does_not_exist_is_an_error_that_names_it(checkpoint, tmp_path):
    folder = checkpoint(AutoModel.from_config(tiny_config()))
    with pytest.raises(InputError, match=r"teacher: .*/nowhere cannot be loaded"):
        teacher.check_first(*task_of(tmp_path / "nowhere", NLI), folder)
    with pytest.raises(InputError, match=r"teacher: .*/nowhere cannot be loaded"):
        teacher.check(*task_of(tmp_path / "nowhere", NLI))


@pytest.mark.parametrize("kind", ["tokens", "classification"])
def test_a_teacher_of_words_is_none_of_texts(checkpoint, kind):
    """Their heads have the same names in BERT."""
    labels = ["O", "B-PER", "I-PER"]
    auto = {
        "classification": AutoModelForTokenClassification,
        "tokens": AutoModelForSequenceClassification,
    }
    config = tiny_config(id2label=dict(enumerate(labels)))
    folder = checkpoint(auto[kind].from_config(config))
    with pytest.raises(
        InputError, match="the task labels " + ("words" if kind == "tokens" else "texts")
    ):
        teacher.check(*task_of(folder, labels, kind))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_fine_tuned_version_of_the_pretrained_model_fits(checkpoint, family):
    pretrained = checkpoint(AutoModel.from_config(config_of(family)), "pretrained")
    task = task_of(checkpoint(fine_tuned(family, NLI)), NLI)
    assert teacher.misfit(task[0], pretrained) is None
    teacher.check_first(*task, pretrained)
    teacher.check(*task)


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
    task = task_of(folder, NLI)
    with pytest.raises(InputError, match=rf"has {part} {other} \(not {ours}\): ") as caught:
        teacher.check_first(*task, pretrained)
    text = str(caught.value)
    assert "Set pretrained.model" in text and "or to the teacher itself" in text
    assert "intermediate: {epochs: 0}" in text and "teacher: [first, other]" in text
    teacher.check_first(*task, pretrained, inside=False)


def test_a_teacher_of_another_family_is_an_error_that_names_it(checkpoint):
    pretrained = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    folder = checkpoint(fine_tuned("roberta", NLI))
    with pytest.raises(InputError, match=r"model_type roberta \(not bert\), .*vocab_size 300"):
        teacher.check_first(*task_of(folder, NLI), pretrained)


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
    teacher.check_first(*task_of(tmp_path / "same", NLI), tmp_path / "pretrained")
    with pytest.raises(InputError, match="splits texts into other tokens"):
        teacher.check_first(*task_of(tmp_path / "other", NLI), tmp_path / "pretrained")


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
    teacher.check_first(*task_of(tmp_path / "same", NLI), tmp_path / "pretrained")
    with pytest.raises(InputError, match="splits texts into other tokens"):
        teacher.check_first(*task_of(tmp_path / "other", NLI), tmp_path / "pretrained")


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
        teacher.fetch_teachers(
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


def test_a_teacher_in_shards_of_float16_without_names_is_read(checkpoint, tmp_path):
    """As hubs have them; it computes in float32."""
    base = checkpoint(AutoModel.from_config(tiny_config()), "pretrained")
    source = fine_tuned("bert", ["LABEL_0", "LABEL_1", "LABEL_2"]).half()
    folder = checkpoint(source)
    shard(folder)
    task = task_of(folder, NLI, outputs=NLI[::-1])
    teacher.fetch_teacher(*task, base, tmp_path / "out", 20)
    written = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert {parameter.dtype for parameter in written.parameters()} == {torch.float32}
    torch.testing.assert_close(logits_of(written), logits_of(source.float())[:, [2, 1, 0]])
    with pytest.raises(InputError, match=r"LABEL_0, LABEL_1, LABEL_2\n.*\nSet teacher_labels"):
        teacher.fetch_teacher(*task_of(folder, NLI), base, tmp_path / "no", 20)
