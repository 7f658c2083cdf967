"""Numbers as banks have them (FL-05): one cell of a list becomes numbers in E.164, or a refusal with its remedy. Pure.

A cell may hold several numbers, words, extensions, the traces of Excel. What is read is a number that can exist; what
cannot be read without inventing a digit is refused. Whose a number is, is a guess from the words beside it.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from backoffice_core.borrowers import phone_words as words_of
from backoffice_core.borrowers.phone_plans import read_number

OWNER_KINDS = ("self", "work", "relative", "third_party", "unknown")
REFUSALS = {  # in English; other languages say them in the catalogue as phone-refused-CODE
    "EMPTY": "the cell is empty: ask the branch for the borrower's number",
    "PLACEHOLDER": "«{piece}» stands for no number: leave the cell empty, or ask the branch for the number",
    "EXCEL": "Excel has cut the digits of «{piece}»: format the column as text and export the list again",
    "SHORT": "«{piece}» is too short for a subscriber's number: write it whole, with its code",
    "NO_AREA_CODE": "«{piece}» is a local number: write its area code, or give the branch's area code with the list",
    "LETTERS": "letters stand among the digits of «{piece}»: correct it in the bank's system",
    "WORDS": "«{piece}» holds no number: ask the branch for the borrower's number",
    "PREMIUM": "«{piece}» is a line with a surcharge, nobody lives there: ask the branch for the borrower's number",
    "IMPOSSIBLE": "no such number as «{piece}» can exist in {country}: check its digits, or write a foreign one as +…",
}


@dataclass(frozen=True, slots=True)
class Phone:
    """A number that can exist: E.164 with its plus, as the file wrote it, and what it seems to be.

    `number_type`: mobile, fixed, fax, unknown. `guessed`: the owner was guessed, nobody named it by its code.
    """

    value: str
    original: str
    owner_kind: str
    number_type: str
    extension: str = ""
    guessed: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why (a key of REFUSALS) this piece of the cell is no number."""

    code: str
    piece: str
    country: str

    def __str__(self) -> str:
        return REFUSALS[self.code].format(piece=self.piece, country=self.country)


@dataclass(frozen=True, slots=True)
class Cell:
    """All that one cell holds. `refused` may stand beside good numbers: a piece of the cell was lost."""

    original: str
    numbers: tuple[Phone, ...] = ()
    refused: tuple[Refusal, ...] = ()


def read_phone(cell: str, region: str) -> Phone:
    """One phone as banks write it: `067 123-45-67`, `8 (067) …`, `0671234567 мама`, `+380…:work`, `044 … доб. 12`.

    `region` is the country whose habits a number without a country code follows. Words beside the number become a
    guess of its owner; without a word it is the borrower's own.
    Raises ValueError with the reason in words when no such number can exist, or when there are several.
    """
    _, _, owner = cell.strip().rpartition(":")
    owner = owner.strip().lower()
    if owner not in OWNER_KINDS and re.fullmatch("[a-z_]+", owner) and re.search(r"\d\s*:[^:]*$", cell):
        raise ValueError(f"unknown owner «{owner}», expected one of {', '.join(OWNER_KINDS)}")
    found = read_cell(cell, region)
    if found.refused or not found.numbers:
        raise ValueError(str(found.refused[0]))
    if len(found.numbers) > 1:
        raise ValueError(f"{len(found.numbers)} numbers; give one")
    return found.numbers[0]


