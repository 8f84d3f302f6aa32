"""``modelserve``: looks after a platform that ``pulumi up`` has made."""

import sys
from collections.abc import Iterable
from importlib import import_module

import typer

COMMANDS = {
    "status": "ops.status",
    "deploy": "ops.gate",
    "doctor": "ops.doctor",
    "publish": "ops.publish",
    "reference": "ops.reference",
    "reload": "ops.reload",
    "render": "ops.render",
    "shadow": "ops.shadow",
}
"""The module that each is a function of, by its own name."""


def command_line(names: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command with these subcommands."""
    made = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        help="Looks after a model-serving platform that [b]make up[/b] or [b]pulumi up[/b] has made.",
        epilog="Most commands take --stack (default: local) and --json. Start with: modelserve status",
        callback=lambda: None,  # or a single subcommand would have no name
    )
    for name in names:
        made.command(name)(getattr(import_module(COMMANDS[name]), name))
    return made


def main() -> None:
    """What a shell runs. Only what is typed is imported: all together take four times as long as most need to run."""
    typed = sys.argv[1:2]
    command_line(typed if typed and typed[0] in COMMANDS else COMMANDS)()


if __name__ == "__main__":
    main()
