"""The engine's protocol without the rest of the SDK, which takes three times as long to import.

A stack has several processes beside the program that speak nothing else, and the engine waits for each to start.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

PACKAGES = ("pulumi", "pulumi.runtime")
"""What ``pulumi.runtime.proto`` lies in, and never asks anything of."""


def alone() -> None:
    """Let ``pulumi.runtime.proto`` be imported without what is around it, unless that is imported already.

    Raises:
        ImportError: the SDK is not installed.
    """
    if "pulumi" in sys.modules:
        return
    path = None
    for package in PACKAGES:
        spec = PathFinder.find_spec(package, path)
        if spec is None:
            raise ImportError("No Pulumi SDK here; make setup installs it.")
        sys.modules[package] = module_from_spec(spec)
        path = spec.submodule_search_locations


def whole() -> None:
    """Let all of the SDK be imported after all."""
    if not hasattr(sys.modules.get("pulumi"), "Resource"):
        for package in PACKAGES:
            sys.modules.pop(package, None)
