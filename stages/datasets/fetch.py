"""Fetch an official data set and check it: from a mirror, from its own site, or from archives that somebody has put into data/archives/."""

import gzip
import json
import os
import posixpath
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Self

from stages.core.errors import UserError
from stages.core.files import md5, sha256

ARCHIVES = Path("data/archives")
FREE = "free download"  # how `access` begins where this program can fetch the archives itself
# What Windows and macOS leave in folders: BSDS500's archive has some, a copy may have none, and a folder's checksum covers all files.
JUNK = ("Thumbs.db", ".DS_Store", "._*")


@dataclass(frozen=True)
class Archive:
    """A file to fetch: a tar or zip archive, of which `files` are taken, or a plain file that is put under the name `place`.

    Of one that is at no address, so that somebody has to make it or to ask for it, `url` is the name alone.
    `files` maps files and folders of the unpacked layout to their md5, a folder's as `stages.core.files.md5` has it. What is not known
    is None; of `sha256` the first digits may be known. An archive whose files are in no folder is unpacked into `folder`.
    """

    url: str
    md5: str | None
    size: int | None
    sha256: str | None = None
    files: dict[str, str | None] = field(default_factory=dict)
    place: str | None = None
    folder: str = ""

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]

    @property
    def checksum(self) -> str:
        """The best checksum there is, in words; empty where none is known."""
        if self.md5:
            return f"md5 {self.md5}"
        return f"sha256 {self.sha256}{'...' if len(self.sha256) < 64 else ''}" if self.sha256 else ""

    def fault(self, file: Path) -> str:
        """What shows that `file` is not the published one: by checksum, else by size; empty where nothing does."""
        if self.checksum:
            same = md5(file) == self.md5 if self.md5 else sha256(file).startswith(self.sha256 or "")
            return "" if same else "its {} is not {}".format(*self.checksum.split())
        return "" if self.size in (None, file.stat().st_size) else f"it has {file.stat().st_size} bytes, not {self.size}"

    def verdicts(self, out: Path) -> dict[str, bool | None]:
        """Whether each of its files below `out` is the official one; None where no checksum tells."""
        if self.place:
            return {self.place: not self.fault(out / self.place) if self.checksum else None}
        return {item: md5(out / item) == known if known else None for item, known in self.files.items()}


@dataclass(frozen=True)
class Source:
    """An entry of workflow/sources.yaml.

    `optional` maps files and folders that a copy of the data set may have, or not, to what the provenance says of them.
    """

    title: str
    page: str
    licence: str
    access: str
    archives: list[Archive]
    optional: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Self:
        """What the entry says of where the set comes from; its other keys are not for here."""
        own = {field.name: entry[field.name] for field in fields(cls) if field.name in entry}
        return cls(**own | {"archives": [Archive(**archive) for archive in entry["archives"]]})

    def by_hand(self, *archives: Archive) -> str:
        """How to get these archives (all, if none is given) where this program cannot."""
        wanted = []
        for archive in archives or self.archives:
            size = f"{archive.size / 1e6:.0f} MB" if archive.size else ""
            facts = ", ".join(filter(None, [size, archive.checksum]))
            wanted.append(f"{archive.url} ({facts})" if facts else archive.url)
        how = "" if self.access == FREE else f", {self.access},"
        it = "it" if len(wanted) == 1 else "them"
        return f"get {' and '.join(wanted)}{how} and put {it} into {ARCHIVES}/, or set THESIS_MIRROR to a mirror that has it"


def fetch(name: str, source: Source, out: Path, mirror: str | None) -> tuple[str, str]:
    """Put the data set's files under `out`; return its kind (official, unverified or altered) and a note."""
    if mirror:
        return from_mirror(name, source, out, Path(mirror).expanduser())
    verdicts: dict[str, bool | None] = {}
    for archive in source.archives:
        file = download(source, archive)
        if archive.place:
            copy(file, out / archive.place)
        else:
            unpack(file, [*archive.files, *source.optional], out, archive.folder)
            if missing := [item for item in archive.files if not (out / item).exists()]:
                raise UserError(f"{file} has no {', '.join(missing)}: {source.by_hand(archive)}")
        found = archive.verdicts(out)
        if wrong := [item for item, same in found.items() if same is False]:
            raise UserError(f"{source.title}: {', '.join(wrong)} in the archive differ from the official ones: {source.by_hand(archive)}")
        # What comes from an archive with the published checksum is official without one of its own.
        verdicts |= dict.fromkeys(found, True) if archive.checksum else found
    return judged(source, out, verdicts)