def read_cell(cell: str, region: str, area_code: str = "") -> Cell:
    """Every number of a cell, in its order, each once, and what had to be refused.

    `region`: two letters (UA); `area_code`: that of the branch, for local numbers (044, 495, 7172), with or without
    the trunk prefix. Never raises.
    """
    original = cell.strip()
    if plain := _PLAIN.fullmatch(original):  # most cells of most lists
        read = read_number(plain[1], region, "")
        if not isinstance(read, str):
            return Cell(original, (Phone(read[0], original, plain[2] or "self", read[1], guessed=not plain[2]),))
    text = _clean(original)
    if not text.strip(" '\"=-–."):
        return Cell(original, refused=(Refusal("PLACEHOLDER" if original else "EMPTY", original, region),))
    text, refused = _excel(text, region)
    tokens = _tokens(_plain_digits(_without_noise(text)))
    reader = _Reader(original, region, re.sub(r"\D", "", area_code))
    numbers: dict[str, Phone] = {}
    for one in reader.read(tokens):
        if isinstance(one, Refusal):
            refused.append(one)
            continue
        known = numbers.get(one.value)
        if known is None or (known.owner_kind, known.extension) == ("self", ""):
            numbers[one.value] = one  # the one that says more
    if not numbers and not refused:
        refused = [_no_digits(text, original, region)]
    elif numbers or len(refused) > 1:
        empty_words = [r for r in refused if r.code != "PLACEHOLDER"]
        refused = empty_words if numbers else empty_words or refused[:1]
    return Cell(original, tuple(numbers.values()), tuple(refused))


def _no_digits(text: str, original: str, region: str) -> Refusal:
    said = {w for w in re.findall(r"[^\W\d_]+(?:/[^\W\d_]+)?", text.lower())}
    return Refusal("PLACEHOLDER" if said <= words_of.NOTHING else "WORDS", original, region)


_PLAIN = re.compile(rf"([+(]?[0-9][0-9 ()-]{{7,18}}[0-9])(?::({'|'.join(OWNER_KINDS)}))?")

# --- cleaning ------------------------------------------------------------------------------------------------------

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹣－"), "-")
_MARKS = {ord("＋"): "+", ord("（"): "(", ord("）"): ")", ord("／"): "/", ord("［"): "(", ord("["): "(", ord("]"): ")",
          ord("＃"): "#", ord("、"): ",", ord("，"): ",", ord("；"): ";"}  # fmt: skip
_EXPONENT = re.compile(r"(?<![\d.,])\+?(\d)(?:[.,](\d+))?\s?[eEеЕ]\s?\+?(\d{1,2})(?!\d)")
_LINE_BREAK = re.compile(r"\\r?\\?n|\\r|<br\s*/?>|_x000[DdAa]_|[\r\n\v\f\x85\u2028\u2029]+")
_FLOAT = re.compile(r"(?<![\d.,(-])(\d{9,15})[.,]0{1,2}(?![\d.,-])")
_TIME = re.compile(
    r"\b\d{1,2}[:]\d{2}\b"
    r"|\b(?:після|после|до|с|з|із|від|от|по|о|after|before|from|till|until|at)\s+\d{1,2}(?:[:.]\d{2})?(?:\s*-\s*\d{1,2}(?:[:.]\d{2})?)?"
    r"(?![\d(+]|[\s-]+[\d(])(?:\s*(?:год\w*|час\w*|ч|h|am|pm)\b\.?)?"
    r"|\b\d{1,2}\s*-?\s*\d{0,2}\s*(?:год(?:ин\w*)?|час(?:а|ов)?|ч|am|pm)\b\.?",
    re.IGNORECASE,
)
_LIST_NUMBER = re.compile(
    r"(?:(?<=^)|(?<=[\s;,]))№?[1-9][.)](?=\s*[+(\d]|\s+)(?!\s?\d{1,4}[.)])|(?<=[^\W\d_])(\.?\s?)№?[1-9]\s?[:)](?=\s)"
    r"|(?<=тел|моб|дом|роб|раб|tel|mob)(\.?)[1-9](?=\s+[+(\d])",
    re.IGNORECASE,
)
_O_BY_DIGIT = re.compile(r"(?<![^\W\d_])[OoОоΟο]+(?=\d)|(?<=\d)[OoОоΟο]+(?![^\W\d_])")
_O_GROUP = re.compile(r"(?<=\d-)[OoОоΟο]{1,4}(?![^\W\d_])|(?<![^\W\d_])[OoОоΟο]{1,4}(?=-\d)|(?<=\()[OoОоΟο](?=\d)")


