"""What CASA was told in each step of the emerlin recipe, as CASA itself logged it, against the guide's values."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.casa

CALIBRATORS = {"1302+5748", "1331+305", "1407+284", "0319+415"}
BANDPASS = ("1407+284", "0319+415")
TARGET, REFERENCE, FLUX = "1252+5634", "1302+5748", "1331+305"


@dataclass(frozen=True)
class Logged:
    """One call in CASA's log."""

    task: str
    asked: dict

    @property
    def table(self):
        """Name of the table that it made."""
        return name_of(self.asked.get("fluxtable") or self.asked.get("caltable") or "")

    @property
    def chain(self):
        return [name_of(path) for path in self.asked["gaintable"]]


def name_of(path):
    return Path(path).name.removeprefix(".").removesuffix(".partial")


def read_call(log):
    """Return the first task call of a log, its parameters read as Python literals."""
    found = re.search(r"::::casa\t((\w+)\( .*\))\s*$", log.read_text(), flags=re.MULTILINE)
    if found is None:
        return None
    call = ast.parse(found[1], mode="eval").body
    return Logged(found[2], {entry.arg: ast.literal_eval(entry.value) for entry in call.keywords})


@pytest.fixture(scope="module")
def calls(stepped):
    return [call for log in sorted((stepped.root / "logs").glob("*.log")) if (call := read_call(log)) is not None]


def into(calls, table):
    return [call for call in calls if call.table == table]


def only(calls, task, **asked):
    (found,) = [call for call in calls if call.task == task and asked.items() <= call.asked.items()]
    return found


def assert_asked(call, **expected):
    assert {name: call.asked[name] for name in expected} == expected


def test_the_start_of_each_scan_and_the_autocorrelations_are_flagged(calls):
    assert_asked(only(calls, "flagdata", mode="quack"), quackinterval=40.0, quackmode="beg", field="", flagbackup=False)
    assert_asked(only(calls, "flagdata", mode="manual", autocorr=True), field="", flagbackup=False)


def test_end_channels_are_the_guide_s_scaled_outwards_to_16_channels(calls):
    (call,) = [call for call in calls if call.task == "flagdata" and call.asked["spw"]]
    assert call.asked["spw"] == "0:0~1;15~15,1:0~0;15~15,2:0~0;15~15,3:0~1"


def test_the_user_s_bad_times_go_in_as_a_list(calls, simulated_file):
    lines = simulated_file.with_suffix(".ms.flagcmd.txt").read_text().splitlines()
    call = only(calls, "flagdata", mode="list")
    assert [line for line in call.asked["inpfile"] if line] == [line for line in lines if line.strip()]


def test_flags_are_saved_before_each_act_and_after_the_last(calls):
    saved = [call.asked["versionname"] for call in calls if call.task == "flagmanager" and call.asked["mode"] == "save"]
    assert saved == ["pre_quack", "pre_endchans", "pre_timeflagging", "flagged", "applied"]


def test_delays_are_solved_on_all_calibrators(calls):
    (call,) = into(calls, "all.K")
    assert set(call.asked["field"].split(",")) == CALIBRATORS
    assert_asked(call, gaintype="K", solint="600s", refant="Mk2,Pi,Da,Kn", minblperant=2, minsnr=2.0, gaintable=[])


def test_the_flux_calibrator_has_the_resolved_model_on_the_guide_s_standard(calls):
    call = only(calls, "setjy", field=FLUX)
    assert_asked(call, standard="Perley-Butler 2013", scalebychan=True, usescratch=True)
    assert name_of(call.asked["model"]) == "3C286_components.im"


@pytest.mark.parametrize(
    ("table", "calmode", "solint", "solnorm", "chain"),
    [
        ("bpcals_precal.p1", "p", "30s", False, ["all.K"]),
        ("bpcals_precal.ap1", "ap", "120s", True, ["all.K", "bpcals_precal.p1"]),
    ],
)
def test_bandpass_calibrators_are_pre_calibrated_each_on_its_own_into_one_table(
    calls, table, calmode, solint, solnorm, chain
):
    made = into(calls, table)
    assert [call.asked["field"] for call in made] == list(BANDPASS)
    assert [call.asked["append"] for call in made] == [False, True]
    for call in made:
        assert_asked(call, calmode=calmode, solint=solint, solnorm=solnorm, gaintype="G", corrdepflags=True)
        assert call.chain == chain


