"""Writes the hex of every frame in the case files anew from its scapy expression.

    python3 make.py            rewrite the files
    python3 make.py --check    change nothing; fail if a file would change
"""

import pathlib
import re
import sys
import tomllib

import lab

FRAME = re.compile(r"^scapy = ('''(?:.|\n)*?'''|'[^'\n]*')\n(?:hex = \"[^\"\n]*\"\n)?", re.MULTILINE)


def frames(text):
    """The hex of every expression in a file, in the file's order."""
    for case in tomllib.loads(text)["case"]:
        stimuli = []
        for number, step in enumerate(case["step"]):
            sent = None
            where = f"{case['id']} step {number}"
            try:
                if "scapy" in step:
                    sent = lab.build(step["scapy"], stimuli)
                    yield lab.show(sent)
                stimuli.append(sent)
                for expected in step.get("sends", ()):
                    yield lab.show(lab.build(expected["scapy"], stimuli, sent))
            except Exception as error:
                raise SystemExit(f"{where}: {error!r}") from error


def remade(text):
    """The file with all its hex made anew."""
    made = frames(text)
    return FRAME.sub(lambda found: f'scapy = {found[1]}\nhex = "{next(made)}"\n', text)


def main():
    stale = []
    for path in sorted(pathlib.Path(__file__).parent.glob("*.toml")):
        old = path.read_text()
        new = remade(old)
        if new != old:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(new)
    if stale and "--check" in sys.argv:
        raise SystemExit(f"stale: {', '.join(stale)}: run make cases")
    print(f"written: {', '.join(stale)}" if stale else "nothing to change")


if __name__ == "__main__":
    main()
