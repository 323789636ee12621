"""What is known of an exported student's folder: the sha256 of its files, and the logits of a text.

Both are checked when the folder is loaded: the files must be those that were exported, and this
processor and these libraries must compute what the exporting ones did.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from tinybert.deploy.onnx.session import FILES, METADATA_FILE, TOKENIZER_FILE, logits, session
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import file_sha256, read_json, write_json

FILE = "reference.json"
# The same for all tasks: a model's folder holds no text of its user.
TEXTS = ("Café No. 42 isn't open; 咖啡 is served at 8.", "It's a naïve text, with 2 sentences!")
# The largest difference of a logit from the exported one, relative to the largest logit, or to 1.
# Measured in 8 bits: at most 0.03 absolutely, where float32 was rounded in other places.
TOLERANCE = {"onnx": 1e-3, "int8": 5e-2}
REMEDY = "get it again with dvc checkout or dvc pull, or export again with dvc repro"


@dataclass
class Reference:
    """texts: one, or two if the task has pairs. ids: their tokens. logits: (outputs,)."""

    texts: list[str]
    ids: list[int]
    logits: np.ndarray


def write(folder: Path, pair: bool) -> None:
    """Writes reference.json, once all other files are there. pair: whether the task has pairs."""
    texts = TEXTS if pair else TEXTS[:1]
    encoding = Tokenizer.from_file(str(folder / TOKENIZER_FILE)).encode(*texts)
    values = {
        kind: logits(session(folder / file), [[encoding]])[0][0].astype(float).round(6).tolist()
        for kind, file in FILES.items()
    }
    files = (*FILES.values(), METADATA_FILE, TOKENIZER_FILE)
    digests = {name: file_sha256(folder / name) for name in files}
    content = {"sha256": digests, "texts": texts, "ids": encoding.ids, "logits": values}
    write_json(folder / FILE, content)


def read(folder: Path, kind: str) -> Reference:
    """Checks the files that a model of this kind needs, and returns its reference.

    Raises InputError that names the file if one is missing or is not the one that was exported.
    """
    needed = (FILES[kind], METADATA_FILE, TOKENIZER_FILE)
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} has no {' and no '.join(missing)}; give the folder that the stage export "
            "writes, models/<task>/onnx"
        )
    if not (folder / FILE).is_file():
        raise InputError(
            f"{folder} has no {FILE}: it is incomplete, or an older version exported it, without "
            "checksums; export it again with dvc repro"
        )
    try:
        content = read_json(folder / FILE)
        expected = {name: content["sha256"][name] for name in needed}
        values = np.array(content["logits"][kind], float)
        reference = Reference(list(map(str, content["texts"])), content["ids"], values)
        if len(reference.texts) not in (1, 2):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InputError(f"{folder / FILE} is damaged; {REMEDY}") from None
    for name, digest in expected.items():
        if file_sha256(folder / name) != digest:
            raise InputError(
                f"{folder / name} is not the file that was exported: it is damaged or was "
                f"replaced ({FILE} has another sha256); {REMEDY}"
            )
    return reference


def difference(
    folder: Path, kind: str, reference: Reference, encoding: Encoding, row: np.ndarray
) -> float:
    """The largest difference of a logit from the reference's, relative to the largest logit.

    encoding, row: of the reference's texts here; row: (outputs,). Raises InputError if the token
    ids differ, or the logits by more than TOLERANCE.
    """
    if encoding.ids != reference.ids:
        raise InputError(
            f"{folder / TOKENIZER_FILE} gives other tokens for the text of {FILE} than where it "
            "was exported: install the version of the library tokenizers of constraints.txt, or "
            "export again with dvc repro"
        )
    largest = max(1.0, float(np.abs(reference.logits).max(initial=0)))
    is_same_shape = row.shape == reference.logits.shape
    found = float(np.abs(row - reference.logits).max()) / largest if is_same_shape else np.inf
    if not found <= TOLERANCE[kind]:
        raise InputError(
            f"{folder / FILES[kind]} gives other logits for the text of {FILE} than where it was "
            f"exported: they differ by {found:.2g} of the largest, more than {TOLERANCE[kind]}. "
            "Install the version of onnxruntime of constraints.txt; if they still differ, this "
            "processor computes otherwise: export again on it with dvc repro"
        )
    return found
