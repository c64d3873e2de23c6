"""Text for a terminal or a pipe: made harmless, and written to standard output or error."""

import json
import os
import signal
import sys
import unicodedata

#: Columns between two columns of a table.
GAP = 2
#: Controls a terminal, breaks a line, or is invisible; overrides of the writing direction are Cf.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Invisible, but part of how words and emoji are spelled: zero-width non-joiner and joiner.
_JOINERS = frozenset("\u200c\u200d")


def shown(text: str) -> str:
    r"""Text as one line that shows every character.

    Characters that control a terminal, break the line, are invisible or change the direction of
    writing are written as their escapes: ``\n``, ``\u202e``.
    """
    if text.isprintable():  # then it has none of these; nearly all text is
        return text
    return "".join(_escaped(char) if _is_unsafe(char) else char for char in text)


def json_text(document: object) -> str:
    """A document as indented JSON that is safe to print: unsafe characters are escaped."""
    import msgspec  # most commands write no JSON

    # json.dumps() with an indent takes ten times as long: it does not use its C encoder then.
    compact = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    text = msgspec.json.format(compact, indent=2).decode()
    if not text.replace("\n", "").isprintable():
        text = "\n".join(map(shown, text.split("\n")))
    return text + "\n"


def is_terminal() -> bool:
    """Whether standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def is_right_to_left(text: str) -> bool:
    """Whether a terminal may write part of the text from right to left."""
    if text.isascii():
        return False
    return any(unicodedata.bidirectional(char) in {"R", "AL", "AN"} for char in text)


def emit(text: str) -> None:
    """Write to standard output in UTF-8. A pipe that its reader closes (``| head``) is no error.

    Raises SystemExit with a message if the text cannot be written.
    """
    if sys.stdout is None:
        sys.exit("docspace-exporter: cannot write to standard output: it is closed")
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except OSError as exc:
        # Otherwise the interpreter would try to write the rest when it ends, and print an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(exc, BrokenPipeError):
            sys.exit(f"docspace-exporter: cannot write to standard output: {exc.strerror}")


def complain(text: str) -> None:
    """Write a line to standard error."""
    sys.stderr.write(f"{shown(text)}\n")


def interrupted() -> int:
    """The exit code of a command that Ctrl-C ended, as shells report it."""
    return 128 + signal.SIGINT


def _is_unsafe(char: str) -> bool:
    return unicodedata.category(char) in _UNSAFE and char not in _JOINERS


def _escaped(char: str) -> str:
    return json.dumps(char)[1:-1]
