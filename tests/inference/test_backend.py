"""Checkpoints: emcee reads them, nothing foreign is overwritten, what belongs together stays so."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from equatorium.errors import FileFormatError, StateError
from equatorium.inference.backend import Chains
from equatorium.inference.checkpoint import Checkpoint

IDENTITY = {"ensembles": 2, "names": ["a", "b"], "posterior": "0123"}


def filled(n, seed=0):
    """Chains of n steps of two ensembles, with the generator's state changing at each."""
    rng = np.random.default_rng(seed)
    random = np.random.RandomState(seed)
    chains = Chains(rng.standard_normal((2, 6, 2)), rng.standard_normal((2, 6)), random.get_state())
    chains.grow(n, None)
    for _ in range(n):
        random.rand()
        step = SimpleNamespace(
            coords=rng.standard_normal((12, 2)),
            log_prob=rng.standard_normal(12),
            random_state=random.get_state(),
        )
        chains.save_step(step, rng.random(12) < 0.5)
    return chains


def same_chains(a, b):
    assert np.array_equal(a.steps, b.steps)
    assert np.array_equal(a.log_prob, b.log_prob)
    assert np.array_equal(a.accepted, b.accepted)
    assert np.array_equal(a.start, b.start)
    assert np.array_equal(a.start_log_prob, b.start_log_prob)
    for x, y in zip(a.random_state, b.random_state, strict=True):
        assert np.array_equal(x, y)
    # and the generator goes on with the same numbers
    draws = []
    for chains in (a, b):
        random = np.random.RandomState()
        random.set_state(chains.random_state)
        draws.append(random.rand(5))
    assert np.array_equal(*draws)


@pytest.mark.parametrize("length", [40, 3, 0])
def test_chains_come_back_bit_for_bit(tmp_path, length):
    chains = filled(length)
    Checkpoint(tmp_path / "c.h5", IDENTITY, kind=Chains).flush(chains)
    same_chains(chains, Checkpoint(tmp_path / "c.h5", IDENTITY, kind=Chains).read())


def test_emcee_reads_the_file(tmp_path):
    import emcee

    chains = filled(40)
    Checkpoint(tmp_path / "c.h5", IDENTITY, kind=Chains).flush(chains)
    backend = emcee.backends.HDFBackend(tmp_path / "c.h5", name="ensemble-1", read_only=True)
    assert backend.iteration == 40
    assert backend.shape == (6, 2)
    assert np.array_equal(backend.get_chain(), chains.steps[:, 1])
    assert np.array_equal(backend.get_log_prob(flat=True), chains.log_prob[:, 1].ravel())
    assert np.array_equal(backend.accepted, chains.accepted[1])
    last = backend.get_last_sample()
    assert np.array_equal(last.coords, chains.steps[-1, 1])
    assert np.array_equal(last.random_state[1], chains.random_state[1])


def test_going_on_starts_from_the_last_step_or_the_start():
    chains, fresh = filled(5), filled(0)
    assert np.array_equal(chains.get_last_sample().coords, np.concatenate(chains.steps[-1]))
    assert np.array_equal(fresh.get_last_sample().coords, np.concatenate(fresh.start))


def test_an_interrupted_step_is_as_if_it_had_not_begun():
    chains = filled(5)
    before = chains.random_state, chains.accepted.copy(), chains.steps.copy()
    chains.grow(1, None)
    broken = SimpleNamespace(
        coords=np.ones((12, 2)), log_prob="interrupted here", random_state=None
    )
    with pytest.raises(ValueError, match="reshape"):
        chains.save_step(broken, np.ones(12, bool))
    assert chains.iteration == 5
    assert chains.random_state is before[0]
    assert np.array_equal(chains.accepted, before[1])
    assert np.array_equal(chains.steps, before[2])


