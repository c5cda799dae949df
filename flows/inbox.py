"""What lies in the inbox, and what observation each data set becomes.

A data set is a file or folder in the inbox. Its observation file is ``NAME.yaml`` beside it (NAME with or without its
suffix), ``observation.yaml`` in a folder together with the data, or any YAML file in the inbox whose ``data:`` names
it; without one the roles are ``auto``. A transfer is complete when ``NAME.complete`` stands beside it, ``.complete``
inside it, or nothing has changed for a while. Nothing here writes, and no name, link or YAML leads out of the inbox.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from flows.transfer import MARKER, Watch, inside, is_partial, mark_of, walk
from schemas.errors import CalibrationError, ConfigurationError
from schemas.observation import FIELDS, Observation
from schemas.profiles import explain, parameters
from schemas.service import Entry, EntryState
from tasks.ingest import disk_needed, identify

if TYPE_CHECKING:
    from schemas.service import InboxRules

YAML = (".yaml", ".yml")
INSIDE = "observation.yaml"
"""Name of the observation file in a folder together with the data."""
YAML_BYTES = 2**20
"""Size above which a YAML file is no observation file [bytes]."""
SUFFIXES = (
    ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz", ".tar", ".ms", ".uvfits", ".uvf", ".idifits", ".fits", ".fit", ".idi",
    *YAML,
)  # fmt: skip
"""What is not part of a data set's name."""
FOREIGN = re.compile(r"""[^\w .,+=@()/-]""")
"""Characters that casacore or CASA's selections give a meaning to (``$`` and ``~`` are expanded, ``::`` opens a
subtable), and control characters: a path with one is refused."""


class NotNow(Exception):
    """Raise to say why an entry cannot be calibrated now."""

    def __init__(self, state: EntryState, reason: str) -> None:
        super().__init__(reason)
        self.state: EntryState = state
        self.reason = reason


