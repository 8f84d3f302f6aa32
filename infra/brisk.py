"""What the SDK spends on a program of hundreds of resources beside making them, spared.

Measured with the 620 of ``prod`` on SDK 3.250: of the 15 s of CPU that the program took in a plan, ``begin`` spares 6.
A test for each says when the SDK needs it no longer.
"""

import asyncio

import pulumi
from pulumi.runtime.sync_await import _sync_await  # pyright: ignore[reportPrivateUsage]


def hush() -> None:
    """Keep the SDK's debug messages, some five a resource, from the engine.

    For each the program stands still until the engine has answered, and only ``pulumi --debug`` shows them.
    """

    def nothing(*message: object, **about: object) -> None:
        pass

    pulumi.log.debug = nothing


def begin() -> None:
    """Let the registration of all resources so far begin; call it when the program has asked for the last.

    The SDK awaits one after the other what has begun. Where nothing has, it waits on all outputs together instead, and
    looks at every one of them again whenever one resolves: the square of their number.
    """
    _sync_await(asyncio.sleep(0))
