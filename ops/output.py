"""What all commands share: the stack they are asked about, and how they say things."""

from typing import Annotated

import typer
from rich.console import Console

console = Console()
errors = Console(stderr=True)

Stack = Annotated[str, typer.Option("--stack", "-s", help="The stack to ask about.", metavar="NAME")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, and nothing else, on stdout.")]


def fail(message: str) -> typer.Exit:
    """Say on stderr what was wrong; to be raised."""
    errors.print(message, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)
