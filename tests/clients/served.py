"""What each app that answers V1 and V2 is sent, and must find in it; both clients have numpy, and nothing of ours."""

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Served:
    """An app of texts or pictures.

    Attributes:
        app: its name, which its model answers to, too.
        tensor: the one input.
        value: a text; or the name of the variable that says where a picture is.
        output: the output of texts to look into.
        found: what must be in the first of them; also in the prediction of V1.
    """

    app: str
    tensor: str
    value: str
    output: str
    found: str

    @property
    def url(self) -> str:
        """Where it is."""
        return os.environ[self.app.upper().replace("-", "_")]

    def elements(self, raw: bool) -> NDArray[np.object_]:
        """The input; JSON has pictures in base64."""
        content = Path(os.environ[self.value]).read_bytes() if self.tensor == "image" else self.value.encode()
        return np.array([base64.b64encode(content) if self.tensor == "image" and not raw else content], np.object_)

    def instance(self) -> dict[str, str] | str:
        """The input as an instance of V1."""
        text = self.elements(raw=False)[0].decode()
        return {"b64": text} if self.tensor == "image" else text

    def is_in(self, output: NDArray[Any]) -> bool:
        """Whether an output has what must be in it: bytes where it came raw, else a text."""
        first = output.ravel()[0]
        return self.found in (first.decode() if isinstance(first, bytes) else first)


ALL = [
    Served("bert-sentiment", "sequence", "I love this hotel.", "label", "POSITIVE"),
    Served("classifier", "image", "COFFEE", "label", "espresso"),
    Served("detector", "image", "COINS", "detections", "confidence"),
    Served("ner", "text", "Angela Merkel lives in Berlin.", "entities", "Berlin"),
    Served("road", "image", "WET_ROAD", "label", "wet"),
    Served("sentiment", "text", "Awful food.", "label", "NEGATIVE"),
]
NAMES = [one.app for one in ALL]
