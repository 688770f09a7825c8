"""Publishes dbt's documentation site: one page that holds everything, and its pictures."""

from pathlib import Path

from common.errors import LoadError
from lake.publish import Lake

# Below the lake's URL, beside the layers.
FOLDER = "docs"
# What `dbt docs generate --static` leaves in its target folder: the page, and the folder of
# `asset-paths`, whose pictures the page names by this path.
PAGE = "static_index.html"
PICTURES = "docs/diagrams"


def publish_site(target: Path, lake: Lake) -> str:
    """Puts the site into the lake; returns where its page is.

    Pictures go first and the page last, so that readers never see a page without its pictures. What
    else is there stays. Raises LoadError if `target` holds no site.
    """
    page = target / PAGE
    if not page.is_file():
        raise LoadError(f"{page}: there is no such file: dbt docs generate --static writes it")
    bucket = lake.layer(FOLDER)
    for picture in sorted((target / PICTURES).iterdir()):
        bucket.put(f"{PICTURES}/{picture.name}", picture)
    bucket.put("index.html", page)
    return f"{bucket.url}/index.html"