def from_mirror(name: str, source: Source, out: Path, mirror: Path) -> tuple[str, str]:
    """Copy from `mirror`/`name`, whose files must be those of the mirror's SHA256SUMS; official if their md5 is the published one."""
    inside = os.path.relpath(mirror)  # by name, links and all, as the contract judges it
    if not inside.startswith(("..", str(ARCHIVES))):
        raise UserError(f"the mirror {mirror} lies in the project, where a stage reads its deps only: move it out, or into {ARCHIVES}/")
    place = mirror / name
    if not place.is_dir():
        raise UserError(f"the mirror {mirror} has no {name}: {source.by_hand()}")
    sums = mirror / "SHA256SUMS"
    if not sums.is_file():
        raise UserError(
            f"the mirror {mirror} has no SHA256SUMS, so its files cannot be checked: write it with `sha256sum` over all its files"
        )
    expected = {line[66:].removeprefix("./"): line[:64] for line in sums.read_text().splitlines()}
    items = [(item, archive) for archive in source.archives for item in ([archive.place] if archive.place else archive.files)]
    wanted = {file: source.by_hand(archive) for item, archive in items for file in below(place, item, expected)}
    wanted |= {file: source.by_hand() for item in source.optional if (place / item).exists() for file in below(place, item, expected)}
    for file, by_hand in wanted.items():
        if not (place / file).is_file():
            raise UserError(f"the mirror {mirror} lacks {name}/{file}: {by_hand}")
        if f"{name}/{file}" not in expected:
            raise UserError(f"{sums} does not list {name}/{file}, so it cannot be checked: write it with `sha256sum` over all files")
        if expected[f"{name}/{file}"] != sha256(place / file):
            raise UserError(f"{place / file} differs from the mirror's SHA256SUMS: the mirror is damaged, or was changed; make it again")
        copy(place / file, out / file)
    verdicts = {item: same for archive in source.archives for item, same in archive.verdicts(out).items()}
    return judged(source, out, verdicts, said_by(mirror, name))


def below(place: Path, item: str, expected: Collection[str]) -> list[str]:
    """The files of `place`/`item`, by name below `place`: itself, or those that a folder has or, by `expected`, should have."""
    found = {file.relative_to(place).as_posix() for file in (place / item).rglob("*") if not file.is_dir()}
    listed = {file.removeprefix(f"{place.name}/") for file in expected if file.startswith(f"{place.name}/{item}/")}
    return [file for file in sorted(found | listed) if not is_junk(file)] or [item]


def said_by(mirror: Path, name: str) -> str:
    """What the mirror's MANIFEST.json says of the data set; empty where it has none."""
    try:
        return str(json.loads((mirror / "MANIFEST.json").read_text())[name])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def judged(source: Source, out: Path, verdicts: dict[str, bool | None], about: str = "") -> tuple[str, str]:
    """The kind and the note that these verdicts make; `about` is what a mirror says of files that are not known to be official."""
    unknown = [item for item, same in verdicts.items() if same is None]
    words = []
    if False in verdicts.values():
        words += ["from a mirror whose files differ from the official ones"]
    if unknown:
        words += [f"checksum not known, so not verified to be official: {', '.join(unknown)}"]
    if about and words:
        words += [f"the mirror says: {about}"]
    words += [f"{item}: {text}" for item, text in source.optional.items() if (out / item).exists()]
    kind = "official" if all(verdicts.values()) else "altered" if False in verdicts.values() else "unverified"
    return kind, "; ".join([f"{source.title}, official files" if kind == "official" else f"{source.title}, {words.pop(0)}", *words])


