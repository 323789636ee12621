"""The student's probabilities, made to mean what they say (Guo et al. 2017, arXiv 1706.04599)."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax
from transformers import PreTrainedModel

from tinybert.models import predict
from tinybert.models.device import output_layer
from tinybert.models.rows import Rows
from tinybert.tasks.task import CHOOSES, Task

COVERED = 0.9  # of dev's scores, by the spread of a regression
BOUND = 3.0  # of the temperature's logarithm, on both sides


def calibrate(student: PreTrainedModel, dev: Rows, task: Task, precision: str) -> None:
    """Divides the student's logits by the temperature that suits dev, and records it in its config:
    {"temperature": T}. Labels do not change.

    The weights of the last layer are divided, so all that loads the student gives these
    probabilities. A regression has none: its config has the {"spread": s}, within which COVERED of
    dev's scores are from the student's. Without labels of dev the record is empty: the student has
    learnt the teacher's probabilities as they are, and the teacher's answers would teach it how
    likely it is to agree.
    """
    student.config.calibration = {}
    if CHOOSES in task.answered:
        return
    logits = predict.logits(student, dev, precision, shared=True)
    target = dev.columns[task.target]
    if task.kind == "regression":
        spread = np.quantile(np.abs(logits[:, 0] - target), COVERED)
        student.config.calibration = {"spread": _short(spread)}
        return
    temperature = _short(fit_temperature(logits, target))
    with torch.no_grad():
        for parameter in output_layer(student).parameters():
            parameter /= temperature
    student.config.calibration = {"temperature": temperature}


def fit_temperature(logits: np.ndarray, target: np.ndarray) -> float:
    """The T at which the probabilities of logits / T make the targets most likely.

    logits: (rows, classes). target: (rows,), classes; or (rows, labels), 0 or 1, and each label has
    a probability of its own. Few rows, or rows that are all right, would suit any small T: log T
    has a normal prior of standard deviation 1, which some hundred rows outweigh.
    """
    logits = logits.astype(float)

    def loss(log_t: float) -> float:
        scaled = logits * np.exp(-log_t)
        if target.ndim == 2:
            likely = np.where(target > 0.5, log_expit(scaled), log_expit(-scaled))
        else:
            likely = log_softmax(scaled, axis=1)[np.arange(len(target)), target]
        return log_t**2 / 2 - likely.sum()

    return float(np.exp(minimize_scalar(loss, bounds=(-BOUND, BOUND), method="bounded").x))


def _short(number: float) -> float:
    """With four digits, as people read it: the last ones differ between machines."""
    return float(f"{number:.4g}")
