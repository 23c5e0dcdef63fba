"""A draft knows its files' hashes and reads back as it was published."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from export_tools.draft import (
    Draft,
    check_name,
    expect_selftest,
    labels_bytes,
    read_draft,
    tool_versions,
)
from export_tools.errors import PublishError
from export_tools.photos import selftest_photo
from export_tools.publish import publish
from service.engine.session import OrtSession, SessionOptions
from service.errors import GateFailed
from tests.export_tools.conftest import TINY_INPUT, TINY_LABELS


def test_a_published_draft_reads_back(tmp_path: Path, make_draft: Callable[[str], Draft]) -> None:
    draft = make_draft("tiny")
    assert read_draft(publish(draft, tmp_path)) == draft


def test_the_manifest_holds_the_hashes_of_the_files(make_draft: Callable[[str], Draft]) -> None:
    draft = make_draft("tiny")
    for name, data in draft.files.items():
        facts = draft.manifest.files[name]
        assert facts.bytes == len(data)
        assert facts.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", ["tiny", "a.b-c_1", "0", "x" * 64])
def test_names_that_a_model_can_have(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "Upper", "x" * 65, "a b", "a\n"])
def test_names_that_it_cannot_have(name: str) -> None:
    with pytest.raises(PublishError, match="cannot name a model"):
        check_name(name)


def test_labels_are_a_line_each() -> None:
    assert labels_bytes(("a b", "ä")) == "a b\nä\n".encode()


def test_a_model_that_is_unsure_of_its_self_test_is_refused(tiny_graph: bytes) -> None:
    session = OrtSession(tiny_graph, SessionOptions())
    answer = expect_selftest(
        session, TINY_INPUT, TINY_LABELS, selftest_photo(), tolerance=0.1, must_be_sure=False
    )
    assert TINY_LABELS[answer.index] == answer.label
    if answer.probability <= 0.5:
        with pytest.raises(GateFailed, match="where it is sure"):
            expect_selftest(
                session, TINY_INPUT, TINY_LABELS, selftest_photo(), tolerance=0.1, must_be_sure=True
            )


def test_tools_are_named_without_the_host(make_draft: Callable[[str], Draft]) -> None:
    assert set(tool_versions(quantized=False)) == {"torch", "onnx", "onnxscript"}
    assert {"onnxruntime", "pillow"} < set(tool_versions(quantized=True))
    assert not any("+" in version for version in tool_versions(quantized=True).values())
