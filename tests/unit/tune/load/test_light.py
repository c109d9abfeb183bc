"""The generator runs on a machine that has nothing but Python, uvloop, orjson and msgspec."""

import subprocess
import sys

LIGHT = {"msgspec", "orjson", "uvloop", "forebay", "typing_extensions", "cython_runtime"}
ASK = """
import sys
before = set(sys.modules)
import forebay.tune.load.run, forebay.tune.load.worker, uvloop
found = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(name for name in found if name not in sys.stdlib_module_names and not name.startswith("_")))
"""


def test_it_imports_little():
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, timeout=60, check=True)
    assert set(done.stdout.split()) <= LIGHT


def test_a_measurement_can_be_read_without_the_generator():
    ask = "import sys, forebay.tune.report.measured; print('forebay.tune.load.run' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
