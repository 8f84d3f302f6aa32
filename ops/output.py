"""What all commands share: the stack they are asked about, and how they say things."""

import sys
from typing import Annotated

import typer
from rich.console import Console

console = Console(width=None if sys.stdout.isatty() else 160)
"""Into a file or a pipe lines are as long as they need to be, within reason."""
errors = Console(stderr=True)

Stack = Annotated[str, typer.Option("--stack", "-s", help="The stack to ask about.", metavar="NAME")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs, and nothing else, on stdout.")]


def fail(message: str) -> typer.Exit:
    """Say on stderr what was wrong; to be raised."""
    errors.print(message, markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)
