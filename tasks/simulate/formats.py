"""Other formats of a simulated observation: UVFITS in one file, FITS-IDI in one file per source as e-MERLIN delivers.

FITS-IDI after AIPS Memo 114 (Greisen 2016), written with astropy; both run inside a CASA child.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.simulate.geometry import SECONDS_PER_DAY, UT1_MINUS_UTC_S, sidereal_angle
from tasks.simulate.observatory import SPEED_OF_LIGHT_M_S, SPW_BANDWIDTH_HZ
from tasks.simulate.read import read_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

JD_OF_MJD_0 = 2400000.5
"""Julian date of modified Julian date 0."""

TELESCOPE = "e-MERLIN"
"""Name of the array in the headers; CASA's Observatories table knows it."""

TAI_MINUS_UTC_S = 35.0
"""TAI - UTC from July 2012 to June 2015 [s]: IERS Bulletin C 43."""

# AIPS order RR, LL, RL, LR (Stokes -1 to -4) out of CASA's RR, RL, LR, LL.
_STOKES = (0, 3, 1, 2)

_SIDEREAL_DEGREES_PER_DAY = 360.9856449733
_NAME_LENGTH = 16


def write_uvfits(measurement_set: Path | str, out: Path | str) -> str:
    """Write a whole MeasurementSet as multi-source UVFITS, its spectral windows as IFs; return the file's path.

    The format's times have 2 ms steps over a night, and ``importuvfits`` names antennas by number, with their names as
    stations.
    """
    import casatasks

    casatasks.exportuvfits(
        vis=str(measurement_set),
        fitsfile=str(out),
        datacolumn="data",
        multisource=True,
        combinespw=True,
        writestation=False,
        overwrite=False,
    )
    return str(out)


def write_fits_idi(measurement_set: Path | str, folder: Path | str) -> list[str]:
    """Write a simulated MeasurementSet as FITS-IDI, one file per source that has data.

    Visibilities are conjugated and uvw given in seconds, which is the convention of the format as ``importfitsidi``
    reads it. A whole source is held in memory. Every file carries the whole SOURCE table, so that IDs agree.

    Parameters
    ----------
    measurement_set
        As `tasks.simulate.simulate_observation` wrote it.
    folder
        Where the files go; made where it is missing.

    Returns
    -------
    Paths of the files, by source.
    """
    from astropy.io import fits  # type: ignore[import-untyped, unused-ignore]

    vis, target = Path(measurement_set), Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    common = _Common(vis)
    written = []
    for field, name in enumerate(common.field_names):
        columns = _visibilities(vis, field, common)
        if columns is None:
            continue
        path = target / f"{name}.fits"
        tables = (common.array_geometry(), common.sources(), common.frequencies(), common.antennas())
        hdus = [_primary(common), *(_table(*table, common) for table in tables), _uv_data(columns, common)]
        fits.HDUList(hdus).writeto(path)
        written.append(str(path))
    return written


