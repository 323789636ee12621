"""What must be known to read a task's scores: chance, cheaper models, noise and few rows."""

from tinybert.pipeline.wording import plural
from tinybert.tasks.task import AGREEMENT_IS, scored_on

FEW = 100  # rows; with fewer, one row is more than a point of accuracy
CHEAPER = {
    "linear": "a linear model of its words, which takes a second to train",
    "baseline": "a model of its sizes that was trained on the labels alone",
    "finetuned_general": "the general student, fine-tuned on the labels alone",
}


def score_warnings(results: dict[str, dict]) -> list[str]:
    """Lines for people, none for scores that need no explanation. results: the content of
    metrics/eval by task."""
    return [
        line
        for task, result in results.items()
        for line in (
            *_without_labels(task, result),
            *_probable_labels(task, result),
            *_few_rows(task, result),
            *_near_chance(task, result),
            *_cheaper(task, result),
            *_noise(task, result),
        )
    ]


def percent(interval: list[float]) -> str:
    """An interval of shares in percent."""
    low, high = interval
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _without_labels(task: str, result: dict) -> list[str]:
    if any(model in result for model in CHEAPER):
        return []
    return [
        f"NOTE: {task}: there are no labels to train on, so there is no linear model, no baseline "
        f"and no general student on labels alone. {AGREEMENT_IS}"
    ]


def _probable_labels(task: str, result: dict) -> list[str]:
    if not result.get("probable_labels"):
        return []
    return [
        f"NOTE: {task}: the labels of {result['split']} are the most probable ones of the given "
        f"probabilities or logits: {result['metric']} is agreement with these answers, right or "
        "wrong. Add a dev or test file with labels"
    ]


def _few_rows(task: str, result: dict) -> list[str]:
    if result["rows"] >= FEW:
        return []
    chosen = ", which also chose the epochs: they are too high" if result["chosen_on_it"] else ""
    metric = result["metric"]
    return [
        f"WARNING: {task}: the scores are those of {plural(result['rows'], 'row', 'rows')} of "
        f"{result['split']}"
        f"{chosen}. The student's {metric} {_score(result, 'student')} may be anything from "
        f"{percent(result['intervals']['student'][metric])}. Add a test file of some hundred rows"
    ]


def _near_chance(task: str, result: dict) -> list[str]:
    return [
        f"WARNING: {task}: the {model}'s predictions cannot be told from chance ({_where(result)}; "
        f"{result['metric']} {_score(result, model)}). See docs/trouble-shooting.md"
        for model in result["near_chance"]
    ]


def _cheaper(task: str, result: dict) -> list[str]:
    return [
        f"WARNING: {task}: the student's {result['metric']} {_score(result, 'student')} "
        f"({_where(result)}) is not above the {_score(result, model)} of {description}"
        f"{', a difference inside the noise' if _is_noise(result, model) else ''}. Does the "
        "teacher suit the task, are there enough texts, did it train long enough?"
        for model, description in CHEAPER.items()
        if _is_beaten(result, model)
    ]


def _noise(task: str, result: dict) -> list[str]:
    """The differences that are inside the noise, in points, apart from those of _cheaper."""
    metric, differences = result["metric"], result["differences"]
    shown = [
        f"student - {model} {100 * (result['student'][metric] - result[model][metric]):+.1f} "
        f"({percent(differences[model])})"
        for model in differences
        if _is_noise(result, model) and not (model in CHEAPER and _is_beaten(result, model))
    ]
    if not shown:
        return []
    return [
        f"NOTE: {task}: inside the noise, in points of {metric} with their 95 % intervals "
        f"({_where(result)}): {', '.join(shown)}"
    ]


def _is_beaten(result: dict, model: str) -> bool:
    metric = result["metric"]
    return model in result and result["student"][metric] <= result[model][metric]


def _is_noise(result: dict, model: str) -> bool:
    low, high = result["differences"][model]
    return low <= 0 <= high


def _score(result: dict, model: str) -> str:
    return f"{100 * result[model][result['metric']]:.1f}"


def _where(result: dict) -> str:
    return scored_on(result["split"], result["rows"])
