"""Whether torch.compile pays: step 2 of task distillation with it and without.

    python -m benchmarks.compiled [--rows 3200]

The student and the rows of `prediction` in benchmarks.distillation; the training loop is the
pipeline's. The first epoch compiles, the second has what is compiled: rows of other lengths come in
both, so the shapes are dynamic.
"""

import argparse
import time

from benchmarks.distillation import fit, labelled_rows, step_2
from benchmarks.machine import describe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=3200)
    options = parser.parse_args()
    rows = labelled_rows(options.rows)
    seconds = {}
    for name in ("plain", "compiled"):
        loss = step_2()
        if name == "compiled":
            loss.student.compile(dynamic=True)  # in place: the loop saves the student it knows
        start = time.perf_counter()
        fit(loss, rows)
        first = time.perf_counter() - start
        seconds[name] = first, min(fit(loss, rows) for _ in range(2))
    print(f"{describe()}\n\n| step 2, {options.rows:,} rows | first epoch, s | later epochs, s |")
    print("| --- | ---: | ---: |")
    for name, (first, later) in seconds.items():
        print(f"| {name} | {first:.1f} | {later:.1f} |")


if __name__ == "__main__":
    main()
