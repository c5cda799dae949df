"""The folders of one observation's workspace, and files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.observation import REQUEST
from schemas.whole import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

HASHED_WHOLE_BYTES = 64 * 2**20
"""Outputs up to this size are fingerprinted by content, larger ones by file names and sizes [bytes]."""


@dataclass(frozen=True)
class Workspace:
    """Where everything of one observation lives.

    Attributes
    ----------
    root
        ``<workspace>/<observation name>``, absolute.
    """

    root: Path

    @property
    def ms(self) -> Path:
        """Folder of the working MeasurementSet and its flag versions."""
        return self.root / "ms"

    @property
    def vis(self) -> Path:
        """The working MeasurementSet."""
        return self.ms / f"{self.root.name}.ms"

    @property
    def caltables(self) -> Path:
        """Solution tables."""
        return self.root / "caltables"

    @property
    def products(self) -> Path:
        """Calibrated targets and images."""
        return self.root / "products"

    @property
    def records(self) -> Path:
        """Tables of numbers (CSV) that gates and report read without CASA."""
        return self.root / "records"

    @property
    def plots(self) -> Path:
        """Pictures, and an index of each maker's."""
        return self.root / "plots"

    @property
    def logs(self) -> Path:
        """One CASA log per call."""
        return self.root / "logs"

    @property
    def ledger(self) -> Path:
        """What was done."""
        return self.root / "ledger.json"

    @property
    def outcome(self) -> Path:
        """What the last run came to."""
        return self.root / "outcome.json"

    @property
    def report(self) -> Path:
        """The last run's report, for people."""
        return self.root / "report.html"

    @property
    def request(self) -> Path:
        """The observation file that reproduces the last run."""
        return self.root / REQUEST

    @property
    def fluxes(self) -> Path:
        """Flux densities per calibrator and spw."""
        return self.root / "fluxes.csv"

    def create(self) -> None:
        """Make the folders that are not there yet."""
        for folder in (self.ms, self.caltables, self.products, self.records, self.plots, self.logs):
            folder.mkdir(parents=True, exist_ok=True)

    def relative(self, path: Path) -> Path:
        """Return `path` relative to the workspace, as records keep it."""
        return path.relative_to(self.root)

    def save_frame(self, name: str, frame: pd.DataFrame) -> Path:
        """Write a table of numbers to ``records/<name>.csv``; return its path relative to the workspace."""
        path = self.records / f"{name}.csv"
        write_whole(path, frame.to_csv(index=False))
        return self.relative(path)

    def load_frame(self, path: Path) -> pd.DataFrame:
        """Read a table of numbers; an empty text cell is an empty string, an empty number NaN."""
        import pandas as pd

        # Only in numbers is an empty cell a missing one: an antenna may be called NA, a field 0319, and both stay text.
        texts = ("field", "antenna", "polarisation", "correlation")
        numbers = [name for name in pd.read_csv(self.root / path, nrows=0).columns if name not in texts]
        return pd.read_csv(
            self.root / path,
            dtype=dict.fromkeys(texts, "object"),
            keep_default_na=False,
            na_values={name: ["", "nan"] for name in numbers},
        )


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def replace_whole(partial: Path, final: Path) -> None:
    """Rename a finished file or folder to its final name, removing what stood there."""
    remove(final)
    partial.replace(final)


def fingerprint(path: Path) -> str | None:
    """Return a hash that changes when a file or folder does; None if it is not there.

    CASA's ``table.lock`` files are left out: reading a table touches them.
    """
    if not path.exists():
        return None
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.name != "table.lock")
    sizes = [(str(file.relative_to(path.parent)), file.stat().st_size) for file in files]
    digest = hashlib.sha256(repr(sizes).encode())
    if sum(size for _, size in sizes) <= HASHED_WHOLE_BYTES:
        for file in files:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:32]
