"""Damages of a folder with a tiny BERT, and what the errors say."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, processors

WEIGHTS = "model.safetensors"


def cut(name: str, share: float) -> Callable[[Path], None]:
    """Keeps the first part of a file."""

    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * share)])

    return damage


def write(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text) and None


def edit(name: str, **changes) -> Callable[[Path], None]:
    """Changes keys of a JSON file; None removes a key."""

    def damage(folder: Path) -> None:
        values = {**json.loads((folder / name).read_text()), **changes}
        values = {key: value for key, value in values.items() if value is not None}
        (folder / name).write_text(json.dumps(values))

    return damage


def remove(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink(missing_ok=True) for name in names] and None


def set_weight(value: float) -> Callable[[Path], None]:
    """One number of one weight."""

    def damage(folder: Path) -> None:
        weights = load_file(folder / WEIGHTS)
        name = next(name for name in weights if "layer.1.output.dense.weight" in name)
        weights[name][3, 2] = value
        save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})

    return damage


def change_tokenizer(change: Callable[[Tokenizer, dict], None]) -> Callable[[Path], None]:
    """change: of the tokenizer, and of the content of tokenizer.json."""

    def damage(folder: Path) -> None:
        file = folder / "tokenizer.json"
        tokenizer = Tokenizer.from_file(str(file))
        content: dict = {}
        change(tokenizer, content)
        values = json.loads(tokenizer.to_str())
        values["model"]["vocab"] = content.get("vocab", values["model"]["vocab"])
        file.write_text(json.dumps(values))

    return damage


def keep_half(tokenizer: Tokenizer, content: dict) -> None:
    content["vocab"] = {w: i for w, i in tokenizer.get_vocab().items() if i < 21}


def add_words(tokenizer: Tokenizer, content: dict) -> None:
    tokenizer.add_tokens(["another", "more"])


def add_no_special_tokens(tokenizer: Tokenizer, content: dict) -> None:
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B")


def shard(folder: Path) -> list[str]:
    """Writes the weights in two files and their index, as large models are published."""
    weights = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    keys = sorted(weights)
    parts = [keys[: len(keys) // 2], keys[len(keys) // 2 :]]
    places = {}
    for name, part in zip(names, parts, strict=True):
        save_file({k: weights[k] for k in part}, folder / name, metadata={"format": "pt"})
        places |= dict.fromkeys(part, name)
    size = sum(weight.nbytes for weight in weights.values())
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    return names


def lose_a_shard(folder: Path) -> None:
    (folder / shard(folder)[1]).unlink()


def point_outside(folder: Path) -> None:
    shard(folder)
    write(f"{WEIGHTS}.index.json", json.dumps({"weight_map": {"a": "../model.safetensors"}}))(
        folder
    )


def list_numbers(folder: Path) -> None:
    shard(folder)
    write(f"{WEIGHTS}.index.json", '{"weight_map": {"a": 1}}')(folder)


def list_pickles(folder: Path) -> None:
    index = {"weight_map": {"a": "pytorch_model.bin"}}
    (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
    write(f"{WEIGHTS}.index.json", json.dumps(index))(folder)


def half_a_shard(folder: Path) -> None:
    cut(shard(folder)[1], 0.5)(folder)


def a_weight_in_two_shards(folder: Path) -> None:
    first, second = (folder / name for name in shard(folder))
    name, weight = next(iter(load_file(first).items()))
    save_file({**load_file(second), name: weight + 1}, second, metadata={"format": "pt"})


def round_weights(folder: Path) -> None:
    """As a model that was saved in 8 bits."""
    weights = {name: (10 * w).to(torch.int8) for name, w in load_file(folder / WEIGHTS).items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def finish_with_zeros(folder: Path) -> None:
    """As a download that reserved the space and did not finish."""
    content = (folder / WEIGHTS).read_bytes()
    half = len(content) // 2
    (folder / WEIGHTS).write_bytes(content[:half] + bytes(len(content) - half))


def half_an_index(folder: Path) -> None:
    shard(folder)
    cut(f"{WEIGHTS}.index.json", 0.5)(folder)


UNREADABLE = r"config\.json"
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "no tokenizer files": (
        remove("tokenizer.json", "tokenizer_config.json"), r"no tokenizer\.json and no vocab\.txt",
    ),
    "half tokenizer.json": (cut("tokenizer.json", 0.5), r"tokenizer\.json of \S+ cannot be read"),
    "empty tokenizer.json": (cut("tokenizer.json", 0), r"tokenizer\.json of \S+ cannot be read"),
    "[] as tokenizer.json": (write("tokenizer.json", "[]"), r"tokenizer\.json of \S+ cannot be"),
    "{} as tokenizer.json": (write("tokenizer.json", "{}"), r"tokenizer\.json .*cannot be read"),
    "bytes as tokenizer.json": (
        lambda folder: (folder / "tokenizer.json").write_bytes(b"\xff\xfe\x00") and None,
        r"tokenizer\.json of \S+ cannot be read",
    ),
    "half tokenizer_config.json": (
        cut("tokenizer_config.json", 0.5), r"tokenizer_config\.json of \S+ cannot be read",
    ),
    "a word as model_max_length": (
        edit("tokenizer_config.json", model_max_length="long"), r"tokenizer_config\.json.* cannot",
    ),
    "half of the words": (change_tokenizer(keep_half), r"21 tokens, .* 42 rows|than|another voc"),
    "more words": (change_tokenizer(add_words), r"ids up to 43, .* 42 rows|than|another vocabul"),
    "no config.json": (remove("config.json"), r"no config\.json"),
    "half config.json": (cut("config.json", 0.5), UNREADABLE),
    "empty config.json": (cut("config.json", 0), UNREADABLE),
    "[] as config.json": (write("config.json", "[]"), UNREADABLE),
    "no model_type": (edit("config.json", model_type=None), UNREADABLE),
    "unknown model_type": (edit("config.json", model_type="new"), UNREADABLE),
    "a list as model_type": (edit("config.json", model_type=["bert"]), UNREADABLE),
    "a word as hidden_size": (edit("config.json", hidden_size="wide"), UNREADABLE),
    "id2label as a list": (edit("config.json", id2label=["a", "b"]), UNREADABLE),
    "unknown activation": (edit("config.json", hidden_act="new"), UNREADABLE),
    "pad id outside": (edit("config.json", pad_token_id=999), UNREADABLE),
    "another pad id": (edit("config.json", pad_token_id=3), r"pad_token_id is 3 .* has the id 0"),
    "another inner size": (
        edit("config.json", intermediate_size=24), r"shape|intermediate_size 24 \(not 16\)",
    ),
    "too few positions": (edit("config.json", max_position_embeddings=16), r"shape: .*position"),
    "NaN": (set_weight(math.nan), r"1 of its weights .* NaN .*layer\.1\.output\.dense\.weight"),
    "infinity": (set_weight(math.inf), r"1 of its weights .*layer\.1\.output\.dense\.weight"),
    "no weights": (remove(WEIGHTS), r"no model\.safetensors"),
    "half of the weights": (cut(WEIGHTS, 0.5), r"model\.safetensors cannot be read"),
    "a missing shard": (lose_a_shard, r"lists 2 files, and model-00002\S* is missing"),
    "an index that points outside": (point_outside, r"index\.json lists no files beside it"),
    "half an index": (half_an_index, r"index\.json cannot be read"),
    "numbers in an index": (list_numbers, r"index\.json cannot be read"),
    "pickles in an index": (list_pickles, r"lists no files beside it that are safetensors"),
    "half a shard": (half_a_shard, r"model-00002\S* cannot be read"),
    "a weight in two shards": (
        a_weight_in_two_shards, r"the weight \S+ is in model-00001\S+ and in model-00002",
    ),
    "weights in 8 bits": (round_weights, r"of the type torch\.int8: it is quantised"),
    "zeros": (finish_with_zeros, r"linear layers are 0, such as those of .*Download it again"),
    "quantised": (
        edit("config.json", quantization_config={"quant_method": "bitsandbytes"}),
        r"is quantised \(quantization_config in config\.json\)",
    ),
    "images": (
        write("config.json", '{"model_type": "vit"}'), r"config\.json .* has no vocab_size",
    ),
}  # fmt: skip


def with_positions(model: torch.nn.Module, count: int) -> int:
    """The longest row that the model itself can read, found by trying."""
    for length in range(count + 1, 0, -1):
        try:
            with torch.no_grad():
                model(torch.full((1, length), 5))
            return length
        except (IndexError, RuntimeError):
            continue
    return 0
