"""The recorder, answering as AWS would where a component reads what only AWS knows."""

from collections.abc import Iterator
from typing import Any

import pulumi
from pulumi.runtime import mocks

from tests.infra.aws.outputs import OUTPUTS
from tests.recorder import Recorder


class Cloud(Recorder):
    """A recorder with AWS's answers.

    Attributes:
        options: ``(type, name)`` and the resource options of each resource made under ``opts``.
        opts: give them to a component to have its children's options recorded.
    """

    def __init__(self, stack: str = "stack") -> None:
        super().__init__(stack)
        self.options: dict[tuple[str, str], pulumi.ResourceOptions] = {}
        self.opts = pulumi.ResourceOptions(transformations=[self._observe])

    def _observe(self, args: pulumi.ResourceTransformationArgs) -> None:
        self.options[args.type_, args.name] = args.opts

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        made, outputs = super().new_resource(args)
        if args.typ == "aws:acm/certificate:Certificate":
            names = [args.inputs["domainName"], *args.inputs["subjectAlternativeNames"]]
            outputs["domainValidationOptions"] = [
                {
                    "domainName": n,
                    "resourceRecordName": f"_{n}",
                    "resourceRecordType": "CNAME",
                    "resourceRecordValue": "v",
                }
                for n in names
            ]
        if args.typ == "aws:s3/bucket:Bucket":
            outputs["bucket"] = args.name
        if args.typ == "pulumi-python:dynamic/index:Image":
            outputs["pinned"] = f"{args.inputs['reference']}@sha256:feed"
        return made, {"arn": f"arn:aws:made:::{args.name}", **outputs, **OUTPUTS.get(args.typ, {})}

    def named(self, typ: str, name: str) -> dict[str, Any]:
        """The inputs of the resource of this type and name."""
        (found,) = [inputs for made, called, inputs in self.resources if (made, called) == (typ, name)]
        return found

    def option(self, typ: str) -> Iterator[pulumi.ResourceOptions]:
        """The options of every resource of this type; fails when there is none."""
        found = [opts for (made, _), opts in self.options.items() if made == typ]
        assert found, f"no {typ} among {[made for made, _ in self.options]}"
        return iter(found)
