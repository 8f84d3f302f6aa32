"""The commands by name; how they end when they cannot go on."""

import os
import signal

from toolchain import commands, conditions, environment, places, refused
from toolchain.progress import ToolchainError, say
from toolchain.setup import ensure_training, setup, unlink_broken

STACK_COMMANDS = {"up": commands.up, "down": commands.down, "preview": commands.preview}
CHECKS = {"lint": commands.lint, "test": commands.test, "bench": commands.bench}

STOPPED = "Stopped. Nothing half-made is left; the same command goes on from here."


def main(arguments: list[str]) -> int:
    """Carry out a command; return its exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        conditions.check()
        return _carry_out(arguments)
    except ToolchainError as error:
        say(f"\n{error}")
    except KeyboardInterrupt:
        say(f"\n{STOPPED}")
        return 130
    except OSError as error:
        if not (told := refused.explain(error)):
            raise
        say(f"\n{told}")
    return 1


def _carry_out(arguments: list[str]) -> int:
    match arguments:
        case ["env"]:
            print(environment.exports(os.environ))
        case ["setup"]:
            # Here alone: asking the tools takes a third of a second, which every `make up` would pay.
            unlink_broken()
            if not setup():
                say("Set up already: nothing was to do. Next: make up")
        case ["training"]:
            ensure_training()
        case ["lock"]:
            commands.lock()
        case ["install", *names]:
            commands.install(names)
        case [command, *named] if command in STACK_COMMANDS and len(named) <= 1:
            stack = named[0] if named else "local"
            _check_stack(stack)
            return STACK_COMMANDS[command](stack)
        case [command] if command in CHECKS:
            setup()
            return CHECKS[command]()
        case _:
            raise ToolchainError(f"No such command: {' '.join(arguments)}\n  See: make help")
    return 0


def _check_stack(stack: str) -> None:
    stacks = sorted(file.name.split(".")[1] for file in places.CHECKOUT.glob("Pulumi.*.yaml"))
    if stack not in stacks:
        raise ToolchainError(
            f"STACK is {stack}, which is none: there is no Pulumi.{stack}.yaml.\n  Stacks are {', '.join(stacks)}."
        )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
