"""Writes the page that lists the rules: ``python -m pack.page``, from the folder of the pack."""

import inspect
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from pulumi_policy import EnforcementLevel, Policy, StackValidationPolicy

from pack.prices import groups
from rules import POLICIES, SUBJECTS, of

PACK = Path(__file__).resolve().parent.parent
PAGE = PACK.parent / "docs" / "policies.md"
STACKS = PACK / "stacks"

HEAD = """# Policies

<!-- Written by `python -m pack.page` in policies/ from the rules themselves; change those. -->

Before Pulumi makes anything, the engine shows every resource to the policy pack in `policies/`, and a mandatory rule
that finds a fault ends the deployment:

    pulumi preview -s prod --policy-pack policies --policy-pack-config policies/stacks/prod.json

Without the second option, and in a stack without a file, every rule is mandatory at its default settings. In a file a
rule has a level, or settings with an `enforcementLevel` that is mandatory where it is left out.

What is not known yet during a preview counts for nobody and against nobody: rules about one resource look again right
before it is made, rules about the whole stack after everything is.
"""

PRICES = """
## Prices

`cost-under-ceiling` takes AWS' prices on demand from `policies/prices.json`: of Linux machines, of Postgres in one zone
(a standby costs the same again), of Redis. Of EC2's prices of 2025-04-24 those are kept whose counterpart in us-east-1
was still the same on 2026-07-20, which 214 of the 222 compared were.

| region | kinds | read on | in |
|---|---|---|---|
"""

REFRESH = """
What has none there, as everything in another region, is a fault that names it. Prices that the stack's file gives go
first, in any region; those that you negotiated belong there too:

    "cost-under-ceiling": { "enforcementLevel": "advisory", "prices": { "m7i.xlarge": 0.19 } }

To refresh the file, look kinds up in AWS' price list (`aws pricing get-products`, or the page of the service) and write
their prices under the day and the source. `make preview STACK=prod` says whether the stack is still under its ceiling.
"""


def page() -> str:
    """The page as it should be."""
    subjects = (line for subject in SUBJECTS for line in _subject(subject))
    return "\n".join([HEAD, *_stacks(), *subjects, PRICES.rstrip("\n"), *_prices(), REFRESH.rstrip("\n")])


def settings(stack: str) -> Mapping[str, Any]:
    """What a stack's file says, by rule."""
    return json.loads((STACKS / f"{stack}.json").read_text())


def stacks() -> list[str]:
    """The stacks that have a file."""
    return sorted(file.stem for file in STACKS.glob("*.json"))


def _stacks() -> list[str]:
    lines = ["| stack | held less strictly to |", "|---|---|"]
    for stack in stacks():
        spared = [f"`{name}`: {_spared(said)}" for name, said in settings(stack).items()]
        lines.append(f"| `{stack}` | {', '.join(spared) or 'nothing'} |")
    return lines


def _prices() -> list[str]:
    return [f"| {one['region']} | {_kinds(one['usd_an_hour'])} | {one['date']} | {one['source']} |" for one in groups()]


def _kinds(prices: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(kind.rpartition(".")[0] or kind for kind in prices))


def _spared(said: str | Mapping[str, Any]) -> str:
    if isinstance(said, str):
        return said
    return ", ".join(f"{key} {value}" for key, value in said.items() if key != "enforcementLevel")


def _subject(subject: ModuleType) -> list[str]:
    title = (inspect.getdoc(subject) or "").partition("\n")[0].rstrip(".")
    return ["", f"## {title}", "", *(line for policy in of(subject) for line in _rule(policy))]


def _rule(policy: Policy) -> list[str]:
    notes = []
    if isinstance(policy, StackValidationPolicy):
        notes.append("looks at the stack as a whole")
    if policy.enforcement_level == EnforcementLevel.REMEDIATE:
        notes.append("sets right what it can")
    properties = policy.config_schema.properties if policy.config_schema else {}
    notes += [f"setting `{name}`{_default(schema)}" for name, schema in properties.items()]
    return [f"- **{policy.name}**: {policy.description}" + (f" *({'; '.join(notes)})*" if notes else "")]


def _default(schema: Mapping[str, Any]) -> str:
    return f", by default `{json.dumps(schema['default'])}`" if "default" in schema else ""


if __name__ == "__main__":
    PAGE.write_text(page() + "\n")
    print(f"{PAGE}: {len(POLICIES)} rules")
