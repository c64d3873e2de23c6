"""The blocks of commands and samples in README and docs."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE
)
_SAMPLE = re.compile(r"\w+(\{.*\})? \S+")
_SHELLS = {"sh", "bash", "shell", "console"}
#: Words that end the arguments of a command.
_ENDS = frozenset({"|", "||", "&", "&&", ";", ">", ">>", "2>", "<", "#"})


@dataclass(frozen=True)
class Block:
    """A block of code on a page; ``line`` is its first line."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def kind(self) -> str:
        """Its language; `sh` for every shell, `samples` for lines of an exposition."""
        if self.language in _SHELLS:
            return "sh"
        lines = self.text.splitlines()
        if not self.language and lines and all(_SAMPLE.fullmatch(line) for line in lines):
            return "samples"
        return self.language

    def commands(self) -> Iterator[list[str]]:
        """The arguments of each call of docspace-exporter in the block."""
        for line in self.text.replace("\\\n", " ").splitlines():
            shell = self.kind == "sh" or line.startswith("$ ") or re.match(r"[\d*]+ [\d*]+ ", line)
            starts = line.startswith("docspace-exporter ")
            if "docspace-exporter" in line and (shell or starts):
                yield from _calls(shlex.split(line.removeprefix("$ "), comments=True))


def _calls(words: list[str]) -> Iterator[list[str]]:
    for number, word in enumerate(words):
        # Commands for an image, a unit or a package of this name have other arguments.
        before = words[number - 1] if number else ""
        is_other = before.startswith("-") or {"build", "kill"} & set(words[:number])
        is_program = word == "docspace-exporter" or word.endswith("/bin/docspace-exporter")
        if is_program and not is_other:
            rest = words[number + 1 :]
            end = next((place for place, each in enumerate(rest) if each in _ENDS), len(rest))
            yield rest[:end]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, from top to bottom."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        language = (match["info"].split() or [""])[0].strip("{}.")
        body = re.sub(f"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
        found.append(Block(page, text.count("\n", 0, match.start()) + 1, language, body))
    return found


README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
EVERY = [block for page in (README, *DOCS) for block in blocks(page)]
