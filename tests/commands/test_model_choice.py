"""The language of texts, whether a model reads them, and what another model changes."""

from pathlib import Path

import pytest
from transformers import AlbertConfig, BertConfig, BertTokenizer

from tinybert.commands import model_choice
from tinybert.commands.languages import Language, detect
from tinybert.distillation.layers import layer_map
from tinybert.pipeline import params

ROOT = Path(__file__).parents[2]
SENTENCES = {
    "en": "Where is my lamp? The card was charged for a chair that I did not buy.",
    "de": "Wo ist meine Lampe? Die Karte wurde belastet, obwohl ich den Stuhl nicht gekauft habe.",
    "fr": "Où est ma lampe ? La carte a été débitée pour une chaise que je n'ai pas achetée.",
    "es": "¿Dónde está mi lámpara? La tarjeta fue cargada por una silla que no compré.",
    "zh": "这部电影很好看，我非常喜欢。iPhone 也不错",
    "ja": "この映画はとても良かった。",
    "ko": "이 영화는 정말 좋았다",
    "ru": "Где моя лампа? С карты списали деньги за стул, который я не покупал",
    "uk": "Де моя лампа? З картки зняли гроші за стілець, який я не купував",
    "ar": "أين مصباحي؟ تم خصم المبلغ من البطاقة مقابل كرسي لم أشتره",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_the_language_of_a_sentence(code):
    assert detect([SENTENCES[code]]).code == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("iPhone手机很好用", "zh"),
        ("Windows 10 更新后 WiFi 连不上", "zh"),
        ("MacBook Pro 散热很差", "zh"),
        ("真的很好用https://item.shop.example/products/12345.html?from=search", "zh"),
        ("MacBook Proの発熱がひどい", "ja"),
        ("Galaxy S24 최고예요", "ko"),
        ("Где купить? HTTPS://WWW.shop.example/products/cheap/lamps/", "ru"),
        ("The word 你好 means hello, and it is the first that I learnt.", "en"),
    ],
)
def test_brands_and_addresses_do_not_decide(text, code):
    assert detect([text]).code == code


@pytest.mark.parametrize("text", ["", "1 2 3", "!?", "👍", "https://shop.example/a"])
def test_texts_without_letters_have_no_language(text):
    assert detect([text]) is None


def test_an_unknown_language_has_the_name_of_its_script():
    assert detect(["Lorem ipsum dolor consectetur"]) == Language(None, "Latin", "Latin")


def tokenizer_of(tmp_path, characters: str) -> BertTokenizer:
    """One token for each character."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    continued = [f"##{character}" for character in characters]
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join([*special, *characters, *continued]), encoding="utf-8")
    return BertTokenizer(vocab=str(file))


def can_read(texts: list[str], tokenizer) -> bool:
    language = detect(texts)
    return not model_choice.cannot_read(model_choice.fit(texts, tokenizer, language), language)


BRANDS = ["iPhone手机很好用", "Windows 10 更新后 WiFi 连不上", "MacBook Pro 散热很差"]
LATIN = "".join(map(chr, range(ord("a"), ord("z") + 1)))


@pytest.mark.parametrize("text", [*BRANDS, "Der Stuhl ist schön, aber 椅子坏了"])
def test_an_english_model_cannot_read_what_stands_among_brands(tmp_path, text):
    assert not can_read([text] * 20, tokenizer_of(tmp_path, LATIN))
    assert can_read([text] * 20, tokenizer_of(tmp_path, LATIN + "".join(sorted(set(text.lower())))))


def test_a_model_of_bytes_cannot_read_what_stands_among_brands(byte_tokenizer):
    assert not can_read(BRANDS, byte_tokenizer)


def test_a_script_without_a_name_is_no_choice_either(tokenizer):
    assert detect(["ሰላም ለዓለም"]) is None and not can_read(["ሰላም ለዓለም"], tokenizer)


def test_emoji_and_addresses_do_not_rule_a_model_out(tokenizer):
    assert can_read(["good film 👍👍👍 https://shop.example/a", "👎"], tokenizer)


def test_a_model_that_lacks_the_characters_cannot_read_them(tmp_path, tokenizer):
    chinese, russian = [SENTENCES["zh"]], [SENTENCES["ru"]]
    knows = tokenizer_of(tmp_path, "".join(sorted(set(SENTENCES["zh"].lower()))))
    spells = tokenizer_of(tmp_path, "".join(sorted(set(SENTENCES["ru"].lower()))))

    assert not can_read(chinese, tokenizer)
    assert can_read(chinese, knows)
    assert not can_read(russian, spells)  # a token for each letter


def settings():
    return params.load(path=ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("layers", "width", "heads"),
    [(12, 768, 12), (24, 1024, 16), (12, 384, 12), (2, 128, 2), (8, 512, 8), (7, 320, 5)],
)
def test_the_students_sizes_fit_the_model(layers, width, heads):
    config = BertConfig(num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads)
    changed = model_choice.changes("owner/model", config, settings())
    student = settings().student.model_dump() | changed["student"]
    student = type(settings().student).model_validate(student)  # the schema's own checks
    layer_map.check(config, student, "uniform")
    assert student.hidden_size <= width and student.num_hidden_layers <= 3
    assert changed["pretrained"] == {"model": "owner/model", "revision": None, "sha256": None}
    assert (changed.get("teacher", {}).get("lr") == 3e-5) == (width >= 512)


def test_a_wide_models_learning_rate_goes_with_it():
    before = settings()
    before.teacher.lr = 3e-5
    changed = model_choice.changes("owner/model", BertConfig(hidden_size=384), before)
    assert changed["teacher"]["lr"] == settings().teacher.lr == 2e-4
    before.teacher.lr = 1e-3  # the user's
    assert "teacher" not in model_choice.changes("owner/model", BertConfig(hidden_size=384), before)


def test_the_recipe_follows_language_and_model(monkeypatch):
    monkeypatch.chdir(ROOT)
    chinese, german = detect([SENTENCES["zh"]]), detect([SENTENCES["de"]])
    model = model_choice.proposed(chinese)
    name, values = model_choice.recipe_of(chinese, model)
    assert name == "own_task_chinese" and values["augment"]["language"] == "zh"
    assert "pretrained" not in values  # the model's own changes have it
    for language, chosen in ((chinese, "owner/bert"), (german, model), (None, model)):
        assert model_choice.recipe_of(language, chosen)[0] == "own_task"


def test_the_model_of_params_changes_nothing():
    name = settings().pretrained.model
    assert model_choice.changes(name, BertConfig(), settings()) == {}


def test_layers_that_closed_form_cannot_read_start_at_random():
    config = AlbertConfig(
        vocab_size=40, embedding_size=8, hidden_size=768, num_attention_heads=12,
        num_hidden_layers=12, intermediate_size=64,
    )  # fmt: skip
    changed = model_choice.changes("owner/model", config, settings())
    assert changed["student"]["init"] == "random" and changed["general"]["epochs"] == 1
