"""The work of each stage, for the sizes of params.yaml and the tokens of the data.

Seconds that do not grow with the model are those of benchmarks/README.md, "make run by stage".
"""

from collections.abc import Callable
from dataclasses import dataclass

from transformers import PreTrainedConfig

from tinybert.commands.cost import SHARES, Sizes, forward, layer_maps
from tinybert.models.device import uses_bf16
from tinybert.models.pretrained import has_masked_head
from tinybert.pipeline.schema import Params, Training
from tinybert.training.loop import SAMPLE

START = 4  # seconds: imports, and reading and writing models
FIXED = {
    "fetch_pretrained": 4, "harvest_docs": 22, "prepare_corpus": 5, "prepare_task": 5,
    "augment": 7, "prune_vocabulary": 5, "evaluate": 25, "export": 17, "report": 7,
}  # fmt: skip
# Seconds of the student's start from a teacher of these sizes; it goes by the teacher's operations:
# from 24 layers, 1,024 wide, it took 305 (benchmarks.large_teacher).
CLOSED_FORM, FROM = 8, Sizes(6, 384, 1536)
TOKENIZER = 1e6  # tokens per second: "Corpus preparation"
# "Candidates by a masked-language model": BERT-base, at 420 GFLOP/s, on short paragraphs.
WORDS_PER_SECOND, BERT_BASE, AT_RATE = 251, Sizes(12, 768, 3072), 420e9
WORDS = 12.6 / 34.8  # that may be replaced, for each token; the same paragraphs
PROCESS = 0.6e9  # bytes of a process that has loaded torch
SCRATCH = 20e9  # bytes of the teacher's states: TINYBERT_SCRATCH_GB's default
# Rows that the teacher reads at once to fill its cache (teacher_store.BATCH); on a CPU at most.
TEACHER_BATCH = 64
# Seconds that AdamW takes for a parameter ("What `tinybert plan` foresees"): on short rows, a table
# of 30,522 tokens takes more of a step than the matrix products.
UPDATE = 2.4e-9
# Without a training the losses are measured, in float32: at this part of the rate in bf16
# ("Distillation against a plain recipe").
FLOAT32 = 0.23
STATES = 34  # numbers that a layer keeps for each token and unit of width, for its gradients


@dataclass(frozen=True)
class Rows:
    """Of a split, as models read them, cut or in windows: their number and their tokens."""

    count: int = 0
    tokens: int = 0

    def __add__(self, other: "Rows") -> "Rows":
        return Rows(self.count + other.count, self.tokens + other.tokens)

    def __mul__(self, factor: float) -> "Rows":
        return Rows(round(self.count * factor), round(self.tokens * factor))

    @property
    def pairs(self) -> float:
        return self.tokens**2 / max(1, self.count)


@dataclass(frozen=True)
class Cost:
    """tokens: that pass through models, epochs included. operations: of matrix products. seconds.
    disk, memory: bytes that it writes, and needs at once."""

    tokens: float = 0
    operations: float = 0
    seconds: float = 0
    disk: float = 0
    memory: float = PROCESS