def download(source: Source, archive: Archive) -> Path:
    """The official archive, checked, in data/archives/; an interrupted download is taken up where it stopped."""
    import pooch
    import requests

    file = ARCHIVES / archive.name
    by_hand = source.by_hand(archive)
    ARCHIVES.mkdir(parents=True, exist_ok=True)
    if file.exists():
        if fault := archive.fault(file):
            raise UserError(f"{file} is truncated or damaged ({fault}): delete it and run again, or {by_hand}")
        return file
    if not source.access.startswith(FREE) or "://" not in archive.url:
        raise UserError(f"{source.title} cannot be fetched by this program: {by_hand}")
    known = archive.checksum.replace(" ", ":")
    try:
        pooch.retrieve(archive.url, None if known.endswith("...") else known or None, archive.name, ARCHIVES, downloader=resume)
    except requests.RequestException as error:
        reason = str(error.response.status_code) if error.response is not None else type(error).__name__
        raise UserError(f"{source.title} could not be downloaded ({reason}): {by_hand}") from error
    except ValueError as error:
        raise UserError(f"what {archive.url} sent does not have the {archive.checksum}: {by_hand}") from error
    if fault := archive.fault(file):
        file.unlink()
        raise UserError(f"what {archive.url} sent is not the published file ({fault}): {by_hand}")
    return file


def resume(url: str, output_file: str, _pooch: object) -> None:
    """A downloader for pooch that keeps what it has in a .part file, and asks for the rest next time."""
    import requests
    import urllib3
    from tqdm import tqdm

    part = ARCHIVES / (url.rsplit("/", 1)[1] + ".part")
    have = part.stat().st_size if part.exists() else 0
    # The bytes as they are stored: not packed for the way, and not unpacked where a server takes a .tgz for a packed .tar.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=60) as answer:
        if answer.status_code != 416:  # the part is all there is
            answer.raise_for_status()
            have = have if answer.status_code == 206 else 0
            total = have + int(answer.headers.get("content-length", 0))
            with (
                part.open("ab" if have else "wb") as file,
                tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=None) as bar,
            ):
                try:
                    for chunk in answer.raw.stream(1 << 20, decode_content=False):
                        file.write(chunk)
                        bar.update(len(chunk))
                except urllib3.exceptions.HTTPError as error:
                    raise requests.ConnectionError("the connection broke off") from error
            if total and part.stat().st_size < total:
                raise requests.ConnectionError("the connection broke off")
    part.replace(output_file)


def unpack(archive: Path, items: Collection[str], out: Path, folder: str = "") -> None:
    """Unpack `items`, files and folders, of a tar or zip archive and nothing else, so that a mirror's copy is the same.

    What the archive has goes below `out`/`folder`; `items` are named below `out`. No member may leave that folder.
    """

    def chosen(name: str) -> bool:
        name = posixpath.normpath(posixpath.join(folder, name))
        return not is_junk(name) and any(name == item or name.startswith(f"{item}/") for item in items)

    try:
        (_unzip if archive.suffix == ".zip" else _untar)(archive, chosen, out / folder)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, RuntimeError) as error:
        # The last is what an unknown way of packing, or a password, raises.
        raise UserError(f"{archive} cannot be unpacked ({' '.join(str(error).split())}): delete it and run again") from error


def _untar(archive: Path, chosen: Callable[[str], bool], folder: Path) -> None:
    def inside(member: tarfile.TarInfo, place: str) -> tarfile.TarInfo | None:
        safe = tarfile.data_filter(member, place)  # raises where a member would leave the folder
        return safe if chosen(safe.name) else None

    with tarfile.open(archive) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, filter=inside)
            return
        for member in tar:  # Python before 3.11.4
            name = posixpath.normpath(member.name)
            if name.startswith(("/", "../")) or name == "..":
                raise tarfile.TarError(f"{member.name} would be outside the folder")
            if not (member.isreg() or member.isdir()):
                raise tarfile.TarError(f"{member.name} is a link or a device, which Python 3.11.4 and later judge")
            content = tar.extractfile(member)
            if chosen(name) and content:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file)


def _unzip(archive: Path, chosen: Callable[[str], bool], folder: Path) -> None:
    """What is stored as a link becomes a plain file that holds its target."""
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            name = posixpath.normpath(member.filename)
            if name.startswith(("/", "../")) or name == "..":
                raise zipfile.BadZipFile(f"{member.filename} would be outside the folder")
            if chosen(name) and not member.is_dir():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as content, (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file)


def is_junk(name: str) -> bool:
    return any(fnmatch(posixpath.basename(name), pattern) for pattern in JUNK)


def copy(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
