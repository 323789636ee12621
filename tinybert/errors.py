"""Errors that the user can mend: shown as one message, without a traceback."""

import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something in params.yaml, the data or a model is wrong; the text says how to mend it."""


def run(main: Callable[..., None]) -> None:
    """Calls a stage's main with the command line's words; an InputError exits with code 1."""
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
