"""The code of a page of the documentation, and that it prints what the page says.

They connect to localhost:4001, see samples.py; what is about another server is left
to a process of its own. A program that waits for a signal gets one.
"""

import argparse
import contextlib
import io
import os
import re
import signal

import harness


ELSEWHERE = "secure.py"


class Said(io.StringIO):
    """What a program prints. It hears SIGTERM after its first line, if it asks for it."""

    def __init__(self, code):
        super().__init__()
        self.pending = "signal.SIGTERM" in code

    def write(self, text):
        n = super().write(text)
        if self.pending and text.endswith("\n"):
            self.pending = False
            os.kill(os.getpid(), signal.SIGTERM)
        return n


def main():
    p = argparse.ArgumentParser()
    p.add_argument("page")
    a = p.parse_args()
    with open(a.page) as f:
        text = f.read()
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```\n.*?```text\n(.*?)```", text, re.S)
    assert len(blocks) == len(re.findall("```python", text)), "a block of code has no name, or does not say what it prints"
    for name, code, want in blocks:
        if name == ELSEWHERE:
            continue

        def run(_):
            said = Said(code)
            with contextlib.redirect_stdout(said):
                exec(compile(code, name, "exec"), {"__name__": "__main__"})
            harness.equal(said.getvalue(), want)
        harness.run_one(None, f"documentation: {name}", run)


main()
