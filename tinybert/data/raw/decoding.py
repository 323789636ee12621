"""Bytes of a raw file -> lines of text."""

import codecs
import io
from collections.abc import Callable, Iterator
from io import BufferedIOBase

from tinybert.pipeline.errors import InputError

# Common encodings besides UTF-8: East Asian, European, Near Eastern.
COMMON_ENCODINGS = [
    "utf_16", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1250", "cp1251",
    "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256",
]  # fmt: skip
CHUNK = 1 << 20  # bytes
CONTEXT = 2000  # bytes around a wrong one, which show the encoding
LIMIT = 1 << 24  # characters in a line
HEAD = 64  # bytes
# The first bytes of what is no text, whatever its name says.
FOREIGN = {
    b"\x1f\x8b": "compressed with gzip; unpack it",
    b"BZh91AY": "compressed with bzip2; unpack it",
    b"\xfd7zXZ": "compressed with xz; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it",
    b"PK\x03\x04": "a zip archive or a spreadsheet (.xlsx); unpack it, or save it as .csv in UTF-8",
    b"\xd0\xcf\x11\xe0": "a spreadsheet (.xls); save it as .csv in UTF-8",
    b"PAR1\x15": "Parquet; rename it to .parquet (predict, evaluate: or --format parquet)",
    b"%PDF-": "a PDF; save its texts in UTF-8",
    b"ARROW1\0": "an Arrow file; save it as Parquet",
    b"version https://git-lfs": "a pointer of Git LFS; get the file with git lfs pull",
}


def foreign(head: bytes) -> str | None:
    """What a file is that begins like one of FOREIGN, and what to do; None for others."""
    return next((kind for magic, kind in FOREIGN.items() if head.startswith(magic)), None)


def lines(
    stream: BufferedIOBase,
    name: str,
    encoding: str,
    remedy: Callable[[str, str], str],
    ending: str = "\n",
) -> Iterator[str]:
    """Yields the lines of a stream as they arrive, with their ends; byte order marks are dropped.

    name: of the stream, for messages. remedy: as in records.Options. ending: "\\n" ends lines; "":
    "\\r" and "\\r\\n" do so, too. Raises InputError that names the line for bytes that are not of
    the encoding, NUL characters, lines of more than LIMIT characters, and if "\\r" alone ends all
    lines; and for a stream that begins like one of FOREIGN.
    """
    number, rest, ends = 0, "", ("\n", "\r") if ending == "" else "\n"
    for text in _decoded(stream, name, encoding, remedy):
        whole = list(io.StringIO(rest + text, newline=ending))
        rest = whole.pop() if whole and not whole[-1].endswith(ends) else ""
        for line in whole:
            number += 1
            yield _checked(line, name, number)
        _checked(rest, name, number + 1)
    if not number and ending == "\n" and "\r" in rest.rstrip("\r"):
        raise InputError(
            f"{name}: there is no line end but \\r, which is text here; save it with line ends of "
            "Unix (\\n) or Windows (\\r\\n)"
        )
    if rest:
        yield rest


def _checked(line: str, name: str, number: int) -> str:
    if "\0" in line:
        raise InputError(
            f"{name}, line {number}: there is a NUL character; remove it, or is the file UTF-16? "
            "Save it as UTF-8"
        )
    if len(line) > LIMIT:
        raise InputError(
            f"{name}, line {number}: has more than {LIMIT:,} characters; divide it into lines"
        )
    return line


def _decoded(
    stream: BufferedIOBase, name: str, encoding: str, remedy: Callable[[str, str], str]
) -> Iterator[str]:
    codec = codecs.getincrementaldecoder(encoding)()
    decoder = io.IncrementalNewlineDecoder(codec, translate=False)  # keeps \r\n together
    position, line, tail = 0, 1, b""  # of the chunk, and what comes before it
    is_begin, head = True, b""
    while True:
        try:
            chunk = stream.read1(CHUNK)  # what has arrived, at most CHUNK bytes
        except OSError as error:  # a directory, a disk with errors
            raise InputError(f"{name} cannot be read: {error.strerror}") from None
        if len(head) < HEAD and chunk:
            head += chunk[:HEAD]
            if kind := foreign(head):
                raise InputError(f"{name} is {kind}")
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            if "BOM" in str(error):
                raise InputError(
                    f"{name} has no byte order mark, which {encoding.upper()} needs; "
                    + remedy("encoding", f"{encoding}-le")
                ) from None
            # `object` also has what the decoder kept of the chunk before, and lacks the mark
            kept = len(getattr(error, "object", chunk)) - len(chunk)
            start = len(tail) + getattr(error, "start", 0) - kept
            data = tail + chunk
            first = data.rfind(b"\n", 0, max(0, start - CONTEXT)) + 1
            guess = _encoding(data[first : start + CONTEXT])
            looks = f"; it looks like {guess}" if guess else ""
            solution = f", or {remedy('encoding', guess)}" if guess else ""
            byte = position - len(tail) + start
            line += data.count(b"\n", 0, start) - tail.count(b"\n")
            raise InputError(
                f"{name} is not {encoding.upper()}: byte {byte}, in line {line}, is "
                f"{data[start]:#04x}{looks}. Save it as UTF-8{solution}"
            ) from None
        if is_begin:  # byte order marks, also of encodings for which Python keeps them
            text = text.lstrip("\ufeff")
            is_begin = not text
        yield text
        if not chunk:
            return
        position, line = position + len(chunk), line + chunk.count(b"\n")
        tail = (tail + chunk)[-2 * CONTEXT :]


def _encoding(data: bytes) -> str | None:
    """The common encoding that fits the bytes best, by Python's name; None if none fits."""
    try:
        from charset_normalizer import from_bytes
    except ModuleNotFoundError:  # predict without the pipeline: a message without a guess
        return None
    try:
        guesses = list(from_bytes(data, cp_isolation=COMMON_ENCODINGS))
    except (ValueError, AttributeError):  # the library fails on some bytes that are not text
        return None

    def rank(guess) -> tuple:
        return guess.chaos, -guess.coherence, COMMON_ENCODINGS.index(guess.encoding)

    return min(guesses, key=rank).encoding if guesses else None
