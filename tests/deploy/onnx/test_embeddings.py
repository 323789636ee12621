"""Embedding tables in 8 and in 4 bits, against NumPy."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper
from scipy.stats import norm

from tinybert.deploy.onnx.embeddings import LEVELS, coded, quantize_tables, split

IDS = np.array([[0, 3, 5], [19, 3, 0]])


def quantized(table: np.ndarray, unused: dict | None = None) -> tuple[onnx.ModelProto, np.ndarray]:
    """A graph of one Gather, quantised, and what it returns for IDS."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["out"])],
        "gather",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", "length", "width"])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    quantize_tables(model.graph, unused)
    onnx.checker.check_model(model)
    session = ort.InferenceSession(model.SerializeToString())
    return model, session.run(None, {"ids": IDS})[0]


def sizes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    return {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}


def test_each_row_is_as_exact_as_its_own_largest_value_allows():
    random = np.random.default_rng(0)
    table = random.normal(size=(20, 8)) * np.logspace(-3, 3, 20)[:, None]
    table[5] = 0
    table = table.astype(np.float32)
    model, actual = quantized(table)
    bound = np.abs(table).max(axis=1)[IDS] / 127 / 2
    assert (np.abs(actual - table[IDS]).max(axis=-1) <= bound * 1.2).all()  # scales in 16 bits
    assert sizes(model) == {"table_8_bits_table": (20, 8), "table_scales_table": (20, 1)}


@pytest.mark.parametrize("rank", [3, 4])
def test_a_table_of_low_rank_is_stored_as_two_factors_the_first_one_in_4_bits(rank):
    random = np.random.default_rng(0)
    table = (random.normal(size=(20, rank)) @ random.normal(size=(rank, 8))).astype(np.float32)
    table[5] = 0
    model, actual = quantized(table)
    left, right = split(table)
    codes, scales = coded(left)
    assert np.allclose(actual, (LEVELS[codes] * scales.astype(np.float32) @ right)[IDS], atol=1e-5)
    assert np.abs(actual - table[IDS]).max() > 1e-3  # they are not the exact ones
    assert (actual[0, 2] == 0).all()
    assert sizes(model)["table_4_bits_table"] == (20, 2)  # bytes of two numbers
    assert sizes(model)["table_right"] == (4, 8)


def test_the_second_factor_is_orthonormal_and_hides_the_singular_vectors():
    """So an error of the first one is as large in the table, and no number of a row is the only
    large one."""
    random = np.random.default_rng(0)
    table = random.normal(size=(500, 32)) * np.logspace(0, -4, 32)
    left, right = split(np.pad(table, [(0, 0), (0, 32)]))
    assert np.allclose(right @ right.T, np.eye(len(right)), atol=1e-6)
    columns = np.sqrt((left**2).mean(axis=0))
    assert columns.max() / columns.min() < 10  # of the table itself: 10,000


def test_the_levels_are_the_best_ones_of_a_normal_variable():
    """Each is the mean of the interval of numbers that are nearest to it (Lloyd 1982), and the
    error is Max's, 0.009497."""
    edges = np.array([-np.inf, *(LEVELS[1:] + LEVELS[:-1]) / 2, np.inf])
    masses = np.diff(norm.cdf(edges))
    means = -np.diff(norm.pdf(edges)) / masses
    assert np.allclose(LEVELS, means, atol=2e-3)
    assert 1 - (masses * LEVELS * (2 * means - LEVELS)).sum() == pytest.approx(0.009497, abs=1e-5)


def test_rows_of_normal_numbers_lose_no_more_than_the_best_levels_lose():
    rows = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    rows *= np.logspace(-2, 2, 200, dtype=np.float32)[:, None]
    codes, scales = coded(rows)
    errors = ((LEVELS[codes] * scales.astype(np.float32) - rows) ** 2).sum(1) / (rows**2).sum(1)
    assert errors.mean() < 0.0095 and errors.max() < 0.02


def test_factors_that_are_not_smaller_are_not_used():
    random = np.random.default_rng(0)
    assert split(random.normal(size=(20, 8))) is None
    assert split(random.normal(size=(20, 6)) @ random.normal(size=(6, 8))) is None
    left, right = split(random.normal(size=(20, 5)) @ random.normal(size=(5, 8)))
    assert left.shape == (20, 5) and right.shape == (5, 8)


def test_rows_that_no_id_reads_are_left_out():
    table = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    _, whole = quantized(table)
    shorter, actual = quantized(table, unused={"able": 10, "other": 3})
    assert sizes(shorter)["table_8_bits_table"] == (20, 8)
    assert np.array_equal(actual, whole)
