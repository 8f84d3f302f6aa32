"""What runs a model's graph: ONNX Runtime on CPU, which is named here and nowhere else, and PyTorch on a GPU."""

import ctypes
import importlib.util
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnxruntime

Arrays = Mapping[str, NDArray[np.generic]]


class EngineError(Exception):
    """A device that is not there, or a graph that cannot be run."""


class Refused(Exception):  # noqa: N818 - says what is the matter
    """A graph that does not take these inputs: an index beyond a table, or axes that do not fit each other."""


class Lost(Exception):  # noqa: N818 - says what is the matter
    """A device that nothing runs on any more in this process; in a new one it may."""


class Session(Protocol):
    """A loaded graph.

    Attributes:
        batch: 1 where the graph takes one instance a run; ``None`` where any number will do.
        lanes: runs that may be under way at a time.
    """

    batch: int | None
    lanes: int

    def run(self, inputs: Arrays) -> list[NDArray[np.generic]]:
        """The graph's outputs, in its order. Blocks, without holding the interpreter.

        Raises:
            Refused: the graph does not take these inputs.
            Lost: nor will it ever take others.
        """
        ...

    def settle(self) -> None:
        """End of the warm-up: from now on requests wait, and nothing is prepared for while they do."""
        ...


def require(device: str) -> None:
    """Make sure that the engine can use ``device``.

    Raises:
        EngineError: it cannot.
    """
    if device == "cpu":
        return
    if importlib.util.find_spec("torch") is None:
        raise EngineError(
            "MODEL_DEVICE is cuda, but PyTorch is not installed here.\n"
            "  Run the app in the image for GPUs (docker buildx build --build-arg LOCK=gpu --file apps/Dockerfile .), "
            "or set MODEL_DEVICE=cpu."
        )
    from apps.runtime import torch_session  # noqa: PLC0415 - seconds, and in the image for GPUs alone

    torch_session.require()


SPIN_US = "1000"
"""How long threads of a graph wait for its next layer before they sleep: ``docs/decisions/inference-engine.md``."""


def open_session(graph: Path, device: str, threads: int) -> Session:
    """Load an ONNX graph.

    Raises:
        EngineError: the engine cannot read it.
    """
    require(device)
    if device == "cpu":
        return _OnnxSession(graph, threads)
    from apps.runtime.torch_session import TorchSession  # noqa: PLC0415 - see require

    return TorchSession(graph, device, threads)


HELD_TWICE = 100_000_000
"""Bytes of a graph up to which it is loaded twice: smaller ones gain by it (``docs/decisions/inference-engine.md``)."""


class _OnnxSession:
    """A graph whose run takes every core while it is the only one; runs beside each other take one core each."""

    def __init__(self, graph: Path, threads: int) -> None:
        import onnxruntime  # noqa: PLC0415 - half a second that a process without a model need not spend
        from onnxruntime.capi import (  # noqa: PLC0415 - as above
            onnxruntime_pybind11_state as errors,  # pyright: ignore[reportAttributeAccessIssue]
        )

        # What kernels say of inputs that do not fit; lack of memory is another one.
        self._refusals = (errors.InvalidArgument, errors.Fail)

        def load(threads: int) -> "onnxruntime.InferenceSession":
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
            # A thread that spins from layer to layer is there at once; beyond that it takes the core from others.
            options.add_session_config_entry("session.intra_op.spin_duration_us", SPIN_US)
            options.add_session_config_entry("session.force_spinning_stop", "1")
            options.log_severity_level = 3
            try:
                return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
            except Exception as error:  # its exceptions have no public base
                raise EngineError(f"{graph}: ONNX Runtime cannot load it: {error}") from error

        self.lanes = threads if graph.stat().st_size <= HELD_TWICE else 1
        with ThreadPoolExecutor() as pool:
            self._alone, *beside = pool.map(load, (threads, 1) if self.lanes > 1 else (threads,))
        self._beside = beside[0] if beside else self._alone
        self._lock = threading.Lock()
        self._running = 0
        give_memory_back()
        self.batch = batch_of(graph, self._alone.get_inputs()[0].shape[0])

    def run(self, inputs: Arrays) -> list[NDArray[np.generic]]:
        with self._lock:
            session = self._beside if self._running else self._alone
            self._running += 1
        try:
            # Its annotation allows sparse tensors and sequences, which no graph of ours answers.
            return cast("list[NDArray[np.generic]]", session.run(None, dict(inputs)))
        except self._refusals as error:
            raise Refused(str(error)) from None
        finally:
            with self._lock:
                self._running -= 1

    def settle(self) -> None:
        """Every shape is run alike."""


def batch_of(graph: Path, axis: object) -> int | None:
    """How many instances a graph takes a run, by the first axis of its inputs: 1, or None for any number.

    Raises:
        EngineError: it takes some other number and no other.
    """
    size = axis if isinstance(axis, int) else None
    if size not in (1, None):
        raise EngineError(f"{graph}: its batches have {size} instances.\n  Export it with a free batch axis.")
    return size


def give_memory_back() -> None:
    """Return what loading or closing left behind: parsing 100 MB of graph leaves 130 MB that glibc would keep."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:  # glibc has it, other C libraries do not
        trim(0)
