"""What `dvc repro` would run now, and how long it would take here.

    tinybert plan

DVC says which stages would run. Minutes are the operations of their matrix products at the rate of
this machine, measured for a moment, and at the shares of it that benchmarks found. Nothing is
trained and nothing is written.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tabulate import tabulate

from tinybert.commands.cost import matmul_rate, slowness
from tinybert.commands.stage_costs import Cost, Rows, Work
from tinybert.pipeline import params, paths
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.files import read_json
from tinybert.pipeline.schema import Params

if TYPE_CHECKING:  # with torch, which takes seconds to import
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

LONG = 2 * 3600  # seconds, above which there is a warning
BYTES_PER_TOKEN = 4  # of English text
# What makes a stage shorter.
KEYS = {
    "distill_general": "corpus.max_tokens, general.epochs",
    "distill_intermediate": "intermediate.epochs, augment.copies",
    "distill_prediction": "prediction.epochs, augment.copies",
    "label": "augment.copies, unlabelled rows",
    "finetune_teacher": "teacher.epochs",
    "finetune_general": "teacher.epochs",
    "finetune_baseline": "baseline.epochs",
    "augment": "augment.copies",
}
UNITS = (("weeks", 7 * 86400), ("days", 86400), ("hours", 3600), ("minutes", 60))


def plan() -> str:
    """The table, its total and warnings. Raises InputError outside of a clone, and if params.yaml
    or dvc.yaml has a mistake, or weighs labels that a task does not have."""
    from tinybert.distillation.prediction.loss import check_gold

    settings = params.load()
    stages = list(_pending())
    if not stages:
        return "all stages are up to date; dvc repro runs nothing"
    rate, notes = rate_here(settings), []
    works = work_of(settings, {name for name, _ in stages}, rate, notes)
    for task, work in works.items():
        if work.splits is not None:
            check_gold(task, "train" in work.splits, work.settings.prediction)
    costs = {}
    for name, _ in stages:
        stage, _, task = name.rpartition(":")[2].partition("@")
        work = works.get(task) or works[settings.tasks[0]]  # stages of all tasks: any
        costs[name] = work.cost(stage)
    rows = [_row(name, why, costs[name]) for name, why in stages]
    known = [cost for cost in costs.values() if cost is not None]
    total = Cost(
        sum(cost.tokens for cost in known),
        sum(cost.operations for cost in known),
        sum(cost.seconds for cost in known),
        sum(cost.disk for cost in known),
        max((cost.memory for cost in known), default=0),
    )
    header = ["stage", "runs because", "tokens", "TFLOP", "minutes", "disk, MB", "memory, GB"]
    align = ("left", "left", *["right"] * 5)
    at_least = "at least " if len(known) < len(costs) else ""
    lines = [
        tabulate([*rows, _row("total", "", total)], header, colalign=align, disable_numparse=True),
        "",
        f"{at_least}{duration(total.seconds)} at {rate / 1e9:,.0f} GFLOP/s; unless DVC's cache has "
        "results, which takes seconds",
    ]
    if at_least:
        lines.append(
            "?: the data are not there, or not readable yet; dvc repro prepare_task says why"
        )
    return "\n".join([*lines, *dict.fromkeys(notes), *_warnings(costs, total)])


def work_of(settings: Params, pending: set[str], rate: float, notes: list[str]) -> dict[str, Work]:
    """What is known of each task's run. pending: the stages that would run; what the others wrote
    is read. rate: operations per second. notes: assumptions are added to them."""
    config, words = _model(settings, pending, notes)
    splits = {task: _splits(settings, task, words, pending) for task in settings.tasks}
    corpus, slower = _corpus(settings, splits, pending), slowness()
    return {
        task: Work(
            params.load(task),
            rate,
            config,
            corpus,
            splits[task],
            _given(settings, task, notes),
            slower,
        )
        for task in settings.tasks
    }


def _pending() -> Iterator[tuple[str, str]]:
    """The stages that would run, in order, and why: what changed, or the stage before."""
    import networkx as nx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            changed = repo.status(targets=["dvc.yaml"], with_deps=True)
            graph = repo.index.graph  # from a stage to those that it depends on
            running: dict[str, str] = {}
            for stage in reversed(list(nx.topological_sort(graph))):
                name = stage.addressing
                before = [dep.addressing for dep in graph.successors(stage)]
                after = next((dep for dep in before if dep in running), None)
                if name in changed:
                    running[name] = _reason(changed[name])
                elif after:
                    running[name] = f"after {after}"
    except DvcException as error:
        raise InputError(f"DVC cannot read the project: {error}; see dvc status") from None
    # files that were added with `dvc add` are no stages that run
    yield from ((name, why) for name, why in running.items() if not name.endswith(".dvc"))


def _reason(changes: list) -> str:
    """The first thing that changed, and how many others."""
    found = []
    for change in changes:
        if isinstance(change, str):
            found.append(change)
            continue
        for files in change.values():
            for file, state in files.items():
                if isinstance(state, dict):
                    found += [f"{key} {how}" for key, how in state.items()]
                else:
                    found.append(f"{file} {state}")
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else "changed"


def rate_here(settings: Params) -> float:
    """Operations per second of this machine, in the precision of training."""
    import torch

    from tinybert.models.device import uses_bf16

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    return matmul_rate(torch.bfloat16 if uses_bf16(settings.precision) else torch.float32, kind)


def _model(
    settings: Params, pending: set[str], notes: list[str]
) -> tuple["PreTrainedConfig", "PreTrainedTokenizerBase | None"]:
    """The pretrained model's config and tokenizer; BERT-base's and None if it is not here."""
    from transformers import BertConfig

    from tinybert.models import checks, source, tokenizer

    model = settings.pretrained
    try:
        folder, options = paths.PRETRAINED, {}
        if "fetch_pretrained" in pending or not folder.is_dir():
            folder, options = source.locate(model.model, model.revision, "pretrained.model")
        return checks.load_config(folder, **options), tokenizer.load_tokenizer(folder, **options)
    except (OSError, ValueError) as error:  # no such model, or no network
        problem = str(error).partition("\n")[0]
        notes.append(f"{model.model} is not here ({problem:.120}); BERT-base's sizes are assumed")
        return BertConfig(), None


def _given(settings: Params, task: str, notes: list[str]) -> tuple["PreTrainedConfig", ...]:
    """The configs of the fine-tuned teachers that the task has; none if one is not here."""
    from tinybert.models import checks, source

    data, configs = settings.task[task].data, []
    for model in data.teachers:
        try:
            folder, options = source.locate(model, data.teacher_revision, "teacher")
            configs.append(checks.load_config(folder, **options))
        except (OSError, ValueError) as error:  # no such model, or no network
            problem = str(error).partition("\n")[0]
            notes.append(
                f"{model} is not here ({problem:.120}); a teacher of the pretrained model's sizes, "
                "which is fine-tuned, is assumed"
            )
            return ()
    return tuple(configs)


def _splits(
    settings: Params, task: str, words: "PreTrainedTokenizerBase | None", pending: set[str]
) -> dict[str, Rows] | None:
    """Rows of each split: those that the stage prepare_task counted, or counted as it does; None
    if the files or the tokenizer are missing, or the files have mistakes."""
    from tinybert.data.raw.prepare import prepare_task
    from tinybert.data.raw.same import limit

    length, stride = settings.encode.max_length, settings.encode.stride
    file = paths.metrics("data", task)
    if f"prepare_task@{task}" not in pending and file.is_file():
        statistics = read_json(file)
    elif words is None or not paths.raw(task).is_dir():
        return None
    else:
        with tempfile.TemporaryDirectory() as folder:
            section = settings.task[task].data
            try:
                raw, read = paths.raw(task), limit(settings.encode)
                statistics = prepare_task(raw, Path(folder), section, words, read)[1]
            except InputError:
                return None
    counted = {split: counts for split, counts in statistics.items() if counts.get("tokens")}
    if stride:
        return {split: _windows(counts, length, stride) for split, counts in counted.items()}
    return {
        split: Rows(counts["rows"], min(counts["tokens"]["total"], counts["rows"] * length))
        for split, counts in counted.items()
    }


def _windows(counts: dict, length: int, stride: int) -> Rows:
    """At most: as if no text were short. Each window has two special tokens."""
    tokens = counts["tokens"]["total"] * length // (length - stride - 2)
    return Rows(max(counts["rows"], -(-tokens // length)), tokens)


def _corpus(settings: Params, splits: dict[str, dict[str, Rows] | None], pending: set[str]) -> Rows:
    """The segments: those of the stage prepare_corpus, or an estimate from the sizes of files."""
    from tinybert.data.corpus import sources

    corpus, summary = settings.corpus, paths.CORPUS / "summary.json"
    if "prepare_corpus" not in pending and summary.is_file():
        tokens = read_json(summary, "tokens")["tokens"]
    elif corpus.path is None:
        tables = [table for known in splits.values() for table in (known or {}).items()]
        tokens = sum(rows.tokens for split, rows in tables if split in ("train", "unlabeled"))
    elif Path(corpus.path).is_dir():
        size = sum(piece.size for piece in sources.pieces(Path(corpus.path)))
        tokens = size // BYTES_PER_TOKEN
    else:
        tokens = corpus.max_tokens
    tokens = min(tokens, corpus.max_tokens)
    return Rows(max(1, tokens // corpus.max_length), tokens)


def _row(name: str, why: str, cost: Cost | None) -> list[str]:
    if cost is None:
        return [name, why, *["?"] * 5]
    return [
        name, why, f"{cost.tokens:,.0f}", f"{cost.operations / 1e12:,.1f}",
        f"{cost.seconds / 60:,.1f}", f"{cost.disk / 1e6:,.0f}", f"{cost.memory / 1e9:.1f}",
    ]  # fmt: skip


def duration(seconds: float) -> str:
    """As 12 minutes, 3.4 hours, 5 days, 13 weeks."""
    name, unit = next(((n, u) for n, u in UNITS if seconds >= 2 * u), UNITS[-1])
    count = seconds / unit
    return f"about {count:.1f} {name}" if count < 10 else f"about {count:,.0f} {name}"


def _warnings(costs: dict[str, Cost | None], total: Cost) -> list[str]:
    if total.seconds < LONG:
        return []
    known = {name: cost for name, cost in costs.items() if cost is not None}
    longest = max(known, key=lambda name: known[name].seconds)
    stage = longest.rpartition(":")[2].partition("@")[0]
    line = f"warning: {duration(total.seconds)} on this machine"
    share = known[longest].seconds / total.seconds
    line += f"; {100 * share:.0f} % of it is {longest}"
    if keys := KEYS.get(stage):
        line += f", which fewer tokens or epochs shorten: {keys} in params.yaml"
    return [line]
