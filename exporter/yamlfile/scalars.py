"""Parsers for scalars of any strict file: from YAML's value, or ValueError("expected …").

No message repeats the value: it may be a secret in the wrong field.
"""

from pathlib import Path


def text(value: object) -> str:
    """A string that is not empty and has no control character."""
    if not isinstance(value, str):
        raise ValueError("expected a string")  # noqa: TRY004, one error type for every bad value
    if not value.strip():
        raise ValueError("expected a string that is not empty")
    if any(ord(char) < 32 or ord(char) == 127 or 0xD800 <= ord(char) < 0xE000 for char in value):
        raise ValueError("expected a string without control characters")
    return value.strip()


def boolean(value: object) -> bool:
    """A boolean, or its name as a string, because ``${VAR}`` expands to a string."""
    spellings = {True: True, False: False, "true": True, "false": False}
    if not isinstance(value, bool | str) or value not in spellings:
        raise ValueError("expected true or false")
    return spellings[value]


def path_in(folder: Path, value: object) -> Path:
    """A path; a relative one is relative to ``folder``, that of the configuration."""
    try:
        return folder / Path(text(value)).expanduser()
    except RuntimeError as exc:
        raise ValueError(
            "expected a path; there is no user whose home directory it starts with"
        ) from exc
