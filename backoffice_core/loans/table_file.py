"""A table that the bank sent, as rows of text: CSV in UTF-8 or Windows-1251, or the sheet of an XLSX (FL-07).

Nothing is held but the row at hand, so that a list of any length fits. What cannot be read for sure is refused with
what to do; an encoding is never guessed on thin evidence.
"""

import codecs
import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from backoffice_core.errors import BadInput

KEPT_PROBLEMS = 1000  # more are only counted
_MAX_SHEET = 2 << 30  # bytes of an unpacked XLSX: beyond is an archive made to burst
_CHUNK = 1 << 20
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """Line 1 is the header; column "" = the whole line or file."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}" + (f", {self.column}" if self.column else "") + f": {self.reason}"


class BadFile(BadInput):
    """The file cannot be taken over. `problems` says what is wrong, `more` how many further ones there are."""

    code = "BAD_FILE"

    def __init__(self, message: str, *, remedy: str, problems: list[Problem] | None = None, more: int = 0) -> None:
        super().__init__(message, remedy=remedy)
        self.problems, self.more = problems or [], more


class Problems:
    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.count = 0

    def add(self, line: int, column: str, reason: str) -> None:
        self.count += 1
        if len(self.kept) < KEPT_PROBLEMS:
            self.kept.append(Problem(line, column, reason))

    def refuse(self, name: str) -> None:
        """Raises BadFile when there is any."""
        if self.count:
            self.kept.sort(key=lambda p: p.line)
            raise BadFile(
                f"{name}: {self.count} problem{'s' if self.count > 1 else ''}; nothing was imported.",
                remedy="Correct these lines and import the whole file again.",
                problems=self.kept,
                more=self.count - len(self.kept),
            )


@dataclass(slots=True)
class Table:
    """`header` as written; `rows()` gives each line's number and cells, trimmed, and may be called once."""

    name: str
    digest: str
    encoding: str  # utf-8, cp1251, xlsx
    header: list[str]
    rows: Callable[[], Iterator[tuple[int, list[str]]]] = field(repr=False)


def open_table(
    file: Path, *, encoding: str = "", sheet: str = "", progress: Progress = lambda done, total: None
) -> Table:
    """`encoding`: "" finds out, utf-8 or cp1251 is believed. `sheet`: which one, where an XLSX has several.

    `progress(done, in all)` is called while the rows are read. Raises BadFile.
    """
    try:
        with file.open("rb") as raw:
            begins = raw.read(4)
            if begins == b"PK\x03\x04":
                return _xlsx(file, sheet, progress)
            if begins == b"\xd0\xcf\x11\xe0":
                raise BadFile(f"{file.name} is an old Excel book (.xls).", remedy="Save it as XLSX or «CSV UTF-8».")
            raw.seek(0)
            return _csv(file, raw, encoding, progress)
    except OSError as error:
        raise BadFile(
            f"{file} cannot be read: {error.strerror}.", remedy="Give the path of a CSV or XLSX file that you may read."
        ) from error


# --- CSV -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Seen:
    """What one pass over the bytes tells."""

    digest: str
    size: int = 0
    lines: int = 0
    bad_line: int = 0  # the first that is not UTF-8
    wide: bool = False
    blank: bool = True
    sample: bytes = b""  # lines with bytes beyond ASCII


def _csv(file: Path, raw: IO[bytes], encoding: str, progress: Progress) -> Table:
    seen = _look(raw)
    if seen.blank:
        raise BadFile(f"{file.name} is empty.", remedy="Export the portfolio again.")
    if seen.wide:
        kind = "not UTF-8 but UTF-16" if seen.bad_line else "not a text file"
        raise BadFile(f"{file.name} is {kind}.", remedy="Save it as «CSV UTF-8».")
    found = encoding or ("utf-8" if not seen.bad_line else _cyrillic(seen.sample))
    if not found or (encoding.lower() in {"utf-8", "utf8"} and seen.bad_line):
        raise BadFile(
            f"{file.name} is not UTF-8 (first in line {seen.bad_line}), and it is not sure what else it is.",
            remedy="Save it as «CSV UTF-8»; or, if you know that it is Windows-1251, add --encoding cp1251.",
        )
    found = {"utf8": "utf-8", "windows-1251": "cp1251", "win1251": "cp1251"}.get(found.lower(), found.lower())
    if found not in {"utf-8", "cp1251"}:
        raise BadFile(f"«{encoding}» is no encoding of lists.", remedy="Give utf-8 or cp1251.")
    codec = "utf-8-sig" if found == "utf-8" else found
    with file.open(encoding=codec, newline="", errors="strict") as text:
        header_line = _first_line(file, text)
    separator = max(";,\t", key=header_line.count)  # the first of them when none stands there
    header = [name.strip() for name in next(csv.reader([header_line], delimiter=separator), [])]

    def rows() -> Iterator[tuple[int, list[str]]]:
        with file.open("rb") as source:
            text = io.TextIOWrapper(source, codec, newline="")
            yield from _csv_rows(file, text, separator, lambda: progress(source.tell(), seen.size))
        progress(seen.size, seen.size)

    return Table(file.name, seen.digest, found, header, rows)


def _first_line(file: Path, text: IO[str]) -> str:
    try:
        return text.readline()
    except UnicodeDecodeError as error:
        raise _not_in_code_page(file) from error


def _not_in_code_page(file: Path) -> BadFile:
    return BadFile(f"{file.name} is not in the encoding that was named.", remedy="Save it as «CSV UTF-8».")


