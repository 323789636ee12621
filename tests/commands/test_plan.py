"""`tinybert plan`: the stages that DVC would run, and what they cost."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from tinybert.commands import cost, plan, recipe, stage_costs
from tinybert.commands.cost import Sizes, forward
from tinybert.commands.stage_costs import Rows, Work
from tinybert.models import source
from tinybert.models.attention import capture
from tinybert.pipeline import params

ROOT = Path(__file__).parents[2]


def test_operations_are_those_that_torch_counts():
    sizes = {"num_hidden_layers": 3, "hidden_size": 32, "intermediate_size": 48}
    config = BertConfig(**sizes, num_attention_heads=4, vocab_size=100, attn_implementation="eager")
    model = BertModel(config, add_pooling_layer=False).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(2, 20, dtype=torch.long))
    assert cost.forward(Sizes(3, 32, 48), 40, 2 * 20**2) == counter.get_total_flops()


def work(splits: dict[str, Rows] | None, rate: float = 400e9, **changes) -> Work:
    settings = params.load("pydocs", ROOT / "params.yaml")
    for section, values in changes.items():
        changed = getattr(settings, section).model_copy(update=values)
        settings = settings.model_copy(update={section: changed})
    corpus = Rows(1700, 200_000)
    sizes = {"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536}
    return Work(settings, rate, BertConfig(**sizes, architectures=["BertModel"]), corpus, splits)


SPLITS = {
    "train": Rows(1000, 40_000), "dev": Rows(600, 24_000), "test": Rows(1000, 40_000),
    "unlabeled": Rows(4000, 160_000),
}  # fmt: skip


def test_a_run_of_the_default_takes_as_long_as_was_measured():
    """benchmarks/README.md, "What `tinybert plan` foresees": at 879 GFLOP/s. Within a factor of
    1.5, as the sum; and of 2.5 for each stage of training."""
    measured = {
        "distill_general": 36.7, "finetune_teacher": 31.1, "finetune_baseline": 40.9,
        "finetune_general": 16.6, "distill_intermediate": 30.1, "label": 15.4,
        "distill_prediction": 46.7,
    }  # fmt: skip
    others = {
        "fetch_pretrained": 4.5, "harvest_docs": 23.1, "prepare_corpus": 4.8, "prepare_task": 5.2,
        "augment": 6.9, "prune_vocabulary": 5.2, "evaluate": 27.4, "export": 17.0, "report": 7.0,
    }  # fmt: skip
    planned = {name: work(SPLITS, 879e9).cost(name).seconds for name in {**measured, **others}}
    for name, seconds in measured.items():
        assert seconds / 2.5 < planned[name] < seconds * 2.5, name
    ratio = sum(planned.values()) / sum({**measured, **others}.values())
    assert 1 / 1.5 < ratio < 1.5


def test_where_python_is_slower_the_seconds_without_a_model_are_more():
    quick, slow = work(SPLITS), replace(work(SPLITS), slower=2.0)
    assert slow.cost("harvest_docs").seconds == 2 * quick.cost("harvest_docs").seconds
    more = slow.cost("label").seconds - quick.cost("label").seconds
    assert more == pytest.approx(stage_costs.START)  # and not the matrix products


@pytest.mark.parametrize("stage", ["distill_general", "distill_prediction", "finetune_teacher"])
def test_twice_the_epochs_are_twice_the_operations_of_the_student(stage):
    section = {"distill_general": "general", "finetune_teacher": "teacher"}.get(stage, "prediction")
    once, twice = (
        work(SPLITS, **{section: {"epochs": epochs}}).cost(stage).operations for epochs in (2, 4)
    )
    # general distillation runs the teacher once
    assert twice == pytest.approx(2 * once, rel=0.4 if stage == "distill_general" else 1e-9)
    assert twice > once


def test_a_given_teacher_is_not_trained_and_labels_with_its_own_sizes():
    large = BertConfig(num_hidden_layers=24, hidden_size=1024, intermediate_size=4096)
    plain, given = work(SPLITS), replace(work(SPLITS), given=(large, large))
    assert given.cost("finetune_teacher").operations == 0
    once = forward(Sizes(24, 1024, 4096), 240_000, Rows(6000, 240_000).pairs)
    assert given.cost("label").operations == 2 * once > 10 * plain.cost("label").operations
    weights = 2 * 4 * 335e6  # BERT-large's, in float32
    assert given.cost("label").memory - stage_costs.PROCESS == pytest.approx(weights, rel=0.02)
    assert given.cost("distill_general") == plain.cost("distill_general")
    layers = given.cost("distill_intermediate").operations
    assert layers > plain.cost("distill_intermediate").operations + once / 2


@pytest.mark.parametrize(("precision", "bytes_each"), [("bf16", 2), ("fp32", 4)])
def test_a_frozen_teacher_has_weights_and_states_in_the_precision_that_it_computes_in(
    precision, bytes_each
):
    """Against a model's own parameters, and the sizes of what `capture` returns."""
    plain = work(SPLITS, intermediate={"batch_size": 64, "epochs": 2})
    plain = replace(plain, settings=plain.settings.model_copy(update={"precision": precision}))
    large = {"num_hidden_layers": 8, "hidden_size": 576, "intermediate_size": 2304}
    teacher = BertConfig(**large, num_attention_heads=plain.settings.student.num_attention_heads)
    weights = sum(p.numel() for p in BertModel(teacher).parameters())
    ids = torch.zeros(64, 40, dtype=torch.long)  # 40 tokens a row in SPLITS
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    kept = range(1, plain.student.layers + 1)
    with torch.no_grad():
        captured = capture(BertModel(teacher).eval(), inputs, kept)
    states = sum(h.numel() for h in captured.hidden_states)
    for qk in filter(None, captured.attention):
        states += qk.query.numel() + qk.key.numel() + qk.scores().numel()
    given = replace(plain, given=(teacher,)).cost("distill_intermediate").memory
    without = plain._memory(plain.student, plain.settings.intermediate, 40)
    assert given - without == pytest.approx(bytes_each * (weights + states), rel=0.02)


