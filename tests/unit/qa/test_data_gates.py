"""The gates over the data: for each row of the gate table a defect, a clean case, an empty and an all-NaN table."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from qa.data_gates import apply_gate, flagging_gate, flux_model_gate, observation_gate, result_gate
from schemas.inspection import AntennaSummary, FieldSummary, MsSummary, Roles, ScanSummary
from schemas.policy import ApplyBounds, FlaggingBounds, FluxModelBounds, ObservationBounds, ResultBounds
from schemas.results import ModelFlux
from schemas.solutions import FLAG_COLUMNS, GAIN_COLUMNS, MODEL_COLUMNS, VISIBILITY_COLUMNS
from schemas.standards import STANDARD_SOURCES, flux_density_jy

ANTENNAS = ("Mk2", "Kn", "De", "Pi", "Da", "Cm")
FIELDS = ("1331+305", "1302+5748", "1252+5634")
FLUX, REFERENCE, TARGET = FIELDS
FREQUENCY_HZ = 5.07e9
STANDARD = "Perley-Butler 2013"


def outcome(report, metric, severity="stop"):
    """Verdicts of one metric at one severity; several when a missing number adds its own check."""
    return {check.verdict for check in report.checks if (check.metric, check.severity) == (metric, severity)}


def check_of(report, metric, severity="stop"):
    return next(check for check in report.checks if (check.metric, check.severity) == (metric, severity))


# --- observation ------------------------------------------------------------------------------------------------------


def summary(antennas=6, cycles=10, reference_scans=True):
    """An observation of `cycles` times 2 min of phase reference and 5 min of target, and 3C286 at its position."""
    source = next(entry for entry in STANDARD_SOURCES if entry.name == "3C286")
    scans = []
    for cycle in range(cycles):
        start = 420.0 * cycle
        names = ((REFERENCE, start, start + 120.0), (TARGET, start + 120.0, start + 420.0))
        for offset, (field, begin, end) in enumerate(names):
            rows = 0 if field == REFERENCE and not reference_scans else 100
            scan = {"number": 2 * cycle + offset + 1, "field": field, "rows": rows, "integration_s": 4.0}
            scans.append(ScanSummary(start_s=begin, stop_s=end, **scan))
    return MsSummary(
        telescope="e-MERLIN",
        rows=1000,
        autocorrelation_rows=0,
        antennas=tuple(
            AntennaSummary(id=number, name=name, x_m=0, y_m=0, z_m=0, has_data=number < antennas)
            for number, name in enumerate(ANTENNAS)
        ),
        spws=(),
        fields=tuple(
            FieldSummary(id=number, name=name, ra_rad=source.ra_rad + number, dec_rad=source.dec_rad, rows=100)
            for number, name in enumerate(FIELDS)
        ),
        scans=tuple(scans),
        longest_baseline_m=217e3,
        columns=("DATA",),
        flagged_fraction={},
        antenna_flagged_fraction={},
    )


ROLES = Roles(flux=FLUX, bandpass=(FLUX,), phase_reference={TARGET: REFERENCE})


def observe(context, measured=None, roles=ROLES, problems=(), bad_scans=(), bounds=None):
    return observation_gate(measured or summary(), roles, problems, bad_scans, bounds or ObservationBounds(), context)


class TestObservation:
    def test_a_whole_observation_passes(self, context):
        assert observe(context).verdict == "passed"

    def test_three_antennas_stop(self, context):
        report = observe(context, summary(antennas=3))
        assert (check_of(report, "antennas_with_data").observed, report.verdict) == (3, "stopped")

    def test_a_higher_bound_on_antennas_flips_the_verdict(self, context):
        assert observe(context, bounds=ObservationBounds(antennas_stop=7)).verdict == "stopped"

    def test_an_unresolved_role_stops_and_is_named(self, context):
        report = observe(context, problems=["target 1252+5634 has no phase reference"])
        assert report.verdict == "stopped"
        assert "target 1252+5634 has no phase reference" in report.reason
        assert outcome(report, "unresolved_roles") == {"stopped"}

    def test_roles_missing_whole_stop(self, context):
        assert outcome(observe(context, roles=None), "unresolved_roles") == {"stopped"}

    def test_an_hour_without_phase_reference_warns(self, context):
        # Scans 1 to 7 and 19 stay; what is farther than 15 min from both sides is uncovered.
        measured = summary(cycles=10)
        report = observe(context, measured, bad_scans={9, 11, 13, 15, 17})
        assert outcome(report, "phase_reference_gap", "warn") == {"warned"}
        assert outcome(report, "phase_reference_gap") == {"passed"}

    def test_a_lost_phase_reference_stops_and_names_the_target(self, context):
        report = observe(context, bad_scans=set(range(3, 21, 2)))
        assert check_of(report, "phase_reference_gap").where == TARGET
        assert outcome(report, "phase_reference_gap") == {"stopped"}

    def test_the_gap_is_measured_exactly(self, context):
        report = observe(context, bad_scans=set(range(3, 21, 2)))
        # Scan 1 ends at 120 s and reaches to 1020 s: 780 s of the first 900 s of cycles are target and near.
        near = 300 + 300 + (1020 - 960)
        assert check_of(report, "phase_reference_gap").observed == pytest.approx(1 - near / 3000)

    def test_an_unobserved_phase_reference_stops(self, context):
        report = observe(context, summary(reference_scans=False))
        assert check_of(report, "phase_reference_gap").observed == 1.0
        assert report.verdict == "stopped"

    def test_no_scans_at_all_stop(self, context):
        report = observe(context, summary(cycles=0))
        assert "1 of 1 values are not numbers" in report.reason
        assert report.verdict == "stopped"

    def test_no_target_stops(self, context):
        report = observe(context, roles=Roles(flux=FLUX, bandpass=(FLUX,), phase_reference={}))
        assert "empty" in report.reason or "observed" in report.reason
        assert report.verdict == "stopped"


# --- flagging ---------------------------------------------------------------------------------------------------------


def counts(**flagged: float):
    """Flag counts; `flagged` gives a fraction by antenna or by field (f0, f1, f2 of FIELDS), the rest is 0.1."""
    rows = []
    for field in FIELDS:
        for antenna in ANTENNAS:
            fraction = flagged.get(antenna, flagged.get(f"f{FIELDS.index(field)}", 0.1))
            rows += [(field, antenna, spw, hands, 1000 * fraction, 1000) for spw in (0, 1) for hands in ("RR", "LL")]
    return pd.DataFrame(rows, columns=list(FLAG_COLUMNS))


def flagging(context, before, after, bounds=None, **options):
    return flagging_gate(before, after, (FLUX, REFERENCE), bounds or FlaggingBounds(), context, **options)


class TestFlagging:
    def test_a_moderate_step_passes(self, context):
        assert flagging(context, counts(), counts(f0=0.2, f1=0.2, f2=0.2)).verdict == "passed"

    @pytest.mark.parametrize(("fraction", "expected"), [(0.7, "passed"), (0.85, "warned"), (0.97, "stopped")])
    def test_a_flagged_calibrator_field_is_named(self, context, fraction, expected):
        report = flagging(context, counts(f1=fraction), counts(f1=fraction))
        assert report.verdict == expected
        assert check_of(report, "field_flagged").where == REFERENCE

    def test_the_target_is_not_judged_as_a_calibrator(self, context):
        assert flagging(context, counts(f2=1.0), counts(f2=1.0)).verdict == "passed"

    def test_a_calibrator_without_data_stops(self, context):
        rows = counts()
        gone = rows[rows["field"] != FLUX]
        assert flagging(context, gone, gone).verdict == "stopped"

    def test_a_flagged_antenna_warns(self, context):
        report = flagging(context, counts(Cm=0.8), counts(Cm=0.8))
        assert outcome(report, "antenna_flagged", "warn") == {"warned"}
        assert check_of(report, "antenna_flagged", "warn").where == "antenna Cm"
        assert report.verdict == "warned"

    def test_an_antenna_without_any_data_is_left_out(self, context):
        rows = counts()
        gone = rows[rows["antenna"] != "Cm"]
        report = flagging(context, gone, gone)
        assert report.verdict == "passed"
        assert any(check.where == "antenna Cm" and check.verdict == "not applicable" for check in report.checks)

    def test_a_flagged_reference_with_a_fallback_warns(self, context):
        report = flagging(context, counts(Mk2=0.8), counts(Mk2=0.8))
        assert (report.verdict, report.lost_antennas) == ("warned", ("Mk2",))

    def test_a_flagged_reference_without_fallback_stops(self, context):
        report = flagging(context.evolve(refant=("Mk2",)), counts(Mk2=0.8), counts(Mk2=0.8))
        assert outcome(report, "reference_flagged") == {"stopped"}
        assert "Mk2" in report.reason

    def test_a_fallback_that_is_flagged_itself_is_none(self, context):
        report = flagging(context, counts(Mk2=0.8, Pi=0.8), counts(Mk2=0.8, Pi=0.8))
        assert outcome(report, "reference_flagged") == {"stopped"}

    def test_no_reference_antenna_stops(self, context):
        report = flagging(context.evolve(refant=()), counts(), counts())
        assert "no reference antenna is given" in report.reason

    @pytest.mark.parametrize(("after", "expected"), [(0.3, "passed"), (0.5, "warned"), (0.7, "stopped")])
    def test_what_a_step_newly_flags_is_judged(self, context, after, expected):
        report = flagging(context, counts(), counts(f0=after, f1=after, f2=after))
        assert report.verdict == expected
        assert check_of(report, "newly_flagged").observed == pytest.approx((after - 0.1) / 0.9)

    def test_settling_that_takes_a_third_of_one_fields_short_scans_passes(self, context):
        report = flagging(context, counts(), counts(f0=0.45))
        assert outcome(report, "newly_flagged") == {"passed"}

    def test_the_users_own_list_is_reported_and_not_judged(self, context):
        report = flagging(context, counts(), counts(f0=0.7, f1=0.7, f2=0.7), judge_new=False)
        check = check_of(report, "newly_flagged")
        assert report.verdict == "passed"
        assert check.observed == pytest.approx(0.6 / 0.9)
        assert check.reason.startswith("reported, not judged")

    def test_a_field_that_had_nothing_left_is_no_new_flag(self, context):
        report = flagging(context, counts(f2=1.0), counts(f2=1.0))
        assert outcome(report, "newly_flagged") == {"passed"}

    def test_changing_a_bound_flips_the_verdict(self, context):
        before, after = counts(), counts(f0=0.5, f1=0.5, f2=0.5)
        assert flagging(context, before, after, FlaggingBounds(new_stop=0.4)).verdict == "stopped"
        assert flagging(context, before, after, FlaggingBounds(new_warn=0.6)).verdict == "passed"

    @pytest.mark.parametrize("metric", ["field_flagged", "antenna_flagged", "reference_flagged", "newly_flagged"])
    @pytest.mark.parametrize("defect", ["empty", "all NaN"])
    def test_counts_without_numbers_stop(self, context, metric, defect):
        rows = counts()
        broken = rows.iloc[:0] if defect == "empty" else rows.assign(flagged=np.nan, total=np.nan)
        report = flagging(context, broken, broken)
        assert outcome(report, metric) == {"stopped"}

    def test_counts_of_other_data_stop(self, context):
        report = flagging(context, counts(), counts().iloc[1:])
        assert "not of the same data" in report.reason or "not numbers" in report.reason
        assert report.verdict == "stopped"


# --- flux model -------------------------------------------------------------------------------------------------------

STANDARD_JY = float(flux_density_jy("3C286", FREQUENCY_HZ, STANDARD))


def model(scale=1.0, zero_on=(), uv_max=3.7e6):
    """MODEL_DATA of 3C286 on e-MERLIN: 0.9 of the flux density on the shortest baseline, 0.41 on the longest."""
    baselines = ["&".join(pair) for pair in combinations(ANTENNAS, 2)]
    rows = []
    for number, baseline in enumerate(baselines):
        part = 0.9 - 0.49 * number / (len(baselines) - 1)
        gone = any(name in baseline.split("&") for name in zero_on)
        amplitude = 0.0 if gone else scale * part * STANDARD_JY
        rows.append((FLUX, baseline, 0, amplitude, 1.0 if gone else 0.0, uv_max * (number + 1) / len(baselines)))
    return pd.DataFrame(rows, columns=list(MODEL_COLUMNS))


def claim(scale=1.0):
    return [ModelFlux(field=FLUX, spw=0, frequency_hz=FREQUENCY_HZ, flux_density_jy=scale * STANDARD_JY)]


def modelled(context, claimed=None, rows=None, standard=STANDARD, limit=None, bounds=None):
    claimed = claim() if claimed is None else claimed
    rows = model() if rows is None else rows
    return flux_model_gate(claimed, rows, summary(), standard, limit, bounds or FluxModelBounds(), context)


class TestFluxModel:
    def test_the_resolved_3c286_passes(self, context):
        assert modelled(context).verdict == "passed"

    @pytest.mark.parametrize(("scale", "expected"), [(1.01, "passed"), (0.95, "warned"), (1.2, "stopped")])
    def test_a_claimed_flux_density_off_the_standard_is_judged(self, context, scale, expected):
        assert modelled(context, claim(scale)).verdict == expected

    def test_a_model_set_to_a_tenth_stops_and_names_the_calibrator(self, context):
        report = modelled(context, claim(0.1), model(0.1))
        assert report.verdict == "stopped"
        assert FLUX in report.reason

    def test_a_tenth_in_model_data_stops_although_the_claim_is_right(self, context):
        report = modelled(context, claim(), model(0.1))
        assert outcome(report, "model_against_standard") == {"stopped"}

    def test_model_data_brighter_than_the_source_stop(self, context):
        assert outcome(modelled(context, claim(), model(1.5)), "model_against_standard") == {"stopped"}

    def test_a_spw_that_setjy_did_not_report_stops(self, context):
        rows = pd.concat([model(), model().assign(spw=1)])
        report = modelled(context, rows=rows)
        assert "stopped" in outcome(report, "model_against_standard")

    def test_a_field_without_standard_is_not_applicable(self, context):
        report = modelled(context, standard="")
        assert outcome(report, "model_against_standard") == {"not applicable"}
        assert report.verdict == "passed"

    def test_a_model_that_is_zero_on_cm_stops_and_names_its_baselines(self, context):
        report = modelled(context, rows=model(zero_on=("Cm",)))
        check = check_of(report, "model_coverage")
        assert (check.verdict, check.observed, check.failed) == ("stopped", 5, 5)
        assert {failure.place.antenna for failure in check.failures} == {f"{name}&Cm" for name in ANTENNAS[:-1]}

    def test_baselines_beyond_the_models_grid_stop(self, context):
        report = modelled(context, limit=2.06e6)
        assert outcome(report, "model_coverage") == {"stopped"}

    def test_a_fine_enough_grid_passes(self, context):
        assert modelled(context, limit=8.6e6).verdict == "passed"

    def test_changing_a_bound_flips_the_verdict(self, context):
        rows = model(zero_on=("Cm",))
        assert modelled(context, rows=rows, bounds=FluxModelBounds(coverage_stop=5)).verdict == "passed"
        assert modelled(context, claim(1.2), bounds=FluxModelBounds(standard_stop=0.3)).verdict == "warned"

    @pytest.mark.parametrize("metric", ["model_against_standard", "model_coverage"])
    @pytest.mark.parametrize("defect", ["empty", "all NaN"])
    def test_a_model_without_numbers_stops(self, context, metric, defect):
        numbers = ["amplitude_jy", "zero_fraction", "uv_max_wavelengths"]
        rows = model().iloc[:0] if defect == "empty" else model().assign(**dict.fromkeys(numbers, np.nan))
        assert outcome(modelled(context, rows=rows), metric) == {"stopped"}

    def test_nothing_at_all_stops(self, context):
        report = modelled(context, [], model().iloc[:0])
        assert outcome(report, "model_against_standard") == {"stopped"}


# --- apply ------------------------------------------------------------------------------------------------------------


def applied(dead=(), common=0.0, only=FIELDS):
    """Counts before and after applycal flags all baselines of `dead` antennas and a common part of the rest."""
    before, after = [], []
    for field in FIELDS:
        for antenna in ANTENNAS:
            others = [name for name in ANTENNAS if name != antenna]
            per = 240.0
            lost = sum(per if {antenna, name} & set(dead) else common * per for name in others)
            added = lost if field in only else 0.0
            before.append((field, antenna, 0, "RR", 0.0, per * len(others)))
            after.append((field, antenna, 0, "RR", added, per * len(others)))
    columns = list(FLAG_COLUMNS)
    return pd.DataFrame(before, columns=columns), pd.DataFrame(after, columns=columns)


class TestApply:
    @pytest.mark.parametrize(("common", "expected"), [(0.02, "passed"), (0.15, "warned"), (0.4, "stopped")])
    def test_what_applycal_flags_everywhere_is_judged(self, context, common, expected):
        before, after = applied(common=common)
        report = apply_gate(before, after, ApplyBounds(), context)
        assert report.verdict == expected
        assert check_of(report, "flags_added").observed == pytest.approx(common)

    def test_a_fault_of_one_field_stops_and_names_it(self, context):
        report = apply_gate(*applied(common=0.5, only=(TARGET,)), ApplyBounds(), context)
        assert TARGET in report.reason

    @pytest.mark.parametrize("dead", [("Cm",), ("Cm", "De")])
    def test_dead_antennas_warn_and_their_baselines_blame_no_other(self, context, dead):
        report = apply_gate(*applied(dead=dead), ApplyBounds(), context)
        assert report.verdict == "warned"
        assert set(report.lost_antennas) == set(dead)

    def test_three_dead_antennas_of_six_stop(self, context):
        assert apply_gate(*applied(dead=("Cm", "De", "Da")), ApplyBounds(), context).verdict == "stopped"

    def test_changing_a_bound_flips_the_verdict(self, context):
        assert apply_gate(*applied(common=0.4), ApplyBounds(added_stop=0.5), context).verdict == "warned"

    @pytest.mark.parametrize("defect", ["empty", "all NaN"])
    def test_counts_without_numbers_stop(self, context, defect):
        before, after = applied()
        if defect == "empty":
            before, after = before.iloc[:0], after.iloc[:0]
        else:
            before, after = (table.assign(flagged=np.nan, total=np.nan) for table in (before, after))
        assert apply_gate(before, after, ApplyBounds(), context).verdict == "stopped"

    def test_a_field_with_nothing_left_before_stops(self, context):
        before, after = applied()
        whole = {"flagged": before["total"].where(before["field"] == TARGET, 0.0)}
        report = apply_gate(before.assign(**whole), after.assign(**whole), ApplyBounds(), context)
        assert report.verdict == "stopped"


# --- result -----------------------------------------------------------------------------------------------------------


def visibilities(phase_deg=5.0, slope=0.0, bad=""):
    """Corrected phase reference: Gaussian phases, amplitude 0.4 Jy falling by `slope` over the range of uv distance."""
    random = np.random.default_rng(277)
    rows = []
    for scan in range(1, 6):
        for number, pair in enumerate(combinations(ANTENNAS, 2)):
            part = number / 14
            for spw in (0, 1):
                spread = 100.0 if bad in pair else phase_deg
                amplitude = 0.4 * (1 + slope * (0.5 - part))
                phase = random.normal(0, spread)
                uv = 1e5 + 3.6e6 * part
                rows.append((REFERENCE, scan, spw, "&".join(pair), "R", uv, amplitude, phase, 0.4, 100.0))
    return pd.DataFrame(rows, columns=list(VISIBILITY_COLUMNS))


def gains(phase_deg=2.0, amplitude=0.01, scans=6, wrong=()):
    """Gains of the phase reference that drift by 20 deg a scan with noise; `wrong` antennas are ten times noisier."""
    random = np.random.default_rng(3)
    rows = []
    for antenna in ANTENNAS:
        worse = 40.0 if antenna in wrong else 1.0
        for spw in (0, 1):
            for hand in ("R", "L"):
                for scan in range(scans):
                    phase = 160.0 + 20.0 * scan + random.normal(0, phase_deg * worse)
                    size = 1.0 + 0.01 * scan + random.normal(0, amplitude * worse / 4)
                    place = (420.0 * scan, 2 * scan + 1, REFERENCE, spw, antenna, hand)
                    rows.append((*place, size, (phase + 180) % 360 - 180, 50.0, False))
    return pd.DataFrame(rows, columns=list(GAIN_COLUMNS))


def result(context, seen=None, p2=None, ap2=None, bounds=None):
    seen = visibilities() if seen is None else seen
    p2 = gains() if p2 is None else p2
    ap2 = gains() if ap2 is None else ap2
    return result_gate(seen, p2, ap2, (REFERENCE,), bounds or ResultBounds(), context)


class TestResult:
    def test_a_point_source_passes(self, context):
        report = result(context)
        assert report.verdict == "passed", report.reason

    @pytest.mark.parametrize(("rms", "expected"), [(15.0, "passed"), (35.0, "warned"), (90.0, "stopped")])
    def test_phases_about_zero_are_judged(self, context, rms, expected):
        assert result(context, visibilities(rms)).verdict == expected

    def test_the_antenna_with_the_largest_phases_is_named(self, context):
        report = result(context, visibilities(bad="De"))
        check = check_of(report, "phase_rms", "warn")
        assert check.verdict == "warned"
        assert "largest on antenna De" in check.reason

    @pytest.mark.parametrize(("slope", "expected"), [(0.02, "passed"), (0.1, "warned"), (-0.4, "stopped")])
    def test_a_slope_of_amplitude_with_uv_distance_is_judged(self, context, slope, expected):
        report = result(context, visibilities(slope=slope))
        assert report.verdict == expected
        assert check_of(report, "amplitude_slope").observed == pytest.approx(abs(slope), rel=1e-6)

    def test_averages_over_nothing_are_left_out(self, context):
        seen = visibilities()
        nothing = seen.head(3).assign(amplitude=np.nan, phase_deg=np.nan, weight=0.0)
        assert result(context, pd.concat([seen, nothing])).verdict == "passed"

    @pytest.mark.parametrize("metric", ["phase_rms", "amplitude_slope"])
    @pytest.mark.parametrize("defect", ["empty", "all NaN"])
    def test_visibilities_without_numbers_stop(self, context, metric, defect):
        seen = visibilities()
        seen = seen.iloc[:0] if defect == "empty" else seen.assign(amplitude=np.nan, phase_deg=np.nan)
        assert outcome(result(context, seen), metric) == {"stopped"}

    def test_changing_a_bound_flips_the_verdict(self, context):
        assert result(context, visibilities(35.0), bounds=ResultBounds(phase_stop_deg=30.0)).verdict == "stopped"
        assert result(context, visibilities(35.0), bounds=ResultBounds(phase_warn_deg=40.0)).verdict == "passed"

    def test_phases_that_cannot_be_interpolated_warn(self, context):
        report = result(context, p2=gains(wrong=("Kn",)))
        check = check_of(report, "transfer_phase", "warn")
        assert (check.verdict, check.failures[0].place.antenna) == ("warned", "Kn")
        assert report.verdict == "warned"

    def test_amplitudes_that_cannot_be_interpolated_warn(self, context):
        report = result(context, ap2=gains(wrong=("Kn",)))
        assert outcome(report, "transfer_amplitude", "warn") == {"warned"}

    def test_a_steady_drift_across_the_wrap_is_predicted_exactly(self, context):
        report = result(context, p2=gains(phase_deg=0.0))
        assert check_of(report, "transfer_phase", "warn").observed == pytest.approx(0.0, abs=1e-9)

    def test_two_scans_predict_the_second_from_the_first(self, context):
        report = result(context, p2=gains(phase_deg=0.0, scans=2))
        assert check_of(report, "transfer_phase", "warn").observed == pytest.approx(20.0)

    def test_one_scan_is_too_little_history(self, context):
        report = result(context, p2=gains(scans=1), ap2=gains(scans=1))
        assert outcome(report, "transfer_phase", "warn") == {"not applicable"}
        assert report.verdict == "passed"

    def test_several_solutions_of_a_scan_are_averaged(self, context):
        ap2 = gains(amplitude=0.0)
        twice = pd.concat([ap2.assign(amplitude=ap2["amplitude"] * factor) for factor in (0.9, 1.1)])
        report = result(context, ap2=twice)
        assert check_of(report, "transfer_amplitude", "warn").observed == pytest.approx(0.0, abs=1e-9)

    def test_an_antenna_without_solutions_is_lost(self, context):
        p2 = gains()
        report = result(context, p2=p2.assign(flagged=p2["antenna"] == "Cm"))
        assert (report.verdict, report.lost_antennas) == ("warned", ("Cm",))

    def test_an_antenna_with_one_good_scan_is_left_out(self, context):
        p2 = gains()
        report = result(context, p2=p2.assign(flagged=(p2["antenna"] == "Cm") & (p2["scan"] > 1)))
        assert report.verdict == "passed"
        assert any("Cm" in check.where and check.verdict == "not applicable" for check in report.checks)

    @pytest.mark.parametrize("metric", ["transfer_phase", "transfer_amplitude"])
    @pytest.mark.parametrize("defect", ["empty", "all NaN", "all flagged"])
    def test_gains_without_numbers_stop(self, context, metric, defect):
        rows = gains()
        broken = {
            "empty": rows.iloc[:0],
            "all NaN": rows.assign(amplitude=np.nan, phase_deg=np.nan),
            "all flagged": rows.assign(flagged=True),
        }[defect]
        report = result(context, p2=broken, ap2=broken)
        assert outcome(report, metric) == {"stopped"}

    def test_changing_the_transfer_bounds_flips_the_verdict(self, context):
        assert result(context, bounds=ResultBounds(transfer_phase_warn_deg=0.5)).verdict == "warned"
        assert result(context, bounds=ResultBounds(transfer_amplitude_warn=0.0005)).verdict == "warned"
