"""The student: its config, its first weights, and the folder it is kept in."""

import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import cached_file

from tinybert import pretrained, processes
from tinybert.capture import capture
from tinybert.encode import Rows, model_inputs, spread
from tinybert.errors import InputError
from tinybert.layer_loss import Projection

NEW = ("random", "projection")  # values of student.init that are no model
PROJECTION = "projection.safetensors"
SAMPLE = 512  # rows whose hidden states give the principal directions
SIZES = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
# What published general TinyBERTs call the linear maps of their loss.
PUBLISHED_MAPS = ("fit_dense.", "fit_denses.")
PUBLISHED = re.compile(r"^(fit_dense|fit_denses\.(\d+))\.(weight|bias)$")
TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")


def config(teacher: AutoConfig, settings, **head):
    """The teacher's config with the student's sizes. settings: the section `student`.

    Embeddings are as wide as the layers, also where the teacher's are not (ELECTRA).
    """
    # ModernBERT's layer_types has the kind of each of the teacher's layers; left out, the student's
    # follow the architecture's own pattern.
    own = ("architectures", "layer_types")
    kept = {key: value for key, value in teacher.to_dict().items() if key not in own}
    sizes = {
        "num_hidden_layers": settings.num_hidden_layers,
        "hidden_size": settings.hidden_size,
        "num_attention_heads": settings.num_attention_heads,
        "intermediate_size": settings.intermediate_size,
    }
    if "embedding_size" in kept:
        sizes["embedding_size"] = settings.hidden_size
    if "hidden_dim" in kept:  # DistilBERT's name, which transformers does not map
        sizes["hidden_dim"] = settings.intermediate_size
    return type(teacher)(**{**kept, **sizes, **head})


def create(
    teacher: PreTrainedModel, settings, projection_kind: str, sample: Rows, seed: int
) -> tuple[PreTrainedModel, Projection]:
    """A new general student and the linear maps of its loss.

    init "random": transformers' own initialisation. init "projection": principal_start.
    """
    torch.manual_seed(seed)
    student = AutoModel.from_config(config(teacher.config, settings))
    projection = Projection(
        projection_kind,
        settings.num_hidden_layers,
        settings.hidden_size,
        teacher.config.hidden_size,
    )
    if settings.init == "projection":
        principal_start(student, projection, teacher, sample)
    return student, projection


@torch.no_grad()
def principal_start(
    student: PreTrainedModel, projection: Projection, teacher: PreTrainedModel, sample: Rows
) -> None:
    """The student's embedding tables become the teacher's, projected onto the principal directions
    of the teacher's hidden states; the linear maps start as the way back.

    The LayerNorm behind the teacher's tables, with weight g and bias b, is not linear, but its
    divisor is nearly the same for all tokens: so the tables are centred and scaled by g before they
    are projected, b becomes the student's bias, and the student's LayerNorm weight is one number
    that restores the size.
    Raises InputError if the teacher has no plain embedding tables or is narrower than the student.
    """
    width, wide = student.config.hidden_size, teacher.config.hidden_size
    source, target = teacher.embeddings, student.embeddings
    if not hasattr(source, "word_embeddings"):
        raise InputError(
            "student.init: projection needs a teacher with a BERT's embedding tables; "
            f"{type(teacher).__name__} has others. Use student.init: random"
        )
    if source.word_embeddings.embedding_dim != wide or width > wide:
        raise InputError(
            "student.init: projection needs a teacher with embeddings as wide as its layers and "
            f"at least student.hidden_size {width}; this one has "
            f"{source.word_embeddings.embedding_dim} and {wide}. Use student.init: random"
        )
    _, directions = torch.linalg.eigh(_second_moment(teacher, sample))  # ascending
    basis = directions.flip(1)[:, :width].float()  # (teacher's width, student's width)
    gain, bias = source.LayerNorm.weight, source.LayerNorm.bias
    for name in TABLES:
        if hasattr(source, name):
            table = getattr(source, name).weight
            centred = (table - table.mean(dim=1, keepdim=True)) * gain
            getattr(target, name).weight.copy_(centred @ basis)
    # A normalised vector has norm √width; the teacher's, in the basis, has that of gain times it.
    target.LayerNorm.weight.fill_(float((gain.square().sum() / width).sqrt()))
    target.LayerNorm.bias.copy_(bias @ basis)
    for linear in projection.maps:
        linear.weight.copy_(basis)
        linear.bias.zero_()