class Inbox:
    """A folder into which data sets are dropped.

    Parameters
    ----------
    folder
        The folder; it is only read.
    rules
        How data sets become observations.
    """

    def __init__(self, folder: Path, rules: InboxRules) -> None:
        self.folder = folder.expanduser().absolute()
        self.rules = rules
        self._watch = Watch(60.0 * rules.quiet_minutes)
        self._ready_before: dict[Path, tuple[int, Entry]] = {}

    def look(self) -> list[Entry]:
        """Return every data set that lies there, in order of its name.

        Raises
        ------
        ConfigurationError
            The inbox is not there or may not be read.
        """
        try:
            entries = sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            msg = f"the inbox {self.folder} cannot be read: {error.strerror}. Make it, or name another with --inbox."
            raise ConfigurationError(msg) from error
        entries = [path for path in entries if not path.name.endswith(MARKER)]
        files = {path for path in entries if path.suffix.lower() in YAML and not path.is_dir()}
        sets = tuple(f"{path.name}." for path in entries if stem(path.name) != path.name)
        # What is called night1.ms.something belongs to night1.ms: flag commands, flag versions.
        data = [path for path in entries if path not in files and not path.name.startswith(sets)]
        described = {path: yamls_of(path, files) for path in data}
        orphans = sorted(files - {file for found in described.values() for file in found})
        for file in [*orphans]:
            target = self._target(file)
            if target in described:
                described[target].append(file)
                orphans.remove(file)
        found = [self._entry(path, yamls) for path, yamls in described.items()]
        return found + [self._orphan(file) for file in orphans]

    def _target(self, file: Path) -> Path | None:
        """Return the inbox entry that an observation file names as its data."""
        try:
            content = read_yaml(file) if inside(file, self.folder) else {}
        except NotNow:
            return None
        path = Path(str(content.get("data", ""))).expanduser()
        try:
            relative = (self.folder / path).relative_to(self.folder)
        except ValueError:
            return None
        first = self.folder / relative.parts[0] if relative.parts and relative.parts[0] != ".." else None
        return first if first is not None and first.exists() and first != file else None

    def _orphan(self, file: Path) -> Entry:
        """Return the entry of an observation file whose data are not in sight: elsewhere, hidden, or not there yet."""
        try:
            self._whole(file, [file])
            content = read_yaml(file)
            data = self._elsewhere(content)
            self._whole(file, [file, data])
            return self._ready(file, data, content, file)
        except (NotNow, CalibrationError, OSError) as error:
            return not_ready([file], error)

    def _elsewhere(self, content: dict[str, Any]) -> Path:
        """Return the data of an observation file that names none of the inbox's entries."""
        given = str(content.get("data", ""))
        data = self.folder / Path(given).expanduser()
        if not self.rules.allow_outside and not Path(os.path.realpath(data)).is_relative_to(self.folder.resolve()):
            raise NotNow("refused", f"its data: {shown(given)!r} lie outside the inbox")
        if not given or not data.exists():
            raise NotNow("waiting", f"its data: {shown(given)!r} are not there yet")
        return data

    def _entry(self, path: Path, yamls: list[Path]) -> Entry:
        try:
            signature = self._whole(path, [path, *yamls])
            known = self._ready_before.get(path)
            if known is None or known[0] != signature:
                file = only_one(yamls)
                content: dict[str, Any] = read_yaml(file) if file is not None else {}
                known = signature, self._ready(path, self._data(path, file, content), content, file)
                self._ready_before[path] = known  # the night looks every few seconds; only names and times, from now on
            return known[1]
        except (NotNow, CalibrationError, OSError) as error:
            return not_ready([path, *yamls], error)

    def _whole(self, path: Path, parts: list[Path]) -> int:
        """Return a signature of what lies there; raise where it is not complete, leads outside or is no file."""
        if is_partial(path.name):
            raise NotNow("waiting", "its name says that the transfer is not complete")
        for part in parts:  # before it is walked: it may lead to the root of the file system
            if part.is_symlink() and not self.rules.allow_outside and not inside(part, self.folder):
                raise NotNow("refused", f"the link {shown(part.name)} leads outside the inbox, or nowhere")
        trees = [walk(part, self.folder) for part in parts]
        outside = [name for tree in trees for name in tree.outside]
        if outside and not self.rules.allow_outside:
            raise NotNow("refused", f"the link {shown(outside[0])} leads outside the inbox, or nowhere")
        special = [name for tree in trees for name in tree.special]
        if special:
            raise NotNow("refused", f"{shown(special[0])} is neither a file nor a folder")
        remaining = self._watch.remaining(path, trees)
        if remaining > 0:
            raise NotNow("waiting", f"the transfer counts as complete after {remaining / 60:.1f} min without a change")
        return hash(tuple(tree.signature for tree in trees))

    def _data(self, path: Path, file: Path | None, content: dict[str, Any]) -> Path:
        """Return the data of an entry: as its file says, itself, or the one thing in a folder."""
        if "data" in content:
            base = file.parent if file is not None else path
            return base / Path(str(content["data"])).expanduser()
        if not path.is_dir() or (path / "table.dat").is_file():
            return path
        parts = [part for part in path.iterdir() if not part.name.startswith(".") and part.suffix.lower() not in YAML]
        return parts[0] if len(parts) == 1 else path

    def _ready(self, path: Path, data: Path, content: dict[str, Any], file: Path | None) -> Entry:
        self._check_place(data, "data")
        where = str(data.absolute().relative_to(self.folder)) if data.is_relative_to(self.folder) else str(data)
        odd = FOREIGN.search(where) or (re.search("[\ud800-\udfff]", where))
        if odd:
            raise NotNow("refused", f"the character {shown(odd[0])!r} in the name has a meaning to CASA; rename it")
        try:
            observation = self._observation(path, data, content, file)
        except ConfigurationError as error:
            raise NotNow("refused", str(error)) from error
        source = identify(observation.data)
        return Entry(
            entry=shown(path.name),
            state="ready",
            observation=observation,
            named="name" in content,
            fingerprint=source.fingerprint,
            key=key_of(observation, source.fingerprint, named="name" in content),
            needs_bytes=disk_needed(source),
        )

    def _observation(self, path: Path, data: Path, content: dict[str, Any], file: Path | None) -> Observation:
        overrides = content.get("overrides") or {}
        fields = {
            "profile": self.rules.profile,
            "recipients": self.rules.recipients,
            **content,
            "name": content.get("name", safe_name(path.name)),
            "data": Path(os.path.realpath(data)) if ".." in data.parts else data.absolute(),
            "overrides": {**self.rules.overrides, **overrides} if isinstance(overrides, dict) else overrides,
        }
        try:
            observation = Observation.model_validate(fields)
        except ValidationError as error:
            raise NotNow("refused", explain(error, "field", FIELDS)) from error
        return self._with_own_files(observation, file.parent if file is not None else self.folder)

    def _with_own_files(self, observation: Observation, base: Path) -> Observation:
        """Return the observation with the files its overrides name made absolute, after checking where they lie."""
        asked = parameters(observation.profile, observation.overrides)
        changed = {**observation.overrides}
        for name, path in (("flag.bad_times", asked.flag.bad_times), ("model.model", asked.model.image)):
            if path is not None and name in changed and changed[name] != self.rules.overrides.get(name):
                absolute = (base / path.expanduser()).absolute()
                self._check_place(absolute, name)
                changed[name] = str(absolute)
        return observation.evolve(overrides=changed)

    def _check_place(self, path: Path, what: str) -> None:
        if not self.rules.allow_outside and not inside(path, self.folder):
            raise NotNow("refused", f"{what}: {shown(str(path))!r} is not inside the inbox, or not there")


