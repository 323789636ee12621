"""Git repositories that `tinybert publish` describes."""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make_repository(folder: Path) -> None:
    """Commits params.yaml of the task `mine` in a folder with an exported student."""
    (folder / "models/pretrained").mkdir()
    source = {"model": "someone/bert", "revision": "v1", "sha256": "0"}
    (folder / "models/pretrained/source.json").write_text(json.dumps(source))
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("tasks: [pydocs]", "tasks: [mine]").replace("\n  pydocs: {", "\n  mine: {")
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    for words in (
        ["init", "--quiet"], ["add", "params.yaml"],
        ["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "a"],
    ):  # fmt: skip
        subprocess.run(["git", *words], cwd=folder, check=True)