def test_labels_that_there_are_not_have_no_weight(clone):
    """Before anything is trained."""
    (clone / "data/raw/pydocs").mkdir(parents=True)
    text = (clone / "params.yaml").read_text()
    text = text.replace("hard_label_weight: 0.0", "hard_label_weight: 0.5", 1)
    (clone / "params.yaml").write_text(text)
    splits = {"unlabeled": Rows(90, 900), "dev": Rows(10, 100)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_splits", lambda *arguments: splits)
        with pytest.raises(ValueError, match=r"hard_label_weight is 0\.5, and the task pydocs has"):
            plan.plan()
        splits["train"] = Rows(90, 900)
        assert "label@pydocs" in plan.plan()


def test_without_data_a_stage_of_a_task_is_unknown_and_others_are_not():
    empty = work(None)
    assert empty.cost("label") is None and empty.cost("distill_prediction") is None
    assert empty.cost("distill_general").operations > 0
    assert empty.cost("export").seconds == stage_costs.FIXED["export"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(50, "0.8 minutes"), (720, "12 minutes"), (3 * 3600, "3.0 hours"), (90 * 86400, "13 weeks")],
)
def test_durations_have_a_fitting_unit(seconds, text):
    assert plan.duration(seconds) == f"about {text}"


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The project's files in a repository of their own, without data and models."""
    names = ["params.yaml", "recipes", "dvc.yaml", "stages", "tinybert", ".dvc", ".dvcignore"]
    for name in filter(lambda name: (ROOT / name).exists(), names):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "params.yaml").unlink()
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / ".dvc").unlink()
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plan, "rate_here", lambda settings: 400e9)
    return tmp_path


def rows_of(table: str) -> dict[str, list[str]]:
    lines = [re.split(r"  +", line.strip()) for line in table.splitlines()]
    return {line[0]: line[1:] for line in lines if len(line) >= 6}


