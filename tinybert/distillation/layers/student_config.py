"""The student's architecture: the teacher's with the student's sizes."""

from pathlib import Path

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from tinybert.models.checks import load_config
from tinybert.models.folder import classifier_class
from tinybert.pipeline.schema import Student


def student_config(teacher: PreTrainedConfig, settings: Student, **head):
    """The teacher's config with the sizes of `settings`. head: Task.head().

    The student's embeddings are as wide as its layers, even if the teacher's are not (ELECTRA).
    """
    # ModernBERT's layer_types describes each of the teacher's layers; without it, the student's
    # layers follow the architecture's own pattern.
    not_inherited = ("architectures", "layer_types")
    inherited = {k: value for k, value in teacher.to_dict().items() if k not in not_inherited}
    sizes = {
        "num_hidden_layers": settings.num_hidden_layers,
        "hidden_size": settings.hidden_size,
        "num_attention_heads": settings.num_attention_heads,
        "intermediate_size": settings.intermediate_size,
    }
    if "embedding_size" in inherited:
        sizes["embedding_size"] = settings.hidden_size
    if "hidden_dim" in inherited:  # DistilBERT's name, which transformers does not map
        sizes["hidden_dim"] = settings.intermediate_size
    return type(teacher)(**{**inherited, **sizes, **head})


def random_classifier(
    teacher_folder: Path, settings: Student, head: dict, seed: int
) -> PreTrainedModel:
    """A classifier with the student's sizes and random weights: the baseline before training.

    head: Task.head().
    """
    torch.manual_seed(seed)
    teacher = load_config(teacher_folder)
    return classifier_class(head).from_config(student_config(teacher, settings, **head))
