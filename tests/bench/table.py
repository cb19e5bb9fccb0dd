#!/usr/bin/env python3
"""table.py FILE: the JSON of `run --json FILE` as the tables of docs/performance.md: median (p95), ratio to the first engine."""
import json
import sys

from report import ROWS


def figure(v):
    return "%.0f" % v if v >= 100 else "%.1f" % v if v >= 10 else "%.2f" % v if v >= 1 else "%.3f" % v


def main():
    doc = json.load(open(sys.argv[1]))
    metrics = doc["results"]
    for title, rows in ROWS:
        lines = []
        for key, what, target in rows:
            m = metrics.get(key)
            if not m or not all(m["engines"].get(e) for e in ("dockerd", "bulwark")):
                continue
            (a, a95), (b, b95) = ((m["engines"][e]["median"], m["engines"][e]["p95"]) for e in ("dockerd", "bulwark"))
            ratio = b / a if a else float("nan")
            met = "" if not target else "yes" if (ratio >= target if m["higher"] else ratio <= target) else "**no**"
            lines.append("| %s | %s | %s (%s) | %s (%s) | %s | %s | %s |" % (
                what, m["unit"], figure(a), figure(a95), figure(b), figure(b95), figure(ratio),
                "-" if not target else ("≥ " if m["higher"] else "≤ ") + "%g" % target, met))
        if lines:
            print("### %s\n\n| | unit | dockerd 20.10 | Bulwark | ratio | target | met |\n|---|---|---|---|---|---|---|\n%s\n" % (title, "\n".join(lines)))


main()