def _clean(text: str) -> str:
    """Spaces, dashes and digits of all alphabets become plain ones; invisible characters go."""
    text = _LINE_BREAK.sub("\n", text.replace("&nbsp;", " "))
    out = []
    for c in text.translate(_DASHES).translate(_MARKS):
        if (c.isascii() and c >= " ") or c == "\n":
            out.append(c)
        elif unicodedata.category(c) in {"Zs", "Cc"}:
            out.append(" ")
        elif unicodedata.category(c) not in {"Cf", "Mn"} or c in "\u0306\u0308":
            out.append(str(unicodedata.digit(c)) if unicodedata.category(c) == "Nd" else c)
    return unicodedata.normalize("NFC", "".join(out)).strip()


def _excel(text: str, region: str) -> tuple[str, list[Refusal]]:
    """`3,80671E+11`: what has fewer digits than the number had is refused, the exact one is read."""
    refused: list[Refusal] = []

    def one(found: re.Match[str]) -> str:
        shown, exponent = found[1] + (found[2] or ""), int(found[3])
        if 8 <= exponent <= 14 and len(shown) == exponent + 1:
            return shown
        refused.append(Refusal("EXCEL", found[0].strip(), region))
        return ";"

    text = _EXPONENT.sub(one, text)
    return _FLOAT.sub(r"\1", text), refused


def _without_noise(text: str) -> str:
    """Hours of calling and the numbering of a list are no numbers of telephones."""
    return _TIME.sub(" ", _LIST_NUMBER.sub(lambda m: ";" if m.lastindex is None else " ", text))


def _plain_digits(text: str) -> str:
    """The letter O typed for a nought."""
    for pattern in (_O_BY_DIGIT, _O_GROUP, _O_BY_DIGIT):
        text = pattern.sub(lambda m: "0" * len(m[0]), text)
    return text


# --- tokens --------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"(?P<num>(?:\(\s*)?(?:\+[\s(]*)?\(?\d(?:[\s().\-]*\d)*)"
    r"|(?P<word>[^\W\d_]+(?:['’ʼ`_\-][^\W\d_]+|/(?:факс|fax|тел|tel|т|д|р|н)\b)*)"
    r"|(?P<mark>[#*]+)|(?P<sep>[;|\n&•\\,/])|(?P<open>[(\[])|(?P<close>[)\]])|(?P<other>\S)"
)


@dataclass(slots=True)
class _Token:
    kind: str
    text: str
    begin: int
    end: int


@dataclass(slots=True)
class _Piece:
    """A number as written, with the words that belong to it."""

    text: str
    begin: int
    end: int
    words: list[str] = field(default_factory=list)
    extension: str = ""
    parted_by: str = ""  # what stood before it
    glued: bool = False  # a letter among its digits


def _tokens(text: str) -> list[_Token]:
    return [_Token(m.lastgroup or "", m[0], m.start(), m.end()) for m in _TOKEN.finditer(text)]


