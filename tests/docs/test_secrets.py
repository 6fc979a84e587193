"""No document has a secret written on a command line: processes' lines are read by everybody, and sudo keeps them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

ON_A_LINE = re.compile(r"(sudo|env|systemd-run)\b[^`\n]*\bHUB_(DATABASE_URL|BROKER_URL|ENCRYPTION_KEYS|KEY)=")


def test_no_command_is_given_a_secret_on_its_line():
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    assert len(documents) > 5
    said = [(file.name, found[0]) for file in documents for found in ON_A_LINE.finditer(file.read_text("utf-8"))]
    assert said == []


def test_such_a_line_would_be_seen():
    assert ON_A_LINE.search("`sudo -u hub env HUB_DATABASE_URL=… /opt/hub/.venv/bin/hub …`")
    assert not ON_A_LINE.search("`sudo -u hub env HUB_DATABASE_URL_FILE=/etc/hub/database_url hub …`")
