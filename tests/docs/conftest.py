"""What documents are made of: their blocks, their tables, and the commands they show."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:\.venv/bin/)?hub [^`]+)`")
COMMAND = re.compile(r"(?:^|\$\()(?:\S+=\S+ )*(?:\.venv/bin/)?hub ([^\n)]*)", re.MULTILINE)
ROW = re.compile(r"^\|(.+)\|$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and the rest of its first line, which names a file or a role."""

    language: str
    label: str
    text: str


@dataclass(frozen=True)
class Document:
    """One document of this project."""

    path: Path

    @property
    def text(self):
        return self.path.read_text("utf-8")

    def blocks(self, language=None):
        found = (Block(name, label.strip(), text) for name, label, text in FENCE.findall(self.text))
        return [block for block in found if language in {None, block.language}]

    def block(self, label):
        """The one block with this label."""
        [found] = [block for block in self.blocks() if block.label == label]
        return found.text

    def files(self):
        """Every block that is named after a file: name → text."""
        return {block.label: block.text for block in self.blocks() if "." in block.label}

    def commands(self):
        """Every `hub` command shown, as what follows the word."""
        joined = "\n".join(block.text for block in self.blocks("sh")).replace("\\\n", " ")
        shown = [found.split("hub ", 1)[1] for found in INLINE.findall(FENCE.sub("", self.text))]
        return [command.strip() for command in (*COMMAND.findall(joined), *shown)]

    def table(self, first):
        """The rows, cut into cells, of the table whose first column is headed `first`."""
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in ROW.findall(FENCE.sub("", self.text))]
        start = next(index for index, row in enumerate(rows) if row[0] == first)
        taken = []
        for row in rows[start + 2 :]:
            if len(row) != len(rows[start]) or row[0] in HEADS:
                break
            taken.append(row)
        return taken


HEADS = frozenset()


def section(text, first):
    """The lines of the table headed `first`, up to the first line that is none."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith(f"| {first} |"))
    return lines[start:]


@pytest.fixture
def document():
    """Open a document by its path from the root."""
    return lambda name: Document(ROOT / name)
