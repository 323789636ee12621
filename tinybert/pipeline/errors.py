"""Errors that the user can fix: shown as one message, without a traceback."""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable

# What the machine refuses, and what helps.
REMEDIES = {
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("the disk quota is used up", "free some space"),
    errno.EFBIG: ("the file would be too large", "raise the limit (ulimit -f) or use another disk"),
    errno.EROFS: ("the disk is read-only", "make it writable or work in another folder"),
    errno.EACCES: (
        "permission is denied",
        "change the owner or the mode of the file or its folder",
    ),
    errno.EPERM: ("it is not permitted", "change the owner or the mode of the file or its folder"),
    errno.EIO: ("the disk reports an error", "check the disk"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n)"),
}
# How libraries that are not written in Python spell the number: safetensors, tokenizers, Arrow.
NUMBER = re.compile(r"\b(?:os error|errno) (\d+)\b", re.IGNORECASE)


class InputError(ValueError):
    """Something in params.yaml, the data or a model is wrong; the message says how to fix it."""


def run(main: Callable[..., None], *arguments: object) -> None:
    """Calls `main`. Exits with code 1 and a message for an InputError and for what the machine
    refuses (REMEDIES), with 130 for Ctrl-C. Other exceptions pass."""
    try:
        main(*arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
    except InputError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        message = refused(error)
        if message is None:
            raise
        silence_stdout()
        sys.exit(f"error: {message}; rerun the same command then")


def refused(error: BaseException) -> str | None:
    """What the machine refused, with the file and the remedy; None if neither `error` nor what
    caused it is that."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (match := NUMBER.search(str(error))):
        number = int(match[1])
    if number not in REMEDIES:
        return refused(error.__cause__) if error.__cause__ else None
    problem, remedy = REMEDIES[number]
    # Of a copy, the second is the one that was to be written.
    file = getattr(error, "filename2", None) or getattr(error, "filename", None)
    where = os.fsdecode(file) if isinstance(file, (str, bytes, os.PathLike)) else str(error)
    return f"{where}: {problem}; {remedy}"


def silence_stdout() -> None:
    """What is still to be written to stdout is dropped if it cannot be: otherwise Python would try
    again, and fail, when it exits."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        if sys.__stdout__ is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())
