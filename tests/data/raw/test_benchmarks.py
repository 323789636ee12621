"""Benchmarks' published files, which are read as they are."""

import pytest
from raw_tasks import column, labels, prepare, refused


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
