"""Markdown pages taken apart: links, headings, and the snippets that a reader would copy.

What a fence says after its three backquotes decides what is done with it:

    sh        run; all snippets of a page run in order, in one shell, in a folder that looks like the top of the tree
    console   lines that begin with "$ " are run and must print the lines below; "..." stands for anything
    c         compiled against the public headers, with every warning an error
    python    compiled
    json      read, a value a line or one value
    text, conf, ini, yaml, diff   for the eye, unless a note says otherwise

A note is a comment right before the fence, <!-- snippet: KEY=VALUE; KEY -->:

    file=NAME        save it under that name first; of the languages above that are not run this is all that happens
    status=N         it exits with N
    prints           a text fence: what the snippet before it printed; "..." stands for anything
    wrap=SIGNATURE   C that is the body of such a function
    not-run=WHY      left alone; why is for the reader of the source
    root             only root can run it

<!-- run
commands
--> is run where it stands and not shown.
"""
import os
import re

RUN, SHOWN = ("sh", "console", "c", "python", "json"), ("text", "conf", "ini", "yaml", "diff")
KEYS = ("file", "status", "prints", "wrap", "not-run", "root")
FENCE = re.compile(r"^(\s*)```+\s*([^`]*)$")
NOTE = re.compile(r"^\s*<!-- snippet: (.*?) -->\s*$")
HIDDEN = re.compile(r"^\s*<!-- run\s*$")
LINK = re.compile(r"(?<!\!)\[[^\]\[]*\]\(([^()\s]+)(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s*(\S+)", re.M)


class Snippet:
    def __init__(self, page, line, language, text, notes):
        self.page, self.line, self.language, self.text, self.notes = page, line, language, text, notes

    @property
    def where(self):
        return f"{self.page}:{self.line}"

    @property
    def runs(self):
        return "not-run" not in self.notes and ("root" not in self.notes or os.geteuid() == 0)


def read_notes(text):
    notes = {}
    for part in text.split(";"):
        key, _, value = part.strip().partition("=")
        notes[key] = value
    return notes


def read_page(path, name):
    """(snippets, text without them, problems)."""
    with open(path) as f:
        lines = f.read().splitlines()
    snippets, rest, problems, notes = [], [], [], {}
    i = 0
    while i < len(lines):
        fence, note = FENCE.match(lines[i]), NOTE.match(lines[i])
        if note:
            notes = read_notes(note.group(1))
            problems += [f"{name}:{i + 1}: no such note: {k}" for k in notes if k not in KEYS]
        elif HIDDEN.match(lines[i]) or fence:
            begin = i
            ends = re.compile(r"^\s*-->\s*$") if not fence else re.compile(r"^\s*```+\s*$")
            i += 1
            while i < len(lines) and not ends.match(lines[i]):
                i += 1
            indent = len(fence.group(1)) if fence else 0
            text = "\n".join(line[indent:] for line in lines[begin + 1:i]) + "\n"
            language = fence.group(2).strip() if fence else "sh"
            snippets.append(Snippet(name, begin + 1, language, text, notes))
            if language not in RUN + SHOWN:
                problems.append(f"{name}:{begin + 1}: a fence wants one of {', '.join(RUN + SHOWN)}, not \"{language}\"")
            if i == len(lines):
                problems.append(f"{name}:{begin + 1}: this fence does not end")
            if notes.get("not-run") == "":
                problems.append(f"{name}:{begin + 1}: not-run wants a reason")
            notes = {}
            rest += [""] * (i - begin + 1)
            i += 1
            continue
        elif lines[i].strip():
            notes = {}
        rest.append(lines[i])
        i += 1
    return snippets, "\n".join(rest), problems


def slug(heading):
    """The anchor that a heading gets where the pages are read."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(path):
    with open(path) as f:
        text = re.sub(r"```.*?```", "", f.read(), flags=re.S)
    found, times = set(), {}
    for heading in re.findall(r"^#{1,6}\s+(.*?)\s*#*$", text, re.M):
        s = slug(heading)
        found.add(s if s not in times else f"{s}-{times[s]}")
        times[s] = times.get(s, 0) + 1
    return found | set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))


def broken_links(path, name, text):
    problems = []
    for match in LINK.finditer(re.sub(r"`[^`\n]*`", lambda m: "x" * len(m.group(0)), text)):
        target = match.group(1) or match.group(2)
        if re.match(r"[a-z]+:", target):
            continue
        line = text.count("\n", 0, match.start()) + 1
        to, _, anchor = target.partition("#")
        to = os.path.normpath(os.path.join(os.path.dirname(path), to)) if to else path
        if not os.path.exists(to):
            problems.append(f"{name}:{line}: {target}: there is no such file")
        elif anchor and (not to.endswith(".md") or anchor not in anchors(to)):
            problems.append(f"{name}:{line}: {target}: there is no such heading")
    return problems


def console_steps(snippet):
    """(command, what it prints) of a console snippet."""
    steps = []
    for line in snippet.text.splitlines():
        if line.startswith("$ "):
            steps.append([line[2:], []])
        elif line.startswith("> ") and steps and not steps[-1][1]:
            steps[-1][0] += "\n" + line[2:]
        elif steps:
            steps[-1][1].append(line)
    return [(command, "\n".join(out) + "\n" if out else "") for command, out in steps]


def prints(wanted, got):
    """'' when `got` is what `wanted` says, else where they part."""
    pattern = "".join(r"(?:.*\n)*?" if line.strip() == "..." else
                      ".*".join(map(re.escape, line.split("..."))) + r"[ \t]*\n" for line in wanted.splitlines())
    if re.fullmatch(pattern, got if got.endswith("\n") or not got else got + "\n"):
        return ""
    return f"it printed\n{got[:2000]}\nand not\n{wanted}"
