"""A provider plugin in Python: the engine's protocol on one side, a class with seven verbs on the other.

The engine starts ``pulumi-resource-<package>``, reads the port that it prints, and asks over gRPC. Runs on the
SDK's own stubs alone, so that the environment of the program and that of the policies can both start it.
"""

# ruff: noqa: N802 (methods of Wire carry the names of the protocol)

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

Properties = dict[str, Any]
"""Inputs or outputs by their wire names (camel case); plain JSON values, and ``UNKNOWN`` in previews."""

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for what a preview cannot know yet (``pulumi.runtime.rpc``)."""

CLOUD = "MODELSERVE_STAND_IN_CLOUD"
"""Variable that tests alone set, to a folder for what stand-ins make; without it they plan and make nothing."""

ORPHAN_CHECK_S = 2
"""An engine that was killed tells nobody; we end this much later."""

MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024
"""The SDK's own gRPC limit (``pulumi.runtime._grpc_settings``)."""

T = TypeVar("T")


class RefusedError(Exception):
    """Inputs that the provider does not take.

    Attributes:
        failures: ``(property, reason)`` each.
    """

    def __init__(self, failures: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in failures))
        self.failures = failures


class FailedError(Exception):
    """What was asked for could not be done; the message is for the user."""


@dataclass(frozen=True)
class Resource:
    """Which resource the engine speaks of.

    Attributes:
        urn: its name in the stack.
        seed: stable over retries of the same ``check``, for names that a provider makes up.
        id: what the provider called it; empty before it is made.
    """

    urn: str
    seed: bytes = b""
    id: str = ""

    @property
    def type(self) -> str:
        """Type token, for example ``aws:ec2/vpc:Vpc``."""
        return self.urn.split("::")[2].rpartition("$")[2]

    @property
    def name(self) -> str:
        """The name in the program."""
        return self.urn.split("::", 3)[3]


@dataclass(frozen=True)
class Diff:
    """What a change of inputs means.

    Attributes:
        changed: top-level properties that differ.
        replaced: those of them that cannot change in place.
        delete_first: the old one has to go before the new one can be.
    """

    changed: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    delete_first: bool = False


class Provider:
    """A provider that takes whatever it is given and remembers nothing; override what should be otherwise.

    Secrets arrive as plain values: the engine marks an output as secret again where the input of that name was one, and
    the SDK marks those that always are. Methods are called from several threads. Raise ``FailedError`` from any.

    Attributes:
        version: the plugin's; the SDK's package asks for its own.
    """

    def __init__(self, version: str = "1.0.0") -> None:
        self.version = version

    def configure(self, settings: Properties) -> None:
        """Take the provider's own settings, once, before anything else; not called while any of them is unknown."""

    def check(self, resource: Resource, old: Properties, new: Properties) -> Properties:
        """The inputs with defaults and made-up names filled in; ``old`` are those of last time.

        Raises:
            RefusedError: they are wrong.
        """
        return new

    def diff(self, resource: Resource, old: Properties, new: Properties) -> Diff:
        """What became of the inputs since last time."""
        return Diff(changed(old, new))

    def create(self, resource: Resource, inputs: Properties, preview: bool) -> tuple[str, Properties]:
        """Make it; its ID and outputs. A preview makes nothing, and its ID is left out."""
        return f"{resource.name}-id", inputs

    def read(self, resource: Resource, inputs: Properties, outputs: Properties) -> tuple[Properties, Properties] | None:
        """Look at it: inputs and outputs as they are now; None when it is gone."""
        return inputs, outputs

    def update(
        self, resource: Resource, old: Properties, new: Properties, outputs: Properties, preview: bool
    ) -> Properties:
        """Change it in place from old inputs to new ones; the new outputs, ``outputs`` being those so far."""
        return outputs | new

    def delete(self, resource: Resource, inputs: Properties, outputs: Properties) -> None:
        """Remove it."""

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """Answer a look-up."""
        raise FailedError(f"this stand-in has no function {token}")


