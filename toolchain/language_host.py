"""Runs Python programs for the Pulumi engine where the official language host is not to be had.

The engine starts ``pulumi-language-python``, reads a port from its first line of output and speaks the protocol
``pulumirpc.LanguageRuntime``. The official host also makes projects, packages and environments; this one runs programs,
policy packs and plugins, which is all that a stack needs, and leaves the rest unimplemented.
"""

# ruff: noqa: E402, N802 (the protocol is imported once it is let alone; methods carry its names)

import atexit
import gc
import json
import os
import platform
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import grpc
from google.protobuf import empty_pb2, json_format

from toolchain import protocol

protocol.alone()

from pulumi.runtime.proto import language_pb2 as wire
from pulumi.runtime.proto import language_pb2_grpc, plugin_pb2
from pulumi.runtime.proto.language_pb2_grpc import LanguageRuntimeServicer

FAILED_AND_SAID_SO = (1, 32)
"""Exit statuses of ``pulumi-language-python-exec`` that come with a shown error: ``RunError``; any other exception."""

MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024
"""The SDK's own gRPC limit (``pulumi.runtime._grpc_settings``)."""

ORPHAN_CHECK_S = 2
"""An engine that was killed tells nobody; we end this much later."""


class LanguageHost(LanguageRuntimeServicer):
    """The protocol, one child process a program.

    Attributes:
        executor: the SDK's script that runs a program against the engine.
        engine: address of the engine, ``host:port``.
    """

    def __init__(self, executor: Path, engine: str) -> None:
        self.executor = executor
        self.engine = engine
        self._children: set[subprocess.Popen[bytes]] = set()

    def Handshake(
        self, request: wire.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> wire.LanguageHandshakeResponse:
        """Accept the engine."""
        self.engine = request.engine_address
        return wire.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Version of this host: the SDK's."""
        return plugin_pb2.PluginInfo(version=sdk_version())

    def About(self, request: wire.AboutRequest, context: grpc.ServicerContext) -> wire.AboutResponse:
        """The Python that programs run on."""
        return wire.AboutResponse(executable=sys.executable, version=platform.python_version())

    def GetRequiredPackages(
        self, request: wire.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> wire.GetRequiredPackagesResponse:
        """The provider plugins that the installed Pulumi packages name in their ``pulumi-plugin.json``."""
        found = Path(python_of(request.info)).parent.parent.glob("lib/python3*/site-packages/*/pulumi-plugin.json")
        plugins = [json.loads(file.read_text()) for file in sorted(found)]
        return wire.GetRequiredPackagesResponse(
            packages=[
                plugin_pb2.PackageDependency(
                    name=plugin["name"],
                    kind="resource",
                    version=plugin.get("version", ""),
                    server=plugin.get("server", ""),
                )
                for plugin in plugins
                if plugin.get("resource")
            ]
        )

    def Run(self, request: wire.RunRequest, context: grpc.ServicerContext) -> wire.RunResponse:
        """Run a program to its end; what it prints goes to the engine, which reads our output."""
        python = python_of(request.info)
        child = self._start(
            [python, "-u", str(self.executor), *run_arguments(request, self.engine)],
            cwd=request.info.program_directory,
            env=os.environ
            | {
                "PULUMI_CONFIG": json.dumps(dict(request.config)),
                "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
            },
            output=None,
        )
        status = self._end(child)
        if status in FAILED_AND_SAID_SO:
            return wire.RunResponse(bail=True)
        return wire.RunResponse(error=f"Program exited with status {status}" if status else "")

    def RunPlugin(
        self, request: wire.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[wire.RunPluginResponse]:
        """Run a policy pack or a provider written in Python; its output streams back as it comes."""
        child = self._start(
            [python_of(request.info), "-u", request.info.program_directory, *request.args],
            cwd=request.pwd,
            env=dict(variable.split("=", 1) for variable in request.env),
            output=subprocess.PIPE,
        )
        # The engine ends a plugin by ending the call.
        context.add_callback(child.terminate)
        for line in child.stdout or ():
            yield wire.RunPluginResponse(stdout=line)
        yield wire.RunPluginResponse(exitcode=self._end(child))

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """End what runs."""
        self.end_children()
        return empty_pb2.Empty()

    def end_children(self) -> None:
        """Ask every program to end; SIGTERM, because Python answers SIGINT with a traceback."""
        for child in list(self._children):
            child.terminate()

    def _start(self, command: list[str], cwd: str, env: dict[str, str], output: int | None) -> subprocess.Popen[bytes]:
        # A process group of its own: the engine interrupts ours, and we decide what the program gets.
        child = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, process_group=0)
        self._children.add(child)
        return child

    def _end(self, child: subprocess.Popen[bytes]) -> int:
        status = child.wait()
        self._children.discard(child)
        return status


def python_of(info: wire.ProgramInfo) -> str:
    """The interpreter of a program: of the ``virtualenv`` that its project file names, else our own."""
    options = json_format.MessageToDict(info.options)
    if not (virtualenv := options.get("virtualenv")):
        return sys.executable
    return str(Path(info.root_directory or ".", virtualenv, "bin", "python"))


def run_arguments(request: wire.RunRequest, engine: str) -> list[str]:
    """The command line that ``pulumi-language-python-exec`` expects for a run."""
    arguments = ["--project", request.project, "--stack", request.stack, "--organization", request.organization]
    arguments += ["--root_directory", request.info.root_directory, "--pwd", request.pwd]
    arguments += ["--monitor", request.monitor_address, "--engine", engine, "--parallel", str(request.parallel)]
    arguments += ["--dry_run", "true"] if request.dryRun else []
    program = Path(request.info.program_directory, request.info.entry_point)
    return [*arguments, str(program), *request.args]


def sdk_version() -> str:
    """The version of the installed SDK, which is that of the engine too."""
    return version("pulumi")


def main() -> None:
    """Serve until the engine interrupts us."""
    engine = sys.argv[-1] if len(sys.argv) > 1 else ""
    host = LanguageHost(Path(os.environ["MODELSERVE_PULUMI_EXEC"]), engine)
    limits = [("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES)]
    # Each running program and plugin holds a thread.
    server = grpc.server(ThreadPoolExecutor(max_workers=16), options=limits)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")

    ended = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: ended.set())
    server.start()
    print(port, flush=True)
    engine_process = os.getppid()
    while not ended.wait(ORPHAN_CHECK_S) and os.getppid() == engine_process:
        pass
    host.end_children()
    # The engine waits for our end, and the interpreter would look for garbage first.
    atexit.register(gc.freeze)
    server.stop(grace=1).wait()


if __name__ == "__main__":
    main()
