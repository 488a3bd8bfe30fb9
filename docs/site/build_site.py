"""Builds the documentation's site into a tar archive: the pages of docs/, and the references from source.

    build_site.py --output site.tar --config mkdocs.yml --readme README.md
        --pages docs/a.md … --python py/torch_nacelle/__init__.py … --headers runtime/engine.h …

mkdocs runs in its strict mode: a link that leads nowhere and a page that is not in the navigation end the build. The
same inputs give the same pages.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from docs.site import cpp_reference, python_reference


def relink(text: str, source: str, page: str) -> str:
    """Returns the text of `source` with its links as they are from `page`; both are paths in the repository.

    Links to files outside of docs/, which a site lacks, become the names of these files.
    """

    def link(match: re.Match[str]) -> str:
        label, target = match.groups()
        if target is None:
            return match.group()
        path, _, anchor = target.partition("#")
        if not path or path.startswith("/") or re.match(r"\w+:", target):
            return match.group()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not path.startswith("docs/"):
            return f"{label} (`{path}`)" if label.strip("`") != path else label
        path = posixpath.relpath(path, posixpath.dirname(page))
        return f"[{label}]({path}#{anchor})" if anchor else f"[{label}]({path})"

    code = r"^```.*?^```$|^    [^\n]*$|`[^`\n]*`"
    return re.sub(code + r"|(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", link, text, flags=re.MULTILINE | re.DOTALL)


def below(path: str, *folders: str) -> str:
    """Returns the part of a path that begins with one of the folders; generated files have others before it."""
    match = re.search(rf"(?:^|/)((?:{'|'.join(folders)})/.*)$", path)
    if match is None:
        raise ValueError(f"{path} is not below {' or '.join(folders)}")
    return match.group(1)


def copy(files: list[str], target: Path, *folders: str) -> list[str]:
    """Copies files below `target` by their paths from one of the folders on, and returns these."""
    names = []
    for file in files:
        name = below(file, *folders)
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / name)
        names.append(name)
    return names


def stage(options: argparse.Namespace, folder: Path) -> None:
    """Writes everything that mkdocs reads into a folder."""
    docs = folder / "docs"
    (docs / "reference").mkdir(parents=True)
    for file in options.pages:
        page = below(file, "docs")
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        if page.endswith(".md"):
            (folder / page).write_text(relink(Path(file).read_text(encoding="utf-8"), page, page), encoding="utf-8")
        else:
            shutil.copyfile(file, folder / page)
    readme = Path(options.readme).read_text(encoding="utf-8")
    (docs / "index.md").write_text(relink(readme, "README.md", "docs/index.md"), encoding="utf-8")
    copy(options.python, folder / "py", python_reference.PACKAGE)
    python = python_reference.page(folder / "py" / python_reference.PACKAGE)
    (docs / "reference" / "python_api.md").write_text(python, encoding="utf-8")
    headers = copy(options.headers, folder / "cpp", "runtime", "core")
    (docs / "reference" / "cpp_api.md").write_text(cpp_reference.page(headers, folder / "cpp"), encoding="utf-8")
    shutil.copyfile(options.config, folder / "mkdocs.yml")


def run_mkdocs(folder: Path) -> Path:
    """Runs mkdocs over a staged folder and returns the site's folder."""
    # Only what mkdocs needs of the environment, so that nothing else gets into the pages.
    environment = {
        "HOME": str(folder),
        "NO_MKDOCS_2_WARNING": "1",
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "SOURCE_DATE_EPOCH": "315532800",
    }
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--config-file",
        str(folder / "mkdocs.yml"),
    ]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        sys.exit(f"the site was not built:\n{ended.stdout}{ended.stderr}")
    return folder / "site"


def pack(site: Path, output: Path) -> None:
    """Writes a folder's files into a tar archive, in order and without times or owners."""
    with tarfile.open(output, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(path for path in site.rglob("*") if path.is_file() and path.suffix != ".gz"):
            entry = tarfile.TarInfo(str(path.relative_to(site)))
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                archive.addfile(entry, file)


def main(arguments: list[str]) -> None:
    """Runs the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("--output", "--config", "--readme"):
        parser.add_argument(name, required=True)
    for name in ("--pages", "--python", "--headers"):
        parser.add_argument(name, nargs="+", required=True)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        stage(options, Path(folder).resolve())
        pack(run_mkdocs(Path(folder).resolve()), Path(options.output))


if __name__ == "__main__":
    main(sys.argv[1:])