def test_a_reader_does_not_disturb_the_writer(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c.h5", IDENTITY, kind=Chains)
    checkpoint.flush(filled(4))
    # Without locks, as another process sees it: HDF5 wants one way of locking within a process.
    with h5py.File(tmp_path / "c.h5", "r", locking=False) as reader:
        checkpoint.flush(filled(9))
        assert reader["ensemble-0"].attrs["iteration"] == 4
        assert len(reader["ensemble-0/chain"][...]) == 4
    assert Checkpoint(tmp_path / "c.h5", IDENTITY, kind=Chains).read().iteration == 9


def test_checkpoints_are_written_when_due(tmp_path):
    path = tmp_path / "c.h5"
    chains = filled(4)
    Checkpoint(path, IDENTITY, kind=Chains, interval=3600).tick(chains)
    assert not path.exists()
    Checkpoint(path, IDENTITY, kind=Chains, interval=0).tick(chains)
    assert path.exists()


def test_no_path_keeps_nothing():
    checkpoint = Checkpoint(None, IDENTITY, kind=Chains, interval=0)
    chains = filled(2)
    checkpoint.begin(chains)
    checkpoint.tick(chains)
    assert checkpoint.read() is None


def test_chains_of_another_run_are_refused(tmp_path):
    Checkpoint(tmp_path / "c.h5", IDENTITY, kind=Chains).flush(filled(2))
    with pytest.raises(StateError, match=r"differs in posterior.*resume=False"):
        Checkpoint(tmp_path / "c.h5", {**IDENTITY, "posterior": "other"}, kind=Chains).read()


def test_foreign_files_are_neither_read_nor_overwritten(tmp_path):
    text, h5 = tmp_path / "text.h5", tmp_path / "other.h5"
    text.write_text("my thesis")
    with h5py.File(h5, "w") as file:
        file["data"] = np.arange(3.0)
    for path in (text, h5):
        content = path.read_bytes()
        checkpoint = Checkpoint(path, IDENTITY, kind=Chains)
        with pytest.raises(FileFormatError, match=path.name):
            checkpoint.read()
        with pytest.raises(FileFormatError, match=path.name):
            checkpoint.begin(filled(1))
        assert path.read_bytes() == content


def test_another_file_of_ours_is_not_overwritten(tmp_path):
    from equatorium.storage import save

    save(tmp_path / "study.h5", {"precious": np.arange(3.0)})
    content = (tmp_path / "study.h5").read_bytes()
    checkpoint = Checkpoint(tmp_path / "study.h5", IDENTITY, kind=Chains)
    with pytest.raises(FileFormatError, match="something else than chains"):
        checkpoint.begin(filled(1))
    assert (tmp_path / "study.h5").read_bytes() == content


@pytest.mark.parametrize("damage", ["cut", "missing", "short", "uneven"])
def test_damaged_files_are_refused(tmp_path, damage):
    path = tmp_path / "c.h5"
    Checkpoint(path, IDENTITY, kind=Chains).flush(filled(20))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    else:
        with h5py.File(path, "r+") as file:
            for k in (0, 1) if damage == "short" else (1,):
                del file[f"ensemble-{k}/chain"]
                if damage != "missing":
                    file[f"ensemble-{k}"].create_dataset("chain", data=np.zeros((3, 6, 2)))
    with pytest.raises(FileFormatError, match=r"c\.h5"):
        Checkpoint(path, IDENTITY, kind=Chains).read()


def test_a_missing_folder_is_known_at_once(tmp_path):
    checkpoint = Checkpoint(tmp_path / "nowhere" / "c.h5", IDENTITY, kind=Chains)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        checkpoint.begin(filled(0))


@pytest.mark.parametrize("damage", ["missing", "foreign", "shape"])
def test_a_memory_that_the_sampler_does_not_know_is_refused(tmp_path, damage):
    identity = {**IDENTITY, "memory": {"root": [2, 2]}}
    chains = filled(3)
    kept = Chains(chains.start, chains.start_log_prob, chains.random_state, {"root": np.eye(2)})
    checkpoint = Checkpoint(tmp_path / "c.h5", identity, kind=Chains)
    checkpoint.flush(kept)
    assert np.array_equal(checkpoint.read().memory["root"], np.eye(2))
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        if damage != "foreign":
            del file["memory/root"]
        if damage != "missing":
            file["memory"].create_dataset("toor" if damage == "foreign" else "root", data=[1.0])
    with pytest.raises(FileFormatError, match="memory"):
        checkpoint.read()


def test_a_damaged_description_is_refused_when_a_run_begins_anew(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c.h5", IDENTITY, kind=Chains)
    checkpoint.flush(filled(2))
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        file.attrs["chains"] = '{"ensembles": 2'
    content = (tmp_path / "c.h5").read_bytes()
    with pytest.raises(FileFormatError, match=r"c\.h5.* cannot be read"):
        checkpoint.begin(filled(1))
    assert (tmp_path / "c.h5").read_bytes() == content
