"""Halves of a batch on replicas give the gradients of the whole batch."""

import torch

from vitrina.tuning.parallel import ThreadReplicas


def model() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))


def test_gradients_equal_those_of_one_model() -> None:
    whole, shared = model(), model()
    inputs = torch.randn(8, 5)
    torch.autograd.backward(whole(inputs).square().sum())
    rows, backward = ThreadReplicas(shared, 2).forward(lambda module, part: module(part), list(inputs.chunk(2)))
    torch.autograd.backward(rows.square().sum())
    assert rows.grad is not None
    backward(rows.grad)
    for one, other in zip(whole.parameters(), shared.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_replicas_see_every_step_of_the_weights() -> None:
    replicas = ThreadReplicas(model(), 2)
    optimizer = torch.optim.SGD(replicas.models[0].parameters(), lr=0.1)
    for parameter in replicas.models[0].parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    inputs = torch.randn(4, 5)
    torch.testing.assert_close(replicas.models[0](inputs), replicas.models[1](inputs))


def test_statistics_become_the_mean_of_all() -> None:
    replicas = ThreadReplicas(torch.nn.BatchNorm1d(2), 2)
    parts = [torch.zeros(4, 2), torch.full((4, 2), 10.0)]
    replicas.forward(lambda module, part: module(part), parts)
    replicas.agree_on_statistics()
    means = [dict(replica.named_buffers())["running_mean"] for replica in replicas.models]
    torch.testing.assert_close(means[0], torch.full((2,), 0.5))
    torch.testing.assert_close(means[0], means[1])
