"""``python -m tests.providers <package>``: the stand-in for ``pulumi-resource-<package>``."""

# ruff: noqa: E402 (the protocol is imported once it is let alone)

import importlib
import importlib.util
import sys
from importlib import metadata

from toolchain import protocol

protocol.alone()

from tests.providers.kept import Kept
from tests.providers.server import Provider, serve


def of(package: str) -> Provider:
    """The stand-in of a package: its module's ``Provider``, else one that takes and keeps whatever it is given."""
    try:
        version = metadata.version(f"pulumi-{package}")
    except metadata.PackageNotFoundError:
        version = "1.0.0"
    if importlib.util.find_spec(f"tests.providers.{package}") is None:
        return Kept(version)
    return importlib.import_module(f"tests.providers.{package}").Provider(version)


if __name__ == "__main__":
    serve(of(sys.argv[1]))
