"""Columns of words and tags, a word a line: what is read, what is no word, what is named."""

import pytest
from raw_tasks import column, notices, prepare, refused
from tagged_files import SENTENCES, TOKENS, conll, is_expected


@pytest.mark.parametrize("separator", ["\t", " ", "  "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("middle", ["", "NNP{0}B-NP{0}"])
def test_columns_are_separated_by_tabs_or_spaces(tmp_path, separator, end, middle):
    """The word is the first column, its tag the last one."""
    text = conll(SENTENCES, separator, end, middle.format(separator))
    prepare(tmp_path, TOKENS, train__conll=f"\ufeff{text}", dev__txt=text)
    is_expected(tmp_path)
    assert column(tmp_path, "train", "text_a") == ["Ada Lovelace met Bo", "Rome is # 1"]


def test_documents_comments_and_headers_are_no_words(tmp_path):
    text = conll(SENTENCES)
    marked = f"-DOCSTART-\tO\n\n# id = 7\n{text}\n\n# a comment of words\n{conll(SENTENCES[:1])}"
    prepare(tmp_path, TOKENS, train__conll=f"tokens\ttags\n{text}", dev__conll=marked)
    is_expected(tmp_path)
    assert column(tmp_path, "dev", "words") == [SENTENCES[i][0] for i in (0, 1, 0)]


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_a_comment_with_as_many_columns_as_words_is_no_word(tmp_path, separator):
    """# is one only with a tag that other lines have."""
    hash_first = (["#", "met"], ["O", "O"])
    rows = [*SENTENCES, hash_first]
    text = f"# doc1\n{conll(rows, separator)}\n# doc2\n# doc3\n{conll(SENTENCES[:1], separator)}"
    lines = notices(tmp_path, TOKENS, train__conll=text, dev__conll=conll(SENTENCES))
    assert column(tmp_path, "train", "words") == [words for words, _ in [*rows, SENTENCES[0]]]
    if separator == " ":
        assert "3 lines count as comments" in lines["comments"]
        assert "train.conll, line 1, '# doc1'" in lines["comments"]
    else:
        assert "comments" not in lines


def test_a_comment_of_ten_words_is_no_row_of_conll_u(tmp_path):
    rows = [f"{i} {word} _ {tag} _ _ _ _ _ _" for i, word, tag in [(1, "de", "ADP"), (2, "a", "X")]]
    text, columns = "\n".join(["# text = a b c d e f g", *rows, ""]), {"text": 2, "label": 4}
    prepare(tmp_path, TOKENS | {"columns": columns}, train__conll=text, dev__conll=text)
    assert column(tmp_path, "train", "words") == [["de", "a"]]


def test_a_word_of_white_space_is_named(tmp_path):
    text = "Ada\tB-PER\n\u3000\tO\n"
    message = r"train\.conll, line 2: the word '\\u3000' is white space alone; remove"
    refused(tmp_path, message, TOKENS, train__conll=text)
    refused(tmp_path, message, TOKENS, train__conll=text.replace("\t", " "))


def test_columns_can_be_named_by_position(tmp_path):
    text = "1\tAda\tB-PER\tx\n2\tmet\tO\tx\n\n1\tRome\tB-LOC\tx\n"
    section = {**TOKENS, "columns": {"text": 2, "label": 3}}
    prepare(tmp_path, section, train__tsv=text, dev__tsv=text)
    assert column(tmp_path, "train", "words") == [["Ada", "met"], ["Rome"]]


def test_lines_are_right_after_ranges_of_conll_u(tmp_path):
    rows = [("1-2", "du", "_"), ("1", "de", "O"), ("2", "le", "B-X"), ("2.1", "_", "_")]
    rows += [("3", "lac", "I-X"), ("4", "et", "I-Y"), ("5", "a", "O")]
    text = "\n".join("\t".join([i, word, "_", tag, *["_"] * 6]) for i, word, tag in rows) + "\n"
    section = TOKENS | {"columns": {"text": 2, "label": 4}}
    lines = notices(tmp_path, section, train__conll=text, dev__conll=text)
    assert "train.conll, line 6, I-Y after I-X" in lines["broken_sequences"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Ada\tB-PER\nmet\n",
            r"train\.conll, line 2: 'met' must be a word and its tag in 2 columns",
        ),
        ("Ada\nmet\n", "has one column"),
        ("Ada\tB-PER\nmet\t\n", r"line 2: 'met\\t' must be"),
        ("Ada\tB-PER\nmet\tX\n", "the tags X have no prefix"),
        ("Ada\tPER-B\nmet\tO\n", "the prefix of the tags PER-B must come first"),
        ("Ada\tO\nmet\tO\n", "all tags are O"),
        ("\n\n", "no sentences|empty"),
        ("1\tAda" + "\t_" * 8 + "\n", "CoNLL-U"),
        ("1-2\tdu" + "\t_" * 8 + "\n", "CoNLL-U"),
    ],
)
def test_wrong_columns_are_named(tmp_path, text, message):
    refused(tmp_path, message, TOKENS, train__conll=text)


def test_ranges_and_empty_nodes_of_conll_u_are_no_words(tmp_path):
    words = [("1-2", "du", "_"), ("1", "de", "ADP"), ("2", "le", "DET"), ("2.1", "_", "_")]
    lines = ("\t".join([i, word, "_", tag, *["_"] * 6]) for i, word, tag in words)
    text, columns = "\n".join(lines) + "\n", {"columns": {"text": 2, "label": 4}}
    prepare(tmp_path, TOKENS | columns, train__conll=text, dev__conll=text)
    assert column(tmp_path, "train", "words") == [["de", "le"]]
