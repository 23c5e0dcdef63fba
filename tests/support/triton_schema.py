"""Triton's model_config.proto, as its client ships it."""

import importlib.util
from pathlib import Path
from typing import Any

import tritonclient


def model_config_module() -> Any:
    """Return the module of the schema; the rest of the package around it wants gRPC."""
    path = Path(tritonclient.__file__).parent / "grpc" / "model_config_pb2.py"
    spec = importlib.util.spec_from_file_location("model_config_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCHEMA = model_config_module()
