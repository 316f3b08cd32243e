"""Every error that Filmless raises on purpose.

* FilmlessError
  + InvalidArgument (ValueError)      the caller's: a value that no call can work with
    - InvalidWindow                   a window width the VOI function does not allow
    - OutOfRange (IndexError)         a slice, voxel or level that is not there
  + NotReformattable (ValueError)     the verdict on a stack forbids what was asked
  + NotQuantitative (ValueError)      no SUV follows from what the header says
  + BadSources                        instances that must be left out of a generation, and why
  + Unproven (RuntimeError)            a generation written that does not give back what was received
  + NotFound (LookupError)            no such archive, series, stack or instance
  + ArchiveExists (FileExistsError)   a folder that is something else than an archive
  + FormatError (ValueError)          the file's: bytes that are not what they claim
    - NotDicom                        no DICOM data set in these bytes
    - Truncated                       the bytes end before the data set does
      · Incomplete                    so do the bytes at hand, but the file has more of them
    - UnsupportedPixels               pixels that no decoder here can read
    - DecodeError                     a codestream that does not decode to what the header says
  + Damaged (OSError)                 ours: what the archive holds is not what it stored
  + StoreFailed (OSError)             the object store's: no answer, or a refusal; what is stored may well be whole
  + OtherBytes (ValueError)           an instance refused, as other bytes are there under its UID
  + Protected (RuntimeError)          what was to be deleted is of a study that is held
  + NoRoom (OSError)                  nothing is received, so that the disk does not fill up
  + Superseded (RuntimeError)         a newer generation has replaced the one being read
"""

from __future__ import annotations


class FilmlessError(Exception):
    """The root: catch this to catch everything Filmless raises on purpose."""


class InvalidArgument(FilmlessError, ValueError):
    """A value the caller gave that no call can work with."""


class InvalidWindow(InvalidArgument):
    """A window width that the VOI LUT function does not allow (PS3.3 C.11.2.1.2)."""


class OutOfRange(InvalidArgument, IndexError):
    """A slice, voxel or level that is not there; the message says how many there are."""


class NotReformattable(FilmlessError, ValueError):
    """The verdict on a stack forbids the plane that was asked for; the message says what to ask instead."""


class NotQuantitative(FilmlessError, ValueError):
    """The header does not allow values in the unit that was asked for; the message says what is missing."""


class BadSources(FilmlessError):
    """Instances that cannot be taken in; the others can, without them."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = reasons
        """Why, by the number of the instance."""


class Unproven(FilmlessError, RuntimeError):
    """Instances that do not rebuild to what was received; the generation is not published."""

    def __init__(self, faults: dict[int, str]) -> None:
        super().__init__("; ".join(faults.values()))
        self.faults = faults
        """What is wrong, by the number of the instance."""


class NotFound(FilmlessError, LookupError):
    """No such archive, series, stack or instance."""


class ArchiveExists(FilmlessError, FileExistsError):
    """The folder is neither empty nor an archive."""


class FormatError(FilmlessError, ValueError):
    """Bytes from outside that are not what they claim to be."""


class NotDicom(FormatError):
    """There is no DICOM data set in these bytes."""


class Truncated(FormatError):
    """The bytes end before the data set does."""


class Incomplete(Truncated):
    """The bytes at hand end before the header does, but the file goes on: read at least `needed_bytes` of it."""

    def __init__(self, message: str, needed_bytes: int) -> None:
        super().__init__(message)
        self.needed_bytes = needed_bytes


class UnsupportedPixels(FormatError):
    """Pixels that no decoder here can read; the message names the transfer syntax or attribute."""


class DecodeError(FormatError):
    """A codestream that does not decode to what its header declares."""


class Damaged(FilmlessError, OSError):
    """What the archive holds is not what it stored; the message names the series and the object."""


class StoreFailed(FilmlessError, OSError):
    """An object store did not answer, or refused; the message names it and says what to change."""


class OtherBytes(FilmlessError, ValueError):
    """An instance that the archive's policy refuses: other bytes are there under its SOP Instance UID."""


class Protected(FilmlessError, RuntimeError):
    """Something of a study that is protected was to be deleted; the message says by whom."""


class NoRoom(FilmlessError, OSError):
    """The disk has less room than the archive's policy reserves; the message says how much is missing."""


class Superseded(FilmlessError, RuntimeError):
    """A newer generation has replaced the one being read; open the series again."""
