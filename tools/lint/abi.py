#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks that Documentation/ABI names exactly the tracepoints and files that exist.

Files are those of debugfs and sysfs, and parameters of modules.

usage: abi.py FILE...      (all of ABI, and all sources that make files)
"""

import os
import re
import sys

DEBUGFS = "/sys/kernel/debug/vfio/<device>/migration/"
EVENTS = "/sys/kernel/tracing/events/"
SYSFS = "/sys/bus/pci/devices/<device>/"
NAME = r'\s*\{\s*name:\s*c"(\w+)"'


def existing(path, text):
    """Finds what a source makes."""
    found = set()
    system = re.search(r"#define\s+TRACE_SYSTEM\s+(\w+)", text)
    for event in re.findall(r"^(?:TRACE_EVENT|DEFINE_EVENT)\w*\(\s*(?:\w+,\s*)??(\w+),", text, re.M):
        found.add(f"{EVENTS}{system.group(1) if system else '?'}/{event}")
    folder = re.search(rf"\bDirectory(?:<[^>]*>)?{NAME}", text)
    if folder:
        for file in re.findall(rf"\bFile{NAME}", text):
            found.add(f"{DEBUGFS}{folder.group(1)}/{file}")
    for file in re.findall(rf"\bAttribute{NAME}", text):
        found.add(SYSFS + file)
    # The module is called as the Rust file of its folder that has no other name.
    for parameter in re.findall(r"^module_param\w*\((\w+),", text, re.M):
        folder = os.path.dirname(path)
        roots = [name for name in os.listdir(folder) if is_module(os.path.join(folder, name))]
        found.update(f"/sys/module/{name[:-3]}/parameters/{parameter}" for name in roots)
    return found


def is_module(path):
    if not path.endswith(".rs"):
        return False
    with open(path, encoding="utf-8") as file:
        return re.search(r"\bmodule!|\bmodule_\w+!", file.read()) is not None


def main():
    documented, exists = set(), set()
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if path.startswith("Documentation/ABI/"):
            documented.update(re.findall(r"^(?:What:)?\s+(/sys/\S+)$", text, re.M))
        else:
            exists |= existing(path, text)
    for name in sorted(exists - documented):
        print(f"{name} is in no file of Documentation/ABI")
    for name in sorted(documented - exists):
        print(f"{name} is documented, and no source makes it")
    # Nothing found is an error of this program.
    return documented != exists or not exists


sys.exit(main())