def test_all_stages_of_a_fresh_clone_run_and_nothing_is_written(clone):
    (clone / "data/raw/pydocs").mkdir(parents=True)
    labels = ["a", "b"] * 30
    rows = [f"the row number {i}\t{label}" for i, label in enumerate(labels)]
    (clone / "data/raw/pydocs/train.tsv").write_text("\n".join(["text\tlabel", *rows]))
    before = {path for path in clone.rglob("*") if ".dvc" not in path.parts and path.is_file()}
    output = plan.plan()
    table = rows_of(output)
    assert {"fetch_pretrained", "prepare_task@pydocs", "report", "total"} <= set(table)
    assert "distill_prediction@pydocs" in table and "?" not in table["label@pydocs"]
    assert list(table).index("fetch_pretrained") < list(table).index("distill_general")
    after = {path for path in clone.rglob("*") if ".dvc" not in path.parts and path.is_file()}
    assert after == before


def test_windows_are_planned_with_the_tokens_that_they_share(clone):
    (clone / "data/raw/pydocs").mkdir(parents=True)
    rows = [f"row {i} {'the ' * 198}\t{'ab'[i % 2]}" for i in range(60)]  # 200 tokens each
    (clone / "data/raw/pydocs/train.tsv").write_text("\n".join(["text\tlabel", *rows]))
    text = re.sub(r"copies: \d+", "copies: 0", (clone / "params.yaml").read_text())
    for kind, tokens in {"cut": 64, "windows": 200 + 3 * 16 + 4 * 2}.items():
        text = re.sub(r"long_texts: \w+", f"long_texts: {kind}", text)
        (clone / "params.yaml").write_text(text)
        planned = int(rows_of(plan.plan())["label@pydocs"][1].replace(",", ""))
        assert 54 * tokens <= planned < 1.2 * 54 * tokens  # a tenth of the rows are dev


def test_a_task_without_labels_is_planned(clone):
    empty = work({"unlabeled": Rows(900, 40_000), "dev": Rows(100, 4_000)})
    stages = ("finetune_general", "finetune_baseline", "augment", "label", "distill_prediction")
    costs = {stage: empty.cost(stage) for stage in stages}
    assert costs["label"].tokens == 40_000
    assert costs["finetune_general"].operations == costs["finetune_baseline"].operations == 0


def test_missing_data_are_marked_and_weeks_are_warned_of(clone):
    text = (clone / "params.yaml").read_text()
    text = text.replace("max_tokens: 200000", "max_tokens: 4e9", 1)
    (clone / "params.yaml").write_text(text)
    output = plan.plan()
    assert rows_of(output)["label@pydocs"][-1] == "?"
    assert "at least about" in output
    warning = output.splitlines()[-1]
    assert re.match(
        r"warning: about [\d.]+ (days|weeks) on this machine; \d+ % of it is dist", warning
    )
    assert "distill_general, " in warning and "corpus.max_tokens" in warning


def test_weeks_of_a_recipe_are_warned_of_before_its_model_and_corpus_are_there(clone, monkeypatch):
    def no_network(*_):
        raise OSError("no network")

    monkeypatch.setattr(source, "locate", no_network)
    recipe.apply("chinese")
    output = plan.plan()
    weeks = float(re.search(r"^warning: about ([\d.]+) weeks .*distill_general", output, re.M)[1])
    # 3 epochs of 4e9 tokens: 6 operations for each weight of the student's layers, and 2 for each
    # of BERT-base's, whose states are too many to be kept
    weights = {"student": 4 * (4 * 312**2 + 2 * 312 * 1200), "teacher": 12 * 12 * 768**2}
    operations = 3 * 4e9 * (6 * weights["student"] + 2 * weights["teacher"])
    seconds = operations / (400e9 * cost.SHARES["distill_general"])
    assert 1 <= weeks * 7 * 86400 / seconds < 1.2  # attention comes on top
    assert rows_of(output)["distill_general"][1] == "12,000,000,000"
    assert "bert-base-chinese is not here (no network)" in output and "at least about" in output


def test_outside_of_a_repository_it_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="DVC cannot read"):
        plan.plan()


def test_pairs_of_equal_rows_are_the_sum_of_their_squares():
    lengths = np.full(10, 7)
    assert Rows(10, int(lengths.sum())).pairs == np.square(lengths).sum()
