"""The simulator's physics: sky, geometry, troposphere, instrument and noise, none of which needs CASA."""

import numpy as np
import pytest

from tasks.simulate.atmosphere import LAYER_HEIGHT_M, draw_screen
from tasks.simulate.conditions import draw_lateness, on_source_fraction
from tasks.simulate.geometry import directions, precession_matrix, uvw_m
from tasks.simulate.instrument import draw_instrument, living_channels
from tasks.simulate.observatory import (
    ANTENNA_NAMES,
    BASELINES,
    FIELDS,
    SPEED_OF_LIGHT_M_S,
    channel_frequencies_hz,
    scaled_dead_channels,
)
from tasks.simulate.schedule import load_preset
from tasks.simulate.sky import SOURCES, Component, Source, clean_sources, visibility_jy
from tasks.simulate.streams import stream

FREQUENCY = channel_frequencies_hz(16)
REFERENCE_MHZ = 5069.980155629359


@pytest.fixture(scope="module")
def screen():
    return draw_screen(stream(1, "atmosphere"))


@pytest.fixture(scope="module")
def instrument():
    return draw_instrument(stream(1, "instrument"), 64)


@pytest.fixture(scope="module")
def times():
    scan = load_preset("workshop").scans[0]
    return scan.integrations(4.0)[0]


def slope(screen, near, far):
    near_s2, far_s2 = screen.structure_function_s2(np.array([near, far]))
    return np.log(far_s2 / near_s2) / np.log(far / near)


def test_the_structure_function_rises_with_five_thirds_below_the_layer(screen):
    assert slope(screen, 60.0, 200.0) == pytest.approx(5 / 3, rel=0.1)


def test_the_structure_function_rises_with_two_thirds_above_the_layer(screen):
    assert slope(screen, 20 * LAYER_HEIGHT_M, 60 * LAYER_HEIGHT_M) == pytest.approx(2 / 3, rel=0.1)


def test_longer_baselines_have_more_phase_noise_up_to_the_longest(screen):
    lengths = np.array([11e3, 30e3, 70e3, 130e3, 217e3])
    assert np.all(np.diff(screen.structure_function_s2(lengths)) > 0)


def test_a_single_realisation_has_the_structure_function_of_the_ensemble(screen):
    time_s = np.arange(0.0, 7200.0, 4.0)
    places = np.zeros((time_s.size, 12, 2))
    places[:, :, 0] = np.arange(12) * 2.0e4
    delay = screen.delay_s(places, time_s)
    lags = np.array([1, 2, 4, 8, 16])
    measured = np.array([np.mean((delay[lag:] - delay[:-lag]) ** 2) for lag in lags])
    wind = np.hypot(*screen.wind_m_s)
    np.testing.assert_allclose(measured, screen.structure_function_s2(wind * 4.0 * lags), rtol=0.1)


def test_the_wind_carries_the_screen_along(screen):
    wind = np.array(screen.wind_m_s)
    here = np.array([[[0.0, 0.0]], [wind * 100.0]])
    first, moved = screen.delay_s(here, np.array([0.0, 100.0]))[:, 0]
    assert moved == pytest.approx(first)


def test_uvw_has_the_length_of_the_baseline(times):
    uvw = uvw_m(FIELDS[0], times)
    longest = np.linalg.norm(uvw, axis=-1).max()
    assert longest == pytest.approx(217.8e3, rel=0.01)


def test_uvw_of_a_triangle_closes(times):
    uvw = uvw_m(FIELDS[0], times)
    first, second, across = (BASELINES.index(pair) for pair in ((0, 1), (1, 2), (0, 2)))
    np.testing.assert_allclose(uvw[:, first] + uvw[:, second], uvw[:, across], atol=1e-6)


def test_precession_is_a_rotation():
    matrix = precession_matrix(57147.0)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)


def test_precession_moves_the_vernal_equinox_by_50_arcsec_a_year():
    matrix = precession_matrix(51544.5 + 3652.5)
    angle = np.degrees(np.arccos(matrix[0, 0])) * 3600 / 10
    assert angle == pytest.approx(50.3, abs=0.2)


def test_every_scan_of_the_workshop_is_above_ten_degrees():
    preset = load_preset("workshop")
    lowest = min(directions(FIELDS[scan.field], scan.integrations(4.0)[0]).elevation.min() for scan in preset.scans)
    assert np.degrees(lowest) > 10.0


def test_a_point_at_the_phase_centre_has_a_real_visibility_equal_to_its_spectrum(times):
    uvw = uvw_m(FIELDS[3], times)
    seen = visibility_jy(SOURCES[3], uvw, FREQUENCY)
    expected = 1.9012873926908314 * (FREQUENCY / REFERENCE_MHZ / 1e6) ** -0.960845
    np.testing.assert_allclose(seen, np.broadcast_to(expected[None, :, None, :], seen.shape), rtol=1e-5)


def test_an_offset_point_has_the_phase_of_the_direct_sum(times):
    east, north = 1.3, -0.7
    uvw = uvw_m(FIELDS[1], times[:2])
    seen = visibility_jy(Source(1.0, 0.0, (Component(1.0, east, north),)), uvw, FREQUENCY)
    angle = np.radians(np.array([east, north]) / 3600.0)
    toward = np.array([*angle, np.sqrt(1 - angle @ angle) - 1])
    waves = (uvw @ toward)[:, None, :, None] * FREQUENCY[None, :, None, :] / SPEED_OF_LIGHT_M_S
    np.testing.assert_allclose(seen, np.exp(2j * np.pi * waves), atol=1e-4)