def _csv_rows(file: Path, text: IO[str], separator: str, step: Callable[[], None]) -> Iterator[tuple[int, list[str]]]:
    try:
        text.readline()
        reader = csv.reader(text, delimiter=separator)
        begins = 2
        for n, cells in enumerate(reader):
            if n % 500 == 0:
                step()
            if any(cell.strip() for cell in cells):
                yield begins, [cell.strip() for cell in cells]
            begins = reader.line_num + 2
    except UnicodeDecodeError as error:
        raise _not_in_code_page(file) from error
    except csv.Error as error:
        raise BadFile(
            f"{file.name} is not CSV.", remedy="Export it again.", problems=[Problem(begins, "", f"not CSV: {error}")]
        ) from error


def _look(raw: IO[bytes]) -> _Seen:
    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    seen = _Seen("")
    line = 1
    sample: list[bytes] = []
    while chunk := raw.read(_CHUNK):
        digest.update(chunk)
        if seen.size == 0:
            seen.wide = chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in chunk[:4096]
        seen.size += len(chunk)
        seen.blank = seen.blank and not chunk.strip(codecs.BOM_UTF8 + b" \r\n\t")
        if not seen.bad_line:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                seen.bad_line = line + error.object.count(b"\n", 0, error.start)
        if len(sample) < 64 and not chunk.isascii():
            sample.append(b"\n".join(part for part in chunk.split(b"\n")[:4000] if not part.isascii())[:65536])
        line += chunk.count(b"\n")
    if not seen.bad_line:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            seen.bad_line = line
    seen.digest, seen.lines, seen.sample = digest.hexdigest(), line, b"\n".join(sample)
    return seen


# A letter's share in Ukrainian and Russian running text is far from even; these twelve make more than half of both.
_COMMON = frozenset("оаеинтврсліьк")
_ENOUGH_LETTERS = 40
_RIVALS = ("koi8-u", "cp866", "mac-cyrillic", "iso8859-5", "cp1252", "cp1250", "cp1254", "cp1257")
_LETTERS = frozenset("абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґў")
_WORD = re.compile(r"[^\W\d_]+")


def _cyrillic(sample: bytes) -> str:
    """cp1251 when the bytes make Cyrillic words in it, and in no other code page nearly as well; otherwise ""."""
    mine = _likeness(sample, "cp1251")
    rival = max(_likeness(sample, other) for other in _RIVALS)
    return "cp1251" if mine >= 0.75 and mine - rival >= 0.2 else ""


def _likeness(sample: bytes, encoding: str) -> float:
    """0–1: the share of words that are Cyrillic and spelt as words are, weighed by how common their letters are."""
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    letters = sum(map(len, words))
    strange = sum(not c.isascii() and not c.isalpha() and c not in "№«»“”„’‘–—…°\u00a0" for c in text)
    if letters < _ENOUGH_LETTERS:
        return 0.0
    shaped = sum(
        len(word) for word in words
        if set(word.lower()) <= _LETTERS and (word[1:].islower() or word.isupper() or len(word) == 1)
    )  # fmt: skip
    common = sum(c in _COMMON for word in words for c in word.lower()) / letters
    return shaped / (letters + strange) * min(1.0, common / 0.5)


# --- XLSX ----------------------------------------------------------------------------------------------------------


def _xlsx(file: Path, sheet: str, progress: Progress) -> Table:
    digest = hashlib.sha256()
    with file.open("rb") as raw:
        while chunk := raw.read(_CHUNK):
            digest.update(chunk)
    try:
        with zipfile.ZipFile(file) as archive:
            if sum(one.file_size for one in archive.infolist()) > _MAX_SHEET:
                raise BadFile(f"{file.name} is too large when unpacked.", remedy="Export it as «CSV UTF-8».")
        book = _book(file)
        name, header = _sheet_of(file, book, sheet)
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, OSError) as error:
        raise BadFile(
            f"{file.name} is not an XLSX book that can be read.", remedy="Save it again, or as CSV."
        ) from error

    def rows() -> Iterator[tuple[int, list[str]]]:
        with closing(book):
            page = book[name]
            total = page.max_row or 1
            page.reset_dimensions()
            first = True
            for n, cells in enumerate(page.iter_rows(values_only=True), 1):
                if n % 500 == 0:
                    progress(n, max(total, n))
                written = [_written(cell) for cell in cells]
                if not any(written):
                    continue
                if first:
                    first = False
                    continue
                written += [""] * (len(header) - len(written))
                while len(written) > len(header) and not written[-1]:
                    written.pop()
                yield n, written
            progress(total, total)

    return Table(file.name, digest.hexdigest(), "xlsx", header, rows)


def _book(file: Path) -> Any:
    from openpyxl import load_workbook

    return load_workbook(file, read_only=True, data_only=True)


def _sheet_of(file: Path, book: Any, wanted: str) -> tuple[str, list[str]]:
    """The sheet to read and its header. Raises BadFile."""
    headers: dict[str, list[str]] = {}
    for page in book.worksheets:
        page.reset_dimensions()
        for cells in page.iter_rows(values_only=True, max_row=100):
            written = [_written(cell) for cell in cells]
            if any(written):
                while written and not written[-1]:
                    written.pop()
                headers[page.title] = written
                break
    if wanted:
        headers = {name: header for name, header in headers.items() if name == wanted}
    if not headers:
        raise BadFile(f"{file.name} is empty.", remedy="Export the portfolio again.")
    if len(headers) > 1:
        raise BadFile(
            f"{file.name} has {len(headers)} sheets: {', '.join(headers)}.",
            remedy="Name the one to read: --sheet NAME.",
        )
    return next(iter(headers.items()))


def _written(cell: Any) -> str:
    """A cell's value as a CSV would write it. Excel keeps a number as a float: 380671234567.0 is 380671234567."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else format(Decimal(repr(cell)), "f")
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell).strip()
