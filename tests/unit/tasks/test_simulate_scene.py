"""The simulated observation as a whole: structure, noise, repeatability, faults and truth; no CASA."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import ConfigurationError
from tasks.simulate import simulate_observation
from tasks.simulate.conditions import bad_times
from tasks.simulate.faults import FAULTS, apply_faults, parse_fault
from tasks.simulate.observatory import ANTENNA_NAMES, BASELINES, CORRELATOR_EFFICIENCY, FIELD_NAMES
from tasks.simulate.scene import draw_scene, with_spectral_indices
from tasks.simulate.schedule import PRESET_NAMES, load_preset, utc_text
from tasks.simulate.truth import build_truth, flag_command_lines, truth_arrays
from tasks.simulate.visibilities import chunks

RR, RL, LR, LL = range(4)


@pytest.fixture(scope="module")
def tiny():
    return draw_scene(load_preset("tiny"), 7)


def visibilities(scene, field=None):
    scans = [scan for scan in scene.scans if field is None or scan.field == FIELD_NAMES.index(field)]
    return {scan.number: np.concatenate([part.data for part in chunks(scene, scan)]) for scan in scans}


@pytest.fixture(scope="module")
def clean(tiny):
    return visibilities(tiny)


def ordered(scene, request):
    return apply_faults(scene, (request,))[0]


def scan_of(scene, field):
    return next(scan for scan in scene.scans if scan.field == FIELD_NAMES.index(field))


def with_antenna(name):
    return [index for index, pair in enumerate(BASELINES) if ANTENNA_NAMES.index(name) in pair]


def level(data, baselines, correlation=RR):
    """Mean amplitude of the band-averaged visibilities in the middle of the scan (late antennas and end left out)."""
    steady = data[10:-3][:, :, baselines][..., 3:13, correlation]
    return float(np.abs(steady.mean(axis=3)).mean())


# Structure


def test_the_workshop_has_the_rows_and_scans_of_the_guide():
    preset = load_preset("workshop")
    assert (preset.n_rows, len(preset.scans), preset.n_channels, preset.integration_s) == (747300, 134, 64, 4.0)


def test_the_workshops_fields_have_the_rows_of_the_guide():
    preset = load_preset("workshop")
    rows = [60 * sum(scan.n_integrations for scan in preset.scans if scan.field == field) for field in range(5)]
    assert rows == [204900, 409200, 40500, 38700, 54000]


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_scans_follow_each_other_without_overlap(name):
    scans = load_preset(name).scans
    assert all(before.stop_s <= after.start_s for before, after in pairwise(scans))


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_every_integration_lies_inside_its_scan(name):
    preset = load_preset(name)
    for scan in preset.scans:
        centres, widths = scan.integrations(preset.integration_s)
        assert widths.min() > 0
        assert centres[0] - widths[0] / 2 == pytest.approx(scan.start_s, abs=1e-5)
        assert centres[-1] + widths[-1] / 2 == pytest.approx(scan.stop_s, abs=1e-5)


@pytest.mark.parametrize(("name", "cycles"), [("tiny", 3), ("demo", 6)])
def test_a_short_night_has_enough_cycles_and_ends_them_on_the_phase_reference(name, cycles):
    fields = [FIELD_NAMES[scan.field] for scan in load_preset(name).scans]
    assert fields.count("1252+5634") >= cycles
    last_target = max(index for index, field in enumerate(fields) if field == "1252+5634")
    assert fields[last_target + 1] == "1302+5748"


@pytest.mark.parametrize("name", ["tiny", "demo"])
def test_a_phase_reference_scan_keeps_four_solutions_of_16_s_after_the_quack(name):
    preset = load_preset(name)
    for scan in preset.scans:
        if FIELD_NAMES[scan.field] == "1302+5748":
            assert scan.stop_s - scan.start_s - 40.0 - preset.integration_s >= 4 * 16.0


def test_observation_ids_do_not_overlap_in_field():
    for name in PRESET_NAMES:
        pairs = {(scan.field, scan.observation_id) for scan in load_preset(name).scans}
        assert len(pairs) == 5


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="workshop, demo, tiny"):
        load_preset("big")


def test_times_are_written_as_casa_selects_them():
    scan = load_preset("workshop").scans[-1]
    assert utc_text(scan.start_s) == "2015/05/06/07:30:03.0"


# Repeatability


def test_the_same_seed_gives_the_same_visibilities_bit_for_bit(tiny, clean):
    again = visibilities(draw_scene(load_preset("tiny"), 7), "1331+305")
    for number, data in again.items():
        np.testing.assert_array_equal(data, clean[number])


def test_another_seed_gives_others(clean):
    other = visibilities(draw_scene(load_preset("tiny"), 8), "1331+305")
    for number, data in other.items():
        assert not np.any(data == clean[number])


def test_a_fault_on_one_antenna_leaves_the_others_bits_alone(tiny, clean):
    faulty = visibilities(ordered(tiny, "dead_antenna:antenna=Cm"), "1407+284")
    untouched = [index for index in range(len(BASELINES)) if index not in with_antenna("Cm")]
    for number, data in faulty.items():
        np.testing.assert_array_equal(data[:, :, untouched], clean[number][:, :, untouched])


def test_missing_scans_leave_the_noise_of_the_others_alone(tiny, clean):
    faulty = visibilities(ordered(tiny, "missing_phase_reference"))
    assert len(faulty) == len(clean) - 2
    for number, data in faulty.items():
        np.testing.assert_array_equal(data, clean[number])


# Noise


def test_the_noise_obeys_the_radiometer_equation_to_three_percent(tiny):
    quiet = replace(tiny, sources=tuple(replace(source, scale=0.0) for source in tiny.sources), bursts=(), events=())
    data = visibilities(quiet, "1331+305")[scan_of(tiny, "1331+305").number]
    instrument = tiny.instrument
    ideal = 1.0 / (CORRELATOR_EFFICIENCY * np.sqrt(2 * 8e6 * 8.0))
    for baseline, (first, second) in enumerate(BASELINES):
        gains = instrument.amplitude[first, :, 0] * instrument.amplitude[second, :, 0]
        sefd = np.sqrt(instrument.sefd_jy[first, :, 0] * instrument.sefd_jy[second, :, 0])
        seen = data[:, :, baseline, :, RR]
        measured = np.stack([seen.real, seen.imag]).std(axis=(0, 1, 3))
        assert np.mean(measured / (gains * sefd * ideal)) == pytest.approx(1.0, abs=0.03)


def test_a_shorter_integration_has_more_noise():
    scene = draw_scene(load_preset("workshop"), 0)
    part = next(chunks(scene, scene.scans[0]))
    ratio = part.sigma[0] / part.sigma[1]
    np.testing.assert_allclose(ratio, np.sqrt(part.width_s[1] / part.width_s[0]))


# Faults: what each does to the data


def test_a_dead_antenna_has_noise_only(tiny, clean):
    number = scan_of(tiny, "0319+415").number
    faulty = visibilities(ordered(tiny, "dead_antenna"), "0319+415")[number]
    assert level(faulty, with_antenna("Kn")) < 0.01 * level(clean[number], with_antenna("Kn"))


def test_a_dead_polarisation_loses_one_hand_and_not_two(tiny, clean):
    number = scan_of(tiny, "0319+415").number
    faulty = visibilities(ordered(tiny, "dead_polarisation"), "0319+415")[number]
    assert level(faulty, with_antenna("Pi"), LL) < 0.01 * level(clean[number], with_antenna("Pi"), LL)
    assert level(faulty, with_antenna("Pi"), RR) == level(clean[number], with_antenna("Pi"), RR)


def test_a_dead_spw_leaves_the_other_three(tiny, clean):
    number = scan_of(tiny, "0319+415").number
    faulty = visibilities(ordered(tiny, "dead_spw:spw=3"), "0319+415")[number]
    assert level(faulty[:, 3:], range(15)) < 0.01 * level(clean[number][:, 3:], range(15))
    np.testing.assert_array_equal(faulty[:, :3], clean[number][:, :3])


def test_a_delay_jump_turns_the_phase_across_the_band_from_then_on(tiny, clean):
    faulty = visibilities(ordered(tiny, "delay_jump:ns=5"), "0319+415")
    number = scan_of(tiny, "0319+415").number
    baseline = BASELINES.index((0, ANTENNA_NAMES.index("Da")))
    turn = (faulty[number] * np.conj(clean[number]))[10:-3, 1, baseline, 2:14, RR].mean(axis=0)
    slope_ns = np.polyfit(np.arange(12) * 8e6, np.unwrap(np.angle(turn)), 1)[0] / (2 * np.pi) * 1e9
    # Da is the second antenna of the baseline, whose phase is taken off.
    assert slope_ns == pytest.approx(-5.0, abs=0.05)


def test_a_delay_jump_leaves_what_came_before(tiny, clean):
    faulty = visibilities(ordered(tiny, "delay_jump"), "1331+305")
    for number, data in faulty.items():
        np.testing.assert_array_equal(data, clean[number])


def test_a_faint_phase_reference_is_faint(tiny, clean):
    faulty = visibilities(ordered(tiny, "faint_phase_reference"), "1302+5748")
    number = scan_of(tiny, "1302+5748").number
    assert level(faulty[number], range(15)) < 0.2 * level(clean[number], range(15))


def test_a_wrong_flux_model_scales_3c286_only(tiny, clean):
    scene = ordered(tiny, "wrong_flux_model:factor=0.5")
    number = scan_of(tiny, "1331+305").number
    ratio = level(visibilities(scene, "1331+305")[number], range(15)) / level(clean[number], range(15))
    assert ratio == pytest.approx(0.5, rel=0.05)
    other = visibilities(scene, "1407+284")
    np.testing.assert_array_equal(*(side[scan_of(tiny, "1407+284").number] for side in (other, clean)))


def test_swapped_fields_swap_the_names_and_nothing_else(tiny):
    scene = ordered(tiny, "swapped_fields")
    assert scene.field_names[3:] == ("0319+415", "1407+284")
    assert scene.sources == tiny.sources


def test_a_resolved_calibrator_is_weaker_on_long_baselines(tiny, clean):
    number = scan_of(tiny, "1407+284").number
    faulty = visibilities(ordered(tiny, "resolved_calibrator"), "1407+284")[number]
    short, long = BASELINES.index((0, 3)), BASELINES.index((1, 5))
    assert level(faulty, [short]) > 0.9 * level(clean[number], [short])
    assert level(faulty, [long]) < 0.7 * level(clean[number], [long])


def test_a_variable_calibrator_changes_over_its_scans(tiny, clean):
    faulty = visibilities(ordered(tiny, "variable_calibrator"), "1302+5748")
    ratios = [level(faulty[number], range(15)) / level(clean[number], range(15)) for number in sorted(faulty)]
    assert ratios[0] < 0.7 < 1.3 < ratios[-1]


def test_the_reference_antenna_drops_out_in_mid_run(tiny, clean):
    faulty = visibilities(ordered(tiny, "reference_antenna_dropout"))
    first, last = scan_of(tiny, "1331+305").number, scan_of(tiny, "0319+415").number
    np.testing.assert_array_equal(faulty[first], clean[first])
    assert level(faulty[last], with_antenna("Mk2")) < 0.01 * level(clean[last], with_antenna("Mk2"))


def test_interference_fills_its_window_and_no_other(tiny, clean):
    number = scan_of(tiny, "1302+5748").number
    faulty = visibilities(ordered(tiny, "rfi"), "1302+5748")[number]
    np.testing.assert_array_equal(faulty[:, [0, 1, 3]], clean[number][:, [0, 1, 3]])
    assert np.abs(faulty[:, 2, :, 8]).mean() > 5 * np.abs(clean[number][:, 2, :, 8]).mean()


def test_late_on_source_reaches_past_the_quack(tiny, clean):
    number = scan_of(tiny, "0319+415").number
    faulty = visibilities(ordered(tiny, "late_on_source"), "0319+415")[number]
    after_quack = slice(6, 8)
    assert (
        np.abs(faulty[after_quack, ..., 4:12, RR]).mean()
        < 0.5 * np.abs(clean[number][after_quack, ..., 4:12, RR]).mean()
    )


def test_a_clock_error_turns_the_phase_steadily(tiny, clean):
    number = scan_of(tiny, "1331+305").number
    faulty = visibilities(ordered(tiny, "clock_error:ns_per_hour=1"), "1331+305")[number]
    baseline = BASELINES.index((0, ANTENNA_NAMES.index("Cm")))
    turn = np.unwrap(np.angle((faulty * np.conj(clean[number]))[8:, 0, baseline, 4:12, RR].mean(axis=1)))
    turns_per_hour = np.polyfit(np.arange(turn.size) * 8.0, turn, 1)[0] / (2 * np.pi) * 3600
    assert turns_per_hour == pytest.approx(-4.88, rel=0.05)


def test_amplitude_steps_double_and_come_back(tiny, clean):
    faulty = visibilities(ordered(tiny, "amplitude_steps:period_s=80"), "0319+415")
    number = scan_of(tiny, "0319+415").number
    baseline = BASELINES.index((0, ANTENNA_NAMES.index("Kn")))
    ratio = np.abs(faulty[number][10:-3, 0, baseline, 4:12, RR].mean(axis=1)) / np.abs(
        clean[number][10:-3, 0, baseline, 4:12, RR].mean(axis=1)
    )
    assert set(np.round(ratio).astype(int)) == {1, 2}


def test_a_bad_night_has_rougher_phases(tiny, clean):
    number = scan_of(tiny, "0319+415").number
    faulty = visibilities(ordered(tiny, "bad_night"), "0319+415")[number]

    def jumps(data):
        phase = data[8:-3, 1, 4, 4:12, RR].mean(axis=1)
        return np.std(np.angle(phase[1:] * np.conj(phase[:-1])))

    assert jumps(faulty) > 10 * jumps(clean[number])


def test_a_delay_beyond_the_search_range_turns_more_than_half_a_turn_per_channel(tiny):
    scene = ordered(tiny, "delay_beyond_search")
    assert scene.events[-1].delay_s * scene.channel_width_hz > 0.5


# Faults: how they are asked for


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_is_recorded_with_its_defaults(tiny, name):
    _, injected = apply_faults(tiny, (name,))
    assert injected[0].name == name
    assert injected[0].parameters == dict(FAULTS[name].defaults)


def test_parameters_are_read_in_the_type_of_their_defaults():
    order = parse_fault("delay_jump:antenna=Cm,ns=3,at=0.25")
    assert order.parameters == {"antenna": "Cm", "ns": 3.0, "at": 0.25}
    assert order.place == "Cm"


@pytest.mark.parametrize(
    ("request_text", "message"),
    [
        ("dead_antena", "no fault 'dead_antena'. Did you mean dead_antenna"),
        ("dead_antenna:antena=Cm", "no parameter 'antena'. Did you mean antenna"),
        ("dead_antenna:antenna=cm", "antenna='cm' does not exist. Did you mean Cm"),
        ("dead_antenna:Cm", "'Cm' is not of the form key=value"),
        ("dead_spw:spw=one", "spw='one' is not a whole number"),
        ("dead_spw:spw=4", "spw=4 is out of range"),
        ("bad_night:factor=nan", "factor=nan is out of range"),
        ("delay_jump:at=2", "at=2 is out of range"),
        ("resolved_calibrator:field=3C84", "field='3C84' does not exist"),
    ],
)
def test_a_wrong_order_is_refused_and_says_what_was_wrong(request_text, message):
    with pytest.raises(ConfigurationError) as caught:
        parse_fault(request_text)
    assert message in str(caught.value)


# Truth


@pytest.fixture(scope="module")
def truth(tiny):
    return build_truth(tiny, truth_arrays(tiny), Path("night.ms"), ())


def test_the_truth_has_every_antenna_window_and_hand(truth):
    assert len(truth.gains) == 6 * 4 * 2


def test_delays_of_the_truth_are_relative_to_the_reference_antenna(truth):
    assert {gain.relative_delay_ns for gain in truth.gains if gain.antenna == "Mk2"} == {0.0}
    cm = [gain.relative_delay_ns for gain in truth.gains if gain.antenna == "Cm" and gain.polarisation == "L"]
    assert cm == pytest.approx([4.0] * 4, abs=0.3)


def test_a_delay_fault_is_in_the_truth(tiny, truth):
    scene = ordered(tiny, "delay_jump:antenna=Da,ns=100,at=0")
    after = build_truth(scene, truth_arrays(scene), Path("night.ms"), ())
    moved = [b.delay_ns - a.delay_ns for a, b in zip(truth.gains, after.gains, strict=True) if a.antenna == "Da"]
    assert moved == pytest.approx([100.0] * 8)


def test_the_truth_names_the_fluxes_of_the_guide(truth):
    fluxes = {field.name: round(field.flux_density_jy, 4) for field in truth.fields}
    assert fluxes["0319+415"] == 22.9319
    assert fluxes["1407+284"] == 1.9013
    assert fluxes["1302+5748"] == 0.4043


def test_bad_times_are_in_the_truth_and_in_the_users_list(tiny, truth):
    causes = [cause for cause in truth.flags if cause.cause == "bad time"]
    assert {cause.antenna for cause in causes} == set(ANTENNA_NAMES)
    assert len(flag_command_lines(tiny)) == 3


def test_bad_times_have_no_usable_signal(tiny, clean):
    scan = scan_of(tiny, "0319+415")
    event = next(event for event in bad_times(scan) if ANTENNA_NAMES[event.antenna] == "Cm")
    hit = event.hits(scan.integrations(8.0)[0])
    data = np.abs(clean[scan.number][:, 0, with_antenna("Cm")][..., 4:12, RR]).mean(axis=(1, 2))
    assert hit.sum() >= 2
    assert data[hit].max() < 0.1 * np.median(data)


def test_the_truth_survives_json(truth):
    assert type(truth).model_validate_json(truth.model_dump_json()) == truth


# Wrong input


def test_an_existing_output_is_not_overwritten(tmp_path):
    with pytest.raises(ConfigurationError, match="exists already"):
        simulate_observation("tiny", tmp_path)


def test_an_output_without_a_folder_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="There is no folder"):
        simulate_observation("tiny", tmp_path / "nowhere" / "night.ms")


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="seed must be 0 or more"):
        simulate_observation("tiny", tmp_path / "night.ms", seed=-1)


def test_another_spectral_index_leaves_the_other_sources_alone(tiny):
    changed = with_spectral_indices(tiny, {"1407+284": 0.5})
    assert [source.spectral_index for source in changed.sources][FIELD_NAMES.index("1407+284")] == 0.5
    assert sum(a == b for a, b in zip(changed.sources, tiny.sources, strict=True)) == len(tiny.sources) - 1


@pytest.mark.parametrize("field", ["1331+305", "nobody"])
def test_a_standard_or_unknown_field_has_no_spectral_index_to_set(tiny, field):
    with pytest.raises(ConfigurationError, match="has no spectral index to set"):
        with_spectral_indices(tiny, {field: 0.5})
