"""The Dockerfile and compose.yaml, read as far as script/image-trial needs them. What is not understood ends the trial."""

import json
import re
import shlex
import shutil
from pathlib import Path

from steps import fail

ROOT = Path(__file__).resolve().parents[2]


def stages():
    """Instructions of each stage, as (word, rest), continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    found = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip() or line.startswith("ARG "):
            continue
        word, rest = line.split(None, 1)
        if word == "FROM":
            found.append([])
        found[-1].append((word, rest.strip()))
    return found


def variables(rest):
    """The pairs of an ENV."""
    return dict(pair.split("=", 1) for pair in shlex.split(rest))


def exec_form(rest):
    """The words of a command that no shell takes apart."""
    if not rest.startswith("["):
        fail(f"a shell would be needed for: {rest}")
    return json.loads(rest)


def let_in(path):
    """Whether .dockerignore lets a path into the context: it names what may come in and shuts out the rest."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    if rules[0] != "*" or not all(rule.startswith("!") for rule in rules[1:]):
        fail(".dockerignore does more than to name what comes in")
    return any(path == rule[1:] or path.startswith(rule[1:] + "/") for rule in rules[1:])


def copy_in(path, to):
    """A file or a folder of the context, as COPY does it."""
    if not let_in(path):
        fail(f".dockerignore keeps {path} out")
    found = ROOT / path
    if found.is_dir():
        return shutil.copytree(found, to)
    if to.is_dir():
        to = to / found.name
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(found, to)


class Compose:
    """compose.yaml, with values for what it takes from the environment."""

    def __init__(self, values):
        self.text = (ROOT / "compose.yaml").read_text()
        self.values = values

    def below(self, *headers):
        """The lines below the last of these, each of which stands directly below the one before."""
        lines = [line for line in self.text.splitlines() if line.strip() and not line.strip().startswith("#")]
        for header in headers:
            margin = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
            if margin + header not in lines:
                fail(f"compose.yaml: no {header} below {headers}")
            after = lines[lines.index(margin + header) + 1 :]
            end = (n for n, line in enumerate(after) if not line.startswith(margin + " "))
            lines = after[: next(end, len(after))]
        return lines

    def interpolated(self, text):
        """`${NAME}`, with `:?` and `:-`; two dollar signs are one."""

        def value(found):
            name, operator, word = found.group("name", "operator", "word")
            if found.group() == "$$":
                return "$"
            if self.values.get(name):
                return self.values[name]
            return word if operator == ":-" else fail(f"compose.yaml: {name} is not set")

        return re.sub(r"\$\$|\$\{(?P<name>\w+)((?P<operator>:[?-])(?P<word>[^}]*))?\}", value, text)

    def environment(self, *headers):
        """The variables below, without those that are merged in."""
        lines = [line.strip() for line in self.below(*headers)]
        pairs = [line.split(": ", 1) for line in lines if re.match(r"\w+: ", line)]
        return {name: self.interpolated(value) for name, value in pairs}

    def words(self, start, *headers):
        """The list that a line below begins."""
        line = next((line.strip() for line in self.below(*headers) if line.strip().startswith(start)), None)
        if line is None:
            fail(f"compose.yaml: no {start} below {headers}")
        return [word.strip() for word in line[len(start) :].strip().strip("[]").split(",")]
