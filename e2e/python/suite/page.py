"""The code of a page of the documentation, and that it prints what the page says."""

import argparse
import contextlib
import io
import re

import harness
import samples


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--address", required=True)
    p.add_argument("page")
    a = p.parse_args()
    samples.redirect(a.address)
    with open(a.page) as f:
        text = f.read()
    blocks = re.findall(r"```python\n# (\S+)\n(.*?)```\n\n```text\n(.*?)```", text, re.S)
    assert len(blocks) == len(re.findall("```python", text)), "a block of code has no name, or does not say what it prints"
    for name, code, want in blocks:
        def run(_):
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                exec(compile(code, name, "exec"), {"__name__": "__main__"})
            harness.equal(said.getvalue(), want)
        harness.run_one(samples.ALONE, f"documentation: {name}", run)


main()
