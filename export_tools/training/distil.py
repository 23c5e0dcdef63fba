"""Knowledge distillation (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).

A student learns the answers of a teacher, softened by a temperature T:

    (1 - alpha) * cross entropy with the labels
      + alpha * T^2 * divergence of the student's softened answers from the teacher's

T^2 keeps the share of the second part the same for every T. Without labels the first part is left
out. A teacher is any function from images to logits; that of a served model (an artifact, so any
net that was exported or adopted) is the logarithm of its probabilities, which softens the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's own convention)
from torch import Tensor

from export_tools.errors import DataError
from export_tools.training.loop import Normalised, Objective
from service.engine.manifest import InputPolicy
from service.engine.session import Session

# uint8 images [batch, 3, height, width] to logits [batch, classes], both where the images are.
Teacher = Callable[[Tensor], Tensor]
_LEAST = 1e-12  # a probability below it says nothing


@dataclass(frozen=True, slots=True)
class Softening:
    """How much of the teacher, and how soft; the paper finds temperatures of 2 to 5 best."""

    temperature: float = 4.0
    alpha: float = 0.7

    def __post_init__(self) -> None:
        """Refuse values that have no meaning; raises `DataError`."""
        if not self.temperature > 0:
            raise DataError(f"The temperature must be above 0: {self.temperature:g}.")
        if not 0 <= self.alpha <= 1:
            raise DataError(f"Alpha is the teacher's share, from 0 to 1: {self.alpha:g}.")


def taught(teacher: Teacher, softening: Softening, smoothing: float = 0.0) -> Objective:
    """Return the loss of a student beside its teacher.

    Args:
        teacher: answers the same images.
        softening: temperature and the teacher's share; without labels that is all.
        smoothing: of the labels.
    """

    def objective(logits: Tensor, images: Tensor, labels: Tensor | None) -> Tensor:
        with torch.no_grad():
            wanted = teacher(images)
        if wanted.shape != logits.shape:
            raise DataError(
                f"The teacher knows {wanted.shape[1]} classes, the student {logits.shape[1]}."
            )
        soft = softened_divergence(logits, wanted, softening.temperature)
        if labels is None:
            return soft
        hard = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        return (1 - softening.alpha) * hard + softening.alpha * soft

    return objective


def softened_divergence(logits: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Return T^2 KL(teacher || student), the mean over images of [batch, classes] each."""
    return (
        F.kl_div(
            (logits / temperature).log_softmax(1),
            (wanted / temperature).log_softmax(1),
            reduction="batchmean",
            log_target=True,
        )
        * temperature**2
    )


def net_teacher(net: Normalised) -> Teacher:
    """Let a PyTorch net teach; it is put into evaluation mode."""
    net.eval()

    def teach(images: Tensor) -> Tensor:
        logits: Tensor = net(images)
        return logits

    return teach


def model_teacher(session: Session, policy: InputPolicy) -> Teacher:
    """Let a model teach; images of another size than its own are resized to it."""
    size = (policy.height, policy.width)

    def teach(images: Tensor) -> Tensor:
        if tuple(images.shape[2:]) != size:
            images = F.interpolate(images.float(), size, mode="bilinear", antialias=True)
            images = images.round().clamp(0, 255).to(torch.uint8)
        found = session.run(np.ascontiguousarray(images.cpu().numpy()))
        return torch.from_numpy(found).clamp_min(_LEAST).log().to(images.device)

    return teach
