"""Stands in for ``pulumi-resource-random``: real random values, made once and kept."""

import base64
import secrets
import string

from tests.providers import sdk
from tests.providers.kept import Kept
from tests.providers.server import UNKNOWN, Diff, Properties, RefusedError, Resource, changed

COMPUTED = {
    "RandomPassword": ("result", "bcryptHash"),
    "RandomString": ("result",),
    "RandomId": ("hex", "dec", "b64Std", "b64Url"),
    "RandomUuid": ("result",),
    "RandomBytes": ("hex", "base64"),
}


class Provider(Kept):
    """Any change of inputs makes a new value."""

    def check(self, resource: Resource, old: Properties, new: Properties) -> Properties:
        kind = resource.type.rpartition(":")[2]
        failures = sdk.wrong(resource.type, new)
        if kind not in COMPUTED:
            failures.append(("", f"this stand-in makes {', '.join(COMPUTED)}, not {kind}"))
        if failures:
            raise RefusedError(failures)
        return new

    def diff(self, resource: Resource, old: Properties, new: Properties) -> Diff:
        differing = changed(old, new)
        return Diff(differing, differing)

    def identity(self, resource: Resource, inputs: Properties) -> str:
        # The real provider calls every password "none"; ours are kept by their ID.
        return secrets.token_hex(8)

    def outputs(self, resource: Resource, inputs: Properties, preview: bool) -> Properties:
        kind = resource.type.rpartition(":")[2]
        return inputs | (dict.fromkeys(COMPUTED[kind], UNKNOWN) if preview else _made(kind, inputs))


def _made(kind: str, inputs: Properties) -> Properties:
    if kind in ("RandomId", "RandomBytes"):
        made = secrets.token_bytes(int(inputs.get("byteLength") or inputs["length"]))
        encoded, prefix = base64.b64encode(made).decode(), inputs.get("prefix", "")
        url = base64.urlsafe_b64encode(made).decode().rstrip("=")
        numbers = {"hex": prefix + made.hex(), "dec": prefix + str(int.from_bytes(made, "big"))}
        return {**numbers, "b64Std": prefix + encoded, "b64Url": prefix + url, "base64": encoded}
    if kind == "RandomUuid":
        return {"result": "-".join(secrets.token_hex(length) for length in (4, 2, 2, 2, 6))}
    letters = string.ascii_letters + string.digits
    # "-" so that no value is a word that a state holds anyway.
    signs = inputs.get("overrideSpecial") or "-"
    alphabet = letters + signs if inputs.get("special", True) else letters
    result = "".join(secrets.choice(alphabet) for _ in range(int(inputs["length"])))
    return {"result": result, "bcryptHash": f"$2a$10${secrets.token_hex(26)}"}
