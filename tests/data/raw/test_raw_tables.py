"""Raw folders: the files of the splits, the columns' roles; benchmarks' published files."""

import csv
from pathlib import Path

import pandas as pd
import pytest
from raw_tasks import TRAIN, column, labels, prepare, refused

from tinybert.data.raw.prepare import prepare_task
from tinybert.pipeline.schema import TaskData

DATA = Path(__file__).parents[4] / "shared/data"  # not part of the project


def test_a_missing_folder_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere is missing: put train\.tsv"):
        prepare_task(tmp_path / "nowhere", tmp_path / "out", TaskData())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"raw has no train file \(train\.tsv or .*\); it holds nothing"),
        ({"dev__tsv": TRAIN, "notes__md": "x"}, r"no train file .*it holds dev\.tsv, notes\.md"),
        ({"train__TSV": TRAIN}, r"no train file .*it holds train\.TSV"),
        (
            {"train__tsv": TRAIN, "train__csv": TRAIN},
            r"raw has train\.tsv and train\.csv: keep one",
        ),
        (
            {"train__tsv": TRAIN, "dev__tsv": TRAIN, "val__tsv": TRAIN},
            r"dev\.tsv and val\.tsv: keep",
        ),
    ],
)
def test_folders_without_exactly_one_file_per_split_are_refused(tmp_path, files, message):
    refused(tmp_path, message, **files)


def test_a_missing_file_of_a_benchmark_is_named(tmp_path):
    message = r"no train file \(TREC\.train or train_5500\.label\); it holds train\.tsv"
    refused(tmp_path, message, {"benchmark": "trec"}, train__tsv=TRAIN)


@pytest.mark.parametrize("name", ["dev", "eval", "valid", "validation", "val"])
@pytest.mark.parametrize("ending", ["tsv", "txt"])
def test_the_dev_file_has_many_names(tmp_path, name, ending):
    prepared, notices = prepare(tmp_path, train__tsv=TRAIN, **{f"{name}__{ending}": TRAIN})
    assert prepared.splits == ["train", "dev"]
    assert "taken_from_train" not in notices["dev"] and len(column(tmp_path, "dev", "label")) == 2


@pytest.mark.parametrize("name", ["unlabeled", "unlabelled"])
def test_unlabeled_rows_need_only_the_text(tmp_path, name):
    files = {"train__tsv": "text\tlabel\na\t0\nb\t1\n", f"{name}__txt": "one\ntwo\nthree\n"}
    prepare(tmp_path, dev__tsv=files["train__tsv"], **files)
    assert column(tmp_path, "unlabeled", "text_a") == ["one", "two", "three"]


HEADERLESS = [
    ("a\t0\nb\t1\n", ["a", "b"], [None, None]),
    ("a\tb\t0\nc\td\t1\n", ["a", "c"], ["b", "d"]),
]


@pytest.mark.parametrize(("content", "first", "second"), HEADERLESS)
@pytest.mark.parametrize(("ending", "separator"), [("tsv", "\t"), ("txt", "\t"), ("csv", ",")])
def test_without_a_header_the_texts_come_first(tmp_path, ending, separator, content, first, second):
    content = content.replace("\t", separator)
    dev = content.splitlines()[1] + "\n"
    prepared, _ = prepare(tmp_path, **{f"train__{ending}": content, f"dev__{ending}": dev})
    assert prepared.pair == (second != [None, None])
    assert column(tmp_path, "train", "text_a") == first
    assert column(tmp_path, "train", "text_b") == second
    assert labels(tmp_path, "train") == ["0", "1"]
    assert labels(tmp_path, "dev") == ["1"]


@pytest.mark.parametrize("content", ["a\nb\n", "a\tb\tc\t0\nd\te\tf\t1\n"])
def test_other_numbers_of_columns_need_a_header(tmp_path, content):
    message = r"train\.tsv has \d columns and no header.*columns: \{text: 1, label: 2\}"
    refused(tmp_path, message, train__tsv=content)


