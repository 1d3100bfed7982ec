"""Numbers and dates that a table holds as texts, because they are written otherwise than programs read them."""

import re
from collections.abc import Sequence

from evoact.errors import short

LOOKED_AT = 1000  # different texts
SHARE = 0.9  # of them that are written alike
_MONEY = r"[$€£¥]"
_NUMBER = r"(\d{1,3}([.,'’  ]\d{3})+|\d+)([.,]\d+)?"
NUMBER = re.compile(rf"\s*[-+]?\s*{_MONEY}?\s*{_NUMBER}\s*(%|{_MONEY}|EUR|USD|GBP)?\s*")
PLAIN = re.compile(r"\s*[-+]?\d+(\.\d+)?\s*")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAYS = (
    r"\d{4}(?P<a>[./-])\d{1,2}(?P=a)\d{1,2}",
    r"\d{1,2}(?P<b>[./-])\d{1,2}(?P=b)(\d{4}|\d{2})",
    rf"\d{{1,2}}[ .-]+{_MONTH}[ ,-]+\d{{2,4}}",
    rf"{_MONTH} \d{{1,2}}(st|nd|rd|th)?,? \d{{4}}",
)
DATE = re.compile(rf"\s*({'|'.join(_DAYS)})([ T,]+\d{{1,2}}:\d{{2}}.*)?\s*", re.IGNORECASE)


def written_otherwise(texts: Sequence[str]) -> str:
    """Return what a column's different texts are if they read as dates, or as numbers with separators, units of money
    or per cent, and what to do; else nothing.

    >>> written_otherwise(["1,200", "980", "12,000"])  # doctest: +ELLIPSIS
    "holds numbers that are written as texts, such as '1,200'; write them without separators ..."
    >>> written_otherwise(["31.12.2020", "1.2.2021"])  # doctest: +ELLIPSIS
    "holds dates that are written as texts, such as '31.12.2020'; store what matters of them ..."
    >>> written_otherwise(["red", "3"])
    ''
    """
    looked_at = [text for text in texts[:LOOKED_AT] if text is not None]
    dates = [text for text in looked_at if DATE.fullmatch(text)]
    numbers = [text for text in looked_at if NUMBER.fullmatch(text)]
    odd = next((text for text in numbers if not PLAIN.fullmatch(text)), None)
    enough = max(1, SHARE * len(looked_at))
    if len(dates) >= enough:
        return (
            f"holds dates that are written as texts, such as {short(dates[0])}; store what matters of them as numbers "
            "(the month, an age in days), or write them as 2021-03-31 and split by them with task.time"
        )
    if len(numbers) >= enough and odd is not None:
        return (
            f"holds numbers that are written as texts, such as {short(odd)}; write them without separators and units, "
            "with a decimal point"
        )
    return ""
