"""A real PostgreSQL server for tests: made in a folder of its own, reached by a socket there, gone at the end."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

USERS = ("postgres", "nobody")
"""Under whom it runs where the tests run as root, which PostgreSQL refuses."""


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, of the newest version there is."""
    found = [Path(program).parent for program in [shutil.which("initdb")] if program]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists()), None)


class Server:
    """One server; `new_database` gives the URL of an empty database."""

    def __init__(self, programs: Path, *, is_durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="filmless-pg-"))
        self._numbers = itertools.count()
        self._as = self._user()
        quick = [] if is_durable else ["-c", "fsync=off", "-c", "synchronous_commit=off"]
        data = str(self.folder / "data")
        subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", "filmless", "-E", "UTF8", "--no-sync"],
            check=True, capture_output=True, cwd=self.folder, **self._as,
        )  # fmt: skip
        self._log = (self.folder / "log").open("w")
        self._process = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", str(self.folder), "-c", "listen_addresses=", *quick],
            stdout=self._log, stderr=self._log, cwd=self.folder, **self._as,
        )  # fmt: skip
        self._wait()

    def _user(self) -> dict[str, object]:
        if os.geteuid() != 0:
            return {}
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        user = next(names[name] for name in USERS if name in names)
        os.chown(self.folder, user.pw_uid, user.pw_gid)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _wait(self) -> None:
        for _ in range(600):
            try:
                self._run("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return
        raise RuntimeError((self.folder / "log").read_text())

    def _run(self, statement: str) -> None:
        with psycopg.connect(f"host={self.folder} user=filmless dbname=postgres", autocommit=True) as connection:
            connection.execute(statement)

    def new_database(self) -> str:
        """Make an empty database; the URL by which a policy names it."""
        name = f"archive_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name}")
        return f"postgresql://filmless@/{name}?host={self.folder}"

    def stop(self) -> None:
        """End the server and remove all it has."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)
        self._log.close()
        shutil.rmtree(self.folder)