@pytest.mark.parametrize(
    ("header", "pair"),
    [
        ("text label", False),
        ("sentence label", False),
        ("content label", False),
        ("review label", False),
        ("TEXT Label", False),
        ("text_a text_b label", True),
        ("sentence1 sentence2 label", True),
        ("premise hypothesis label", True),
        ("question1 question2 label", True),
        ("question sentence label", True),
        ("Premise Hypothesis LABEL", True),
    ],
)
def test_usual_column_names_are_known_in_any_order(tmp_path, header, pair):
    names = header.split()
    rows = [["a", "b", "0"], ["c", "d", "1"]]
    rows = rows if pair else [[row[0], row[2]] for row in rows]
    files = {}
    for split, order in (("train", 1), ("dev", -1)):
        files[f"{split}__tsv"] = "\n".join("\t".join(row[::order]) for row in [names, *rows])
    files["test__tsv"] = "\n".join("\t".join(["x", *row, "y"]) for row in [names, *rows])
    assert prepare(tmp_path, **files)[0].pair == pair
    for split in ("train", "dev", "test"):
        assert column(tmp_path, split, "text_a") == ["a", "c"]
        assert column(tmp_path, split, "text_b") == (["b", "d"] if pair else [None, None])
        assert labels(tmp_path, split) == ["0", "1"]


OTHER = "id,what,kind\n7,good film,pos\n8,bad film,neg\n"


@pytest.mark.parametrize(
    ("section", "content"),
    [
        ({"columns": {"text": "what", "label": "kind"}}, OTHER),
        ({"columns": {"text": 2, "label": 3}, "header": True}, OTHER),
        ({"columns": {"text": 2, "label": 3}}, OTHER.split("\n", 1)[1]),
        ({"columns": {"text_a": 2, "text_b": 1, "label": 3}}, OTHER.split("\n", 1)[1]),
        ({"columns": {"text": 4, "label": 2}}, "x,pos,,good film\ny,neg,*,bad film\n"),
        (
            {"columns": {"text": "label", "label": "text"}},
            "label,text\ngood film,pos\nbad film,neg\n",
        ),
    ],
)
def test_columns_are_given_by_name_or_position(tmp_path, section, content):
    prepared, _ = prepare(tmp_path, section, train__csv=content, dev__csv=content)
    assert column(tmp_path, "train", "text_a") == ["good film", "bad film"]
    assert labels(tmp_path, "dev") == ["pos", "neg"]
    assert prepared.pair == ("text_b" in section["columns"])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"columns": {"text": "what", "label": "nope"}}, "no column nope; it has id, what, kind"),
        ({"columns": {"text": 2, "label": 4}}, "has 3 columns; there is no column 4"),
        (
            {"columns": {"text": "what", "label": "kind"}, "header": False},
            r"no header \(header: false\); give columns as positions",
        ),
        ({"header": True}, r"no column text \(or text_a and text_b\); it has id, what, kind"),
        ({}, r"has 3 columns.*|is the first line a header\? If so, name its columns"),
    ],
)
def test_missing_columns_are_refused(tmp_path, section, message):
    error = refused(tmp_path, message, section, train__csv=OTHER, dev__csv=OTHER)
    assert "train.csv" in error


def test_a_column_without_a_target_or_with_two_is_refused(tmp_path):
    message = (
        r"train\.tsv has no column label or score; it has text, kind; rename one, or set columns"
    )
    refused(tmp_path, message, train__tsv="text\tkind\na\t0\n")
    message = r"train\.tsv has the columns label and score; it has .*; rename one, or set columns"
    refused(tmp_path, message, train__tsv="text\tlabel\tscore\na\t0\t1\n")


def test_dev_must_have_the_columns_that_train_has(tmp_path):
    files = {"train__tsv": "text_a\ttext_b\tlabel\na\tb\t0\nc\td\t1\n", "dev__tsv": TRAIN}
    refused(tmp_path, r"dev\.tsv has no column text_b, as train has.*it has text, label", **files)


UNKNOWN = "what\tkind\n"
ROWS = "".join(f"text {i}\t{i % 2}\n" for i in range(12))


