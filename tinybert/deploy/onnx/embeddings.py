"""Embedding tables of an ONNX graph in few bits: 8 and a scale for each row; a table of low rank as
two factors, the rows of the first one in 4 bits."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ZERO = 1e-5  # of the largest singular value


def quantize_tables(graph: onnx.GraphProto, unused: dict[str, int] | None = None) -> None:
    """Replaces each float32 table that a Gather reads by rows in 8 bits. A table whose rank makes
    two factors smaller is replaced by these: the rows of the first one are in 4 bits, and the
    second one is a MatMul, to be quantised as others are.

    unused: how many of their last rows tables lose, by the end of their name.
    """
    tables = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        if table is None or table.data_type != TensorProto.FLOAT or len(table.dims) != 2:
            nodes.append(node)
            continue
        graph.initializer.remove(table)
        rows = numpy_helper.to_array(table)
        cut = [count for end, count in (unused or {}).items() if table.name.endswith(end)]
        rows = rows[: len(rows) - sum(cut)]
        factors = split(rows)
        parts = _Reader(graph, table.name, *node.input[1:], *node.output)
        nodes += parts.whole(rows) if factors is None else parts.product(*factors)
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


class _Reader:
    """The nodes that read rows of a table by their ids."""

    def __init__(self, graph: onnx.GraphProto, name: str, ids: str, output: str):
        self.graph, self.name, self.ids, self.output = graph, name, ids, output

    def whole(self, rows: np.ndarray) -> list[onnx.NodeProto]:
        numbers, scales = rounded(rows, 8)
        return [
            *self._gather("8_bits", numbers),
            *self._gather("scales", scales),
            self._node("Mul", ["8_bits", "scales"]),
        ]

    def product(self, left: np.ndarray, right: np.ndarray) -> list[onnx.NodeProto]:
        """Two numbers of 4 bits are a byte: 16 * first + second, each plus 8."""
        left = np.pad(left, [(0, 0), (0, left.shape[1] % 2)])
        right = np.pad(right, [(0, len(right) % 2), (0, 0)])
        numbers, scales = rounded(left, 4)
        first, second = np.split((numbers + 8).astype(np.uint8), 2, axis=1)
        for key, value in {"16": 16, "1_16": 1 / 16, "8": 8, "right": right}.items():
            self._add(key, np.asarray(value, np.float32))
        return [
            *self._gather("4_bits", 16 * first + second),
            *self._gather("scales", scales),
            self._node("Mul", ["4_bits", "1_16"], "shifted"),
            self._node("Floor", ["shifted"], "first"),
            self._node("Mul", ["first", "16"], "16_first"),
            self._node("Sub", ["4_bits", "16_first"], "second"),
            self._node("Concat", ["first", "second"], "both", axis=-1),
            self._node("Sub", ["both", "8"], "numbers"),
            self._node("Mul", ["numbers", "scales"], "left"),
            self._node("MatMul", ["left", "right"]),
        ]

    def _gather(self, key: str, rows: np.ndarray) -> list[onnx.NodeProto]:
        """Nodes that give the rows in float32, as `key`."""
        self._add(f"{key}_table", rows)
        gathered = f"{key}_rows"
        return [
            self._node("Gather", [f"{key}_table", "ids"], gathered, axis=0),
            self._node("Cast", [gathered], key, to=TensorProto.FLOAT),
        ]

    def _add(self, key: str, array: np.ndarray) -> None:
        self.graph.initializer.append(numpy_helper.from_array(array, self._named(key)))

    def _node(self, op: str, inputs: list[str], output: str = "output", **more) -> onnx.NodeProto:
        return helper.make_node(op, [*map(self._named, inputs)], [self._named(output)], **more)

    def _named(self, key: str) -> str:
        return {"ids": self.ids, "output": self.output}.get(key, f"{self.name}_{key}")


def rounded(rows: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers of so many bits, symmetric about 0, as int8, and the scale of each row, (V, 1),
    as float16: their product is near to `rows`, (V, width)."""
    largest = 2 ** (bits - 1) - 1
    scales = (np.abs(rows).max(axis=1, keepdims=True) / largest).astype(np.float16)
    scales[scales == 0] = 1
    numbers = np.round(rows / scales.astype(np.float32))
    return np.clip(numbers, -largest, largest).astype(np.int8), scales
