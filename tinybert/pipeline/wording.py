"""Messages for people."""


def plural(count: int, one: str, more: str) -> str:
    """The count with the words that agree with it: 1 row has, 2 rows have."""
    return f"{count:,} {one if count == 1 else more}"
