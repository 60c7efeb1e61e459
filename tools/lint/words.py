#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Rejects words in prose that are not plain technical English.

Prose is documentation, comments, and the text of messages (strings).

usage: words.py FILE...
"""

import re
import sys

# What is rejected, and what to write.
WORDS = [
    (r"\b[Tt]ill\b", "until"),
    (r"\b[Hh]e\b|\b[Hh]is\b|\b[Hh]im\b", "the actor: userspace, the guest driver, QEMU ..."),
    (r"\b[Tt]old\s+of\b", "reported"),
    (r"\b[Ww]orked\s+off\b", "handled"),
    (r"\b[Aa]ll\s+the\s+same\b", "nevertheless, or nothing"),
    (r"\bso\s+manieth\b", "number of"),
    # A question ends with a question mark.
    (r"(?:(?<=[.:;!?]\s)|(?<=\A))Who\b(?![^.]*\?)", "userspace that, a driver that ..."),
]

STRING = r'b?"(?:\\.|[^"\\])*"'


def prose(path, text):
    """Finds pieces of prose: where each begins, and what it says."""
    if path.endswith((".rst", ".md")):
        return [(0, text)]
    if path.endswith((".rs", ".c", ".h")):
        # Lines of comments that follow each other are one piece.
        pattern = rf"(?:[ \t]*//[^\n]*\n?)+|/\*.*?\*/|{STRING}|'(?:\\.|[^'\\])'"
    else:
        pattern = r"(?:(?:^|(?<=\s))#[^\n]*\n?)(?:[ \t]*#[^\n]*\n?)*"
    return [(m.start(), m.group()) for m in re.finditer(pattern, text, re.S | re.M)]


def plain(piece):
    """Blanks what opens a line of a comment. Offsets stay."""
    blank = lambda m: " " * len(m.group())
    return re.sub(r"^[ \t]*(?://[/!]?|/?\*+|#+)", blank, piece, flags=re.M)


def main():
    bad = False
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for at, piece in prose(path, text):
            piece = plain(piece)
            # The first word of a piece begins a sentence.
            lead = len(piece) - len(piece.lstrip(" \t\n\""))
            for pattern, instead in WORDS:
                for found in re.finditer(pattern, piece[lead:]):
                    bad = True
                    line = text.count("\n", 0, at + lead + found.start()) + 1
                    print(f"{path}:{line}: \"{' '.join(found.group().split())}\": write {instead}")
    return bad


sys.exit(main())
