"""Tiny models and tokenizers, made on the spot: 2 layers, width 8."""

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertTokenizer,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

WORDS = (
    "good bad film great dull movie plot actor story boring brilliant terrible watch scene music "
    "the a is was and it of in this that very never always again one two three red blue green"
).split()
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "##ing"]
HOSTILE = '<img src=x onerror="window.hit=1">'  # would run if a page took it as it is
PIECES = 300  # of the byte-level vocabulary
# Of the settings of a student.
WHOLE_TABLE = {"revision": None, "vocabulary": "full", "min_count": 1, "embedding_rank": None}
FAMILIES = ("bert", "roberta", "electra", "narrow electra", "modernbert")


def tiny_config(**changes) -> BertConfig:
    sizes = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 64,
    }
    return BertConfig(**{**sizes, **changes})


def config_of(family: str, **changes) -> PreTrainedConfig:
    """A tiny config of one of FAMILIES; narrow electra has embeddings of half the width, and every
    other layer of modernbert sees two tokens to each side."""
    if family == "bert":
        return tiny_config(**changes)
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    sizes = {name: getattr(tiny_config(), name) for name in names}
    if family == "roberta":
        kind = RobertaConfig
        sizes |= {"vocab_size": PIECES, "max_position_embeddings": 66, "type_vocab_size": 1}
    elif family == "modernbert":
        kind = ModernBertConfig
        sizes |= {"vocab_size": PIECES, "max_position_embeddings": 64, "local_attention": 4}
        sizes |= {"global_attn_every_n_layers": 2, "pad_token_id": 1}
        sizes |= {"cls_token_id": 0, "bos_token_id": 0, "sep_token_id": 2, "eos_token_id": 2}
    else:
        kind = ElectraConfig
        sizes |= {"vocab_size": len(VOCABULARY), "max_position_embeddings": 64}
        sizes["embedding_size"] = 4 if family == "narrow electra" else 8
    return kind(**{**sizes, **changes})


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A new one: what it was last called with (truncation, padding) is saved with it."""
    core = Tokenizer(models.WordPiece({w: i for i, w in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return BertTokenizer(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )
