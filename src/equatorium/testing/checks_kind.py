"""What the two kinds must show: the members of ensembles, the training of networks."""

import numpy as np

from equatorium.testing.case import Case, expect
from equatorium.testing.declared import check_for


@check_for("ensemble")
def members_can_be_asked(case: Case) -> None:
    """There are at least two members, and each answers as the whole does: (members, m, p or c)."""
    task = case.task()
    model = case.fitted(task)
    found, whole = model.predict_members(task.query), model.predict_dist(task.query)
    expect(len(model.members_) >= 2, f"it has {len(model.members_)} members")
    shape = (len(model.members_), *whole.mean.shape)
    expect(found.shape == shape, f"predict_members is of shape {found.shape}, not {shape}")
    expect(np.isfinite(found).all(), "a member's answer is not finite")
    spread = model.member_spread(task.query)
    expect(spread.max() > 0, "all members say the same")


@check_for("network")
def training_leaves_its_history(case: Case) -> None:
    """`history_` holds a finite loss for every epoch, and the network is no part of the state."""
    model = case.fitted()
    losses = [np.asarray(values) for values in model.history_.values()]
    expect(losses and all(a.ndim == 1 and len(a) for a in losses), "history_ holds no epochs")
    expect(all(np.isfinite(a).all() for a in losses), "a loss in history_ is not finite")
    expect(0 <= model.best_epoch() < max(map(len, losses)), "best_epoch is none of the epochs")
    expect("module_" not in model.get_state(), "the state holds module_ instead of its weights")
