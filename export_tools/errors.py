"""What the exporter refuses, hung into the project's tree of errors.

ArtifactError                    service.errors
├── GateFailed                   service.errors: parity, agreement, size
├── WeightsError                 no such weights, an unsafe file or another layout
├── ExportError                  the graph breaks the contract or cannot be made
├── DataError                    images or labels that cannot be used
└── PublishError                 the folder cannot be written, or is there already
"""

from service.errors import ArtifactError

__all__ = ["DataError", "ExportError", "PublishError", "WeightsError"]


class WeightsError(ArtifactError):
    """The weights are missing, unsafe to read, or not those of the net."""

    code = "weights_error"


class ExportError(ArtifactError):
    """A graph that breaks the contract, or that a tool could not make."""

    code = "export_error"


class DataError(ArtifactError):
    """Images or labels that cannot be found or understood."""

    code = "data_error"


class PublishError(ArtifactError):
    """The artifact cannot be written where it was asked for."""

    code = "publish_error"