@dataclass(frozen=True)
class Work:
    """What is known of the run: its sizes and data.

    settings: with the task's own values. rate: operations per second. config: the pretrained
    model's. corpus: the segments. splits: rows of the task's splits; None: not known. given: the
    configs of the fine-tuned teachers that the task has. slower: of cost.slowness.
    """

    settings: Params
    rate: float
    config: PreTrainedConfig
    corpus: Rows
    splits: dict[str, Rows] | None = None
    given: tuple[PreTrainedConfig, ...] = ()
    slower: float = 1.0

    @property
    def pretrained(self) -> Sizes:
        return sizes(self.config)

    @property
    def teachers(self) -> list[Sizes]:
        return [sizes(config) for config in self.given or (self.config,)]

    @property
    def student(self) -> Sizes:
        sizes = self.settings.student
        return Sizes(sizes.num_hidden_layers, sizes.hidden_size, sizes.intermediate_size)

    def cost(self, stage: str) -> Cost | None:
        """Of a stage, by its name without the task; None if its data are not known."""
        of_task: dict[str, Callable[[dict[str, Rows]], Cost]] = {
            "prepare_task": lambda splits: self._reading("prepare_task", sum_of(splits)),
            "finetune_teacher": self._teacher,
            "finetune_general": lambda splits: self._labels(self.student, "teacher", splits),
            "finetune_baseline": lambda splits: self._labels(self.student, "baseline", splits),
            "augment": self._augment,
            "distill_intermediate": lambda splits: self._layers(
                "distill_intermediate",
                self.settings.intermediate,
                self._augmented(splits),
                self.teachers[0],
            ),
            "label": self._label,
            "distill_prediction": self._prediction,
            "evaluate": self._evaluate,
        }
        if stage in of_task:
            if self.splits is None:
                return None
            if "train" not in self.splits and stage in ("finetune_general", "finetune_baseline"):
                return Cost(seconds=self._fixed())  # skipped: there are no labels
            if stage == "distill_intermediate" and not self.settings.intermediate.epochs:
                return Cost(seconds=self._fixed(), disk=self._bytes(self.student))
            return of_task[stage]({"train": Rows(), **self.splits})
        if stage == "prepare_corpus":
            return self._reading(stage, self.corpus)
        if stage == "distill_general":
            general = self._layers(stage, self.settings.general, self.corpus, self.pretrained)
            return Cost(
                general.tokens, general.operations, general.seconds + self._start(),
                general.disk, general.memory,
            )  # fmt: skip
        disk = {
            "fetch_pretrained": self._bytes(self.pretrained),
            "export": self._bytes(self.student),
        }
        return Cost(seconds=self._fixed(stage), disk=disk.get(stage, 0))

    def _fixed(self, stage: str = "") -> float:
        """Seconds that do not grow with the model."""
        return FIXED.get(stage, START) * self.slower

    def _start(self) -> float:
        """Seconds of the student's start, if it is in closed form."""
        if self.settings.student.init != "projection":
            return 0.0
        return CLOSED_FORM * self.slower * forward(self.pretrained, 1, 1) / forward(FROM, 1, 1)

    def _bytes(self, model: Sizes) -> float:
        """Of its weights in float32, with all tokens of the vocabulary."""
        layers, width, inner = model
        return 4 * (
            layers * (4 * width**2 + 2 * width * inner) + (self.config.vocab_size + 512) * width
        )

    def _seconds(self, operations: float, share: float, updates: float = 0) -> float:
        """updates: of single parameters."""
        return self._fixed() + operations / (self.rate * share) + updates * UPDATE * self.slower

    def _updates(
        self, model: Sizes, settings: Training, rows: Rows, of_task: bool = False
    ) -> float:
        """Of all parameters in all steps. of_task: the model may have a small table."""
        layers, width, inner = model
        parameters = self._bytes(model) / 4
        if of_task and self.settings.student.vocabulary == "task":
            parameters = layers * (4 * width**2 + 2 * width * inner)
        return parameters * settings.epochs * rows.count / settings.batch_size

    def _memory(
        self, trained: Sizes, settings: Training, length: float, frozen: float = 0
    ) -> float:
        """Weights, gradients and two moments; what a batch keeps; frozen: the teacher's bytes."""
        batch = settings.batch_size * length * trained.width * trained.layers * STATES * 2
        return PROCESS + 4 * self._bytes(trained) + batch + frozen

    def _frozen(self, teacher: Sizes, settings: Training, length: float) -> float:
        """The teacher's weights, in the precision that it computes in, and what it keeps of a
        batch: all hidden states; and queries, keys and scores, for each of the student's layers."""
        number = 2 if uses_bf16(self.settings.precision) else 4  # bytes
        rows = max(settings.batch_size, TEACHER_BATCH if settings.epochs > 1 else 0)
        states = teacher.width * (teacher.layers + 1 + 2 * self.student.layers)
        scores = length * self.student.layers * self.settings.student.num_attention_heads
        return number * (self._bytes(teacher) / 4 + rows * length * (states + scores))

    def _reading(self, stage: str, rows: Rows) -> Cost:
        return Cost(rows.tokens, 0, self._fixed(stage) + rows.tokens / TOKENIZER, 4 * rows.tokens)

    def _labels(self, model: Sizes, section: str, splits: dict[str, Rows]) -> Cost:
        """Fine-tuning on train; dev is scored after each epoch."""
        settings: Training = getattr(self.settings, section)
        train, dev = splits["train"], splits.get("dev", Rows())
        operations = settings.epochs * (
            3 * forward(model, train.tokens, train.pairs) + forward(model, dev.tokens, dev.pairs)
        )
        # a narrow model reaches no more than in the second step of distillation
        share = SHARES["finetune" if model == self.pretrained else "distill_prediction"]
        return Cost(
            settings.epochs * (train.tokens + dev.tokens), operations,
            self._seconds(operations, share, self._updates(model, settings, train)),
            self._bytes(model), self._memory(model, settings, mean(train)),
        )  # fmt: skip

    def _teacher(self, splits: dict[str, Rows]) -> Cost:
        """Fine-tuning, or a copy of the fine-tuned teachers that there are."""
        if not self.given:
            return self._labels(self.pretrained, "teacher", splits)
        disk = sum(map(self._bytes, self.teachers))
        return Cost(seconds=self._fixed(), disk=disk, memory=PROCESS + disk)

    def _augmented(self, splits: dict[str, Rows]) -> Rows:
        copies = self.settings.augment.copies
        return splits["train"] * (1 + copies) + splits.get("unlabeled", Rows())

    def _augment(self, splits: dict[str, Rows]) -> Cost:
        train, seconds = splits["train"], self._fixed("augment")
        if has_masked_head(self.config) and self.settings.augment.copies:
            slower = forward(self.pretrained, 1, 1) / forward(BERT_BASE, 1, 1) * AT_RATE / self.rate
            seconds += train.tokens * WORDS / WORDS_PER_SECOND * slower
        memory = PROCESS + self._bytes(self.pretrained)
        return Cost(train.tokens, 0, seconds, 4 * self._augmented(splits).tokens, memory)

    def _layers(self, stage: str, settings: Training, rows: Rows, teacher: Sizes) -> Cost:
        """The teacher runs once: its states are cached on disk if there are more epochs."""
        maps = layer_maps(self.student, teacher, rows.tokens)
        each = 3 * (forward(self.student, rows.tokens, rows.pairs) + maps)
        passes = min(settings.epochs, 1)
        states = 0.0
        if settings.epochs > 1:
            # hidden states of the embeddings and each layer; queries and keys of each layer
            states = 2 * rows.tokens * teacher.width * (3 * self.student.layers + 1)
            if states > SCRATCH:
                states, passes = 0.0, settings.epochs
        once = forward(teacher, rows.tokens, rows.pairs)
        operations = settings.epochs * each + passes * once
        updates = self._updates(self.student, settings, rows, stage == "distill_intermediate")
        seconds = self._seconds(operations, SHARES[stage], updates)
        if not settings.epochs:
            measured = min(1, SAMPLE / max(1, rows.count)) * (each / 3 + once)
            rate = self.rate * (FLOAT32 if uses_bf16(self.settings.precision) else 1)
            seconds += measured / (rate * SHARES[stage])
        return Cost(
            settings.epochs * rows.tokens, operations, seconds,
            self._bytes(self.student) + states,
            self._memory(
                self.student, settings, mean(rows), self._frozen(teacher, settings, mean(rows))
            ),
        )  # fmt: skip

    def _label(self, splits: dict[str, Rows]) -> Cost:
        rows = self._augmented(splits)
        operations = sum(forward(model, rows.tokens, rows.pairs) for model in self.teachers)
        return Cost(
            len(self.teachers) * rows.tokens, operations,
            self._seconds(operations, SHARES["label"]), 0,
            PROCESS + sum(map(self._bytes, self.teachers)),  # all members at once
        )  # fmt: skip

    def _prediction(self, splits: dict[str, Rows]) -> Cost:
        settings, rows = self.settings.prediction, self._augmented(splits)
        dev = splits.get("dev", Rows())
        operations = settings.epochs * (
            3 * forward(self.student, rows.tokens, rows.pairs)
            + forward(self.student, dev.tokens, dev.pairs)
        )
        return Cost(
            settings.epochs * (rows.tokens + dev.tokens), operations,
            self._seconds(
                operations, SHARES["distill_prediction"],
                self._updates(self.student, settings, rows, of_task=True),
            ),
            self._bytes(self.student), self._memory(self.student, settings, mean(rows)),
        )  # fmt: skip

    def _evaluate(self, splits: dict[str, Rows]) -> Cost:
        rows = splits.get("test", splits.get("dev", Rows()))
        models = (*self.teachers, *[self.student] * 3)
        operations = sum(forward(model, rows.tokens, rows.pairs) for model in models)
        seconds = self._fixed("evaluate") + operations / (self.rate * SHARES["label"])
        memory = PROCESS + sum(map(self._bytes, models))
        return Cost(len(models) * rows.tokens, operations, seconds, 0, memory)


def sizes(config: PreTrainedConfig) -> Sizes:
    width = config.hidden_size
    inner = getattr(config, "intermediate_size", 4 * width)
    return Sizes(config.num_hidden_layers, width, inner)


def sum_of(splits: dict[str, Rows]) -> Rows:
    return sum(splits.values(), Rows())


def mean(rows: Rows) -> float:
    """Tokens of a row."""
    return rows.tokens / max(1, rows.count)
