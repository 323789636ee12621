"""Which teacher layer teaches which student layer (paper §3.1, the mapping n = g(m)), and whether
the two models can be compared at all."""

from itertools import pairwise

from transformers import PreTrainedConfig

from tinybert.pipeline.errors import InputError


def layer_map(spec: str | list[int], student_layers: int, teacher_layers: int) -> list[int]:
    """The teacher layer, counted from 1, for each of the student's layers.

    spec: "uniform" (g(m) = m * N / M) or an explicit list of M increasing teacher layers.
    Both the hidden states after a layer and the attention scores in it follow this map; the
    embedding layer, m = 0, always learns from the teacher's embedding layer.
    Raises InputError if N is not a multiple of M (uniform) or the list does not fit.
    """
    if spec == "uniform":
        if teacher_layers % student_layers:
            raise InputError(
                f"layer_loss.layer_map: uniform needs a teacher whose {teacher_layers} layers are "
                f"a multiple of student.num_hidden_layers {student_layers}; give a list of "
                f"{student_layers} teacher layers instead"
            )
        step = teacher_layers // student_layers
        return [m * step for m in range(1, student_layers + 1)]
    if len(spec) != student_layers:
        raise InputError(
            f"layer_loss.layer_map: {spec} has {len(spec)} entries, the student has "
            f"{student_layers} layers; give one teacher layer for each"
        )
    if not all(1 <= layer <= teacher_layers for layer in spec):
        raise InputError(
            f"layer_loss.layer_map: {spec} must lie between 1 and {teacher_layers}, the "
            "teacher's number of layers"
        )
    if any(later <= earlier for earlier, later in pairwise(spec)):
        raise InputError(f"layer_loss.layer_map: {spec} must increase")
    return list(spec)


def check(teacher: PreTrainedConfig, student, layers: str | list[int]) -> None:
    """Raises InputError, which names the setting, if the student cannot learn from the teacher.

    student: the section of params.yaml or a config; its layers, heads and width are read.
    layers: as the spec of layer_map.
    """
    heads = teacher.num_attention_heads
    if student.num_attention_heads != heads:
        width = max(heads, round(student.hidden_size / heads) * heads)
        raise InputError(
            f"student.num_attention_heads is {student.num_attention_heads}, the teacher has "
            f"{heads}: attention is compared head by head. Set student.num_attention_heads: "
            f"{heads} and student.hidden_size to a multiple of {heads}, such as {width}. "
            "(Relations of layers, which need no equal heads, won nothing and are no option: "
            "docs/recipes.md.) Step 2 compares predictions: it may have teachers of other sizes "
            "after the first one, task.<name>.data.teacher: [first, other]; or any model's answers "
            "in a column `probabilities`"
        )
    layer_map(layers, student.num_hidden_layers, teacher.num_hidden_layers)
