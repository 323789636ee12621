"""What `tinybert init` finds in a task's files: language, model, teacher and splits."""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
from stop_words import LANGUAGE_MAPPING
from transformers import PreTrainedTokenizerBase

from tinybert.commands import alike, languages, model_choice, raw_files, shown, word_files
from tinybert.data.raw import prepare, raw_tables, same, splits, tagged, targets
from tinybert.data.raw.columns import Table, header_test
from tinybert.data.raw.records import Options
from tinybert.models.source import locate
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.schema import Params
from tinybert.pipeline.task_data import TaskData
from tinybert.pipeline.wording import plural
from tinybert.tasks import teacher
from tinybert.tasks.task import TARGET

SAMPLE = 1000  # rows that show the language, and how the model reads it
ROWS = 5  # shown


class Findings:
    """A folder of staged files as prepare_task reads it, and the model for it."""

    def __init__(
        self,
        folder: Path,
        section: TaskData,
        settings: Params,
        model: str | None,
        agrees: Callable[[str], bool | None],
    ):
        """folder: as data/raw/TASK. section: params.yaml's task.<name>.data. model: the user's
        choice; None: the given teacher, or that of params.yaml. agrees: the user's answer to a
        question; None: nobody can be asked.

        Raises InputError that names file, line and remedy, and if the model of params.yaml cannot
        read the texts and nobody chooses another.
        """
        self.folder, self.section, self.notes = folder, section, []
        self.misfit: str | None = None  # of a given teacher; after prepare
        self.max_length = same.limit(settings.encode)
        texts = _first_texts(folder, section)
        self.language = languages.detect(texts)
        option = "--model" if model or not section.teacher else "--teacher"
        model = model or section.teacher
        self.model, config, self.tokenizer = model_choice.load(settings, model, option)
        other = model_choice.proposed(self.language)
        if problem := self._problem(texts, self.tokenizer):
            if model is None:
                if not agrees(f"{problem}. Use {other}?"):
                    raise InputError(
                        f"{problem}; give another: --model {other}, or --model {self.model} to "
                        "keep it"
                    )
                self.model, config, self.tokenizer = model_choice.load(settings, other)
            remedy = f"{other} is a model for them"
            if section.teacher:
                remedy = "is it the teacher for them?"
            self.notes.append(f"{problem}; {remedy}")
        elif model is None and self.language and self.language.code not in ("en", None):
            self.notes.append(
                f"the texts seem to be {self.language.name}; if {self.model} is a model of another "
                f"language: --model {other}"
            )
        self.recipe, self.recipe_values = model_choice.recipe_of(self.language, self.model)
        self.settings = model_choice.with_values(self.recipe_values, self.recipe)
        self.model_changes = model_choice.changes(self.model, config, self.settings, option)
        if self.model_changes:
            sha256 = model_choice.weights_sha256(self.model)
            self.model_changes["pretrained"]["sha256"] = sha256

    def _problem(self, texts: list[str], tokenizer: PreTrainedTokenizerBase) -> str | None:
        fit = model_choice.fit(texts, tokenizer, self.language)
        if not model_choice.cannot_read(fit, self.language):
            return None
        reading = f"takes {fit.per_letter:.1f} tokens for each letter"
        if fit.unknown > model_choice.UNKNOWN:
            reading = f"does not know {100 * fit.unknown:.0f} % of the words' tokens"
        language = self.language.name if self.language else "in an unknown script"
        return f"the texts are {language}, and {self.model} is no choice: it {reading}"

    @property
    def stop_words(self) -> str | None:
        """The language's code, if there are stop words for it."""
        code = self.language.code if self.language else None
        return code if code in LANGUAGE_MAPPING else None

    def hold_out_test(self, share: float) -> dict[Path, list[int]]:
        """Moves a share of the rows of train to a file test, as splits.hold_out does. Rows that the
        model sees as the same, or whose texts are nearly alike, stay together, and those that are
        in another split stay in train. Returns which lines are where, as raw_files.divide does;
        nothing if train has no labels but the most probable ones, of which a test would say how
        well they are imitated. Raises InputError if there are too few rows, or too few left to take
        dev from them, too."""
        tables, kind, *_ = prepare.read_tables(
            self.folder, self.section, self.tokenizer, self.max_length
        )
        if tables["train"].is_probable:
            self.notes.append(
                "no test is taken from train: its labels are the most probable ones, and scores on "
                "dev are agreement with the given answers; add a test file with labels"
            )
            return {}
        starts = tables["train"].numbers
        try:
            tables, count, notes = _take_test(tables, TARGET[kind], share)
        except InputError as error:
            raise InputError(f"{error}. --test-share 0 takes no test") from None
        [file] = [file for file in self.folder.iterdir() if file.stem == "train"]
        test, moved = file.with_stem("test"), tables["test"].numbers
        noun = ("sentence", "sentences") if kind == "tokens" else ("row", "rows")
        if kind == "tokens" and file.suffix not in (".jsonl", ".parquet"):
            encoding = self.section.encoding or "utf-8"
            lines = word_files.divide(file, encoding, starts, moved, test)
        else:
            lines = raw_files.divide(file, _options(self.section), moved, test)
        taken = f"test: {plural(count, *noun)} of train ({100 * count / len(starts):.1f} %)"
        self.notes += [f"{taken}, {_spread(tables, kind)}", *notes]
        return lines

    def prepare(self, out: Path) -> None:
        """Does what the stage prepare_task will do, into `out`; a given teacher is only checked."""
        self.task, self.statistics = prepare.prepare_task(
            self.folder, out, self.section, self.tokenizer, self.max_length
        )
        first = out / f"{'train' if self.task.has_labels else 'unlabeled'}.parquet"
        self.rows = next(pq.ParquetFile(first).iter_batches(ROWS)).to_pylist()
        if self.section.teacher:
            base = locate(self.model, None, "--model")[0]
            self.misfit = teacher.misfit(self.section, base)
            teacher.check_first(self.section, self.task, base, inside=False)
            teacher.check(self.section, self.task)
            teacher.load(self.section, self.task)  # are there the weights of its head?

    def report(self) -> list[str]:
        """Parsed rows, kind, language, sizes, labels, and notices; after prepare."""
        kind = f"{self.task.kind}{' of pairs' if self.task.pair else ''}"
        schemes = [counts["scheme"] for counts in self.statistics.values() if "scheme" in counts]
        if schemes:
            kind = f"{kind}; scheme of the tags: {schemes[0]}"
        language = self.language.name if self.language else "unknown"
        lines = [
            *self.notes,
            "",
            *shown.rows(self.task, self.rows),
            "",
            f"kind: {kind}; language: {language}; model: {self.model}; recipe: {self.recipe}",
            *self._teacher(),
            "",
            shown.sizes(self.task, self.statistics),
        ]
        table = (shown.labels if self.task.labels else shown.scores)(self.statistics)
        lines += ["", *table] if table else []
        notices = [
            f"{split}: {line}"
            for split, counts in self.statistics.items()
            for line in counts["notices"].values()
        ]
        return [*lines, "", *(f"warning: {line}" for line in notices)] if notices else lines

    def _teacher(self) -> list[str]:
        """Lines on a given teacher: what its answers stand for."""
        name = self.section.teacher
        if not name:
            return []
        skipped = []
        if self.misfit:
            skipped = [
                f"the teacher {self.misfit}: step 1, which compares layers, is left out "
                "(intermediate: {epochs: 0}), and the student learns its predictions alone"
            ]
        if self.task.has_labels:
            line = f"teacher: {name}, which is not trained again; its outputs are these labels"
            return [line, *skipped]
        names = "a score"
        if self.task.labels:
            names = (
                f"{targets.preview(self.task.labels)} (from its config.json; teacher_labels: [...] "
                "under the task's data in params.yaml gives other names)"
            )
        lines = [
            f"teacher: {name}; labels: {names}",
            *skipped,
            "no labels to train on: the student learns the teacher's answers",
        ]
        if "test" not in self.task.splits:
            scores = "agreement with them" if self.task.answered else "those of dev"
            lines.append(f"no test is taken: scores are {scores}; add a test file with labels")
        return lines