class _Common:
    """What all tables of all files share: read once from the MeasurementSet's subtables."""

    def __init__(self, vis: Path) -> None:
        antenna = read_columns(vis / "ANTENNA", ("NAME", "POSITION", "DISH_DIAMETER"))
        field = read_columns(vis / "FIELD", ("NAME", "PHASE_DIR"))
        window = read_columns(vis / "SPECTRAL_WINDOW", ("CHAN_FREQ", "CHAN_WIDTH"))
        self.start_s = float(read_columns(vis / "OBSERVATION", ("TIME_RANGE",))["TIME_RANGE"].min())
        self.antenna_names = [str(name) for name in antenna["NAME"]]
        self.positions_m: NDArray[np.float64] = antenna["POSITION"]
        self.diameters_m: NDArray[np.float64] = antenna["DISH_DIAMETER"]
        self.field_names = [str(name) for name in field["NAME"]]
        self.directions_rad: NDArray[np.float64] = field["PHASE_DIR"].reshape(-1, 2)
        self.first_channels_hz: NDArray[np.float64] = window["CHAN_FREQ"][:, 0]
        self.n_bands, self.n_channels = window["CHAN_FREQ"].shape
        self.width_hz = float(window["CHAN_WIDTH"][0, 0])

    @property
    def day_s(self) -> float:
        """Midnight before the first integration [MJD seconds]: the reference date of all times."""
        return float(np.floor(self.start_s / SECONDS_PER_DAY) * SECONDS_PER_DAY)

    @property
    def date(self) -> str:
        """The reference date, as FITS writes it."""
        return str(np.datetime64("1858-11-17") + np.timedelta64(int(self.day_s // SECONDS_PER_DAY), "D"))

    def mandatory(self, revision: int) -> dict[str, Any]:
        """Keywords that every table has (AIPS Memo 114, section 2.2)."""
        return {
            "TABREV": revision,
            "OBSCODE": "GATECAL",
            "RDATE": self.date,
            "NO_STKD": 4,
            "STK_1": -1,
            "NO_BAND": self.n_bands,
            "NO_CHAN": self.n_channels,
            "REF_FREQ": float(self.first_channels_hz[0]),
            "CHAN_BW": self.width_hz,
            "REF_PIXL": 1.0,
        }

    def array_geometry(self) -> tuple[str, dict[str, Any], list[tuple[str, str, Any]]]:
        """ARRAY_GEOMETRY: section 3.1."""
        n = len(self.antenna_names)
        keywords = self.mandatory(1) | {
            "ARRNAM": TELESCOPE,
            "FRAME": "GEOCENTRIC",
            "ARRAYX": 0.0,
            "ARRAYY": 0.0,
            "ARRAYZ": 0.0,
            "NUMORB": 0,
            "FREQ": float(self.first_channels_hz[0]),
            "TIMESYS": "UTC",
            "GSTIA0": float(np.degrees(sidereal_angle(np.array([self.day_s]))[0])),
            "DEGPDY": _SIDEREAL_DEGREES_PER_DAY,
            "UT1UTC": UT1_MINUS_UTC_S,
            "IATUTC": TAI_MINUS_UTC_S,
            "POLARX": 0.0,
            "POLARY": 0.0,
        }
        columns = [
            ("ANNAME", "8A", np.array(self.antenna_names)),
            ("STABXYZ", "3D", self.positions_m),
            ("DERXYZ", "3E", np.zeros((n, 3))),
            ("NOSTA", "1J", np.arange(1, n + 1)),
            ("MNTSTA", "1J", np.zeros(n, dtype=np.int32)),
            ("STAXOF", "3E", np.zeros((n, 3))),
            ("DIAMETER", "1E", self.diameters_m),
        ]
        return "ARRAY_GEOMETRY", keywords, columns

    def sources(self) -> tuple[str, dict[str, Any], list[tuple[str, str, Any]]]:
        """SOURCE: section 3.2; positions at J2000 only."""
        n, bands = len(self.field_names), self.n_bands
        ra, dec = np.degrees(self.directions_rad).T
        nothing = np.zeros((n, bands))
        columns: list[tuple[str, str, Any]] = [
            ("SOURCE_ID", "1J", np.arange(1, n + 1)),
            ("SOURCE", f"{_NAME_LENGTH}A", np.array(self.field_names)),
            ("QUAL", "1J", np.zeros(n, dtype=np.int32)),
            ("CALCODE", "4A", np.array([""] * n)),
            ("FREQID", "1J", np.ones(n, dtype=np.int32)),
            *((name, f"{bands}E", nothing) for name in ("IFLUX", "QFLUX", "UFLUX", "VFLUX", "ALPHA", "FREQOFF")),
            ("RAEPO", "1D", np.mod(ra, 360.0)),
            ("DECEPO", "1D", dec),
            ("EQUINOX", "8A", np.array(["J2000"] * n)),
            ("RAAPP", "1D", np.mod(ra, 360.0)),
            ("DECAPP", "1D", dec),
            ("SYSVEL", f"{bands}D", nothing),
            ("VELTYP", "8A", np.array(["TOPOCENT"] * n)),
            ("VELDEF", "8A", np.array(["RADIO"] * n)),
            ("RESTFREQ", f"{bands}D", nothing + self.first_channels_hz),
            ("PMRA", "1D", np.zeros(n)),
            ("PMDEC", "1D", np.zeros(n)),
            ("PARALLAX", "1E", np.zeros(n)),
        ]
        return "SOURCE", self.mandatory(1), columns

    def frequencies(self) -> tuple[str, dict[str, Any], list[tuple[str, str, Any]]]:
        """FREQUENCY: section 3.3; one setup."""
        bands = self.n_bands
        columns = [
            ("FREQID", "1J", np.array([1])),
            ("BANDFREQ", f"{bands}D", (self.first_channels_hz - self.first_channels_hz[0])[None]),
            ("CH_WIDTH", f"{bands}E", np.full((1, bands), self.width_hz)),
            ("TOTAL_BANDWIDTH", f"{bands}E", np.full((1, bands), SPW_BANDWIDTH_HZ)),
            ("SIDEBAND", f"{bands}J", np.ones((1, bands), dtype=np.int32)),
        ]
        return "FREQUENCY", self.mandatory(2), columns

    def antennas(self) -> tuple[str, dict[str, Any], list[tuple[str, str, Any]]]:
        """ANTENNA: section 3.4; circular hands, four-bit samples."""
        n, bands = len(self.antenna_names), self.n_bands
        columns = [
            ("TIME", "1D", np.zeros(n)),
            ("TIME_INTERVAL", "1E", np.full(n, 2.0)),
            ("ANNAME", "8A", np.array(self.antenna_names)),
            ("ANTENNA_NO", "1J", np.arange(1, n + 1)),
            ("ARRAY", "1J", np.ones(n, dtype=np.int32)),
            ("FREQID", "1J", np.ones(n, dtype=np.int32)),
            ("NO_LEVELS", "1J", np.full(n, 16)),
            ("POLTYA", "1A", np.array(["R"] * n)),
            ("POLAA", f"{bands}E", np.zeros((n, bands))),
            ("POLTYB", "1A", np.array(["L"] * n)),
            ("POLAB", f"{bands}E", np.zeros((n, bands))),
        ]
        return "ANTENNA", self.mandatory(1) | {"NOPCAL": 0, "POLTYPE": "APPROX"}, columns


def _primary(common: _Common) -> Any:  # noqa: ANN401 - astropy carries no types
    """Make the empty primary HDU, with GROUPS = T (AIPS Memo 114, section 2.1)."""
    from astropy.io import fits

    hdu = fits.PrimaryHDU()
    hdu.header["EXTEND"] = True
    hdu.header["GROUPS"] = True
    hdu.header["GCOUNT"] = 0
    hdu.header["PCOUNT"] = 0
    hdu.header["CORRELAT"] = "WIDAR"
    hdu.header["TELESCOP"] = TELESCOPE
    hdu.header["DATE-OBS"] = common.date
    return hdu


def _table(name: str, keywords: dict[str, Any], columns: list[tuple[str, str, Any]], common: _Common) -> Any:  # noqa: ANN401
    from astropy.io import fits

    made = [fits.Column(name=label, format=kind, array=values) for label, kind, values in columns]
    hdu = fits.BinTableHDU.from_columns(made, name=name, ver=1)
    hdu.header["TELESCOP"] = TELESCOPE
    hdu.header["DATE-OBS"] = common.date
    for keyword, value in keywords.items():
        hdu.header[keyword] = value
    return hdu


def _visibilities(vis: Path, field: int, common: _Common) -> list[tuple[str, str, Any]] | None:
    """Columns of UV_DATA for one source, bands side by side in each row; None where it has no data."""
    names = ("TIME", "INTERVAL", "UVW", "ANTENNA1", "ANTENNA2", "DATA", "WEIGHT", "FLAG", "DATA_DESC_ID")
    raw = read_columns(vis, names, f"FIELD_ID=={field}")
    if raw["TIME"].size == 0:
        return None
    bands = common.n_bands
    order = np.lexsort((raw["DATA_DESC_ID"], raw["ANTENNA2"], raw["ANTENNA1"], raw["TIME"]))
    by_row = {name: values[order].reshape(-1, bands, *values.shape[1:]) for name, values in raw.items()}
    first = {name: values[:, 0] for name, values in by_row.items()}
    # importfitsidi multiplies weights by 2 bandwidth time, and flags where they are not positive.
    scale = 2.0 * common.width_hz * by_row["INTERVAL"][..., None]
    sign = np.where(by_row["FLAG"].all(axis=2), -1.0, 1.0)
    data = np.conj(by_row["DATA"][..., _STOKES])
    flux = np.stack([data.real, data.imag], axis=-1).astype(np.float32).reshape(data.shape[0], -1)
    rows = data.shape[0]
    day = np.floor(first["TIME"] / SECONDS_PER_DAY)
    uvw = first["UVW"] / SPEED_OF_LIGHT_M_S
    return [
        ("UU", "1D", uvw[:, 0]),
        ("VV", "1D", uvw[:, 1]),
        ("WW", "1D", uvw[:, 2]),
        ("DATE", "1D", day + JD_OF_MJD_0),
        ("TIME", "1D", first["TIME"] / SECONDS_PER_DAY - day),
        ("BASELINE", "1J", 256 * (first["ANTENNA1"] + 1) + first["ANTENNA2"] + 1),
        ("SOURCE_ID", "1J", np.full(rows, field + 1)),
        ("FREQID", "1J", np.ones(rows, dtype=np.int32)),
        ("INTTIM", "1E", first["INTERVAL"]),
        ("WEIGHT", f"{4 * bands}E", (sign * by_row["WEIGHT"] / scale)[..., _STOKES].reshape(rows, -1)),
        ("FLUX", f"{flux.shape[1]}E", flux),
    ]


def _uv_data(columns: list[tuple[str, str, Any]], common: _Common) -> Any:  # noqa: ANN401
    """UV_DATA: section 3.5; the axes of the last column in the order complex, Stokes, frequency, band, RA, Dec."""
    ra, dec = np.degrees(common.directions_rad[0])
    axes = (
        ("COMPLEX", 2, 1.0, 1.0, 1.0),
        ("STOKES", 4, -1.0, 1.0, -1.0),
        ("FREQ", common.n_channels, float(common.first_channels_hz[0]), 1.0, common.width_hz),
        ("BAND", common.n_bands, 1.0, 1.0, 1.0),
        ("RA", 1, float(ra % 360.0), 1.0, 1.0),
        ("DEC", 1, float(dec), 1.0, 1.0),
    )
    keywords = common.mandatory(2) | {"NMATRIX": 1, "MAXIS": len(axes), "WEIGHTYP": "NORMAL"}
    # importfitsidi calls the frequencies geocentric all the same (6.7.0), as it does with the observatories' own files.
    keywords |= {"SORT": "T*", "SPECSYS": "TOPOCENT", "VIS_SCAL": 1.0}
    for number, (kind, length, value, pixel, step) in enumerate(axes, start=1):
        keywords |= {
            f"MAXIS{number}": length,
            f"CTYPE{number}": kind,
            f"CRVAL{number}": value,
            f"CRPIX{number}": pixel,
            f"CDELT{number}": step,
        }
    keywords[f"TMATX{len(columns)}"] = True
    return _table("UV_DATA", keywords, columns, common)
