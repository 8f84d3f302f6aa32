"""What V1 and V2 look like, for the OpenAPI document: their routes read and write JSON past the framework.

Only what every app shares is said. What an instance is, and which tensors there are, is the model's affair, which may
change while the app runs: ``GET /v2/models/{name}`` says it.
"""

from typing import Any, get_args

from pydantic import BaseModel

from apps.runtime.protocols.body import HEADER_LENGTH
from models.artefact import Datatype

Document = dict[str, Any]

DATATYPE: Document = {"type": "string", "enum": list(get_args(Datatype))}
SHAPE: Document = {"type": "array", "items": {"type": "integer", "minimum": 0}}
DATA: Document = {
    "type": "array",
    "items": {"type": ["number", "string", "boolean", "array", "object"]},
    "description": "elements in the order of rows, flat or nested as the shape is",
}
BINARY: Document = {"type": "string", "format": "binary"}


def thing(required: dict[str, Document], optional: dict[str, Document] | None = None, /, **more: object) -> Document:
    """The schema of an object with these members; others may be there, too."""
    return {"type": "object", "required": list(required), "properties": required | (optional or {}), **more}


def parameters(**known: Document) -> Document:
    """The schema of ``parameters``, of which the protocol knows these; others are the app's."""
    return thing({}, known)


SIZE: Document = {
    "type": "integer",
    "minimum": 0,
    "description": "bytes of the tensor behind the JSON, in place of data",
}
TENSOR = thing(
    {"name": {"type": "string"}, "datatype": DATATYPE, "shape": SHAPE},
    {"data": DATA, "parameters": parameters(binary_data_size=SIZE)},
    oneOf=[{"required": ["data"]}, {"required": ["parameters"]}],
)
WANTED = thing(
    {"name": {"type": "string"}},
    {"parameters": parameters(binary_data={"type": "boolean", "description": "raw behind the JSON"})},
)


def v1_request(instance: str | None) -> Document:
    """The body of ``:predict``; ``instance`` may stand for its only instance, as in ``App``."""
    several = thing({"instances": {"type": "array"}}, {"parameters": parameters()})
    one = [thing({instance: {}}, {"parameters": parameters()})] if instance else []
    schema = {"anyOf": [several, *one]} if one else several
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


V1_ANSWER: dict[int | str, Document] = {
    200: {
        "description": "One prediction for each instance",
        "content": {
            "application/json": {
                "schema": thing({"predictions": {"type": "array", "items": {"type": "object"}}}),
            }
        },
    }
}

V2_REQUEST: Document = {
    "parameters": [
        {
            "name": HEADER_LENGTH,
            "in": "header",
            "required": False,
            "description": "Bytes of the body that are JSON; raw tensors follow, each with its binary_data_size.",
            "schema": {"type": "integer", "minimum": 1},
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": thing(
                    {"inputs": {"type": "array", "minItems": 1, "items": TENSOR}},
                    {
                        "id": {"type": "string"},
                        "parameters": parameters(
                            binary_data_output={"type": "boolean", "description": "all outputs raw behind the JSON"}
                        ),
                        "outputs": {"type": "array", "items": WANTED},
                    },
                )
            },
            "application/octet-stream": {"schema": BINARY},
        },
    },
}

V2_ANSWER: dict[int | str, Document] = {
    200: {
        "description": "The outputs; raw behind the JSON where asked for",
        "headers": {
            HEADER_LENGTH: {
                "description": "Bytes of the body that are JSON, where raw outputs follow.",
                "schema": {"type": "integer", "minimum": 1},
            }
        },
        "content": {
            "application/json": {
                "schema": thing(
                    {
                        "model_name": {"type": "string"},
                        "model_version": {"type": "string"},
                        "outputs": {"type": "array", "minItems": 1, "items": TENSOR},
                    },
                    {"id": {"type": "string"}},
                )
            },
            "application/octet-stream": {"schema": BINARY},
        },
    }
}


class Models(BaseModel):
    """The models that are served here."""

    models: list[str]


class Ready(BaseModel):
    """A model that is ready; one that is not is a problem."""

    name: str
    ready: bool


class Server(BaseModel):
    """What serves, and which extensions of the protocol it knows."""

    name: str
    version: str
    extensions: list[str]


class Described(BaseModel):
    """A tensor of a model; -1 stands for an axis of any size."""

    name: str
    datatype: Datatype
    shape: list[int]


class Metadata(BaseModel):
    """A model's versions, and the tensors of one of them."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Described]
    outputs: list[Described]
