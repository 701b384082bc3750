"""The sources of a definition as they are opened by a live run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from crossfoot.definition.model import BigQuerySource, Definition, FileSource, KafkaSource, SocketSource, Source
from crossfoot.sources.bigquery_table import Table
from crossfoot.sources.files import Place
from crossfoot.sources.follow import FollowedFiles
from crossfoot.sources.kafka import topic_of
from crossfoot.sources.live import Opener
from crossfoot.sources.pubsub import Subscription
from crossfoot.sources.remote import remote_of
from crossfoot.sources.unix_socket import Listener
from crossfoot.sources.whole_files import WholeFiles


def is_live(definition: Definition) -> bool:
    """Whether a source of the definition has no end."""
    return any(not isinstance(source, FileSource) or source.follow for source in definition.sources)


def has_end(definition: Definition) -> bool:
    """Whether each source is counted to the end that it has."""
    return all(
        isinstance(source, BigQuerySource) or (isinstance(source, FileSource) and not source.follow)
        for source in definition.sources
    )


def openers_of(definition: Definition, place: Place, environment: Mapping[str, str]) -> tuple[Opener, ...]:
    """The sources; secrets of their settings are read from the environment, paths begin at the place."""
    return tuple(_opener(source, definition, place, environment) for source in definition.sources)


def _opener(source: Source, definition: Definition, place: Place, environment: Mapping[str, str]) -> Opener:
    if isinstance(source, KafkaSource):
        return topic_of(source, definition, environment)
    if isinstance(source, SocketSource):
        return Listener(Path(os.path.normpath(place.home / Path(source.path).expanduser())), source.name)
    if isinstance(source, FileSource):
        place = replace(place, remote=remote_of(definition, environment))
        return (FollowedFiles if source.follow else WholeFiles)(source.name, source.files, place)
    if isinstance(source, BigQuerySource):
        return Table(source, environment)
    return Subscription(f"projects/{source.project}/subscriptions/{source.subscription}", source.name, environment)
