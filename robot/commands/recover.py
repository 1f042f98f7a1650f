"""``reflexarc recover``: mends the log of a run that was killed."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import tyro

from perception.quantities import InputError
from robot.commands.replay import log_of
from robot.record import is_being_written
from robot.recover import Recovery
from robot.recover import recover as mend


@dataclass(frozen=True)
class Recover:
    """Mend a log whose writer was killed: keep all that is readable, write a new index.

    Example: reflexarc recover runs/a
    """

    run: tyro.conf.Positional[Path]
    """A run folder, or the path of its log."""
    out: Path | None = None
    """Write the mended log here; default: in its place, the old one beside it as .broken."""
    json: bool = False
    """Print the outcome as JSON."""

    def __call__(self) -> int:
        """Mends; exit code 1 if nothing in the log is readable."""
        path = log_of(self.run)
        if not path.is_file():
            raise InputError(f"{path}: there is no such log; give a run folder or its log.mcap")
        if is_being_written(path):
            raise InputError(f"{path}: is still being written; wait for the run's end")
        broken = path.with_name(f"{path.name}.broken")
        out = path.with_name(f"{path.name}.mended") if self.out is None else self.out
        _refuse_existing(out)
        try:
            recovery = mend(path, out)
            if self.out is None and out.exists():
                _refuse_existing(broken, remove=out)
                path.rename(broken)
                out.rename(path)
        except OSError as error:
            out.unlink(missing_ok=True)
            raise InputError(
                f"{out} cannot be written: {error.strerror}; the log is as it was, give another "
                "--out"
            ) from error
        return self._tell(recovery, path, broken)

    def _tell(self, recovery: Recovery, path: Path, broken: Path) -> int:
        """Prints the outcome."""
        mended = not recovery.was_whole and recovery.messages + recovery.views > 0
        kept = (broken if self.out is None else path) if mended else path
        outcome = {
            **asdict(recovery),
            "log": str((self.out or path) if mended else path),
            "original": str(kept),
        }
        if self.json:
            sys.stdout.write(json.dumps(outcome) + "\n")
        elif recovery.was_whole:
            sys.stdout.write(f"{path} is whole ({recovery.messages} messages); left as it is\n")
        elif mended:
            sys.stdout.write(
                f"kept {recovery.messages} messages ({recovery.views} views of them), cut "
                f"{recovery.bytes_cut} bytes that belong to no whole record\n"
                f"mended log: {outcome['log']}\noriginal: {kept}\n"
            )
        if not mended and not recovery.was_whole:
            sys.stderr.write(f"reflexarc: recover: {path} holds no readable message; left alone\n")
            return 1
        return 0


def _refuse_existing(path: Path, *, remove: Path | None = None) -> None:
    """Raises an InputError rather than write over a file."""
    if path.exists():
        if remove is not None:
            remove.unlink()
        raise InputError(f"{path} is there already; move it, or give another --out")
