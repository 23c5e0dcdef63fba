"""A net to ONNX bytes, by PyTorch's dynamo exporter.

Traps this avoids: an example batch of one freezes the batch axis; a failed conversion leaves
another opset than asked for without an error; a second file holds the weights; the file differs
from run to run.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from export_tools.errors import ExportError
from export_tools.graph_checks import BATCH, check_contract
from export_tools.graph_clean import OPSET, clean_graph
from service.engine.manifest import InputPolicy
from service.engine.session import INPUT_NAME, OUTPUT_NAME

_EXAMPLE_BATCH = 2  # torch.export takes sizes 0 and 1 for constants


def export_onnx(net: nn.Module, policy: InputPolicy, classes: int) -> bytes:
    """Export a net that holds the graph contract.

    Args:
        net: maps uint8 [batch, 3, height, width] to float32 [batch, classes], in evaluation mode.
        policy: gives height and width.
        classes: length of the output.

    Returns:
        The serialised graph; the same for the same net and tool versions.

    Raises:
        ExportError: the exporter failed, or its graph breaks the contract.
    """
    example = torch.zeros((_EXAMPLE_BATCH, 3, policy.height, policy.width), dtype=torch.uint8)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                net,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes=({0: torch.export.Dim(BATCH)},),
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        raise ExportError("PyTorch cannot export this net to ONNX.") from error
    assert program is not None
    graph = clean_graph(program.model_proto)
    check_contract(graph, policy, classes)
    return graph


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on missing packages and its own deprecations off the terminal."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning)
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            yield
    finally:
        logger.setLevel(before)
