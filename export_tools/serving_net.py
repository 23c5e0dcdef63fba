"""A net with the graph contract around it: uint8 RGB in, probabilities out."""

import torch
from torch import Tensor, nn

from export_tools.weights import Normalisation


class ServingNet(nn.Module):
    """Cast, multiply, add, the net, softmax; the normalisation must be in RGB order."""

    scale: Tensor
    offset: Tensor

    def __init__(self, net: nn.Module, normalisation: Normalisation) -> None:
        super().__init__()
        self.net = net
        mean = torch.tensor(normalisation.mean, dtype=torch.float64)
        std = torch.tensor(normalisation.std, dtype=torch.float64)
        self.register_buffer("scale", (1 / std).float().view(1, 3, 1, 1))
        self.register_buffer("offset", (-mean / std).float().view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Map uint8 images [batch, 3, height, width] to probabilities [batch, classes]."""
        logits: Tensor = self.net(image.to(torch.float32) * self.scale + self.offset)
        return logits.softmax(dim=1)