class _Reader:
    def __init__(self, original: str, region: str, area_code: str) -> None:
        self.original, self.region, self.area = original, region, area_code
        self.segments: list[list[_Piece | str]] = [[]]
        self.last: _Piece | None = None  # the number that an extension would belong to
        self.parted = ""
        self.in_brackets = self.wants_extension = False

    def read(self, tokens: list[_Token]) -> list[Phone | Refusal]:
        for before, token in zip([None, *tokens], tokens, strict=False):
            self._take(before, token, tokens)
        pieces = _labelled(self.segments)
        out: list[Phone | Refusal] = []
        n = 0
        while n < len(pieces):
            took, results = self._merged(pieces, n)
            out += results
            n += took
        return out

    # --- which words and extensions belong to which number ---

    def _take(self, before: _Token | None, token: _Token, tokens: list[_Token]) -> None:
        if token.kind == "num":
            self._digits(before, token, tokens)
        elif token.kind == "word":
            self._word(before, token)
        elif token.kind == "mark":
            self.wants_extension = self.last is not None
        elif token.kind in {"open", "close"}:
            self.in_brackets = token.kind == "open"
        elif token.kind == "sep":
            self.segments.append([])
            self.parted = token.text

    def _digits(self, before: _Token | None, token: _Token, tokens: list[_Token]) -> None:
        rest: _Token | None = token
        if self.last is not None and (self.wants_extension or self._dialed_on(before, token, self.last)):
            rest = self._take_extension(self.last, token)
        self.wants_extension = False
        if rest is not None:
            self.last = _Piece(rest.text, rest.begin, rest.end, parted_by=self.parted)
            self.last.glued = (
                before is not None and before.kind == "word" and before.end == token.begin and _inside(before, tokens)
            )
            self.segments[-1].append(self.last)
        self.parted = ""

    def _word(self, before: _Token | None, token: _Token) -> None:
        word = token.text.lower().strip("'’ʼ`")
        here = self.segments[-1]
        if word in words_of.PARTING and not (len(word) == 1 and token.text.isupper()):
            self.segments.append([])
            self.parted = "and"
        elif words_of.is_extension(word) and self.last is not None and not self.wants_extension:
            self.wants_extension = True
        elif self.in_brackets and here and isinstance(here[-1], _Piece):
            here[-1].words.append(word)
        elif word in OWNER_KINDS and before is not None and before.text == ":" and self.last is not None:
            self.last.words.append(f":{word}")
        else:
            here.append(word)

    def _dialed_on(self, before: _Token | None, token: _Token, last: _Piece) -> bool:
        """`0444901234,115`: a comma without a space is a pause in a dial string; a mobile has no extension."""
        if before is None or before.text != "," or before.begin != last.end or token.begin != before.end:
            return False
        if len(re.sub(r"\D", "", token.text)) > 6 or len(re.sub(r"\D", "", last.text)) < 9:
            return False
        read = self._number(last.text)
        return not isinstance(read, str) and read[1] != "mobile"

    def _take_extension(self, last: _Piece, token: _Token) -> _Token | None:
        """Gives the number its extension; what follows in the same run of digits comes back, a whole number too."""
        digits = re.sub(r"\D", "", token.text)
        if token.text.lstrip(" (").startswith("+"):
            return token
        if len(digits) <= 6:
            if last.extension or isinstance(self._number(last.text), str):
                return token
            last.extension = digits
            return None
        first = re.match(r"\(?(\d{1,6})\)?[\s\-]+(?=[+(\d])", token.text)
        if not isinstance(self._number(token.text), str) or first is None:
            return token
        if isinstance(self._number(token.text[first.end() :]), str):
            return token
        last.extension = first[1]
        return _Token("num", token.text[first.end() :], token.begin + first.end(), token.end)

    # --- numbers ---

    def _merged(self, pieces: list[_Piece], n: int) -> tuple[int, list[Phone | Refusal]]:
        """One number of a piece, several of one, or one of several pieces (`044/490-12-34`); how many were used."""
        piece = pieces[n]
        if n + 1 < len(pieces) and pieces[n + 1].glued:
            return 2, [Refusal("LETTERS", self.original, self.region)]
        read = self._number(piece.text)
        if not isinstance(read, str) and not piece.glued:
            return 1, [self._phone(piece, *read)]
        joined = None if piece.glued else self._joined(pieces, n)
        if joined:
            return joined
        if piece.glued:
            return 1, [Refusal("LETTERS", self.original, self.region)]
        several = self._several(piece)
        if several:
            return 1, list(several)
        return 1, [Refusal(str(read), piece.text.strip(" .,-()"), self.region)]

    def _joined(self, pieces: list[_Piece], n: int) -> tuple[int, list[Phone | Refusal]] | None:
        """`044/490-12-34`; and `380,671,234,567`, which is read to its end."""
        text, longest = pieces[n].text, len(re.sub(r"\D", "", pieces[n].text))
        found = None
        for more, tail in enumerate(pieces[n + 1 : n + 6], 1):
            if longest > 5 or tail.parted_by not in {",", "/", "\\"}:
                break
            longest = max(longest, len(re.sub(r"\D", "", tail.text)) - 1)
            text += " " + tail.text
            read = self._number(text)
            if not isinstance(read, str):
                words = [word for one in pieces[n : n + more + 1] for word in one.words]
                whole = _Piece(text, pieces[n].begin, tail.end, words, tail.extension)
                found = more + 1, [self._phone(whole, *read)]
                if longest > 3:
                    break
        return found  # type: ignore[return-value]

    def _several(self, piece: _Piece) -> list[Phone]:
        """A run of digits that is no number, but numbers side by side, or a number and `(115)`."""
        bracketed = re.fullmatch(r"(.*\d)\s*\((\d{1,5})\)?", piece.text.strip())
        if bracketed and not isinstance(read := self._number(bracketed[1]), str):
            return [self._phone(_Piece(bracketed[1], 0, 0, piece.words, bracketed[2]), *read)]
        groups = [g for g in re.split(r"[\s.\-]*\s[\s.\-]*", piece.text.strip()) if g]
        parts = self._parted(groups) if 1 < len(groups) <= 14 else None
        if not parts:
            return []
        phones = [self._phone(_Piece(part, 0, 0), *self._number(part)) for part in parts[:-1]]
        last = _Piece(parts[-1], 0, 0, piece.words, piece.extension)
        return [*phones, self._phone(last, *self._number(parts[-1]))]

    def _parted(self, groups: list[str]) -> list[str] | None:
        if not groups:
            return []
        for size in range(1, len(groups) + 1):
            head = " ".join(groups[:size])
            digits = len(re.sub(r"\D", "", head))
            if digits >= (5 if self.area else 9) and not isinstance(self._number(head), str):
                tail = self._parted(groups[size:])
                if tail is not None:
                    return [head, *tail]
        return None

    def _number(self, text: str) -> tuple[str, str] | str:
        return read_number(text, self.region, self.area)

    def _phone(self, piece: _Piece, value: str, number_type: str) -> Phone:
        said = tuple(w for w in piece.words if not w.startswith(":"))
        named = next((w[1:] for w in piece.words if w.startswith(":")), "")
        if words_of.is_fax(said):
            number_type = "fax"
        owner = named or words_of.owner_of(said)
        if number_type == "fax" and owner == "self" and not named:
            owner = "unknown"
        return Phone(value, self.original, owner, number_type, piece.extension, guessed=not named)


