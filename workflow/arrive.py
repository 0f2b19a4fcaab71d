"""Take in the pieces of a job where it is to run, some in each call, and run it once all are there.

    python3 arrive.py --into FOLDER                                 # with the pieces that lie beside this file, or are named
    python3 arrive.py --into FOLDER -- --minutes 12 --jobs 8      # and with what follows `--` run.py is called once all are there

pieces.json beside this file says which pieces there are. Each is checked, and kept in the folder, which stays as it is between calls
and has what they hold as its folder job/; called again it runs again, and what had finished is not run twice. `--results FOLDER` has
run.py write its results there. Python 3.10 and nothing else.
"""

import argparse
import fcntl
import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
HERE = Path(__file__).resolve().parent


def sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def pieces_of(file: Path) -> dict[str, str]:
    """The checksums of a job's pieces by name, in order. Leaves with a sentence where the file is none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))["pieces"]
        return {str(name): str(digest) for name, digest in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        sys.exit(f"error: {file} is missing or damaged: bring it again, it lies beside arrive.py where the job was packed")


def take(piece: Path, pieces: dict[str, str], into: Path) -> None:
    """Check a piece and keep it. Leaves with a sentence if it is damaged, or is none of this job's."""
    if piece.name not in pieces:
        sys.exit(f"error: {piece} is no piece of this job: pieces.json beside arrive.py has {', '.join(pieces)}")
    if not piece.is_file():
        sys.exit(f"error: there is no piece {piece}: bring it again")
    aside = into / f".{piece.name}.partial"
    shutil.copyfile(piece, aside)
    if sha256(aside) != pieces[piece.name]:
        aside.unlink()
        sys.exit(f"error: {piece} is damaged, or of another job: bring it again")
    aside.replace(into / piece.name)


class Joined(io.RawIOBase):
    """The pieces, one after the other, as one file to read."""

    def __init__(self, files: list[Path]):
        self.streams = [file.open("rb") for file in files]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while self.streams:
            if count := self.streams[0].readinto(buffer):
                return count
            self.streams.pop(0).close()
        return 0


def unpack(pieces: dict[str, str], into: Path) -> None:
    """Put the pieces together, and remove them. What they hold is checked by run.py, file by file."""
    aside = into / ".job.partial"
    shutil.rmtree(aside, ignore_errors=True)
    safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with io.BufferedReader(Joined([into / name for name in pieces]), CHUNK) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(aside, **safe)  # type: ignore[arg-type]
    next(aside.iterdir()).replace(into / "job")
    aside.rmdir()
    for name in pieces:
        (into / name).unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pieces", nargs="*", type=Path, metavar="PIECE", help="default: those beside this file")
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER", help="where pieces are kept, and the job runs")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="where run.py is to write its results")
    place = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    args = parser.parse_args(sys.argv[1:place])
    pieces, into = pieces_of(HERE / "pieces.json"), args.into.resolve()
    into.mkdir(parents=True, exist_ok=True)
    lock = (into / ".lock").open("w")  # until this process ends, or becomes run.py, which has a lock of its own
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"error: another arrive.py is at work in {into}: wait for it, and call again")
    known = into / "pieces.json"
    if known.exists() and pieces_of(known) != pieces:
        sys.exit(f"error: {into} holds the pieces of another job: give another folder, or remove it")
    shutil.copyfile(HERE / "pieces.json", known)
    if not (into / "job").exists():
        for piece in args.pieces or [HERE / name for name in pieces if (HERE / name).exists()]:
            take(piece, pieces, into)
        missing = [name for name in pieces if not (into / name).exists()]
        print(f"{len(pieces) - len(missing)} of {len(pieces)} pieces are here" + (f"; missing: {', '.join(missing)}" if missing else ""))
        if missing:
            return
        unpack(pieces, into)
    if args.results:
        args.results.mkdir(parents=True, exist_ok=True)
        link = into / "job/results.tar"
        link.unlink(missing_ok=True)
        link.symlink_to(args.results.resolve() / "results.tar")
    if place < len(sys.argv):
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, str(into / "job/run.py"), *sys.argv[place + 1 :]])


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"error: {error.filename or 'the folder'}: {error.strerror or error}; mend that and call again")
