"""Embedding tables of an ONNX graph in 8 bits: a scale for each row; of low rank as two factors."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

LARGEST = 127
ZERO = 1e-5  # of the largest singular value


def quantize_tables(graph: onnx.GraphProto) -> None:
    """Replaces each float32 table that a Gather reads by rows in 8 bits. A table whose rank makes
    two factors smaller is replaced by these: the rows of the first one are in 8 bits, and the
    second one is a MatMul, to be quantised as others are."""
    tables = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.data_type != onnx.TensorProto.FLOAT or len(table.dims) != 2:
            nodes.append(node)
            continue
        graph.initializer.remove(table)
        rows = numpy_helper.to_array(table)
        factors = split(rows)
        name, output = table.name, node.output[0]
        gathered = output if factors is None else f"{output}_left"
        nodes += _gather(graph, name, rows if factors is None else factors[0], node, gathered)
        if factors is not None:
            right = numpy_helper.from_array(factors[1], f"{name}_right")
            graph.initializer.append(right)
            nodes.append(helper.make_node("MatMul", [gathered, right.name], [output]))
    del graph.node[:]
    graph.node.extend(nodes)


def split(table: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """(V, rank) and (rank, width), float32, whose product is `table`; None if they are not smaller
    than it."""
    left, values, right = np.linalg.svd(table.astype(np.float64), full_matrices=False)
    rank = int((values > ZERO * values[0]).sum())
    if rank * sum(table.shape) >= table.size:
        return None
    root = np.sqrt(values[:rank])
    return (
        (left[:, :rank] * root).astype(np.float32),
        (root[:, None] * right[:rank]).astype(np.float32),
    )


def _gather(
    graph: onnx.GraphProto, name: str, rows: np.ndarray, node: onnx.NodeProto, output: str
) -> list[onnx.NodeProto]:
    """Nodes that read `rows` in 8 bits as `node` reads its table."""
    scales = np.abs(rows).max(axis=1, keepdims=True) / LARGEST
    scales[scales == 0] = 1
    small = np.round(rows / scales).astype(np.int8)
    parts = {f"{name}_8_bits": small, f"{name}_scales": scales.astype(np.float32)}
    graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in parts.items())
    ids = node.input[1]
    names = [f"{output}_8_bits", f"{output}_scales", f"{output}_float"]
    return [
        *(
            helper.make_node("Gather", [key, ids], [out], axis=0)
            for key, out in zip(parts, names, strict=False)
        ),
        helper.make_node("Cast", [names[0]], [names[2]], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [names[2], names[1]], [output]),
    ]
