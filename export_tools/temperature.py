"""A temperature in the graph: probabilities that say how often answers are right, same answers.

Logits are divided by one number in front of the softmax (Guo et al., 2017). Photos in even places
find it, those in odd places tell what it is worth: their likelihood must rise, or nothing is made.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto

from export_tools.confidence import (
    Honesty,
    fit_temperature,
    honesty,
    negative_log_likelihood,
    softmax,
)
from export_tools.datasets import Item
from export_tools.draft import Draft, expect_selftest, file_facts_of
from export_tools.errors import DataError, ExportError
from export_tools.evaluate import Classifier, answers, evaluate_items
from export_tools.graph_checks import check_contract
from export_tools.graph_clean import clean_graph
from service.engine.manifest import MODEL_FILE, CompressionStep, Manifest
from service.engine.session import OUTPUT_NAME, OrtSession, SessionOptions
from service.errors import GateFailed

STEP = "temperature"
_FACTOR, _SCALED = "inverse_temperature", "scaled_logits"
_FEWEST = 20


@dataclass(frozen=True, slots=True)
class Side:
    """Mean negative log-likelihood, nats, and ECE of the photos that were held out."""

    nll: float
    honesty: Honesty


@dataclass(frozen=True, slots=True)
class Fitted:
    """A temperature, how many images found it, and the others before and after it."""

    temperature: float
    images: int
    before: Side
    after: Side
    skipped: tuple[str, ...]


def fit(draft: Draft, items: Sequence[Item], done: Callable[[int], None]) -> Fitted:
    """Find the temperature of a model on labelled images.

    Args:
        draft: the model; its graph ends in a softmax.
        items: images with their classes.
        done: told how many more items were looked at.

    Raises:
        DataError: classes are missing, images are too few, or no temperature is best.
        ExportError: the graph ends in no softmax, or has a temperature already.
    """
    if any(item.index is None for item in items):
        raise DataError("A temperature needs the classes of all photos.")
    model = Classifier(
        OrtSession(_logits_graph(draft.graph), SessionOptions()), draft.manifest.input
    )
    rows: list[NDArray[np.float32]] = []
    read: list[Item] = []
    skipped: list[str] = []
    for batch, _, logits in answers(model, items, skipped, done):
        read += batch
        rows.append(logits)
    if len(read) < _FEWEST:
        raise DataError(f"A temperature needs at least {_FEWEST} photos, here are {len(read)}.")
    logits, labels = np.concatenate(rows), np.array([item.index for item in read], np.int64)
    temperature = round(fit_temperature(logits[::2], labels[::2]), 4)
    held_out = logits[1::2], labels[1::2]
    return Fitted(
        temperature=temperature,
        images=len(labels[::2]),
        before=_side(*held_out, 1.0),
        after=_side(*held_out, temperature),
        skipped=tuple(skipped),
    )


def tempered(parent: Draft, name: str, fitted: Fitted, items: Sequence[Item], data: str) -> Draft:
    """Return the model with the temperature in its graph.

    Args:
        parent: the model as it was.
        name: what the new one is called.
        fitted: the temperature and what it is worth.
        items: images on all of which the answer must stay the same.
        data: the name of the data set, for the manifest.

    Raises:
        GateFailed: the held-out photos are less likely with it, or an answer changes.
    """
    if fitted.after.nll >= fitted.before.nll:
        raise GateFailed(
            f"The temperature {fitted.temperature:g} makes the held-out photos no likelier "
            f"({fitted.before.nll:.3f} to {fitted.after.nll:.3f} nats): nothing is published."
        )
    graph = with_temperature(parent.graph, fitted.temperature)
    domains = {opset.domain for opset in onnx.load_model_from_string(graph).opset_import} - {""}
    policy = parent.manifest.input
    check_contract(graph, policy, parent.manifest.classes, domains=frozenset(domains))
    old, new = (OrtSession(g, SessionOptions()) for g in (parent.graph, graph))
    found = evaluate_items(Classifier(new, policy), items, Classifier(old, policy)).agreement
    if found.same != found.images:
        raise GateFailed(f"Answers change: {found.same} of {found.images} stay the same.")
    manifest = _manifest(parent, name, graph, new, _step(fitted, data))
    return Draft(manifest, graph, parent.labels, parent.selftest, measured={})


def with_temperature(graph: bytes, temperature: float) -> bytes:
    """Divide the logits of a contract graph by a temperature.

    Raises:
        ExportError: the graph ends in no softmax, or has a temperature already.
    """
    model, last = _read(graph)
    factor = onnx.numpy_helper.from_array(np.array(1 / temperature, np.float32), _FACTOR)
    model.graph.initializer.append(factor)
    scale = onnx.helper.make_node("Mul", [last.input[0], _FACTOR], [_SCALED], STEP)
    last.input[0] = _SCALED
    model.graph.node.insert(list(model.graph.node).index(last), scale)
    return clean_graph(model)


def _logits_graph(graph: bytes) -> bytes:
    """Return the graph with its logits in the place of the probabilities."""
    model, last = _read(graph)
    last.CopyFrom(onnx.helper.make_node("Identity", last.input, last.output, last.name))
    data: bytes = model.SerializeToString()
    return data


def _read(graph: bytes) -> tuple[ModelProto, NodeProto]:
    """Parse a graph; return it with its last softmax."""
    model = onnx.load_model_from_string(graph)
    (last,) = [node for node in model.graph.node if OUTPUT_NAME in node.output]
    if last.op_type != "Softmax" or last.domain:
        raise ExportError("The graph does not end in a softmax, in front of which to scale.")
    if any(tensor.name == _FACTOR for tensor in model.graph.initializer):
        raise ExportError("The model has a temperature already: take the one it was made from.")
    return model, last


def _side(logits: NDArray[np.float32], labels: NDArray[np.int64], temperature: float) -> Side:
    probabilities = softmax(logits, temperature)
    right = probabilities.argmax(axis=1) == labels
    return Side(
        negative_log_likelihood(logits, labels, temperature),
        honesty(probabilities.max(axis=1), right),
    )


def _step(fitted: Fitted, data: str) -> CompressionStep:
    before, after = fitted.before, fitted.after
    return CompressionStep(
        step=STEP,
        settings={
            "temperature": fitted.temperature,
            "data": data,
            "images": fitted.images,
            "held_out_images": before.honesty.images,
            "held_out_nll_before": round(before.nll, 4),
            "held_out_nll": round(after.nll, 4),
            "held_out_ece_before": round(before.honesty.ece, 4),
            "held_out_ece": round(after.honesty.ece, 4),
        },
    )


def _manifest(
    parent: Draft, name: str, graph: bytes, session: OrtSession, step: CompressionStep
) -> Manifest:
    """Renew what the graph changes; what depends on the order of answers alone stays true."""
    origin, data = parent.manifest, str(step.settings["data"])
    made_by = (
        f"featherbox-export temperature {origin.name} --data {shlex.quote(data)} --publish {name}"
    )
    before = f"{origin.provenance.command} && " if origin.provenance.command else ""
    return origin.model_copy(
        update={
            "name": name,
            "version": 1,
            "file_bytes": len(graph),
            "files": {**origin.files, **file_facts_of({MODEL_FILE: graph})},
            "compression": [*origin.compression, step],
            "provenance": origin.provenance.model_copy(update={"command": before + made_by}),
            "selftest": expect_selftest(
                session,
                origin.input,
                parent.labels,
                parent.selftest,
                tolerance=origin.selftest.tolerance,
                must_be_sure=False,
            ),
        }
    )
