"""Errors that the user can fix: shown as one message, without a traceback."""

import errno
import signal
import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something in params.yaml, the data or a model is wrong; the message says how to fix it."""


def run(main: Callable[..., None], *arguments: str) -> None:
    """Calls `main`. Exits with code 1 and a message for an InputError or a full disk, with 130 for
    Ctrl-C. Other exceptions pass."""
    try:
        main(*arguments)
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"error: the disk is full ({error}); free some space and rerun the same command")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
