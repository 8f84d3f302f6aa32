"""The program: settings in, the stack of their target out."""

# ruff: noqa: E402 (what takes long to import comes after what makes that shorter)

from importlib import import_module

import pulumi

from infra import brisk

brisk.hush()
brisk.name_at_once()
brisk.seek_few_cycles()
brisk.pass_plain_values()
brisk.expect_no_answers()
brisk.keep_garbage()
if pulumi.Config().get("target") == "local":
    brisk.wake("pulumi-python")

from infra import settings
from infra.validation import SettingsError

try:
    chosen = settings.read()
    specs = settings.serving_specs(chosen, pulumi.get_stack())
    # By name: what AWS and Kubernetes need of memory, a stack on one machine does not pay.
    import_module(f"stacks.{chosen.target}").deploy(chosen, specs)
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None
finally:
    brisk.begin()
