"""Errors that the user can mend: shown as one message, without a traceback."""

import errno
import signal
import sys
from collections.abc import Callable


class InputError(ValueError):
    """Something in params.yaml, the data or a model is wrong; the text says how to mend it."""


def run(main: Callable[..., None]) -> None:
    """Calls a stage's main with the command line's words; an InputError exits with code 1, and so
    does a full disk; Ctrl-C exits with 130."""
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        sys.exit(f"error: no room on the disk ({error}); make some, and run the same command")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
