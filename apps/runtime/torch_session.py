"""Runs a graph on a GPU: compiled, with what gains by it in 16 bits. Only processes that ask for a GPU import this."""

# pyright: reportMissingImports=false
# torch is in the image for GPUs and in the group that trains; what serves on CPU has none.

from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, _dynamo
from torch.fx.experimental import _config as symbols

from apps.runtime.engine import Arrays, EngineError, Lost, Refused, batch_of, give_memory_back
from apps.runtime.torch_graph import TorchGraph

# Otherwise axes that are alike in the warm-up, as those of a square picture, would have to be alike in every request.
symbols.use_duck_shape = False
# The compiler counts what it made of one function, which all graphs share: at 8, the fourth reload would be the last.
_dynamo.config.recompile_limit = _dynamo.config.accumulated_recompile_limit = 10_000


def require() -> None:
    """Make sure that there is a GPU.

    Raises:
        EngineError: there is none that PyTorch can use; says what PyTorch says.
    """
    try:
        torch.cuda.init()
        torch.empty(1, device="cuda")
    except (RuntimeError, AssertionError) as error:  # the latter from a PyTorch that was built without CUDA
        said = str(error).strip().splitlines()[0]
        raise EngineError(
            f"MODEL_DEVICE is cuda, but PyTorch {torch.__version__} here can use no GPU: {said}\n"
            "  Give the process a GPU and its NVIDIA driver (nvidia-smi shows both; pods ask by resources.gpu), "
            "or set MODEL_DEVICE=cpu."
        ) from None


class TorchSession:
    """A graph in PyTorch. The first runs compile; ``settle`` ends that.

    Attributes:
        batch: 1 where the graph takes one instance a run; ``None`` where any number will do.
        lanes: runs that may be under way at a time.
    """

    batch: int | None
    lanes = 1

    def __init__(self, file: Path, device: str, threads: int) -> None:
        """Load an ONNX graph.

        Raises:
            EngineError: it cannot be read, or has what cannot be run here.
        """
        torch.set_num_threads(threads)
        self._file, self._device = file, torch.device(device)
        self._half = _half(self._device)
        try:
            model = onnx.load(file)
            onnx.checker.check_model(model)
        except Exception as error:  # protobuf's and onnx's own have no common base
            raise EngineError(f"{file}: ONNX cannot load it: {error}") from error
        try:
            graph = TorchGraph(model.graph, self._device)
        except (EngineError, KeyError, RuntimeError, TypeError, ValueError) as error:  # what is folded has run already
            raise EngineError(f"{file}: {error}\n  Serve it with MODEL_DEVICE=cpu, or export it otherwise.") from None
        taken = {value.name: value.type.tensor_type for value in model.graph.input}
        self._inputs = {
            name: (
                helper.tensor_dtype_to_np_dtype(taken[name].elem_type),
                [axis.dim_value or axis.dim_param for axis in taken[name].shape.dim],
            )
            for name in graph.takes
        }
        self.batch = batch_of(file, next(iter(self._inputs.values()))[1][0])
        self._tables = dict(graph.tables())
        graph = graph.eval().to(memory_format=torch.channels_last)
        # Static but for the axes that are marked: what a request brings must never be compiled for while it waits.
        self._compiled = torch.compile(graph, fullgraph=True, dynamic=False)
        self._settled = False
        del model
        give_memory_back()

    def settle(self) -> None:
        """Compile no more: shapes that no code is there for run without, at once."""
        self._compiled = _dynamo.run(self._compiled)
        self._settled = True

    def run(self, inputs: Arrays) -> list[NDArray[np.generic]]:
        """The graph's outputs, in its order. Blocks; PyTorch lets go of the interpreter meanwhile.

        Raises:
            Refused: the graph does not take these inputs.
            EngineError: the graph cannot be compiled.
            Lost: the GPU failed, which CUDA forgives no process.
        """
        try:
            staged = [self._staged(name, inputs.get(name)) for name in self._inputs]
            with torch.inference_mode(), torch.autocast(self._device.type, self._half):
                outputs = self._compiled(*staged)
                return [output.cpu().numpy() for output in outputs]
        except torch.OutOfMemoryError:
            raise
        except torch.AcceleratorError as error:
            raise Lost(str(error).splitlines()[0]) from error
        except _dynamo.exc.TorchDynamoException as error:
            raise EngineError(f"{self._file}: PyTorch cannot compile it: {error}") from error
        except (RuntimeError, IndexError) as error:
            raise Refused(str(error).splitlines()[0]) from None

    def _staged(self, name: str, array: NDArray[np.generic] | None) -> Tensor:
        """An input on the device, by way of memory that the device reads by itself."""
        dtype, axes = self._inputs[name]
        if array is None or array.dtype != dtype or array.ndim != len(axes):
            raise Refused(f"{name} must be {dtype} with {len(axes)} axes")
        wrong = [axis for axis, size in enumerate(axes) if isinstance(size, int) and array.shape[axis] != size]
        if wrong:
            raise Refused(f"{name} has {array.shape[wrong[0]]} on axis {wrong[0]}; it must be {axes[wrong[0]]}")
        rows = self._tables.get(name)
        # A GPU that reads beyond a table is lost to the whole process.
        if rows is not None and array.size and not -rows <= array.min() <= array.max() < rows:
            raise Refused(f"{name} is a number of {rows} rows; there is one of {array.min()} to {array.max()}")
        host = torch.empty(array.shape, dtype=_torch_type(dtype), pin_memory=self._device.type == "cuda")
        host.numpy()[...] = array
        tensor = host.to(self._device, non_blocking=True)
        if tensor.dim() == 4:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        if not self._settled:
            # Of one instance or more: 1 has code of its own, as in every compiler of arrays.
            for axis, size in enumerate(axes):
                if isinstance(size, str) and tensor.shape[axis] > 1:
                    _dynamo.mark_dynamic(tensor, axis)
        return tensor


def _torch_type(dtype: np.dtype[np.generic]) -> torch.dtype:
    return torch.from_numpy(np.empty(0, dtype)).dtype


def _half(device: torch.device) -> torch.dtype:
    """Which 16 bits: bfloat16 has float32's range; GPUs before Ampere have only the other."""
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.float16
    return torch.bfloat16