@pytest.mark.parametrize(
    ("table", "solnorm", "chain"),
    [
        ("bpcals.B1", True, ["all.K", "bpcals_precal.p1", "bpcals_precal.ap1"]),
        ("bpcals.B2", False, ["all.K", "calsources.p1", "calsources.ap1_flux"]),
    ],
)
def test_the_bandpasses_are_solved_over_all_scans(calls, table, solnorm, chain):
    (call,) = into(calls, table)
    assert set(call.asked["field"].split(",")) == set(BANDPASS)
    assert_asked(call, bandtype="B", solint="inf", combine="scan", fillgaps=16, minsnr=3.0, solnorm=solnorm)
    assert call.chain == chain
    assert len(call.asked["gainfield"]) == len(call.asked["interp"]) == len(chain)


@pytest.mark.parametrize(
    ("table", "calmode", "solint", "chain", "interp"),
    [
        ("calsources.p1", "p", "16s", ["all.K", "bpcals.B1"], ["linear", "linear,linear"]),
        (
            "calsources.ap1",
            "ap",
            "120s",
            ["all.K", "bpcals.B1", "calsources.p1"],
            ["linear", "linear,linear", "linear"],
        ),
        ("calsources.ap2", "ap", "inf", ["all.K", "bpcals.B2", "calsources.p1"], ["linear", "linear,linear", "linear"]),
        ("calsources.p2", "p", "inf", ["all.K", "bpcals.B2"], ["linear", "linear,linear"]),
    ],
)
def test_gains_of_all_calibrators_are_solved_without_normalising(calls, table, calmode, solint, chain, interp):
    (call,) = into(calls, table)
    assert set(call.asked["field"].split(",")) == CALIBRATORS
    assert_asked(call, calmode=calmode, solint=solint, solnorm=False, minsnr=2.0, minblperant=2, interp=interp)
    assert call.chain == chain
    assert call.asked["gainfield"][1] == ""
    assert len(call.asked["gainfield"]) == len(chain)


def test_the_flux_scale_comes_from_the_flux_calibrator_without_de(calls):
    (call,) = into(calls, "calsources.ap1_flux")
    assert set(",".join(call.asked["transfer"]).split(",")) == CALIBRATORS - {FLUX}
    assert_asked(call, reference=[FLUX], gainthreshold=0.3, antenna="!De")
    assert name_of(call.asked["caltable"]) == "calsources.ap1"


def test_each_calibrator_but_the_flux_calibrator_gets_its_flux_density_times_the_factor(calls, stepped):
    made = {call.asked["field"]: call.asked for call in calls if call.task == "setjy" and call.asked["field"] != FLUX}
    assert made.keys() == CALIBRATORS - {FLUX}
    for fit in stepped.records["fluxscale"].fits:
        asked = made[fit.field]
        assert asked["standard"] == "manual"
        assert asked["fluxdensity"][0] == pytest.approx(0.938 * fit.fitted_jy)
        assert asked["spix"] == pytest.approx([fit.spectral_index])
        assert float(asked["reffreq"].removesuffix("Hz")) == pytest.approx(fit.reference_hz)


def test_the_trial_applies_delays_and_first_bandpass_and_flags_nothing(calls):
    made = [call for call in calls if call.task == "applycal" and call.asked["applymode"] == "calonly"]
    assert {call.asked["field"] for call in made} == CALIBRATORS
    assert all(call.chain == ["all.K", "bpcals.B1"] for call in made)


def applied(calls):
    return {
        call.asked["field"]: call for call in calls if call.task == "applycal" and call.asked["applymode"] == "calflag"
    }


@pytest.mark.parametrize("field", sorted(CALIBRATORS))
def test_a_calibrator_is_calibrated_by_its_own_solutions(calls, field):
    call = applied(calls)[field]
    assert call.chain == ["all.K", "bpcals.B2", "calsources.p1", "calsources.ap2"]
    interp = ["linear", "linear,linear", "linear", "linear"]
    assert_asked(call, gainfield=[field, "", field, field], interp=interp, calwt=[False])


def test_the_target_is_calibrated_by_its_phase_reference(calls):
    call = applied(calls)[TARGET]
    assert call.chain == ["all.K", "bpcals.B2", "calsources.p2", "calsources.ap2"]
    interp = ["linear", "linear,linear", "linear", "linear"]
    assert_asked(call, gainfield=[REFERENCE, "", REFERENCE, REFERENCE], interp=interp, calwt=[False])


def test_nothing_else_is_calibrated(calls):
    assert applied(calls).keys() == {*CALIBRATORS, TARGET}


def test_the_target_s_corrected_data_are_split_with_their_flags(calls):
    call = only(calls, "split")
    assert_asked(call, field=TARGET, datacolumn="corrected", keepflags=True)


def test_images_are_bounded(calls):
    made = {call.asked["field"]: call for call in calls if call.task == "tclean"}
    assert made.keys() == {TARGET, REFERENCE}
    for call in made.values():
        assert_asked(call, weighting="briggs", robust=0.5, specmode="mfs", niter=10, datacolumn="corrected")
