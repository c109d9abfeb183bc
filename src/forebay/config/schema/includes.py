"""Text of the operator's own within files that forebay writes."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from forebay.config.schema.base import Name, Section


class EdgeInclude(Section):
    """Lines of your own in the edge's file. `configs/<environment>/edge/` may hold each as a file, such as
    `nginx-server.conf` or `haproxy-frontend.cfg`. The program itself checks the whole before it is put in place."""

    nginx_http: str = ""
    """nginx: within `http`, before forebay's server: maps, zones, servers of your own."""
    nginx_server: str = ""
    """nginx: within the server for HTTPS: locations of your own, and what calls to the gateway inherit."""
    haproxy_global: str = ""
    """HAProxy: at the end of `global`."""
    haproxy_defaults: str = ""
    """HAProxy: at the end of `defaults`."""
    haproxy_frontend: str = ""
    """HAProxy: within the frontend for HTTPS, after forebay's own rules."""
    haproxy_backend: str = ""
    """HAProxy: within the backend of the gateway, after forebay's own rules."""
    haproxy_sections: str = ""
    """HAProxy: whole sections, at the end of the file."""


class Monitoring(Section):
    """Your own beside what forebay writes for Prometheus, Alertmanager and Grafana. `configs/<environment>/monitoring/`
    may hold each as a file: `rules/NAME.yml`, `scrapes/NAME.yml`, `alertmanager.yml`, `dashboards/NAME.json`."""

    rules: dict[Name, str] = {}
    """Files of rules (`groups: …`), as text, by name."""
    scrapes: dict[Name, str] = {}
    """What else is scraped (`scrape_configs: …`), as text, by name."""
    alertmanager: str = ""
    """`routes`, `receivers`, `inhibit_rules` and `time_intervals`, as text. Routes stand before forebay's; a receiver
    called `night` or `morning` takes the place of forebay's."""
    dashboards: dict[Name, str] = {}
    """Dashboards of Grafana, as JSON text, by name."""
    reload: list[Annotated[str, Field(pattern=r"^http://[^/\s?#@]+/[^\s]*$")]] = []
    """Told by POST when a release that changes these files is in force, such as `http://127.0.0.1:9091/-/reload`."""
