"""The linear maps from the student's width to the teacher's (W_h and W_e of paper eq. 8 and 9)."""

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from tinybert.models.source import read_weights
from tinybert.pipeline import distributed
from tinybert.pipeline.files import reading, set_default_mode

FILE = "projection.safetensors"


class Projection(nn.Module):
    """kind: "shared" (one map for the embedding output and all layers) or "per_layer"."""

    def __init__(self, kind: str, student_layers: int, student_width: int, teacher_width: int):
        super().__init__()
        count = {"shared": 1, "per_layer": student_layers + 1}[kind]
        self.maps = nn.ModuleList(nn.Linear(student_width, teacher_width) for _ in range(count))

    def forward(self, hidden_state: Tensor, layer: int) -> Tensor:
        """(batch, length, student's width) -> (batch, length, teacher's width). layer: 0 is the
        embedding output."""
        return self.maps[layer % len(self.maps)](hidden_state)

    def save(self, folder: Path) -> None:
        """Writes the maps into a student's folder. Only the main process writes."""
        if distributed.is_main():
            save_file(self.state_dict(), folder / FILE)
            set_default_mode(folder / FILE)


def load_projection(folder: Path) -> Projection:
    """Reads the maps that `save` wrote; their number determines the kind. Raises InputError if the
    file is missing or damaged."""
    weights = read_weights(folder / FILE)
    count = sum(name.endswith(".weight") for name in weights)
    with reading(folder / FILE):
        teacher_width, student_width = weights["maps.0.weight"].shape
        kind = "shared" if count == 1 else "per_layer"
        projection = Projection(kind, count - 1, student_width, teacher_width)
        projection.load_state_dict(weights)
    return projection