@pytest.mark.parametrize(
    "files",
    [
        {"train__tsv": UNKNOWN + "a\t0\nb\t1\n", "dev__tsv": UNKNOWN + "b\t1\n"},
        {"train__tsv": UNKNOWN + ROWS},
    ],
)
def test_a_header_of_unknown_names_is_not_taken_for_a_row(tmp_path, files):
    message = r"train\.tsv: is the first line a header\?.*columns: .*header: false"
    refused(tmp_path, message, **files)
    columns = {"columns": {"text": "what", "label": "kind"}}
    prepared, _ = prepare(tmp_path, columns, **files)
    assert prepared.labels == ["0", "1"]


def test_a_header_of_unknown_names_in_dev_alone_is_refused(tmp_path):
    message = r"dev\.tsv: is the first line a header"
    refused(tmp_path, message, train__tsv=ROWS, dev__tsv=UNKNOWN + ROWS)


def test_a_first_row_like_no_other_passes_with_header_false(tmp_path):
    content = "a\t2\n" + "b\t0\nc\t1\n" * 6
    refused(tmp_path, "is the first line a header", train__tsv=content, dev__tsv="c\t0\n")
    prepared, _ = prepare(tmp_path, {"header": False}, train__tsv=content, dev__tsv="c\t0\n")
    assert prepared.labels == ["0", "1", "2"]
    assert len(column(tmp_path, "train", "label")) == 13


def lines(*rows: str) -> str:
    """Rows with | for tabs."""
    return "".join(row.replace("|", "\t") + "\n" for row in rows)


