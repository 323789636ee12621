"""Which pretrained model suits a task's texts, and what follows from it for params.yaml."""

from typing import NamedTuple

import numpy as np
import regex
from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from tinybert.commands import recipe
from tinybert.commands.languages import URL, WORD, Language
from tinybert.distillation.layers import layer_map, parts
from tinybert.models import checks, pretrained
from tinybert.models.source import locate, weight_files
from tinybert.pipeline import params
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import file_sha256
from tinybert.pipeline.schema import Params

# Its vocabulary is that of 100 languages; 12 layers of the default's width (docs/recipes.md).
MULTILINGUAL = "intfloat/multilingual-e5-small"
UNKNOWN = 0.05  # share of the tokens of words; published data has less
# Tokens for each letter: a model that knows the script has 0.2 to 0.4, and 0.6 to 1 where a letter
# is a syllable or a word; one that does not has a token for each letter, or for each byte.
SPELT, SPELT_SYLLABLES = 0.7, 1.3
SYLLABIC = ("Han", "Hangul")
LETTER = regex.compile(r"\p{L}")
LATIN = regex.compile(r"\p{Latin}+")
RECIPE = "own_task"
RECIPES = {"zh": "own_task_chinese"}  # by language: recipes with a model of their own
WIDE = 512  # from this width on, the teacher's learning rate is BERT's
LR, NARROW_LR = "3e-5", "2e-4"  # BERT, appendix A.3; the default's, measured for narrow models


class Fit(NamedTuple):
    """How a tokenizer reads words: the share of unknown tokens, and tokens for each letter."""

    unknown: float
    per_letter: float


def fit(texts: list[str], tokenizer: PreTrainedTokenizerBase, language: Language | None) -> Fit:
    """How the words of texts are read. URLs do not count, nor do Latin words where most words are
    of another script: each model knows the names of brands, and they would hide the others."""
    texts = [URL.sub(" ", text) for text in texts]
    if language and language.script != "Latin":
        texts = [LATIN.sub(" ", text) for text in texts]
    texts = [" ".join(WORD.findall(text)) for text in texts]
    if not any(texts):
        return Fit(0.0, 0.0)
    encoded = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    tokens = np.concatenate([np.asarray(row, np.int64) for row in encoded])
    count = sum(len(LETTER.findall(text)) for text in texts)
    unknown = int((tokens == tokenizer.unk_token_id).sum())
    return Fit(unknown / max(1, len(tokens)), len(tokens) / count)


def cannot_read(found: Fit, language: Language | None) -> bool:
    """Whether much of what the texts say does not reach the model. What is no letter, such as
    emoji, does not decide: prepare_task tells which of it the model does not know."""
    if found.unknown > UNKNOWN:
        return True
    if language is None or language.script == "Latin":  # all models spell Latin letters well
        return False
    limit = SPELT_SYLLABLES if language.script in SYLLABIC else SPELT
    return found.per_letter > limit


def proposed(language: Language | None) -> str:
    """A model for texts of the language that the model of params.yaml cannot read."""
    name = RECIPES.get(language.code) if language else None
    return recipe.overlay(name)["pretrained"]["model"] if name else MULTILINGUAL


def recipe_of(language: Language | None, model: str) -> tuple[str, dict]:
    """The recipe for texts of the language with this model, and its values without the model's."""
    name = RECIPES.get(language.code, RECIPE) if language else RECIPE
    values = recipe.overlay(name)
    if values.pop("pretrained", {"model": model})["model"] != model:
        return RECIPE, recipe.overlay(RECIPE)
    return name, values


def with_values(values: dict, name: str) -> Params:
    """params.yaml with a recipe's values. name: of the recipe, for messages."""
    text, _ = recipe.edited([(values, "")], f"the recipe {name}", params.FILE)
    return params.parse(text, params.FILE)


def load(
    settings: Params, model: str | None, option: str = "--model"
) -> tuple[str, PreTrainedConfig, PreTrainedTokenizerBase]:
    """The model to use, or that of params.yaml; its config and tokenizer. option: which names it,
    for errors. Raises InputError if it cannot be loaded."""
    name = model or settings.pretrained.model
    revision = settings.pretrained.revision if name == settings.pretrained.model else None
    key = option if model else "pretrained.model"
    config, tokenizer = pretrained.read_config(name, revision, key)
    checks.check_tokenizer(config, tokenizer, name)
    return name, config, tokenizer


def weights_sha256(name: str) -> str:
    """The hash of a model's weights, which pretrained.sha256 expects."""
    source, options = locate(name, None, "--model")
    return file_sha256(*weight_files(source, **options))


def changes(name: str, config: PreTrainedConfig, settings: Params, option: str = "--model") -> dict:
    """What another model than that of params.yaml changes there: the student's sizes where they do
    not fit, and the teacher's learning rate. option: as of load. Raises InputError if no sizes
    fit."""
    if name == settings.pretrained.model:
        return {}
    student, values = settings.student, {}
    heads, width = config.num_attention_heads, min(student.hidden_size, config.hidden_size)
    width = max(heads, width // heads * heads)
    layers = config.num_hidden_layers
    values["student"] = {
        "num_hidden_layers": _divisor(layers, min(student.num_hidden_layers, layers)),
        "hidden_size": width,
        "num_attention_heads": heads,
    }
    if student.embedding_rank and student.embedding_rank >= width:
        values["student"]["embedding_rank"] = max(1, width // 4)
    if student.is_published:
        raise InputError(
            f"{option} {name}: student.init in params.yaml is {student.init}, a student of another "
            "teacher; set it to projection"
        )
    if student.init == "projection":
        try:
            parts.check_projection(config, width)
        except InputError:
            values["student"]["init"] = "random"
            values["general"] = {"epochs": max(1, settings.general.epochs)}
    if settings.layer_loss.layer_map != "uniform":
        values["layer_loss"] = {"layer_map": "uniform"}
    proposed = student.model_copy(update=values["student"])
    layer_map.check(config, proposed, "uniform")
    if config.hidden_size >= WIDE:
        values["teacher"] = {"lr": recipe.read(LR)}
    elif settings.teacher.lr == float(LR):  # of a wide model that was chosen before
        values["teacher"] = {"lr": recipe.read(NARROW_LR)}
    values["pretrained"] = {"model": name, "revision": None, "sha256": None}
    return values


def _divisor(number: int, most: int) -> int:
    """The largest divisor of a number that is at most `most`."""
    return next(n for n in range(most, 0, -1) if number % n == 0)
