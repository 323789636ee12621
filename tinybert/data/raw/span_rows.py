"""The spans of a file's texts, and what looks wrong with them."""

from tinybert.data.raw.columns import normal
from tinybert.data.raw.records import Records
from tinybert.data.raw.spans import OverlapError, SpanError, span_tags
from tinybert.pipeline.errors import InputError
from tinybert.pipeline.wording import plural

ANSWERS = {"accept", "reject", "ignore"}  # of the column `answer` that Prodigy writes


class Spans:
    """Gathers what looks wrong in a file: lists of the row's place, and the span or the problem."""

    def __init__(self, content: Records, are_tags: bool):
        """are_tags: the file has no spans."""
        self.unit, self.answer_at = content.unit, None
        self.extended, self.repeated, self.overlaps, self.left_out = [], [], [], []
        names = [] if are_tags else [normal(name) for name in content.names]
        if "answer" in names:
            at = names.index("answer")
            if all(isinstance(row[at], str) and row[at] in ANSWERS for row in content.rows):
                self.answer_at = at

    def leaves_out(self, row: list, where: str) -> bool:
        """Whether the annotator has not accepted the row."""
        if self.answer_at is None or row[self.answer_at] == "accept":
            return False
        self.left_out.append((where, row[self.answer_at]))
        return True

    def tags(self, text: str, spans: object, names: list[str] | None, where: str) -> list[str]:
        """The tags of a text's words; none if spans overlap. names: of labels that are numbers.
        Raises InputError for a wrong span."""
        try:
            tagged = span_tags(text, spans, names)
        except OverlapError as error:
            self.overlaps.append((where, error))
            return []
        except SpanError as error:
            raise InputError(f"{where}: {error}") from None
        self.extended += [(where, span) for span in tagged.extended]
        self.repeated += [(where, span) for span in tagged.repeated]
        return tagged.tags

    def check_overlaps(self) -> None:
        """Raises InputError for the first row with spans that overlap."""
        if self.overlaps:
            where, problem = self.overlaps[0]
            count = plural(len(self.overlaps), f"{self.unit} has", f"{self.unit}s have")
            raise InputError(f"{where}: {problem}. {count} such spans")

    def notices(self) -> dict[str, str]:
        units, notices = (self.unit, f"{self.unit}s"), {}
        if self.extended:
            where, span = self.extended[0]
            count = plural(
                len(self.extended),
                "span begins or ends inside a word and is",
                "spans begin or end inside a word and are",
            )
            notices["cut_words"] = (
                f"{count} extended to whole words: {where}, {span!r:.60}; correct the file if that "
                "is wrong"
            )
        if self.repeated:
            where, span = self.repeated[0]
            count = plural(
                len(self.repeated), "span repeats another and is", "spans repeat others and are"
            )
            notices["repeated_spans"] = f"{count} left out: {where}, {span!r:.60}"
        if self.left_out:
            where, answer = self.left_out[0]
            notices["not_accepted"] = (
                f"{plural(len(self.left_out), *units)} left out, whose answer is not accept: "
                f"{where}, {answer}"
            )
        return notices