MNLI_HEAD = (
    "index|promptID|pairID|genre|sentence1_binary_parse|sentence2_binary_parse|sentence1_parse|"
    "sentence2_parse|sentence1|sentence2|"
)
STSB_HEAD = "index|genre|filename|year|old_index|source1|source2|sentence1|sentence2|score"
QQP_HEAD = "id|qid1|qid2|question1|question2|is_duplicate"
CLASSES = ["accuracy", "f1_macro"]
# Benchmark: its files; labels; metrics; each split's first texts, second texts, labels or scores.
PUBLISHED = {
    "glue/cola": (
        {
            "train__tsv": lines(
                "gj04|1||The book fell.", 'gj04|0|*|"The book fell', "cj99|1||It is."
            ),
            "dev__tsv": lines("bc01|0|??|Books sent.").rstrip("\n"),
        },
        ["unacceptable", "acceptable"],
        ["matthews", *CLASSES],
        {
            "train": (["The book fell.", '"The book fell', "It is."], None, [1, 0, 1]),
            "dev": (["Books sent."], None, [0]),
        },
    ),
    "glue/sst2": (
        {
            "train__tsv": lines("sentence|label", "no wit , only gags |0", "that loves |1"),
            "dev__tsv": lines("sentence|label", "it 's a charming journey . |1"),
        },
        ["negative", "positive"],
        CLASSES,
        {
            "train": (["no wit , only gags ", "that loves "], None, [0, 1]),
            "dev": (["it 's a charming journey . "], None, [1]),
        },
    ),
    "glue/mrpc": (
        {
            "train__tsv": lines(
                "Quality|#1 ID|#2 ID|#1 String|#2 String",
                '1|702876|702977|Amrozi called " the witness|Referring to " the witness " .',
                "0|2108705|2108831|Yucaipa owned it .|Yucaipa bought it .",
            ),
            "dev__tsv": "\ufeff"
            + lines("Quality|#1 ID|#2 ID|#1 String|#2 String", '0|13|14|He said .|" He did not .'),
        },
        ["not_equivalent", "equivalent"],
        ["accuracy", "f1", "f1_macro"],
        {
            "train": (
                ['Amrozi called " the witness', "Yucaipa owned it ."],
                ['Referring to " the witness " .', "Yucaipa bought it ."],
                [1, 0],
            ),
            "dev": (["He said ."], ['" He did not .'], [0]),
        },
    ),
    "glue/stsb": (
        {
            "train__tsv": lines(
                STSB_HEAD,
                "0|main-captions|MSRvid|2012test|0001|none|none|A plane.|An air plane.|5.000",
                "1|main-captions|MSRvid|2012test|0004|none|none|A man plays.|A man sits.|3.8",
            ),
            "dev__tsv": lines(STSB_HEAD, "0|main-news|x|2015|0000|none|none|A hat.|A cat.|0"),
        },
        [],
        ["pearson", "spearman"],
        {
            "train": (["A plane.", "A man plays."], ["An air plane.", "A man sits."], [5.0, 3.8]),
            "dev": (["A hat."], ["A cat."], [0.0]),
        },
    ),
    "glue/qqp": (
        {
            "train__tsv": lines(
                QQP_HEAD,
                "133273|213221|213222|How is life?|What is life?|0",
                "402555|536040|536041|How do I grow?|",
                '360472|364011|490273|What "is|Why is?|1',
                "150662|155721|7256|What can one do?||0",
            ),
            "dev__tsv": lines(QQP_HEAD, "1|2|3|Why?|Why not?|1", "201359|303345", "5|6|7|a|b|0"),
        },
        ["not_duplicate", "duplicate"],
        ["accuracy", "f1", "f1_macro"],
        {
            "train": (["How is life?", 'What "is'], ["What is life?", "Why is?"], [0, 1]),
            "dev": (["Why?", "a"], ["Why not?", "b"], [1, 0]),
        },
    ),
    "glue/mnli": (
        {
            "train__tsv": lines(
                MNLI_HEAD + "label1|gold_label",
                "0|1|1n|government|( a )|( b )|(A)|(B)|Cream skimming.|Geography.|x|neutral",
                "1|2|2e|telephone|( a )|( b )|(A)|(B)|You know.|You lose.|x|entailment",
                "2|3|3c|fiction|( a )|( b )|(A)|(B)|One of us.|No one.|x|contradiction",
            ),
            "dev_matched__tsv": lines(
                MNLI_HEAD + "label1|label2|label3|label4|label5|gold_label",
                "0|6|6e|slate|( a )|( b )|(A)|(B)|New rights.|Everyone.|x|x|x|x|x|contradiction",
            ),
            "dev_mismatched__tsv": lines(
                MNLI_HEAD + "label1|label2|label3|label4|label5|gold_label",
                "0|7|7e|letters|( a )|( b )|(A)|(B)|Your gift.|Hundreds.|x|x|x|x|x|entailment",
            ),
        },
        ["entailment", "neutral", "contradiction"],
        CLASSES,
        {
            "train": (
                ["Cream skimming.", "You know.", "One of us."],
                ["Geography.", "You lose.", "No one."],
                [1, 0, 2],
            ),
            "dev": (["New rights."], ["Everyone."], [2]),
            "dev_mismatched": (["Your gift."], ["Hundreds."], [0]),
        },
    ),
    "glue/qnli": (
        {
            "train__tsv": lines(
                "index|question|sentence|label",
                "0|When did it start?|It was in 1937.|not_entailment",
                "1|What is it?|It is a war.|entailment",
            ),
            "dev__tsv": lines(
                "index|question|sentence|label", "0|What came?|As of that.|entailment"
            ),
        },
        ["entailment", "not_entailment"],
        CLASSES,
        {
            "train": (
                ["When did it start?", "What is it?"],
                ["It was in 1937.", "It is a war."],
                [1, 0],
            ),
            "dev": (["What came?"], ["As of that."], [0]),
        },
    ),
    "glue/rte": (
        {
            "train__tsv": lines(
                "index|sentence1|sentence2|label",
                "0|No weapons found.|Weapons found.|not_entailment",
                "1|A place of sorrow.|There is sorrow.|entailment",
            ),
            "dev__tsv": lines("index|sentence1|sentence2|label", "0|Dana.|Reeve.|not_entailment"),
        },
        ["entailment", "not_entailment"],
        CLASSES,
        {
            "train": (
                ["No weapons found.", "A place of sorrow."],
                ["Weapons found.", "There is sorrow."],
                [1, 0],
            ),
            "dev": (["Dana."], ["Reeve."], [1]),
        },
    ),
    "glue/wnli": (
        {
            "train__tsv": lines(
                "index|sentence1|sentence2|label",
                "0|I stuck a pin in it.|The carrot had a hole.|1",
                "1|John sees her.|Nobody sees her.|0",
            ),
            "dev__tsv": lines("index|sentence1|sentence2|label", "0|The drain.|The hair.|0"),
        },
        ["not_entailment", "entailment"],
        CLASSES,
        {
            "train": (
                ["I stuck a pin in it.", "John sees her."],
                ["The carrot had a hole.", "Nobody sees her."],
                [1, 0],
            ),
            "dev": (["The drain."], ["The hair."], [0]),
        },
    ),
    "trec": (
        {
            "TREC__train": b"DESC:manner How ?\nNUM:date When ?\nDESC:def What ?\nNUM:other 1 ?\n",
            "TREC__test": "NUM:dist How far is Málaga ?\n".encode("latin-1"),
        },
        ["DESC", "NUM"],
        CLASSES,
        {
            "test": (["How far is Málaga ?"], None, [1]),
        },
    ),
}


