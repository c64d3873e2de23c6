"""What a command says to a person or a pipe: text made harmless, standard output and error."""

import json
import os
import signal
import sys
import unicodedata

#: Steers a terminal, breaks a line, or is invisible; overrides of the writing direction are Cf.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
#: Invisible, but part of how words and emoji are spelled: zero-width non-joiner and joiner.
_JOINERS = frozenset("\u200c\u200d")


def shown(text: str) -> str:
    r"""Text as one line that is what it seems to be.

    What steers a terminal, breaks the line, or reorders or hides what stands beside it appears as
    its escape: ``\n``, ``\u202e``.
    """
    if text.isprintable():  # so it has none of these; nearly all text is
        return text
    return "".join(_escaped(char) if _is_unsafe(char) else char for char in text)


def json_text(document: object) -> str:
    """A document as JSON that is safe to print: unsafe characters are escapes in its strings."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return "\n".join(map(shown, text.split("\n"))) + "\n"


def is_right_to_left(text: str) -> bool:
    """Whether a terminal may write part of it from the right."""
    if text.isascii():
        return False
    return any(unicodedata.bidirectional(char) in {"R", "AL", "AN"} for char in text)


def emit(text: str) -> None:
    """Write to standard output, in UTF-8. A reader that has seen enough (``| head``) is no error.

    Raises SystemExit with a message where it cannot be written.
    """
    if sys.stdout is None:
        sys.exit("docspace-exporter: cannot write to standard output: it is closed")
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.buffer.flush()
    except OSError as exc:
        # Else the interpreter would try to write the rest at its end, and complain.
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