def _inside(word: _Token, tokens: list[_Token]) -> bool:
    """A short word without a space on either side, digits before and behind: `06712З4567`."""
    return len(word.text) <= 2 and any(t.kind == "num" and t.end == word.begin for t in tokens)


def _labelled(segments: list[list[_Piece | str]]) -> list[_Piece]:
    """Words stand before their number or behind it; the first telling word or number of a segment shows which."""
    flat = [one for segment in segments for one in segment]
    telling = [one for one in flat if isinstance(one, _Piece) or words_of.owner_of_word(one)]
    words_first = bool(telling) and isinstance(telling[0], str)
    pieces: list[_Piece] = []
    waiting: list[str] = []
    for segment in segments:
        numbers = [one for one in segment if isinstance(one, _Piece)]
        if not numbers:
            said = [one for one in segment if isinstance(one, str)]
            if pieces and (not words_first or segment is segments[-1] or not _more(segments, segment)):
                pieces[-1].words += said
            else:
                waiting += said
            continue
        shown = [one for one in segment if isinstance(one, _Piece) or words_of.owner_of_word(one)]
        behind = isinstance(shown[0], _Piece)
        numbers[0].words += waiting
        waiting = []
        seen: _Piece | None = None
        held: list[str] = []
        for one in segment:
            if isinstance(one, _Piece):
                one.words += held
                held, seen = [], one
            elif behind and seen is not None:
                seen.words.append(one)
            else:
                held.append(one)
        numbers[-1].words += held
        pieces += numbers
    return pieces


def _more(segments: list[list[_Piece | str]], after: list[_Piece | str]) -> bool:
    place = next(n for n, one in enumerate(segments) if one is after)
    return any(isinstance(one, _Piece) for segment in segments[place + 1 :] for one in segment)