@pytest.mark.parametrize("benchmark", PUBLISHED)
def test_published_files_are_read_as_they_are(tmp_path, benchmark):
    files, names, metrics, expected = PUBLISHED[benchmark]
    # The published test files have no labels.
    prepared, notices = prepare(
        tmp_path, {"benchmark": benchmark}, test__tsv="index\tsentence\n0\ta\n", **files
    )
    kind = "classification" if names else "regression"
    assert (prepared.kind, prepared.labels, prepared.metrics) == (kind, names, metrics)
    splits = ["train", "dev", "test"] if benchmark == "trec" else list(expected)
    assert prepared.splits == list(notices) == splits
    for split, (first, second, target) in expected.items():
        assert prepared.pair == (second is not None)
        assert column(tmp_path, split, "text_a") == first
        assert column(tmp_path, split, "text_b") == (second or [None] * len(first))
        assert column(tmp_path, split, prepared.target) == target
    broken = {split: counts.get("broken_left_out", 0) for split, counts in notices.items()}
    assert broken == {split: 0 for split in splits} | (
        {"train": 2, "dev": 1} if "qqp" in benchmark else {}
    )


def test_other_benchmarks_do_not_skip_broken_lines(tmp_path):
    files = {**PUBLISHED["glue/rte"][0]}
    files["train__tsv"] += "2\tone\ttwo\n"
    refused(tmp_path, r"train\.tsv, line 4: 3 fields", {"benchmark": "glue/rte"}, **files)


def test_a_label_that_the_benchmark_lacks_is_refused(tmp_path):
    files = {**PUBLISHED["glue/sst2"][0]}
    files["dev__tsv"] += "so so\t2\n"
    message = r"dev\.tsv, line 3: label '2' .*; the labels are negative, positive"
    refused(tmp_path, message, {"benchmark": "glue/sst2"}, **files)


def test_another_metric_and_other_labels_may_be_chosen_for_a_benchmark(tmp_path):
    section = {"benchmark": "glue/sst2", "metric": "f1", "labels": {1: "good", 0: "bad"}}
    prepared, _ = prepare(tmp_path, section, **PUBLISHED["glue/sst2"][0])
    assert (prepared.labels, prepared.metric) == (["good", "bad"], "f1")
    assert labels(tmp_path, "train") == ["bad", "good"]


@pytest.mark.parametrize("line", ["How far ?", "NUM How far ?", "NUM:dist ", "NUM:dist", ""])
def test_a_trec_line_without_label_or_words_is_refused(tmp_path, line):
    content = f"NUM:dist How far ?\n{line}\nDESC:def What ?\n"
    message = r"TREC\.train, line 2: must be `LABEL:fine text`"
    refused(tmp_path, message, {"benchmark": "trec"}, TREC__train=content)


