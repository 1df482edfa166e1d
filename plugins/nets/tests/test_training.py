"""Members trained at once move as each would alone, by the steps that plain PyTorch takes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from equatorium_nets import training
from equatorium_nets.examples import examples
from equatorium_nets.layers import network
from equatorium_nets.members import Members
from equatorium_nets.training import Training, train

LAYERS = "dense(5) tanh dense(4) relu"
HOW = Training(
    epochs=7,
    batch_size=8,
    learning_rate=0.01,
    schedule="constant",
    decay=0.1,
    sparsity=0.01,
    patience=None,
    progress=False,
)


def problem():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 3))
    y = torch.tensor(np.sin(X).sum(axis=1), dtype=torch.float32)

    def loss(out, rows):
        return (out[..., 0] - y[rows]) ** 2

    return X, y, loss


def together(seeds, held=(), how=HOW, **more):
    X, _, loss = problem()
    members = Members.drawn(LAYERS, (3,), 1, seeds)
    held = np.array(held, dtype=int)
    fit = np.setdiff1d(np.arange(30), held)
    orders = [s + 100 for s in seeds]
    history = train(members, examples(X, fit), loss, held, how, orders, **more)
    return members.arrays(), history


def test_plain_pytorch_takes_the_same_steps():
    X, y, _ = problem()
    torch.manual_seed(3)
    plain = network(LAYERS, (3,), 1).to_empty(device="cpu")
    for part in plain.modules():
        if isinstance(part, nn.Linear):
            part.reset_parameters()
    x, rng = torch.tensor(X, dtype=torch.float32), np.random.default_rng(103)
    weights = [p for p in plain.parameters() if p.ndim == 2]
    biases = [p for p in plain.parameters() if p.ndim == 1]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=0.01)
    for _ in range(7):
        order = rng.permutation(np.arange(30))
        for start in range(0, 30, 8):
            rows = order[start : start + 8]
            loss = ((plain(x[rows])[:, 0] - y[rows]) ** 2).mean()
            loss = loss + 0.01 * sum(w.abs().sum() for w in weights)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    ours, _ = together([3])
    for name, parameter in plain.named_parameters():
        np.testing.assert_allclose(ours[name][0], parameter.detach().numpy(), atol=2e-6)


def test_members_trained_at_once_are_those_trained_apart():
    all_three, _ = together([1, 2, 3], held=range(5))
    for k, seed in enumerate([1, 2, 3]):
        alone, _ = together([seed], held=range(5))
        for name, weights in alone.items():
            np.testing.assert_allclose(all_three[name][k], weights[0], atol=2e-6)


def test_the_best_epoch_is_kept_and_patience_ends_the_training():
    how = Training(200, 4, 0.1, "constant", 0.0, 0.0, 5, False)
    arrays, history = together([0], held=range(8), how=how)
    epochs = len(history["loss"])
    assert epochs < 200
    best = int(np.argmin(history["validation_loss"]))
    assert epochs == best + 7  # five epochs may pass without progress, the sixth ends it
    X, _, loss = problem()
    members = Members.of_state(LAYERS, (3,), 1, arrays)
    rows = torch.arange(8)[None]
    found = loss(members.shared(members.tensor(X[:8])), rows).mean().item()
    assert found == pytest.approx(history["validation_loss"][best], rel=1e-5)


def test_a_training_that_only_worsens_keeps_the_start():
    wild = replace(HOW, epochs=2, learning_rate=30.0)
    weights, history = together([3], held=(1, 8, 20), how=wild, start=True)
    for name, start in Members.drawn(LAYERS, (3,), 1, [3]).arrays().items():
        np.testing.assert_array_equal(weights[name], start)
    assert history["validation_loss"].min() > 10.0


def test_training_against_attacks_is_judged_under_attack():
    lame = replace(HOW, epochs=1, learning_rate=0.0)
    plain, attacked = (
        together([3], (1, 8, 20), how)[1]["validation_loss"][0]
        for how in (lame, replace(lame, adversarial=np.float64(0.3)))
    )
    assert attacked > 1.02 * plain


@pytest.mark.parametrize("same", [True, False])
def test_an_attack_is_on_the_thinned_network_that_learns_from_it(same, monkeypatch):
    """It raises what a linear network says by the weights that are left; by others it would not."""
    if not same:
        monkeypatch.setattr(training, "set_generator_state", lambda *_: None)
    members, size = Members.drawn("dropout(0.5)", (2,), 1, [0]), 0.3
    inputs, outputs = [], []
    members.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach()))

    def loss(out, _):
        outputs.append(out[0, :, 0].detach())
        return out[..., 0]

    rows, how = np.arange(200), replace(HOW, adversarial=size)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 200, 2))).float()
    run = training._Run(members.train(), examples(x[0].numpy(), rows), loss, rows[:0], how, [7])
    torch.manual_seed(0)
    run._losses(x, torch.from_numpy(rows)[None], None)
    raised = (outputs[1] - outputs[0]) / size
    kept = torch.cartesian_prod(*(torch.tensor([0.0, 2.0]),) * 2)  # neither unit, one, or both
    possible = kept @ members.weights[0][0, 0].detach().abs()
    away = (raised[:, None] - possible).abs().min(dim=1).values
    assert bool((away < 1e-4).all()) == same
    begun, moved = ((there - x).abs().max(dim=1).values for there in inputs)
    assert (0.9 * size < begun).all() and (begun <= 1.0001 * size).all()
    assert (1.8 * size < moved).all() and (moved <= 2.0001 * size).all()


def test_a_member_is_attacked_as_it_would_be_alone():
    how = replace(HOW, adversarial=0.3)
    pair, alone = (together(seeds, (1, 8), how)[0] for seeds in ([3, 4], [3]))
    for name, w in alone.items():
        np.testing.assert_allclose(pair[name][:1], w, rtol=1e-4, atol=1e-5)


def test_penalties_leave_biases_alone():
    members = Members.drawn(LAYERS, (3,), 1, [0, 1])
    assert sorted(w.ndim for w in members.penalised()) == [3, 3, 3]
    assert sorted(w.ndim for w in members.exempt()) == [2, 2, 2]


def test_a_strong_penalty_on_absolute_weights_silences_them():
    how = Training(120, 30, 0.02, "cosine", 0.0, 1.0, None, False)
    arrays, _ = together([0], how=how)
    assert max(np.abs(arrays[name]).max() for name in arrays if "weight" in name) < 0.02
