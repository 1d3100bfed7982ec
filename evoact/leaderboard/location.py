"""Where a run is stored: a local directory or a place on any pyarrow file system."""

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from evoact.errors import UserError

# What file systems answer that cannot sync a directory, or anything: CIFS and vboxsf the first.
_NOT_OFFERED = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)

# What those answer that cannot rename, such as some that show an object store as a disk.
_NO_RENAME = (*_NOT_OFFERED, errno.EPERM, errno.EXDEV)

# On these a finished upload appears at once and whole, and there is no rename.
OBJECT_STORES = ("s3", "gcs", "abfs")

_DELAYED = "allow_delayed_open"


@dataclass(frozen=True, slots=True)
class Location:
    """A path on a file system, with the few operations that a run directory needs.

    `text` is what the user wrote, for messages.
    """

    filesystem: fs.FileSystem
    path: str
    text: str

    @classmethod
    def of(cls, place: "str | Path | Location") -> "Location":
        """Return a location from a path, from a URI such as `s3://bucket/runs/a`, or from a location.

        Raises:
            UserError: if the URI names no file system that pyarrow knows.

        >>> Location.of("file:///data/run").child("artifacts").path
        '/data/run/artifacts'
        """
        if isinstance(place, Location):
            return place
        text = str(place)
        if "://" not in text:
            return cls(fs.LocalFileSystem(), os.path.abspath(os.path.expanduser(text)), text)
        try:
            filesystem, path = fs.FileSystem.from_uri(_in_one_request(text))
        except (OSError, ValueError) as error:
            raise UserError(
                f"expected a path or a URI that pyarrow can open, got {text!r}: {error}"
            ) from None
        return cls(filesystem, path.rstrip("/"), text)

    def child(self, *names: str) -> "Location":
        """Return the location of a file or directory below this one.

        >>> Location.of("file:///data/run").child("config.yaml").text
        'file:///data/run/config.yaml'
        """
        place, mark, options = self.text.partition("?") if "://" in self.text else (self.text, "", "")
        text = "/".join((place.rstrip("/"), *names)) + mark + options
        return Location(self.filesystem, "/".join((self.path, *names)), text)

    @property
    def name(self) -> str:
        """The last part of the path: the run's name, for a run directory."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def absolute(self) -> str:
        """A text that means this location in any working directory."""
        return self.text if "://" in self.text else self.path

    @property
    def local(self) -> Path | None:
        """The path on this machine's disk, or None on any other file system."""
        filesystem, path = self.filesystem, self.path
        while isinstance(filesystem, fs.SubTreeFileSystem):
            path = f"{filesystem.base_path.rstrip('/')}/{path.lstrip('/')}"
            filesystem = filesystem.base_fs
        return Path(path) if isinstance(filesystem, fs.LocalFileSystem) else None

    def kind(self) -> fs.FileType:
        """Return whether a file, a directory or nothing is there."""
        return self.filesystem.get_file_info(self.path).type

    def exists(self) -> bool:
        return self.kind() != fs.FileType.NotFound

    def is_directory(self) -> bool:
        return self.kind() == fs.FileType.Directory

    def names(self, suffix: str = "") -> list[str]:
        """Return the files directly in this directory, sorted, without dot-files; none if there is none."""
        return sorted(self.sizes(suffix))

    def sizes(self, suffix: str = "") -> dict[str, int]:
        """Return the same files with their sizes in bytes."""
        infos = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return {
            info.base_name: info.size
            for info in infos
            if info.type == fs.FileType.File
            and info.base_name.endswith(suffix)
            and not info.base_name.startswith(".")
        }

    def entries(self) -> list[str]:
        """Return all that is directly in this directory, sorted, but hidden files; nothing if there is no directory."""
        infos = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in infos if not info.base_name.startswith("."))

    def read(self, most: int | None = None) -> bytes:
        """Return the whole content of this file.

        Raises:
            ValueError: if it has more than `most` bytes.
        """
        with self.filesystem.open_input_stream(self.path) as stream:
            content: bytes = stream.read(None if most is None else most + 1)
        if most is not None and len(content) > most:
            raise ValueError(f"more than {most:,} bytes")
        return content

    def write(self, content: bytes) -> None:
        """Make this file hold `content`: whole and durable, or, after a crash, as it was before."""
        if self.filesystem.type_name in OBJECT_STORES:  # where there are no directories
            self._stream(self.path, content)
            return
        directory, _, name = self.path.rpartition("/")
        local = self.local
        if local is not None:
            try:
                _write_local(local, content)
            except FileNotFoundError:  # the first one in its directory
                local.parent.mkdir(parents=True, exist_ok=True)
                _write_local(local, content)
        else:
            self.filesystem.create_dir(directory, recursive=True)
            self._stream(f"{directory}/.{name}", content)
            self.filesystem.move(f"{directory}/.{name}", self.path)

    def write_output(self, content: bytes) -> None:
        """Write a file that a user asked for, with the folder that it is in.

        Raises:
            UserError: if it cannot be written.
        """
        try:
            if self.local is None:
                self.write(content)
                return
            self.local.parent.mkdir(parents=True, exist_ok=True)
            self.local.write_bytes(content)  # in place: it may be a link or a pipe
        except OSError as error:
            reason = error.strerror or str(error).splitlines()[0]
            raise UserError(
                f"expected a file that can be written, got {self.text!r}: {reason}; choose another"
            ) from None

    def delete(self) -> None:
        """Remove this file, if it is there."""
        if self.local is not None:
            self.local.unlink(missing_ok=True)
            return
        with suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path)

    def delete_if_empty(self) -> None:
        """Remove this directory if nothing is in it, and it is one: object stores have none."""
        if self.local is not None:
            with suppress(OSError):
                self.local.rmdir()

    def check_writable(self) -> None:
        """Check, before something long, that a file can be written here, as far as that can be told without doing it.

        Raises:
            UserError: if not.
        """
        local = self.local
        if local is None:
            return
        there = next(folder for folder in local.parents if folder.exists())
        if local.is_dir() or not there.is_dir() or not os.access(there, os.W_OK):
            what = "which is a directory" if local.is_dir() else f"and {str(there)!r} cannot be written to"
            raise UserError(f"expected a file that can be written, got {self.text!r}, {what}; choose another")

    def _stream(self, path: str, content: bytes) -> None:
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)


def _in_one_request(uri: str) -> str:
    """Have a small file uploaded in one request to S3, instead of in the three of an upload in pieces."""
    if not uri.startswith("s3://") or _DELAYED in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{_DELAYED}=true"


def _write_local(path: Path, content: bytes) -> None:
    hidden = path.with_name("." + path.name)
    try:
        with hidden.open("wb") as file:
            file.write(content)
            file.flush()
            sync(file.fileno())
    except OSError as error:  # the system names no file when a disk is full
        hidden.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        hidden.replace(path)
    except OSError as error:
        hidden.unlink(missing_ok=True)
        if error.errno not in _NO_RENAME:
            raise
        raise UserError(
            f"expected a file system on which files are renamed, for {str(path)!r}, got one that does not "
            f"({error.strerror}); choose a directory on another disk"
        ) from None
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the renames in a directory durable: without it a power cut can undo them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync(descriptor: int) -> None:
    """Wait until what was written is on the disk, on file systems that can say so."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
