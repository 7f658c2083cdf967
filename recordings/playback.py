"""Where a sealed recording lies, for the console, which has asked for permission and noted the listening before."""

from pathlib import Path

from backoffice_core.call_centre.models import Recording
from backoffice_core.config import Settings
from backoffice_core.errors import NotFound
from recordings.naming import SEALED, part


def path_of(settings: Settings, recording: Recording) -> Path:
    """Raises NotFound when it is not sealed (yet) or its file is gone."""
    path = part(settings.recordings_dir, recording.path, SEALED)
    if recording.state != "SEALED" or not path.exists():
        raise NotFound("The recording is not there.", remedy="It appears some seconds after the call's end.")
    return path
