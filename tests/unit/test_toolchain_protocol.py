"""The engine's protocol by itself, and the whole SDK after it."""

import subprocess
import sys

import pulumi

from toolchain import places, protocol

ALONE_THEN_WHOLE = """
import sys
from toolchain import protocol
protocol.alone()
from pulumi.runtime.proto import provider_pb2
assert "pulumi.resource" not in sys.modules, "the SDK came along"
protocol.whole()
import pulumi
from pulumi.runtime.proto import provider_pb2 as again
assert pulumi.Resource
assert again is provider_pb2
"""


def test_the_protocol_comes_without_the_sdk_and_the_sdk_comes_after_it() -> None:
    subprocess.run([sys.executable, "-c", ALONE_THEN_WHOLE], cwd=places.CHECKOUT, check=True)


def test_an_sdk_that_is_there_already_stays() -> None:
    protocol.alone()
    protocol.whole()
    assert sys.modules["pulumi"] is pulumi