# Folder; benchmark; rows; notices. The numbers: shared/data/README.md.
REAL = [
    ("glue/SST-2", "glue/sst2", {"train": 67349, "dev": 872}, {("train", "duplicates"): 371}),
    ("glue/MRPC", "glue/mrpc", {"train": 3668, "dev": 408}, {}),
    ("glue/STS-B", "glue/stsb", {"train": 5749, "dev": 1500}, {("dev", "also_in_train"): 6}),
    ("glue/CoLA", "glue/cola", {"train": 8551, "dev": 1043}, {("dev", "also_in_train"): 16}),
    (
        "zh/chnsenticorp",
        None,
        {"train": 9600, "dev": 1200, "test": 1200},
        {("dev", "also_in_train"): 338},
    ),
    ("seed", None, {"train": 11296, "dev": 3000}, {}),
    (
        "trec",
        "trec",
        {"train": 4904, "dev": 548, "test": 500},
        {("dev", "taken_from_train"): 548},
    ),
]


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize(("name", "benchmark", "rows", "known"), REAL, ids=[row[0] for row in REAL])
def test_real_data_is_read_completely(tmp_path, name, benchmark, rows, known):
    prepared, notices = prepare_task(DATA / name, tmp_path / "out", TaskData(benchmark=benchmark))
    for split, count in rows.items():
        assert len(column(tmp_path, split, "text_a")) == count
    assert prepared.splits == list(rows)
    spelled = {"duplicates": "near_duplicates", "also_in_train": "nearly_in_train"}
    for (split, key), value in known.items():  # the data's README counts exact texts
        assert notices[split][key] - notices[split].get(spelled.get(key), 0) == value


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize(
    ("name", "benchmark", "header", "columns"),
    [
        ("glue/SST-2", "glue/sst2", 0, {"text_a": "sentence", "label": "label"}),
        (
            "glue/MRPC",
            "glue/mrpc",
            0,
            {"text_a": "#1 String", "text_b": "#2 String", "label": "Quality"},
        ),
        (
            "glue/STS-B",
            "glue/stsb",
            0,
            {"text_a": "sentence1", "text_b": "sentence2", "score": "score"},
        ),
        ("glue/CoLA", "glue/cola", None, {"text_a": 3, "label": 1}),
        ("zh/chnsenticorp", None, 0, {"text_a": "text_a", "label": "label"}),
    ],
)
def test_real_data_is_what_pandas_reads(tmp_path, name, benchmark, header, columns):
    prepared, _ = prepare_task(DATA / name, tmp_path / "out", TaskData(benchmark=benchmark))
    for split in prepared.splits:
        table = pd.read_csv(
            DATA / name / f"{split}.tsv",
            sep="\t",
            header=header,
            quoting=csv.QUOTE_NONE,
            keep_default_na=False,
            dtype=str,
            encoding="utf-8-sig",
            lineterminator="\n",
        )
        for role, name_or_index in columns.items():
            expected = table[name_or_index].str.rstrip("\r")
            if role in ("label", "score"):
                expected = expected.astype(float)
            assert column(tmp_path, split, role) == expected.tolist()


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not here")
def test_trec_loses_no_question_and_counts_those_of_train(tmp_path):
    """Ten repeat exactly; the data's README counts one more, which differs in case."""
    _, notices = prepare_task(DATA / "trec", tmp_path / "out", TaskData(benchmark="trec"))
    texts = {}
    for split in ("train", "test"):
        raw = (DATA / f"trec/TREC.{split}").read_bytes().decode("latin-1").splitlines()
        texts[split] = [line.split(" ", 1)[1] for line in raw]
    train = column(tmp_path, "train", "text_a")
    assert sorted(train + column(tmp_path, "dev", "text_a")) == sorted(texts["train"])
    assert column(tmp_path, "test", "text_a") == texts["test"]
    assert len(set(texts["train"]) & set(texts["test"])) == 10
    repeats = sum(text in set(train) for text in texts["test"])
    assert notices["test"]["also_in_train"] - notices["test"]["nearly_in_train"] == repeats > 0
    assert notices["dev"]["also_in_train"] == 0


def test_a_header_inside_a_file_is_refused(tmp_path):
    content = "text,label\na,0\nb,1\ntext,label\nc,0\n"
    refused(tmp_path, r"train\.csv, line 4: is the header once more", train__csv=content)
