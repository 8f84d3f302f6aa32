"""Benchmarks print a table, and keep it in ``docs/benchmarks.md`` when asked to with ``--record``."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import psutil
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@dataclass
class Table:
    """Rows of what was measured, beside what was aimed at."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, what: str, measured: str, goal: str = "") -> None:
        """Keep one row, and print it at once."""
        self.rows.append((what, measured, goal))
        print(f"\n  {what}: {measured}" + (f"   (goal {goal})" if goal else ""))

    def markdown(self) -> str:
        """The page, with the machine and the day."""
        cores, memory = psutil.cpu_count(), psutil.virtual_memory().total / 2**30
        lines = [
            "# Benchmarks",
            "",
            f"`make bench` on {date.today():%Y-%m-%d}: {cores} cores ({_processor()}), {memory:.0f} GiB,"
            f" {platform.system()}. Ratios are taken within one run, against a control in that run.",
            "",
            "| what | measured | goal |",
            "|---|---|---|",
            *(f"| {what} | {measured} | {goal} |" for what, measured, goal in self.rows),
        ]
        return "\n".join(lines) + "\n"


def _processor() -> str:
    found = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return found[0].partition(":")[2].strip() if found else platform.processor()


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Iterator[Table]:
    """Where benchmarks put what they measured."""
    table = Table()
    yield table
    if pytestconfig.getoption("--record"):
        PAGE.write_text(table.markdown())
