"""What documents are made of: their blocks, their tables, their links, and the commands they show."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|\$\(|\| xargs -n 1 )(?:\.venv/bin/)?hub ([^\n|)>&]*)", re.MULTILINE)
INLINE = re.compile(r"`(?:\.venv/bin/)?hub ([a-z][^`]*)`")
LINK = re.compile(r"\]\(([^)]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, and what follows it on the first line, a file's name or a role."""

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

    @property
    def prose(self):
        """The document without its blocks."""
        return FENCE.sub("", self.text)

    def blocks(self, language=None):
        found = [Block(name, label.strip(), text) for name, label, text in FENCE.findall(self.text)]
        return [block for block in found if language in {None, block.language}]

    def texts(self, label):
        """Give the texts of the blocks that bear a label: one at least."""
        found = [block.text for block in self.blocks() if block.label == label]
        assert found, label
        return found

    def block(self, label):
        """Give the text of the one block that bears a label."""
        [found] = self.texts(label)
        return found

    def files(self):
        """Give the blocks that are named after a file: name → text."""
        return {block.label: block.text for block in self.blocks() if "." in block.label}

    def links(self):
        return LINK.findall(self.prose)

    def commands(self):
        """Give every `hub` command that is shown, without the word."""
        shells = "\n".join(block.text for block in self.blocks("sh")).replace("\\\n", "")
        return [found.strip() for found in (*COMMAND.findall(shells), *INLINE.findall(self.prose))]

    def table(self, *headings):
        """Give the cells of the table whose first columns bear these headings."""
        lines = iter(self.prose.splitlines())
        next(line for line in lines if line.startswith(f"| {' | '.join(headings)} |"))
        next(lines)
        rows = []
        for line in lines:
            if not line.startswith("|"):
                break
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        return rows


@pytest.fixture(scope="session")
def document():
    """Open a document by its path from the root."""
    return lambda name: Document(ROOT / name)


@pytest.fixture(scope="session")
def documents():
    """Every document for people."""
    places = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("connectors/*/*.md")]
    return [Document(path) for path in places]
