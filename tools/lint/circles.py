#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Rejects circles of imports between Rust files.

A file imports another one if it names something of it: in a `use`, or by a path that begins with `crate`,
`super`, or one of its modules. What tests import does not count. Names that a module passes on (`pub use`) lead to where they come from; passing a name on is no
import, unless the module uses the name itself. What a child and its parent have to do with each other by
`mod` alone is no import either.

usage: circles.py ALLOWED FILE...

ALLOWED names the circles that may stay, one a line: its files, with `*` for any text, then `#` and the
reason. A circle may be smaller than its line. A line without a circle is an error.
"""

import fnmatch
import os
import re
import sys


def without_comments(text):
    """Blanks comments, strings and characters, so that only code is left and offsets stay."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|b?r#*".*?"#*|b?"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'', re.S
    )
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def split_tree(text):
    """Expands the tree of a `use` to pairs of a path and the name that it gets."""
    text = text.strip()
    brace = text.find("{")
    if brace < 0:
        path, _, alias = text.partition(" as ")
        parts = [part.strip() for part in path.split("::") if part.strip()]
        if parts[-1:] == ["self"] and len(parts) > 1:
            parts.pop()
        return [(parts, alias.strip() or (parts[-1] if parts else ""))] if parts else []
    head = [part.strip() for part in text[:brace].split("::") if part.strip()]
    inner, depth, item, items = text[brace + 1 : text.rindex("}")], 0, "", []
    for char in inner:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            items.append(item)
            item = ""
        else:
            item += char
    items.append(item)
    found = []
    for item in items:
        for parts, name in split_tree(item) if item.strip() else []:
            if parts == ["self"]:
                parts, name = [], head[-1] if name == "self" else name
            found.append((head + parts, name))
    return found


class File:
    """A file, the modules that it declares, and what it imports."""

    def __init__(self, path):
        self.path = path
        with open(path, encoding="utf-8") as file:
            raw = file.read()
        code = without_comments(raw)
        self.inline = self.find_inline(code)
        self.children, self.tests = {}, set()
        stem = os.path.splitext(os.path.basename(path))[0]
        self.beside = os.path.dirname(path)
        self.below = os.path.join(self.beside, stem)
        pattern = r"(?:#\[path\s*=\s*([^\]]*)\]\s*)?(?:pub(?:\([^)]*\))?\s+)?\bmod\s+(\w+)\s*;"
        for found in re.finditer(pattern, code):
            name = found.group(2)
            where = re.search(r'#\[path\s*=\s*"([^"]*)"\]', raw[found.start() : found.end()])
            places = [
                os.path.join(folder, name + end)
                for folder in (self.below, self.beside)
                for end in (".rs", "/mod.rs")
            ]
            if where:
                places = [os.path.normpath(os.path.join(self.beside, where.group(1)))]
            # A module of the file's own name would be the file itself.
            places = [place for place in places if place != path]
            before = code[: found.start()].rstrip().splitlines()[-1:]
            if any(re.search(r"cfg\([^\]]*\b(?:test|CONFIG_KUNIT)\b", line) for line in before):
                self.tests.add(name)
            self.children[name] = next((place for place in places if os.path.exists(place)), None)
        self.uses, self.passed_on = [], []
        # What a macro imports is imported where it is used.
        for begin, end in self.find_tests(code) + self.find_macros(code):
            code = code[:begin] + re.sub(r"[^\n]", " ", code[begin:end]) + code[end:]
        rest = code
        for found in re.finditer(r"(\bpub(?:\([^)]*\))?\s+)?\buse\s+([^;]+);", code):
            where = self.module_at(found.start())
            for parts, name in split_tree(found.group(2)):
                (self.passed_on if found.group(1) else self.uses).append((where, parts, name))
            blank = re.sub(r"[^\n]", " ", found.group())
            rest = rest[: found.start()] + blank + rest[found.end() :]
        for found in re.finditer(r"(?<![\w$:])(?:crate|super)(?:\s*::\s*\w+)+", rest):
            parts = [part.strip() for part in found.group().split("::")]
            self.uses.append((self.module_at(found.start()), parts, parts[-1]))
        for name in self.children:
            for found in re.finditer(rf"(?<![\w$:.]){name}(?:\s*::\s*\w+)+", rest):
                parts = [part.strip() for part in found.group().split("::")]
                self.uses.append((self.module_at(found.start()), parts, parts[-1]))
        # A name that is passed on and used here is an import.
        for where, parts, name in self.passed_on:
            if re.search(rf"\b{re.escape(name)}\b", rest):
                self.uses.append((where, parts, name))

    def find_tests(self, code):
        """Finds the modules with a body that only tests have."""
        marks = r"#\[cfg\([^\]]*\btest\b[^\]]*\)\]|#\[kunit_tests\([^\]]*\)\]"
        starts = re.finditer(rf"(?:{marks})\s*(?:#\[[^\]]*\]\s*)*(?:pub\s+)?mod\s+\w+\s*\{{", code)
        found = {start.end() for start in starts}
        return [(begin, end) for begin, end, _ in self.inline if begin in found]

    @staticmethod
    def find_bodies(pattern, code):
        """Finds what stands in braces behind a pattern: begin, end, and the pattern's first group."""
        found = []
        for start in re.finditer(pattern, code):
            depth, at = 1, start.end()
            while depth and at < len(code):
                depth += {"{": 1, "}": -1}.get(code[at], 0)
                at += 1
            found.append((start.end(), at, start.group(1)))
        return found

    def find_inline(self, code):
        """Finds modules with a body: where each begins and ends, and its name."""
        return self.find_bodies(r"\bmod\s+(\w+)\s*\{", code)

    def find_macros(self, code):
        """Finds the bodies of macros."""
        found = self.find_bodies(r"\bmacro_rules!\s*(\w+)\s*\{", code)
        return [(begin, end) for begin, end, _ in found]

    def module_at(self, offset):
        """Returns how many modules with a body are around an offset."""
        return sum(1 for begin, end, _ in self.inline if begin <= offset < end)


