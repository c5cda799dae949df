"""Flags and models are brought to where a step expects them, whatever a later step or a killed one left."""

from __future__ import annotations

from itertools import pairwise

import pytest

from schemas.ledger import MsState
from schemas.steps import STEPS
from tasks import ms_state
from tasks.ms_state import restore, save_flags, state_after, state_before
from tests.unit.conftest import BANDPASS, FLUX, REFERENCE, TARGET

AFTER_INGEST = STEPS[1:]
FLAGS = {"inspect": "ingested", "flag": "ingested"} | dict.fromkeys(("split", "image"), "applied")
MODELS = dict.fromkeys(("inspect", "flag", "delay", "model"), "none")
MODELS |= dict.fromkeys(("precal", "bandpass1", "trial", "gains", "fluxscale", "bandpass2"), "flux")


def expected(step):
    return MsState(flags=FLAGS.get(step, "flagged"), models=MODELS.get(step, "all"))


@pytest.mark.parametrize("step", AFTER_INGEST)
def test_each_step_finds_the_flags_and_models_of_the_guides_order(step):
    assert state_before(step) == expected(step)


@pytest.mark.parametrize(("step", "later"), list(pairwise(STEPS)))
def test_each_step_leaves_what_the_next_one_finds(step, later):
    assert state_after(step) == state_before(later)


LEFT = [(step, left) for step in AFTER_INGEST for left in (*STEPS[STEPS.index(step) - 1 :], "changing")]


@pytest.mark.parametrize(("step", "left"), LEFT)
def test_a_step_run_again_finds_flags_and_models_as_the_first_time(calibration, casa, step, left):
    found = MsState() if left == "changing" else state_after(left)
    calibration.keeper.set_state(flags=found.flags, models=found.models)
    restore(calibration, step)
    wanted = expected(step)
    restored = [{"vis": calibration.vis, "mode": "restore", "versionname": wanted.flags}]
    assert casa.asked("flagmanager") == (restored if found.flags != wanted.flags else [])
    kept = {FLUX} if wanted.models == "flux" else set()
    cleared = {frozenset({*BANDPASS, FLUX, REFERENCE, TARGET} - kept)} if found.models != wanted.models else set()
    assert {frozenset(call["field"].split(",")) for call in casa.asked("clearcal")} == cleared
    assert calibration.keeper.state == wanted


def test_nothing_is_touched_where_the_state_is_right(calibration, casa):
    calibration.keeper.set_state(flags="flagged", models="flux")
    restore(calibration, "gains")
    assert casa.calls == []


@pytest.mark.parametrize("task", ["flagmanager", "clearcal"])
def test_a_restoration_that_dies_half_way_is_noted_as_changing(calibration, casa, task):
    calibration.keeper.set_state(flags="applied", models="all")
    casa.returns[task] = RuntimeError("killed")
    with pytest.raises(RuntimeError):
        restore(calibration, "gains")
    state = calibration.keeper.state
    assert state == (MsState(flags="changing", models="all") if task == "flagmanager" else MsState(flags="flagged"))


def test_only_ingest_flag_and_apply_write_flags_and_only_setjy_steps_write_models():
    writers = {step: ms_state.changes(step) for step in STEPS}
    assert [step for step in STEPS if writers[step][0]] == ["ingest", "flag", "apply"]
    assert [step for step in STEPS if writers[step][1]] == ["ingest", "model", "bandpass2"]


# --- flag versions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def versions(calibration):
    folder = calibration.workspace.ms / "night.ms.flagversions"
    folder.mkdir(parents=True)
    return folder


def test_a_flag_version_is_saved_with_its_comment(calibration, casa):
    save_flags(calibration, "flagged", "after flagging")
    asked = {"vis": calibration.vis, "mode": "save", "versionname": "flagged", "comment": "after flagging"}
    assert casa.asked("flagmanager") == [asked]


def test_the_half_of_a_flag_version_is_removed_before_it_is_saved_again(calibration, casa, versions):
    (versions / "flags.flagged").mkdir()
    (versions / "flags.flagged" / "table.dat").write_text("half")
    casa.returns["flagmanager"] = lambda **_asked: seen.append((versions / "flags.flagged").exists())
    seen = []
    save_flags(calibration, "flagged", "")
    assert seen == [False]


def test_a_flag_version_listed_by_an_earlier_run_is_replaced_and_others_stay(calibration, casa, versions):
    listing = versions / "FLAG_VERSION_LIST"
    listing.write_text("ingested : as it came\nflagged : old\nflagged_by_me : mine\n")
    (versions / "flags.ingested").mkdir()
    save_flags(calibration, "flagged", "")
    assert listing.read_text() == "ingested : as it came\nflagged_by_me : mine\n"
    assert (versions / "flags.ingested").exists()


def test_a_crash_while_the_list_of_versions_is_rewritten_leaves_the_old_one(calibration, casa, versions, monkeypatch):
    listing = versions / "FLAG_VERSION_LIST"
    listing.write_text("ingested : as it came\nflagged : old\n")

    def killed(*_asked):
        raise OSError("killed")

    monkeypatch.setattr(type(listing), "replace", killed)
    with pytest.raises(OSError, match="killed"):
        save_flags(calibration, "flagged", "")
    assert listing.read_text() == "ingested : as it came\nflagged : old\n"