def test_a_gaussian_has_half_its_flux_where_the_transform_says(times):
    width = 0.1
    uvw = np.zeros((1, len(BASELINES), 3))
    # exp(-(pi w b)^2 / (4 ln 2)) = 1/2 at b = 2 ln 2 / (pi w) wavelengths.
    wavelength = SPEED_OF_LIGHT_M_S / FREQUENCY[0, 0]
    uvw[..., 0] = 2 * np.log(2) / (np.pi * np.radians(width / 3600)) * wavelength
    seen = visibility_jy(Source(1.0, 0.0, (Component(1.0, fwhm_arcsec=width),)), uvw, FREQUENCY)
    np.testing.assert_allclose(np.abs(seen[0, 0, :, 0]), 0.5, rtol=1e-4)


def test_3c286_is_resolved_as_the_guides_model_says():
    # The guide's model predicts a mean of 2.92 Jy at 3 to 4 million wavelengths where it has 6.67 Jy in all.
    times = load_preset("workshop").scans
    scan = next(scan for scan in times if scan.field == 2)
    uvw = uvw_m(FIELDS[2], scan.integrations(4.0)[0][::20])
    frequency = np.array([[5.5e9, 5.5e9 + 1.0]])
    seen = np.abs(visibility_jy(clean_sources(1.0)[2], uvw, frequency))[:, 0, :, 0]
    total = clean_sources(1.0)[2].spectrum_jy(frequency)[0, 0]
    distance = np.hypot(uvw[..., 0], uvw[..., 1]) * 5.5e9 / SPEED_OF_LIGHT_M_S / 1e6
    assert seen[(distance > 3) & (distance < 4)].mean() / total == pytest.approx(2.92 / 6.67, abs=0.06)


def test_the_resolved_out_fraction_scales_3c286_only():
    kept = [after.scale for after in clean_sources(0.938)]
    assert kept == [1.0, 1.0, 0.938, 1.0, 1.0]


def test_every_source_has_fractions_that_add_up_to_one():
    for source in SOURCES:
        assert sum(component.fraction for component in source.components) == pytest.approx(1.0)


def test_gains_lie_in_the_range_of_the_guides_plots(instrument):
    assert instrument.amplitude.min() > 0.01
    assert instrument.amplitude.max() < 0.06 * 1.1


def test_de_is_the_least_sensitive_antenna_and_cm_the_most(instrument):
    sefd = instrument.sefd_jy.mean(axis=(1, 2))
    assert ANTENNA_NAMES[int(sefd.argmax())] == "De"
    assert ANTENNA_NAMES[int(sefd.argmin())] == "Cm"


def test_cms_two_hands_have_delays_of_opposite_sign(instrument):
    right, left = np.median(instrument.delay_s[ANTENNA_NAMES.index("Cm")], axis=0)
    assert right < 0 < left


def test_the_bandpass_holds_no_delay_of_its_own(instrument):
    alive = living_channels()
    middle = np.arange(64)
    for antenna, spw, hand in np.ndindex(instrument.amplitude.shape):
        phase = np.angle(instrument.bandpass[antenna, spw, alive[spw], hand])
        slope_rad = np.polyfit(middle[alive[spw]], phase, 1)[0]
        assert abs(slope_rad / (2 * np.pi * 2e6) * 1e9) < 0.001


def test_dead_channels_carry_no_signal_and_the_others_do(instrument):
    amplitude = np.abs(instrument.bandpass)
    alive = living_channels()
    for spw in range(4):
        assert amplitude[:, spw, ~alive[spw]].max() < 0.01
        assert amplitude[:, spw, alive[spw]].min() > 0.5


def test_amplitudes_drift_by_three_tenths_of_a_percent_at_most(instrument):
    elapsed = np.linspace(0.0, 50000.0, 200)
    elevation = np.radians(np.linspace(10.0, 90.0, 200))[:, None] * np.ones(6)
    factor = instrument.amplitude_factor(elapsed, elevation)
    assert np.abs(factor - 1.0).max() <= 0.0031


def test_end_channels_scale_outwards():
    assert scaled_dead_channels(0, 64) == ((0, 6), (60, 63))
    assert scaled_dead_channels(0, 16) == ((0, 1), (15, 15))
    assert scaled_dead_channels(3, 16) == ((0, 1),)


def test_the_last_antenna_of_a_scan_arrives_after_36_to_40_seconds():
    late = draw_lateness(stream(0, "lateness"), range(1, 101))
    last = [arrival.max() for arrival in late.values()]
    assert 36.0 <= min(last) < max(last) <= 40.0


def test_an_antenna_that_arrives_in_mid_integration_has_part_of_its_signal():
    fraction = on_source_fraction(np.array([6.0]), np.array([2.0, 6.0, 10.0]), np.full(3, 4.0))
    np.testing.assert_allclose(fraction[:, 0], [0.0, 0.5, 1.0])
