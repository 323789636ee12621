"""A student's first weights from its teacher's, in closed form: no gradient, some hundred rows.

docs/how-it-works.md explains each step. In short, B is an orthonormal basis of the teacher's hidden
states, and the student's state is to be Bᵀh. Layer m of the student follows layer n = g(m) of the
teacher, and is built on what the student's layers before it really return:

1. Least squares maps the student's state to the state that the teacher's layer reads.
2. Queries and keys matter only through the bilinear form of a head, values and output only through
   their product. Both are cut to the student's head width where it costs least on these states.
3. The most active neurons of the feed-forward network are kept; their outputs are fitted to the
   teacher's state after layer n, so that they also stand for the layers that are skipped.
4. The gains and biases of both LayerNorms are fitted.

A student of the teacher's sizes and layers becomes the teacher, but for rounding.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from transformers import PreTrainedModel

from tinybert.distillation.layers.hooks import recorded, stopped_at
from tinybert.distillation.layers.layer_map import layer_map
from tinybert.distillation.layers.low_rank import least_squares, square_root, truncate
from tinybert.distillation.layers.parts import LayerParts, check_projection, layers_of, parts_of
from tinybert.models.attention import capture, use_attention
from tinybert.models.rows import Rows, evenly_spaced, model_inputs

ROWS, TOKENS = 768, 20_000  # upper bounds of the sample
BATCH = 32
TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")


@torch.no_grad()
def closed_form_start(
    student: PreTrainedModel, teacher: PreTrainedModel, layers: str | list[int], rows: Rows
) -> Tensor:
    """Sets the student's weights. Returns the basis B, (teacher's width, student's width), which
    maps the student's states back to the teacher's.

    layers: as in layer_map. rows: texts, on which both are compared. Raises InputError if the
    teacher's layers are not built like BERT's, or it is narrower than the student.
    """
    width = student.config.hidden_size
    check_projection(teacher.config, width)
    mapped = layer_map(layers, student.config.num_hidden_layers, len(layers_of(teacher)))
    batches = sample(rows)
    embedded, sources = run_teacher(teacher, batches, mapped)
    basis = principal_directions([embedded, *(source.after for source in sources)], width)
    start_embeddings(student, teacher, basis)
    start_pooler(student, teacher, basis)
    states = StudentStates(student, batches)
    norm = student.embeddings.LayerNorm
    fit_norm(norm, states.real(states.embedding_sums), embedded @ basis)
    states.padded = [norm(sums) for sums in states.embedding_sums]
    for layer, source in zip(layers_of(student), sources, strict=True):
        start_layer(states, layer, source, basis, student.config.num_attention_heads)
    return basis


def sample(rows: Rows) -> list[dict[str, Tensor]]:
    """Batches of at most ROWS evenly spaced rows, and at most about TOKENS tokens."""
    chosen = evenly_spaced(len(rows), ROWS)
    share = TOKENS / max(TOKENS, int(rows.lengths[chosen].sum()))
    chosen = [chosen[i] for i in evenly_spaced(len(chosen), max(1, int(share * len(chosen))))]
    chosen.sort(key=lambda row: rows.lengths[row])  # little padding
    return [model_inputs(rows.batch(chosen[i : i + BATCH])) for i in range(0, len(chosen), BATCH)]


@dataclass
class TeacherLayer:
    """A layer of the teacher and what it does with the sample's tokens. Each state has the shape
    (tokens, teacher's width)."""

    parts: LayerParts
    before: Tensor  # the state that the layer reads
    middle: Tensor  # after attention and its LayerNorm
    sums: Tensor  # the residual sum that the second LayerNorm normalises
    after: Tensor  # the state that the layer returns
    activity: Tensor  # (neurons,): of each neuron of the feed-forward network, its sum of squares


def run_teacher(
    teacher: PreTrainedModel, batches: list[dict[str, Tensor]], mapped: list[int]
) -> tuple[Tensor, list[TeacherLayer]]:
    """The states after the embeddings, (tokens, width), and the mapped layers."""
    teacher.eval()
    all_parts = [parts_of(layers_of(teacher)[n - 1]) for n in mapped]
    states: list[list[Tensor]] = []
    records = [{"middle": [], "sums": [], "activity": 0.0} for _ in mapped]
    for batch in batches:
        real = batch["attention_mask"].bool()
        inputs = [norm for p in all_parts for norm in (p.norm, p.outer)]
        with recorded(inputs, [p.attention_norm for p in all_parts]) as (given, returned):
            hidden_states = capture(teacher, batch, kept=()).hidden_states
        states.append([hidden_states[n][real] for n in (0, *mapped, *(n - 1 for n in mapped))])
        for record, p in zip(records, all_parts, strict=True):
            record["middle"].append(returned[p.attention_norm][real])
            record["sums"].append(given[p.norm][real])
            record["activity"] += given[p.outer][real].square().sum(0)
    embedded, *others = (torch.cat(parts) for parts in zip(*states, strict=True))
    after, before = others[: len(mapped)], others[len(mapped) :]
    return embedded, [
        TeacherLayer(
            p, before[i], torch.cat(record["middle"]), torch.cat(record["sums"]), after[i],
            record["activity"],
        )
        for i, (p, record) in enumerate(zip(all_parts, records, strict=True))
    ]  # fmt: skip


def principal_directions(states: list[Tensor], width: int) -> Tensor:
    """An orthonormal basis, (teacher's width, width), of the space that holds most of the states'
    sum of squares, each (tokens, teacher's width). All of the teacher's width: the unit vectors."""
    if states[0].shape[1] == width:
        return torch.eye(width)
    moment = sum(state.double().T @ state.double() for state in states)
    _, directions = torch.linalg.eigh(moment)  # ascending
    return directions.flip(1)[:, :width].float()


def start_embeddings(student: PreTrainedModel, teacher: PreTrainedModel, basis: Tensor) -> None:
    """The tables through B. The LayerNorm after them is not linear, but its divisor is nearly the
    same for all tokens: so they are centred and scaled by its gain first."""
    source, target = teacher.embeddings, student.embeddings
    if source.LayerNorm.weight.shape == target.LayerNorm.weight.shape == basis.shape[:1]:
        target.load_state_dict(source.state_dict())
        return
    through = basis
    if project := getattr(teacher, "embeddings_project", None):  # ELECTRA's narrow tables
        through = project.weight.T @ basis
    for name in TABLES:
        if hasattr(source, name):
            table = getattr(source, name).weight
            centred = (table - table.mean(1, keepdim=True)) * source.LayerNorm.weight
            getattr(target, name).weight.copy_(centred @ through)


def start_pooler(student: PreTrainedModel, teacher: PreTrainedModel, basis: Tensor) -> None:
    """The layer between [CLS] and a new head, if the architecture has one: through B on both
    sides, as if its tanh were linear."""
    if pooler := getattr(teacher, "pooler", None):
        student.pooler.dense.weight.copy_(basis.T @ pooler.dense.weight @ basis)
        student.pooler.dense.bias.copy_(pooler.dense.bias @ basis)


class StudentStates:
    """The student's states on the sample, as far as its layers are set."""

    def __init__(self, student: PreTrainedModel, batches: list[dict[str, Tensor]]):
        use_attention(student.eval())
        self.masks = [batch["attention_mask"].bool() for batch in batches]
        self.padded: list[Tensor] = []  # (batch, length, width) of each batch
        self.embedding_sums: list[Tensor] = []  # before the embeddings' LayerNorm
        self.arguments: list[tuple[tuple, dict]] = []  # of a layer, such as its mask
        norm = student.embeddings.LayerNorm
        for batch in batches:
            with recorded([norm], []) as (given, _), stopped_at(layers_of(student)[0]) as calls:
                student(**batch)
            (_, *positional), named = calls[0]
            self.arguments.append((positional, named))
            self.embedding_sums.append(given[norm])

    def real(self, padded: list[Tensor]) -> Tensor:
        """(tokens, width), without padding."""
        return torch.cat([x[mask] for x, mask in zip(padded, self.masks, strict=True)])

    def attend(self, layer: nn.Module, norm: nn.Module) -> Tensor:
        """What a layer gives to the LayerNorm after its attention, (tokens, width)."""
        sums = []
        for state, (positional, named) in zip(self.padded, self.arguments, strict=True):
            with stopped_at(norm) as calls:
                layer(state, *positional, **named)
            sums.append(calls[0][0][0])
        return self.real(sums)

    def move(self, real: Tensor) -> None:
        """Sets the states, (tokens, width); no token attends to padding."""
        parts = real.split([int(mask.sum()) for mask in self.masks])
        for state, mask, part in zip(self.padded, self.masks, parts, strict=True):
            state[mask] = part


def start_layer(
    states: StudentStates, layer: nn.Module, source: TeacherLayer, basis: Tensor, heads: int
) -> None:
    """Sets a layer of the student and moves the states past it."""
    parts = parts_of(layer)
    start_attention(parts, source, states.real(states.padded), basis, heads)
    sums = states.attend(layer, parts.attention_norm)
    fit_norm(parts.attention_norm, sums, source.middle @ basis)
    states.move(start_feed_forward(parts, source, parts.attention_norm(sums), basis))


def start_attention(
    parts: LayerParts, source: TeacherLayer, states: Tensor, basis: Tensor, heads: int
) -> None:
    """states: (tokens, width), what the student's layer reads."""
    teacher, width = source.parts, states.shape[1]
    rank, teacher_rank = width // heads, len(basis) // heads  # head widths
    weight, bias = least_squares(states, source.before, basis)
    reading = torch.cat([weight, bias[:, None]], 1).double()  # (teacher's width, width + 1)
    ones = torch.cat([states, torch.ones(len(states), 1)], 1)  # so that biases are columns
    root, inverse = square_root(ones.T @ ones / len(ones))

    def through(linear: nn.Linear) -> Tensor:  # (heads, teacher's head width, width + 1)
        map_ = linear.weight.double() @ reading
        map_[:, -1] += linear.bias
        return map_.unflatten(0, (heads, -1))

    # The student divides scores by the root of its own head width.
    scale = (rank / teacher_rank) ** 0.25
    query, key = truncate(root @ through(teacher.query).mT, root @ through(teacher.key).mT, rank)
    output = (basis.T @ teacher.output.weight).double().unflatten(1, (heads, -1)).transpose(0, 1)
    left, value = truncate(output, root @ through(teacher.value).mT, rank)
    for linear, factor in (
        (parts.query, scale * query), (parts.key, scale * key), (parts.value, value),
    ):  # fmt: skip
        map_ = (inverse @ factor).mT.flatten(0, 1)  # (width, width + 1)
        linear.weight.copy_(map_[:, :width])
        linear.bias.copy_(map_[:, width])
    parts.output.weight.copy_(left.transpose(0, 1).flatten(1))
    parts.output.bias.copy_(teacher.output.bias @ basis)


def start_feed_forward(
    parts: LayerParts, source: TeacherLayer, states: Tensor, basis: Tensor
) -> Tensor:
    """states: (tokens, width), after the student's attention. Returns those after the layer."""
    teacher = source.parts
    weight, bias = least_squares(states, source.middle, basis)
    importance = source.activity * teacher.outer.weight.square().sum(0)
    count = min(len(importance), len(parts.inner.bias))  # a neuron more stays at random
    best = importance.topk(count).indices
    parts.inner.weight[:count] = teacher.inner.weight[best] @ weight
    parts.inner.bias[:count] = teacher.inner.bias[best] + teacher.inner.weight[best] @ bias
    active = parts.activation(parts.inner(states))
    prior = torch.zeros_like(parts.outer.weight)
    prior[:, :count] = basis.T @ teacher.outer.weight[:, best]
    target = residual_sums(source, basis)
    guess = states + active @ prior.T + teacher.outer.bias @ basis
    target = target * ((guess * target).sum() / target.square().sum())
    weight, bias = least_squares(active, target - states, prior, 0.1)
    parts.outer.weight.copy_(weight)
    parts.outer.bias.copy_(bias)
    sums = states + parts.outer(active)
    fit_norm(parts.norm, sums, source.after @ basis)
    return parts.norm(sums)


def residual_sums(source: TeacherLayer, basis: Tensor) -> Tensor:
    """What the student's second LayerNorm should be given, up to a factor."""
    norm, centred = source.parts.norm, source.sums - source.sums.mean(1, keepdim=True)
    return centred if basis.shape[0] == basis.shape[1] else (centred * norm.weight) @ basis


def fit_norm(norm: nn.LayerNorm, sums: Tensor, target: Tensor) -> None:
    """Gain and bias of a LayerNorm by least squares, each dimension for itself: sums (tokens,
    width), normalised, -> target (tokens, width)."""
    x = layer_norm(sums, norm.normalized_shape, eps=norm.eps)
    mean_x, mean_y = x.mean(0), target.mean(0)
    covariance = ((x - mean_x) * (target - mean_y)).mean(0)
    # The small number leaves a gain of 1 where the tokens say nothing.
    gain = (covariance + 1e-6) / ((x - mean_x).square().mean(0) + 1e-6)
    norm.weight.copy_(gain)
    norm.bias.copy_(mean_y - gain * mean_x)
