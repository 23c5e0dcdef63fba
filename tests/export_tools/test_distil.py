"""A student beside its teacher."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from export_tools.errors import DataError
from export_tools.training.distil import (
    Softening,
    model_teacher,
    net_teacher,
    softened_divergence,
    taught,
)
from export_tools.training.loop import Schedule, answers, train
from service.engine.session import OrtSession, SessionOptions
from tests.export_tools.conftest import TINY_INPUT, random_planes, tiny_serving_net
from tests.export_tools.test_training_loop import small_net
from tests.export_tools.training_support import Squares

WANTED, FOUND = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 1.0]])


def test_the_loss_is_the_papers() -> None:
    # By hand: softmax at T = 2 of (2, 0) and of (0, 1).
    p = 1 / (1 + math.exp(-1.0))
    q = 1 / (1 + math.exp(0.5))
    soft = 4 * (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q)))
    assert softened_divergence(FOUND, WANTED, 2.0).item() == pytest.approx(soft, rel=1e-5)
    hard = math.log(1 + math.exp(1.0))  # cross entropy with class 0
    loss = taught(lambda _: WANTED, Softening(2.0, 0.7))
    images = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    assert loss(FOUND, images, torch.tensor([0])).item() == pytest.approx(
        0.3 * hard + 0.7 * soft, rel=1e-5
    )
    assert loss(FOUND, images, None).item() == pytest.approx(soft, rel=1e-5)


@pytest.mark.parametrize(("temperature", "alpha"), [(0.0, 0.5), (2.0, 1.5)])
def test_values_without_meaning_are_refused(temperature: float, alpha: float) -> None:
    with pytest.raises(DataError):
        Softening(temperature, alpha)


def test_a_student_learns_without_labels() -> None:
    images = Squares()
    teacher, student = small_net(), small_net()
    train(teacher, images, Schedule(epochs=4, batch=8, rate=0.02))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.mul_(-1)  # another start
    objective = taught(net_teacher(teacher), Softening(2.0))
    train(
        student,
        Squares(labelled=False),
        Schedule(epochs=6, batch=8, rate=0.02),
        objective=objective,
    )
    same = answers(teacher, images).argmax(1) == answers(student, images).argmax(1)
    assert same.all()


def test_a_model_teaches_with_what_its_graph_answers(tiny_graph: bytes) -> None:
    planes: NDArray[np.uint8] = random_planes(3)
    teach = model_teacher(OrtSession(tiny_graph, SessionOptions()), TINY_INPUT)
    net = tiny_serving_net()
    with torch.no_grad():
        wanted = net(torch.from_numpy(planes))
    assert torch.allclose(teach(torch.from_numpy(planes)).softmax(1), wanted, atol=1e-4)
    # Of another size: resized to the teacher's.
    assert teach(torch.from_numpy(planes[:, :, :20, :20].copy())).shape == wanted.shape


def test_teacher_and_student_know_the_same_classes() -> None:
    loss = taught(lambda images: torch.zeros(len(images), 5), Softening())
    with pytest.raises(DataError, match="knows 5 classes, the student 2"):
        loss(FOUND, torch.zeros(1, 3, 4, 4), None)