def _first_texts(folder: Path, section: TaskData) -> list[str]:
    """Texts of the first rows of train, or of unlabeled."""
    if section.kind == "tokens":
        files = raw_tables.find_files(folder, section, tagged.SUFFIXES)
        split = "train" if "train" in files else "unlabeled"
        table, _ = tagged.read(files[split], section, labelled=split == "train")
        return table.columns["text_a"][:SAMPLE]
    tables = raw_tables.read(folder, section)
    first = tables["train" if "train" in tables else "unlabeled"]
    values = (first.columns[role] for role in ("text_a", "text_b") if role in first.columns)
    return [text for column in values for text in islice(column, SAMPLE) if isinstance(text, str)]


def _take_test(
    tables: dict[str, Table], target: str, share: float
) -> tuple[dict[str, Table], int, list[str]]:
    """Moves a share of train to test: the tables, the number of rows, and lines on those that are
    nearly alike. If they left no test, half of it, or none for dev, copies alone stay together.
    Raises InputError if there are too few rows."""
    train, names = tables["train"], ["train", *(name for name in tables if name != "train")]
    largest = max(splits.FEW, share * len(train) / 2)
    found = alike.groups([tables[name] for name in names], largest)

    def take(same: list[int], elsewhere: set[int]) -> tuple[dict[str, Table], int]:
        columns = {**train.columns, "same": same, "copies": train.columns["same"]}
        given = {**tables, "train": replace(train, columns=columns)}
        taken, count = splits.hold_out(given, target, "test", share, elsewhere)
        if "dev" not in taken:
            rest = taken["train"]
            columns = {**rest.columns, "same": rest.columns["copies"]}
            # what prepare_task does next
            splits.hold_out({**taken, "train": replace(rest, columns=columns)}, target)
        return taken, count

    copies = [group for name in names for group in tables[name].columns["same"]]
    taken, count = take(copies[: len(train)], set(copies[len(train) :]))
    joined, divided = (int(rows[: len(train)].sum()) for rows in (found.joined, found.divided))
    same = found.same.tolist()
    try:
        apart, number = take(same[: len(train)], set(same[len(train) :]))
    except InputError:
        number = 0
    if number < count / 2:
        return taken, count, shown.alike(0, max(joined, divided), found.example)
    return apart, number, shown.alike(joined, divided, found.example)


def _options(section: TaskData) -> Options:
    """How the task's files are read."""
    columns = section.columns and dict(section.columns.model_dump(exclude_none=True))
    is_header = header_test(section.header, columns)
    return Options(is_header, section.encoding or "utf-8", section.quoted)


def _spread(tables: dict[str, Table], kind: str) -> str:
    """What is true of the labels of a test that was taken from train."""
    if kind == "regression":
        return "spread over the scores"
    train, test = (
        {
            label
            for value in values
            for label in (value if isinstance(value, (list, tuple)) else [value])
        }
        for values in (tables[split].columns[TARGET[kind]] for split in ("train", "test"))
    )
    noun = "tags" if kind == "tokens" else "labels"
    if lacking := len(train - test):
        few = "have too few different rows to be in it"
        return f"spread over the {noun}; {lacking:,} of {len(train):,} {few}"
    return f"spread over the {noun}"
