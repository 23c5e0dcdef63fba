"""Requests of the Open Inference Protocol, made by hand."""

import json
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.reliability.files.graphs import HEIGHT, WIDTH
from tests.support.server import LiveServer

COLOURS = ("red", "green", "blue")
INFER = "/v2/models/colours/infer"


def planes(*colours: str) -> NDArray[np.uint8]:
    """Return a tensor with one image of each colour, uint8 [images, 3, height, width]."""
    values = np.full((len(colours), 3, HEIGHT, WIDTH), 5, np.uint8)
    for number, colour in enumerate(colours):
        values[number, COLOURS.index(colour)] = 250
    return values


def tensor(values: NDArray[np.uint8], **changes: Any) -> dict[str, Any]:
    """Return an input with its data in the JSON, flat."""
    return {
        "name": "image", "datatype": "UINT8", "shape": list(values.shape),
        "data": values.ravel().tolist(),
    } | changes  # fmt: skip


def images(count: int, **parameters: Any) -> dict[str, Any]:
    """Return an input of encoded images, whose data follows the JSON."""
    return {"name": "image", "datatype": "BYTES", "shape": [count], "parameters": parameters}


def after_lengths(*files: bytes) -> bytes:
    """Return encoded images as a binary tensor of BYTES."""
    return b"".join(len(file).to_bytes(4, "little") + file for file in files)


def ask(server: LiveServer, *inputs: dict[str, Any], **members: Any) -> httpx.Response:
    """Send a request that is all JSON."""
    return server.client.post(INFER, json={"inputs": list(inputs), **members})


def ask_binary(
    server: LiveServer, data: bytes, *inputs: dict[str, Any], **members: Any
) -> httpx.Response:
    """Send a request with binary data after its JSON."""
    text = json.dumps({"inputs": list(inputs), **members}).encode()
    headers = {"inference-header-content-length": str(len(text))}
    return server.client.post(INFER, content=text + data, headers=headers)


def outputs(response: httpx.Response) -> dict[str, Any]:
    """Return the data of each output of an answer that is all JSON."""
    assert response.status_code == 200, response.text
    return {output["name"]: output["data"] for output in response.json()["outputs"]}


def refused(response: httpx.Response) -> tuple[int, str]:
    """Return status and text of an error, whose form the client of the tests has checked."""
    return response.status_code, response.json()["error"]
