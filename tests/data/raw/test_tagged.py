"""Files of sentences whose words have tags: all forms give one table, what is wrong is named."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_tasks import column, notices, prepare, refused
from tagged_files import SENTENCES, TOKENS, conll, is_expected, json_rows

from tinybert.data.raw.describe import summary
from tinybert.tasks.task import load_task

PAIR = ["Ada", "Bo", "#"]  # two entities of one type that touch
# The sentences, and the pair where it can be written, in other schemes than IOB2.
TAGS = {
    "IOB2": [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "O", "O", "O"], ["B-PER", "B-PER", "O"]],
    "IOB1": [["I-PER", "I-PER", "O", "I-PER"], ["I-LOC", "O", "O", "O"], ["I-PER", "B-PER", "O"]],
    "IOBES": [["B-PER", "E-PER", "O", "S-PER"], ["S-LOC", "O", "O", "O"], ["S-PER", "S-PER", "O"]],
    "IO": [["PER", "PER", "O", "PER"], ["LOC", "O", "O", "O"]],
}


def test_json_lines_and_parquet_have_lists(tmp_path):
    rows = [
        {"id": i, "tokens": words, "ner_tags": tags} for i, (words, tags) in enumerate(SENTENCES)
    ]
    prepare(tmp_path, TOKENS, train__jsonl=json_rows(rows), dev__parquet=pa.Table.from_pylist(rows))
    is_expected(tmp_path)
    is_expected(tmp_path, "dev")


def test_numbers_of_a_data_set_of_the_hub_have_names(tmp_path):
    """As the library datasets writes them."""
    names = ["I-PER", "O", "B-PER", "B-LOC"]
    rows = [{"tokens": w, "ner_tags": [names.index(t) for t in tags]} for w, tags in SENTENCES]
    feature = {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "List"}
    metadata = {"huggingface": json.dumps({"info": {"features": {"ner_tags": feature}}})}
    table = pa.Table.from_pylist(rows).replace_schema_metadata(metadata)
    prepare(tmp_path, TOKENS, train__parquet=table, dev__parquet=table)
    is_expected(tmp_path)


def test_numbers_need_names(tmp_path):
    rows = json_rows([{"tokens": ["Ada", "met"], "tags": [2, 1]}])
    refused(
        tmp_path, r"line 1: the tag of word 1 is the number 2.*labels:", TOKENS, train__jsonl=rows
    )
    section = {**TOKENS, "labels": ["I-PER", "O", "B-PER"]}
    prepare(tmp_path, section, train__jsonl=rows, dev__jsonl=rows)
    assert column(tmp_path, "train", "tags") == [[1, 0]]


@pytest.mark.parametrize("scheme", TAGS)
def test_schemes_are_found_out_printed_and_converted(tmp_path, scheme):
    rows = list(zip([*(words for words, _ in SENTENCES), PAIR], TAGS[scheme], strict=False))
    task, statistics = prepare(
        tmp_path, TOKENS, train__conll=conll(rows), dev__conll=conll(rows[:2])
    )
    is_expected(tmp_path, "dev")
    assert column(tmp_path, "train", "tags")[2:] == ([] if scheme == "IO" else [[3, 3, 0]])
    assert statistics["train"]["scheme"] == scheme
    assert f"scheme of the files: {scheme}" in summary(task, statistics)
    assert "broken_sequences" not in statistics["train"]["notices"]


@pytest.mark.parametrize("scheme", ["IOB2", "IOB1", "IOBES"])
@pytest.mark.parametrize("split", ["train", "dev"])
@pytest.mark.parametrize(
    "spell",
    [lambda tag: tag.replace("-", "_"), lambda tag: f"{tag[0].lower()}{tag[1:]}",
     lambda tag: f"{tag[0].lower()}{tag[1:].replace('-', ':')}"],
)  # fmt: skip
def test_prefixes_in_another_writing_are_prefixes(tmp_path, scheme, spell, split):
    """In one of the files, or in both."""
    plain = list(zip([*(words for words, _ in SENTENCES), PAIR], TAGS[scheme], strict=True))
    other = conll([(words, list(map(spell, tags))) for words, tags in plain])
    files = {"train__conll": other, "dev__conll": other if split == "train" else conll(plain)}
    if split == "dev":
        files = {"train__conll": conll(plain), "dev__conll": other}
    _, statistics = prepare(tmp_path, TOKENS, **files)
    assert statistics["train"]["scheme"] == scheme
    names = load_task(tmp_path / "out").labels
    assert names == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    for part in ("train", "dev"):
        tags = [[names[i] for i in row] for row in column(tmp_path, part, "tags")]
        assert tags == TAGS["IOB2"]


def test_broken_sequences_are_counted_with_their_line(tmp_path):
    text = f"{conll(SENTENCES)}\nin\tO\nRome\tI-LOC\n"
    lines = notices(tmp_path, TOKENS, train__conll=text, dev__conll=conll(SENTENCES))
    assert (
        "1 sentence has a tag that IOB2 does not allow there: train.conll, line 12, I-LOC after O"
        in lines["broken_sequences"]
    )
    assert column(tmp_path, "train", "tags")[2] == [0, 1]


def test_broken_sequences_are_listed_up_to_five(tmp_path):
    text = conll(SENTENCES) + "\nin\tO\nRome\tI-LOC\n" * 7
    section = TOKENS | {"scheme": "IOB2"}
    lines = notices(tmp_path, section, train__conll=text, dev__conll=conll(SENTENCES))
    shown = "; ".join(f"line {n}, I-LOC after O" for n in range(12, 27, 3))
    assert f"there: train.conll, {shown}; and 2 more. An entity" in lines["broken_sequences"]


def test_parts_of_speech_have_a_label_a_word(tmp_path):
    text = conll([(["Ada", "met", "Bo"], ["NOUN", "VERB", "NOUN"]), (["I", "-"], ["PRON", "X"])])
    task, statistics = prepare(tmp_path, TOKENS, train__conll=text, dev__conll=text)
    assert task.labels == ["NOUN", "PRON", "VERB", "X"] and task.metrics == ["word_accuracy"]
    assert statistics["train"]["scheme"] == "none"
    assert column(tmp_path, "train", "tags") == [[0, 2, 0], [1, 3]]


def test_labels_that_the_files_have_and_params_lacks_are_named(tmp_path):
    section, text = {**TOKENS, "labels": ["O", "B-PER", "I-PER"]}, "Ada\tB-PER\nRome\tB-LOC\n"
    refused(tmp_path, "labels lacks B-LOC, I-LOC", section, train__conll=text)


def test_chinese_texts_have_spaces_around_their_words(tmp_path):
    spans = [{"text": "去北京大学", "spans": [{"start": 1, "end": 5, "label": "ORG"}]}]
    prepare(tmp_path, TOKENS, train__jsonl=json_rows(spans), dev__jsonl=json_rows(spans))
    assert column(tmp_path, "train", "text_a") == ["去 北 京 大 学"]


def test_lengths_that_differ_are_named(tmp_path):
    rows = json_rows([{"tokens": ["Ada", "met"], "tags": ["B-PER"]}])
    refused(tmp_path, r"train\.jsonl, line 1 has 2 words and 1 tags", TOKENS, train__jsonl=rows)


def test_tags_that_train_lacks_are_named(tmp_path):
    dev = conll([(["Ada", "ran"], ["B-PER", "B-ACT"])])
    message = r"dev\.conll, line 2: the tag 'B-ACT' is not in train"
    refused(tmp_path, message, TOKENS, train__conll=conll(SENTENCES), dev__conll=dev)


def test_settings_without_a_meaning_are_refused(tmp_path):
    section = {**TOKENS, "drop_broken": True}
    refused(tmp_path, "drop_broken is not defined", section, train__conll=conll(SENTENCES))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"columns": {"text": "tokens", "labels": "tags"}}, "labels of columns is not defined"),
        ({"columns": {"text": "tokens", "label": "tags", "logits": "x"}}, "logits of columns"),
        ({"labels": {"PER": "person"}}, "labels with new names are not defined"),
    ],
)
def test_settings_of_other_kinds_are_refused(tmp_path, section, message):
    rows = json_rows([{"tokens": w, "tags": t} for w, t in SENTENCES])
    refused(tmp_path, message, TOKENS | section, train__jsonl=rows)


def test_answers_from_elsewhere_are_refused(tmp_path):
    rows = json_rows([{"tokens": w, "tags": t, "logits": []} for w, t in SENTENCES])
    refused(tmp_path, r"train\.jsonl has the column logits", TOKENS, train__jsonl=rows)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train__conll", conll(SENTENCES)),
        ("train__tsv", conll(SENTENCES)),
        ("train__tsv", conll(SENTENCES[:1] * 2).replace("\n\n", "\n")),
        ("train__jsonl", json_rows([{"tokens": w, "tags": t} for w, t in SENTENCES])),
    ],
)
def test_tags_are_not_taken_for_labels_of_texts(tmp_path, name, text):
    refused(tmp_path, "For labels of words .* kind: tokens", {}, **{name: text})


def test_labels_of_texts_may_look_like_tags(tmp_path):
    text = "text\tlabel\ngood film\tB-1\nbad film\tO\n"
    task, _ = prepare(tmp_path, {"kind": "classification"}, train__tsv=text, dev__tsv=text)
    assert task.labels == ["B-1", "O"]


def test_dev_is_held_out_with_each_type(tmp_path):
    kinds = ["LOC", "ORG", "PER"]
    rows = [(["in", f"w{i}"], ["O", f"B-{kinds[i % 3]}"]) for i in range(60)]
    prepare(tmp_path, TOKENS, train__conll=conll(rows))
    assert len(column(tmp_path, "dev", "tags")) == 6
    assert {row[1] for row in column(tmp_path, "dev", "tags")} == {1, 3, 5}


def test_unlabelled_sentences_are_words_or_lines_of_text(tmp_path):
    files = {"train__conll": conll(SENTENCES), "dev__conll": conll(SENTENCES)}
    prepare(tmp_path, TOKENS, unlabeled__txt="Ada's cat\n\n我爱Rome\n", **files)
    assert column(tmp_path, "unlabeled", "words") == [
        ["Ada", "'", "s", "cat"],
        ["我", "爱", "Rome"],
    ]
    assert "tags" not in pq.read_schema(tmp_path / "out/unlabeled.parquet").names
