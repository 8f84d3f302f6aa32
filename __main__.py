"""The program: settings in, the stack of their target out."""

import pulumi

from infra import settings
from infra.validation import SettingsError
from stacks import local

try:
    chosen = settings.read()
    specs = settings.serving_specs(chosen, pulumi.get_stack())
    match chosen.target:
        case "local":
            local.deploy(chosen, specs)
        case target:
            raise SettingsError(f"Target {target} is not built yet; use a stack whose modelserve:target is local.")
except SettingsError as error:
    raise pulumi.RunError(str(error)) from None
