"""The replaceable words of a text, and its changed copies."""

from dataclasses import dataclass

import numpy as np

from tinybert.models.words import locate


@dataclass
class Replacements:
    """A text's replaceable words as (start, end, candidates), in order; words: the number of all
    its words."""

    replaceable: list[tuple[int, int, list[str]]]
    words: int

    def draw(
        self, text: str, probability: float, random: np.random.Generator
    ) -> tuple[str, dict[int, str]]:
        """A changed copy of the text, and its new words by the place of what they replace."""
        parts, end, changes = [], 0, {}
        for start, stop, candidates in self.replaceable:
            if candidates and random.random() < probability:
                changes[start] = candidates[random.integers(len(candidates))]
                parts += [text[end:start], changes[start]]
                end = stop
        return "".join([*parts, text[end:]]), changes

    def only(self, text: str, words: list[str]) -> "Replacements":
        """Those of whole words of a text whose words have labels: one word replaces one word."""
        places = set(locate(text, words))
        return Replacements([part for part in self.replaceable if part[:2] in places], self.words)


def changed_words(text: str, words: list[str], changes: dict[int, str]) -> list[str]:
    """The words of a copy. text, words: of its original. changes: as Replacements.draw returns
    them."""
    return [changes.get(start, w) for (start, _), w in zip(locate(text, words), words, strict=True)]


def print_unchanged(counts: dict) -> None:
    """Prints a line if no word could be replaced. counts: what augment_task returns."""
    replaceable = counts.get("words_replaceable")
    if replaceable is not None and replaceable == counts["words_without_candidates"]:
        print(
            "note: no word of train can be replaced, so there are no copies. Of Chinese only words "
            "of two or more characters are, so none where each character has a label. augment: "
            "{copies: 0} under the task in params.yaml skips the search"
        )
