#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads Documentation as Sphinx does, and rejects what Sphinx would warn about.

All but the table of contents is plain reStructuredText, which docutils reads. A role or a directive that
only Sphinx has is an error here.

usage: docs.py FOLDER
"""

import glob
import io
import os
import sys

import docutils.core
from docutils.parsers.rst import Directive, directives

LISTED = []


class Toctree(Directive):
    """The table of contents: each entry is a file."""

    has_content = True
    option_spec = {"maxdepth": directives.nonnegative_int, "caption": directives.unchanged}

    def run(self):
        for entry in (line.strip() for line in self.content if line.strip()):
            source = self.state.document.current_source
            file = os.path.normpath(os.path.join(os.path.dirname(source), entry + ".rst"))
            LISTED.append(file)
            if not os.path.exists(file):
                raise self.warning(f"toctree contains a document that is not there: {entry}")
        return []


FOLDER = os.path.normpath(sys.argv[1])
ROOT = os.path.join(FOLDER, "index.rst")
directives.register_directive("toctree", Toctree)
bad = False
files = sorted(glob.glob(f"{FOLDER}/**/*.rst", recursive=True))
for path in files:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    warnings = io.StringIO()
    settings = {"report_level": 2, "halt_level": 5, "warning_stream": warnings}
    docutils.core.publish_doctree(text, source_path=path, settings_overrides=settings)
    if warnings.getvalue():
        bad = True
        print(warnings.getvalue(), end="")
for path in files:
    if path not in (ROOT, *LISTED):
        bad = True
        print(f"{path}: document isn't included in any toctree")
sys.exit(bad or not files)
