"""The parts of a local stack: what each is, how it is fetched or built by its usual client, and where it is kept.

A part's folder in the cache has its version and the digest of its recipe in its name. It is made beside its place and
then renamed, under a lock: it is there whole or not at all, and a second process waits and uses what the first made.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crossfoot import settings
from crossfoot.dev.processes import answer_of
from crossfoot.dev.tools import GO, JAVA, MAVEN, NODE, NPM, Tool, need
from crossfoot.errors import CallError, ServiceError
from crossfoot.files import held

HERE = Path(__file__).resolve().parent
_MAKING_S = 1800

Command = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part: the folder of its recipe, the tools that make and run it, and what makes it in a folder."""

    name: str
    version: str
    what: str
    recipe: Path
    tools: tuple[Tool, ...]
    make: Callable[[Path, Path], Command]

    @property
    def folder(self) -> str:
        """Its name in the cache; a changed recipe is another folder."""
        digest = hashlib.blake2b(digest_size=4)
        for file in sorted(path for path in self.recipe.iterdir() if path.is_file()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        return f"{self.name}-{self.version}-{digest.hexdigest()}"


def _jars(recipe: Path, target: Path) -> Command:
    options = ("-DincludeScope=runtime", f"-DoutputDirectory={target}")
    return (
        "mvn",
        "--batch-mode",
        "--quiet",
        "--file",
        str(recipe / "pom.xml"),
        "dependency:copy-dependencies",
        *options,
    )


def program(package: str) -> Callable[[Path, Path], Command]:
    """A Go program of the recipe's module, as `emulator`."""

    def command(recipe: Path, target: Path) -> Command:
        return ("go", "build", "-C", str(recipe), "-trimpath", "-o", str(target / "emulator"), package)

    return command


def _environment(recipe: Path, target: Path) -> Command:
    return ("sh", str(recipe / "make.sh"), sys.executable, str(recipe), str(target))


def _modules(recipe: Path, target: Path) -> Command:
    return ("sh", str(recipe / "make.sh"), str(recipe), str(target))


def _installed(recipe: Path, target: Path) -> Command:
    return ("sh", str(recipe / "make.sh"), str(target))


EMULATORS = HERE / "emulators"
KAFKA = Part("kafka", "4.4.0", "the Kafka broker", HERE / "kafka", (JAVA, MAVEN), _jars)
PUBSUB = Part("pubsub", "2.8.1", "the Pub/Sub emulator", EMULATORS, (GO,), program("."))
BIGTABLE = Part(
    "bigtable",
    "1.58.0",
    "the Bigtable emulator",
    EMULATORS,
    (GO,),
    program("cloud.google.com/go/bigtable/cmd/emulator"),
)
BIGQUERY = Part("bigquery", "1.4.0", "the BigQuery emulator", HERE / "bigquery_emulator", (), _environment)
S3 = Part("s3", "5.2.5", "the S3 server", HERE / "s3_server", (), _environment)
GCS = Part(
    "gcs",
    "1.56.1",
    "the Cloud Storage server",
    HERE / "gcs_server",
    (GO,),
    program("github.com/fsouza/fake-gcs-server"),
)
AZURE = Part("azure", "3.35.0", "the Azure Blob server", HERE / "azure_server", (NODE, NPM), _modules)
HDFS = Part("hdfs", "3.5.0", "the HDFS cluster", HERE / "hdfs", (JAVA, MAVEN), _jars)
BEAM = Part("beam", "2.77.0", "the environment of Apache Beam", HERE / "beam_environment", (), _environment)
PRISM = Part("prism", "2.77.0", "the Beam runner Prism", HERE / "prism", (GO,), _installed)
PARTS = (KAFKA, PUBSUB, BIGTABLE, BIGQUERY, S3, GCS, AZURE, HDFS, BEAM, PRISM)


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where parts are kept: `CROSSFOOT_PARTS`, or a folder in the user's cache."""
    environment = settings.environment() if environment is None else environment
    if chosen := settings.load(environment).parts:
        return Path(chosen).absolute()
    home = environment.get("XDG_CACHE_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".cache") / "crossfoot"


def kept(part: Part, cache: Path | None = None) -> Path | None:
    """The folder of a part that was made before."""
    place = (cache or cache_folder()) / part.folder
    return place if place.is_dir() else None


def ensure(part: Part, cache: Path | None = None, note: Callable[[str], None] = lambda _: None) -> Path:
    """The folder of a part, which is made if it is not there yet."""
    cache = cache or cache_folder()
    if place := kept(part, cache):
        return place
    need(part.tools, part.what)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with held(cache / f"{part.folder}.lock"):
            return kept(part, cache) or _made(part, cache / part.folder, note)
    except OSError as error:
        hint = "name a folder that can be written: CROSSFOOT_PARTS=FOLDER"
        raise CallError(
            f"{part.what} cannot be kept in {cache}: {(error.strerror or str(error)).lower()}", hint
        ) from error


def _made(part: Part, place: Path, note: Callable[[str], None]) -> Path:
    note(f"{part.what} {part.version} is fetched once, into {place}")
    draft = place.with_name(f"{place.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    _run(part, part.make(part.recipe, draft))
    draft.rename(place)
    return place


def _run(part: Part, command: Command) -> None:
    made = answer_of(command, _MAKING_S)
    if made.code != 0:
        why = next(iter(made.lines), f"exit code {made.code}")
        raise ServiceError(
            f"{part.what} could not be fetched by {command[0]}: {why}",
            f"check that {command[0]} reaches its registry, then run again",
        )
