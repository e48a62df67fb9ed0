"""Whether spans are recorded, as the settings and OpenTelemetry's own variables say."""

import os
from collections.abc import Mapping
from importlib.metadata import version

from config.load import SettingError
from config.settings import OtelSettings
from telemetry.span import NO_SPANS, Spans

# Any of them says where the collector is (OpenTelemetry, "Environment Variable Specification").
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
DISABLED = "OTEL_SDK_DISABLED"


def open_spans(settings: OtelSettings, part: str, environment: Mapping[str, str] | None = None) -> Spans:
    """Return where a process that is this part of Muster ("api", "worker") tells its spans; `start` it where it runs.

    Raises:
        SettingError: a collector is set, and the packages of `muster[otel]` are missing.
    """
    environment = os.environ if environment is None else environment
    is_set = settings.endpoint or any(environment.get(name) for name in ENDPOINTS)
    if not is_set or environment.get(DISABLED, "").lower() == "true":
        return NO_SPANS
    try:
        from telemetry.collector import CollectorSpans
    except ImportError as error:
        raise SettingError(
            f"Spans are to go to a collector, but {error.name} is missing: pip install 'muster[otel]', or unset "
            f"otel.endpoint (MUSTER_OTEL_ENDPOINT) and {' and '.join(ENDPOINTS)}."
        ) from None
    return CollectorSpans(f"muster-{part}", version("muster"), settings.endpoint, settings.sample_ratio)