def changed(old: Properties, new: Properties) -> frozenset[str]:
    """The top-level properties that differ."""
    return frozenset(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


class Wire(provider_pb2_grpc.ResourceProviderServicer):
    """The protocol around a provider."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def Handshake(self, request: Any, context: Any) -> Any:
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        # A stand-in's resources stay where they are, whatever becomes of region or credentials.
        differing = changed(_plain(request.old_inputs), _plain(request.news))
        kinds = provider_pb2.DiffResponse
        return kinds(changes=kinds.DIFF_SOME if differing else kinds.DIFF_NONE, diffs=sorted(differing))

    def Configure(self, request: Any, context: Any) -> Any:
        self._ask(context, lambda: self._provider.configure(_plain(request.args)))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: Any, context: Any) -> Any:
        resource = Resource(request.urn, request.randomSeed)
        try:
            inputs = self._ask(
                context, lambda: self._provider.check(resource, _plain(request.olds), _plain(request.news))
            )
        except RefusedError as refused:
            failures = [provider_pb2.CheckFailure(property=name, reason=reason) for name, reason in refused.failures]
            return provider_pb2.CheckResponse(inputs=request.news, failures=failures)
        return provider_pb2.CheckResponse(inputs=_struct(inputs))

    def Diff(self, request: Any, context: Any) -> Any:
        old, new = _plain(request.old_inputs), _plain(request.news)
        found = self._ask(context, lambda: self._provider.diff(Resource(request.urn, id=request.id), old, new))
        kinds = provider_pb2.DiffResponse
        return kinds(
            changes=kinds.DIFF_SOME if found.changed else kinds.DIFF_NONE,
            diffs=sorted(found.changed),
            replaces=sorted(found.replaced),
            deleteBeforeReplace=found.delete_first,
        )

    def Create(self, request: Any, context: Any) -> Any:
        self._allow(request.preview, context)
        inputs = _plain(request.properties)
        identity, outputs = self._ask(
            context, lambda: self._provider.create(Resource(request.urn), inputs, request.preview)
        )
        return provider_pb2.CreateResponse(id="" if request.preview else identity, properties=_struct(outputs))

    def Read(self, request: Any, context: Any) -> Any:
        self._allow(False, context)
        inputs, outputs = _plain(request.inputs), _plain(request.properties)
        found = self._ask(context, lambda: self._provider.read(Resource(request.urn, id=request.id), inputs, outputs))
        if found is None:
            return provider_pb2.ReadResponse()
        inputs, outputs = found
        return provider_pb2.ReadResponse(id=request.id, inputs=_struct(inputs), properties=_struct(outputs))

    def Update(self, request: Any, context: Any) -> Any:
        self._allow(request.preview, context)
        resource = Resource(request.urn, id=request.id)
        old, new, outputs = _plain(request.old_inputs), _plain(request.news), _plain(request.olds)
        outputs = self._ask(context, lambda: self._provider.update(resource, old, new, outputs, request.preview))
        return provider_pb2.UpdateResponse(properties=_struct(outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        self._allow(False, context)
        resource = Resource(request.urn, id=request.id)
        inputs, outputs = _plain(request.old_inputs), _plain(request.properties)
        self._ask(context, lambda: self._provider.delete(resource, inputs, outputs))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        told = self._ask(context, lambda: self._provider.invoke(request.tok, _plain(request.args)))
        answer = provider_pb2.InvokeResponse()
        getattr(answer, "return").CopyFrom(_struct(told))  # a keyword of Python
        return answer

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def _ask(self, context: Any, question: Callable[[], T]) -> T:
        try:
            return question()
        except FailedError as failed:
            context.abort(grpc.StatusCode.UNKNOWN, str(failed))
            raise

    def _allow(self, preview: bool, context: Any) -> None:
        if not preview and not os.environ.get(CLOUD):
            said = (
                f"{Path(sys.argv[0]).name} is a stand-in for tests and previews; it makes, changes and removes nothing"
            )
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{said}. Install the provider plugin itself.")


def _plain(properties: struct_pb2.Struct) -> Properties:
    return _whole(json_format.MessageToDict(properties))


def _whole(value: Any) -> Any:
    """Numbers as a program wrote them: on the wire all are floats."""
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _struct(properties: Properties) -> struct_pb2.Struct:
    return json_format.ParseDict(properties, struct_pb2.Struct())


def serve(provider: Provider) -> None:
    """Print the port, and answer until the engine ends us or is gone."""
    limits = [("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES)]
    server = grpc.server(ThreadPoolExecutor(max_workers=32), options=limits)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Wire(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    ended = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: ended.set())
    server.start()
    print(port, flush=True)
    engine = os.getppid()
    while not ended.wait(ORPHAN_CHECK_S) and os.getppid() == engine:
        pass
    server.stop(grace=1).wait()
