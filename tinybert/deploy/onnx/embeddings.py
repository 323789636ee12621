"""Embedding tables of an ONNX graph in few bits: 8 and a scale for each row; a table of low rank as
two factors, the rows of the first one in 4 bits.

The second factor has orthonormal rows, so an error of the first one is as large in the table. A
random rotation between the two spreads each row evenly over its numbers, as QuIP does
(2307.13304): they are then near to normal, whose 16 best levels are known (Max 1960).
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ZERO = 1e-5  # of the largest singular value
# The levels of 4 bits with the smallest mean squared error for a standard normal variable
# (Max 1960, Quantizing for minimum distortion, table I).
HALF = (0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733)
LEVELS = np.array([-level for level in reversed(HALF)] + list(HALF), np.float32)
SCALES = np.arange(0.6, 1.3, 0.05, np.float32)  # tried for each row, times its root mean square


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
    """(V, rank) and (rank, width), float32, whose product is `table`, the latter's rows orthonormal
    and a random basis; None if they are not smaller than it."""
    left, values, right = np.linalg.svd(table.astype(np.float64), full_matrices=False)
    rank = int((values > ZERO * values[0]).sum())
    if rank * sum(table.shape) >= table.size:
        return None
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(rank, rank)))
    return (
        (left[:, :rank] * values[:rank] @ rotation).astype(np.float32),
        (rotation.T @ right[:rank]).astype(np.float32),
    )


class _Reader:
    """The nodes that read rows of a table by their ids."""

    def __init__(self, graph: onnx.GraphProto, name: str, ids: str, output: str):
        self.graph, self.name, self.ids, self.output = graph, name, ids, output

    def whole(self, rows: np.ndarray) -> list[onnx.NodeProto]:
        numbers, scales = rounded(rows)
        return [
            *self._gather("8_bits", numbers),
            *self._gather("scales", scales),
            self._node("Mul", ["8_bits", "scales"]),
        ]

    def product(self, left: np.ndarray, right: np.ndarray) -> list[onnx.NodeProto]:
        """A byte has two levels: 16 * the first one's index + the second one's."""
        codes, scales = coded(left)
        odd = codes.shape[1] % 2
        codes = np.pad(codes, [(0, 0), (0, odd)], constant_values=len(HALF))  # a small level
        right = np.pad(right, [(0, odd), (0, 0)])
        pairs = np.stack(np.meshgrid(LEVELS, LEVELS, indexing="ij"), axis=-1).reshape(256, 2)
        for key, value in {"pairs": pairs, "right": right}.items():
            self._add(key, value)
        self._add("shape", np.array([0, 0, len(right)]))
        return [
            *self._gather("4_bits", 16 * codes[:, ::2] + codes[:, 1::2], TensorProto.INT64),
            *self._gather("scales", scales),
            self._node("Gather", ["pairs", "4_bits"], "levels"),
            self._node("Reshape", ["levels", "shape"], "numbers"),
            self._node("Mul", ["numbers", "scales"], "left"),
            self._node("MatMul", ["left", "right"]),
        ]

    def _gather(
        self, key: str, rows: np.ndarray, to: int = TensorProto.FLOAT
    ) -> list[onnx.NodeProto]:
        """Nodes that give the rows, as `key`."""
        self._add(f"{key}_table", rows)
        gathered = f"{key}_rows"
        return [
            self._node("Gather", [f"{key}_table", "ids"], gathered, axis=0),
            self._node("Cast", [gathered], key, to=to),
        ]

    def _add(self, key: str, array: np.ndarray) -> None:
        self.graph.initializer.append(numpy_helper.from_array(array, self._named(key)))

    def _node(self, op: str, inputs: list[str], output: str = "output", **more) -> onnx.NodeProto:
        return helper.make_node(op, [*map(self._named, inputs)], [self._named(output)], **more)

    def _named(self, key: str) -> str:
        return {"ids": self.ids, "output": self.output}.get(key, f"{self.name}_{key}")


def rounded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers of 8 bits, symmetric about 0, as int8, and the scale of each row, (V, 1), as
    float16: their product is near to `rows`, (V, width)."""
    scales = (np.abs(rows).max(axis=1, keepdims=True) / 127).astype(np.float16)
    scales[scales == 0] = 1
    numbers = np.round(rows / scales.astype(np.float32))
    return np.clip(numbers, -127, 127).astype(np.int8), scales


def coded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of LEVELS, uint8, and the scale of each row, (V, 1), as float16: the product of level
    and scale is near to `rows`, (V, width). Of SCALES, the one with the smallest error."""
    tried = np.sqrt((rows**2).mean(axis=1)) * SCALES[:, None]
    tried = tried.astype(np.float16)[..., None]  # (SCALES, V, 1)
    errors = [((LEVELS[nearest(rows, scales)] * scales - rows) ** 2).sum(1) for scales in tried]
    scales = tried[np.argmin(errors, axis=0), np.arange(len(rows))]
    return nearest(rows, scales), scales


def nearest(rows: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Indices of the level nearest to each number in units of its row's scale, which may be 0."""
    units = np.divide(rows, scales, out=np.zeros_like(rows), where=scales > 0)
    return np.searchsorted((LEVELS[1:] + LEVELS[:-1]) / 2, units).astype(np.uint8)
