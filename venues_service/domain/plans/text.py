"""Bytes of a text file as lines, with a plain word on what is wrong with them."""

from venues_service.domain.plans.findings import Faults, refusal

# Ten for each seat that a hall may have.
MOST_LINES = 1_000_000
BOM = "\ufeff"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def decoded(body: bytes) -> str:
    """The text, without byte order mark, line ends as `\\n`. Raises Invalid with the place of the first bad byte."""
    if body.startswith(_UTF16) or b"\x00" in body[:1000]:
        raise refusal("line 1", "This is UTF-16 or binary; save the file as UTF-8")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        column = len(body[body.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8")) + 1
        message = "This is not UTF-8 (perhaps Latin-1 or Windows-1252); save the file as UTF-8"
        raise refusal(f"line {line}, column {column}", message) from error
    text = text.removeprefix(BOM).replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > MOST_LINES:
        raise refusal(f"line {MOST_LINES + 1}", f"A file may have at most {MOST_LINES} lines")
    if not text.strip():
        raise refusal("line 1", "The file is empty")
    return text


def check_characters(text: str, allowed: str = "") -> None:
    """Raises Invalid with the place of each control character that is not `allowed`."""
    faults = Faults()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.isprintable():
            for column, char in enumerate(line, 1):
                # Not printable, for Python, are also spaces of other scripts and joiners: harmless in a name.
                if char not in allowed and (ord(char) < 32 or 127 <= ord(char) < 160):
                    faults.add(f"line {number}, column {column}", "Control characters are not allowed")
    faults.settle()
