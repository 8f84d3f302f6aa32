"""The commands by name; how they end when they cannot go on."""

import errno
import os
import signal

from toolchain import commands, environment
from toolchain.progress import ToolchainError, disk_full, say
from toolchain.setup import ensure_training, setup

STACK_COMMANDS = {"up": commands.up, "down": commands.down, "preview": commands.preview}
CHECKS = {"lint": commands.lint, "test": commands.test, "bench": commands.bench}


def main(arguments: list[str]) -> int:
    """Carry out a command; return its exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return _carry_out(arguments)
    except ToolchainError as error:
        say(f"\n{error}")
    except KeyboardInterrupt:
        say("\nStopped. Nothing half-made is left; the same command goes on from here.")
        return 130
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        say(f"\n{disk_full()}")
    return 1


def _carry_out(arguments: list[str]) -> int:
    match arguments:
        case ["env"]:
            print(environment.exports(os.environ))
        case ["setup"]:
            setup()
        case ["training"]:
            ensure_training()
        case ["lock"]:
            commands.lock()
        case ["install", *names]:
            commands.install(names)
        case [command, stack] if command in STACK_COMMANDS:
            return STACK_COMMANDS[command](stack)
        case [command] if command in CHECKS:
            setup()
            return CHECKS[command]()
        case _:
            raise ToolchainError(f"No such command: {' '.join(arguments)}\n  See: make help")
    return 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