def yamls_of(path: Path, files: set[Path]) -> list[Path]:
    """Return the observation files of a data set, by their names."""
    names = {path.name, stem(path.name)}
    found = sorted(file for file in files if file.stem in names)
    own = path / INSIDE
    return [*found, own] if path.is_dir() and own.is_file() else found


def only_one(yamls: list[Path]) -> Path | None:
    """Return the one observation file of a data set, or None where there is none."""
    if len(yamls) > 1:
        listed = ", ".join(shown(file.name) for file in yamls)
        raise NotNow("refused", f"several observation files are for it ({listed}); keep one")
    return yamls[0] if yamls else None


def read_yaml(file: Path) -> dict[str, Any]:
    """Read an observation file's fields.

    Raises
    ------
    NotNow
        It is too large, is not YAML, uses aliases (a short file can grow without bound through them), or has no fields.
    """
    if not file.is_file() or file.stat().st_size > YAML_BYTES:  # a pipe would be waited for
        raise NotNow("refused", f"{shown(file.name)} is no observation file: no file, or too large")
    try:
        text = file.read_text(encoding="utf-8")
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise NotNow("refused", f"{shown(file.name)} uses a YAML alias (*name); write the value out")
        content = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise NotNow("refused", f"{shown(file.name)} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise NotNow("refused", f"{shown(file.name)} holds no fields")
    return {str(name): value for name, value in content.items()}


def not_ready(parts: list[Path], error: Exception) -> Entry:
    """Return the entry of a data set (and its observation files) that cannot be calibrated now, with the reason."""
    state: EntryState = error.state if isinstance(error, NotNow) else "unreadable"
    reason = shown(str(error), 500)
    return Entry(entry=shown(parts[0].name), state=state, reason=reason, fingerprint=mark_of(parts))


def stem(name: str) -> str:
    """Return a data set's name without the suffix of its format."""
    lower = name.lower()
    return next((name[: -len(suffix)] for suffix in SUFFIXES if lower.endswith(suffix) and name != suffix), name)


def safe_name(name: str) -> str:
    """Return a valid observation name for an inbox entry; where characters had to go, a hash keeps it unique."""
    wanted = stem(name)
    plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.+-]+", "_", plain).lstrip("_.+-")[:80]
    return plain if plain == wanted else marked_name(plain, name)


def marked_name(plain: str, entry: str) -> str:
    """Return `plain` with a short hash of the inbox entry's own name, so that no two entries share it."""
    return f"{plain or 'data'}-{hashlib.sha256(entry.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def shown(text: str, length: int = 200) -> str:
    """Return text from outside as one printable line, cut to `length`."""
    line = "".join(
        character if character.isprintable() else character.encode("unicode_escape", "backslashreplace").decode()
        for character in text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )
    return line if len(line) <= length else f"{line[: length - 3]}..."


def key_of(observation: Observation, fingerprint: str, *, named: bool) -> str:
    """Return the hash of content and configuration: what is processed once.

    Whom the report goes to is not part of it, nor the name where it was made from the file's.
    """
    left_out = {"data", "recipients"} | (set() if named else {"name"})
    configuration = observation.model_dump(mode="json", exclude=left_out)
    text = json.dumps([fingerprint, configuration], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
