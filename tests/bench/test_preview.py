"""A plan of ``prod``: what it takes beside a program that does nothing, and what a further app costs."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import psutil
import pytest
import yaml

from infra.settings import CHECKOUT
from tests.bench.conftest import Table
from tests.checkout import clone
from tests.engine.project import Project
from tests.until import until
from toolchain.setup import ensure_policies

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

APPS = (1, 50, 100, 200)
HALF = 100
RUNS = 3

PROGRAM = """
import gc
from time import perf_counter
gc.disable()
from ops.program import program
begun = perf_counter()
program("prod")
print(perf_counter() - begun)
"""


@dataclass
class Peak:
    """The most memory that a program took, in MiB, as last seen before it ended."""

    mib: float = 0.0

    def look(self) -> None:
        """Look at the program of whatever engine runs below this process."""
        for process in psutil.Process().children(recursive=True):
            try:
                if any(part.endswith("pulumi-language-python-exec") for part in process.cmdline()):
                    self.mib = max(self.mib, process.memory_info().rss / 2**20)
            except psutil.Error:
                continue


def test_a_plan_beside_that_of_an_empty_program(tmp_path: Path, table: Table) -> None:
    ensure_policies()
    project = Project(tmp_path, "prod", "http://127.0.0.1:9")
    seconds, mib = best(project)
    (project.root / "__main__.py").write_text("")
    empty_s, empty_mib = best(project)
    took, resident = (
        f"{seconds:.1f} s, an empty program {empty_s:.1f} s",
        f"{mib:.0f} MiB, an empty program {empty_mib:.0f} MiB",
    )
    table.add("preview of prod, with policies", took, "≤ 12 s", seconds <= 12)
    table.add("peak memory of prod's program", resident, "≤ 350 MiB", mib <= 350)


def test_a_further_app(tmp_path: Path, table: Table) -> None:
    clone(tmp_path)
    taken = {count: program_s(tmp_path, count) for count in APPS}
    first, *_, last = APPS
    table.add(
        f"prod's program with {first} to {last} apps",
        ", ".join(f"{count}: {seconds:.1f} s" for count, seconds in taken.items()),
    )
    # The whole, and its halves: they are as one where the growth is linear.
    for fewer, more in ((first, last), (first, HALF), (HALF, last)):
        cost_ms = (taken[more] - taken[fewer]) / (more - fewer) * 1000
        table.add(f"a further app, from {fewer} to {more}", f"{cost_ms:.0f} ms", "≤ 40 ms", cost_ms <= 40)


def best(project: Project) -> tuple[float, float]:
    """Least seconds of some previews, and the most memory that their program took."""
    peak = Peak()
    return min(preview_s(project, peak.look) for _ in range(RUNS)), peak.mib


def preview_s(project: Project, look: Callable[[], None]) -> float:
    """Seconds that a preview takes."""
    begun = perf_counter()
    engine = project.start_preview()

    def ended() -> bool:
        look()
        return engine.poll() is not None

    until(ended, "the preview ends", timeout_s=300)
    assert engine.returncode == 0, (project.root / "preview.log").read_text()
    return perf_counter() - begun


def program_s(root: Path, count: int) -> float:
    """Seconds that the program takes with so many apps, without an engine."""
    for file in root.glob("apps/*/app.yaml"):
        file.unlink()
    spec = yaml.safe_load((CHECKOUT / "apps" / "ner" / "app.yaml").read_text())
    for number in range(count):
        folder = root / "apps" / f"ner-{number}"
        folder.mkdir(exist_ok=True)
        told = {**spec, "name": folder.name, "routes": [{"prefix": f"/{folder.name}/"}]}
        (folder / "app.yaml").write_text(yaml.safe_dump(told))
    environment = os.environ | {"PYTHONPATH": str(root)}
    return min(
        float(subprocess.check_output([sys.executable, "-c", PROGRAM], cwd=root, env=environment, text=True))
        for _ in range(RUNS)
    )
