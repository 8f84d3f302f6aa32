"""Benchmarks print tables, and keep them in ``docs/benchmarks.md`` when asked to with ``--record``."""

import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import psutil
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@dataclass
class Table:
    """Rows of what was measured, beside what was aimed at; and what more there is to say, in Markdown."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)
    more: list[str] = field(default_factory=list)

    def add(self, what: str, measured: str, goal: str = "", met: bool | None = None) -> None:
        """Keep one row, and print it at once; where there is a goal, with whether it is met."""
        assert bool(goal) == (met is not None), "a goal is met or not"
        verdict = {None: "", True: "yes", False: "no"}[met]
        self.rows.append((what, measured, goal, verdict))
        print(f"\n  {what}: {measured}" + (f"   (goal {goal}; met: {verdict})" if goal else ""))

    def markdown(self) -> str:
        """What was measured, with the machine and the day."""
        cores, memory = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
        lines = [
            f"On {date.today():%Y-%m-%d}: {cores} cores ({_processor()}), {memory:.0f} GiB, {platform.system()}.",
            "",
        ]
        if self.rows:
            lines += ["| what | measured | goal | met |", "|---|---|---|---|"]
            lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([*lines, *self.more]).rstrip() + "\n"


def recorded(page: str, title: str, text: str) -> str:
    """The page with another section of this title; what other benchmarks measured, stays."""
    head, *sections = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    known = {section.partition("\n")[0]: section.rstrip() for section in sections}
    known[f"## {title}"] = f"## {title}\n\n{text}".rstrip()
    return "\n\n".join([head.rstrip(), *known.values()]) + "\n"


def _processor() -> str:
    found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return found[0].partition(":")[2].strip() if found else platform.processor()


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    """Where the benchmarks of a module put what they measured; the first words of its docstring are its title."""
    table = Table()
    yield table
    if request.config.getoption("--record") and (table.rows or table.more):
        title = re.split(r"[:.\n]", request.module.__doc__)[0].replace("``", "`")
        PAGE.write_text(recorded(PAGE.read_text(), title, table.markdown()))