def _second_moment(teacher: PreTrainedModel, sample: Rows) -> Tensor:
    """Sum of h hᵀ over all hidden states h of some evenly spread rows, (width, width), float64."""
    teacher.eval()
    chosen = spread(len(sample), SAMPLE)
    moment = 0.0
    for start in range(0, len(chosen), 32):
        batch = model_inputs(sample.batch(chosen[start : start + 32]))
        real = batch["attention_mask"].bool()
        for state in capture(teacher, batch).hidden_states:
            tokens = state[real].double()  # (tokens, width)
            moment = moment + tokens.T @ tokens
    return moment


def load_published(
    settings,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    projection_kind: str,
    seed: int,
) -> tuple[PreTrainedModel, Projection]:
    """A general TinyBERT that somebody distilled from this teacher, and its linear maps.

    settings: the section `student`, whose `init` says where it is and whose sizes must be its.
    The maps are `fit_dense` (one for all layers) or `fit_denses.N` (one for each); a checkpoint
    without any gets new ones, which task distillation has to learn.
    """
    model, width = settings.init, teacher.config.hidden_size
    checkpoint, own = pretrained.read_config(model, settings.revision, "student.init")
    wanted = {size: getattr(settings, size) for size in SIZES}
    wrong = [
        f"{size} {getattr(checkpoint, size)} (not {value})"
        for size, value in wanted.items()
        if getattr(checkpoint, size) != value
    ]
    if own.get_vocab() != tokenizer.get_vocab():
        wrong.append("another vocabulary than the teacher")
    if wrong:
        raise InputError(
            f"student.init: {model} has {', '.join(wrong)}. Set the section student to its sizes, "
            "and pretrained.model to a model with its vocabulary"
        )
    source, options = pretrained.locate(model, settings.revision, "student.init")
    student = pretrained.load(
        AutoModel, source, unused=(*pretrained.UNUSED, *PUBLISHED_MAPS), **options
    )
    torch.manual_seed(seed)
    projection = Projection(
        projection_kind, settings.num_hidden_layers, settings.hidden_size, width
    )
    weights = load_file(cached_file(source, pretrained.WEIGHTS, **options))
    maps = {
        f"maps.{index or 0}.{kind}": weight
        for name, weight in weights.items()
        for _, index, kind in PUBLISHED.findall(name)
    }
    kind = {1: "shared", settings.num_hidden_layers + 1: "per_layer"}.get(len(maps) // 2)
    if not maps:
        print(f"warning: {model} has no {' or '.join(PUBLISHED_MAPS)}: the linear maps are new")
    elif kind != projection_kind or next(iter(maps.values())).shape[0] != width:
        fits = (
            f"Set layer_loss.projection: {kind}" if kind else "1, or 1 more than layers, would do"
        )
        raise InputError(
            f"student.init: {model} has {len(maps) // 2} linear maps to width "
            f"{next(iter(maps.values())).shape[0]} (layer_loss.projection is {projection_kind}, "
            f"the teacher's width {width}). {fits}; pretrained.model must have the maps' width"
        )
    else:
        projection.load_state_dict(maps)
    return student, projection


def save(
    folder: Path,
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    projection: Projection | None = None,
) -> None:
    """A folder that AutoModel and AutoTokenizer load, with the loss's linear maps beside it. Of
    several processes the main one writes it."""
    if not processes.is_main():
        return
    student.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if projection is not None:
        save_file(projection.state_dict(), folder / PROJECTION)


def load_projection(folder: Path) -> Projection:
    """The linear maps that `save` put beside a student; their number tells their kind."""
    weights = load_file(folder / PROJECTION)
    count = sum(name.endswith(".weight") for name in weights)
    wide, width = weights["maps.0.weight"].shape
    kind = "shared" if count == 1 else "per_layer"
    projection = Projection(kind, count - 1, width, wide)
    projection.load_state_dict(weights)
    return projection


def load_general(folder: Path) -> PreTrainedModel:
    """A student without a head."""
    return pretrained.load(AutoModel, folder)


def load_classifier(folder: Path, head: dict, seed: int) -> PreTrainedModel:
    """Any encoder with the task's head, new where the folder has none. head: Task.head()."""
    torch.manual_seed(seed)
    return pretrained.load(AutoModelForSequenceClassification, folder, **head)


def random_classifier(teacher_folder: Path, settings, head: dict, seed: int) -> PreTrainedModel:
    """The baseline's start: the student's sizes, random weights, the task's head."""
    torch.manual_seed(seed)
    teacher = AutoConfig.from_pretrained(teacher_folder)
    return AutoModelForSequenceClassification.from_config(config(teacher, settings, **head))
