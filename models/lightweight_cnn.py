"""The lightweight CNN that tutorials begin with: one depthwise separable convolution.

No paper; the idea is that of Xception and MobileNet in its smallest form. With no stride and a
global pool it takes any input size, and with so few weights it trains in minutes on a CPU.

| layer                      | output (224 px)    | parameters | MACs      |
|----------------------------|--------------------|------------|-----------|
| depthwise 3x3, bias        | N x 3 x 224 x 224  | 30         | 1,354,752 |
| pointwise 1x1, bias, ReLU  | N x 32 x 224 x 224 | 128        | 4,816,896 |
| global average pool        | N x 32             | -          | -         |
| dense                      | N x 1000           | 33,000     | 32,000    |
"""

import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from torch import Tensor, nn

from models.spec import Architecture, TabledVariant

__all__ = ["ARCHITECTURES", "LightweightCNN"]

CHANNELS = 32


class LightweightCNN(nn.Module):
    """The net of the table above; `input_size` changes nothing, as there is no stem to fit."""

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        input_size: int | None = None,  # noqa: ARG002  (the builders' common signature)
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels)
        self.pointwise = nn.Conv2d(in_channels, CHANNELS, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(CHANNELS, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images [batch, in_channels, height, width] to logits [batch, num_classes]."""
        # N x 3 x 224 x 224
        x = F.relu(self.pointwise(self.depthwise(x)))
        # N x 32 x 224 x 224
        x = self.pool(x).flatten(1)
        # N x 32
        logits: Tensor = self.classifier(self.dropout(x))
        return logits


ARCHITECTURES = (
    Architecture(
        name="lightweight_cnn",
        summary="One depthwise separable convolution and a classifier, the tutorials' first net",
        build=LightweightCNN,
        input_size=224,
        minimum_input_size=1,
        table=(TabledVariant({}, 33_158, 6_203_648),),
    ),
)