class Crate:
    """The files of a crate, by their module."""

    def __init__(self, root, files):
        self.files, self.of, self.parent = files, {}, {}
        self.root = root
        todo = [root]
        while todo:
            path = todo.pop()
            for child in files[path].children.values():
                if child in files and child not in self.parent and child != root:
                    self.parent[child] = path
                    todo.append(child)

    def members(self):
        return [self.root, *self.parent]

    def resolve(self, path, depth, parts, seen=()):
        """Returns the file that a path leads to, seen from `depth` modules with a body within `path`."""
        if (path, tuple(parts)) in seen:
            return path
        seen = (*seen, (path, tuple(parts)))
        first, rest = parts[0], parts[1:]
        if first == "crate":
            at = self.root
        elif first == "self":
            at = path
        elif first == "super":
            at = path
            rest = parts
            while rest and rest[0] == "super":
                if depth:
                    depth -= 1
                else:
                    at = self.parent.get(at, at)
                rest = rest[1:]
        elif first in self.files[path].children:
            at, rest = path, parts
        else:
            return None
        while rest:
            file = self.files[at]
            child = file.children.get(rest[0])
            if child in self.files:
                at, rest = child, rest[1:]
                continue
            for _, target, name in file.passed_on:
                if name == rest[0] or name == "*":
                    found = self.resolve(at, 0, target, seen)
                    if found and found != at and name != "*":
                        return self.resolve(found, 0, ["self", *rest[1:]], seen)
            return at
        return at

    def imports(self, path):
        found = (self.resolve(path, depth, parts) for depth, parts, _ in self.files[path].uses)
        return {to for to in found if to and to != path}


def circles(edges):
    """Finds sets of files that all reach each other (Tarjan)."""
    index, low, stack, result = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for to in sorted(edges.get(node, ())):
            if to not in index:
                visit(to)
                low[node] = min(low[node], low[to])
            elif to in stack:
                low[node] = min(low[node], index[to])
        if low[node] == index[node]:
            found = []
            while not found or found[-1] != node:
                found.append(stack.pop())
            if len(found) > 1:
                result.append(sorted(found))

    sys.setrecursionlimit(10000)
    for node in sorted(edges):
        if node not in index:
            visit(node)
    return result


def is_within(circle, line):
    return all(any(fnmatch.fnmatchcase(path, name) for name in line) for path in circle)


def main():
    allowed_path, paths = sys.argv[1], sys.argv[2:]
    files = {path: File(path) for path in paths}
    # Files of tests import what they like.
    for file in list(files.values()):
        for name in file.tests:
            child = files.get(file.children[name])
            if child:
                child.uses = []
    declared = {child for file in files.values() for child in file.children.values()}
    edges = {}
    for root in (path for path in files if path not in declared):
        crate = Crate(root, files)
        for path in crate.members():
            edges.setdefault(path, set()).update(crate.imports(path))
    with open(allowed_path, encoding="utf-8") as file:
        lines = [line.split("#")[0].split() for line in file]
    allowed = {tuple(line): False for line in lines if line}
    bad = False
    for circle in circles(edges):
        line = next((line for line in allowed if is_within(circle, line)), None)
        if line:
            allowed[line] = True
            continue
        bad = True
        print(f"circle of {len(circle)} files:")
        for path in circle:
            print(f"  {path} imports {' '.join(sorted(edges[path] & set(circle)))}")
    for line, used in allowed.items():
        if not used:
            bad = True
            print(f"{allowed_path}: no circle any more, take the line out: {' '.join(line)}")
    return bad


sys.exit(main())
