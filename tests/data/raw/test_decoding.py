"""The encodings of raw files."""

import re

import pytest
from raw_tasks import TRAIN, column, prepare, refused

FRENCH = "le garçon a mangé une crêpe à la fenêtre, très déçu par l'été; c'était gâté"
GERMAN = "Der Film war großartig, die Schauspieler überzeugend, die Musik schön, leider völlig lang"
TRADITIONAL = "這間酒店環境和服務態度亦算不錯,但房間空間太小,中餐廳的廣東點心不太好吃"
SIMPLIFIED = "选择珠江花园的原因就是方便，有电动扶梯直接到达海边，周围餐馆、食廊、商场一应俱全"


@pytest.mark.parametrize(
    ("encoding", "text", "family"),
    [
        ("gb18030", SIMPLIFIED, "gb18030|gbk|gb2312"),
        ("big5", TRADITIONAL, "big5|big5hkscs|cp950"),
        ("cp1252", FRENCH, r"cp125\d|latin_\d|iso8859_\d+"),
        ("cp1252", GERMAN, r"cp125\d|latin_\d|iso8859_\d+"),
        ("utf-16", SIMPLIFIED, "utf_16"),
        ("utf-16", GERMAN, "utf_16"),
    ],
    ids=["simplified", "traditional", "french", "german", "utf-16 Chinese", "utf-16 German"],
)
def test_another_encoding_is_recognised_and_the_remedy_works(tmp_path, encoding, text, family):
    rows = f"text\tlabel\nplain\tpos\n{text}\tneg\n".encode(encoding)
    with pytest.raises(UnicodeDecodeError) as truth:
        rows.decode()
    position = f"byte {truth.value.start}, in line {1 + rows.count(10, 0, truth.value.start)}"
    files = {"train__tsv": rows, "dev__tsv": rows}
    error = refused(tmp_path, rf"train\.tsv is not UTF-8: {position}, .*Save it as UTF-8", **files)
    proposal = re.search(r"encoding: (\w+) under the task's data", error)
    assert proposal and re.fullmatch(family, proposal[1])
    prepare(tmp_path, {"encoding": proposal[1]}, **files)
    assert column(tmp_path, "train", "text_a") == ["plain", text]


@pytest.mark.parametrize("data", [b"\x80", b"\x00\x00\x80", b"text\tlabel\n\xff\xff\xfe\xfd\t0\n"])
def test_bytes_of_no_known_encoding_are_refused(tmp_path, data):
    error = refused(tmp_path, r"train\.tsv is not UTF-8: byte \d+, in line \d", train__tsv=data)
    assert "None" not in error


def test_the_wrong_encoding_is_named(tmp_path):
    files = {"train__tsv": TRAIN, "dev__tsv": "text\tlabel\ncafé\tpos\n"}
    error = refused(
        tmp_path, r"dev\.tsv is not ASCII: byte 14, in line 2", {"encoding": "ascii"}, **files
    )
    assert "0xc3" in error
