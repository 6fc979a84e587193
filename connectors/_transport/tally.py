"""What a sandbox keeps of very many messages: how often each key was taken, and the latest of what they said."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Final, TypeVar

LATEST: Final = 5_000
"""How many messages a sandbox that forgets still holds."""

OURS: Final = re.compile(r"([1-9]\d{8})-([1-9]|[12]\d|3[01])", re.ASCII)
"""A key that is a bit: a request's number, and which of its first deliveries."""

BITS: Final = 32

AT_FIRST: Final = 1_000_000
"""A hub gives its numbers in a row: the first that is counted lies within this many of its very first."""

AT_MOST: Final = 4_000_000
"""Requests beyond which keys are counted by name."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Tally(MutableMapping[str, int]):
    """A counter of keys in four bytes a request: a bit for each delivery that was taken once.

    What was taken more often, and whatever is no key of a delivery's, is counted beside it, by name.
    """

    def __init__(self, counted: Mapping[str, int]) -> None:
        self._first = 0
        self._bits = array("I")
        self._beside: dict[str, int] = {}
        self.update(counted)

    def __getitem__(self, key: str) -> int:
        """Say how often a key was counted: as a counter does, 0 for one that was not."""
        if key in self._beside:
            return self._beside[key]
        place = self._place(key)
        return int(place is not None and place[0] < len(self._bits) and bool(self._bits[place[0]] & place[1]))

    def __setitem__(self, key: str, times: int) -> None:
        """Write down how often a key was counted."""
        place = self._place(key) if times == 1 else None
        if place is None:
            self._beside[key] = times
            return
        index, bit = place
        if index >= len(self._bits):
            self._bits.frombytes(bytes(self._bits.itemsize * (index + 1 - len(self._bits))))
        self._bits[index] |= bit
        self._beside.pop(key, None)

    def __delitem__(self, key: str) -> None:
        """Count no key less."""
        raise TypeError(key)

    def __contains__(self, key: object) -> bool:
        """Tell whether a key was counted."""
        return isinstance(key, str) and self[key] > 0

    def __iter__(self) -> Iterator[str]:
        """Give every key that was counted."""
        yield from self._beside
        for index, bits in enumerate(self._bits):
            for ordinal in range(BITS) if bits else ():
                key = f"{self._first + index}-{ordinal}"
                if bits >> ordinal & 1 and key not in self._beside:
                    yield key

    def __len__(self) -> int:
        """Count the keys."""
        return sum(1 for _ in self)

    def _place(self, key: str) -> tuple[int, int] | None:
        """Say in which word a key's bit is; None for one that has none."""
        named = OURS.fullmatch(key)
        if named is None:
            return None
        number = int(named[1])
        if not self._first:
            self._first = number - number % AT_FIRST
        index = number - self._first
        return (index, 1 << int(named[2])) if 0 <= index < AT_MOST else None


class Latest(dict[Key, Value]):
    """A mapping that keeps the latest entries alone."""

    def __init__(self, known: Mapping[Key, Value], most: int = LATEST) -> None:
        super().__init__(known)
        self._most = most

    def __setitem__(self, key: Key, value: Value) -> None:
        """Keep an entry, and let the oldest go when there are too many."""
        super().__setitem__(key, value)
        while len(self) > self._most:
            del self[next(iter(self))]

    def setdefault(self, key: Key, default: Value) -> Value:
        """Give an entry, which is kept if there was none."""
        if key not in self:
            self[key] = default
        return self[key]
