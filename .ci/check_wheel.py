"""An installed wheel is a whole PixSim7: it serves its web app, migrates and answers.

Run by the Python of an environment that has nothing but the wheel: `python check_wheel.py`.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

READY_WITHIN_S = 60


def main() -> None:
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryFile("w+") as log:
        command = [str(Path(sys.executable).with_name("pixsim7")), "serve", "--port", "0"]
        server = subprocess.Popen(
            command,
            env={**os.environ, "PIXSIM7_DATA_DIR": data},
            cwd=data,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            check(printed_address(server))
        except BaseException:
            log.seek(0)
            print(log.read())
            raise
        finally:
            server.send_signal(signal.SIGTERM)
            status = server.wait(30)
        if status != 0:
            sys.exit(f"serve ended with {status}")
    print("the wheel serves the web app")


def printed_address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    sys.exit("serve printed no address")


def check(base: str) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while status_of(f"{base}/health/ready") != 200:
        if time.monotonic() > until:
            sys.exit("the server does not get ready")
        time.sleep(0.1)
    page = read(f"{base}/gallery")
    scripts = re.findall(r"/_app/immutable/[\w./-]+\.js", page)
    if not scripts:
        sys.exit("the web app is not in the wheel")
    for script in scripts:
        read(base + script)


def read(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


if __name__ == "__main__":
    main()
