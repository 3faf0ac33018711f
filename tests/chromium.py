"""Headless Chromium, spoken to over a pipe by the DevTools protocol; nothing but the browser itself is needed."""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-sync", "--disable-background-networking",
    "--disable-component-update", "--window-size=1250,1500", "--remote-debugging-pipe",
)  # fmt: skip
SOFTWARE_WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
NO_WEBGL = ("--disable-gpu", "--disable-3d-apis")
PATIENCE_S = 120.0
# the protocol is on file descriptors 3 and 4, which may be among those that are moved there
TO_3_AND_4 = """
import fcntl, os, sys
said_to, says = (fcntl.fcntl(int(one), fcntl.F_DUPFD, 10) for one in sys.argv[1:3])
os.dup2(said_to, 3), os.dup2(says, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def chromium() -> str | None:
    """The browser of this machine, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page in a browser of its own, until the block ends.

    Attributes:
        complaints: what stood on the console as an error or a warning, and every exception of the page.
        requests: addresses that the page asked for.
    """

    def __init__(self, page: Path, profile: Path, *flags: str) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._page, self._numbers, self._held = page, 0, b""
        said_to, self._to = os.pipe()
        self._from, says = os.pipe()
        words = [str(chromium()), *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"]
        # the browser runs in a group of its own, which ends as one
        self._process = subprocess.Popen(
            [sys.executable, "-c", TO_3_AND_4, str(said_to), str(says), *words],
            pass_fds=(said_to, says), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        os.close(said_to)
        os.close(says)
        self._session = ""

    def __enter__(self) -> "Browser":
        try:
            self._open()
        except BaseException:
            self._end()
            raise
        return self

    def _open(self) -> None:
        (target, *_) = [one for one in self._ask("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        attached = self._ask("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for what in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{what}.enable")
        self._ask("Page.navigate", url=self._page.as_uri())
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives in the page, a promise awaited.

        Raises:
            RuntimeError: it threw.
        """
        told = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise RuntimeError(json.dumps(told["exceptionDetails"])[:2000])
        return told["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true.

        Raises:
            TimeoutError: it did not become so.
        """
        until = time.monotonic() + PATIENCE_S
        while not self.value(expression):
            if time.monotonic() > until:
                raise TimeoutError(f"{expression}: {self.complaints}")
            time.sleep(0.05)

    def press(self, key: str, code: int = 0, text: str = "") -> None:
        """Press and release a key, as a user does."""
        known = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self._ask("Input.dispatchKeyEvent", type="keyDown", **known, **({"text": text} if text else {}))
        self._ask("Input.dispatchKeyEvent", type="keyUp", **known)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """One event of the mouse: mousePressed, mouseMoved, mouseReleased, mouseWheel."""
        self._ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def names(self, role: str) -> list[str]:
        """What a screen reader says of every element with a role."""
        nodes = self._ask("Accessibility.getFullAXTree")["nodes"]
        told = [one for one in nodes if not one["ignored"] and one.get("role", {}).get("value") == role]
        return [str(one.get("name", {}).get("value", "")) for one in told]

    def picture(self, path: Path, **more: Any) -> None:
        """Write what is to be seen as a PNG."""
        path.write_bytes(base64.b64decode(self._ask("Page.captureScreenshot", **more)["data"]))

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._numbers += 1
        message: dict[str, Any] = {"id": self._numbers, "method": method, "params": parameters}
        os.write(
            self._to, json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0"
        )
        while True:
            told = self._next()
            if told.get("id") == self._numbers:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return told["result"]
            self._note(told)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._held:
            ready, _, _ = select.select([self._from], [], [], PATIENCE_S)
            part = os.read(self._from, 1 << 20) if ready else b""
            if not part:
                raise TimeoutError(f"the browser said nothing any more: {self.complaints}")
            self._held += part
        first, _, self._held = self._held.partition(b"\0")
        told: dict[str, Any] = json.loads(first)
        return told

    def _note(self, told: dict[str, Any]) -> None:
        method, said = told.get("method"), told.get("params", {})
        if method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(said["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(said["exceptionDetails"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(said["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
