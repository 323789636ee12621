"""Files of strangers: no code of theirs runs, and none of them fills the memory."""

import json
import pickle
import struct
import tracemalloc
from pathlib import Path

import pytest
from checkpoints import fetch
from tiny import tiny_config
from transformers import BertModel


def test_pickled_weights_alone_are_refused(checkpoint, tmp_path):
    folder = checkpoint(BertModel(tiny_config()))
    weights = (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert weights.exists()
    with pytest.raises(ValueError, match=r"model\.safetensors.*save_pretrained"):
        fetch(folder, tmp_path / "out")


class Planted:
    """Runs code when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("has_safetensors", [True, False])
def test_a_planted_pickle_is_never_opened(checkpoint, tmp_path, has_safetensors):
    """Whatever its name, with and without safetensors in the same folder."""
    folder, mark = checkpoint(BertModel(tiny_config())), tmp_path / "mark"
    names = ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "model.pkl", "tf_model.h5")
    for name in names:
        (folder / name).write_bytes(pickle.dumps(Planted(mark)))
    if has_safetensors:
        fetch(folder, tmp_path / "out")
        assert not set(names) & {file.name for file in (tmp_path / "out").iterdir()}
    else:
        (folder / "model.safetensors").unlink()
        with pytest.raises(ValueError, match="Pickled weights"):
            fetch(folder, tmp_path / "out")
    assert not mark.exists()
    pickle.loads(pickle.dumps(Planted(mark)))
    assert mark.exists()  # it would have run


def test_a_models_own_code_is_not_run(checkpoint, tmp_path):
    folder, mark = checkpoint(BertModel(tiny_config())), tmp_path / "mark"
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "new", "auto_map": {"AutoConfig": "new.Config", "AutoModel": "new.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "new.py").write_text(f"open({str(mark)!r}, 'w')")
    with pytest.raises(ValueError, match=r"pretrained\.model: .* cannot be loaded"):
        fetch(folder, tmp_path / "out")
    assert not mark.exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"vocab_size": 10**12},
        {"vocab_size": 10**8},
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 10**6},
        {"hidden_size": 2**27},
        {"intermediate_size": 10**8},
        {"max_position_embeddings": 10**8},
    ],
)
def test_a_config_that_would_fill_the_memory_is_refused(checkpoint, tmp_path, change):
    folder = checkpoint(BertModel(tiny_config()))
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"config\.json describes a model with "):
        fetch(folder, tmp_path / "out")
    assert tracemalloc.get_traced_memory()[1] < 10**8
    tracemalloc.stop()


def header_of(size: int, shape: list[int], end: int) -> bytes:
    tensor = {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}
    text = json.dumps({"bert.embeddings.word_embeddings.weight": tensor}).encode()
    return struct.pack("<Q", size or len(text)) + text


@pytest.mark.parametrize(
    "data",
    [
        header_of(2**60, [4], 16),  # a header of 2^60 bytes
        header_of(0, [2**40, 2**20], 2**62),  # a tensor of 2^62 bytes
        header_of(0, [2**40], 16) + bytes(16),  # sizes that contradict each other
        b"",
    ],
)
def test_a_safetensors_header_that_would_fill_the_memory_is_refused(checkpoint, tmp_path, data):
    folder = checkpoint(BertModel(tiny_config()))
    (folder / "model.safetensors").write_bytes(data)
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read"):
        fetch(folder, tmp_path / "out")
