import torch
from torch.nn.functional import normalize

from recipes.encoder.labels import LabelHeads, LabelledProduct, LabelTable, likeness_loss

MUGS = [LabelledProduct(str(i), title=f"mug {i}", kinds=("Mugs",), colour="Red") for i in range(10)]
BAGS = [LabelledProduct(str(i), title=f"bag {i}", kinds=("Bags",), colour="blue ") for i in range(10, 20)]
RARE = [LabelledProduct("20", title="a lamp", kinds=("Lamp",))]


def test_a_field_has_a_class_for_every_value_that_is_common_enough() -> None:
    table = LabelTable.of(MUGS + BAGS + RARE)
    assert dict(zip(table.fields, table.n_classes, strict=True)) == {"finest": 2, "article": 2, "colour": 2}
    articles = table.classes[:, table.fields.index("article")].tolist()
    assert articles[:10] == [articles[0]] * 10
    assert articles[10:20] == [articles[10]] * 10
    assert len({articles[0], articles[10], articles[20]}) == 3


def test_the_loss_falls_as_embeddings_agree_with_the_labels() -> None:
    torch.manual_seed(0)
    heads = LabelHeads(LabelTable.of(MUGS + BAGS + RARE), 8)
    images = torch.randn(21, 8, requires_grad=True)
    everyone = torch.arange(21)
    optimizer = torch.optim.Adam([images, *heads.parameters()], lr=0.05)
    losses = []
    for _ in range(60):
        loss = heads(normalize(images, dim=-1), everyone)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2


def test_products_without_any_known_label_cost_nothing() -> None:
    heads = LabelHeads(LabelTable.of(MUGS + BAGS + RARE), 8)
    assert float(heads(torch.ones(1, 8), torch.tensor([20]))) == 0


def test_the_likeness_loss_falls_as_images_of_one_class_come_together() -> None:
    classes = torch.tensor([0, 0, 1, 1, -1])
    together = normalize(torch.eye(5)[[0, 0, 1, 1, 2]] + 0.01, dim=-1)
    apart = normalize(torch.eye(5) + 0.01, dim=-1)
    assert likeness_loss(together, classes, 12.0) < likeness_loss(apart, classes, 12.0) / 2


def test_an_image_like_no_other_costs_nothing_and_gives_finite_gradients() -> None:
    images = normalize(torch.randn(3, 8), dim=-1).requires_grad_()
    loss = likeness_loss(images, torch.tensor([0, 1, -1]), 12.0)
    torch.autograd.backward(loss)
    assert float(loss.detach()) == 0
    assert images.grad is not None
    assert images.grad.isfinite().all()
