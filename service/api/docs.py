"""GET /docs: Swagger UI over /openapi.json, from files of this package; it works offline."""

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.api.pages import STATIC, html_page, static_file

_FILES = {
    "swagger-ui-bundle.js": STATIC / "swagger-ui" / "swagger-ui-bundle.js",
    "swagger-ui.css": STATIC / "swagger-ui" / "swagger-ui.css",
    "docs.js": STATIC / "docs.js",
}
# Relative, so that it works behind a proxy that serves this under a path of its own.
_PAGE = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Featherbox API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/docs.js"></script>
</body>
</html>
"""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def page() -> Response:
    """Return the page."""
    return html_page(_PAGE, style_src="'self' 'unsafe-inline'")  # Swagger UI writes styles


@router.get("/docs/{name}")
def file(name: str) -> Response:
    """Return a script or style of the page."""
    if name not in _FILES:
        raise HTTPException(404)
    return static_file(_FILES[name])
