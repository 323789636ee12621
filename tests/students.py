"""Settings of tiny students, and teachers to start them from."""

import torch
from tiny import WHOLE_TABLE
from torch import Tensor, nn
from transformers import AutoModel

from tinybert.distillation.layers.student_config import student_config
from tinybert.pipeline.schema import LayerLoss as Layers
from tinybert.pipeline.schema import Student


def settings(**changes) -> Student:
    values = {
        **WHOLE_TABLE,
        "init": "projection",
        "num_hidden_layers": 1,
        "hidden_size": 4,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    return Student(**{**values, **changes})


def layers(projection: str) -> Layers:
    return Layers(layer_map="uniform", projection=projection)


def same(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return weights.keys() == expected.keys() and all(
        torch.equal(tensor, expected[name]) for name, tensor in weights.items()
    )


def randomize(model: nn.Module) -> nn.Module:
    """Weights in which every part matters, as in a pretrained model."""
    random = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        offset = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
        with torch.no_grad():
            parameter.copy_(offset + 0.3 * torch.randn(parameter.shape, generator=random))
    return model.eval()


def sizes(**changes) -> Student:
    values = {"num_hidden_layers": 2, "hidden_size": 8, "intermediate_size": 16}
    return settings(**{**values, **changes})


def new_student(teacher, **changes) -> nn.Module:
    return AutoModel.from_config(student_config(teacher.config, sizes(**changes)))
