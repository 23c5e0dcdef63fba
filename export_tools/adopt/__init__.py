"""Take an image classifier in ONNX that others made, and bring it to the artifact contract.

original    what the file is: one image in, one answer out; or why it cannot be taken
opset       to the opset of our graphs
batch       the batch axis becomes symbolic, hard-coded batches in reshapes go
compose     nodes in front (cast, normalise, reorder) and behind (flatten, softmax)
artifact    parity with the original, manifest: a draft to publish
"""

from export_tools.adopt.artifact import AdoptRequest, adopt_model
from export_tools.adopt.original import Preprocessing

__all__ = ["AdoptRequest", "Preprocessing", "adopt_model"]
